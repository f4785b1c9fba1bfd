package dev.nightjar.examples.trading;

import java.util.ArrayDeque;
import java.util.Deque;

/** What every order must pass. In event time, so that a replay decides as the first run did. */
final class RiskGate {
    /**
     * The limits.
     *
     * @param maxPosition largest number of shares, long or short, in one instrument
     * @param ordersPerSecond most orders passed in any second
     * @param maxQuoteAgeMillis age from which a quote is too old to trade on
     * @param maxLoss loss of the whole book at which trading stops for good
     */
    record Limits(int maxPosition, int ordersPerSecond, long maxQuoteAgeMillis, double maxLoss) {
    }

    /** What became of an order. */
    enum Verdict {
        PASSED, KILLED, STALE_QUOTE, POSITION_LIMIT, RATE_LIMIT
    }

    private final Limits limits;
    private final Deque<Long> passedMillis = new ArrayDeque<>();
    private boolean killed;

    RiskGate(Limits limits) {
        this.limits = limits;
    }

    /** Refuses every order from now on. */
    void kill() {
        killed = true;
    }

    boolean killed() {
        return killed;
    }

    /** Throws the kill switch if the book has lost too much. */
    void observeProfit(double profit) {
        killed |= profit <= -limits.maxLoss;
    }

    /**
     * Judges an order.
     *
     * @param position in its instrument before it
     * @param quantity positive to buy, negative to sell
     * @param quoteMillis time of the quote it would trade on
     */
    Verdict check(long millis, int position, int quantity, long quoteMillis) {
        if (killed) {
            return Verdict.KILLED;
        }
        if (millis - quoteMillis >= limits.maxQuoteAgeMillis) {
            return Verdict.STALE_QUOTE;
        }
        int after = position + quantity;
        if (Math.abs(after) > limits.maxPosition && Math.abs(after) > Math.abs(position)) {
            return Verdict.POSITION_LIMIT;
        }
        while (!passedMillis.isEmpty() && millis - passedMillis.peekFirst() >= 1000) {
            passedMillis.removeFirst();
        }
        if (passedMillis.size() >= limits.ordersPerSecond) {
            return Verdict.RATE_LIMIT;
        }
        passedMillis.addLast(millis);
        return Verdict.PASSED;
    }
}

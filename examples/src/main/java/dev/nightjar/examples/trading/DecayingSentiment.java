package dev.nightjar.examples.trading;

/** What news says about one instrument, every piece losing half its weight in a half-life. In event time. */
final class DecayingSentiment {
    private final double halfLifeMillis;
    private double value;
    private long updatedMillis;

    DecayingSentiment(double halfLifeMillis) {
        this.halfLifeMillis = halfLifeMillis;
    }

    /** @param sentiment in [-1, 1] */
    void add(long millis, double sentiment) {
        value = at(millis) + sentiment;
        updatedMillis = millis;
    }

    double at(long millis) {
        return value * StrictMath.pow(2, -(millis - updatedMillis) / halfLifeMillis);
    }
}

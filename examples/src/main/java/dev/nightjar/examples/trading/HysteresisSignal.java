package dev.nightjar.examples.trading;

/**
 * Long, short or neither: entered when sentiment is strong and left only when it is weak, so that noise around one
 * threshold does not trade.
 */
final class HysteresisSignal {
    private final double enter;
    private final double exit;
    private int direction;

    /**
     * @param enter strength to take a side
     * @param exit strength below which to give it up
     */
    HysteresisSignal(double enter, double exit) {
        if (!(exit >= 0 && exit < enter)) {
            throw new IllegalArgumentException("exit " + exit + " is not in [0, enter " + enter + ")");
        }
        this.enter = enter;
        this.exit = exit;
    }

    /** Gives 1 for long, -1 for short, 0 for neither. */
    int update(double sentiment) {
        if (Math.abs(sentiment) >= enter) {
            direction = sentiment > 0 ? 1 : -1;
        } else if (sentiment * direction <= exit) {
            direction = 0;
        }
        return direction;
    }
}

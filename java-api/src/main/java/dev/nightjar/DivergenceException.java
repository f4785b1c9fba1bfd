package dev.nightjar;

/** The loss or the gradient of a training step is no longer a number. */
public class DivergenceException extends NightjarException {
    private static final long serialVersionUID = 1L;

    private final int step;

    public DivergenceException(int step, double loss, double gradientNorm) {
        super("training diverged: step " + step + " has loss " + loss + " and gradient norm " + gradientNorm
                + "; a lower learning rate or a longer warm-up may help");
        this.step = step;
    }

    /** The first step, counted from 1, at which that was noticed. */
    public int step() {
        return step;
    }
}

package dev.nightjar.study;

import dev.nightjar.study.StudyRun.Status;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * What the variability study knows of one run, whoever made it. Immutable.
 *
 * @param hyperparameters of the run
 * @param seed names the cluster of runs that share a source of chance; empty where unknown
 * @param responses by name; NaN or absent where unknown
 */
public record Observation(Hyperparameters hyperparameters, String seed, Map<String, Double> responses) {

    /**
     * The predictors.
     *
     * @param learningRate above 0
     * @param batchSize rows
     * @param epochs passes over the data
     */
    public record Hyperparameters(double learningRate, double batchSize,
            double epochs) implements Comparable<Hyperparameters> {
        /** Of the paper's baseline, {@code distilbert-base-uncased-finetuned-sst-2-english}, by its card. */
        public static final Hyperparameters PAPER_BASELINE = new Hyperparameters(1e-5, 32, 3);

        /** @throws IllegalArgumentException if a value is not positive and finite */
        public Hyperparameters {
            if (!(learningRate > 0 && batchSize > 0 && epochs > 0
                    && Double.isFinite(learningRate + batchSize + epochs))) {
                throw new IllegalArgumentException("learning rate " + learningRate + ", batch size " + batchSize
                        + ", epochs " + epochs + ": expected positive numbers");
            }
        }

        /** Base-10 logarithm of the learning rate, batch size, epochs. */
        double[] point() {
            return new double[]{StrictMath.log10(learningRate), batchSize, epochs};
        }

        @Override
        public int compareTo(Hyperparameters other) {
            int order = Double.compare(learningRate, other.learningRate);
            order = order != 0 ? order : Double.compare(batchSize, other.batchSize);
            return order != 0 ? order : Double.compare(epochs, other.epochs);
        }
    }

    public Observation {
        responses = Map.copyOf(responses);
    }

    /** A response, or NaN where it is unknown. */
    public double response(String name) {
        return responses.getOrDefault(name, Double.NaN);
    }

    /** Observations of the runs that ended as planned; those that diverged have no responses and are left out. */
    public static List<Observation> of(List<StudyRun> runs) {
        return runs.stream().filter(run -> run.status() == Status.COMPLETED)
                .map(run -> new Observation(
                        new Hyperparameters(run.setting("learning_rate"), run.setting("batch_size"),
                                run.setting("epochs")),
                        Long.toString(run.seed()), new TreeMap<>(run.metrics())))
                .toList();
    }
}

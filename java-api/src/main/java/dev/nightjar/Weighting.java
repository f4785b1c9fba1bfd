package dev.nightjar;

import java.util.List;
import java.util.Locale;

/** How training weighs the classification loss against the regression loss. A model with one task gives it weight 1 in any case. */
public sealed interface Weighting {
    /** With respect to what the gradients of the tasks are compared. */
    enum Scope {
        /** What both heads read; costs next to nothing. */
        POOLED_REPRESENTATION,
        /** Every parameter both tasks share; costs a second backward pass. */
        SHARED_PARAMETERS
    }

    /**
     * Dynamic Adaptive Optimization (arXiv 2408.11856; the data weights and the scope are our reconstruction): weights that give both tasks'
     * gradients the same norm, anew at every step.
     *
     * @param balanceClasses whether rows also count by the inverse frequency of their class in the batch
     */
    record Dao(Scope scope, boolean balanceClasses) implements Weighting {
    }

    /**
     * Fixed weights.
     *
     * @param balanceClasses whether rows count by the inverse frequency of their class in the batch
     */
    record Constant(float classification, float regression, boolean balanceClasses) implements Weighting {
        /** @throws IllegalArgumentException if a weight is negative or not finite, or both are 0 */
        public Constant {
            boolean valid = classification >= 0 && regression >= 0 && classification + regression > 0
                    && Float.isFinite(classification + regression);
            if (!valid) {
                throw new IllegalArgumentException(
                        "constant weights " + classification + " and " + regression + " are not both >= 0, one above");
            }
        }
    }

    /**
     * Homoscedastic uncertainty (Kendall, Gal and Cipolla, CVPR 2018): learned log-variances.
     *
     * @param learningRate of the log-variances, which have an Adam of their own
     */
    record Uncertainty(double learningRate) implements Weighting {
        /** @throws IllegalArgumentException if the learning rate is not positive */
        public Uncertainty {
            if (!(learningRate > 0 && Double.isFinite(learningRate))) {
                throw new IllegalArgumentException("learning rate " + learningRate + " is not positive");
            }
        }
    }

    /**
     * Dynamic weight average (Liu, Johns and Davison, CVPR 2019): the task whose loss falls more slowly counts more in the next epoch.
     *
     * @param temperature evens the weights out; the authors use 2
     */
    record DynamicWeightAverage(double temperature) implements Weighting {
        /** @throws IllegalArgumentException if the temperature is not positive */
        public DynamicWeightAverage {
            if (!(temperature > 0 && Double.isFinite(temperature))) {
                throw new IllegalArgumentException("temperature " + temperature + " is not positive");
            }
        }
    }

    /** What {@link #parse} understands. */
    List<String> NAMES = List.of("dao", "dao-shared", "dao-lambda", "dao-shared-lambda", "dao-omega", "constant",
            "uncertainty", "dwa");

    /**
     * A weighting by its name: {@code dao} and {@code dao-shared} for the two scopes; {@code -lambda} without data weights and
     * {@code dao-omega} with them alone, task weights 0.5; {@code constant} for 0.5 and 0.5; {@code uncertainty}; {@code dwa}.
     *
     * @throws IllegalArgumentException naming what is understood
     */
    static Weighting parse(String name) {
        return switch (name.toLowerCase(Locale.ROOT)) {
            case "dao" -> new Dao(Scope.POOLED_REPRESENTATION, true);
            case "dao-shared" -> new Dao(Scope.SHARED_PARAMETERS, true);
            case "dao-lambda" -> new Dao(Scope.POOLED_REPRESENTATION, false);
            case "dao-shared-lambda" -> new Dao(Scope.SHARED_PARAMETERS, false);
            case "dao-omega" -> new Constant(0.5f, 0.5f, true);
            case "constant" -> new Constant(0.5f, 0.5f, false);
            case "uncertainty" -> new Uncertainty(0.01);
            case "dwa" -> new DynamicWeightAverage(2);
            default -> throw new IllegalArgumentException("weighting \"" + name + "\" is not one of " + NAMES);
        };
    }
}

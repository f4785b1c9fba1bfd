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
            requirePositive("learning rate", learningRate);
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
            requirePositive("temperature", temperature);
        }
    }

    /**
     * GradNorm (Chen, Badrinarayanan, Lee and Rabinovich, ICML 2018): learned weights that give the task which learns more slowly the larger
     * gradient.
     *
     * @param alpha how strongly; 0 gives both gradients the same norm, the authors use 1.5
     * @param learningRate of the weights, which have an Adam of their own; the authors use 0.025
     */
    record GradNorm(Scope scope, double alpha, double learningRate) implements Weighting {
        /** @throws IllegalArgumentException if alpha is negative or not finite, or the learning rate is not positive */
        public GradNorm {
            requireNotNegative("alpha", alpha);
            requirePositive("learning rate", learningRate);
        }
    }

    /**
     * Dual balancing, DB-MTL (Lin and others, arXiv 2308.12029): logarithms of the losses, and the shared gradients' moving averages scaled to
     * the larger of their norms. Costs a second backward pass, and the memory of three more gradients.
     *
     * @param averageDecay of the moving averages, in [0, 1); the authors' library uses 0.9
     */
    record DualBalancing(double averageDecay) implements Weighting {
        /** @throws IllegalArgumentException if the decay is not in [0, 1) */
        public DualBalancing {
            if (!(averageDecay >= 0 && averageDecay < 1)) {
                throw new IllegalArgumentException("decay of averages " + averageDecay + " is not in [0, 1)");
            }
        }
    }

    /**
     * Fast adaptive multitask optimization, FAMO (Liu, Feng, Stone and Liu, NeurIPS 2023): weights that make both losses fall at the same rate.
     * Costs a second forward pass, which measures what a step achieved.
     *
     * @param learningRate of the weights' logits, which have an Adam of their own; the authors use 0.025
     * @param decay of the logits; the authors use 1e-5 to 1e-2
     */
    record Famo(double learningRate, double decay) implements Weighting {
        /** @throws IllegalArgumentException if the learning rate is not positive, or the decay negative or not finite */
        public Famo {
            requirePositive("learning rate", learningRate);
            requireNotNegative("decay", decay);
        }
    }

    private static void requirePositive(String name, double value) {
        if (!(value > 0 && Double.isFinite(value))) {
            throw new IllegalArgumentException(name + " " + value + " is not positive");
        }
    }

    private static void requireNotNegative(String name, double value) {
        if (!(value >= 0 && Double.isFinite(value))) {
            throw new IllegalArgumentException(name + " " + value + " is not 0 or above");
        }
    }

    /** Whether rows also count by the inverse frequency of their class in the batch. */
    default boolean balanceClasses() {
        return false;
    }

    /** What {@link #parse} understands. */
    List<String> NAMES = List.of("dao", "dao-shared", "dao-lambda", "dao-shared-lambda", "dao-omega", "constant",
            "uncertainty", "dwa", "gradnorm", "gradnorm-shared", "db-mtl", "famo");

    /**
     * A weighting by its name: {@code dao} and {@code dao-shared} for the two scopes; {@code -lambda} without data weights and
     * {@code dao-omega} with them alone, task weights 0.5; {@code constant} for 0.5 and 0.5; {@code uncertainty}; {@code dwa};
     * {@code gradnorm} and {@code gradnorm-shared} for the two scopes; {@code db-mtl}; {@code famo}. Their settings are the authors'.
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
            case "gradnorm" -> new GradNorm(Scope.POOLED_REPRESENTATION, 1.5, 0.025);
            case "gradnorm-shared" -> new GradNorm(Scope.SHARED_PARAMETERS, 1.5, 0.025);
            case "db-mtl" -> new DualBalancing(0.9);
            case "famo" -> new Famo(0.025, 1e-3);
            default -> throw new IllegalArgumentException("weighting \"" + name + "\" is not one of " + NAMES);
        };
    }
}

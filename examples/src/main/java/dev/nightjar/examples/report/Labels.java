package dev.nightjar.examples.report;

import dev.nightjar.study.VariabilityAnalysis;
import java.util.Map;

/** Names for readers of what programs name. */
final class Labels {
    private static final Map<String, String> METRICS = Map.ofEntries(Map.entry("accuracy", "Accuracy"),
            Map.entry("f1", "F1, positive class"), Map.entry("f1_macro", "F1, macro"),
            Map.entry("loss", "Cross-entropy loss"), Map.entry("mse", "MSE"), Map.entry("mae", "MAE"),
            Map.entry("pearson", "Pearson r"));
    private static final Map<String, String> PREDICTORS = Map.of(VariabilityAnalysis.LEARNING_RATE, "learning rate",
            VariabilityAnalysis.BATCH_SIZE, "batch size", VariabilityAnalysis.EPOCHS, "epochs");

    private Labels() {
    }

    static String metric(String name) {
        return METRICS.getOrDefault(name, name);
    }

    static String predictor(String name) {
        return PREDICTORS.getOrDefault(name, name);
    }

    /** A term of a regression: {@code epochs^2} is "epochs²". */
    static String term(String term) {
        if (term.equals("const")) {
            return "intercept";
        }
        int product = term.indexOf('*');
        if (product >= 0) {
            return predictor(term.substring(0, product)) + " × " + predictor(term.substring(product + 1));
        }
        return term.endsWith("^2") ? predictor(term.substring(0, term.length() - 2)) + "²" : predictor(term);
    }
}

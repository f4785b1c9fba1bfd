package dev.nightjar.examples;

import dev.nightjar.ClassificationMetrics;
import dev.nightjar.ClassificationMetrics.ClassMetrics;
import dev.nightjar.Evaluation;
import dev.nightjar.RegressionMetrics;
import java.io.PrintWriter;
import java.util.Locale;
import java.util.StringJoiner;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** An evaluation for people, whole or in a line, and for machines. */
final class Metrics {
    private Metrics() {
    }

    /** The numbers one watches during training. */
    static String line(Evaluation evaluation) {
        StringJoiner line = new StringJoiner("  ");
        evaluation.classification().ifPresent(metrics -> line.add(String.format(Locale.ROOT,
                "accuracy %.4f  macro F1 %.4f  log loss %.4f", metrics.accuracy(), metrics.macroF1(),
                metrics.logLoss())));
        evaluation.regression().forEach(metrics -> line.add(String.format(Locale.ROOT, "%s: MSE %.4f  Pearson %.4f",
                metrics.target(), metrics.meanSquaredError(), metrics.pearson())));
        return line.toString();
    }

    /** Every number, in tables. */
    static void print(PrintWriter out, Evaluation evaluation) {
        evaluation.classification().ifPresent(metrics -> print(out, metrics));
        for (RegressionMetrics metrics : evaluation.regression()) {
            out.printf(Locale.ROOT, "%s (%d rows): MSE %.4f  MAE %.4f  Pearson %.4f  Spearman %.4f  R2 %.4f%n",
                    metrics.target(), metrics.rows(), metrics.meanSquaredError(), metrics.meanAbsoluteError(),
                    metrics.pearson(), metrics.spearman(), metrics.r2());
        }
    }

    private static void print(PrintWriter out, ClassificationMetrics metrics) {
        out.printf(Locale.ROOT,
                "class (%d rows): accuracy %.4f  macro F1 %.4f  weighted F1 %.4f  Matthews %.4f  log loss %.4f  ECE %.4f%n",
                metrics.rows(), metrics.accuracy(), metrics.macroF1(), metrics.weightedF1(), metrics.matthews(),
                metrics.logLoss(), metrics.calibrationError());
        int width = metrics.classes().stream().mapToInt(c -> c.label().length()).max().orElse(0);
        String name = "  %-" + width + "s";
        out.printf(name + "  precision  recall      F1  predicted as%n", "");
        for (int i = 0; i < metrics.classes().size(); i++) {
            ClassMetrics c = metrics.classes().get(i);
            StringJoiner counts = new StringJoiner("  ");
            for (int j = 0; j < metrics.classes().size(); j++) {
                counts.add(metrics.classes().get(j).label() + " " + metrics.confusion().get(i).get(j));
            }
            out.printf(Locale.ROOT, name + "  %9.4f  %6.4f  %6.4f  %s%n", c.label(), c.precision(), c.recall(), c.f1(),
                    counts);
        }
    }

    static ObjectNode json(Evaluation evaluation) {
        ObjectNode node = JsonNodeFactory.instance.objectNode();
        evaluation.classification().ifPresent(metrics -> node.set("classification", json(metrics)));
        ArrayNode regression = node.putArray("regression");
        for (RegressionMetrics metrics : evaluation.regression()) {
            ObjectNode target = regression.addObject().put("target", metrics.target()).put("rows", metrics.rows());
            Json.put(target, "mse", metrics.meanSquaredError());
            Json.put(target, "mae", metrics.meanAbsoluteError());
            Json.put(target, "pearson", metrics.pearson());
            Json.put(target, "spearman", metrics.spearman());
            Json.put(target, "r2", metrics.r2());
        }
        return node;
    }

    private static ObjectNode json(ClassificationMetrics metrics) {
        ObjectNode node = JsonNodeFactory.instance.objectNode().put("rows", metrics.rows());
        Json.put(node, "accuracy", metrics.accuracy());
        Json.put(node, "macro_f1", metrics.macroF1());
        Json.put(node, "weighted_f1", metrics.weightedF1());
        Json.put(node, "matthews", metrics.matthews());
        Json.put(node, "log_loss", metrics.logLoss());
        Json.put(node, "calibration_error", metrics.calibrationError());
        ArrayNode classes = node.putArray("classes");
        for (ClassMetrics c : metrics.classes()) {
            ObjectNode entry = classes.addObject().put("label", c.label()).put("support", c.support());
            Json.put(entry, "precision", c.precision());
            Json.put(entry, "recall", c.recall());
            Json.put(entry, "f1", c.f1());
        }
        ArrayNode confusion = node.putArray("confusion");
        metrics.confusion().forEach(row -> row.forEach(confusion.addArray()::add));
        return node;
    }
}

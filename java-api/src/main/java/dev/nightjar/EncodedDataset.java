package dev.nightjar;

import dev.nightjar.model.DistilBertConfig;
import dev.nightjar.train.TokenizedRows;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.stream.IntStream;

/** A {@link Dataset} in terms of a model: its tokens, the indexes of its classes, the order of its targets. */
final class EncodedDataset {
    private EncodedDataset() {
    }

    /**
     * The heads that a model needs for a data set: its own where the labels are among the model's and the targets are the same, in any
     * order; else new ones.
     */
    static DistilBertConfig heads(DistilBertConfig config, Dataset data) {
        boolean sameTargets = new HashSet<>(config.targets()).equals(new HashSet<>(data.targetNames()));
        boolean knownLabels = !data.labelNames().isEmpty() && config.labels().containsAll(data.labelNames());
        return config.withHeads(knownLabels ? config.labels() : data.labelNames(),
                sameTargets ? config.targets() : data.targetNames());
    }

    /**
     * The rows that have a target of the model.
     *
     * @param name what messages call the data set
     * @param config with the heads that count
     * @param model gives the tokenizer
     * @throws IllegalArgumentException naming a label or target that the model does not know, or if no row is left
     */
    static TokenizedRows of(String name, Dataset data, DistilBertConfig config, SentimentModel model, int maxLength) {
        int[] classes = indexes(name, "label", data.labelNames(), config.labels());
        int[] targets = indexes(name, "target", data.targetNames(), config.targets());
        List<TokenizedRows.Row> rows = new ArrayList<>();
        for (int row = 0; row < data.size(); row++) {
            Example example = data.examples().get(row);
            float[] scores = new float[config.scores()];
            Arrays.fill(scores, Float.NaN);
            for (int k = 0; k < targets.length; k++) {
                scores[targets[k]] = example.score(k);
            }
            boolean scored = IntStream.range(0, targets.length).anyMatch(example::hasScore);
            if (example.hasLabel() || scored) {
                int label = example.hasLabel() ? classes[example.label()] : Example.NO_LABEL;
                rows.add(new TokenizedRows.Row(model.encodeWithin(example.text(), maxLength), row, label, scores));
            }
        }
        if (rows.isEmpty()) {
            throw new IllegalArgumentException("none of the " + data.size() + " rows of the " + name
                    + " has a label or score");
        }
        return new TokenizedRows(rows);
    }

    private static int[] indexes(String data, String kind, List<String> names, List<String> known) {
        int[] indexes = names.stream().mapToInt(known::indexOf).toArray();
        for (int i = 0; i < indexes.length; i++) {
            if (indexes[i] < 0) {
                throw new IllegalArgumentException("the " + data + " has the " + kind + " \"" + names.get(i)
                        + "\", the model only " + known);
            }
        }
        return indexes;
    }
}

package dev.nightjar.examples;

import dev.nightjar.Dataset;
import dev.nightjar.DatasetColumns;
import dev.nightjar.DatasetFormat;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Option;

/** How files of labelled texts are written. */
final class DataOptions {
    /** Turns a column's option off. */
    private static final String NONE = "-";

    @Option(names = "--format", paramLabel = "FORMAT",
            description = "${COMPLETION-CANDIDATES} (default: as the file's name ends; .tsv has no quoting).")
    private DatasetFormat format;

    @Option(names = "--text-column", paramLabel = "NAME", defaultValue = "text",
            description = "Column or JSON member of the text (default: ${DEFAULT-VALUE}).")
    private String text;

    @Option(names = "--label-column", paramLabel = "NAME",
            description = "Of the class, a name or an index; - for none (default: label, if the model has classes).")
    private String label;

    @Option(names = "--score-columns", paramLabel = "NAMES", split = ",",
            description = "Of the scores, separated by commas; - for none (default: the model's; for a new model "
                    + "score).")
    private List<String> scores;

    /** A file for a new model: whatever classes it has, and the score column. */
    Dataset read(Path file) throws IOException {
        return read(file, "label", List.of(), List.of("score"));
    }

    /**
     * A file for a model that knows its classes and targets.
     *
     * @param labels class names in order of their index
     * @param targets names of the scores
     */
    Dataset read(Path file, List<String> labels, List<String> targets) throws IOException {
        return read(file, labels.isEmpty() ? NONE : "label", labels, targets);
    }

    private Dataset read(Path file, String standardLabel, List<String> labelNames, List<String> standardScores)
            throws IOException {
        DatasetColumns columns = DatasetColumns.text(text);
        String labelColumn = label == null ? standardLabel : label;
        if (!labelColumn.equals(NONE)) {
            columns = columns.withLabel(labelColumn, labelNames);
        }
        List<String> scoreColumns = scores == null ? standardScores : scores;
        if (!scoreColumns.equals(List.of(NONE))) {
            columns = columns.withScores(scoreColumns.toArray(String[]::new));
        }
        return Dataset.read(file, format == null ? DatasetFormat.of(file) : format, columns);
    }
}

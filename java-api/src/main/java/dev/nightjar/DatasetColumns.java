package dev.nightjar;

import java.util.List;
import java.util.Optional;

/**
 * Which columns of a file (or members of its objects) make a data set.
 *
 * @param text name of the column with the text
 * @param label name of the column with the class, if there is one
 * @param scores names of the columns with the regression targets, which name the targets
 * @param labelNames class names in order of their index; empty to discover them, sorted (by value where all are integers)
 */
public record DatasetColumns(String text, Optional<String> label, List<String> scores, List<String> labelNames) {

    public DatasetColumns {
        scores = List.copyOf(scores);
        labelNames = List.copyOf(labelNames);
    }

    /** Texts alone, to be extended. */
    public static DatasetColumns text(String column) {
        return new DatasetColumns(column, Optional.empty(), List.of(), List.of());
    }

    /** The same with a class whose names are discovered. */
    public DatasetColumns withLabel(String column) {
        return new DatasetColumns(text, Optional.of(column), scores, List.of());
    }

    /** The same with a class of the given names, in order of their index. */
    public DatasetColumns withLabel(String column, List<String> names) {
        return new DatasetColumns(text, Optional.of(column), scores, names);
    }

    /** The same with these regression targets. */
    public DatasetColumns withScores(String... columns) {
        return new DatasetColumns(text, label, List.of(columns), labelNames);
    }
}

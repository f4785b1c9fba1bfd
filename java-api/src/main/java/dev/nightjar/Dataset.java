package dev.nightjar;

import dev.nightjar.io.DatasetReader;
import dev.nightjar.io.Fingerprint;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Labelled texts, in order, with the names of their classes and regression targets. Immutable.
 *
 * @param examples the rows
 * @param labelNames class names in order of their index; empty when no row has a class
 * @param targetNames names of the regression targets; every row has as many scores
 */
public record Dataset(List<Example> examples, List<String> labelNames, List<String> targetNames) {

    /**
     * @throws IllegalArgumentException for repeated names, or naming the first row whose label or number of scores does
     *        not fit them
     */
    public Dataset {
        examples = List.copyOf(examples);
        labelNames = List.copyOf(labelNames);
        targetNames = List.copyOf(targetNames);
        requireDistinct("label", labelNames);
        requireDistinct("target", targetNames);
        for (int row = 0; row < examples.size(); row++) {
            Example example = examples.get(row);
            if (example.label() >= labelNames.size()) {
                throw new IllegalArgumentException("row " + row + " has label " + example.label() + ", but there are "
                        + labelNames.size() + " label names");
            }
            if (example.scoreCount() != targetNames.size()) {
                throw new IllegalArgumentException(
                        "row " + row + " has " + example.scoreCount() + " scores, but there are "
                                + targetNames.size() + " targets");
            }
        }
    }

    /** Reads a file whose name tells its format; see {@link #read(Path, DatasetFormat, DatasetColumns)}. */
    public static Dataset read(Path file, DatasetColumns columns) throws IOException {
        return read(file, DatasetFormat.of(file), columns);
    }

    /**
     * Reads a file whole. An empty cell, a null or an absent member is a missing label or score. A label is a name, or
     * an integer, which is an index unless it is a name itself.
     *
     * @throws FormatException naming file and line, and what was expected there
     */
    public static Dataset read(Path file, DatasetFormat format, DatasetColumns columns) throws IOException {
        return DatasetReader.read(file, format, columns);
    }

    /**
     * Reads the content of a file from memory; else like {@link #read(Path, DatasetFormat, DatasetColumns)}.
     *
     * @param source what messages call it
     */
    public static Dataset parse(String source, byte[] content, DatasetFormat format, DatasetColumns columns) {
        return DatasetReader.parse(source, content, format, columns);
    }

    public int size() {
        return examples.size();
    }

    /** SHA-256 of everything in it, names included; the same for equal data sets. */
    public String fingerprint() {
        Fingerprint fingerprint = new Fingerprint();
        for (List<String> names : List.of(labelNames, targetNames)) {
            fingerprint.add(names.size());
            names.forEach(fingerprint::add);
        }
        for (Example example : examples) {
            fingerprint.add(example.text()).add(example.label());
            for (int target = 0; target < targetNames.size(); target++) {
                fingerprint.add(example.score(target));
            }
        }
        return fingerprint.hex();
    }

    /** The two parts of a {@link #split}. */
    public record Split(Dataset training, Dataset validation) {
    }

    /**
     * Parts the rows at random, the same way on every machine and in every language: row {@code i} (from 0) gets the
     * key {@code splitmix64(seed * 0x9E3779B97F4A7C15 + i)}, and the {@code round(fraction * size)} rows of the
     * smallest unsigned keys (halves round up; equal keys in row order) are the validation part. Both parts keep the
     * order of the rows.
     *
     * @param validationFraction part of the rows to hold out, in [0, 1]
     * @param seed which of the splits
     */
    public Split split(double validationFraction, long seed) {
        if (!(validationFraction >= 0 && validationFraction <= 1)) {
            throw new IllegalArgumentException("validation fraction " + validationFraction + " is not in [0, 1]");
        }
        int rows = examples.size();
        List<Integer> order = new ArrayList<>(rows);
        for (int row = 0; row < rows; row++) {
            order.add(row);
        }
        order.sort((a, b) -> Long.compareUnsigned(splitKey(seed, a), splitKey(seed, b)));
        int[] held = order.stream().limit(Math.round(validationFraction * rows)).mapToInt(Integer::intValue).sorted()
                .toArray();
        List<Example> training = new ArrayList<>(rows - held.length);
        List<Example> validation = new ArrayList<>(held.length);
        for (int row = 0; row < rows; row++) {
            (Arrays.binarySearch(held, row) >= 0 ? validation : training).add(examples.get(row));
        }
        return new Split(withExamples(training), withExamples(validation));
    }

    private Dataset withExamples(List<Example> rows) {
        return new Dataset(rows, labelNames, targetNames);
    }

    /** One step of Vigna's splitmix64 from the state {@code seed * 0x9E3779B97F4A7C15 + row}. */
    static long splitKey(long seed, long row) {
        long golden = 0x9E3779B97F4A7C15L;
        long z = seed * golden + row + golden;
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }

    private static void requireDistinct(String kind, List<String> names) {
        if (names.stream().distinct().count() != names.size()) {
            throw new IllegalArgumentException("a " + kind + " name is given twice: " + names);
        }
    }
}

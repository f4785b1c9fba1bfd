package dev.nightjar.io;

import dev.nightjar.Dataset;
import dev.nightjar.DatasetColumns;
import dev.nightjar.DatasetFormat;
import dev.nightjar.Example;
import dev.nightjar.FormatException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.Pattern;
import tools.jackson.databind.JsonNode;

/**
 * Reader of labelled texts: tables with a header line, or one JSON object to a line; UTF-8, a byte order mark allowed.
 * An empty cell, a null or an absent member is a missing label or score. A label is a name, or an integer, which is an
 * index unless it is a name itself. Whatever else is found is refused with its file and line.
 */
public final class DatasetReader {
    private static final int MAX_BYTES = 1 << 30;
    private static final int SHOWN_CHARACTERS = 60;
    private static final Pattern INTEGER = Pattern.compile("-?\\d{1,9}");
    private static final Pattern NUMBER = Pattern.compile("[+-]?(\\d++(\\.\\d*+)?|\\.\\d++)([eE][+-]?\\d++)?");

    /** A row before the labels are known; a missing label is empty. */
    private record Row(long line, String label, Example example) {
    }

    private final String source;
    private final DatasetColumns columns;
    private final List<Row> rows = new ArrayList<>();

    private DatasetReader(String source, DatasetColumns columns) {
        this.source = source;
        this.columns = columns;
    }

    /**
     * Reads a file whole.
     *
     * @throws FormatException naming file and line, and what was expected there
     */
    public static Dataset read(Path file, DatasetFormat format, DatasetColumns columns) throws IOException {
        return parse(file.toString(), InputFiles.read(file, MAX_BYTES), format, columns);
    }

    /** Reads the content of a file that messages call {@code source}. */
    public static Dataset parse(String source, byte[] bytes, DatasetFormat format, DatasetColumns columns) {
        String text = Json.text(source, bytes);
        text = text.startsWith("\uFEFF") ? text.substring(1) : text;
        DatasetReader reader = new DatasetReader(source, columns);
        switch (format) {
            case TSV -> reader.readTable(new DelimitedText(source, text, '\t', false));
            case QUOTED_TSV -> reader.readTable(new DelimitedText(source, text, '\t', true));
            case CSV -> reader.readTable(new DelimitedText(source, text, ',', true));
            case JSONL -> reader.readObjects(text);
        }
        return reader.dataset();
    }

    private void readTable(DelimitedText table) {
        List<String> header = table.next();
        long headerLine = table.line();
        int textColumn = column(header, headerLine, columns.text());
        int labelColumn = columns.label().map(name -> column(header, headerLine, name)).orElse(-1);
        int[] scoreColumns = columns.scores().stream().mapToInt(name -> column(header, headerLine, name)).toArray();
        for (List<String> fields = table.next(); !fields.isEmpty(); fields = table.next()) {
            long line = table.line();
            if (fields.size() != header.size()) {
                throw malformed(line, "has " + fields.size() + " fields, the header has " + header.size());
            }
            float[] scores = new float[scoreColumns.length];
            for (int i = 0; i < scores.length; i++) {
                scores[i] = score(line, columns.scores().get(i), fields.get(scoreColumns[i]).strip());
            }
            add(line, fields.get(textColumn), labelColumn < 0 ? "" : fields.get(labelColumn).strip(), scores);
        }
    }

    private int column(List<String> header, long line, String name) {
        int index = header.indexOf(name);
        if (index < 0) {
            throw malformed(line, "there is no column " + name + ", found " + shown(header.toString()));
        }
        if (header.lastIndexOf(name) != index) {
            throw malformed(line, "the column " + name + " is there twice");
        }
        return index;
    }

    private float score(long line, String column, String cell) {
        if (cell.isEmpty()) {
            return Float.NaN;
        }
        float score = NUMBER.matcher(cell).matches() ? Float.parseFloat(cell) : Float.NaN;
        if (!Float.isFinite(score)) {
            throw malformed(line, "expected a finite number as " + column + ", found " + shown(cell));
        }
        return score;
    }

    private void readObjects(String text) {
        boolean anyLabel = false;
        boolean[] anyScore = new boolean[columns.scores().size()];
        long line = 0;
        for (String json : (Iterable<String>) text.lines()::iterator) {
            line++;
            if (json.isBlank()) {
                continue;
            }
            JsonNode object = Json.object(source + ":" + line, json);
            JsonNode textNode = object.path(columns.text());
            if (!textNode.isString()) {
                throw malformed(line, "expected a string as " + columns.text() + ", found " + shown(textNode));
            }
            float[] scores = new float[anyScore.length];
            for (int i = 0; i < scores.length; i++) {
                scores[i] = score(line, columns.scores().get(i), object);
                anyScore[i] |= object.has(columns.scores().get(i));
            }
            anyLabel |= columns.label().isPresent() && object.has(columns.label().get());
            add(line, textNode.stringValue(), label(line, object), scores);
        }
        requireSeen(columns.label().orElse(""), anyLabel || columns.label().isEmpty());
        for (int i = 0; i < anyScore.length; i++) {
            requireSeen(columns.scores().get(i), anyScore[i]);
        }
    }

    private float score(long line, String member, JsonNode object) {
        JsonNode node = object.path(member);
        if (node.isMissingNode() || node.isNull()) {
            return Float.NaN;
        }
        float score = node.isNumber() ? (float) node.doubleValue() : Float.NaN;
        if (!Float.isFinite(score)) {
            throw malformed(line, "expected a finite number as " + member + ", found " + shown(node));
        }
        return score;
    }

    private String label(long line, JsonNode object) {
        JsonNode node = object.path(columns.label().orElse(""));
        if (columns.label().isEmpty() || node.isMissingNode() || node.isNull()) {
            return "";
        }
        if (!node.isString() && !node.isIntegralNumber()) {
            throw malformed(line,
                    "expected a name or an integer as " + columns.label().get() + ", found " + shown(node));
        }
        return node.asString().strip();
    }

    private void requireSeen(String member, boolean seen) {
        if (!seen && !rows.isEmpty()) {
            throw new FormatException(source, "no object has a member " + member);
        }
    }

    private void add(long line, String text, String label, float[] scores) {
        if (text.isBlank()) {
            throw malformed(line, "the text is empty");
        }
        rows.add(new Row(line, label, new Example(text, Example.NO_LABEL, scores)));
    }

    private Dataset dataset() {
        if (rows.isEmpty()) {
            throw new FormatException(source, "has no rows");
        }
        List<String> names = columns.label().isPresent() ? labelNames() : List.of();
        Map<String, Integer> indexes = new HashMap<>();
        names.forEach(name -> indexes.put(name, indexes.size()));
        List<Example> examples = new ArrayList<>(rows.size());
        for (Row row : rows) {
            examples.add(row.label().isEmpty() ? row.example() : row.example().withLabel(index(row, indexes, names)));
        }
        return new Dataset(examples, names, columns.scores());
    }

    private List<String> labelNames() {
        if (!columns.labelNames().isEmpty()) {
            return columns.labelNames();
        }
        TreeSet<String> found = new TreeSet<>();
        rows.stream().map(Row::label).filter(label -> !label.isEmpty()).forEach(found::add);
        if (found.isEmpty()) {
            throw new FormatException(source, "no row has a label in " + columns.label().orElseThrow());
        }
        if (found.stream().allMatch(name -> INTEGER.matcher(name).matches())) {
            return found.stream().sorted(Comparator.comparing(Integer::valueOf)).toList();
        }
        return List.copyOf(found);
    }

    private int index(Row row, Map<String, Integer> indexes, List<String> names) {
        Integer index = indexes.get(row.label());
        if (index == null && INTEGER.matcher(row.label()).matches()) {
            index = Integer.valueOf(row.label());
        }
        if (index == null || index < 0 || index >= names.size()) {
            throw malformed(row.line(), "expected one of the labels " + shown(names.toString()) + " or an index below "
                    + names.size() + ", found " + shown(row.label()));
        }
        return index;
    }

    private static String shown(Object found) {
        String text = found.toString();
        return text.isEmpty()
                ? "nothing"
                : text.length() <= SHOWN_CHARACTERS ? text : text.substring(0, SHOWN_CHARACTERS) + "…";
    }

    private FormatException malformed(long line, String problem) {
        return new FormatException(source + ":" + line, problem);
    }
}

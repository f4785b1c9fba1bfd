package dev.nightjar.study;

import dev.nightjar.FormatException;
import dev.nightjar.io.DelimitedText;
import dev.nightjar.study.Observation.Hyperparameters;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Which columns of a table of runs hold what; reads somebody else's runs.
 *
 * @param learningRate name of a column
 * @param batchSize name of a column
 * @param epochs name of a column
 * @param seed name of a column, or empty: then the runs' errors are taken as independent
 * @param responses names of columns, which are the responses' names as well
 */
public record ObservationTable(String learningRate, String batchSize, String epochs, Optional<String> seed,
        List<String> responses) {
    private static final long MAX_BYTES = 1 << 28;

    public ObservationTable {
        responses = List.copyOf(responses);
    }

    /**
     * Reads a CSV file (RFC 4180, UTF-8) with a header line. An empty cell of a response is unknown.
     *
     * @throws FormatException naming file and line, and what was expected there
     */
    public List<Observation> read(Path csv) throws IOException {
        if (Files.size(csv) > MAX_BYTES) {
            throw new FormatException(csv.toString(),
                    "has " + Files.size(csv) + " bytes, expected at most " + MAX_BYTES);
        }
        try {
            return parse(csv.toString(), Files.readString(csv));
        } catch (CharacterCodingException e) {
            throw new FormatException(csv.toString(), "is not UTF-8", e);
        }
    }

    /** Reads the content of a file that messages call {@code source}. */
    List<Observation> parse(String source, String csv) {
        DelimitedText table = new DelimitedText(source, csv.startsWith("\uFEFF") ? csv.substring(1) : csv, ',', true);
        List<String> header = table.next().stream().map(String::strip).toList();
        List<String> names = new ArrayList<>(List.of(learningRate, batchSize, epochs));
        names.addAll(responses);
        seed.ifPresent(names::add);
        for (String name : names) {
            if (!header.contains(name)) {
                throw new FormatException(source + ":1", "has no column \"" + name + "\" among " + header);
            }
        }
        List<Observation> observations = new ArrayList<>();
        for (List<String> cells = table.next(); !cells.isEmpty(); cells = table.next()) {
            String place = source + ":" + table.line();
            if (cells.size() != header.size()) {
                throw new FormatException(place,
                        "has " + cells.size() + " fields, the header has " + header.size());
            }
            List<String> row = cells;
            Map<String, Double> values = new HashMap<>();
            for (String response : responses) {
                String cell = row.get(header.indexOf(response));
                values.put(response, cell.isBlank() ? Double.NaN : number(place, response, cell));
            }
            observations.add(new Observation(hyperparameters(place, header, row),
                    seed.map(name -> row.get(header.indexOf(name)).strip()).orElse(""), values));
        }
        return observations;
    }

    private Hyperparameters hyperparameters(String place, List<String> header, List<String> row) {
        try {
            return new Hyperparameters(number(place, learningRate, row.get(header.indexOf(learningRate))),
                    number(place, batchSize, row.get(header.indexOf(batchSize))),
                    number(place, epochs, row.get(header.indexOf(epochs))));
        } catch (IllegalArgumentException e) {
            throw new FormatException(place, e.getMessage(), e);
        }
    }

    private static double number(String place, String column, String cell) {
        try {
            double value = Double.parseDouble(cell.strip());
            if (Double.isFinite(value)) {
                return value;
            }
        } catch (NumberFormatException e) {
            throw new FormatException(place, column + " is \"" + cell + "\", expected a number", e);
        }
        throw new FormatException(place, column + " is \"" + cell + "\", expected a finite number");
    }
}

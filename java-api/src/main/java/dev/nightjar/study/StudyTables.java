package dev.nightjar.study;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;

/** Runs as CSV (RFC 4180, lines end with a line feed); a number that a run does not have is an empty cell. */
final class StudyTables {
    private StudyTables() {
    }

    /** Settings, seed, status, steps and metrics. */
    static String runs(List<StudyRun> runs) {
        return table(runs, List.of("status", "steps"),
                run -> List.of(run.status().name().toLowerCase(Locale.ROOT), Integer.toString(run.stepCount())),
                StudyRun::metrics);
    }

    /** Settings, seed and costs. */
    static String costs(List<StudyRun> runs) {
        return table(runs, List.of(), _ -> List.of(), StudyRun::costs);
    }

    private static String table(List<StudyRun> runs, List<String> names, Function<StudyRun, List<String>> values,
            Function<StudyRun, Map<String, Double>> numbers) {
        Set<String> settings = new LinkedHashSet<>();
        Set<String> columns = new LinkedHashSet<>();
        for (StudyRun run : runs) {
            settings.addAll(run.configuration().keySet());
            columns.addAll(numbers.apply(run).keySet());
        }
        List<String> header = new ArrayList<>(settings);
        header.add("seed");
        header.addAll(names);
        header.addAll(columns);
        StringBuilder csv = new StringBuilder();
        addRow(csv, header);
        for (StudyRun run : runs) {
            List<String> row = new ArrayList<>();
            settings.forEach(name -> row.add(run.configuration().getOrDefault(name, "")));
            row.add(Long.toString(run.seed()));
            row.addAll(values.apply(run));
            columns.forEach(name -> row.add(number(numbers.apply(run).getOrDefault(name, Double.NaN))));
            addRow(csv, row);
        }
        return csv.toString();
    }

    private static void addRow(StringBuilder csv, List<String> cells) {
        for (int i = 0; i < cells.size(); i++) {
            csv.append(i == 0 ? "" : ",").append(quoted(cells.get(i)));
        }
        csv.append('\n');
    }

    private static String number(double value) {
        return Double.isFinite(value) ? Double.toString(value) : "";
    }

    private static String quoted(String cell) {
        boolean plain = cell.chars().noneMatch(c -> c == ',' || c == '"' || c == '\n' || c == '\r');
        return plain ? cell : '"' + cell.replace("\"", "\"\"") + '"';
    }
}

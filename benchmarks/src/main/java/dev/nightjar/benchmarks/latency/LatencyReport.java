package dev.nightjar.benchmarks.latency;

import dev.nightjar.benchmarks.latency.PauseRecorder.Pause;
import dev.nightjar.examples.report.Chart;
import dev.nightjar.examples.report.Numbers;
import dev.nightjar.examples.report.Report;
import dev.nightjar.examples.report.Scale;
import dev.nightjar.examples.report.Scale.Tick;
import dev.nightjar.examples.report.Table;
import dev.nightjar.examples.report.Table.Column;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.DoubleFunction;
import java.util.function.Function;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.HdrHistogram.Histogram;

/** What a sweep of loads showed, as one page. */
final class LatencyReport {
    /**
     * Everything measured.
     *
     * @param setting names and values
     * @param capacity answers a second when the subject never waits for a text
     * @param single times of single texts, one after the other with pauses between: nothing queues
     * @param sweep Poisson arrivals by ascending load
     * @param arrivals other kinds of arrivals at the reference load
     * @param pauses safepoints of the whole time
     * @param stall the coordinated-omission experiment
     */
    record Data(Map<String, String> setting, double capacity, LatencySummary single, List<LoadPoint> sweep,
            List<LoadPoint> arrivals, List<Pause> pauses, Stall stall) {
        /** The load that most is said about. */
        LoadPoint reference() {
            return sweep.stream().min((a, b) -> Double.compare(Math.abs(a.fraction() - REFERENCE_LOAD),
                    Math.abs(b.fraction() - REFERENCE_LOAD))).orElseThrow();
        }
    }

    /**
     * The same schedule, sent to the same stalling subject as it says, and by a client that waits for every answer.
     *
     * @param description of subject and schedule
     * @param open latency from the scheduled send
     * @param closed latency from the actual send, which is what such a client measures
     */
    record Stall(String description, Histogram open, Histogram closed) {
    }

    /** The load of the bar: 70 % of capacity. */
    static final double REFERENCE_LOAD = 0.7;

    private static final DoubleFunction<String> MILLIS = Numbers.significant(3);
    private static final double NANOS_PER_MILLI = 1e6;
    private static final double MEGA = 1 << 20;
    private static final int SLICES = 150;
    private static final int SPECTRUM_POINTS = 60;
    private static final String[] NAMES = {"p50", "p90", "p99", "p99.9", "p99.99", "max"};

    private final Data data;
    private final Report report = new Report("Latency under load");

    private LatencyReport(Data data) {
        this.data = data;
    }

    static Report of(Data data) {
        LatencyReport report = new LatencyReport(data);
        report.summary();
        report.loads();
        report.serviceAndQueueing();
        report.time();
        report.arrivals();
        report.coordinatedOmission();
        return report.report;
    }

    private void summary() {
        LoadPoint reference = data.reference();
        double service = millis(reference.summary().service(), 50);
        double single = millis(data.single().service(), 50);
        double p99 = millis(reference.summary().latency(), 99);
        report.key(String.format(Locale.ROOT,
                "At %.0f %% of capacity (%.0f of %.0f texts/s), with Poisson arrivals: p50 %.3g ms, p99 %.3g ms, which is %.1f"
                        + " times the median service time of %.3g ms, and %.1f times that of a single text, %.3g ms.",
                100 * reference.fraction(), reference.perSecond(), data.capacity(),
                millis(reference.summary().latency(), 50), p99, p99 / service, service, p99 / single, single));
        report.paragraph(
                "Latency counts from the moment a text was due by the schedule, not from when it was sent, so that"
                        + " waiting is never left out. It is queueing (until the batch that the text is in begins) plus service"
                        + " (that batch's forward pass). Capacity is what is answered while the queue is never empty.");
        Table setting = new Table("setting", "What was measured, and how.", Column.text("name", "Setting"),
                Column.text("value", "Value"));
        data.setting().forEach(setting::row);
        report.table(setting);
    }

    private void loads() {
        List<LoadPoint> sweep = data.sweep();
        Table table = latencies("loads",
                "Latency in ms from the scheduled send, by load. A percentile is given where at"
                        + " least one answer lies beyond it.",
                sweep);
        double[] xs = fractions(sweep);
        double[][] ys = new double[NAMES.length][];
        for (int i = 0; i < NAMES.length; i++) {
            double percentile = LatencySummary.PERCENTILES.get(i);
            ys[i] = sweep.stream().mapToDouble(p -> log10(millis(p.summary().latency(), percentile))).toArray();
        }
        Chart byLoad = lines("Latency by load", "Percentiles of latency against the offered load, logarithmic", xs, ys,
                List.of(NAMES), Scale.around("load, % of capacity", DoubleStream.of(xs)))
                .verticalRule(100);
        report.section("Load").table(table).table(accounts(sweep)).figure(
                "Percentiles by load (left; dashed: capacity), and the whole distribution at each load (right).", table,
                true, List.of(byLoad.svg(), spectrum("Distribution by load", sweep.stream()
                        .map(p -> p.summary().latency()).toList(),
                        sweep.stream().map(p -> Math.round(100 * p.fraction()) + " %").toList()).svg()));
    }

    private static Table latencies(String name, String caption, List<LoadPoint> points) {
        List<Column> columns = new ArrayList<>(List.of(Column.text("arrivals", "Arrivals"),
                new Column("load_percent", "Load, %", Numbers.COUNT),
                new Column("per_second", "Texts/s", Numbers.COUNT)));
        for (String percentile : NAMES) {
            columns.add(new Column(percentile, percentile, MILLIS));
        }
        columns.add(new Column("lag_p99", "Generator late, p99", MILLIS));
        Table table = new Table(name, caption, columns.toArray(Column[]::new));
        for (LoadPoint point : points) {
            List<Object> cells = new ArrayList<>(List.of(point.arrivals(), 100 * point.fraction(), point.perSecond()));
            for (double percentile : LatencySummary.PERCENTILES) {
                cells.add(millis(point.summary().latency(), percentile));
            }
            cells.add(millis(point.summary().lag(), 99));
            table.row(cells.toArray());
        }
        return table;
    }

    private static Table accounts(List<LoadPoint> points) {
        Table table = new Table("accounts",
                "What became of every text, which adds up, and the memory of the process after"
                        + " each load.",
                new Column("load_percent", "Load, %", Numbers.COUNT),
                new Column("offered", "Offered", Numbers.COUNT), new Column("answered", "Answered", Numbers.COUNT),
                new Column("rejected", "Rejected", Numbers.COUNT), new Column("dropped", "Dropped", Numbers.COUNT),
                new Column("failed", "Failed", Numbers.COUNT),
                new Column("out_of_order", "Out of order", Numbers.COUNT),
                new Column("answered_per_second", "Answered/s", Numbers.COUNT),
                new Column("resident_mb", "Resident, MiB", Numbers.COUNT),
                new Column("heap_mb", "Heap with garbage, MiB", Numbers.COUNT));
        for (LoadPoint point : points) {
            RequestLog log = point.log();
            table.row(100 * point.fraction(), log.offered(), log.answered(), log.rejected(), log.dropped(),
                    log.failed(),
                    log.outOfOrder(), point.answeredPerSecond(), point.residentBytes() / MEGA,
                    point.heapBytes() / MEGA);
        }
        return table;
    }

    private void serviceAndQueueing() {
        Table table = new Table("service_and_queueing", "Service and queueing in ms, by load.",
                new Column("load_percent", "Load, %", Numbers.COUNT), new Column("service_p50", "Service p50", MILLIS),
                new Column("service_p99", "Service p99", MILLIS), new Column("queueing_p50", "Queueing p50", MILLIS),
                new Column("queueing_p99", "Queueing p99", MILLIS), new Column("latency_p99", "Latency p99", MILLIS),
                new Column("p99_per_service", "Latency p99 / service p50", Numbers.fixed(1)));
        for (LoadPoint point : data.sweep()) {
            LatencySummary s = point.summary();
            table.row(100 * point.fraction(), millis(s.service(), 50), millis(s.service(), 99),
                    millis(s.queueing(), 50),
                    millis(s.queueing(), 99), millis(s.latency(), 99),
                    millis(s.latency(), 99) / millis(s.service(), 50));
        }
        double[] xs = fractions(data.sweep());
        List<Function<LatencySummary, Histogram>> parts = List.of(LatencySummary::service, LatencySummary::queueing);
        List<String> charts = new ArrayList<>();
        for (double percentile : new double[]{50, 99}) {
            double[][] ys = parts.stream().map(part -> data.sweep().stream()
                    .mapToDouble(point -> log10(millis(part.apply(point.summary()), percentile))).toArray())
                    .toArray(double[][]::new);
            charts.add(lines(String.format(Locale.ROOT, "Service and queueing, p%.0f", percentile),
                    "Service and queueing time against load, logarithmic", xs, ys, List.of("service", "queueing"),
                    Scale.around("load, % of capacity", DoubleStream.of(xs))).verticalRule(100).svg());
        }
        report.section("Service and queueing").table(table).figure(
                "Where the time goes: a batch's own forward pass, and waiting for it.", table, true, charts);
    }

    /** The reference load over time, slice by slice, under the JVM's pauses. */
    private void time() {
        LoadPoint reference = data.reference();
        RequestLog log = reference.log();
        double seconds = (log.scheduled(log.offered() - 1) - log.begin()) / 1e9;
        double[] medians = new double[SLICES];
        double[] longest = new double[SLICES];
        double[] xs = IntStream.range(0, SLICES).mapToDouble(i -> (i + 0.5) * seconds / SLICES).toArray();
        Table slices = new Table("over_time", "", new Column("second", "", MILLIS), new Column("p50", "", MILLIS),
                new Column("max", "", MILLIS));
        int request = 0;
        for (int slice = 0; slice < SLICES; slice++) {
            Histogram histogram = LatencySummary.histogram();
            double end = (slice + 1) * seconds / SLICES * 1e9;
            for (; request < log.offered() && log.scheduled(request) - log.begin() <= end; request++) {
                if (log.isAnswered(request)) {
                    histogram.recordValue(log.finished(request) - log.scheduled(request));
                }
            }
            medians[slice] = LatencySummary.millis(histogram, 50);
            longest[slice] = LatencySummary.millis(histogram, 100);
            slices.row(xs[slice], medians[slice], longest[slice]);
        }
        Chart chart = new Chart("Latency over time",
                "Median and longest latency in slices of the run, with pauses of the JVM",
                540, 260, 60, Scale.between("seconds", 0, seconds),
                Scale.around("ms", DoubleStream.concat(DoubleStream.of(longest), DoubleStream.of(0))));
        for (int i = 0; i < SLICES; i++) {
            chart.vertical(xs[i], medians[i], longest[i], Chart.MUTED).speck(xs[i], longest[i], 1);
        }
        chart.line(xs, medians, 0).endLabels(new double[]{medians[SLICES - 1], longest[SLICES - 1]},
                List.of("median", "longest"), new int[]{0, 1});
        report.section(String.format(Locale.ROOT, "Over time, at %.0f %%", 100 * reference.fraction()));
        Table pauses = pauses(chart, log.begin(), seconds);
        report.figure("Every slice's median and longest latency. Dots at the bottom: safepoints, at the height of their"
                + " duration; purple with a dashed line those of collections.", slices, true, List.of(chart.svg()))
                .table(pauses);
    }

    /** Draws the safepoints of a load over it; lists those of all loads and says how many that is. */
    private Table pauses(Chart chart, long begin, double seconds) {
        Table table = new Table("pauses", "Safepoints since the first load began.",
                Column.text("operation", "Operation"),
                Column.text("collection", "Collection"), new Column("second", "At, s", Numbers.fixed(3)),
                new Column("ms", "ms", MILLIS));
        long first = data.sweep().getFirst().log().begin();
        int during = 0;
        for (Pause pause : data.pauses()) {
            double at = (pause.begin() - begin) / 1e9;
            double millis = pause.nanos() / NANOS_PER_MILLI;
            if (pause.begin() >= first) {
                table.row(pause.operation(), pause.collection() ? "yes" : "no", (pause.begin() - first) / 1e9, millis);
            }
            if (at >= 0 && at <= seconds) {
                during++;
                if (pause.collection()) {
                    chart.verticalRule(at);
                }
                chart.dot(at, millis, pause.collection() ? 3 : 2);
            }
        }
        long all = data.pauses().stream().filter(pause -> pause.begin() >= first).count();
        report.paragraph("Safepoints in this load: " + during + "; from the first load on: " + all + ".");
        return table;
    }

    private void arrivals() {
        if (data.arrivals().isEmpty()) {
            return;
        }
        List<LoadPoint> points = new ArrayList<>(List.of(data.reference()));
        points.addAll(data.arrivals());
        Table table = latencies("arrivals", "Latency in ms from the scheduled send, by kind of arrivals.", points);
        report.section("Kinds of arrivals").table(table).figure(
                "About the same rate, arranged differently.", table, true,
                List.of(spectrum("Distribution by arrivals", points.stream().map(p -> p.summary().latency()).toList(),
                        points.stream().map(p -> p.arrivals().replaceFirst(",.*", "")).toList()).svg()));
    }

    private void coordinatedOmission() {
        Stall stall = data.stall();
        List<Column> columns = new ArrayList<>(List.of(Column.text("client", "Client"),
                new Column("requests", "Requests", Numbers.COUNT)));
        for (String name : NAMES) {
            columns.add(new Column(name, name, MILLIS));
        }
        Table table = new Table("coordinated_omission", stall.description() + " Latency in ms.",
                columns.toArray(Column[]::new));
        Map<String, Histogram> clients = new LinkedHashMap<>();
        clients.put("by the schedule", stall.open());
        clients.put("waits for answers", stall.closed());
        clients.forEach((name, histogram) -> {
            List<Object> cells = new ArrayList<>(List.of(name, histogram.getTotalCount()));
            for (double percentile : LatencySummary.PERCENTILES) {
                cells.add(millis(histogram, percentile));
            }
            table.row(cells.toArray());
        });
        report.section("Coordinated omission")
                .paragraph("Why all of the above is measured open-loop. A client that sends"
                        + " the next text only when the last one is answered sends nothing during a stall: one bad sample stands"
                        + " for all the texts that would have suffered, and the percentiles look fine.")
                .table(table)
                .figure("One stall, seen by both clients.", table, true, List.of(spectrum("With one stall",
                        List.copyOf(clients.values()), List.of("schedule", "waits")).svg()));
    }

    /** A distribution from its median to its maximum, stretched so that every further nine has the same width. */
    private static Chart spectrum(String title, List<Histogram> histograms, List<String> names) {
        double nines = histograms.stream().mapToDouble(h -> Math.log10((double) Math.max(10, h.getTotalCount()))).max()
                .orElse(1);
        double step = nines / SPECTRUM_POINTS;
        double[] xs = IntStream.rangeClosed(0, SPECTRUM_POINTS).mapToDouble(i -> i * step).toArray();
        double[][] ys = histograms.stream().map(h -> DoubleStream.of(xs).map(x -> {
            // The last point of each line is its maximum.
            double left = Math.log10((double) Math.max(1, h.getTotalCount())) - x;
            double percentile = left < step ? 100 : 100 - 100 * StrictMath.pow(10, -x);
            return left < -1e-9 ? Double.NaN : log10(LatencySummary.millis(h, percentile));
        }).toArray()).toArray(double[][]::new);
        List<Tick> ticks = IntStream.rangeClosed(0, (int) nines).mapToObj(i -> new Tick(i, switch (i) {
            case 0 -> "0";
            case 1 -> "90";
            case 2 -> "99";
            default -> "99." + "9".repeat(i - 2);
        })).toList();
        return lines(title, "Percentiles of latency, logarithmic on both axes", xs, ys, names,
                new Scale("percentile", 0, nines, ticks));
    }

    /** Lines over an axis of milliseconds, logarithmic, with their names at their ends. */
    private static Chart lines(String title, String description, double[] xs, double[][] ys, List<String> names,
            Scale x) {
        double low = DoubleStream.of(flat(ys)).filter(Double::isFinite).min().orElse(0);
        double high = DoubleStream.of(flat(ys)).filter(Double::isFinite).max().orElse(1);
        Chart chart = new Chart(title, description, 460, 300, 60, x, Scale.logarithm("ms", low, high));
        double[] lasts = new double[ys.length];
        for (int i = 0; i < ys.length; i++) {
            chart.line(xs, ys[i], i);
            lasts[i] = DoubleStream.of(ys[i]).filter(Double::isFinite).reduce(Double.NaN, (_, last) -> last);
        }
        return chart.endLabels(lasts, names, IntStream.range(0, ys.length).toArray());
    }

    private static double[] flat(double[][] values) {
        return Stream.of(values).flatMapToDouble(DoubleStream::of).toArray();
    }

    private static double[] fractions(List<LoadPoint> points) {
        return points.stream().mapToDouble(point -> 100 * point.fraction()).toArray();
    }

    private static double log10(double value) {
        return value > 0 ? StrictMath.log10(value) : Double.NaN;
    }

    /** A percentile in ms; NaN where too few values lie beyond it. */
    private static double millis(Histogram histogram, double percentile) {
        boolean supported = percentile == 100 || histogram.getTotalCount() * (1 - percentile / 100) >= 1;
        return supported ? LatencySummary.millis(histogram, percentile) : Double.NaN;
    }
}

package dev.nightjar.examples.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightjar.examples.report.Table.Column;
import dev.nightjar.study.Observation;
import dev.nightjar.study.Observation.Hyperparameters;
import dev.nightjar.study.StudyRun;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Deque;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The reports of synthetic runs: the same bytes always, well-formed, and every number of the Markdown in the CSV. */
class ReportTest {
    private static final Map<String, String> IDENTITY = Map.of("model", "22 parameters, \"<&>\" | a*b_c");
    /** A tag, a comment or a declaration, with quoted attributes only. */
    private static final Pattern TAG = Pattern
            .compile("<(/?)([A-Za-z][A-Za-z0-9]*)((?:\\s+[A-Za-z:-]+=\"[^\"<]*\")*)\\s*(/?)>");

    @TempDir
    private Path folder;

    static Stream<Report> reports() {
        return Stream.of(variability(SyntheticRuns.variability()), DaoReport.of(IDENTITY, SyntheticRuns.dao()));
    }

    private static Report variability(List<StudyRun> runs) {
        return VariabilityReport.of(IDENTITY, runs, Hyperparameters.PAPER_BASELINE);
    }

    @Test
    void theSameRunsInAnyOrderGiveTheSameBytesInAnyLocale() {
        Locale before = Locale.getDefault();
        try {
            for (String language : List.of("en", "de", "ar-u-nu-arab")) {
                Locale.setDefault(Locale.forLanguageTag(language));
                assertSame(variability(shuffled(SyntheticRuns.variability())),
                        variability(SyntheticRuns.variability()));
                assertSame(DaoReport.of(IDENTITY, shuffled(SyntheticRuns.dao())),
                        DaoReport.of(IDENTITY, SyntheticRuns.dao()));
            }
        } finally {
            Locale.setDefault(before);
        }
    }

    private static List<StudyRun> shuffled(List<StudyRun> runs) {
        List<StudyRun> shuffled = new ArrayList<>(runs);
        Collections.shuffle(shuffled, new Random(Locale.getDefault().hashCode()));
        return shuffled;
    }

    private static void assertSame(Report actual, Report expected) {
        assertThat(actual.html()).isEqualTo(expected.html());
        assertThat(actual.markdown()).isEqualTo(expected.markdown());
        assertThat(actual.tables()).isEqualTo(expected.tables());
        assertThat(actual.html()).matches("(?s)[^٠-٩]*");
    }

    @ParameterizedTest
    @MethodSource("reports")
    void thePageIsWellFormedAndNeedsNoOtherFile(Report report) {
        String page = report.html();
        assertWellFormed(page);
        assertThat(page.replace("http://www.w3.org/", "")).doesNotContain("http:", "https:", "src=", "url(", "@import",
                "href=");
        assertThat(page + report.markdown()).doesNotContain("NaN", "Infinity");
        Matcher svg = Pattern.compile("<svg [^>]*>").matcher(page);
        int charts = 0;
        while (svg.find()) {
            assertThat(svg.group()).containsPattern("viewBox=\"0 0 \\d+ \\d+\"").contains("role=\"img\"")
                    .containsPattern("aria-label=\"[^\"]{20,}\"").doesNotContain("width=");
            charts++;
        }
        assertThat(charts).isGreaterThan(20);
    }

    /** Elements close in the order they were opened, attributes are quoted, and &lt; and &amp; stand for themselves nowhere. */
    private static void assertWellFormed(String page) {
        String body = page.substring("<!DOCTYPE html>\n".length());
        Deque<String> open = new ArrayDeque<>();
        Matcher tag = TAG.matcher(body);
        int end = 0;
        while (tag.find()) {
            String text = body.substring(end, tag.start());
            assertThat(text.replaceAll("&(amp|lt|gt|quot);", "")).doesNotContain("<", "&");
            end = tag.end();
            if (tag.group(1).equals("/")) {
                assertThat(open.pop()).isEqualTo(tag.group(2));
            } else if (tag.group(4).isEmpty()) {
                open.push(tag.group(2));
            }
        }
        assertThat(open).isEmpty();
        assertThat(body.substring(end)).isBlank();
    }

    @Test
    void theCheckOfFormSeesFaults() {
        for (String fault : List.of("<p>a<b>c</p></b>", "<p>a & b</p>", "<p class=x>a</p>", "<p>", "<p>1 < 2</p>")) {
            assertThatThrownBy(() -> assertWellFormed("<!DOCTYPE html>\n" + fault)).as(fault)
                    .isInstanceOfAny(AssertionError.class, RuntimeException.class);
        }
    }

    @ParameterizedTest
    @MethodSource("reports")
    void everyNumberOfTheMarkdownsTablesIsTheCsvs(Report report) {
        List<String> lines = report.markdown().lines().toList();
        int compared = 0;
        for (int i = 0; i < lines.size(); i++) {
            Matcher caption = Pattern.compile(".*\\(`tables/(.*)`\\)").matcher(lines.get(i));
            if (caption.matches()) {
                List<String> csv = report.tables().get(caption.group(1)).lines().toList();
                for (int row = 1; row < csv.size(); row++) {
                    compared += assertSameRow(lines.get(i + 3 + row), csv.get(row));
                }
                assertThat(i + 3 + csv.size() < lines.size() ? lines.get(i + 3 + csv.size()) : "").isEmpty();
            }
        }
        assertThat(compared).isGreaterThan(200);
    }

    private static int assertSameRow(String markdown, String csv) {
        List<String> shown = Arrays.asList(markdown.substring(2, markdown.length() - 2).split(" \\| ", -1));
        int compared = 0;
        if (csv.contains("\"")) {
            return 0;
        }
        List<String> exact = Arrays.asList(csv.split(",", -1));
        assertThat(shown).hasSameSizeAs(exact);
        for (int i = 0; i < shown.size(); i++) {
            String cell = shown.get(i).replace("\\", "").replace("&lt;", "<");
            if (cell.equals("–")) {
                assertThat(exact.get(i)).isEmpty();
            } else if (cell.equals("<0.001")) {
                assertThat(Double.parseDouble(exact.get(i))).isBetween(0.0, 0.001);
            } else if (cell.matches("[+-]?[0-9.]+(e-?\\d+)?( %)?")) {
                double scale = cell.endsWith("%") ? 100 : 1;
                String number = cell.replace(" %", "");
                int exponent = number.contains("e") ? Integer.parseInt(number.substring(number.indexOf('e') + 1)) : 0;
                String digits = number.replaceAll("e.*", "");
                int decimals = digits.contains(".") ? digits.length() - digits.indexOf('.') - 1 : 0;
                // A condition number of 243000 is rounded to three digits without saying so.
                double unit = Math.max(Math.pow(10, exponent - decimals),
                        decimals == 0 ? 0.01 * Math.abs(Double.parseDouble(number)) : 0);
                assertThat(Double.parseDouble(number)).isCloseTo(scale * Double.parseDouble(exact.get(i)),
                        Offset.offset(0.501 * unit));
                compared++;
            } else {
                assertThat(cell).isEqualTo(exact.get(i));
            }
        }
        return compared;
    }

    @Test
    void theDaoReportSaysPlainlyWhoWins() {
        String text = DaoReport.of(IDENTITY, SyntheticRuns.dao()).markdown();
        assertThat(text).contains("MSE: DAO beats 0.5/0.5.", "5 of 5 seeds better). The paper reports -15.58 %.",
                "Accuracy: DAO and 0.5/0.5 are not told apart.", "35 completed runs of 7 weightings; 1 diverged",
                "weighting=dwa seed=1");
    }

    @Test
    void theStatementsNumbersAreTheTables() {
        Report report = DaoReport.of(IDENTITY, SyntheticRuns.dao());
        List<String> lines = report.tables().get("comparison_mse.csv").lines().toList();
        List<String> header = Arrays.asList(lines.get(0).split(",", -1));
        List<String> dao = Arrays.asList(lines.get(1).split(",", -1));
        assertThat(dao.getFirst()).isEqualTo("dao");
        Matcher statement = Pattern
                .compile("MSE: .* that is (\\S+) % \\(95 % interval (\\S+) % to (\\S+) %; .* d..z (\\S+);.*")
                .matcher(report.markdown().lines().filter(line -> line.startsWith("MSE: ")).findFirst().orElseThrow());
        assertThat(statement.matches()).isTrue();
        List<String> columns = List.of("relative", "relative_low", "relative_high", "cohen_dz");
        for (int i = 0; i < columns.size(); i++) {
            double exact = Double.parseDouble(dao.get(header.indexOf(columns.get(i)))) * (i < 3 ? 100 : 1);
            assertThat(Double.parseDouble(statement.group(i + 1))).as(columns.get(i)).isCloseTo(exact,
                    Offset.offset(0.00501));
        }
    }

    @Test
    void theVariabilityReportCountsRunsAndFindings() {
        String text = variability(SyntheticRuns.variability()).markdown();
        assertThat(text).contains("126 runs of 63 configurations. Of the paper's 5 findings", "2 diverged",
                "What recentring can and cannot change");
    }

    @Test
    void runsOfSomebodyElseNeedNoCurvesAndNoSeeds() throws IOException {
        List<Observation> observations = Observation.of(SyntheticRuns.variability()).stream()
                .map(o -> new Observation(o.hyperparameters(), "", Map.of("quality", o.response("accuracy")))).toList();
        VariabilityReport.write("their.csv", observations, List.of("quality"), new Hyperparameters(2e-5, 16, 3),
                folder);
        String text = Files.readString(folder.resolve("report.md"));
        assertThat(text).contains("their.csv", "learning rate 2e-5, batch size 16, 3 epochs")
                .doesNotContain("Training loss", "Error by seed", "paper's findings");
        assertWellFormed(Files.readString(folder.resolve("report.html")));
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files.map(file -> file.getFileName().toString())).containsExactlyInAnyOrder("report.md",
                    "report.html", "tables");
        }
    }

    @Test
    void numbersAreShortButKeepTheirDigits() {
        assertThat(Numbers.significant(3).apply(0.0123456)).isEqualTo("0.0123");
        assertThat(Numbers.significant(3).apply(-1.23456e-7)).isEqualTo("-1.23e-7");
        assertThat(Numbers.significant(3).apply(0.99999)).isEqualTo("1.00");
        assertThat(Numbers.significant(3).apply(0)).isEqualTo("0");
        assertThat(Numbers.significant(4).apply(1234567)).isEqualTo("1.235e6");
        assertThat(Numbers.fixed(2).apply(-0.001)).isEqualTo("0.00");
        assertThat(Numbers.P.apply(0.00099)).isEqualTo("<0.001");
        assertThat(Numbers.P.apply(Double.NaN)).isEqualTo("–");
        assertThat(Numbers.signedPercent(1).apply(0.1234)).isEqualTo("+12.3 %");
        assertThat(Numbers.setting(2e-5)).isEqualTo("2e-5");
        assertThat(Numbers.setting(0.00015)).isEqualTo("1.5e-4");
        assertThat(Numbers.setting(64)).isEqualTo("64");
        assertThat(Numbers.exact(1.0 / 3)).isEqualTo("0.3333333333");
        assertThat(Numbers.exact(Double.NaN)).isEmpty();
        assertThat(Markup.typeset("dao-lambda -1 1e-5 x-2")).isEqualTo("dao-lambda −1 1e−5 x-2");
    }

    @Test
    void ticksAreRound() {
        assertThat(Scale.between("", 0, 1).ticks()).extracting(Scale.Tick::text).containsExactly("0.0", "0.2", "0.4",
                "0.6", "0.8", "1.0");
        assertThat(Scale.between("", -0.012, 0.013).ticks()).extracting(Scale.Tick::text).containsExactly("-0.010",
                "-0.005", "0.000", "0.005", "0.010");
        assertThat(Scale.logarithm("", -5, -3.7).ticks()).extracting(Scale.Tick::text).containsExactly("1e-5", "2e-5",
                "5e-5", "1e-4");
    }

    @Test
    void tablesQuoteAndRefuse() {
        Table table = new Table("t", "c", Column.text("a", "A"), new Column("b", "B", Numbers.COUNT)).row("x,\"y\"", 2);
        assertThat(table.csv()).isEqualTo("a,b\n\"x,\"\"y\"\"\",2\n");
        assertThatThrownBy(() -> table.row("x")).hasMessageContaining("t: 1 cells, expected 2");
        assertThatThrownBy(() -> table.row("x", "y")).hasMessageContaining("t: b is y");
        Report report = new Report("r").table(table);
        assertThatThrownBy(() -> report.table(new Table("t", "c")))
                .hasMessageContaining("two different tables named t");
    }

    @Test
    void curvesAreAveragedOverTheirPartOfTheRun() {
        StudyRun fast = SyntheticRuns.withCurve(List.of(1.0, 2.0), List.of(4.0, 2.0));
        StudyRun slow = SyntheticRuns.withCurve(Stream.iterate(1.0, i -> i + 1).limit(40).toList(),
                Stream.iterate(1.0, i -> i + 1).limit(40).map(i -> i % 2).toList());
        assertThat(Curves.at(fast, "loss", 0.5)).isEqualTo(4);
        assertThat(Curves.at(fast, "loss", 0.95)).isEqualTo(4);
        assertThat(Curves.at(fast, "loss", 1)).isEqualTo(2);
        assertThat(Curves.at(slow, "loss", 0.05)).isEqualTo(0.5);
        assertThat(Curves.mean(List.of(fast, slow), "loss").getLast().value()).isEqualTo(1.25);
        assertThat(Curves.at(fast, "other", 1)).isNaN();
    }
}

package dev.nightjar.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightjar.Dataset;
import dev.nightjar.DatasetColumns;
import dev.nightjar.DatasetFormat;
import dev.nightjar.Example;
import dev.nightjar.FormatException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class DatasetReaderTest {
    private static final float NONE = Float.NaN;
    private static final DatasetColumns COLUMNS = DatasetColumns.text("text").withLabel("label").withScores("score");
    private static final DatasetColumns NAMED = COLUMNS.withLabel("label", List.of("negative", "neutral", "positive"));

    @Test
    void tsvKeepsQuotesAndFindsColumnsByName() {
        Dataset data = parse(DatasetFormat.TSV,
                "score\tid\ttext\tlabel\n0.5\t1\tsay \"yes\t\n\t2\t \"no\" \tbad\n-1e-1\t3\tup\tgood\n.5\t4\tso\t\n",
                COLUMNS);
        assertThat(data.labelNames()).containsExactly("bad", "good");
        assertThat(data.targetNames()).containsExactly("score");
        assertThat(data.examples()).containsExactly(new Example("say \"yes", -1, 0.5f),
                new Example(" \"no\" ", 0, NONE),
                new Example("up", 1, -0.1f), new Example("so", -1, 0.5f));
    }

    @Test
    void csvFollowsRfc4180() {
        String csv = "\"text\",label,score\r\n\"a, \"\"b\"\"\r\nc\",good,1\r\n\r\nplain,bad,\r\n\"\"\"\",\"good\",\"2\"";
        assertThat(parse(DatasetFormat.CSV, csv, COLUMNS).examples()).containsExactly(
                new Example("a, \"b\"\r\nc", 1, 1),
                new Example("plain", 0, NONE), new Example("\"", 1, 2));
    }

    @Test
    void quotingOfTsvIsAnOption() {
        String tsv = "text\tlabel\tscore\n\"a\tb\"\tgood\t1\n";
        assertThat(parse(DatasetFormat.QUOTED_TSV, tsv, COLUMNS).examples()).containsExactly(new Example("a\tb", 0, 1));
        refused(DatasetFormat.TSV, tsv, COLUMNS, "x:2: has 4 fields, the header has 3");
    }

    @Test
    void jsonlTakesNamesIntegersAndNulls() {
        String jsonl = """
                {"text": "a\\nb", "label": "positive", "score": 0.25, "other": [1]}

                {"text": "é", "label": 0, "score": null}
                {"text": "c", "label": null}
                {"text": "d", "label": "1", "score": 3}
                """;
        Dataset data = parse(DatasetFormat.JSONL, jsonl, NAMED);
        assertThat(data.labelNames()).containsExactly("negative", "neutral", "positive");
        assertThat(data.examples()).containsExactly(new Example("a\nb", 2, 0.25f), new Example("é", 0, NONE),
                new Example("c", -1, NONE), new Example("d", 1, 3));
    }

    @Test
    void integerLabelsAreSortedByValueAndNamesWinOverIndexes() {
        String tsv = "text\tlabel\na\t10\nb\t-1\nc\t2\n";
        Dataset data = parse(DatasetFormat.TSV, tsv, DatasetColumns.text("text").withLabel("label"));
        assertThat(data.labelNames()).containsExactly("-1", "2", "10");
        assertThat(data.examples()).extracting(Example::label).containsExactly(2, 0, 1);
        Dataset named = parse(DatasetFormat.TSV, "text\tlabel\na\t1\nb\t0\n",
                DatasetColumns.text("text").withLabel("label", List.of("1", "x")));
        assertThat(named.examples()).extracting(Example::label).containsExactly(0, 0);
    }

    @Test
    void severalScoresOrNoneAndNoLabel() {
        String tsv = "text\tv\ta\thello\nx\t1\t2\t3\n";
        Dataset scores = parse(DatasetFormat.TSV, tsv, DatasetColumns.text("text").withScores("a", "v"));
        assertThat(scores.targetNames()).containsExactly("a", "v");
        assertThat(scores.labelNames()).isEmpty();
        assertThat(scores.examples()).containsExactly(new Example("x", -1, 2, 1));
        assertThat(parse(DatasetFormat.TSV, tsv, DatasetColumns.text("text")).examples())
                .containsExactly(new Example("x", -1));
    }

    @ParameterizedTest
    @EnumSource(DatasetFormat.class)
    void byteOrderMarkAndLineEndsOfWindowsAreTaken(DatasetFormat format) {
        String separator = format == DatasetFormat.CSV ? "," : "\t";
        String rows = format == DatasetFormat.JSONL
                ? "{\"text\":\"a b\",\"label\":\"x\"}\r\n\r\n{\"text\":\"c\",\"label\":\"y\"}\r"
                : "text" + separator + "label\r\na b" + separator + "x\r\n\r\nc" + separator + "y\r";
        Dataset data = parse(format, "\uFEFF" + rows, DatasetColumns.text("text").withLabel("label"));
        assertThat(data.examples()).containsExactly(new Example("a b", 0), new Example("c", 1));
    }

    @ParameterizedTest(name = "{0} {1} -> {2}")
    @CsvSource(quoteCharacter = '`', delimiter = '|',
            textBlock = """
                    TSV | `` | x:1: there is no column text, found []
                    TSV | text;label;score | x:1: there is no column text
                    TSV | text~score | x:1: there is no column label, found [text, score]
                    TSV | text~label~score~label | x:1: the column label is there twice
                    TSV | text~label~score | x: has no rows
                    TSV | text~label~score^^ | x: has no rows
                    TSV | text~label~score^a~good | x:2: has 2 fields, the header has 3
                    TSV | text~label~score^a~good~1^^b~bad~1~ | x:4: has 4 fields, the header has 3
                    TSV | text~label~score^ ~good~1 | x:2: the text is empty
                    TSV | text~label~score^a~good~1^b~~1,5 | x:3: expected a finite number as score, found 1,5
                    TSV | text~label~score^a~good~NaN | found NaN
                    TSV | text~label~score^a~good~Infinity | found Infinity
                    TSV | text~label~score^a~good~1e99 | found 1e99
                    TSV | text~label~score^a~good~1f | found 1f
                    TSV | text~label~score^a~good~0x1p3 | found 0x1p3
                    TSV | text~label~score^a~~1 | x: no row has a label in label
                    CSV | text,label,score^"a,good,1 | x:2: the quote that begins a field here is never closed
                    CSV | text,label,score^"a^b"c,good,1 | x:3: expected a separator or the end of the line after a closing quote
                    CSV | text,label,score^a "b" c,good,1 | x:2: a quote within a field
                    CSV | text,label,score^"a^^b",good,1^c,good,? | x:5: expected a finite number
                    JSONL | `` | x: has no rows
                    JSONL | {"text":"a","label":"x","score":1}^[1] | x:2: expected a JSON object, found ARRAY
                    JSONL | {"text":"a","label":"x"^ | x:1: not valid JSON
                    JSONL | {"text":"a"} {} | x:1: not valid JSON
                    JSONL | {"text":"a","text":"b"} | uplicate
                    JSONL | {"text":1} | x:1: expected a string as text, found 1
                    JSONL | {"label":"x"} | x:1: expected a string as text, found nothing
                    JSONL | {"text":""} | x:1: the text is empty
                    JSONL | {"text":"a","label":1.5} | expected a name or an integer as label, found 1.5
                    JSONL | {"text":"a","label":true} | expected a name or an integer as label, found true
                    JSONL | {"text":"a","label":"x","score":"1"} | x:1: expected a finite number as score, found "1"
                    JSONL | {"text":"a","label":"x","score":1e99} | expected a finite number
                    JSONL | {"text":"a","label":"x"} | x: no object has a member score
                    JSONL | {"text":"a","score":1} | x: no object has a member label
                    """)
    void malformedFilesAreRefusedWithTheirLine(DatasetFormat format, String text, String message) {
        refused(format, text.replace('~', '\t').replace('^', '\n'), COLUMNS, message);
    }

    @ParameterizedTest
    @ValueSource(strings = {"happy", "3", "-1", "1.0", "Positive"})
    void unknownLabelsAreRefused(String label) {
        refused(DatasetFormat.TSV, "text\tlabel\tscore\na\t2\t1\nb\t" + label + "\t1\n", NAMED,
                "x:3: expected one of the labels [negative, neutral, positive] or an index below 3, found " + label);
    }

    @Test
    void invalidUtf8IsRefusedWithItsLine() {
        byte[] bytes = "text\tlabel\na\tgood\n\u00e9\tbad\n".getBytes(StandardCharsets.ISO_8859_1);
        assertThatThrownBy(() -> DatasetReader.parse("x", bytes, DatasetFormat.TSV, COLUMNS))
                .isInstanceOf(FormatException.class).hasMessageContaining("x:3: not valid UTF-8 at byte 18");
    }

    @Test
    void aNumberOfAMillionDigitsCostsNoTime() {
        String digits = "1".repeat(1_000_000);
        refused(DatasetFormat.TSV, "text\tlabel\tscore\na\tb\t" + digits + "x", COLUMNS, "expected a finite number");
        refused(DatasetFormat.TSV, "text\tlabel\tscore\na\tb\t" + digits, COLUMNS, "expected a finite number");
    }

    @Test
    void readsFilesAndKnowsTheirSyntaxByName(@TempDir Path folder) throws IOException {
        Path file = Files.writeString(folder.resolve("Set.CSV"), "text,label\na,b\n");
        Dataset data = DatasetReader.read(file, DatasetFormat.of(file), DatasetColumns.text("text").withLabel("label"));
        assertThat(data.size()).isEqualTo(1);
        assertThat(DatasetFormat.of(Path.of("a.tsv"))).isEqualTo(DatasetFormat.TSV);
        assertThat(DatasetFormat.of(Path.of("a.jsonl"))).isEqualTo(DatasetFormat.JSONL);
        assertThatThrownBy(() -> DatasetFormat.of(Path.of("a.xlsx"))).isInstanceOf(FormatException.class)
                .hasMessageContaining("a.xlsx");
    }

    private static Dataset parse(DatasetFormat format, String text, DatasetColumns columns) {
        return DatasetReader.parse("x", text.getBytes(StandardCharsets.UTF_8), format, columns);
    }

    private static void refused(DatasetFormat format, String text, DatasetColumns columns, String message) {
        assertThatThrownBy(() -> parse(format, text, columns)).isInstanceOf(FormatException.class)
                .hasMessageContaining(message);
    }
}

package dev.nightjar.examples;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightjar.InferenceOptions;
import dev.nightjar.PretrainedEncoder;
import dev.nightjar.SentimentModel;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The commands as a shell runs them: arguments in; standard output, standard error and an exit code out. */
class CommandLineTest {
    private record Result(int exitCode, String out, String err) {
        JsonNode json() {
            return JsonMapper.shared().readTree(out);
        }
    }

    /** MiniLM with new heads, which say the same about every text, but say it. */
    @TempDir
    private static Path shared;
    private static Path model;

    @TempDir
    private Path folder;

    @BeforeAll
    static void saveModel() throws IOException {
        model = shared.resolve("model");
        try (SentimentModel untrained = SentimentModel.loadWithHeads(PretrainedEncoder.MINILM,
                List.of("negative", "neutral", "positive"), List.of("score"), 1, InferenceOptions.defaults())) {
            untrained.save(model);
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
            "''                                   | nightjar: Missing required subcommand",
            "sing                                 | Unmatched argument",
            "classify                             | --model",
            "classify --model m --device gpu text | gpu",
            "classify --model m --threads 0 text  | 'not positive'",
            "classify --model m --threads two x   | not a whole number",
            "classify --model m --input f text    | not both",
            "classify --model m --jsn text        | --jsn",
            "convert minilm                       | FOLDER",
            "convert gpt folder                   | 'is not one of [minilm, bert-base]'"})
    void wrongArgumentsAreNamed(String arguments, String complaint) {
        Result result = run(arguments.isEmpty() ? new String[0] : arguments.split(" "));
        assertThat(result.exitCode).isEqualTo(2);
        assertThat(result.out).isEmpty();
        assertThat(result.err).contains(complaint).contains("--help");
    }

    @Test
    void helpAndVersionArePrinted() {
        for (String command : List.of("classify", "convert", "doctor")) {
            Result help = run(command, "--help");
            assertThat(help.exitCode).isZero();
            assertThat(help.out).contains("Usage: nightjar " + command, "Exit codes:", "130");
        }
        Result version = run("--version");
        assertThat(version.exitCode).isZero();
        assertThat(version.out).matches("nightjar \\d+\\.\\d+\\.\\d+\\S* on Java 2\\d.*\\R");
    }

    @Test
    void doctorSaysWhatThereIsAndWhatToUse() {
        Result text = run("doctor");
        assertThat(text.exitCode).isZero();
        assertThat(text.out).contains("Backends", "reference", "available", "minilm", "found", "--device auto");

        Result result = run("doctor", "--json");
        assertThat(result.exitCode).isZero();
        JsonNode json = result.json();
        assertThat(json.propertyNames()).containsExactly("machine", "backends", "weights", "versions", "advice");
        assertThat(json.get("machine").get("java").stringValue()).startsWith(Runtime.version().toString());
        assertThat(json.get("backends")).extracting(backend -> backend.get("name").stringValue()).containsExactly("cpu",
                "reference");
        for (JsonNode backend : json.get("backends")) {
            assertThat(backend.has("reason")).isNotEqualTo(backend.get("available").booleanValue());
        }
        assertThat(json.get("weights").get("minilm").booleanValue()).isTrue();
        assertThat(json.get("versions").valueStream().map(JsonNode::stringValue)).noneMatch(v -> v.contains("$"));
        assertThat(json.get("advice").get(0).stringValue()).contains("--device auto");
    }

    @Test
    void failuresHaveOneLineAndExitCode1() throws IOException {
        Result noModel = run("classify", "--model", folder.resolve("none").toString(), "text");
        assertThat(noModel.exitCode).isEqualTo(1);
        assertThat(noModel.out).isEmpty();
        assertThat(noModel.err.lines()).singleElement().asString().startsWith("nightjar: ").contains("none");

        Result noInput = run("classify", "--model", model.toString(), "--input", folder.resolve("none.txt").toString());
        assertThat(noInput.exitCode).isEqualTo(1);
        assertThat(noInput.err.lines()).singleElement().asString().contains("none.txt: no such file");

        Files.writeString(folder.resolve("diary.txt"), "mine");
        Result occupied = run("convert", "minilm", folder.toString());
        assertThat(occupied.exitCode).isEqualTo(1);
        assertThat(occupied.err.lines()).singleElement().asString().contains(folder.toString());
        assertThat(folder.resolve("diary.txt")).hasContent("mine");
    }

    @Test
    void anUntrainedEncoderIsNotAskedForSentiment() {
        Path encoder = folder.resolve("encoder");
        Result converted = run("convert", "minilm", encoder.toString(), "--json");
        assertThat(converted.exitCode).isZero();
        assertThat(converted.json().get("encoder").stringValue()).isEqualTo("minilm");
        assertThat(converted.json().get("folder").stringValue()).isEqualTo(encoder.toString());
        assertThat(encoder.resolve("model.safetensors")).isRegularFile();

        Result classified = run("classify", "--model", encoder.toString(), "text");
        assertThat(classified.exitCode).isEqualTo(1);
        assertThat(classified.err).contains("without heads");
    }

    @Test
    void classifiesArgumentsForMachines() {
        Result result = run("classify", "--json", "--model", model.toString(), "Umsatz wächst");
        assertThat(result.exitCode).isZero();
        assertThat(result.out).isASCII();
        JsonNode json = result.json();
        assertThat(json.propertyNames()).containsExactly("text", "label", "probabilities", "scores", "tokens",
                "truncated");
        assertThat(json.get("text").stringValue()).isEqualTo("Umsatz wächst");
        assertThat(json.get("probabilities").propertyNames()).containsExactly("negative", "neutral", "positive");
        assertThat(json.get("probabilities").valueStream().mapToDouble(JsonNode::doubleValue).sum())
                .isBetween(0.99999, 1.00001);
        assertThat(json.get("probabilities").has(json.get("label").stringValue())).isTrue();
        assertThat(json.get("scores").get("score").isNumber()).isTrue();
        assertThat(json.get("tokens").intValue()).isEqualTo(8);
        assertThat(json.get("truncated").booleanValue()).isFalse();
    }

    @Test
    void classifiesLinesOfAFileAndOfStandardInputInTheirOrder() throws IOException {
        String lines = "first\n\nthird 中国\n" + "again ".repeat(50);
        Path input = Files.writeString(folder.resolve("texts.txt"), lines);
        Result fromFile = run("classify", "--json", "--model", model.toString(), "--max-length", "16", "--input",
                input.toString());
        assertThat(fromFile.exitCode).isZero();
        List<JsonNode> predictions = fromFile.out.lines().map(JsonMapper.shared()::readTree).toList();
        assertThat(predictions).extracting(line -> line.get("text").stringValue())
                .containsExactlyElementsOf(lines.lines().toList());
        assertThat(predictions).extracting(line -> line.get("truncated").booleanValue())
                .containsExactly(false, false, false, true);

        InputStream standardInput = System.in;
        System.setIn(new ByteArrayInputStream(lines.getBytes(StandardCharsets.UTF_8)));
        try {
            assertThat(run("classify", "--json", "--model", model.toString(), "--max-length", "16").out)
                    .isEqualTo(fromFile.out);
        } finally {
            System.setIn(standardInput);
        }
    }

    @Test
    void refusesLongTextsWhenAsked() {
        Result result = run("classify", "--model", model.toString(), "--max-length", "4", "--refuse-long", "short",
                "this one is too long");
        assertThat(result.exitCode).isEqualTo(1);
        assertThat(result.err).contains("text 1", "4 tokens");
    }

    @Test
    void printsARowATextForPeople() {
        Result result = run("classify", "--model", model.toString(), "Profit doubles");
        assertThat(result.out)
                .matches("(negative|neutral|positive) +\\d+\\.\\d %  [+-]\\d\\.\\d{3}  Profit doubles\\R");
    }

    private static Result run(String... arguments) {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        CommandLine command = Nightjar.commandLine().setOut(new PrintWriter(out)).setErr(new PrintWriter(err));
        int exitCode = command.execute(arguments);
        return new Result(exitCode, out.toString(), err.toString());
    }
}

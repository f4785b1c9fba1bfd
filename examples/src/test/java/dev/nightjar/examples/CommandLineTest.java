package dev.nightjar.examples;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightjar.TrainingConfig;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
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

    @TempDir
    private static Path shared;
    private static Path model;
    private static Path data;

    @TempDir
    private Path folder;

    @BeforeAll
    static void saveModel() throws IOException {
        model = TinyModel.save(shared.resolve("model"));
        data = TinyModel.saveData(shared.resolve("data.tsv"), 60);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
            "''                                   | nightjar: Missing required subcommand",
            "sing                                 | Unmatched argument",
            "classify                             | --model",
            "classify --model m --device gpu text | gpu",
            "classify --model m --precision int4 x | int4",
            "classify --model m --threads 0 text  | 'not positive'",
            "trading --speed 0                    | 'not positive'",
            "trading --transport pigeon           | pigeon",
            "classify --model m --threads two x   | not a whole number",
            "classify --model m --input f text    | not both",
            "classify --model m --jsn text        | --jsn",
            "train --data d                       | --output",
            "train --data d --output o --epochs 0 | epochs",
            "train --data d --output o --weighting fair     | fair",
            "train --data d --output o --validation-fraction x | '--validation-fraction'",
            "train --data d --output o --schedule square    | square",
            "evaluate --model m                   | --data",
            "evaluate --model m --data d --format xls | xls",
            "study                                | Missing required subcommand",
            "study dao --data d                   | --output",
            "study dao --data d --output o --weightings fair | weighting cannot be",
            "study dao --data d --output o --workers 0       | 'not positive'",
            "study variability --data d --output o --learning-rates 0 | learningRate",
            "study variability --data d --output o --seeds 1,1 | seed 1 is given twice",
            "convert minilm                       | FOLDER",
            "convert gpt folder                   | 'neither a model''s folder nor one of [minilm, bert-base]'"})
    void wrongArgumentsAreNamed(String arguments, String complaint) {
        Result result = run(arguments.isEmpty() ? new String[0] : arguments.split(" "));
        assertThat(result.exitCode).isEqualTo(2);
        assertThat(result.out).isEmpty();
        assertThat(result.err).contains(complaint).contains("--help");
    }

    @Test
    void helpAndVersionArePrinted() {
        for (String command : List.of("classify", "train", "evaluate", "convert", "study variability", "study dao",
                "study report", "study regress", "trading", "doctor")) {
            Result help = run((command + " --help").split(" "));
            assertThat(help.exitCode).isZero();
            assertThat(help.out).contains("Usage: nightjar " + command, "Exit codes:", "130");
        }
        Result version = run("--version");
        assertThat(version.exitCode).isZero();
        assertThat(version.out).matches("nightjar \\d+\\.\\d+\\.\\d+\\S* on Java 2\\d.*\\R");
    }

    @Test
    void tradingPrintsOrdersAndPercentiles() throws IOException {
        Path feed = Files.writeString(folder.resolve("feed.tsv"),
                "0\tQ\tA\t10\t10.1\n1\tN\tA\tw1 w2\n2\tN\tA\tw3\n3\tQ\tA\t11\t11.1\n");
        Path orders = folder.resolve("orders.csv");
        Result result = run("trading", "--model", model.toString(), "--feed", feed.toString(), "--orders",
                orders.toString(), "--device", "cpu");
        assertThat(result.err).isEmpty();
        assertThat(result.exitCode).isZero();
        assertThat(result.out).contains("4 messages, 2 of them headlines", "tick to signal", "p99")
                .contains(Files.readAllLines(orders));
    }

    @Test
    void doctorSaysWhatThereIsAndWhatToUse() {
        Result text = run("doctor");
        assertThat(text.exitCode).isZero();
        assertThat(text.out).contains("Backends", "reference", "available", "precisions: float32", "minilm", "found",
                "--device auto");

        Result result = run("doctor", "--json");
        assertThat(result.exitCode).isZero();
        JsonNode json = result.json();
        assertThat(json.propertyNames()).containsExactly("machine", "backends", "weights", "versions", "advice");
        assertThat(json.get("machine").get("java").stringValue()).startsWith(Runtime.version().toString());
        assertThat(json.get("backends")).extracting(backend -> backend.get("name").stringValue())
                .containsExactly("cuda", "cpu", "reference");
        for (JsonNode backend : json.get("backends")) {
            assertThat(backend.has("reason")).isNotEqualTo(backend.get("available").booleanValue());
            assertThat(backend.get("precisions").valueStream().map(JsonNode::stringValue).toList()
                    .contains("float32")).isEqualTo(backend.get("available").booleanValue());
        }
        assertThat(json.get("weights").get("minilm").booleanValue()).isTrue();
        assertThat(json.get("versions").valueStream().map(JsonNode::stringValue)).noneMatch(v -> v.contains("$"));
        assertThat(json.get("advice").get(0).stringValue()).contains("--device auto");
    }

    @Test
    void doctorSaysWhyThereIsNoGpu() {
        System.setProperty("nightjar.cuda.library", "no-such-libcuda.so");
        try {
            assertThat(run("doctor").out)
                    .containsPattern("cuda +not available: no NVIDIA driver: .*no-such-libcuda.so cannot be loaded");
        } finally {
            System.clearProperty("nightjar.cuda.library");
        }
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

        Result noPrecision = run("classify", "--model", model.toString(), "--device", "reference", "--precision",
                "bfloat16", "text");
        assertThat(noPrecision.exitCode).isEqualTo(1);
        assertThat(noPrecision.err.lines()).singleElement().asString()
                .contains("reference backend does not compute in bfloat16", "only in float32");

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
        assertThat(converted.json().get("source").stringValue()).isEqualTo("minilm");
        assertThat(converted.json().get("folder").stringValue()).isEqualTo(encoder.toString());
        assertThat(encoder.resolve("model.safetensors")).isRegularFile();

        Result classified = run("classify", "--model", encoder.toString(), "text");
        assertThat(classified.exitCode).isEqualTo(1);
        assertThat(classified.err).contains("without heads");
    }

    @Test
    void classifiesArgumentsForMachines() {
        Result result = run("classify", "--json", "--model", model.toString(), "w1 w2 wächst");
        assertThat(result.exitCode).isZero();
        assertThat(result.out).isASCII();
        JsonNode json = result.json();
        assertThat(json.propertyNames()).containsExactly("text", "label", "probabilities", "scores", "tokens",
                "truncated");
        assertThat(json.get("text").stringValue()).isEqualTo("w1 w2 wächst");
        assertThat(json.get("probabilities").propertyNames()).containsExactly("LABEL_0", "LABEL_1", "LABEL_2");
        assertThat(json.get("probabilities").valueStream().mapToDouble(JsonNode::doubleValue).sum())
                .isBetween(0.99999, 1.00001);
        assertThat(json.get("probabilities").has(json.get("label").stringValue())).isTrue();
        assertThat(json.get("scores").get("score").isNumber()).isTrue();
        assertThat(json.get("tokens").intValue()).isEqualTo(5);
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
        Result result = run("classify", "--model", model.toString(), "w3 w4");
        assertThat(result.out)
                .matches("LABEL_[012] +\\d+\\.\\d %  [+-]\\d\\.\\d{3}  w3 w4\\R");
    }

    @Test
    void trainsEvaluatesAndClassifies() throws IOException {
        Path output = folder.resolve("trained");
        Result trained = run("train", "--model", model.toString(), "--data", data.toString(), "--output",
                output.toString(),
                "--epochs", "25", "--learning-rate", "3e-3", "--batch-size", "8", "--validation-fraction", "0.25");
        assertThat(trained.exitCode).as(trained.err).isZero();
        assertThat(trained.out).matches("wrote the model of step \\d+ to .*trained\\R");
        assertThat(trained.err).contains("epoch 1, step 6: accuracy", "epoch 25, step 150", "(best)", "lambda",
                "rows/s",
                "ETA");
        assertThat(folder).isDirectoryContaining(path -> path.equals(output));
        assertThat(folder.resolve("trained.checkpoints")).doesNotExist();

        Result evaluated = run("evaluate", "--model", output.toString(), "--data", data.toString(), "--json");
        assertThat(evaluated.exitCode).as(evaluated.err).isZero();
        JsonNode classification = evaluated.json().get("classification");
        assertThat(classification.get("rows").intValue()).isEqualTo(60);
        assertThat(classification.get("classes")).extracting(c -> c.get("label").stringValue()).containsExactly("down",
                "flat", "up");
        assertThat(classification.get("confusion").valueStream().flatMap(JsonNode::valueStream)
                .mapToInt(JsonNode::intValue).sum()).isEqualTo(60);
        // It has seen three quarters of the rows; guessing gives 0.4.
        assertThat(classification.get("accuracy").doubleValue()).isGreaterThan(0.6);
        assertThat(evaluated.json().get("regression").get(0).get("target").stringValue()).isEqualTo("score");

        Result table = run("evaluate", "--model", output.toString(), "--data", data.toString());
        assertThat(table.out).contains("accuracy", "Matthews", "precision", "flat", "score (60 rows): MSE");
        assertThat(run("classify", "--model", output.toString(), "w2 w4 w6").out).containsAnyOf("down", "flat", "up");
    }

    @Test
    void trainingTellsMachinesEverything() {
        Result result = run("train", "--json", "--model", model.toString(), "--data", data.toString(), "--output",
                folder.resolve("out").toString(), "--epochs", "2", "--batch-size", "16", "--checkpoints",
                folder.resolve("checkpoints").toString(), "--score-columns", "-");
        assertThat(result.exitCode).as(result.err).isZero();
        List<JsonNode> events = result.out.lines().map(JsonMapper.shared()::readTree).toList();
        assertThat(events).extracting(event -> event.get("event").stringValue()).containsExactly("plan", "step", "step",
                "step", "evaluation", "checkpoint", "step", "step", "step", "evaluation", "checkpoint", "done");
        assertThat(events.getFirst().get("total").longValue())
                .isGreaterThan(events.getFirst().get("moments").longValue());
        assertThat(events.get(2).propertyNames()).containsExactly("event", "step", "total_steps", "epoch", "loss",
                "classification_loss", "regression_loss", "lambda_classification", "lambda_regression", "learning_rate",
                "gradient_norm", "rows_per_second");
        assertThat(events.get(4).get("metrics").get("classification").get("rows").intValue()).isEqualTo(12);
        assertThat(events.get(4).get("metrics").get("regression").isEmpty()).isTrue();
        assertThat(events.getLast().get("outcome").stringValue()).isEqualTo("completed");
        assertThat(folder.resolve("checkpoints")).isDirectory();
    }

    @Test
    void aStudyGoesOnWithTheSameCommandAndRefusesOtherData() throws IOException {
        Path output = folder.resolve("study");
        String[] arguments = {"study", "variability", "--model", model.toString(), "--data", data.toString(),
                "--output",
                output.toString(), "--learning-rates", "1e-3,3e-3", "--batch-sizes", "8,16", "--epochs", "1,2",
                "--seeds", "3", "--validation-rows", "20", "--workers", "2", "--threads", "1"};
        Result first = run(arguments);
        assertThat(first.exitCode).as(first.err).isZero();
        assertThat(first.err).contains("8 runs, of which 0 are in the journal",
                "learning_rate=0.003 batch_size=16 epochs=2 seed=3: accuracy", "ETA", "run 8/8");
        assertThat(first.err).contains("no report: accuracy: 8 runs for a regression with 10 terms");
        List<String> table = Files.readAllLines(output.resolve("runs.csv"));
        assertThat(table).hasSize(9).element(1).asString().startsWith("0.001,8,1,3,completed,5,0.");

        Result again = run(arguments);
        assertThat(again.exitCode).as(again.err).isZero();
        assertThat(again.err).contains("8 runs, of which 8 are in the journal");
        assertThat(Files.readAllLines(output.resolve("runs.csv"))).isEqualTo(table);

        arguments[arguments.length - 5] = "21";
        Result other = run(arguments);
        assertThat(other.exitCode).isEqualTo(1);
        assertThat(other.err).contains("is of another study", "training data was 40 rows", "is now 39 rows");
    }

    @Test
    void weightingsAreComparedSeedBySeed() throws IOException {
        Path output = folder.resolve("study");
        Result result = run("study", "dao", "--model", model.toString(), "--data", data.toString(), "--output",
                output.toString(), "--weightings", "constant,dao,regression", "--seeds", "1,2", "--epochs", "1",
                "--rows",
                "30", "--validation-rows", "20", "--threads", "1");
        assertThat(result.exitCode).as(result.err).isZero();
        List<String> table = Files.readAllLines(output.resolve("runs.csv"));
        assertThat(table.getFirst()).startsWith("weighting,seed,status,steps,accuracy,").contains("f1.flat", "mse",
                "pearson");
        assertThat(table.subList(1, 7)).extracting(row -> row.substring(0, row.indexOf(",completed,")))
                .containsExactly("constant,1", "constant,2", "dao,1", "dao,2", "regression,1", "regression,2");
        assertThat(result.out).contains("report.html");
        assertThat(output.resolve("report.md")).content().contains("Accuracy: DAO ", " over 2 seeds",
                "6 completed runs of 3 weightings");
    }

    @Test
    void defaultsOfTheOptionsAreTheLibrarys() {
        TrainingOptions options = new TrainingOptions();
        new CommandLine(options).setCaseInsensitiveEnumValuesAllowed(true).parseArgs();
        assertThat(options.builder().build()).isEqualTo(TrainingConfig.builder().build());
    }

    @Test
    @DisabledOnOs(OS.WINDOWS)
    void interruptedTrainingSavesACheckpointAndGoesOn() throws Exception {
        Path output = folder.resolve("trained");
        // So many lines do not fit into a pipe: it cannot end before it is interrupted.
        String[] arguments = {"train", "--json", "--model", model.toString(), "--data", data.toString(), "--output",
                output.toString(), "--epochs", "200", "--batch-size", "12", "--max-length", "16"};
        List<String> command = new ArrayList<>(
                List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--enable-native-access=ALL-UNNAMED", "-cp",
                        System.getProperty("jdk.module.path") + File.pathSeparator
                                + System.getProperty("java.class.path"),
                        Nightjar.class.getName()));
        command.addAll(List.of(arguments));
        Process process = new ProcessBuilder(command).redirectError(folder.resolve("err.txt").toFile()).start();
        String out;
        try (BufferedReader reader = process.inputReader()) {
            assertThat(reader.readLine()).as(Files.readString(folder.resolve("err.txt"))).contains("\"plan\"");
            assertThat(reader.readLine()).as(Files.readString(folder.resolve("err.txt"))).contains("\"step\"");
            // SIGTERM, which takes the way of SIGINT: a shell's background job, as a build may be, ignores SIGINT with all its children.
            process.toHandle().destroy();
            out = reader.lines().collect(Collectors.joining("\n"));
        } finally {
            process.destroy();
        }
        assertThat(process.waitFor()).isEqualTo(128 + 15);
        assertThat(out.lines().reduce((_, last) -> last).orElseThrow()).contains("\"checkpoint\"");
        assertThat(folder.resolve("err.txt")).content().contains("stopped after step", "--resume");
        assertThat(output).doesNotExist();

        List<String> again = new ArrayList<>(List.of(arguments));
        again.add("--resume");
        Result resumed = run(again.toArray(String[]::new));
        assertThat(resumed.exitCode).as(resumed.err).isZero();
        JsonNode first = JsonMapper.shared()
                .readTree(resumed.out.lines().filter(line -> line.contains("\"step\"")).findFirst().orElseThrow());
        assertThat(first.get("step").intValue()).isGreaterThan(1);
        assertThat(output.resolve("model.safetensors")).isRegularFile();
        assertThat(folder.resolve("trained.checkpoints")).doesNotExist();
    }

    private static Result run(String... arguments) {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        CommandLine command = Nightjar.commandLine().setOut(new PrintWriter(out)).setErr(new PrintWriter(err));
        int exitCode = command.execute(arguments);
        return new Result(exitCode, out.toString(), err.toString());
    }
}

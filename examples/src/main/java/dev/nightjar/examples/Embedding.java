package dev.nightjar.examples;

import dev.nightjar.InferenceOptions;
import dev.nightjar.InferenceSession;
import dev.nightjar.SentimentModel;
import dev.nightjar.pipeline.InferencePipeline;
import dev.nightjar.pipeline.PipelineOptions;
import dev.nightjar.pipeline.PipelineOptions.Overload;
import dev.nightjar.pipeline.PipelineOptions.Wait;
import dev.nightjar.pipeline.ResultRing;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/** The two ways to have Nightjar inside another system, as the README shows them. */
public final class Embedding {
    private static final int MAX_TEXT_BYTES = 4096;

    private final PrintStream out;

    /**
     * Both ways.
     *
     * @param out gets what a real system would act on
     */
    public Embedding(PrintStream out) {
        this.out = out;
    }

    /** Runs both on a model and texts: the folder, then the texts. */
    public static void main(String[] arguments) throws IOException, InterruptedException {
        Embedding embedding = new Embedding(System.out);
        List<String> texts = List.of(arguments).subList(1, arguments.length);
        InferenceOptions options = InferenceOptions.defaults().withTokenBudget(512).withMaxLength(128);
        try (SentimentModel model = SentimentModel.load(Path.of(arguments[0]), options)) {
            embedding.session(model, texts);
            embedding.pipeline(model, texts);
        }
    }

    /** One thread, its own session, its own memory: nothing is allocated in the loop once it is warm. */
    void session(SentimentModel model, List<String> texts) {
        try (InferenceSession session = model.newSession(); Arena arena = Arena.ofConfined()) {
            MemorySegment text = arena.allocate(MAX_TEXT_BYTES);
            MemorySegment results = arena.allocate(ValueLayout.JAVA_FLOAT, session.columns());
            session.warmUp();
            for (String line : texts) {
                int length = receive(line, text);
                session.addText(text, length);
                session.run();
                session.copyResults(results);
                out.println(results.getAtIndex(ValueLayout.JAVA_FLOAT, 0));
            }
        }
    }

    /** Many threads bring texts, one runs the model, one more acts on the answers. */
    void pipeline(SentimentModel model, List<String> texts) throws InterruptedException {
        PipelineOptions options = PipelineOptions.builder().capacity(1024).maxTextBytes(MAX_TEXT_BYTES).maxBatch(16)
                .maxDelay(Duration.ofMillis(1)).overload(Overload.DROP_OLDEST).waitStrategy(Wait.PARK)
                .keepWarm(Duration.ofMillis(50)).build();
        ResultRing answers = new ResultRing(1024);
        try (InferencePipeline pipeline = InferencePipeline.start(model, options, answers);
                Arena arena = Arena.ofConfined()) {
            MemorySegment text = arena.allocate(MAX_TEXT_BYTES);
            for (int id = 0; id < texts.size(); id++) {
                int length = receive(texts.get(id), text);
                // offer never waits; publish waits for room.
                pipeline.publish(id, text, length);
            }
            int answered = 0;
            while (answered < texts.size()) {
                answered += answers.poll(result -> out.println(result.id() + " " + result.label()), 64);
            }
            out.println(pipeline.metrics());
        }
    }

    /** Stands for a socket or a queue that writes UTF-8 to memory of the caller's. */
    private static int receive(String line, MemorySegment to) {
        byte[] utf8 = line.getBytes(StandardCharsets.UTF_8);
        int length = (int) Math.min(utf8.length, to.byteSize());
        MemorySegment.copy(utf8, 0, to, ValueLayout.JAVA_BYTE, 0, length);
        return length;
    }
}

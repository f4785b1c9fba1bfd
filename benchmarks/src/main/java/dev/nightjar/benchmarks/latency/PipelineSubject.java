package dev.nightjar.benchmarks.latency;

import dev.nightjar.SentimentModel;
import dev.nightjar.pipeline.BatchModel;
import dev.nightjar.pipeline.InferencePipeline;
import dev.nightjar.pipeline.PipelineOptions;
import dev.nightjar.pipeline.PipelineResult;
import dev.nightjar.pipeline.ResultHandler;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.function.Function;
import java.util.function.Supplier;

/** A pipeline under load; request number n brings the text n modulo their number. One thread offers. */
public final class PipelineSubject implements Subject, ResultHandler {
    private final Arena arena = Arena.ofShared();
    private final MemorySegment[] texts;
    private final InferencePipeline pipeline;
    /** Whom to tell; changed between runs only, and handed over with the text. */
    private Outcomes outcomes;

    private PipelineSubject(List<String> texts, Function<ResultHandler, InferencePipeline> start) {
        this.texts = texts.stream().map(text -> text.getBytes(StandardCharsets.UTF_8))
                .map(utf8 -> arena.allocate(utf8.length).copyFrom(MemorySegment.ofArray(utf8)))
                .toArray(MemorySegment[]::new);
        this.pipeline = start.apply(this);
    }

    /** A pipeline on a model, which stays the caller's. */
    public static PipelineSubject of(SentimentModel model, PipelineOptions options, List<String> texts) {
        return new PipelineSubject(texts, handler -> InferencePipeline.start(model, options, handler));
    }

    /** A pipeline on anything. */
    public static PipelineSubject of(Supplier<BatchModel> model, PipelineOptions options, List<String> texts) {
        return new PipelineSubject(texts, handler -> InferencePipeline.start(model, 0, options, handler));
    }

    @Override
    public boolean offer(int request, Outcomes newOutcomes) {
        outcomes = newOutcomes;
        MemorySegment text = texts[request % texts.length];
        return pipeline.offer(request, text, (int) text.byteSize());
    }

    @Override
    public void answered(PipelineResult result) {
        long finished = System.nanoTime();
        outcomes.answered((int) result.id(), finished - result.forwardNanos(), finished);
    }

    @Override
    public void failed(long id, Throwable cause) {
        outcomes.failed((int) id);
    }

    @Override
    public void dropped(long id) {
        outcomes.dropped((int) id);
    }

    /** Answers what waits, then ends. */
    @Override
    public void close() {
        pipeline.close();
        arena.close();
    }
}

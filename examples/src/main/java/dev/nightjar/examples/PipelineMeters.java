package dev.nightjar.examples;

import dev.nightjar.pipeline.InferencePipeline;
import dev.nightjar.pipeline.PipelineMetrics;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.binder.MeterBinder;
import java.util.function.ToDoubleFunction;

/**
 * Shows a pipeline's counters to Micrometer: {@code nightjar.texts} by outcome, {@code nightjar.batches} by what closed
 * them, what waits, and what failed. Reading a meter takes a snapshot; the pipeline does nothing for it.
 *
 * <pre>{@code
 * new PipelineMeters(pipeline, Tags.of("model", "news")).bindTo(registry);
 * }</pre>
 */
public final class PipelineMeters implements MeterBinder {
    private final InferencePipeline pipeline;
    private final Tags tags;

    /**
     * Meters of a pipeline.
     *
     * @param tags of all meters, to tell one pipeline from another
     */
    public PipelineMeters(InferencePipeline pipeline, Tags tags) {
        this.pipeline = pipeline;
        this.tags = tags;
    }

    @Override
    public void bindTo(MeterRegistry registry) {
        texts(registry, "answered", metrics -> metrics.answered() - metrics.failed());
        texts(registry, "failed", PipelineMetrics::failed);
        texts(registry, "dropped", PipelineMetrics::dropped);
        texts(registry, "rejected.full", PipelineMetrics::rejectedFull);
        texts(registry, "rejected.long", PipelineMetrics::rejectedLong);
        texts(registry, "rejected.closed", PipelineMetrics::rejectedClosed);
        texts(registry, "rejected.interrupted", PipelineMetrics::rejectedInterrupted);
        counter(registry, "nightjar.texts.offered", Tags.empty(), "Texts that producers brought",
                PipelineMetrics::offered);
        counter(registry, "nightjar.texts.truncated", Tags.empty(), "Texts that were cut", PipelineMetrics::truncated);
        counter(registry, "nightjar.cache.hits", Tags.empty(), "Texts answered as an identical one",
                PipelineMetrics::cacheHits);
        batches(registry, "size", PipelineMetrics::closedBySize);
        batches(registry, "tokens", PipelineMetrics::closedByTokens);
        batches(registry, "deadline", PipelineMetrics::closedByDeadline);
        counter(registry, "nightjar.failures", Tags.of("in", "handler"), "Calls that threw",
                PipelineMetrics::handlerFailures);
        counter(registry, "nightjar.failures", Tags.of("in", "model"), "Calls that threw",
                PipelineMetrics::modelFailures);
        gauge(registry, "nightjar.texts.queued", "Texts that wait in the queue", PipelineMetrics::queued);
        gauge(registry, "nightjar.texts.in.flight", "Texts that are neither answered nor given up",
                PipelineMetrics::inFlight);
    }

    private void texts(MeterRegistry registry, String outcome, ToDoubleFunction<PipelineMetrics> value) {
        counter(registry, "nightjar.texts", Tags.of("outcome", outcome), "Texts by what became of them", value);
    }

    private void batches(MeterRegistry registry, String closedBy, ToDoubleFunction<PipelineMetrics> value) {
        counter(registry, "nightjar.batches", Tags.of("closed.by", closedBy), "Batches by what closed them", value);
    }

    private void counter(MeterRegistry registry, String name, Tags own, String description,
            ToDoubleFunction<PipelineMetrics> value) {
        FunctionCounter.builder(name, pipeline, p -> value.applyAsDouble(p.metrics())).tags(tags.and(own))
                .description(description).register(registry);
    }

    private void gauge(MeterRegistry registry, String name, String description,
            ToDoubleFunction<PipelineMetrics> value) {
        Gauge.builder(name, pipeline, p -> value.applyAsDouble(p.metrics())).tags(tags).description(description)
                .register(registry);
    }
}

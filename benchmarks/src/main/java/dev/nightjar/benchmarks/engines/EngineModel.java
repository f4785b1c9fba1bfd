package dev.nightjar.benchmarks.engines;

import dev.nightjar.pipeline.BatchModel;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** An engine as a pipeline drives it, so that all engines are served alike. The engine stays its owner's. */
public final class EngineModel implements BatchModel {
    private final Engine engine;
    private final int classes;
    private final List<String> texts = new ArrayList<>();

    /**
     * A model of an engine.
     *
     * @param classes of the engine's model
     */
    public EngineModel(Engine engine, int classes) {
        this.engine = engine;
        this.classes = classes;
    }

    @Override
    public int columns() {
        return classes;
    }

    @Override
    public boolean add(MemorySegment utf8, int length) {
        texts.add(new String(utf8.asSlice(0, length).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8));
        return true;
    }

    @Override
    public void run(MemorySegment results) {
        float[][] probabilities = engine.classify(texts);
        texts.clear();
        for (int row = 0; row < probabilities.length; row++) {
            MemorySegment.copy(probabilities[row], 0, results, ValueLayout.JAVA_FLOAT_UNALIGNED,
                    (long) row * classes * Float.BYTES, classes);
        }
    }

    @Override
    public void clear() {
        texts.clear();
    }

    @Override
    public void close() {
        // The engine is not this object's.
    }
}

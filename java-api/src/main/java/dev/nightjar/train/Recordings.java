package dev.nightjar.train;

import dev.nightjar.backend.Ops;
import dev.nightjar.backend.PackedBatch;
import dev.nightjar.backend.RecordingOps;
import java.util.HashMap;
import java.util.Map;

/**
 * Sequences of operations that are recorded when they first run, for each size of batch, where the operations can be recorded; elsewhere
 * they run one by one. Not thread-safe.
 */
final class Recordings implements AutoCloseable {
    /** What a recording depends on besides what never changes; the sizes are bounds. */
    private record Key(Object sequence, int tokens, int sequences, int maxLength) {
    }

    private final RecordingOps ops;
    private final Map<Key, RecordingOps.Recording> recordings = new HashMap<>();

    Recordings(Ops ops) {
        this.ops = ops instanceof RecordingOps recording ? recording : null;
    }

    /**
     * Runs operations that depend on no batch.
     *
     * @param sequence names the operations: always the same for one name
     */
    void run(Object sequence, Runnable operations) {
        run(new Key(sequence, 0, 0, 0), operations);
    }

    /** Runs operations on a batch; see {@link #run(Object, Runnable)}. */
    void run(Object sequence, PackedBatch batch, Runnable operations) {
        run(new Key(sequence, batch.tokens(), batch.sequences(), batch.maxLength()), operations);
    }

    private void run(Key key, Runnable operations) {
        if (ops == null) {
            operations.run();
        } else {
            recordings.computeIfAbsent(key, k -> ops.record(operations)).run();
        }
    }

    @Override
    public void close() {
        recordings.values().forEach(RecordingOps.Recording::close);
        recordings.clear();
    }
}

package dev.nightjar.backend;

import dev.nightjar.tensor.HostBuffer;
import dev.nightjar.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * Operations of a device that runs a recorded sequence faster than the same operations one by one. What was recorded
 * depends on the addresses and sizes of its tensors, and on the {@linkplain PackedBatch#bounded bounds} of its batch,
 * never on the batch's content. Everything here happens on the device in the order of the calls.
 */
public interface RecordingOps extends InferenceOps {
    /** A recorded sequence of operations; closing frees it and is idempotent. */
    interface Recording extends AutoCloseable {
        /** Starts the sequence; {@link RecordingOps#await} waits for its end. Allocates nothing. */
        void run();

        @Override
        void close();
    }

    /** Zeroed host memory that {@link #copyIn} and {@link #copyOut} take. */
    HostBuffer allocateHost(long bytes);

    /** Copies host memory, which must stay as it is until {@link #await}, into a tensor of the same size in bytes. */
    void copyIn(MemorySegment source, Tensor destination);

    /** Copies a tensor into host memory of the same size in bytes, where it is after {@link #await}. */
    void copyOut(Tensor source, MemorySegment destination);

    /** Records what {@code operations} calls on this object, without running it. */
    Recording record(Runnable operations);

    /** Waits until the device has done everything it was asked to. */
    void await();
}

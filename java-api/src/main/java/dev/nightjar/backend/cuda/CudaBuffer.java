package dev.nightjar.backend.cuda;

import dev.nightjar.tensor.Buffer;

/** Device memory. Its address is for kernels and copies alone. */
final class CudaBuffer implements Buffer {
    private final CudaHandle memory;
    private final long byteSize;

    CudaBuffer(CudaHandle memory, long byteSize) {
        this.memory = memory;
        this.byteSize = byteSize;
    }

    /**
     * The device address.
     *
     * @throws IllegalStateException if the buffer is closed
     */
    long address() {
        return memory.value();
    }

    @Override
    public long byteSize() {
        return byteSize;
    }

    @Override
    public void close() {
        memory.close();
    }
}

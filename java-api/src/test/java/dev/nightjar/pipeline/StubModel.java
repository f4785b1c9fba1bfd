package dev.nightjar.pipeline;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A model whose answer to a text is its length and the sum of its bytes. On request it stops in every pass until it may
 * go on, and fails at texts that begin with a certain byte.
 */
final class StubModel implements BatchModel {
    static final int COLUMNS = 2;
    /** A text that begins with it is refused. */
    static final byte REFUSED = '!';
    /** A text that begins with it makes its batch fail. */
    static final byte POISON = '#';

    private final int byteCapacity;
    private final float[] values;
    private int texts;
    private int bytes;
    private boolean poisoned;
    private volatile Semaphore permits;
    private final Semaphore entered = new Semaphore(0);
    final AtomicInteger passes = new AtomicInteger();
    final AtomicInteger keepWarmPasses = new AtomicInteger();
    final CountDownLatch closed = new CountDownLatch(1);

    /** @param byteCapacity bytes that fit into a batch, for the tokens of a real model */
    StubModel(int batch, int byteCapacity) {
        this.byteCapacity = byteCapacity;
        this.values = new float[batch * COLUMNS];
    }

    StubModel() {
        this(1024, Integer.MAX_VALUE);
    }

    /** Stops every pass from now on until {@link #allow}. */
    void hold() {
        permits = new Semaphore(0);
    }

    void allow(int count) {
        permits.release(count);
    }

    /** Lets all passes go on. */
    void releaseAll() {
        permits.release(Integer.MAX_VALUE / 2);
    }

    /** Returns when so many more passes have begun. */
    void awaitPasses(int count) throws InterruptedException {
        entered.acquire(count);
    }

    @Override
    public int columns() {
        return COLUMNS;
    }

    @Override
    public boolean add(MemorySegment utf8, int length) {
        if (length > 0 && utf8.get(ValueLayout.JAVA_BYTE, 0) == REFUSED) {
            throw new IllegalArgumentException("refused");
        }
        if (bytes + length > byteCapacity || texts == values.length / COLUMNS) {
            return false;
        }
        poisoned |= length > 0 && utf8.get(ValueLayout.JAVA_BYTE, 0) == POISON;
        float sum = 0;
        for (int i = 0; i < length; i++) {
            sum += utf8.get(ValueLayout.JAVA_BYTE, i);
        }
        values[texts * COLUMNS] = length;
        values[texts * COLUMNS + 1] = sum;
        texts++;
        bytes += length;
        return true;
    }

    @Override
    public void run(MemorySegment results) {
        passes.incrementAndGet();
        Semaphore gate = permits;
        if (gate != null) {
            entered.release();
            gate.acquireUninterruptibly();
        }
        if (poisoned) {
            throw new IllegalStateException("poisoned");
        }
        MemorySegment.copy(values, 0, results, ValueLayout.JAVA_FLOAT_UNALIGNED, 0, texts * COLUMNS);
        clear();
    }

    @Override
    public void clear() {
        texts = 0;
        bytes = 0;
        poisoned = false;
    }

    @Override
    public void keepWarm() {
        keepWarmPasses.incrementAndGet();
        entered.release();
    }

    @Override
    public void close() {
        closed.countDown();
    }
}

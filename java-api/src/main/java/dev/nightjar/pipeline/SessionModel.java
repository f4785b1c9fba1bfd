package dev.nightjar.pipeline;

import dev.nightjar.InferenceSession;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;

/** A session as a pipeline drives it; owns the session. */
final class SessionModel implements BatchModel {
    private final InferenceSession session;
    /** Of a headline's length. */
    private final MemorySegment keepWarmText = MemorySegment
            .ofArray("shares of the company were little changed in early trading".getBytes(StandardCharsets.US_ASCII));

    SessionModel(InferenceSession session) {
        this.session = session;
    }

    @Override
    public int columns() {
        return session.columns();
    }

    @Override
    public boolean add(MemorySegment utf8, int length) {
        return session.addText(utf8, length) != InferenceSession.NO_ROOM;
    }

    @Override
    public void run(MemorySegment results) {
        session.run();
        session.copyResults(results);
    }

    @Override
    public void clear() {
        session.clear();
    }

    @Override
    public void warmUp() {
        session.warmUp();
    }

    @Override
    public void keepWarm() {
        session.addText(keepWarmText, (int) keepWarmText.byteSize());
        session.run();
        session.clear();
    }

    @Override
    public void close() {
        session.close();
    }
}

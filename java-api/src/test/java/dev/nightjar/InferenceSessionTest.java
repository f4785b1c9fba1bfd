package dev.nightjar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Sessions on memory of the caller's, against the model's own predictions, and who may use them. */
@Timeout(300)
class InferenceSessionTest {
    private static final List<String> TEXTS = List.of("w1", "", TinyModel.text(5, 6, 7), "W3\tw4\n nonsense w5",
            TinyModel.text(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16), "w7 ".repeat(100));
    private static final int COLUMNS = 3;

    @TempDir
    private Path folder;

    private SentimentModel load(InferenceOptions options) throws IOException {
        return SentimentModel.loadWithHeads(TinyModel.save(folder), List.of("a", "b"), List.of("s"), 1,
                options.withDevice(Device.of("cpu")));
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static List<Float> results(InferenceSession session) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(ValueLayout.JAVA_FLOAT, (long) session.rows() * session.columns());
            session.copyResults(memory);
            List<Float> values = new ArrayList<>();
            for (float value : memory.toArray(ValueLayout.JAVA_FLOAT)) {
                values.add(value);
            }
            return values;
        }
    }

    private static List<Float> expected(List<Prediction> predictions) {
        List<Float> values = new ArrayList<>();
        for (Prediction prediction : predictions) {
            values.addAll(prediction.probabilities());
            values.addAll(prediction.scores());
        }
        return values;
    }

    /** Runs something on another thread to its end. */
    private static void elsewhere(ThrowingCallable action) throws Exception {
        try (ExecutorService thread = Executors.newSingleThreadExecutor()) {
            thread.submit(() -> {
                try {
                    action.call();
                } catch (Throwable t) {
                    throw new AssertionError(t);
                }
            }).get();
        }
    }

    private static void assertRefused(ThrowingCallable action) {
        assertThatExceptionOfType(ConcurrentUseException.class).isThrownBy(action);
    }

    @Test
    void bytesAndIdsGiveThePredictionsOfTheModel() throws IOException {
        try (SentimentModel model = load(InferenceOptions.defaults());
                InferenceSession bytes = model.newSession();
                InferenceSession tokens = model.newSession();
                Arena arena = Arena.ofConfined()) {
            assertThat(bytes.columns()).isEqualTo(COLUMNS);
            for (int row = 0; row < TEXTS.size(); row++) {
                byte[] text = utf8(TEXTS.get(row));
                // Unaligned, off the heap and on it, with something behind.
                MemorySegment memory = row % 2 == 0
                        ? arena.allocate(text.length + 2).asSlice(1)
                        : MemorySegment.ofArray(new byte[text.length + 7]);
                MemorySegment.copy(text, 0, memory, ValueLayout.JAVA_BYTE, 0, text.length);
                memory.set(ValueLayout.JAVA_BYTE, text.length, (byte) 'w');
                assertThat(bytes.addText(memory, text.length)).isEqualTo(row);

                int[] ids = model.encode(TEXTS.get(row));
                MemorySegment raw = row % 2 == 0
                        ? arena.allocate(4L * ids.length + 1).asSlice(1)
                        : MemorySegment.ofArray(new int[ids.length + 1]);
                for (int i = 0; i < ids.length; i++) {
                    raw.set(ValueLayout.JAVA_INT_UNALIGNED, 4L * i, ids[i]);
                }
                assertThat(tokens.addTokens(raw, ids.length)).isEqualTo(row);
            }
            bytes.run();
            tokens.run();
            List<Float> expected = expected(model.predict(TEXTS));
            assertThat(results(bytes)).isEqualTo(expected);
            assertThat(results(tokens)).isEqualTo(expected);
            assertThat(bytes.probability(2, 1)).isEqualTo(expected.get(2 * COLUMNS + 1));
            assertThat(bytes.score(2, 0)).isEqualTo(expected.get(2 * COLUMNS + 2));
        }
    }

    @Test
    void bytesThatAreNoUtf8CountForNothing() throws IOException {
        byte[] broken = {(byte) 0xFF, 'w', '1', ' ', (byte) 0xE2, (byte) 0x82, 'w', '2', (byte) 0xF0};
        try (SentimentModel model = load(InferenceOptions.defaults()); InferenceSession session = model.newSession()) {
            session.addText(MemorySegment.ofArray(broken), broken.length);
            session.run();
            assertThat(results(session)).isEqualTo(expected(List.of(model.predict("w1 w2"))));
        }
    }

    @Test
    void aTextWithoutRoomChangesNothing() throws IOException {
        try (SentimentModel model = load(InferenceOptions.defaults().withTokenBudget(40));
                InferenceSession session = model.newSession()) {
            byte[] text = utf8("w1 ".repeat(30));
            MemorySegment memory = MemorySegment.ofArray(text);
            assertThat(session.addText(memory, text.length)).isZero();
            assertThat(session.addText(memory, text.length)).isEqualTo(InferenceSession.NO_ROOM);
            assertThat(session.addText(memory, 2)).isEqualTo(1);
            session.run();
            assertThat(results(session)).isEqualTo(expected(model.predict(List.of("w1 ".repeat(30), "w1"))));
            assertThat(session.addText(memory, text.length)).isZero();
        }
    }

    @Test
    void whatCannotBeReadIsRefused() throws IOException {
        try (SentimentModel model = load(InferenceOptions.defaults().withMaxLength(5).withRefuseLong(true));
                InferenceSession session = model.newSession()) {
            byte[] text = utf8("w1 w2 w3 w4");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> session.addText(MemorySegment.ofArray(text), text.length))
                    .withMessageContaining("11 bytes").withMessageContaining("5 tokens");
            assertThatExceptionOfType(IndexOutOfBoundsException.class)
                    .isThrownBy(() -> session.addText(MemorySegment.ofArray(text), text.length + 1));
            assertThatExceptionOfType(IndexOutOfBoundsException.class)
                    .isThrownBy(() -> session.addTokens(MemorySegment.ofArray(new int[]{1, 2}), 3));
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> session.addTokens(MemorySegment.ofArray(new int[]{1, 999}), 2))
                    .withMessageContaining("token 1").withMessageContaining("999");
            assertThatIllegalStateException().isThrownBy(session::run);
            session.addText(MemorySegment.ofArray(text), 5);
            session.run();
            assertThatExceptionOfType(IndexOutOfBoundsException.class)
                    .isThrownBy(() -> session.copyResults(MemorySegment.ofArray(new float[COLUMNS - 1])));
        }
        Files.delete(folder.resolve("vocab.txt"));
        try (SentimentModel model = SentimentModel.load(folder); InferenceSession session = model.newSession()) {
            assertThatIllegalStateException().isThrownBy(() -> session.addText(MemorySegment.ofArray(new byte[1]), 1))
                    .withMessageContaining("no tokenizer");
        }
    }

    @Test
    void anotherThreadIsFoundOut() throws Exception {
        try (SentimentModel model = load(InferenceOptions.defaults()); InferenceSession session = model.newSession()) {
            session.add(2, 3);
            elsewhere(() -> {
                assertRefused(() -> session.add(2, 3));
                assertRefused(() -> session.addText(MemorySegment.ofArray(new byte[1]), 1));
                assertRefused(session::run);
                assertRefused(session::rows);
            });
            session.run();
            List<Float> mine = results(session);
            elsewhere(() -> {
                assertRefused(() -> session.probability(0, 0));
                session.clear();
                session.add(2, 3);
                session.run();
                assertThat(results(session)).isEqualTo(mine);
            });
            assertRefused(session::run);
            assertRefused(() -> session.score(0, 0));
            session.clear();
            session.add(2, 3);
        }
    }

    @Test
    void aSessionIsNotClosedDuringACall() throws Exception {
        try (SentimentModel model = load(InferenceOptions.defaults())) {
            InferenceSession session = model.newSession();
            session.enter();
            elsewhere(() -> {
                assertRefused(session::close);
                assertRefused(session::clear);
                assertRefused(() -> session.add(2, 3));
            });
            session.leave();
            session.add(2, 3);
            session.run();
            elsewhere(session::close);
            assertThatIllegalStateException().isThrownBy(() -> session.add(2, 3)).withMessageContaining("closed");
            assertThatIllegalStateException().isThrownBy(session::run).withMessageContaining("closed");
            session.close();
        }
    }

    @Test
    void aModelIsNotClosedUnderItsSessions() throws IOException {
        SentimentModel model = load(InferenceOptions.defaults());
        InferenceSession session = model.newSession();
        assertThatIllegalStateException().isThrownBy(model::close).withMessageContaining("1 sessions");
        session.add(2, 3);
        session.run();
        assertThat(model.predict("w1").probabilities()).hasSize(2);
        session.close();
        session.close();
        model.close();
        assertThatIllegalStateException().isThrownBy(model::newSession).withMessageContaining("closed");
    }

    @Test
    void warmUpLeavesNothingBehind() throws IOException {
        try (SentimentModel model = load(InferenceOptions.defaults()); InferenceSession session = model.newSession()) {
            session.warmUp();
            assertThat(session.rows()).isZero();
            assertThatIllegalStateException().isThrownBy(session::run);
            session.addText(MemorySegment.ofArray(utf8("w1")), 2);
            session.run();
            assertThat(results(session)).isEqualTo(expected(List.of(model.predict("w1"))));
        }
    }
}

package dev.nightjar.examples.trading;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.nightjar.Device;
import dev.nightjar.InferenceOptions;
import dev.nightjar.NightjarException;
import dev.nightjar.SentimentModel;
import dev.nightjar.examples.TinyModel;
import dev.nightjar.examples.trading.TradingRun.Outcome;
import dev.nightjar.examples.trading.TradingRun.Transport;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.agrona.IoUtil;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Whole replays of the bundled feed: the same orders, however the feed arrives and however fast. */
@Timeout(300)
class TradingRunTest {
    /** The tiny model knows nothing, so the book may lose what it likes. */
    private static final Strategy.Settings SETTINGS = new Strategy.Settings(500, 0.5, 0.15, 100,
            new RiskGate.Limits(100, 4, 1000, Double.MAX_VALUE));

    @TempDir
    private static Path folder;
    private static SentimentModel model;
    private static byte[] expected;

    @BeforeAll
    static void loadModel() throws IOException, InterruptedException {
        model = SentimentModel.load(TinyModel.save(folder.resolve("model")),
                InferenceOptions.defaults().withDevice(Device.of("cpu")).withTokenBudget(64));
        expected = TradingRun.orders(run(Transport.DIRECT, Double.POSITIVE_INFINITY).strategy());
    }

    @AfterAll
    static void closeModel() {
        model.close();
    }

    /** The bundled headlines in the tiny model's words. */
    private static List<FeedEvent> feed() throws IOException {
        return FeedFile.bundled().stream()
                .map(event -> event.isNews()
                        ? FeedEvent.news(event.index(), event.millis(), event.instrument(),
                                "w" + event.index() % 100 + " w" + event.index() % 37)
                        : event)
                .toList();
    }

    private static Outcome run(Transport transport, double speed) throws IOException, InterruptedException {
        return TradingRun.run(model, feed(), speed, SETTINGS, transport);
    }

    @ParameterizedTest
    @EnumSource(Transport.class)
    void aReplayGivesTheSameOrdersByteForByte(Transport transport) throws IOException, InterruptedException {
        Outcome fast = run(transport, Double.POSITIVE_INFINITY);
        assertThat(TradingRun.orders(fast.strategy())).isEqualTo(expected);
        Outcome paced = run(transport, 100);
        assertThat(TradingRun.orders(paced.strategy())).isEqualTo(expected);
        assertThat(paced.strategy().fills()).isGreaterThan(5);
        long headlines = feed().stream().filter(FeedEvent::isNews).count();
        assertThat(paced.tickToSignal().getTotalCount()).isEqualTo(headlines);
        assertThat(paced.service().getTotalCount()).isEqualTo(headlines);
        assertThat(paced.pipeline().answered()).isEqualTo(headlines);
    }

    @Test
    void theAeronVariantLeavesNoFolderBehind() throws IOException, InterruptedException {
        run(Transport.AERON, Double.POSITIVE_INFINITY);
        try (Stream<Path> files = Files.list(Path.of(IoUtil.tmpDirName()))) {
            assertThat(files.filter(file -> file.getFileName().toString().startsWith("nightjar-aeron-"))).isEmpty();
        }
    }

    @Test
    void aHeadlineThatCannotBeReadEndsTheRun() throws IOException {
        try (SentimentModel refusing = SentimentModel.load(folder.resolve("model"), InferenceOptions.defaults()
                .withDevice(Device.of("cpu")).withMaxLength(3).withRefuseLong(true))) {
            assertThatExceptionOfType(NightjarException.class).isThrownBy(
                    () -> TradingRun.run(refusing, feed(), Double.POSITIVE_INFINITY, SETTINGS, Transport.DIRECT))
                    .withMessageContaining("more than 3 tokens");
        }
    }
}

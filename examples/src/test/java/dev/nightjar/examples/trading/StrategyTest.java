package dev.nightjar.examples.trading;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import dev.nightjar.FormatException;
import dev.nightjar.examples.trading.RiskGate.Limits;
import dev.nightjar.examples.trading.RiskGate.Verdict;
import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The parts between a sentiment and an order, on made-up quotes and sentiments. */
class StrategyTest {
    private static final Limits LIMITS = new Limits(100, 3, 1000, 50);
    private static final Strategy.Settings SETTINGS = new Strategy.Settings(1000, 0.5, 0.2, 100, LIMITS);

    private final Strategy strategy = new Strategy(SETTINGS);

    private void quote(long millis, String instrument, double bid) {
        strategy.onQuote(FeedEvent.quote(0, millis, instrument, bid, bid + 0.1));
    }

    private void news(long millis, String instrument, double sentiment) {
        strategy.onNews(FeedEvent.news(0, millis, instrument, "headline"), sentiment);
    }

    @Test
    void sentimentHalvesInItsHalfLife() {
        DecayingSentiment sentiment = new DecayingSentiment(1000);
        assertThat(sentiment.at(500)).isZero();
        sentiment.add(1000, 0.8);
        assertThat(sentiment.at(1000)).isEqualTo(0.8);
        assertThat(sentiment.at(3000)).isCloseTo(0.2, within(1e-12));
        sentiment.add(3000, -0.5);
        assertThat(sentiment.at(4000)).isCloseTo(-0.15, within(1e-12));
    }

    @Test
    void aSignalIsEnteredStrongAndLeftWeak() {
        HysteresisSignal signal = new HysteresisSignal(0.5, 0.2);
        double[] sentiments = {0, 0.49, 0.5, 0.3, 0.21, 0.2, 0.3, -0.5, -0.3, 0.1, 0.5, -0.6};
        int[] expected = {0, 0, 1, 1, 1, 0, 0, -1, -1, 0, 1, -1};
        for (int i = 0; i < sentiments.length; i++) {
            assertThat(signal.update(sentiments[i])).as("update %d", i).isEqualTo(expected[i]);
        }
        assertThatIllegalArgumentException().isThrownBy(() -> new HysteresisSignal(0.5, 0.5));
    }

    @Test
    void theRiskGateRefusesWhatExceedsALimit() {
        RiskGate gate = new RiskGate(LIMITS);
        assertThat(gate.check(5000, 0, 101, 5000)).isEqualTo(Verdict.POSITION_LIMIT);
        assertThat(gate.check(5000, 150, -30, 5000)).as("less than before").isEqualTo(Verdict.PASSED);
        assertThat(gate.check(5000, 0, 100, 4001)).isEqualTo(Verdict.PASSED);
        assertThat(gate.check(5000, 0, 100, 4000)).isEqualTo(Verdict.STALE_QUOTE);
        assertThat(gate.check(5999, 100, -200, 5999)).isEqualTo(Verdict.PASSED);
        assertThat(gate.check(5999, 0, 1, 5999)).isEqualTo(Verdict.RATE_LIMIT);
        assertThat(gate.check(6000, 0, 1, 6000)).as("a second after the first").isEqualTo(Verdict.PASSED);
        gate.observeProfit(-49);
        assertThat(gate.killed()).isFalse();
        gate.observeProfit(-50);
        gate.observeProfit(1000);
        assertThat(gate.check(9000, 100, -100, 9000)).isEqualTo(Verdict.KILLED);
    }

    @Test
    void ordersFollowTheSignal() {
        news(0, "A", 0.9);
        quote(100, "A", 10);
        quote(1500, "A", 10.5);
        quote(2500, "A", 11);
        news(2600, "A", -0.9);
        assertThat(strategy.log()).containsExactly("100,A,BUY,100,0.8397,PASSED,10.10",
                "2500,A,SELL,100,0.1591,PASSED,11.00", "2600,A,SELL,100,-0.7516,PASSED,11.00");
        assertThat(strategy.profit()).isCloseTo(90 - 10, within(1e-9));
        assertThat(strategy.fills()).isEqualTo(3);
    }

    @Test
    void aStaleQuoteIsNotTradedOnUntilTheNext() {
        quote(0, "A", 10);
        news(1000, "A", 0.9);
        quote(1100, "A", 10);
        assertThat(strategy.log()).containsExactly("1000,A,BUY,100,0.9000,STALE_QUOTE,",
                "1100,A,BUY,100,0.8397,PASSED,10.10");
    }

    @Test
    void theKillSwitchEndsTrading() {
        quote(0, "A", 10);
        news(10, "A", 0.9);
        quote(20, "A", 9);
        assertThat(strategy.killed()).as("lost 110 of 50").isTrue();
        news(30, "A", -2);
        assertThat(strategy.log()).last().isEqualTo("30,A,SELL,200,-1.1124,KILLED,");
        Strategy other = new Strategy(SETTINGS);
        other.kill();
        other.onQuote(FeedEvent.quote(0, 0, "A", 10, 10.1));
        other.onNews(FeedEvent.news(1, 1, "A", "headline"), 0.9);
        assertThat(other.fills()).isZero();
    }

    @Test
    void theBundledFeedIsInOrderAndHasBothKinds() throws IOException {
        List<FeedEvent> feed = FeedFile.bundled();
        assertThat(feed).hasSizeGreaterThan(500).extracting(FeedEvent::millis).isSorted();
        assertThat(feed.stream().filter(FeedEvent::isNews)).hasSizeGreaterThan(20);
        assertThat(feed.getLast().index()).isEqualTo(feed.size() - 1);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {"0;Q;A;10;9 | my.tsv:1", "0;Q;A;10 | expected milliseconds",
            "x;N;A;b | expected a number", "5;N;A;b/4;N;A;b | my.tsv:2", "1;R;A;b | Q, instrument",
            "1 | N, instrument"})
    void aBrokenFeedIsRefusedByItsLine(String lines, String message) {
        assertThatExceptionOfType(FormatException.class)
                .isThrownBy(() -> FeedFile.parse("my.tsv", lines.replace(';', '\t').replace('/', '\n')))
                .withMessageContaining(message);
    }
}

package dev.nightjar.examples.trading;

import dev.nightjar.examples.trading.RiskGate.Verdict;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * From quotes and the sentiment of headlines to orders. Everything happens in the order and at the time of the feed, so
 * the same feed with the same sentiments gives the same orders, byte for byte. For one thread.
 */
public final class Strategy {
    /**
     * How to trade.
     *
     * @param halfLifeMillis in which news loses half its weight
     * @param enter sentiment to take a side; a piece of news is in [-1, 1]
     * @param exit sentiment below which to give it up
     * @param lot shares to hold of an instrument while its signal is on
     */
    public record Settings(double halfLifeMillis, double enter, double exit, int lot, RiskGate.Limits limits) {
        /** What suits the bundled feed. */
        public static Settings defaults() {
            return new Settings(2000, 0.5, 0.15, 100, new RiskGate.Limits(100, 4, 1000, 500));
        }
    }

    private static final class Instrument {
        private final DecayingSentiment sentiment;
        private final HysteresisSignal signal;

        private Instrument(Settings settings) {
            sentiment = new DecayingSentiment(settings.halfLifeMillis);
            signal = new HysteresisSignal(settings.enter, settings.exit);
        }
    }

    private final Settings settings;
    private final RiskGate risk;
    private final SimulatedExchange exchange = new SimulatedExchange();
    private final Map<String, Instrument> instruments = new HashMap<>();
    private final List<String> log = new ArrayList<>();

    public Strategy(Settings settings) {
        this.settings = settings;
        this.risk = new RiskGate(settings.limits);
    }

    /** A quote arrived. */
    public void onQuote(FeedEvent quote) {
        exchange.quote(quote);
        risk.observeProfit(exchange.profit());
        trade(quote.millis(), quote.instrument());
    }

    /**
     * A headline was read.
     *
     * @param sentiment in [-1, 1]
     */
    public void onNews(FeedEvent news, double sentiment) {
        instrument(news.instrument()).sentiment.add(news.millis(), sentiment);
        trade(news.millis(), news.instrument());
    }

    /** Refuses every order from now on. */
    public void kill() {
        risk.kill();
    }

    private Instrument instrument(String name) {
        return instruments.computeIfAbsent(name, key -> new Instrument(settings));
    }

    /** Sends what brings the position to what the signal wants, if the risk gate lets it. */
    private void trade(long millis, String name) {
        Instrument instrument = instrument(name);
        double sentiment = instrument.sentiment.at(millis);
        int direction = instrument.signal.update(sentiment);
        if (!exchange.hasQuote(name)) {
            return;
        }
        int position = exchange.position(name);
        int quantity = direction * settings.lot - position;
        if (quantity == 0) {
            return;
        }
        Verdict verdict = risk.check(millis, position, quantity, exchange.quoteMillis(name));
        String order = String.format(Locale.ROOT, "%d,%s,%s,%d,%.4f,%s", millis, name, quantity > 0 ? "BUY" : "SELL",
                Math.abs(quantity), sentiment, verdict);
        log.add(verdict == Verdict.PASSED
                ? String.format(Locale.ROOT, "%s,%.2f", order, exchange.fill(name, quantity))
                : order + ",");
    }

    /** Every order, refused ones included: milliseconds, instrument, side, shares, sentiment, verdict, price. */
    public List<String> log() {
        return List.copyOf(log);
    }

    /** Orders that were filled. */
    public int fills() {
        return exchange.fills();
    }

    /** What would be left if every position were closed at the last quotes. */
    public double profit() {
        return exchange.profit();
    }

    /** Whether the kill switch was thrown. */
    public boolean killed() {
        return risk.killed();
    }
}

package dev.nightjar.examples.trading;

import java.util.Map;
import java.util.TreeMap;

/** Fills every order at once at the quote, and keeps the book of what it did. */
final class SimulatedExchange {
    /** Best prices of an instrument, and our shares of it. */
    private static final class Line {
        private double bid;
        private double ask;
        private long millis;
        private int position;
    }

    private final Map<String, Line> lines = new TreeMap<>();
    private double cash;
    private int fills;

    void quote(FeedEvent quote) {
        Line line = lines.computeIfAbsent(quote.instrument(), name -> new Line());
        line.bid = quote.bid();
        line.ask = quote.ask();
        line.millis = quote.millis();
    }

    boolean hasQuote(String instrument) {
        return lines.containsKey(instrument);
    }

    long quoteMillis(String instrument) {
        return lines.get(instrument).millis;
    }

    int position(String instrument) {
        return lines.get(instrument).position;
    }

    int fills() {
        return fills;
    }

    /**
     * Fills a market order.
     *
     * @param quantity positive to buy, negative to sell
     * @return the price
     */
    double fill(String instrument, int quantity) {
        Line line = lines.get(instrument);
        double price = quantity > 0 ? line.ask : line.bid;
        line.position += quantity;
        cash -= quantity * price;
        fills++;
        return price;
    }

    /** What would be left if every position were closed at the last quotes. */
    double profit() {
        double value = cash;
        for (Line line : lines.values()) {
            value += line.position * (line.position > 0 ? line.bid : line.ask);
        }
        return value;
    }
}

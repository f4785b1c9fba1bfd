package dev.nightjar.examples.trading;

/**
 * A message of the feed: a quote, or a headline about an instrument.
 *
 * @param index place in the feed, from 0
 * @param millis since the feed began
 * @param bid best price somebody buys at; 0 in a headline
 * @param ask best price somebody sells at; 0 in a headline
 * @param headline null in a quote
 */
public record FeedEvent(int index, long millis, String instrument, double bid, double ask, String headline) {
    static FeedEvent quote(int index, long millis, String instrument, double bid, double ask) {
        return new FeedEvent(index, millis, instrument, bid, ask, null);
    }

    static FeedEvent news(int index, long millis, String instrument, String headline) {
        return new FeedEvent(index, millis, instrument, 0, 0, headline);
    }

    boolean isNews() {
        return headline != null;
    }
}

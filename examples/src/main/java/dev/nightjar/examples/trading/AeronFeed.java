package dev.nightjar.examples.trading;

import dev.nightjar.NightjarException;
import io.aeron.Aeron;
import io.aeron.ExclusivePublication;
import io.aeron.Publication;
import io.aeron.Subscription;
import io.aeron.driver.MediaDriver;
import io.aeron.driver.ThreadingMode;
import io.aeron.logbuffer.FragmentHandler;
import java.nio.charset.StandardCharsets;
import java.util.UUID;
import org.agrona.CloseHelper;
import org.agrona.DirectBuffer;
import org.agrona.IoUtil;
import org.agrona.concurrent.BackoffIdleStrategy;
import org.agrona.concurrent.IdleStrategy;
import org.agrona.concurrent.UnsafeBuffer;
import java.io.File;

/**
 * The feed through Aeron's shared memory, as it would come from another process. Its media driver runs in this process,
 * in a folder of its own that goes with it. Agrona needs {@code --add-opens java.base/jdk.internal.misc=ALL-UNNAMED}.
 */
public final class AeronFeed implements FeedTransport {
    private static final String CHANNEL = "aeron:ipc?term-length=1m";
    private static final int STREAM = 1001;
    private static final int FRAGMENTS = 16;
    private static final int MAX_MESSAGE_BYTES = 16 * 1024;
    // A message: index, milliseconds, bid, ask, bytes of the instrument, bytes of the headline or -1, and both in
    // UTF-8.
    private static final int MILLIS = 4;
    private static final int BID = 12;
    private static final int ASK = 20;
    private static final int INSTRUMENT_BYTES = 28;
    private static final int HEADLINE_BYTES = 32;
    private static final int TEXTS = 36;

    private final MediaDriver driver;
    private final Aeron aeron;
    private final ExclusivePublication publication;
    private final Subscription subscription;
    private final UnsafeBuffer buffer = new UnsafeBuffer(new byte[MAX_MESSAGE_BYTES]);
    private final IdleStrategy idle = idle();
    private final Thread subscriber;
    private volatile boolean running = true;

    /** Starts the driver and a thread that receives. */
    public AeronFeed(Receiver receiver) {
        String folder = new File(IoUtil.tmpDirName(), "nightjar-aeron-" + UUID.randomUUID()).getAbsolutePath();
        driver = MediaDriver.launchEmbedded(new MediaDriver.Context().aeronDirectoryName(folder)
                .threadingMode(ThreadingMode.SHARED).sharedIdleStrategy(idle()).dirDeleteOnStart(true)
                .dirDeleteOnShutdown(true).termBufferSparseFile(true));
        try {
            aeron = Aeron.connect(new Aeron.Context().aeronDirectoryName(folder));
            subscription = aeron.addSubscription(CHANNEL, STREAM);
            publication = aeron.addExclusivePublication(CHANNEL, STREAM);
        } catch (RuntimeException e) {
            driver.close();
            throw e;
        }
        FragmentHandler handler = (message, offset, length, header) -> {
            try {
                receiver.receive(decode(message, offset));
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        };
        subscriber = Thread.ofPlatform().daemon().name("aeron-feed").start(() -> {
            IdleStrategy waiting = idle();
            while (running && !Thread.currentThread().isInterrupted()) {
                waiting.idle(subscription.poll(handler, FRAGMENTS));
            }
        });
    }

    private static IdleStrategy idle() {
        return new BackoffIdleStrategy(100, 10, 1_000, 50_000);
    }

    @Override
    public void send(FeedEvent event) throws InterruptedException {
        int length = encode(event);
        idle.reset();
        for (long result = publication.offer(buffer, 0, length); result < 0; result = publication.offer(buffer, 0,
                length)) {
            if (result == Publication.CLOSED || result == Publication.MAX_POSITION_EXCEEDED) {
                throw new NightjarException("Aeron takes no more messages: " + Publication.errorString(result));
            }
            if (Thread.interrupted()) {
                throw new InterruptedException("interrupted while sending");
            }
            idle.idle();
        }
    }

    private int encode(FeedEvent event) {
        byte[] instrument = event.instrument().getBytes(StandardCharsets.UTF_8);
        byte[] headline = event.isNews() ? event.headline().getBytes(StandardCharsets.UTF_8) : new byte[0];
        int length = TEXTS + instrument.length + headline.length;
        if (length > Math.min(MAX_MESSAGE_BYTES, publication.maxMessageLength())) {
            throw new IllegalArgumentException("message " + event.index() + " has " + length + " bytes");
        }
        buffer.putInt(0, event.index());
        buffer.putLong(MILLIS, event.millis());
        buffer.putDouble(BID, event.bid());
        buffer.putDouble(ASK, event.ask());
        buffer.putInt(INSTRUMENT_BYTES, instrument.length);
        buffer.putInt(HEADLINE_BYTES, event.isNews() ? headline.length : -1);
        buffer.putBytes(TEXTS, instrument);
        buffer.putBytes(TEXTS + instrument.length, headline);
        return length;
    }

    private static FeedEvent decode(DirectBuffer message, int at) {
        int instrumentBytes = message.getInt(at + INSTRUMENT_BYTES);
        int headlineBytes = message.getInt(at + HEADLINE_BYTES);
        String instrument = text(message, at + TEXTS, instrumentBytes);
        String headline = headlineBytes < 0 ? null : text(message, at + TEXTS + instrumentBytes, headlineBytes);
        return new FeedEvent(message.getInt(at), message.getLong(at + MILLIS), instrument,
                message.getDouble(at + BID), message.getDouble(at + ASK), headline);
    }

    private static String text(DirectBuffer message, int at, int length) {
        byte[] utf8 = new byte[length];
        message.getBytes(at, utf8);
        return new String(utf8, StandardCharsets.UTF_8);
    }

    @Override
    public void close() {
        running = false;
        subscriber.interrupt();
        try {
            subscriber.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        CloseHelper.closeAll(publication, subscription, aeron, driver);
    }
}

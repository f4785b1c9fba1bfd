package dev.nightjar.examples;

import java.io.Console;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.Locale;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/**
 * Shows how far a long piece of work is: a bar that redraws itself on a terminal, a line now and then in a log. Not thread-safe.
 */
final class Progress implements AutoCloseable {
    private static final String ERASE_TO_END_OF_LINE = "\u001B[K";
    private static final Duration LINE_INTERVAL = Duration.ofSeconds(10);

    private final String task;
    private final long total;
    private final PrintWriter log;
    private final ProgressBar bar;
    private final long start = System.nanoTime();
    private long lastLine = start;

    /**
     * @param task what is being done, in a word
     * @param total number of steps
     * @param log where lines go when there is no terminal to draw on
     */
    Progress(String task, long total, PrintWriter log) {
        this.task = task;
        this.total = total;
        this.log = log;
        this.bar = onTerminal() ? bar(task, total) : null;
    }

    /** Since JDK 25 there is again no console where input or output is redirected. */
    @SuppressWarnings("SystemConsoleNull")
    private static boolean onTerminal() {
        Console console = System.console();
        return console != null && console.isTerminal();
    }

    private static ProgressBar bar(String task, long total) {
        return new ProgressBarBuilder().setTaskName(task).setInitialMax(total).setStyle(ProgressBarStyle.ASCII)
                .setUpdateIntervalMillis(200).build();
    }

    /** Reports that {@code done} of the steps are done. */
    void update(long done, String message) {
        if (bar != null) {
            bar.stepTo(done);
            bar.setExtraMessage(" " + message);
            return;
        }
        long now = System.nanoTime();
        if (done == total || now - lastLine >= LINE_INTERVAL.toNanos()) {
            lastLine = now;
            long left = done == 0 ? 0 : (now - start) / done * (total - done);
            log.println(task + " " + done + "/" + total + "  " + message + "  ETA " + clock(Duration.ofNanos(left)));
            log.flush();
        }
    }

    /** Prints a line that stays, above the bar. */
    void line(String text) {
        log.println(bar == null ? text : "\r" + text + ERASE_TO_END_OF_LINE);
        log.flush();
    }

    static String clock(Duration time) {
        return String.format(Locale.ROOT, "%d:%02d:%02d", time.toHours(), time.toMinutesPart(), time.toSecondsPart());
    }

    @Override
    public void close() {
        if (bar != null) {
            bar.close();
        }
    }
}

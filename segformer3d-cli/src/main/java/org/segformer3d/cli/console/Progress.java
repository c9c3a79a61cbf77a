package org.segformer3d.cli.console;

import java.io.PrintWriter;
import java.util.Objects;
import me.tongfei.progressbar.DelegatingProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/** How far something is: a bar that moves on a terminal, or a line every ten seconds where output is kept. */
public abstract class Progress implements AutoCloseable {
    /** System property that the launcher sets to {@code true} when standard error is a terminal. */
    public static final String TERMINAL = "segformer3d.terminal";

    private static final long LINE_NANOS = 10_000_000_000L;

    /** How progress is shown. */
    public enum Kind {
        /** A bar that moves. */
        BAR,
        /** A line now and then. */
        LINES,
        /** Not at all. */
        NONE;

        /** Returns a bar on a terminal and lines elsewhere. */
        public static Kind detect() {
            return Boolean.getBoolean(TERMINAL) ? BAR : LINES;
        }
    }

    private Progress() {}

    /**
     * Starts showing progress.
     *
     * @param what name of the task
     * @param total steps it takes
     */
    public static Progress start(Kind kind, PrintWriter err, String what, long total) {
        Objects.requireNonNull(what, "what");
        return switch (kind) {
            case BAR -> new Bar(err, what, total);
            case LINES -> new Lines(err, what, total);
            case NONE -> new Silent();
        };
    }

    /**
     * Says how far it is.
     *
     * @param done steps done
     * @param note what to show beside the number
     */
    public abstract void at(long done, String note);

    /** Ends it. */
    @Override
    public abstract void close();

    private static final class Bar extends Progress {
        private final ProgressBar bar;

        Bar(PrintWriter err, String what, long total) {
            bar = new ProgressBarBuilder()
                    .setTaskName(what)
                    .setInitialMax(total)
                    .setStyle(ProgressBarStyle.ASCII)
                    .setUpdateIntervalMillis(500)
                    .hideEta()
                    .clearDisplayOnFinish()
                    .setConsumer(new DelegatingProgressBarConsumer(
                            text -> {
                                err.print("\r" + text);
                                err.flush();
                            },
                            100))
                    .build();
        }

        @Override
        public void at(long done, String note) {
            bar.stepTo(done);
            bar.setExtraMessage(" " + note);
        }

        @Override
        public void close() {
            bar.close();
        }
    }

    private static final class Lines extends Progress {
        private final PrintWriter err;
        private final String what;
        private final long total;
        private long last = System.nanoTime();

        Lines(PrintWriter err, String what, long total) {
            this.err = err;
            this.what = what;
            this.total = total;
        }

        @Override
        public void at(long done, String note) {
            long now = System.nanoTime();
            if (now - last >= LINE_NANOS) {
                last = now;
                err.println(what + ": " + done + "/" + total + (note.isEmpty() ? "" : ", " + note));
                err.flush();
            }
        }

        @Override
        public void close() {
            // every line stands for itself
        }
    }

    private static final class Silent extends Progress {
        @Override
        public void at(long done, String note) {
            // asked not to say anything
        }

        @Override
        public void close() {
            // nothing was shown
        }
    }
}

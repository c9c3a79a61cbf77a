package org.segformer3d.train.parity;

import java.util.Locale;
import java.util.Objects;

/**
 * The outcome of one case on one backend.
 *
 * @param name what was compared, for example {@code models/tiny.eval logits}
 * @param backend backend, precision and form, or the module that computed
 * @param difference largest relative difference; NaN when nothing was computed
 * @param tolerance largest difference that is accepted
 * @param status outcome
 * @param reason why it was skipped or failed without a number, else empty
 */
public record ParityLine(
        String name, String backend, double difference, double tolerance, Status status, String reason) {
    /** Outcomes. */
    public enum Status {
        /** Within the tolerance. */
        OK,
        /** Beyond the tolerance, or not computable. */
        FAIL,
        /** Not computed, for the reason given. */
        SKIPPED
    }

    /** Checks for {@code null}. */
    public ParityLine {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(backend, "backend");
        Objects.requireNonNull(status, "status");
        Objects.requireNonNull(reason, "reason");
    }

    /** Returns a line that is OK exactly when the difference is within the tolerance; NaN never is. */
    public static ParityLine compared(String name, String backend, double difference, double tolerance) {
        return new ParityLine(
                name, backend, difference, tolerance, difference <= tolerance ? Status.OK : Status.FAIL, "");
    }

    /** Returns a line about a case that threw. */
    public static ParityLine failed(String name, String backend, String reason) {
        return new ParityLine(name, backend, Double.NaN, Double.NaN, Status.FAIL, reason);
    }

    /** Returns a line about a case that can't run here. */
    public static ParityLine skipped(String name, String backend, String reason) {
        return new ParityLine(name, backend, Double.NaN, Double.NaN, Status.SKIPPED, reason);
    }

    /** Returns name, backend, difference, tolerance and outcome separated by tabs; a reason follows the outcome. */
    public String text() {
        String outcome = switch (status) {
            case OK -> "ok";
            case FAIL -> "FAIL";
            case SKIPPED -> "skipped";
        };
        return String.join("\t", name, backend, number(difference), number(tolerance), outcome)
                + (reason.isEmpty() ? "" : " " + reason.replaceAll("\\s+", " "));
    }

    private static String number(double value) {
        return Double.isNaN(value) ? "-" : String.format(Locale.ROOT, "%.1e", value);
    }
}

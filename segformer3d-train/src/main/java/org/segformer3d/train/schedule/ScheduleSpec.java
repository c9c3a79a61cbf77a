package org.segformer3d.train.schedule;

import java.util.Objects;

/**
 * Which learning rates a run trains with.
 *
 * @param baseRate the optimizer's rate, &gt; 0
 * @param warmupEpochs epochs of rising rates, 0 for none
 * @param warmup how the warm-up and the main schedule are joined, never {@code null}
 * @param kind main schedule, never {@code null}
 * @param cycleEpochs epochs of the first cosine cycle, ≥ 1
 * @param cycleFactor by how much each further cosine cycle is longer, ≥ 1
 * @param minRate rate at the end of a cosine cycle and the lowest one on a plateau, ≥ 0; the polynomial ends at 0 whatever this is
 * @param power exponent of the polynomial, &gt; 0
 * @param totalEpochs epochs until the polynomial is 0, ≥ 1
 * @param watched what a plateau is judged by, never {@code null}
 * @param patience epochs without progress that a plateau is allowed, ≥ 0
 */
public record ScheduleSpec(
        double baseRate,
        int warmupEpochs,
        Warmup warmup,
        Kind kind,
        int cycleEpochs,
        int cycleFactor,
        double minRate,
        double power,
        int totalEpochs,
        Watched watched,
        int patience) {
    /** How the warm-up and the main schedule are joined. */
    public enum Warmup {
        /**
         * As the official run really does it: both schedulers are built on one optimizer. A cosine main schedule sets the first epoch
         * to the full rate, and the first epoch after the warm-up goes above it.
         */
        OFFICIAL,
        /** As it was meant: rates rise linearly to the base rate, and the main schedule starts from there. */
        LINEAR
    }

    /** Main schedules. */
    public enum Kind {
        /** Cosine annealing with warm restarts (arXiv 1608.03983). */
        COSINE,
        /** Polynomial decay to zero. */
        POLYNOMIAL,
        /** A tenth of the rate whenever progress stops. */
        PLATEAU,
        /** The same rate throughout. */
        CONSTANT
    }

    /** What a plateau is judged by. */
    public enum Watched {
        /** The mean training loss of an epoch, which should fall (official {@code mode: min}). */
        LOSS,
        /** The mean validation Dice, which should rise (official {@code mode: max}). */
        DICE
    }

    /** Validates. */
    public ScheduleSpec {
        Objects.requireNonNull(warmup, "warmup");
        Objects.requireNonNull(kind, "kind");
        Objects.requireNonNull(watched, "watched");
        if (!(baseRate > 0) || warmupEpochs < 0 || cycleEpochs < 1 || cycleFactor < 1) {
            throw new IllegalArgumentException("schedule: found base rate " + baseRate + ", " + warmupEpochs
                    + " warm-up epochs, cycles of " + cycleEpochs + " epochs times " + cycleFactor
                    + ", expected a rate above 0, no negative warm-up, and cycles of at least 1 epoch times 1");
        }
        if (!(minRate >= 0) || !(power > 0) || totalEpochs < 1 || patience < 0) {
            throw new IllegalArgumentException("schedule: found lowest rate " + minRate + ", power " + power + ", "
                    + totalEpochs + " epochs, patience " + patience
                    + ", expected at least 0, above 0, at least 1, at least 0");
        }
    }

    /** Returns a cosine from a base rate over some epochs, after a linear warm-up. */
    public static ScheduleSpec cosine(double baseRate, int warmupEpochs, int cycleEpochs, double minRate) {
        return new ScheduleSpec(
                baseRate, warmupEpochs, Warmup.LINEAR, Kind.COSINE, cycleEpochs, 1, minRate, 0.9, 5, Watched.LOSS, 3);
    }
}

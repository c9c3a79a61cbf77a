package org.segformer3d.train.schedule;

import java.util.List;
import java.util.Objects;
import org.segformer3d.train.schedule.ScheduleSpec.Kind;
import org.segformer3d.train.schedule.ScheduleSpec.Warmup;
import org.segformer3d.train.schedule.ScheduleSpec.Watched;

/**
 * The learning rate of every epoch: a function of the epoch and of what was measured before it, so that a resumed run needs no state.
 *
 * <p>With base rate b, w warm-up epochs and k = e − w, the official rates are
 * <ul>
 *   <li>b·(e+1)/w for e &lt; w and, because the warm-up is stepped once more, b·(w+1)/w for e = w; but with a cosine main schedule, whose
 *       construction resets the rate, epoch 0 trains at b;
 *   <li>cosine, k ≥ 1: m + (b − m)·(1 + cos(π t/T))/2, t epochs into a cycle of T;
 *   <li>polynomial, k ≥ 1: b·(w+1)/w·(1 − min(k, n)/n)ᵖ;
 *   <li>plateau, k ≥ 1: the rate of epoch w, a tenth of it whenever the watched value hasn't improved by one part in 10⁴ for more than
 *       {@code patience} epochs, never below m.
 * </ul>
 * The linear warm-up has b·(e+1)/w for e &lt; w, and the main schedule starts with b at k = 0. Without a warm-up both are the same.
 */
public final class LearningRateSchedule {
    private static final double PLATEAU_FACTOR = 0.1;
    private static final double PLATEAU_THRESHOLD = 1e-4;
    /** Smaller reductions aren't made. */
    private static final double PLATEAU_LEAST_STEP = 1e-8;

    private final ScheduleSpec spec;

    /** Creates the schedule of a specification. */
    public LearningRateSchedule(ScheduleSpec spec) {
        this.spec = Objects.requireNonNull(spec, "spec");
    }

    /** Returns the specification. */
    public ScheduleSpec spec() {
        return spec;
    }

    /**
     * Returns the rate of an epoch.
     *
     * @param epoch counted from 0
     * @param watched the watched value of every earlier epoch, {@code NaN} where it wasn't measured; only a plateau looks at it
     * @throws IllegalArgumentException when a plateau needs more values than there are
     */
    public double rate(int epoch, List<Double> watched) {
        if (epoch < 0) {
            throw new IllegalArgumentException("epoch: found " + epoch + ", expected 0 or more");
        }
        int w = spec.warmupEpochs();
        boolean official = spec.warmup() == Warmup.OFFICIAL && w > 0;
        if (official && epoch == 0 && spec.kind() == Kind.COSINE) {
            return spec.baseRate();
        }
        if (epoch < w || official && epoch == w) {
            return spec.baseRate() * (epoch + 1) / w;
        }
        double start = official ? spec.baseRate() * (w + 1) / w : spec.baseRate();
        return switch (spec.kind()) {
            case COSINE -> cosine(epoch - w);
            case POLYNOMIAL -> {
                double done = (double) Math.min(epoch - w, spec.totalEpochs()) / spec.totalEpochs();
                yield start * Math.pow(1 - done, spec.power());
            }
            case PLATEAU -> plateau(start, w, epoch, watched);
            case CONSTANT -> spec.baseRate();
        };
    }

    private double cosine(int epochs) {
        long cycle = spec.cycleEpochs();
        long into = epochs;
        if (spec.cycleFactor() == 1) {
            into %= cycle;
        } else {
            while (into >= cycle) {
                into -= cycle;
                cycle *= spec.cycleFactor();
            }
        }
        return spec.minRate() + (spec.baseRate() - spec.minRate()) * (1 + Math.cos(Math.PI * into / cycle)) / 2;
    }

    private double plateau(double start, int from, int epoch, List<Double> watched) {
        if (watched.size() < epoch) {
            throw new IllegalArgumentException(
                    "epoch " + epoch + ": found " + watched.size() + " watched values, expected one per earlier epoch");
        }
        boolean falling = spec.watched() == Watched.LOSS;
        double rate = start;
        double best = falling ? Double.POSITIVE_INFINITY : Double.NEGATIVE_INFINITY;
        int without = 0;
        for (int e = from; e < epoch; e++) {
            double value = watched.get(e);
            if (Double.isNaN(value)) {
                continue;
            }
            boolean better = falling ? value < best * (1 - PLATEAU_THRESHOLD) : value > best * (1 + PLATEAU_THRESHOLD);
            if (better || Double.isInfinite(best)) {
                best = value;
                without = 0;
            } else if (++without > spec.patience()) {
                double lower = Math.max(rate * PLATEAU_FACTOR, spec.minRate());
                rate = rate - lower > PLATEAU_LEAST_STEP ? lower : rate;
                without = 0;
            }
        }
        return rate;
    }
}

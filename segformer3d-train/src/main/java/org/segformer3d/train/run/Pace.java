package org.segformer3d.train.run;

import java.time.Duration;

/** How fast a run goes, for the remaining time. */
final class Pace {
    private long trainingNanos;
    private long steps;
    private long validationNanos;
    private int validations;
    private long epochStart;
    private long epochWait;
    private long lastStep;
    private long epochPatches;

    void beginEpoch(long waitNanos) {
        epochStart = System.nanoTime();
        epochWait = waitNanos;
        lastStep = epochStart;
        epochPatches = 0;
    }

    void step(int patches) {
        long now = System.nanoTime();
        trainingNanos += now - lastStep;
        lastStep = now;
        steps++;
        epochPatches += patches;
    }

    void validated(long nanos) {
        validationNanos += nanos;
        validations++;
    }

    double patchesPerSecond() {
        return epochPatches / Math.max(1e-9, (lastStep - epochStart) * 1e-9);
    }

    double waitShare(long waitNanos) {
        return Math.min(1, (waitNanos - epochWait) / (double) Math.max(1, lastStep - epochStart));
    }

    Duration remaining(int stepsLeft, int validationsLeft) {
        double perStep = trainingNanos / (double) Math.max(1, steps);
        double perValidation = validations == 0 ? 0 : validationNanos / (double) validations;
        return Duration.ofNanos((long) (perStep * stepsLeft + perValidation * validationsLeft));
    }
}

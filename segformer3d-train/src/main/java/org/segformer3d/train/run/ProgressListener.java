package org.segformer3d.train.run;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.OptionalDouble;

/** Hears how a training run goes; every method is called on the training thread and should return quickly. */
public interface ProgressListener {
    /** A listener that does nothing. */
    ProgressListener NONE = new ProgressListener() {};

    /** Called when a case was looked at for a plan, before the run begins. */
    default void planning(int done, int cases) {}

    /** Called once, before the first step. */
    default void started(Start start) {}

    /** Called after every step. */
    default void step(Step step) {}

    /** Called when a validation (or the test at the end) has finished a case. */
    default void validating(Validating validating) {}

    /** Called after every epoch, its validation included. */
    default void epoch(EpochSummary epoch) {}

    /** Called with one line that a person should see, such as a resumption or an early end. */
    default void message(String line) {}

    /** Called once, after everything has been written. */
    default void finished(TrainingOutcome outcome) {}

    /**
     * What is about to happen.
     *
     * @param runFolder where the run writes
     * @param backend the backend's name and device, for example {@code libtorch on cpu}
     * @param trainingCases cases trained on
     * @param validationCases cases validated on
     * @param testCases cases kept for the end
     * @param firstEpoch the first epoch that will run, from 0; larger when resumed
     * @param epochs epochs in all
     * @param stepsPerEpoch steps in an epoch
     * @param parameters trained parameters
     */
    record Start(
            Path runFolder,
            String backend,
            int trainingCases,
            int validationCases,
            int testCases,
            int firstEpoch,
            int epochs,
            int stepsPerEpoch,
            long parameters) {}

    /**
     * A finished step.
     *
     * @param epoch from 0
     * @param epochs epochs in all
     * @param step steps of this epoch that are done, from 1
     * @param steps steps in an epoch
     * @param loss mean loss of the step's batches
     * @param learningRate rate of this epoch
     * @param gradientNorm norm over all gradients before clipping
     * @param patchesPerSecond training patches per second, over this epoch
     * @param remaining estimated time until the last epoch is over, validations included
     * @param waitShare share of this epoch's time spent waiting for data, 0 to 1
     */
    record Step(
            int epoch,
            int epochs,
            int step,
            int steps,
            double loss,
            double learningRate,
            double gradientNorm,
            double patchesPerSecond,
            Duration remaining,
            double waitShare) {}

    /**
     * A case that was validated or tested.
     *
     * @param caseId the case
     * @param done cases done, from 1
     * @param cases cases in all
     * @param test whether this is the test at the end
     */
    record Validating(String caseId, int done, int cases, boolean test) {}

    /**
     * A finished epoch.
     *
     * @param epoch from 0
     * @param epochs epochs in all
     * @param steps steps since the beginning of the run
     * @param learningRate rate of the epoch
     * @param loss mean loss over its batches
     * @param dice mean validation Dice over the channels, empty when there was no validation
     * @param dicePerClass validation Dice by name, empty when there was no validation; NaN where no case has the class
     * @param best whether this is the best so far
     * @param seconds time of its training steps
     * @param waitShare share of those spent waiting for data, 0 to 1
     */
    record EpochSummary(
            int epoch,
            int epochs,
            long steps,
            double learningRate,
            double loss,
            OptionalDouble dice,
            Map<String, Double> dicePerClass,
            boolean best,
            double seconds,
            double waitShare) {}

    /** Returns a listener that passes everything on to two others. */
    static ProgressListener both(ProgressListener first, ProgressListener second) {
        return new ProgressListener() {
            @Override
            public void planning(int done, int cases) {
                first.planning(done, cases);
                second.planning(done, cases);
            }

            @Override
            public void started(Start start) {
                first.started(start);
                second.started(start);
            }

            @Override
            public void step(Step step) {
                first.step(step);
                second.step(step);
            }

            @Override
            public void validating(Validating validating) {
                first.validating(validating);
                second.validating(validating);
            }

            @Override
            public void epoch(EpochSummary epoch) {
                first.epoch(epoch);
                second.epoch(epoch);
            }

            @Override
            public void message(String line) {
                first.message(line);
                second.message(line);
            }

            @Override
            public void finished(TrainingOutcome outcome) {
                first.finished(outcome);
                second.finished(outcome);
            }
        };
    }
}

package org.segformer3d.cli.console;

import java.io.PrintWriter;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.StringJoiner;
import org.segformer3d.train.run.ProgressListener;
import org.segformer3d.train.run.TrainingOutcome;

/** Shows how training goes: a bar per epoch on a terminal, a line every ten seconds elsewhere, and a line after every epoch. */
public final class TrainingProgress implements ProgressListener {
    private final PrintWriter err;
    private final Progress.Kind kind;
    private Progress progress;

    /** Creates a listener that writes to a console. */
    public TrainingProgress(PrintWriter err, Progress.Kind kind) {
        this.err = err;
        this.kind = kind;
    }

    @Override
    public void planning(int done, int cases) {
        if (progress == null) {
            progress = Progress.start(kind, err, "looking at cases for the plan", cases);
        }
        progress.at(done, "");
    }

    @Override
    public void started(Start start) {
        end();
        line(String.format(
                Locale.ROOT,
                "%s parameters on %s; %d cases to train on, %d to validate on, %d to test on; %d epochs of %d steps; run folder %s",
                Quantity.count(start.parameters()),
                start.backend(),
                start.trainingCases(),
                start.validationCases(),
                start.testCases(),
                start.epochs(),
                start.stepsPerEpoch(),
                start.runFolder()));
    }

    @Override
    public void step(Step step) {
        if (progress == null) {
            progress = Progress.start(kind, err, "epoch " + (step.epoch() + 1) + "/" + step.epochs(), step.steps());
        }
        progress.at(
                step.step(),
                String.format(
                        Locale.ROOT,
                        "loss %.4f, rate %.2e, %.1f patches/s, %s left",
                        step.loss(),
                        step.learningRate(),
                        step.patchesPerSecond(),
                        Quantity.duration(step.remaining())));
    }

    @Override
    public void validating(Validating validating) {
        String what = validating.test() ? "testing" : "validating";
        if (validating.done() == 1) {
            end();
            progress = Progress.start(kind, err, what, validating.cases());
        }
        if (progress != null) {
            progress.at(validating.done(), validating.caseId());
        }
        if (validating.done() == validating.cases()) {
            end();
        }
    }

    @Override
    public void epoch(EpochSummary epoch) {
        end();
        StringBuilder text = new StringBuilder(String.format(
                Locale.ROOT,
                "epoch %d/%d: loss %.4f, rate %.2e",
                epoch.epoch() + 1,
                epoch.epochs(),
                epoch.loss(),
                epoch.learningRate()));
        if (epoch.dice().isPresent()) {
            text.append(String.format(Locale.ROOT, ", Dice %.4f", epoch.dice().getAsDouble()));
            StringJoiner classes = new StringJoiner(", ", " (", ")");
            for (Map.Entry<String, Double> dice : epoch.dicePerClass().entrySet()) {
                classes.add(dice.getKey() + " " + String.format(Locale.ROOT, "%.4f", dice.getValue()));
            }
            text.append(classes).append(epoch.best() ? ", best so far" : "");
        }
        text.append(", ").append(Quantity.duration(Duration.ofMillis(Math.round(epoch.seconds() * 1000))));
        if (epoch.waitShare() > 0.1) {
            text.append(String.format(Locale.ROOT, ", %.0f %% of it waiting for data", 100 * epoch.waitShare()));
        }
        line(text.toString());
    }

    @Override
    public void message(String line) {
        end();
        line(line);
    }

    @Override
    public void finished(TrainingOutcome outcome) {
        end();
    }

    private void line(String text) {
        err.println(text);
        err.flush();
    }

    private void end() {
        if (progress != null) {
            progress.close();
            progress = null;
        }
    }
}

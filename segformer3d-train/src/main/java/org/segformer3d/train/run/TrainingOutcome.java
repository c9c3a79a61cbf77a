package org.segformer3d.train.run;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * What a training run came to.
 *
 * @param end why it ended
 * @param runFolder where everything was written
 * @param epochs epochs that are done, those before a resumption included
 * @param steps steps that are done
 * @param lastLoss mean loss of the last epoch; NaN when none was finished
 * @param bestDice best mean validation Dice, empty when nothing was validated
 * @param bestEpoch the epoch it belongs to, from 0; the last one when nothing was validated
 * @param bundle the model bundle of the best weights, empty when the run was stopped before there was one
 * @param test how the bundle did on the test cases, empty when there are none or the run was stopped
 * @param weightsHash hash of the last weights ({@link org.segformer3d.api.weights.StateDict#hash()})
 * @param seconds wall-clock time of this call
 */
public record TrainingOutcome(
        End end,
        Path runFolder,
        int epochs,
        long steps,
        double lastLoss,
        OptionalDouble bestDice,
        int bestEpoch,
        Optional<Path> bundle,
        Optional<TestScores> test,
        String weightsHash,
        double seconds) {
    /** Returns the page that shows the run, empty when there is none. */
    public Optional<Path> report() {
        return Optional.of(runFolder.resolve("report.html")).filter(Files::exists);
    }

    /** Why a run ended. */
    public enum End {
        /** All epochs are done. */
        FINISHED,
        /** Validation Dice had stopped rising. */
        EARLY,
        /** It was asked to stop; it can be resumed. */
        STOPPED
    }

    /**
     * Scores of the test cases, in their own geometry.
     *
     * @param meanDice mean over classes of the mean over cases
     * @param dicePerClass mean over cases by class; cases without the class in truth don't count
     * @param spreadPerClass standard deviation over cases by class
     * @param cases Dice by class of each case, NaN where the truth lacks the class
     */
    public record TestScores(
            double meanDice,
            Map<String, Double> dicePerClass,
            Map<String, Double> spreadPerClass,
            List<CaseScore> cases) {}

    /**
     * Scores of one case.
     *
     * @param caseId the case
     * @param dice Dice by class
     */
    public record CaseScore(String caseId, Map<String, Double> dice) {}
}

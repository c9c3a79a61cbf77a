package org.segformer3d.eval.report;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;

/**
 * How a training went, epoch by epoch.
 *
 * @param points one an epoch, in order
 */
public record LearningCurve(List<Point> points) {
    /** Copies the list. */
    public LearningCurve {
        points = List.copyOf(points);
    }

    /**
     * One epoch.
     *
     * @param epoch from 1
     * @param loss mean training loss
     * @param learningRate rate of the epoch
     * @param dice mean validation Dice, empty when there was no validation
     * @param dicePerClass validation Dice by class, NaN where no case has it
     * @param best whether the Dice is the best so far
     */
    public record Point(
            int epoch,
            double loss,
            double learningRate,
            OptionalDouble dice,
            Map<String, Double> dicePerClass,
            boolean best) {
        /** Copies the map. */
        public Point {
            dicePerClass = Collections.unmodifiableMap(new LinkedHashMap<>(dicePerClass));
        }
    }

    /** Returns the epoch whose weights were kept: the last of the best. */
    OptionalDouble bestDice() {
        return points.stream()
                .filter(Point::best)
                .map(Point::dice)
                .filter(OptionalDouble::isPresent)
                .reduce((a, b) -> b)
                .orElse(OptionalDouble.empty());
    }
}

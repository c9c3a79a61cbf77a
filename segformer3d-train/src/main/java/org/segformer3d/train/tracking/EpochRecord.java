package org.segformer3d.train.tracking;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;

/**
 * What one epoch came to.
 *
 * @param epoch from 0
 * @param steps steps since the beginning of the run
 * @param learningRate rate of the epoch
 * @param loss mean loss over its batches
 * @param validationLoss mean loss over the validation patches, empty when they weren't looked at
 * @param dice mean validation Dice over the channels, empty when there was no validation
 * @param dicePerClass validation Dice by name, empty when there was no validation
 * @param averaged whether the averaged weights were validated
 * @param best whether this is the best Dice so far
 * @param seconds time of its training steps
 * @param waitSeconds time of those spent waiting for data
 */
public record EpochRecord(
        int epoch,
        long steps,
        double learningRate,
        double loss,
        OptionalDouble validationLoss,
        OptionalDouble dice,
        Map<String, Double> dicePerClass,
        boolean averaged,
        boolean best,
        double seconds,
        double waitSeconds) {
    /** Copies the map. */
    public EpochRecord {
        dicePerClass = Collections.unmodifiableMap(new LinkedHashMap<>(dicePerClass));
    }

    /** Returns the share of the time spent waiting for data, 0 to 1. */
    public double waitShare() {
        return seconds > 0 ? Math.min(1, waitSeconds / seconds) : 0;
    }

    /** Returns the record as a map of plain values, in the order of the columns; absent values are left out. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("epoch", epoch);
        map.put("steps", steps);
        map.put("learning_rate", learningRate);
        map.put("loss", json(loss));
        validationLoss.ifPresent(value -> map.put("validation_loss", json(value)));
        dice.ifPresent(value -> map.put("dice", json(value)));
        if (!dicePerClass.isEmpty()) {
            Map<String, Object> classes = new LinkedHashMap<>();
            dicePerClass.forEach((name, value) -> classes.put(name, json(value)));
            map.put("dice_per_class", classes);
            map.put("averaged", averaged);
        }
        map.put("best", best);
        map.put("seconds", seconds);
        map.put("wait_seconds", waitSeconds);
        return map;
    }

    /**
     * Reads what {@link #toMap()} gives, also after it went through JSON.
     *
     * @throws IllegalArgumentException when something is missing or of another kind
     */
    public static EpochRecord fromMap(Map<?, ?> map) {
        Map<String, Double> classes = new LinkedHashMap<>();
        if (map.get("dice_per_class") instanceof Map<?, ?> found) {
            found.forEach((name, value) -> classes.put(String.valueOf(name), number(value)));
        }
        return new EpochRecord(
                (int) number(map.get("epoch")),
                (long) number(map.get("steps")),
                number(map.get("learning_rate")),
                number(map.get("loss")),
                optional(map.get("validation_loss")),
                optional(map.get("dice")),
                classes,
                Boolean.TRUE.equals(map.get("averaged")),
                Boolean.TRUE.equals(map.get("best")),
                number(map.get("seconds")),
                number(map.get("wait_seconds")));
    }

    /** Returns what a tracker of scalars is told, by name. */
    Map<String, Double> scalars() {
        Map<String, Double> scalars = new LinkedHashMap<>();
        scalars.put("epoch/loss", loss);
        scalars.put("epoch/learning_rate", learningRate);
        scalars.put("epoch/wait_share", waitShare());
        validationLoss.ifPresent(value -> scalars.put("validation/loss", value));
        dice.ifPresent(value -> scalars.put("validation/dice", value));
        dicePerClass.forEach((name, value) -> scalars.put("validation/dice_" + name, value));
        return scalars;
    }

    private static OptionalDouble optional(Object value) {
        return value == null ? OptionalDouble.empty() : OptionalDouble.of(number(value));
    }

    /** JSON has no NaN and no infinities, so they become text. */
    private static Object json(double value) {
        return Double.isFinite(value) ? value : String.valueOf(value);
    }

    private static double number(Object value) {
        if (value instanceof Number number) {
            return number.doubleValue();
        }
        if (value instanceof String text
                && List.of("NaN", "Infinity", "-Infinity").contains(text)) {
            return Double.parseDouble(text);
        }
        throw new IllegalArgumentException("history: found " + value + ", expected a number");
    }
}

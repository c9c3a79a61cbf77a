package org.segformer3d.data.transform;

import java.util.SplittableRandom;
import org.segformer3d.api.config.ConfigException;

/** The random decisions that all random transforms make, and the checks of their arguments. */
final class Draw {
    private Draw() {}

    static boolean happens(SplittableRandom random, double probability) {
        return random.nextDouble() < probability;
    }

    static double between(SplittableRandom random, double low, double high) {
        return low + (high - low) * random.nextDouble();
    }

    static void requireProbability(String what, double probability) {
        if (!(probability >= 0 && probability <= 1)) {
            throw ConfigException.of(what + ".probability", probability, "a number from 0 to 1");
        }
    }

    /** Requires least ≤ low ≤ high < ∞. */
    static void requireRange(String what, double low, double high, double least) {
        if (!(least <= low && low <= high) || Double.isInfinite(high)) {
            throw ConfigException.of(what, low + " to " + high, "a range of numbers from " + least + " on");
        }
    }
}

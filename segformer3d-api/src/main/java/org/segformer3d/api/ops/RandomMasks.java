package org.segformer3d.api.ops;

/**
 * The random numbers of dropout: a hash of seed, call, sample and element, so that every backend draws the same ones in any order and on
 * any number of threads.
 *
 * <p>Element i of sample s in call c of a pass with seed z is kept when the upper 24 bits of mix(key + (i + 1)·γ), as a fraction of 2²⁴, are
 * at least the probability of dropping; key = mix(mix(z + (s + 1)·γ) + (c + 1)·γ), γ = 0x9e3779b97f4a7c15, mix the finaliser of SplitMix64.
 */
public final class RandomMasks {
    private static final long GAMMA = 0x9e3779b97f4a7c15L;

    private RandomMasks() {}

    /**
     * Returns the key of a sample's mask.
     *
     * @param pass whose seed and first sample count
     * @param call how many masks were drawn before in the pass
     * @param sample number of the sample in this process's batch
     */
    public static long key(Pass pass, long call, long sample) {
        return mix(mix(pass.seed() + (pass.first() + sample + 1) * GAMMA) + (call + 1) * GAMMA);
    }

    /** Returns whether an element is kept. */
    public static boolean keeps(long key, long element, double probability) {
        return (mix(key + (element + 1) * GAMMA) >>> 40) >= probability * 0x1p24;
    }

    /** Writes 0 or 1/(1 − probability) for elements 0, 1, …. */
    public static void fill(long key, double probability, float[] mask, int from, int to) {
        float kept = (float) (1 / (1 - probability));
        for (int i = from; i < to; i++) {
            mask[i] = keeps(key, i - from, probability) ? kept : 0;
        }
    }

    private static long mix(long z) {
        long x = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
        x = (x ^ (x >>> 27)) * 0x94d049bb133111ebL;
        return x ^ (x >>> 31);
    }
}

package org.segformer3d.data.loading;

import java.util.SplittableRandom;

/** Derives the randomness of one sample from what it is, so that neither the order nor the thread of its making matters. */
final class SampleSeed {
    private SampleSeed() {}

    /** Returns the generator for the order of an epoch. */
    static SplittableRandom order(long seed, int epoch) {
        return new SplittableRandom(mix(mix(seed) + epoch));
    }

    /** Returns the generator for one sample of a case. */
    static SplittableRandom sample(long seed, int epoch, String caseId, int sample) {
        long state = mix(mix(seed) + epoch);
        for (int n = 0; n < caseId.length(); n++) {
            state = mix(state + caseId.charAt(n));
        }
        return new SplittableRandom(mix(state + sample));
    }

    /** The finaliser of SplitMix64 (Steele, Lea, Flood 2014) after one step of its golden-ratio sequence. */
    private static long mix(long z) {
        z += 0x9e3779b97f4a7c15L;
        z = (z ^ z >>> 30) * 0xbf58476d1ce4e5b9L;
        z = (z ^ z >>> 27) * 0x94d049bb133111ebL;
        return z ^ z >>> 31;
    }
}

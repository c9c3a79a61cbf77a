package org.segformer3d.eval.inference;

/**
 * Values as IEEE 754 half precision has them, kept as float32: NIfTI has no type of 16 bits for them, but what is rounded compresses
 * far better.
 */
final class HalfPrecision {
    /** Bits of a float32's mantissa that a half hasn't. */
    private static final int LOST = 13;

    private static final float LARGEST = 65504;
    private static final float SMALLEST_NORMAL = 0x1p-14f;
    private static final float SMALLEST = 0x1p-24f;

    private HalfPrecision() {}

    /** Rounds each value to the nearest half, in place, and returns them; what is too large becomes the largest one. */
    static float[] round(float[] values) {
        for (int n = 0; n < values.length; n++) {
            values[n] = round(values[n]);
        }
        return values;
    }

    /** Rounds to nearest, ties to even. */
    static float round(float value) {
        if (Math.abs(value) < SMALLEST_NORMAL) {
            return (float) Math.rint(value / SMALLEST) * SMALLEST;
        }
        if (!(Math.abs(value) < LARGEST)) {
            return Float.isNaN(value) ? value : Math.copySign(LARGEST, value);
        }
        int bits = Float.floatToRawIntBits(value);
        int tie = (1 << LOST - 1) - 1 + (bits >>> LOST & 1);
        return Float.intBitsToFloat(bits + tie >> LOST << LOST);
    }
}

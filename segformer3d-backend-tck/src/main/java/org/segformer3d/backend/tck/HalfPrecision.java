package org.segformer3d.backend.tck;

import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;

/** Rounds float32 to the two 16-bit types. */
final class HalfPrecision {
    private HalfPrecision() {}

    /** Returns the bits of the nearest float16 for magnitudes between 2⁻¹⁴ and 65504 and 0; smaller ones become 0. */
    static short float16(float value) {
        float magnitude = Math.abs(value);
        if (magnitude < 0x1p-14f) {
            return 0;
        }
        int exponent = Math.getExponent(magnitude);
        int mantissa = Math.round((Math.scalb(magnitude, -exponent) - 1) * 1024); // 1024 carries into the exponent
        return (short) ((value < 0 ? 0x8000 : 0) + ((exponent + 15) << 10) + mantissa);
    }

    /** Returns the bits of a bfloat16 near the value: its upper half. */
    static short bfloat16(float value) {
        return (short) (Float.floatToRawIntBits(value) >> 16);
    }

    /** Returns a float32 tensor in another floating type. */
    static HostTensor convert(HostTensor host, DType type) {
        HostTensor converted = HostTensor.zeros(type, host.shape());
        var bytes = converted.bytes();
        for (float value : host.toFloats()) {
            switch (type) {
                case FLOAT64 -> bytes.putDouble(value);
                case FLOAT32 -> bytes.putFloat(value);
                case FLOAT16 -> bytes.putShort(float16(value));
                case BFLOAT16 -> bytes.putShort(bfloat16(value));
                default -> throw new IllegalArgumentException("not a floating type: " + type);
            }
        }
        return converted;
    }
}

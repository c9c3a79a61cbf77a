package org.segformer3d.eval.inference;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.jupiter.api.Test;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;

class HalfPrecisionTests {
    /** The finite halves of one sign, in order, as the tensors of half precision read them. */
    private static float[] halves() {
        ByteBuffer bytes = ByteBuffer.allocateDirect(2 * 0x7c00).order(ByteOrder.nativeOrder());
        for (int bits = 0; bits < 0x7c00; bits++) {
            bytes.putShort(2 * bits, (short) bits);
        }
        return HostTensor.wrap(DType.FLOAT16, bytes, 0x7c00).toFloats();
    }

    @Test
    void every_half_stays_as_it_is() {
        for (float half : halves()) {
            assertThat(HalfPrecision.round(half)).isEqualTo(half);
            assertThat(HalfPrecision.round(-half)).isEqualTo(-half);
        }
    }

    @Test
    void what_lies_between_two_halves_goes_to_the_nearer_one_and_from_the_middle_to_the_even_one() {
        float[] halves = halves();
        for (int n = 1; n < halves.length; n++) {
            float low = halves[n - 1];
            float high = halves[n];
            float middle = (low + high) / 2;
            assertThat(HalfPrecision.round(Math.nextDown(middle))).isEqualTo(low);
            assertThat(HalfPrecision.round(Math.nextUp(middle))).isEqualTo(high);
            assertThat(HalfPrecision.round(middle)).isEqualTo(n % 2 == 0 ? high : low);
            assertThat(HalfPrecision.round(-Math.nextUp(middle))).isEqualTo(-high);
        }
    }

    @Test
    void what_is_too_large_becomes_the_largest_half() {
        assertThat(HalfPrecision.round(1e9f)).isEqualTo(65504);
        assertThat(HalfPrecision.round(Float.NEGATIVE_INFINITY)).isEqualTo(-65504);
        assertThat(HalfPrecision.round(Float.NaN)).isNaN();
    }
}

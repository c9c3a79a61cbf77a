package org.segformer3d.api.ops;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

class ShapeRulesTests {
    private static long[] shape(long... sizes) {
        return sizes;
    }

    private static int[] three(int each) {
        return new int[] {each, each, each};
    }

    private static void assertRefused(ThrowingCallable call, String... parts) {
        assertThatThrownBy(call).isInstanceOf(IllegalArgumentException.class).hasMessageContainingAll(parts);
    }

    @Nested
    class Moving {
        @Test
        void keepsTheNumberOfElements() {
            assertThat(ShapeRules.reshape(shape(2, 3, 4), 6, 4)).containsExactly(6, 4);
            assertThat(ShapeRules.reshape(shape(1, 1))).isEmpty();
            assertRefused(() -> ShapeRules.reshape(shape(2, 3), 7), "reshape: found 2×3 to 7", "as many elements");
        }

        @Test
        void permutesEachAxisOnce() {
            assertThat(ShapeRules.permute(shape(2, 3, 4), 2, 0, 1)).containsExactly(4, 2, 3);
            assertRefused(() -> ShapeRules.permute(shape(2, 3), 0, 0), "permute", "each axis once");
            assertRefused(() -> ShapeRules.permute(shape(2, 3), 0), "permute");
        }

        @Test
        void slicesPadsAndJoinsAlongAnAxis() {
            assertThat(ShapeRules.slice(shape(2, 5), 1, 1, 4)).containsExactly(2, 3);
            assertThat(ShapeRules.pad(shape(2, 5), 0, 1, 2)).containsExactly(5, 5);
            assertThat(ShapeRules.concat(1, shape(2, 5), shape(2, 1))).containsExactly(2, 6);
            assertRefused(
                    () -> ShapeRules.slice(shape(2, 5), 1, 3, 3), "elements 3 to 3", "expected 0 ≤ from < to ≤ 5");
            assertRefused(() -> ShapeRules.slice(shape(2, 5), 2, 0, 1), "axis 2 of 2×5", "0 to 1");
            assertRefused(() -> ShapeRules.concat(1, shape(2, 5), shape(3, 1)), "3×1 after 2×5");
        }

        @Test
        void gathersByIndicesThatAreThere() {
            assertThat(ShapeRules.gather(shape(2, 5), 1, new int[] {4, 4, 0})).containsExactly(2, 3);
            assertThat(ShapeRules.scatterAdd(shape(2, 3), 1, new int[] {4, 4, 0}, 5))
                    .containsExactly(2, 5);
            assertRefused(() -> ShapeRules.gather(shape(2, 5), 1, new int[] {5}), "index 5", "0 to 4");
            assertRefused(() -> ShapeRules.scatterAdd(shape(2, 3), 1, new int[] {0}, 5), "1 indices");
        }

        @Test
        void broadcastsFromTheLastAxis() {
            assertThat(ShapeRules.broadcast(shape(3, 1), 2, 3, 4)).containsExactly(2, 3, 4);
            assertThat(ShapeRules.elementwise("add", shape(4, 1, 3), shape(2, 1)))
                    .containsExactly(4, 2, 3);
            assertRefused(() -> ShapeRules.broadcast(shape(3, 2), 3, 3), "3×2 to 3×3");
            assertRefused(() -> ShapeRules.elementwise("divide", shape(2), shape(3)), "divide: found 2 and 3");
        }
    }

    @Nested
    class Products {
        @Test
        void multiplyMatrices() {
            assertThat(ShapeRules.matmul(shape(7, 1, 2, 3), shape(5, 4, 3), false, true))
                    .containsExactly(7, 5, 2, 4);
            assertThat(ShapeRules.matmul(shape(3, 2), shape(3, 4), true, false)).containsExactly(2, 4);
            assertRefused(() -> ShapeRules.matmul(shape(2, 3), shape(4, 3), false, false), "2×3 · 4×3");
            assertRefused(() -> ShapeRules.matmul(shape(3), shape(3, 1), false, false), "at least two axes");
            assertThat(ShapeRules.linear(shape(2, 9, 3), shape(5, 3), shape(5))).containsExactly(2, 9, 5);
            assertRefused(() -> ShapeRules.linear(shape(2, 3), shape(5, 3), shape(4)), "a bias 4", "(5)");
        }

        @Test
        void attend() {
            assertThat(ShapeRules.attention(shape(2, 7, 3), shape(2, 4, 3), shape(2, 4, 6), shape(7, 4)))
                    .containsExactly(2, 7, 6);
            assertRefused(
                    () -> ShapeRules.attention(shape(2, 7, 3), shape(2, 4, 3), shape(2, 4, 6), shape(4, 7)),
                    "a bias 4×7",
                    "2×7×4");
            assertRefused(() -> ShapeRules.attention(shape(7, 3), shape(4, 2), shape(4, 2), null), "q 7×3");
        }

        @Test
        void convolveAndBack() {
            long[] x = {2, 4, 9, 8, 7};
            long[] weight = {6, 2, 3, 3, 3};
            long[] y = ShapeRules.convolution(x, weight, shape(6), three(2), three(1), 2);
            assertThat(y).containsExactly(2, 6, 5, 4, 4);
            assertThat(ShapeRules.convolutionInputGradient(y, weight, shape(9, 8, 7), three(2), three(1), 2))
                    .isEqualTo(x);
            assertThat(ShapeRules.convolutionWeightGradient(x, y, three(3), three(2), three(1), 2))
                    .isEqualTo(weight);
            assertRefused(() -> ShapeRules.convolution(x, weight, null, three(2), three(1), 1), "1 groups");
            assertRefused(
                    () -> ShapeRules.convolution(shape(1, 2, 2, 9, 9), weight, null, three(1), three(0), 1),
                    "sizes with padding of at least the kernel's");
            assertRefused(
                    () -> ShapeRules.convolutionInputGradient(y, weight, shape(11, 8, 7), three(2), three(1), 2),
                    "2×6×5×4×4",
                    "2×6×6×4×4");
            assertThat(ShapeRules.transposedConvolution(
                            shape(1, 3, 2, 2, 2), shape(3, 5, 2, 2, 2), null, three(2), new int[3]))
                    .containsExactly(1, 5, 4, 4, 4);
        }
    }

    @Nested
    class Reductions {
        @Test
        void leaveAxesOfSizeOne() {
            assertThat(ShapeRules.reduction("sum", shape(2, 3, 4), 2, 0)).containsExactly(1, 3, 1);
            assertRefused(() -> ShapeRules.reduction("sum", shape(2, 3), 1, 1), "each axis at most once");
        }

        @Test
        void poolWindowsThatFit() {
            assertThat(ShapeRules.maxPool(shape(1, 2, 5, 4, 3), three(2), three(2)))
                    .containsExactly(1, 2, 2, 2, 1);
            assertRefused(() -> ShapeRules.maxPool(shape(1, 2, 1, 4, 3), three(2), three(2)), "maxPool");
        }
    }

    @Test
    void probabilitiesLeaveSomething() {
        assertThat(ShapeRules.dropout("dropout", shape(2, 3), 0.5)).containsExactly(2, 3);
        assertRefused(() -> ShapeRules.dropout("dropPath", shape(2, 3), 1), "dropPath: found a probability of 1.0");
    }
}

package org.segformer3d.eval.metrics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.DoubleStream;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.eval.SharedReference;

class SurfaceDistancesTests {
    private static final double[] ANISOTROPIC = {3, 0.76, 1.1};

    @Nested
    class AgainstMonai {
        @Test
        void give_the_reference_values_on_every_mask_and_spacing() throws IOException {
            JsonNode expected = SharedReference.json("reference/pipeline/metrics.json");
            Map<String, HostTensor> masks = SharedReference.tensors("reference/pipeline/metrics.safetensors");
            int checked = 0;
            for (Map.Entry<String, JsonNode> entry : expected.properties()) {
                for (Map.Entry<String, JsonNode> values : entry.getValue().properties()) {
                    if (!values.getKey().startsWith("spacing_")) {
                        continue;
                    }
                    double[] spacing = Arrays.stream(values.getKey().split("_"))
                            .skip(1)
                            .mapToDouble(Double::parseDouble)
                            .toArray();
                    SurfaceDistances found = SurfaceDistances.between(
                            masks.get(entry.getKey() + ".pred"), masks.get(entry.getKey() + ".truth"), spacing);
                    String what = entry.getKey() + " " + values.getKey() + " ";
                    JsonNode numbers = values.getValue();
                    same(what + "hd", found.hausdorff(), numbers.get("hd"));
                    same(what + "hd95", found.hausdorff(95), numbers.get("hd95"));
                    same(what + "hd95_directed", found.directedHausdorff(95), numbers.get("hd95_directed"));
                    same(what + "asd", found.averageSurfaceDistance(), numbers.get("asd"));
                    same(what + "assd", found.averageSymmetricSurfaceDistance(), numbers.get("assd"));
                    same(what + "nsd_1mm", found.surfaceDice(1), numbers.get("nsd_1mm"));
                    same(what + "nsd_2mm", found.surfaceDice(2), numbers.get("nsd_2mm"));
                    checked++;
                }
            }
            assertThat(checked).isGreaterThanOrEqualTo(28);
        }

        /** The reference was computed in float32, whose steps at 50 mm are wider than 1e-6, so the tolerance is relative above 1. */
        private void same(String what, double found, JsonNode number) {
            double expected = number.asDouble();
            if (Double.isFinite(expected)) {
                assertThat(found).as(what).isEqualTo(expected, within(1e-6 * Math.max(1, expected)));
            } else {
                assertThat(found).as(what).isEqualTo(Double.valueOf(expected));
            }
        }
    }

    @Nested
    class AgainstEveryPairOfVoxels {
        @Test
        void agree_on_random_masks_of_any_density() {
            Random random = new Random(7);
            for (int n = 0; n < 200; n++) {
                Grid size = new Grid(1 + random.nextInt(9), 1 + random.nextInt(9), 1 + random.nextInt(9));
                byte[] predicted = mask(size, random.nextDouble(), random);
                byte[] truth = mask(size, random.nextDouble(), random);
                double[] toTruth = slow(predicted, truth, size);
                double[] toPrediction = slow(truth, predicted, size);
                if (toTruth.length == 0 || toPrediction.length == 0) {
                    continue;
                }
                SurfaceDistances found = SurfaceDistances.between(predicted, truth, size, ANISOTROPIC);
                assertThat(found.predictedSurface()).isEqualTo(toTruth.length);
                assertThat(found.truthSurface()).isEqualTo(toPrediction.length);
                double[] both = DoubleStream.concat(Arrays.stream(toTruth), Arrays.stream(toPrediction))
                        .sorted()
                        .toArray();
                assertThat(found.hausdorff()).isEqualTo(both[both.length - 1], within(1e-5));
                assertThat(found.averageSurfaceDistance())
                        .isEqualTo(Arrays.stream(toTruth).average().orElseThrow(), within(1e-5));
                assertThat(found.averageSymmetricSurfaceDistance())
                        .isEqualTo(Arrays.stream(both).average().orElseThrow(), within(1e-5));
                assertThat(found.surfaceDice(1.5))
                        .isEqualTo((double) Arrays.stream(both)
                                        .filter(d -> d <= 1.5)
                                        .count()
                                / both.length);
                for (int place = 0; place < toTruth.length; place++) {
                    double percentile = toTruth.length == 1 ? 50 : 100.0 * place / (toTruth.length - 1);
                    assertThat(found.directedHausdorff(percentile)).isEqualTo(toTruth[place], within(1e-5));
                }
            }
        }

        private byte[] mask(Grid size, double density, Random random) {
            byte[] mask = new byte[size.tokens()];
            for (int n = 0; n < mask.length; n++) {
                mask[n] = (byte) (random.nextDouble() < density * density ? 1 + random.nextInt(200) : 0);
            }
            return mask;
        }

        private double[] slow(byte[] from, byte[] to, Grid size) {
            List<int[]> sites = surface(to, size);
            return surface(from, size).stream()
                    .mapToDouble(a -> sites.stream()
                            .mapToDouble(b -> Math.sqrt(square(a, b, 0) + square(a, b, 1) + square(a, b, 2)))
                            .min()
                            .orElse(Double.POSITIVE_INFINITY))
                    .sorted()
                    .toArray();
        }

        private double square(int[] a, int[] b, int axis) {
            double distance = (a[axis] - b[axis]) * ANISOTROPIC[axis];
            return distance * distance;
        }

        private List<int[]> surface(byte[] mask, Grid size) {
            int[][] steps = {{0, 0, 1}, {0, 0, -1}, {0, 1, 0}, {0, -1, 0}, {1, 0, 0}, {-1, 0, 0}};
            List<int[]> surface = new ArrayList<>();
            for (int d = 0; d < size.depth(); d++) {
                for (int h = 0; h < size.height(); h++) {
                    for (int w = 0; w < size.width(); w++) {
                        int[] at = {d, h, w};
                        if (isSet(mask, size, at)
                                && !Arrays.stream(steps)
                                        .allMatch(s -> isSet(
                                                mask, size, new int[] {at[0] + s[0], at[1] + s[1], at[2] + s[2]}))) {
                            surface.add(at);
                        }
                    }
                }
            }
            return surface;
        }

        private boolean isSet(byte[] mask, Grid size, int[] at) {
            for (int axis = 0; axis < 3; axis++) {
                if (at[axis] < 0 || at[axis] >= size.size(axis)) {
                    return false;
                }
            }
            return mask[(at[0] * size.height() + at[1]) * size.width() + at[2]] != 0;
        }
    }

    private static SurfaceDistances row(String predicted, String truth) {
        return SurfaceDistances.between(row(predicted), row(truth), 5, 3, 2);
    }

    private static HostTensor row(String digits) {
        byte[] values = new byte[digits.length()];
        for (int n = 0; n < values.length; n++) {
            values[n] = (byte) (digits.charAt(n) - '0');
        }
        return HostTensor.of(values, 1, 1, values.length);
    }

    @Test
    void are_none_between_equal_masks() {
        SurfaceDistances same = row("0111001", "0111001");
        assertThat(same.hausdorff()).isZero();
        assertThat(same.hausdorff(95)).isZero();
        assertThat(same.averageSurfaceDistance()).isZero();
        assertThat(same.averageSymmetricSurfaceDistance()).isZero();
        assertThat(same.surfaceDice(0)).isEqualTo(1);
    }

    @Test
    void are_in_millimetres() {
        SurfaceDistances distances = row("1000010", "1100000");
        // from the prediction 0 and 4 voxels of 2 mm, from the truth 0 and 1
        assertThat(distances.hausdorff()).isEqualTo(8);
        assertThat(distances.hausdorff(50)).isEqualTo(4);
        assertThat(distances.directedHausdorff(75)).isEqualTo(6);
        assertThat(distances.averageSurfaceDistance()).isEqualTo(4);
        assertThat(distances.averageSymmetricSurfaceDistance()).isEqualTo(2.5);
        assertThat(distances.surfaceDice(2)).isEqualTo(0.75);
        assertThat(distances.surfaceDice(1.99)).isEqualTo(0.5);
    }

    @Test
    void swap_their_direction_with_the_masks() {
        SurfaceDistances there = row("1000010", "1100000");
        SurfaceDistances back = row("1100000", "1000010");
        assertThat(back.hausdorff()).isEqualTo(there.hausdorff());
        assertThat(back.averageSymmetricSurfaceDistance()).isEqualTo(there.averageSymmetricSurfaceDistance());
        assertThat(back.directedHausdorff(100)).isEqualTo(2);
        assertThat(there.directedHausdorff(100)).isEqualTo(8);
    }

    @Test
    void are_infinite_when_one_mask_is_empty_and_not_defined_when_both_are() {
        for (SurfaceDistances one : List.of(row("0110", "0000"), row("0000", "0110"))) {
            assertThat(one.hausdorff()).isInfinite();
            assertThat(one.hausdorff(95)).isNaN();
            assertThat(one.directedHausdorff(95)).isNaN();
            assertThat(one.averageSurfaceDistance()).isInfinite();
            assertThat(one.averageSymmetricSurfaceDistance()).isInfinite();
            assertThat(one.surfaceDice(5)).isZero();
        }
        SurfaceDistances none = row("0000", "0000");
        assertThat(none.hausdorff()).isNaN();
        assertThat(none.hausdorff(95)).isNaN();
        assertThat(none.directedHausdorff(95)).isNaN();
        assertThat(none.averageSurfaceDistance()).isNaN();
        assertThat(none.averageSymmetricSurfaceDistance()).isNaN();
        assertThat(none.surfaceDice(5)).isNaN();
    }

    @Test
    void refuse_what_cannot_be_measured() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> row("01", "010"))
                .withMessageContaining("expected masks of one shape (D,H,W)");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> SurfaceDistances.between(row("01"), row("01"), 1, 0, 1))
                .withMessage("found spacing [1.0, 0.0, 1.0], expected three positive numbers");
        SurfaceDistances distances = row("01", "01");
        assertThatIllegalArgumentException().isThrownBy(() -> distances.hausdorff(101));
        assertThatIllegalArgumentException().isThrownBy(() -> distances.surfaceDice(-1));
    }
}

package org.segformer3d.data.preprocessing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.segformer3d.api.block.Grid;

class ResamplerTests {
    private static float[] noise(Grid size) {
        SplittableRandom random = new SplittableRandom(7);
        float[] values = new float[size.tokens()];
        for (int n = 0; n < values.length; n++) {
            values[n] = (float) random.nextDouble();
        }
        return values;
    }

    /** a + b·x + c·y + d·z with positions in the box 0…1 along each axis. */
    private static float[] ramp(Grid size) {
        float[] values = new float[size.tokens()];
        int n = 0;
        for (int d = 0; d < size.depth(); d++) {
            for (int h = 0; h < size.height(); h++) {
                for (int w = 0; w < size.width(); w++) {
                    values[n++] = (float) (3
                            + 2 * (d + 0.5) / size.depth()
                            - 4 * (h + 0.5) / size.height()
                            + 5 * (w + 0.5) / size.width());
                }
            }
        }
        return values;
    }

    @ParameterizedTest
    @EnumSource
    void keeps_constants_and_the_same_grid(Interpolation interpolation) {
        Grid from = new Grid(3, 5, 4);
        float[] constant = new float[from.tokens()];
        Arrays.fill(constant, 2.5f);
        for (float value : new Resampler(from, new Grid(7, 2, 1), interpolation).apply(constant)) {
            assertThat(value).isCloseTo(2.5f, within(1e-6f));
        }
        float[] noise = noise(from);
        assertThat(new Resampler(from, from, interpolation).apply(noise)).isSameAs(noise);
    }

    @ParameterizedTest
    @EnumSource(names = {"LINEAR", "CUBIC"})
    void keeps_a_ramp_away_from_the_border_when_growing_and_shrinking(Interpolation interpolation) {
        Grid from = new Grid(20, 24, 22);
        Grid to = new Grid(31, 12, 22);
        float[] expected = ramp(to);
        float[] found = new Resampler(from, to, interpolation).apply(ramp(from));
        for (int d = 6; d < 25; d++) {
            for (int h = 3; h < 9; h++) {
                for (int w = 0; w < 22; w++) {
                    int n = (d * 12 + h) * 22 + w;
                    assertThat(found[n]).isCloseTo(expected[n], within(1e-5f));
                }
            }
        }
    }

    @Test
    void interpolates_between_the_nearest_two_and_repeats_the_border() {
        float[] found =
                new Resampler(new Grid(1, 1, 2), new Grid(1, 1, 4), Interpolation.LINEAR).apply(new float[] {0, 4});
        assertThat(found).containsExactly(0, 1, 3, 4);
        assertThat(new Resampler(new Grid(2, 1, 1), new Grid(4, 1, 1), Interpolation.NEAREST).apply(new float[] {0, 4}))
                .containsExactly(0, 0, 4, 4);
    }

    @Test
    void averages_when_shrinking_so_that_no_voxel_is_skipped() {
        float[] impulse = new float[8];
        impulse[2] = 8;
        float[] found = new Resampler(new Grid(1, 8, 1), new Grid(1, 2, 1), Interpolation.LINEAR).apply(impulse);
        assertThat(found[0] + found[1]).isCloseTo(2, within(0.5f));
    }

    @Test
    void keeps_cubic_interpolation_within_the_range_of_the_input() {
        float[] step = {0, 0, 0, 1, 1, 1};
        float[] found = new Resampler(new Grid(6, 1, 1), new Grid(20, 1, 1), Interpolation.CUBIC).apply(step);
        for (float value : found) {
            assertThat(value).isBetween(0f, 1f);
        }
        assertThat(found[9] + found[10]).isCloseTo(1, within(1e-6f));
    }

    @Test
    void gives_each_axis_its_own_interpolation() {
        Grid from = new Grid(2, 1, 2);
        float[] found = new Resampler(
                        from,
                        new Grid(4, 1, 4),
                        List.of(Interpolation.NEAREST, Interpolation.LINEAR, Interpolation.LINEAR))
                .apply(new float[] {0, 4, 8, 12});
        assertThat(found).containsExactly(0, 1, 3, 4, 0, 1, 3, 4, 8, 9, 11, 12, 8, 9, 11, 12);
    }

    @Test
    void labels_follow_the_largest_interpolated_mask() {
        Grid from = new Grid(5, 6, 7);
        Grid to = new Grid(8, 4, 11);
        SplittableRandom random = new SplittableRandom(3);
        short[] values = {0, 3, 300, -2};
        short[] labels = new short[from.tokens()];
        for (int n = 0; n < labels.length; n++) {
            labels[n] = values[random.nextInt(4)];
        }
        short[] found = new Resampler(from, to, Interpolation.LINEAR).applyLabels(labels);
        float[][] masks = new float[4][];
        for (int v = 0; v < 4; v++) {
            float[] mask = new float[labels.length];
            for (int n = 0; n < mask.length; n++) {
                mask[n] = labels[n] == values[v] ? 1 : 0;
            }
            masks[v] = new Resampler(from, to, Interpolation.LINEAR).apply(mask);
        }
        for (int n = 0; n < found.length; n++) {
            float largest = 0;
            float chosen = -1;
            for (int v = 0; v < 4; v++) {
                largest = Math.max(largest, masks[v][n]);
                chosen = found[n] == values[v] ? masks[v][n] : chosen;
            }
            assertThat(chosen).as("voxel %d", n).isCloseTo(largest, within(2e-5f));
        }
    }
}

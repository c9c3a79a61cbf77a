package org.segformer3d.data.preprocessing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.data.preprocessing.Normalization.ClipRange;

class NormalizationTests {
    /** A third zeros, the rest far from zero, as scans whose maxima reach millions are. */
    private static float[] scan() {
        SplittableRandom random = new SplittableRandom(1);
        float[] values = new float[9000];
        for (int n = 0; n < values.length; n++) {
            values[n] = n % 3 == 0 ? 0 : (float) (1.2e6 + 3e5 * random.nextDouble());
        }
        return values;
    }

    private static double mean(float[] values, boolean nonzero) {
        double sum = 0;
        int count = 0;
        for (float value : values) {
            if (value != 0 || !nonzero) {
                sum += value;
                count++;
            }
        }
        return sum / count;
    }

    private static double deviation(float[] values, boolean nonzero) {
        double mean = mean(values, nonzero);
        double sum = 0;
        int count = 0;
        for (float value : values) {
            if (value != 0 || !nonzero) {
                sum += (value - mean) * (value - mean);
                count++;
            }
        }
        return Math.sqrt(sum / count);
    }

    @Test
    void z_score_gives_mean_0_and_deviation_1_over_all_voxels() {
        float[] values = scan();
        Normalization.zScore().apply(values, 0, values.length, 0);
        assertThat(mean(values, false)).isCloseTo(0, within(1e-6));
        assertThat(deviation(values, false)).isCloseTo(1, within(1e-6));
    }

    @Test
    void z_score_nonzero_leaves_zeros_alone_and_counts_only_the_others() {
        float[] values = scan();
        Normalization.zScoreNonzero().apply(values, 0, values.length, 0);
        for (int n = 0; n < values.length; n += 3) {
            assertThat(values[n]).isZero();
        }
        assertThat(mean(values, true)).isCloseTo(0, within(1e-6));
        assertThat(deviation(values, true)).isCloseTo(1, within(1e-6));
    }

    @Test
    void min_max_gives_0_to_1() {
        float[] values = {-4, 0, 6, 1};
        Normalization.minMax().apply(values, 0, 4, 0);
        assertThat(values).containsExactly(0, 0.4f, 1, 0.5f);
    }

    @Test
    void clip_z_score_clips_first_and_uses_the_channels_own_figures() {
        Normalization ct = Normalization.clipZScore(new ClipRange(-100, 200, 50, 10), new ClipRange(0, 1, 0, 1));
        float[] values = {-1000, 50, 3000, -1000, 0.5f, 3000};
        ct.apply(values, 0, 3, 0);
        ct.apply(values, 3, 3, 1);
        assertThat(values).containsExactly(-15, 0, 15, 0, 0.5f, 1);
        assertThatThrownBy(() -> ct.apply(values, 0, 3, 2)).hasMessageContainingAll("2 channels", "channel 3");
        float[] any = {-1000, 50, 3000};
        Normalization.clipZScore(new ClipRange(-100, 200, 50, 10)).apply(any, 0, 3, 5);
        assertThat(any).containsExactly(-15, 0, 15);
    }

    @Test
    void each_channel_may_have_a_rule_of_its_own() {
        Normalization mixed = Normalization.fromConfig(List.of(
                Map.of("kind", "clip_z_score", "lower", -100, "upper", 200, "mean", 50, "std", 10),
                "none",
                "min_max",
                "rgb_to_0_1",
                "z_score"));
        float[] values = {-1000, 50, 3000, 5, 6, 7, 10, 20, 30, 0, 51, 255, -1, 0, 1};
        for (int channel = 0; channel < 5; channel++) {
            mixed.apply(values, channel * 3, 3, channel);
        }
        float one = (float) Math.sqrt(1.5);
        assertThat(values).containsExactly(-15, 0, 15, 5, 6, 7, 0, 0.5f, 1, 0, 0.2f, 1, -one, 0, one);
        assertThat(Normalization.fromConfig(mixed.toConfig())).isEqualTo(mixed);
        assertThatThrownBy(() -> mixed.apply(values, 0, 3, 5)).hasMessageContainingAll("5 channels", "channel 6");
        mixed.requireFor(5);
        assertThatThrownBy(() -> mixed.requireFor(2))
                .isInstanceOf(ConfigException.class)
                .hasMessageContainingAll("5 channels", "or 2");
    }

    @Test
    void equal_rules_are_one() {
        assertThat(Normalization.fromConfig(List.of("z_score", "z_score"))).isEqualTo(Normalization.zScore());
        assertThat(Normalization.fromConfig(List.of("z_score", "z_score")).toConfig())
                .isEqualTo("z_score");
    }

    @Test
    void changes_only_the_given_channel() {
        float[] values = {5, 7, 1, 3, 9, 11};
        Normalization.minMax().apply(values, 2, 2, 0);
        assertThat(values).containsExactly(5, 7, 0, 1, 9, 11);
    }

    @ParameterizedTest
    @EnumSource(names = {"Z_SCORE", "Z_SCORE_NONZERO", "MIN_MAX"})
    void a_constant_channel_becomes_0_whatever_the_constant(Normalization.Kind kind) {
        for (float constant : new float[] {0, 0.1f, -7, 1.7e6f, 1e-30f}) {
            float[] values = new float[1000];
            Arrays.fill(values, constant);
            Normalization.of(kind).apply(values, 0, values.length, 0);
            assertThat(values).as("%s", constant).containsOnly(0);
        }
    }

    @Test
    void comes_back_from_its_configuration() {
        for (Normalization one : List.of(
                Normalization.zScore(),
                Normalization.none(),
                Normalization.clipZScore(new ClipRange(-1, 2, 3, 4), new ClipRange(-5, 6, 7, 8)))) {
            assertThat(Normalization.fromConfig(one.toConfig())).isEqualTo(one);
        }
        assertThat(Normalization.fromConfig(Map.of("kind", "min_max"))).isEqualTo(Normalization.minMax());
        assertThat(Normalization.fromConfig(
                        Map.of("kind", "clip_z_score", "lower", -100, "upper", 200, "mean", 50.5, "std", 10)))
                .isEqualTo(Normalization.clipZScore(new ClipRange(-100, 200, 50.5, 10)));
    }

    @Test
    void says_what_is_wrong_with_a_configuration() {
        assertThatThrownBy(() -> Normalization.fromConfig("zscore"))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("did you mean 'z_score'");
        assertThatThrownBy(() -> Normalization.fromConfig(List.of("z_score", "noNorm")))
                .hasMessageContainingAll("normalization[1]", "noNorm", "none");
        assertThatThrownBy(() -> Normalization.fromConfig(List.of())).hasMessageContaining("one for all channels");
        assertThatThrownBy(() -> Normalization.fromConfig(List.of(
                        "none",
                        Map.of(
                                "kind", "clip_z_score",
                                "lower", List.of(1, 2),
                                "upper", List.of(3, 4),
                                "mean", List.of(1, 2),
                                "std", List.of(1, 2)))))
                .hasMessageContainingAll("normalization[1]", "2 channels");
        assertThatThrownBy(() -> Normalization.fromConfig("clip_z_score")).hasMessageContaining("lower, upper");
        assertThatThrownBy(() -> Normalization.fromConfig(Map.of("kind", "clip_z_score", "lower", 1)))
                .hasMessageContainingAll("normalization.upper", "nothing");
        assertThatThrownBy(() -> Normalization.fromConfig(
                        Map.of("kind", "clip_z_score", "lower", 5, "upper", 1, "mean", 0, "std", 1)))
                .hasMessageContaining("lower < upper");
        assertThatThrownBy(() -> Normalization.fromConfig(Map.of("kind", "min_max", "meen", 1)))
                .hasMessageContaining("did you mean 'mean'");
    }
}

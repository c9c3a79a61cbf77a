package org.segformer3d.eval.inference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.eval.postprocessing.PostprocessingStep;

class InferenceSpecTests {
    @Test
    void survives_a_round_trip_through_a_map() {
        InferenceSpec spec = new InferenceSpec(new Grid(32, 48, 64), 0.25, Blend.GAUSSIAN, 2, List.of(0, 2));
        assertThat(InferenceSpec.fromMap(spec.toMap())).isEqualTo(spec);
        InferenceSpec cleaning = spec.withPostprocessing(
                List.of(PostprocessingStep.parse("keep_largest@1"), PostprocessingStep.parse("remove_small=20")));
        assertThat(InferenceSpec.fromMap(cleaning.toMap())).isEqualTo(cleaning);
    }

    @Test
    void takes_the_official_values_for_what_is_left_out() {
        assertThat(InferenceSpec.fromMap(Map.of("roi", List.of(128, 128, 128))))
                .isEqualTo(new InferenceSpec(new Grid(128, 128, 128), 0.5, Blend.CONSTANT, 1));
    }

    @Test
    void names_the_key_of_a_mistake() {
        refuses(
                Map.of("roi", List.of(1, 1, 1), "overlp", 0.5),
                "inference.overlp: unknown key; did you mean 'overlap'?");
        refuses(Map.of(), "inference.roi: found null, expected a list of integers");
        refuses(Map.of("roi", List.of(1, 0, 1)), "inference.roi: found [1, 0, 1], expected three positive integers");
        refuses(Map.of("roi", List.of(1, 1.5, 1)), "inference.roi: found 1.5, expected an integer");
        refuses(Map.of("roi", List.of(1, 1, 1), "overlap", "half"), "inference.overlap: found half, expected a number");
        refuses(Map.of("roi", List.of(1, 1, 1), "mirror_axes", List.of(3)), "mirror_axes: found [3]");
    }

    private static void refuses(Map<String, ?> map, String message) {
        assertThatExceptionOfType(ConfigException.class)
                .isThrownBy(() -> InferenceSpec.fromMap(map))
                .withMessageStartingWith(message);
    }
}

package org.segformer3d.api.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.segformer3d.api.block.LayerKind;
import org.segformer3d.api.block.PerAxis;

class SegFormer3DConfigTests {
    @Test
    void anEmptySectionIsThePublishedModel() {
        assertThat(SegFormer3DConfig.fromMap(Map.of())).isEqualTo(SegFormer3DConfig.defaults());
    }

    @Test
    void aMapRoundTripKeepsEverything() {
        Map<String, Object> map = new HashMap<>(SegFormer3DConfig.defaults().toMap());
        map.put("num_classes", 14);
        map.put("depths", List.of(1, 2, 3, 4));
        map.put("decoder_dropout", 0.25);
        map.put("layers", Map.of("self_attention", "mine"));
        SegFormer3DConfig config = SegFormer3DConfig.fromMap(map);
        assertThat(config.layers()).containsExactly(Map.entry(LayerKind.SELF_ATTENTION, "mine"));
        assertThat(SegFormer3DConfig.fromMap(config.toMap())).isEqualTo(config);
    }

    @Test
    void anEntryMayHaveANumberForEachAxis() {
        SegFormer3DConfig config = SegFormer3DConfig.fromMap(Map.of(
                "patch_kernel_size", List.of(List.of(3, 7, 7), 3, 3, 3),
                "patch_stride", List.of(List.of(2, 4, 4), 2, 2, 2),
                "patch_padding", List.of(List.of(1, 3, 3), 1, 1, 1),
                "sr_ratios", List.of(List.of(2, 4, 4), List.of(2, 2, 2), 1, 1)));
        assertThat(config.isCubic()).isFalse();
        assertThat(config.patchKernelSize().get(0)).isEqualTo(new PerAxis(3, 7, 7));
        assertThat(config.patchKernelSize().get(1)).isEqualTo(PerAxis.of(3));
        assertThat(SegFormer3DConfig.fromMap(config.toMap())).isEqualTo(config);
        assertThat(config.toMap()).containsEntry("sr_ratios", List.of(List.of(2, 4, 4), 2, 1, 1));
    }

    @Test
    void equalAxesAreWrittenAsOneNumber() {
        assertThat(SegFormer3DConfig.defaults().toMap()).containsEntry("patch_stride", List.of(4, 2, 2, 2));
        assertThat(SegFormer3DConfig.defaults().isCubic()).isTrue();
    }

    @Nested
    class Refuses {
        private void message(String key, Object value, String... parts) {
            assertThatThrownBy(() -> SegFormer3DConfig.fromMap(Map.of(key, value)))
                    .isInstanceOf(ConfigException.class)
                    .message()
                    .contains(parts)
                    .doesNotContain("\n");
        }

        @Test
        void anUnknownKeyAndSuggestsTheNearest() {
            message("embed_dim", List.of(1, 2, 3, 4), "model_parameters.embed_dim: unknown key", "'embed_dims'");
        }

        @Test
        void aListOfTheWrongLength() {
            message("depths", List.of(2, 2), "model_parameters.depths", "[2, 2]", "list of 4");
        }

        @Test
        void aNumberWhereAListBelongs() {
            message("depths", 2, "model_parameters.depths", "found 2", "list of 4");
        }

        @Test
        void aFractionWhereAnIntegerBelongs() {
            message("num_classes", 2.5, "model_parameters.num_classes", "2.5", "integer");
        }

        @Test
        void aWidthThatHeadsDoNotDivide() {
            message(
                    "embed_dims",
                    List.of(32, 63, 160, 256),
                    "model_parameters.embed_dims[1]",
                    "63",
                    "num_heads[1] = 2");
        }

        @Test
        void zeroAndNegativeSizes() {
            message("in_channels", 0, "model_parameters.in_channels", "at least 1");
            message("sr_ratios", List.of(4, -2, 1, 1), "model_parameters.sr_ratios[1]", "-2");
        }

        @Test
        void axesThatAreNotThree() {
            message(
                    "patch_stride",
                    List.of(List.of(2, 4), 2, 2, 2),
                    "model_parameters.patch_stride[0]",
                    "[2, 4]",
                    "an integer, or three");
            message("patch_stride", List.of(List.of(0, 4, 4), 2, 2, 2), "patch_stride[0][0]", "found 0", "at least 1");
            message("patch_padding", List.of(List.of(3, 3, 8), 1, 1, 1), "patch_padding[0]", "[3, 3, 8]", "less than");
        }

        @Test
        void aDropoutThatIsNoProbability() {
            message("decoder_dropout", 1.0, "model_parameters.decoder_dropout", "[0, 1)");
            message("decoder_dropout", "a lot", "model_parameters.decoder_dropout", "a number");
        }

        @Test
        void anUnknownLayerKind() {
            message("layers", Map.of("attention", "mine"), "model_parameters.layers.attention", "self_attention");
        }
    }

    @ParameterizedTest
    @CsvSource({"lerning_rate,learning_rate", "ovrelap,overlap", "batchsize,batch_size"})
    void suggestionsFindTypos(String typed, String meant) {
        assertThat(Suggestions.nearest(typed, List.of("learning_rate", "overlap", "batch_size")))
                .contains(meant);
    }

    @Test
    void suggestionsKeepSilentWhenNothingIsNear() {
        assertThat(Suggestions.nearest("xyzzy", List.of("learning_rate", "overlap")))
                .isEmpty();
    }
}

package org.segformer3d.api.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.tensor.HostTensor;

class StateDictTests {
    private static final ModelLayout LAYOUT = ModelLayout.of(SegFormer3DConfig.defaults());

    @Nested
    class AgainstALayout {
        private final Map<String, HostTensor> tensors = new LinkedHashMap<>(
                WeightInitializer.initialize(LAYOUT.parameters(), 1).tensors());

        @Test
        void initialWeightsFit() {
            assertThat(StateDict.of(tensors).mismatches(LAYOUT.parameters())).isEmpty();
        }

        @Test
        void everyMismatchIsNamed() {
            tensors.remove("segformer_encoder.norm1.weight");
            tensors.remove("segformer_decoder.linear_pred.bias");
            tensors.put("head.weight", HostTensor.of(new float[2], 2));
            tensors.put("segformer_encoder.norm2.bias", HostTensor.of(new float[63], 63));
            assertThatThrownBy(() -> StateDict.of(tensors).require(LAYOUT.parameters()))
                    .isInstanceOf(StateDictMismatchException.class)
                    .message()
                    .contains(
                            "missing 2 [segformer_encoder.norm1.weight, segformer_decoder.linear_pred.bias]",
                            "unexpected 1 [head.weight]",
                            "misshapen 1 [segformer_encoder.norm2.bias (found 63, expected 64)]")
                    .doesNotContain("\n");
        }

        @Test
        void batchCountersMayBeMissing() {
            tensors.keySet().removeIf(name -> name.endsWith("num_batches_tracked"));
            assertThat(StateDict.of(tensors).mismatches(LAYOUT.parameters())).isEmpty();
        }
    }

    @Nested
    class Initialisation {
        private final StateDict weights = WeightInitializer.initialize(LAYOUT.parameters(), 42);

        private double deviation(String name) {
            double[] values = weights.get(name).toDoubles();
            double mean = 0;
            double square = 0;
            for (double value : values) {
                mean += value / values.length;
                square += value * value / values.length;
            }
            assertThat(Math.abs(mean)).isLessThan(0.1 * Math.sqrt(square));
            return Math.sqrt(square - mean * mean);
        }

        @Test
        void dependsOnTheSeedOnly() {
            assertThat(WeightInitializer.initialize(LAYOUT.parameters(), 42).hash())
                    .isEqualTo(weights.hash());
            assertThat(WeightInitializer.initialize(LAYOUT.parameters(), 43).hash())
                    .isNotEqualTo(weights.hash());
        }

        @Test
        void hasThePapersDeviations() {
            assertThat(deviation("segformer_encoder.tf_block3.0.attention.query.weight"))
                    .isCloseTo(0.02, org.assertj.core.data.Offset.offset(0.001));
            assertThat(deviation("segformer_encoder.embed_1.patch_embeddings.weight"))
                    .isCloseTo(Math.sqrt(2.0 / (343 * 32)), org.assertj.core.data.Offset.offset(0.001));
            assertThat(deviation("segformer_encoder.tf_block4.0.mlp.dwconv.dwconv.weight"))
                    .isCloseTo(Math.sqrt(2.0 / 27), org.assertj.core.data.Offset.offset(0.01));
        }

        @Test
        void leavesBiasesZeroAndNormsOne() {
            assertThat(weights.get("segformer_decoder.linear_fuse.1.weight").toDoubles())
                    .containsOnly(1);
            assertThat(weights.get("segformer_decoder.linear_fuse.1.running_var")
                            .toDoubles())
                    .containsOnly(1);
            assertThat(weights.get("segformer_decoder.linear_pred.bias").toDoubles())
                    .containsOnly(0);
        }

        @Test
        void entriesHaveIndependentStreams() {
            assertThat(weights.get("segformer_encoder.tf_block1.0.attention.query.weight"))
                    .isNotEqualTo(weights.get("segformer_encoder.tf_block1.1.attention.query.weight"));
        }
    }

    @Test
    void hashIgnoresOrderAndSeesEveryByte() {
        HostTensor a = HostTensor.of(new float[] {1, 2}, 2);
        HostTensor b = HostTensor.of(new float[] {3}, 1);
        Map<String, HostTensor> forward = new LinkedHashMap<>();
        forward.put("a", a);
        forward.put("b", b);
        Map<String, HostTensor> backward = new LinkedHashMap<>();
        backward.put("b", b);
        backward.put("a", a);
        assertThat(StateDict.of(forward).hash())
                .isEqualTo(StateDict.of(backward).hash());
        backward.put("a", HostTensor.of(new float[] {1, Math.nextUp(2f)}, 2));
        assertThat(StateDict.of(forward).hash())
                .isNotEqualTo(StateDict.of(backward).hash());
    }

    @Test
    void prefixesComeAndGo() {
        StateDict weights = StateDict.of(Map.of("a.b.c", HostTensor.of(new float[1], 1)));
        assertThat(weights.at("a.").names()).containsExactly("b.c");
        assertThat(weights.at("a.").prefixed("a.")).isEqualTo(weights);
        assertThatThrownBy(() -> weights.get("b")).hasMessageContaining("'b'");
    }
}

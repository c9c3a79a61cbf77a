package org.segformer3d.api.network;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.LayerKind;
import org.segformer3d.api.block.Mode;
import org.segformer3d.api.block.PerAxis;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.ops.CountingOps;
import org.segformer3d.api.ops.Pass;
import org.segformer3d.api.profile.ModelProfile;
import org.segformer3d.api.tensor.Tensor;

class SegFormer3DNetworkTests {
    private final SegFormer3DNetwork network = SegFormer3DNetwork.of(SegFormer3DConfig.defaults());

    private static BlockParameters shapes(Network network) {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        network.parameters().forEach(spec -> tensors.put(spec.name(), CountingOps.shaped(spec.dims())));
        return new BlockParameters(tensors, "");
    }

    @Test
    void hasTheOfficialParameters() {
        assertThat(network.parameters())
                .isEqualTo(ModelLayout.of(network.config()).parameters());
        assertThat(network.parameters().stream()
                        .filter(spec -> spec.role().isTrained())
                        .mapToLong(spec -> spec.elements())
                        .sum())
                .isEqualTo(4_525_251);
    }

    @Test
    void multipliesAsOftenAsArithmeticSays() {
        CountingOps ops = new CountingOps(Pass.INFERENCE);
        List<Tensor> logits = network.forward(ops, shapes(network), CountingOps.shaped(1, 4, 128, 128, 128));
        assertThat(logits).hasSize(1);
        assertThat(logits.get(0).shape()).containsExactly(1, 3, 128, 128, 128);
        assertThat(ops.macs().total())
                .isEqualTo(ModelProfile.of(network, new Grid(128, 128, 128)).macs());
    }

    @Test
    void givesLogitsAtTheInputsOwnSizeWhateverItIs() {
        for (long[] size : new long[][] {{1, 1, 1}, {37, 50, 35}, {16, 64, 20}}) {
            CountingOps ops = new CountingOps(new Pass(Mode.TRAINING, 1, 0));
            Tensor logits = network.forward(ops, shapes(network), CountingOps.shaped(2, 4, size[0], size[1], size[2]))
                    .get(0);
            assertThat(logits.shape()).containsExactly(2, 3, size[0], size[1], size[2]);
        }
    }

    @Test
    void hasFourFeatureMaps() {
        List<Tensor> features =
                network.encode(new CountingOps(Pass.INFERENCE), shapes(network), CountingOps.shaped(1, 4, 32, 64, 32));
        assertThat(features)
                .extracting(feature ->
                        List.of(feature.shape()[1], feature.shape()[2], feature.shape()[3], feature.shape()[4]))
                .containsExactly(
                        List.of(32L, 8L, 16L, 8L),
                        List.of(64L, 4L, 8L, 4L),
                        List.of(160L, 2L, 4L, 2L),
                        List.of(256L, 1L, 2L, 1L));
    }

    @Test
    void refusesAnotherNumberOfChannels() {
        assertThatThrownBy(() -> network.forward(
                        new CountingOps(Pass.INFERENCE), shapes(network), CountingOps.shaped(1, 3, 32, 32, 32)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("1×3×32×32×32")
                .hasMessageContaining("(B,4,D,H,W)");
    }

    @Test
    void isFoundByTheNameOfItsArchitecture() {
        assertThat(Architectures.network("segformer3d", Map.of("num_classes", 7))
                        .numClasses())
                .isEqualTo(7);
        assertThat(Architectures.network(network.architecture(), network.toMap()))
                .isEqualTo(network);
        assertThatThrownBy(() -> Architectures.of("segformer"))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("model_name")
                .hasMessageContaining("did you mean 'segformer3d'?");
    }

    @Test
    void aLayerThatNobodyBringsIsRefusedByName() {
        assertThatThrownBy(() -> Layers.resolve(Map.of(LayerKind.SELF_ATTENTION, "no-such-attention")))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("model_parameters.layers.self_attention")
                .hasMessageContaining("no-such-attention");
    }

    @Nested
    class InputRules {
        private final InputRule rule =
                InputRule.multiplesOf(new PerAxis(4, 8, 8)).withMoreThan(256);

        @Test
        void takeMultiplesAndGoUpToTheNearest() {
            assertThat(rule.accepts(new Grid(8, 8, 8))).isTrue();
            assertThat(rule.accepts(new Grid(4, 8, 8))).isFalse();
            assertThat(rule.accepts(new Grid(8, 8, 12))).isFalse();
            assertThat(rule.nearest(new Grid(1, 8, 8))).isEqualTo(new Grid(8, 8, 8));
            assertThat(rule.nearest(new Grid(9, 17, 8))).isEqualTo(new Grid(12, 24, 8));
        }

        @Test
        void sayWhatTheyTake() {
            assertThatThrownBy(() -> rule.check("net", new Grid(3, 8, 8)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage(
                            "net: found an input of 3×8×8 voxels, expected multiples of [4, 8, 8] with more than 256"
                                    + " voxels");
            assertThat(InputRule.exactly(new Grid(96, 96, 96))).hasToString("exactly 96×96×96");
        }
    }
}

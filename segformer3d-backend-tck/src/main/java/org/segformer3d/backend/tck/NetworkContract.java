package org.segformer3d.backend.tck;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.segformer3d.backend.tck.Comparison.assertClose;

import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.segformer3d.api.backend.NetworkModel;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.network.FoldedSegFormer3D;
import org.segformer3d.api.network.SegFormer3DNetwork;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.api.weights.StateDictMismatchException;

@ExtendWith(OnlyIf.Operations.class)
abstract class NetworkContract extends Contract {
    NetworkContract(BackendContract subject) {
        super(subject);
    }

    static Stream<Arguments> sizes() {
        return Stream.of(
                Arguments.of(21, new Grid(32, 32, 32), 2), // a cube
                Arguments.of(22, new Grid(16, 48, 32), 1), // a box
                Arguments.of(23, new Grid(33, 18, 29), 2), // no multiple of any stride
                Arguments.of(24, new Grid(1, 1, 1), 3));
    }

    @ParameterizedTest(name = "network {0}, {1}, batch {2}")
    @MethodSource("sizes")
    void writtenOverOperationsIsTheReferencesOne(long seed, Grid size, int batch) {
        check(seed, size, batch, false);
    }

    @ParameterizedTest(name = "network {0}, {1}, batch {2}")
    @MethodSource("sizes")
    void foldedIsTheReferencesOne(long seed, Grid size, int batch) {
        check(seed, size, batch, true);
    }

    private void check(long seed, Grid size, int batch, boolean folded) {
        Samples samples = new Samples(seed);
        SegFormer3DConfig config = samples.config();
        StateDict weights = samples.weights(config);
        SegFormer3DNetwork plain = SegFormer3DNetwork.of(config);
        HostTensor input = samples.normal(batch, config.inChannels(), size.depth(), size.height(), size.width());
        try (SegmentationModel model = NetworkModel.load(
                        backend(),
                        folded ? FoldedSegFormer3D.network(plain) : plain,
                        folded ? FoldedSegFormer3D.weights(plain, weights) : weights);
                SegmentationModel expected = oracle().load(config, weights);
                Scope scope = backend().newScope();
                Scope oracleScope = oracle().newScope()) {
            assertClose("logits", model.predict(input), expected.predict(input), tolerance());
            List<Tensor> features = model.encode(scope, scope.tensor(input));
            List<Tensor> expectedFeatures = expected.encode(oracleScope, oracleScope.tensor(input));
            assertThat(features).hasSize(SegFormer3DConfig.STAGES);
            for (int i = 0; i < features.size(); i++) {
                assertClose(
                        "c" + (i + 1),
                        features.get(i).toHost(),
                        expectedFeatures.get(i).toHost(),
                        tolerance());
            }
        }
    }

    @Test
    void weightsThatDoNotFitAreNamed() {
        Samples samples = new Samples(25);
        SegFormer3DNetwork network = SegFormer3DNetwork.of(samples.config());
        StateDict weights = samples.weights(network.config());
        StateDict folded = FoldedSegFormer3D.weights(network, weights);
        assertThatThrownBy(() -> backend().load(network, folded))
                .isInstanceOf(StateDictMismatchException.class)
                .hasMessageContaining("dwconv.bn.running_mean");
    }
}

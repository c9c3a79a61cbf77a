package org.segformer3d.backend.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.InputGeometry;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;

class NetworkForwardTests {
    @ParameterizedTest
    @CsvSource({"default,1", "tiny,1", "tiny_box,1", "default,2", "tiny,3", "tiny_box,2"})
    void equalsTheOfficialImplementation(String name, int threads) {
        assertThat(KernelLibrary.problem()).isEmpty();
        SegFormer3DConfig config = ReferenceFiles.config("models/" + name + ".json");
        Map<String, HostTensor> values = ReferenceFiles.tensors("models/" + name + ".eval.safetensors");
        HostTensor input = direct(values.get("input"));
        HostTensor expected = values.get("logits");
        HostTensor logits = HostTensor.zeros(DType.FLOAT32, expected.shape());
        InputGeometry geometry = InputGeometry.of(config, Grid.of(input.shape()));
        try (Pool pool = new Pool(threads);
                NetworkForward network =
                        new NetworkForward(config, ReferenceFiles.weights("models/" + name + ".pt"), pool)) {
            List<HostTensor> maps = new ArrayList<>();
            List<Long> addresses = new ArrayList<>();
            for (int stage = 1; stage <= 4; stage++) {
                HostTensor map = HostTensor.zeros(
                        DType.FLOAT32, values.get("stage" + stage).shape());
                maps.add(map);
                addresses.add(Kernels.address(map.bytes()));
            }
            network.features(input.size(0), geometry, Kernels.address(input.bytes()), addresses);
            for (int stage = 1; stage <= 4; stage++) {
                assertThat(ReferenceFiles.largestDifference(maps.get(stage - 1), values.get("stage" + stage)))
                        .as("stage %d", stage)
                        .isLessThan(5e-6);
            }
            network.logits(input.size(0), geometry, Kernels.address(input.bytes()), Kernels.address(logits.bytes()));
            assertThat(ReferenceFiles.largestDifference(logits, expected)).isLessThan(5e-6);
        }
    }

    private static HostTensor direct(HostTensor values) {
        return values.toFloat32().copy();
    }
}

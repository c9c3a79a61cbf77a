package org.segformer3d.backend.reference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.Mode;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.network.SegFormer3DNetwork;
import org.segformer3d.api.ops.Pass;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.data.weights.Safetensors;
import org.segformer3d.data.weights.WeightFiles;

/** Whole networks against what the official implementation computed in float64; its files hold float32, hence the tolerance. */
class ReferenceValuesTests {
    private static final double TOLERANCE = 2e-7;

    private final Backend backend =
            new ReferenceProvider().open(BackendOptions.defaults().withThreads(2));

    @AfterEach
    void close() {
        backend.close();
    }

    @ParameterizedTest
    @ValueSource(strings = {"tiny", "tiny_box", "default"})
    void inference(String name) throws IOException {
        Map<String, HostTensor> values =
                Safetensors.read(file(name + ".eval.safetensors")).tensors();
        try (SegmentationModel model = backend.load(config(name), weights(name));
                Scope scope = backend.newScope()) {
            assertClose("logits", model.predict(values.get("input")), values.get("logits"));
            List<Tensor> stages = model.encode(scope, scope.tensor(values.get("input")));
            for (int i = 0; i < stages.size(); i++) {
                assertClose("stage" + (i + 1), stages.get(i).toHost(), values.get("stage" + (i + 1)));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"tiny", "tiny_box", "default"})
    void forwardInTraining(String name) throws IOException {
        Map<String, HostTensor> values =
                Safetensors.read(file(name + ".train.safetensors")).tensors();
        SegFormer3DConfig config = config(name);
        try (Scope scope = backend.newScope()) {
            Map<String, Tensor> weights = new LinkedHashMap<>();
            weights(name).tensors().forEach((key, host) -> weights.put(key, scope.tensor(host)));
            Tensor logits = SegFormer3DNetwork.of(config)
                    .forward(
                            backend.ops(scope, new Pass(Mode.TRAINING, 0, 0)),
                            new BlockParameters(weights, ""),
                            scope.tensor(values.get("input")))
                    .get(0);
            assertClose("logits", logits.toHost(), values.get("logits"));
            List<String> after = values.keySet().stream()
                    .filter(key -> key.startsWith("after."))
                    .toList();
            assertThat(after).isNotEmpty();
            for (String key : after) {
                assertClose(key, weights.get(key.substring("after.".length())).toHost(), values.get(key));
            }
        }
    }

    private static void assertClose(String what, HostTensor actual, HostTensor expected) {
        assertThat(actual.shape()).as("shape of " + what).isEqualTo(expected.shape());
        double[] a = actual.toDoubles();
        double[] b = expected.toDoubles();
        double difference = 0;
        double largest = 0;
        for (int i = 0; i < a.length; i++) {
            assertThat(a[i]).as(what).isFinite();
            difference = Math.max(difference, Math.abs(a[i] - b[i]));
            largest = Math.max(largest, Math.abs(b[i]));
        }
        assertThat(difference / largest)
                .as("largest difference relative to the largest magnitude of " + what)
                .isLessThanOrEqualTo(TOLERANCE);
    }

    private static Path file(String name) {
        Path file = Path.of(System.getProperty("segformer3d.shared", "../shared"), "reference", "models", name);
        assumeTrue(Files.exists(file), () -> "no reference values at " + file);
        return file;
    }

    private static StateDict weights(String name) throws IOException {
        return WeightFiles.read(file(name + ".pt"));
    }

    private static SegFormer3DConfig config(String name) throws IOException {
        var json = new ObjectMapper().readTree(file(name + ".json").toFile()).get("model_parameters");
        return SegFormer3DConfig.fromMap(
                new ObjectMapper().convertValue(json, new TypeReference<Map<String, Object>>() {}));
    }
}

package org.segformer3d.onnx;

import static org.assertj.core.api.Assertions.assertThat;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import ai.onnxruntime.TensorInfo;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.Backends;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.export.NetworkExport;
import org.segformer3d.api.export.NetworkExporter;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.network.SegFormer3DNetwork;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.api.weights.WeightInitializer;

class OnnxNetworkTests {
    private static final SegFormer3DConfig CONFIG = SegFormer3DConfig.fromMap(Map.of(
            "in_channels", 2,
            "num_classes", 3,
            "embed_dims", List.of(8, 8, 10, 16),
            "num_heads", List.of(1, 2, 5, 8),
            "mlp_ratios", List.of(2, 2, 2, 2),
            "depths", List.of(2, 1, 1, 1),
            "decoder_head_embedding_dim", 12));

    private static StateDict weights;
    private static OrtSession session;
    private static Backend libtorch;
    private static SegmentationModel model;

    @BeforeAll
    static void load() throws OrtException {
        weights = randomized(WeightInitializer.initialize(ModelLayout.of(CONFIG).parameters(), 1));
        session = OrtEnvironment.getEnvironment()
                .createSession(OnnxNetwork.toBytes(new NetworkExport(
                        SegFormer3DNetwork.of(CONFIG), weights, "1.2.3", Map.of("labels", "[a, b]"))));
        libtorch = Backends.choose(Optional.of("libtorch"))
                .open(BackendOptions.defaults().with(BackendOptions.Implementation.PLAIN));
        model = libtorch.load(CONFIG, weights);
    }

    @AfterAll
    static void close() throws OrtException {
        model.close();
        libtorch.close();
        session.close();
    }

    /** Makes every norm and running statistic count: freshly initialised ones would hide mistakes. */
    private static StateDict randomized(StateDict fresh) {
        SplittableRandom random = new SplittableRandom(2);
        Map<String, HostTensor> tensors = new HashMap<>();
        fresh.tensors().forEach((name, tensor) -> {
            if (!tensor.dtype().isFloating()) {
                tensors.put(name, tensor);
                return;
            }
            float[] values = tensor.toFloats();
            for (int n = 0; n < values.length; n++) {
                values[n] = name.endsWith("running_var")
                        ? (float) random.nextDouble(0.5, 2)
                        : values[n] + (float) random.nextGaussian(0, 0.2);
            }
            tensors.put(name, HostTensor.of(values, tensor.shape()));
        });
        return StateDict.of(tensors);
    }

    private static HostTensor input(long... shape) {
        SplittableRandom random = new SplittableRandom(3);
        HostTensor tensor = HostTensor.zeros(DType.FLOAT32, shape);
        for (int n = 0; n < tensor.elements(); n++) {
            tensor.floatBuffer().put(n, (float) random.nextGaussian());
        }
        return tensor;
    }

    private static float[] onnx(HostTensor input) throws OrtException {
        try (OnnxTensor tensor = OnnxTensor.createTensor(
                        OrtEnvironment.getEnvironment(),
                        input.floatBuffer().duplicate().rewind(),
                        input.shape());
                OrtSession.Result result = session.run(Map.of(NetworkExporter.INPUT, tensor))) {
            OnnxTensor logits = (OnnxTensor) result.get(NetworkExporter.LOGITS).orElseThrow();
            long[] shape = input.shape();
            assertThat(logits.getInfo().getShape()).containsExactly(shape[0], 3, shape[2], shape[3], shape[4]);
            float[] values = new float[logits.getFloatBuffer().remaining()];
            logits.getFloatBuffer().get(values);
            return values;
        }
    }

    @ParameterizedTest
    @CsvSource({"1, 32, 32, 32", "2, 32, 48, 64", "1, 37, 41, 50", "1, 5, 70, 33", "1, 1, 1, 1"})
    void onnxRuntimeGivesLibtorchsLogitsAtAnySize(int batch, int d, int h, int w) throws OrtException {
        HostTensor input = input(batch, 2, d, h, w);
        float[] expected = model.predict(input).toFloats();
        float[] found = onnx(input);
        assertThat(found).hasSameSizeAs(expected);
        double largest = 0;
        double difference = 0;
        for (int n = 0; n < expected.length; n++) {
            largest = Math.max(largest, Math.abs(expected[n]));
            difference = Math.max(difference, Math.abs(expected[n] - found[n]));
        }
        assertThat(largest).isPositive();
        assertThat(difference / largest).isLessThan(1e-4);
    }

    @Test
    void sizesMayVaryAndTheFileSaysWhatItIs() throws OrtException {
        TensorInfo input =
                (TensorInfo) session.getInputInfo().get(NetworkExporter.INPUT).getInfo();
        assertThat(input.getShape()).containsExactly(-1, 2, -1, -1, -1);
        assertThat(input.getDimensionNames()).containsExactly("batch", "", "depth", "height", "width");
        assertThat(session.getMetadata().getProducerName()).isEqualTo("SegFormer3D for Java");
        assertThat(session.getMetadata().getCustomMetadata()).containsEntry("labels", "[a, b]");
    }

    @ParameterizedTest
    @CsvSource({"2, 32, 48, 64", "1, 37, 41, 50"})
    void theFoldedFormGivesTheSameLogits(int batch, int d, int h, int w) throws OrtException {
        NetworkExport plain = new NetworkExport(SegFormer3DNetwork.of(CONFIG), weights, "1", Map.of());
        HostTensor input = input(batch, 2, d, h, w);
        float[] expected = onnx(input);
        OrtSession before = session;
        try (OrtSession folded = OrtEnvironment.getEnvironment().createSession(OnnxNetwork.toBytes(plain.folded()))) {
            session = folded;
            float[] found = onnx(input);
            double largest = 0;
            double difference = 0;
            for (int n = 0; n < expected.length; n++) {
                largest = Math.max(largest, Math.abs(expected[n]));
                difference = Math.max(difference, Math.abs(expected[n] - found[n]));
            }
            assertThat(difference / largest).isLessThan(1e-4);
        } finally {
            session = before;
        }
    }

    @Test
    void equalNetworksAreEqualFiles() {
        NetworkExport network = new NetworkExport(SegFormer3DNetwork.of(CONFIG), weights, "1", Map.of());
        assertThat(OnnxNetwork.toBytes(network)).isEqualTo(OnnxNetwork.toBytes(network));
    }
}

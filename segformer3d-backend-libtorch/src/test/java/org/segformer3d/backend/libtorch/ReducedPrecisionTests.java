package org.segformer3d.backend.libtorch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.api.backend.BackendException;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.BackendOptions.Implementation;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.Device;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.api.weights.WeightInitializer;

class ReducedPrecisionTests {
    private static final SegFormer3DConfig CONFIG = SegFormer3DConfig.defaults();
    private static final BackendOptions BFLOAT16 = BackendOptions.defaults().in(DType.BFLOAT16);

    @TempDir
    Path folder;

    @Test
    void isThereWhereTheProcessorHasIt() throws IOException {
        assertThat(ReducedPrecision.whyUnavailable(BFLOAT16, cpu("flags\t\t: fpu avx2 avx512_bf16")))
                .isEmpty();
        assertThat(ReducedPrecision.whyUnavailable(BFLOAT16, cpu("flags\t\t: fpu amx_bf16 avx2")))
                .isEmpty();
        assertThat(ReducedPrecision.whyUnavailable(BFLOAT16, cpu("flags\t\t: fpu avx2 avx512f")))
                .hasValueSatisfying(reason -> assertThat(reason).contains("no instructions for bfloat16"));
        assertThat(ReducedPrecision.whyUnavailable(BFLOAT16, folder.resolve("none")))
                .isPresent();
    }

    @Test
    void isThereOnAnyGpuAndFloat16OnlyThere() throws IOException {
        Path plain = cpu("flags: fpu");
        BackendOptions half = BackendOptions.defaults().in(DType.FLOAT16);
        assertThat(ReducedPrecision.whyUnavailable(BFLOAT16.on(Device.parse("cuda")), plain))
                .isEmpty();
        assertThat(ReducedPrecision.whyUnavailable(half.on(Device.parse("cuda")), plain))
                .isEmpty();
        assertThat(ReducedPrecision.whyUnavailable(half, cpu("flags: avx512_bf16")))
                .hasValueSatisfying(reason -> assertThat(reason).contains("float16 is for GPUs"));
        assertThat(ReducedPrecision.whyUnavailable(BackendOptions.defaults(), plain))
                .isEmpty();
    }

    /** Opened past the check of the processor: any libtorch computes in bfloat16, only slowly. */
    @Test
    void predictsNearlyTheSameAndInFloat32() {
        StateDict weights = WeightInitializer.initialize(ModelLayout.of(CONFIG).parameters(), 3);
        HostTensor input = HostTensor.zeros(DType.FLOAT32, 1, CONFIG.inChannels(), 32, 36, 40);
        Random random = new Random(4);
        FloatBuffer values = input.floatBuffer();
        for (int i = 0; i < values.limit(); i++) {
            values.put(i, (float) random.nextGaussian());
        }
        HostTensor exact = predict(BackendOptions.defaults(), weights, input);
        HostTensor reduced = predict(BFLOAT16, weights, input);
        assertThat(reduced.dtype()).isEqualTo(DType.FLOAT32);
        assertThat(reduced.shape()).isEqualTo(exact.shape());
        double difference = 0;
        double norm = 0;
        FloatBuffer a = exact.floatBuffer();
        FloatBuffer b = reduced.floatBuffer();
        for (int i = 0; i < a.limit(); i++) {
            difference += Math.pow(a.get(i) - b.get(i), 2);
            norm += Math.pow(a.get(i), 2);
        }
        // rounded at all, but to eight bits
        assertThat(Math.sqrt(difference / norm)).isBetween(1e-5, 3e-2);
    }

    @Test
    void refusesThePlainFormAndTraining() {
        try (LibtorchBackend backend =
                new LibtorchBackend(BFLOAT16.withThreads(1).with(Implementation.PLAIN))) {
            StateDict weights =
                    WeightInitializer.initialize(ModelLayout.of(CONFIG).parameters(), 3);
            assertThatThrownBy(() -> backend.load(CONFIG, weights))
                    .isInstanceOf(BackendException.class)
                    .hasMessageContaining("only the fused implementation computes in BFLOAT16");
            assertThatThrownBy(() -> backend.train(null))
                    .isInstanceOf(BackendException.class)
                    .hasMessageContaining("training computes in float32 or float64");
        }
    }

    private static HostTensor predict(BackendOptions options, StateDict weights, HostTensor input) {
        try (LibtorchBackend backend = new LibtorchBackend(options.withThreads(2));
                SegmentationModel model = backend.load(CONFIG, weights)) {
            assertThat(model.implementation()).isEqualTo("fused");
            return model.predict(input);
        }
    }

    private Path cpu(String flags) throws IOException {
        return Files.writeString(folder.resolve("cpuinfo"), "processor\t: 0\n" + flags + "\n");
    }
}

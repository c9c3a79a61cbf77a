package org.segformer3d.backend.libtorch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendException;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.training.LossSpec;
import org.segformer3d.api.training.OptimizerSpec;
import org.segformer3d.api.training.TrainingBatch;
import org.segformer3d.api.training.TrainingSession;
import org.segformer3d.api.training.TrainingSession.TrainingPass;
import org.segformer3d.api.training.TrainingSession.TrainingState;
import org.segformer3d.api.training.TrainingSpec;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.api.weights.WeightInitializer;

/**
 * Training with products in bfloat16: the fused form's own casts, and autocast over the plain form, which is what a GPU runs.
 *
 * <p>Sessions are made past the check of the processor: any libtorch computes in bfloat16, only slowly.
 */
class MixedPrecisionTests {
    private static final SegFormer3DConfig CONFIG = SegFormer3DConfig.fromMap(Map.of(
            "in_channels",
            1,
            "num_classes",
            2,
            "embed_dims",
            List.of(8, 8, 16, 16),
            "num_heads",
            List.of(1, 2, 2, 4),
            "depths",
            List.of(1, 1, 1, 1),
            "decoder_head_embedding_dim",
            16));
    private static final TrainingSpec SPEC = TrainingSpec.of(
            CONFIG,
            WeightInitializer.initialize(ModelLayout.of(CONFIG).parameters(), 3),
            LossSpec.of(LossSpec.Kind.DICE, LossSpec.Activation.SIGMOID),
            OptimizerSpec.adamW(0.01));

    /** The target is where the input is positive, which can be learnt. */
    private static TrainingBatch batch() {
        int voxels = 32 * 32 * 32;
        Random random = new Random(4);
        float[] values = new float[2 * voxels];
        byte[] target = new byte[2 * values.length];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
            int channel = values[i] > 0 ? 0 : 1;
            target[(i / voxels * 2 + channel) * voxels + i % voxels] = 1;
        }
        return new TrainingBatch(HostTensor.of(values, 2, 1, 32, 32, 32), HostTensor.of(target, 2, 2, 32, 32, 32), 1);
    }

    private static LibtorchBackend backend() {
        return new LibtorchBackend(BackendOptions.defaults().withThreads(2));
    }

    private static TrainingPass pass(boolean fused, boolean mixed) {
        try (LibtorchBackend backend = backend();
                TrainingSession session = new LibtorchTrainingSession(backend, SPEC.mixing(mixed), fused)) {
            return session.pass(batch());
        }
    }

    private static double distance(StateDict found, StateDict expected) {
        double difference = 0;
        double norm = 0;
        for (String name : expected.names()) {
            double[] a = found.get(name).toDoubles();
            double[] b = expected.get(name).toDoubles();
            for (int i = 0; i < a.length; i++) {
                difference += (a[i] - b[i]) * (a[i] - b[i]);
                norm += b[i] * b[i];
            }
        }
        return Math.sqrt(difference / norm);
    }

    /** bfloat16 has eight bits, 4e-3: the whole gradient stays within a few of their last ones. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void hasNearlyTheGradientsOfFloat32(boolean fused) {
        TrainingPass exact = pass(fused, false);
        TrainingPass mixed = pass(fused, true);
        assertThat(mixed.logits().dtype()).isEqualTo(DType.FLOAT32);
        assertThat(mixed.loss()).isCloseTo(exact.loss(), within(2e-3));
        assertThat(distance(mixed.gradients(), exact.gradients()))
                .as("rounded at all, but no more than that")
                .isBetween(1e-5, 3e-2);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void learnsWithWeightsInFloat32(boolean fused) {
        try (LibtorchBackend backend = backend();
                TrainingSession exact = new LibtorchTrainingSession(backend, SPEC, fused);
                TrainingSession mixed = new LibtorchTrainingSession(backend, SPEC.mixing(true), fused)) {
            List<Double> losses = new ArrayList<>();
            for (int step = 0; step < 4; step++) {
                double expected = exact.accumulate(batch(), 1);
                losses.add(mixed.accumulate(batch(), 1));
                assertThat(losses.get(step)).isCloseTo(expected, within(0.01));
                exact.update(0.01);
                mixed.update(0.01);
            }
            assertThat(losses.get(3)).isLessThan(losses.get(0));
            mixed.weights()
                    .tensors()
                    .forEach((name, tensor) -> assertThat(tensor.dtype()).isIn(DType.FLOAT32, DType.INT64));
        }
    }

    @Test
    void goesOnBitForBitFromItsState() {
        try (LibtorchBackend backend = backend();
                TrainingSession through = new LibtorchTrainingSession(backend, SPEC.mixing(true), true);
                TrainingSession resumed = new LibtorchTrainingSession(backend, SPEC.mixing(true), true)) {
            step(through);
            TrainingState between = through.state();
            step(through);
            resumed.restore(between);
            step(resumed);
            assertThat(resumed.weights().hash()).isEqualTo(through.weights().hash());
        }
    }

    private static void step(TrainingSession session) {
        session.accumulate(batch(), 1);
        session.update(0.01);
    }

    @Test
    void isRefusedWhereItWouldBeSlowerOrHalfMeant() {
        TrainingSpec mixed = SPEC.mixing(true);
        ReducedPrecision.whyUnavailable(BackendOptions.defaults().in(DType.BFLOAT16))
                .ifPresent(reason -> {
                    try (Backend backend = backend()) {
                        assertThatThrownBy(() -> backend.train(mixed))
                                .isInstanceOf(BackendException.class)
                                .hasMessage("backend 'libtorch' in bfloat16 (training_parameters.amp): " + reason);
                    }
                });
        try (Backend backend =
                new LibtorchProvider().open(BackendOptions.defaults().in(DType.FLOAT64))) {
            assertThatThrownBy(() -> backend.train(mixed))
                    .isInstanceOf(BackendException.class)
                    .hasMessageContaining("found backend.precision float64");
        }
    }
}

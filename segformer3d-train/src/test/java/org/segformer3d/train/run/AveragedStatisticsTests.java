package org.segformer3d.train.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.Backends;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.training.LossSpec;
import org.segformer3d.api.training.OptimizerSpec;
import org.segformer3d.api.training.TrainingBatch;
import org.segformer3d.api.training.TrainingSession;
import org.segformer3d.api.training.TrainingSpec;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.api.weights.WeightInitializer;
import org.segformer3d.data.loading.Batch;

class AveragedStatisticsTests {
    private static final SegFormer3DConfig CONFIG = SegFormer3DConfig.fromMap(Map.of(
            "in_channels",
            1,
            "num_classes",
            2,
            "embed_dims",
            List.of(4, 8, 8, 8),
            "num_heads",
            List.of(1, 1, 1, 1),
            "depths",
            List.of(1, 1, 1, 1),
            "decoder_head_embedding_dim",
            8));

    private static Backend backend;

    @BeforeAll
    static void open() {
        backend = Backends.provider("libtorch").open(BackendOptions.defaults().withThreads(1));
    }

    @AfterAll
    static void close() {
        backend.close();
    }

    private static List<Batch> batches(int count) {
        SplittableRandom random = new SplittableRandom(3);
        List<Batch> batches = new ArrayList<>();
        for (int n = 0; n < count; n++) {
            float[] values = new float[2 * 16 * 16 * 16];
            byte[] target = new byte[values.length * 2];
            for (int v = 0; v < values.length; v++) {
                values[v] = (float) ((n + 1) * random.nextGaussian() + n);
                target[v] = (byte) random.nextInt(2);
            }
            batches.add(new Batch(
                    HostTensor.of(values, 2, 1, 16, 16, 16),
                    HostTensor.of(target, 2, 2, 16, 16, 16),
                    Optional.empty(),
                    List.of("a", "b"),
                    n));
        }
        return batches;
    }

    private static TrainingSpec spec(StateDict weights) {
        return TrainingSpec.of(
                CONFIG,
                weights,
                LossSpec.of(LossSpec.Kind.DICE, LossSpec.Activation.SIGMOID),
                OptimizerSpec.adamW(0.01));
    }

    @Test
    void areTheMeansOfEachBatchesOwnAndNothingElseChanges() throws IOException {
        StateDict weights = WeightInitializer.initialize(ModelLayout.of(CONFIG).parameters(), 1);
        List<Batch> batches = batches(5);

        StateDict found = AveragedStatistics.recompute(backend, spec(weights), weights, batches, () -> false);

        Map<String, double[]> expected = new LinkedHashMap<>();
        for (Batch batch : batches) {
            // From statistics of 0 and 1, one batch leads to 0.1·mean and 0.9 + 0.1·variance.
            try (TrainingSession session = backend.train(spec(weights))) {
                session.pass(new TrainingBatch(batch.input(), batch.target(), 0));
                session.weights().tensors().forEach((name, tensor) -> {
                    double start = name.endsWith("running_mean") ? 0 : 1;
                    double[] sum = expected.computeIfAbsent(name, key -> new double[(int) tensor.elements()]);
                    for (int n = 0; n < sum.length; n++) {
                        sum[n] += (tensor.get(n) - 0.9 * start) / 0.1 / batches.size();
                    }
                });
            }
        }
        int statistics = 0;
        for (String name : weights.names()) {
            if (name.endsWith("running_mean") || name.endsWith("running_var")) {
                statistics++;
                double[] values = found.get(name).toDoubles();
                for (int n = 0; n < values.length; n++) {
                    assertThat(values[n]).as(name).isCloseTo(expected.get(name)[n], within(1e-5));
                }
                assertThat(found.get(name)).isNotEqualTo(weights.get(name));
            } else if (name.endsWith("num_batches_tracked")) {
                assertThat(found.get(name).get(0)).isEqualTo(5);
            } else {
                assertThat(found.get(name)).as(name).isEqualTo(weights.get(name));
            }
        }
        assertThat(statistics).isEqualTo(2 * 5);
        assertThat(found.names()).containsExactlyElementsOf(weights.names());
    }

    @Test
    void leaveNoResultWhenTheRunIsToldToStop() throws IOException {
        StateDict weights = WeightInitializer.initialize(ModelLayout.of(CONFIG).parameters(), 1);

        assertThat(AveragedStatistics.recompute(backend, spec(weights), weights, batches(2), () -> true))
                .isNull();
    }
}

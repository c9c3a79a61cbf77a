package org.segformer3d.backend.libtorch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendException;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.BackendOptions.Implementation;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.training.LossSpec;
import org.segformer3d.api.training.LossSpec.Activation;
import org.segformer3d.api.training.LossSpec.Kind;
import org.segformer3d.api.training.OptimizerSpec;
import org.segformer3d.api.training.TrainingBatch;
import org.segformer3d.api.training.TrainingSession;
import org.segformer3d.api.training.TrainingSession.TrainingPass;
import org.segformer3d.api.training.TrainingSpec;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.api.weights.WeightInitializer;

/**
 * The fused training form against autograd over the plain one. Beyond the contract's small inputs: attention and slabs cut into pieces,
 * reductions that don't divide the grid, several samples, several threads.
 */
class FusedTrainingTests {
    private static final int BATCH = 2;

    private static SegFormer3DConfig config(double dropout, Map<String, Object> more) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("in_channels", 2);
        map.put("num_classes", 3);
        map.put("embed_dims", List.of(8, 8, 12, 16));
        map.put("num_heads", List.of(1, 2, 3, 4));
        map.put("sr_ratios", List.of(3, 2, 2, 1));
        map.put("depths", List.of(1, 2, 1, 1));
        map.put("mlp_ratios", List.of(2, 3, 2, 2));
        map.put("patch_kernel_size", List.of(3, 3, 3, 3));
        map.put("patch_stride", List.of(2, 2, 2, 1));
        map.put("patch_padding", List.of(1, 1, 1, 1));
        map.put("decoder_head_embedding_dim", 12);
        map.put("decoder_dropout", dropout);
        map.putAll(more);
        return SegFormer3DConfig.fromMap(map);
    }

    /** Weights that are all random, so that no norm is trivial. */
    private static StateDict weights(SegFormer3DConfig config) {
        Random random = new Random(3);
        Map<String, HostTensor> all = new LinkedHashMap<>(
                WeightInitializer.initialize(ModelLayout.of(config).parameters(), 1)
                        .tensors());
        all.replaceAll((name, value) -> {
            if (!value.dtype().isFloating()) {
                return value;
            }
            float[] values = value.toFloats().clone();
            for (int i = 0; i < values.length; i++) {
                values[i] = (float) (values[i]
                        + (name.endsWith("running_var") ? random.nextDouble() : 0.2 * random.nextGaussian()));
            }
            return HostTensor.of(values, value.shape());
        });
        return StateDict.of(all);
    }

    private static TrainingBatch batch(SegFormer3DConfig config, Grid size) {
        Random random = new Random(4);
        float[] input = new float[BATCH * config.inChannels() * size.tokens()];
        for (int i = 0; i < input.length; i++) {
            input[i] = (float) random.nextGaussian();
        }
        byte[] target = new byte[BATCH * config.numClasses() * size.tokens()];
        for (int i = 0; i < target.length; i++) {
            target[i] = (byte) (random.nextInt(4) == 0 ? 1 : 0);
        }
        return new TrainingBatch(
                HostTensor.of(input, BATCH, config.inChannels(), size.depth(), size.height(), size.width()),
                HostTensor.of(target, BATCH, config.numClasses(), size.depth(), size.height(), size.width()),
                9);
    }

    private static TrainingSpec spec(SegFormer3DConfig config) {
        return TrainingSpec.of(
                config, weights(config), LossSpec.of(Kind.DICE, Activation.SIGMOID), OptimizerSpec.adamW(0.01));
    }

    private record Result(TrainingPass pass, StateDict after) {}

    private static Result run(Implementation form, DType type, int threads, TrainingSpec spec, TrainingBatch batch) {
        try (Backend backend = new LibtorchProvider()
                        .open(BackendOptions.defaults()
                                .in(type)
                                .withThreads(threads)
                                .with(form));
                TrainingSession session = backend.train(spec)) {
            assertThat(session.implementation()).isEqualTo(form.toString());
            return new Result(session.pass(batch), session.weights());
        }
    }

    private static double norm(HostTensor x) {
        double sum = 0;
        for (double value : x.toDoubles()) {
            sum += value * value;
        }
        return Math.sqrt(sum);
    }

    private static double distance(HostTensor x, HostTensor y) {
        double[] a = x.toDoubles();
        double[] b = y.toDoubles();
        assertThat(b).hasSameSizeAs(a);
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += (a[i] - b[i]) * (a[i] - b[i]);
        }
        return Math.sqrt(sum);
    }

    /** Gradients by the rule of the recorded ones: relative to each tensor's norm, those that are mathematically zero to the whole. */
    private static void assertSame(Result actual, Result expected, double tolerance) {
        assertThat(Math.abs(actual.pass().loss() - expected.pass().loss())).isLessThan(tolerance);
        assertThat(distance(actual.pass().logits(), expected.pass().logits()))
                .isLessThan(tolerance * norm(expected.pass().logits()));
        assertThat(distance(actual.pass().inputGradient(), expected.pass().inputGradient()))
                .isLessThan(tolerance * norm(expected.pass().inputGradient()));
        Map<String, HostTensor> gradients = expected.pass().gradients().tensors();
        double total = Math.sqrt(
                gradients.values().stream().mapToDouble(g -> norm(g) * norm(g)).sum());
        gradients.forEach((name, gradient) -> {
            HostTensor found = actual.pass().gradients().get(name);
            if (norm(gradient) > 1e-6 * total) {
                assertThat(distance(found, gradient)).as(name).isLessThan(tolerance * norm(gradient));
            } else {
                assertThat(norm(found)).as(name).isLessThan(1e-5 * total);
            }
        });
        expected.after()
                .tensors()
                .forEach((name, value) -> assertThat(distance(actual.after().get(name), value))
                        .as(name)
                        .isLessThanOrEqualTo(tolerance * norm(value)));
    }

    @ParameterizedTest
    @ValueSource(doubles = {0, 0.3})
    void equalsAutogradOverThePlainFormInFloat64(double dropout) {
        SegFormer3DConfig config = config(dropout, Map.of());
        TrainingBatch batch = batch(config, new Grid(30, 17, 22));
        Result plain = run(Implementation.PLAIN, DType.FLOAT64, 2, spec(config), batch);
        for (int threads : new int[] {1, 2, 3}) {
            assertSame(run(Implementation.FUSED, DType.FLOAT64, threads, spec(config), batch), plain, 1e-10);
        }
    }

    /** Stage 1 has 13,800 queries for 378 keys here, and the decoder's slabs don't divide its grid. */
    @Test
    void equalsItWhereAttentionAndSlabsAreCutIntoPieces() {
        SegFormer3DConfig config = config(0, Map.of("decoder_head_embedding_dim", 64));
        TrainingBatch batch = batch(config, new Grid(46, 40, 60));
        Result plain = run(Implementation.PLAIN, DType.FLOAT64, 2, spec(config), batch);
        assertSame(run(Implementation.FUSED, DType.FLOAT64, 2, spec(config), batch), plain, 1e-10);
        assertSame(run(Implementation.FUSED, DType.FLOAT32, 2, spec(config), batch), plain, 1e-3);
    }

    /** A stride that its kernel and padding don't make good leaves logits of another size than the input. */
    @Test
    void equalsItWhereLogitsAreCropped() {
        SegFormer3DConfig config = config(0, Map.of("patch_kernel_size", List.of(2, 3, 3, 3)));
        TrainingBatch batch = batch(config, new Grid(16, 18, 21));
        Result plain = run(Implementation.PLAIN, DType.FLOAT64, 1, spec(config), batch);
        assertSame(run(Implementation.FUSED, DType.FLOAT64, 1, spec(config), batch), plain, 1e-10);
    }

    @Nested
    class Recomputation {
        @ParameterizedTest
        @ValueSource(doubles = {0, 0.3})
        void givesTheSameBits(double dropout) {
            SegFormer3DConfig config = config(dropout, Map.of());
            TrainingBatch batch = batch(config, new Grid(30, 17, 22));
            Result keeping = run(Implementation.FUSED, DType.FLOAT32, 2, spec(config), batch);
            Result again =
                    run(Implementation.FUSED, DType.FLOAT32, 2, spec(config).recomputing(true), batch);
            assertThat(again.pass().gradients()).isEqualTo(keeping.pass().gradients());
            assertThat(again.pass().inputGradient()).isEqualTo(keeping.pass().inputGradient());
            assertThat(again.after()).isEqualTo(keeping.after());
        }

        @Test
        void needsTheFusedForm() {
            TrainingSpec spec = spec(config(0, Map.of())).recomputing(true);
            try (Backend backend =
                    new LibtorchProvider().open(BackendOptions.defaults().with(Implementation.PLAIN))) {
                assertThatThrownBy(() -> backend.train(spec))
                        .isInstanceOf(BackendException.class)
                        .hasMessageContaining("training_parameters.recompute_activations");
            }
        }
    }

    /** Native threads remember how many threads they compute with: what a process did before must not change the sums. */
    @Test
    void givesTheSameBitsOnAThreadThatHasPredictedAndOnOneThatIsNew() throws Exception {
        SegFormer3DConfig config = config(0, Map.of());
        TrainingBatch batch = batch(config, new Grid(30, 17, 22));
        try (Backend backend = new LibtorchProvider()
                .open(BackendOptions.defaults().withThreads(2).with(Implementation.FUSED))) {
            AtomicReference<TrainingSession.TrainingState> middle = new AtomicReference<>();
            Callable<StateDict> straight = () -> {
                try (TrainingSession session = backend.train(spec(config))) {
                    step(session, batch);
                    middle.set(session.state());
                    try (SegmentationModel model = session.snapshot(false)) {
                        model.predict(batch.input());
                    }
                    return step(session, batch);
                }
            };
            Callable<StateDict> resumed = () -> {
                try (TrainingSession session = backend.train(spec(config))) {
                    session.restore(middle.get());
                    return step(session, batch);
                }
            };

            StateDict expected = onANewThread(straight);

            assertThat(onANewThread(resumed)).isEqualTo(expected);
        }
    }

    private static StateDict step(TrainingSession session, TrainingBatch batch) {
        session.accumulate(batch, 1);
        session.update(1e-2);
        return session.weights();
    }

    private static <T> T onANewThread(Callable<T> work) throws Exception {
        ExecutorService thread = Executors.newSingleThreadExecutor();
        try {
            return thread.submit(work).get();
        } finally {
            thread.shutdown();
        }
    }

    @Test
    void isChosenUnlessALayerIsReplaced() {
        SegFormer3DConfig replaced = config(0, Map.of("layers", Map.of("self_attention", "pooled-attention")));
        try (Backend auto = new LibtorchProvider().open(BackendOptions.defaults());
                TrainingSession session = auto.train(spec(config(0, Map.of())))) {
            assertThat(session.implementation()).isEqualTo("fused");
        }
        try (Backend fused =
                new LibtorchProvider().open(BackendOptions.defaults().with(Implementation.FUSED))) {
            TrainingSpec spec = TrainingSpec.of(
                    replaced, StateDict.of(Map.of()), spec(config(0, Map.of())).loss(), OptimizerSpec.adamW(0));
            assertThatThrownBy(() -> fused.train(spec))
                    .isInstanceOf(BackendException.class)
                    .hasMessageContaining("pooled-attention");
        }
    }
}

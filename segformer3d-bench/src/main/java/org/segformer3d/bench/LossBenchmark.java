package org.segformer3d.bench;

import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.Backends;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.training.LossSpec;
import org.segformer3d.api.training.OptimizerSpec;
import org.segformer3d.api.training.TrainingBatch;
import org.segformer3d.api.training.TrainingSession;
import org.segformer3d.api.training.TrainingSpec;
import org.segformer3d.api.weights.WeightInitializer;

/** Losses and their gradients at 2×3×96³, in a session whose network is as small as can be: what differs between them is the loss. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 2, time = 2)
@Measurement(iterations = 3, time = 2)
@Fork(1)
@State(Scope.Benchmark)
public class LossBenchmark {
    private static final int EDGE = 96;

    /** Which terms. */
    @Param({"DICE", "CROSS_ENTROPY", "DICE_CROSS_ENTROPY", "DICE_FOCAL", "GENERALIZED_DICE"})
    public LossSpec.Kind kind;

    private Backend backend;
    private TrainingSession session;
    private TrainingBatch data;

    /** Starts training. */
    @Setup
    public void start() {
        SegFormer3DConfig config = SegFormer3DConfig.fromMap(Map.of(
                "in_channels", 1,
                "embed_dims", List.of(4, 4, 4, 4),
                "num_heads", List.of(1, 1, 1, 1),
                "depths", List.of(1, 1, 1, 1),
                "mlp_ratios", List.of(1, 1, 1, 1),
                "decoder_head_embedding_dim", 4));
        backend = Backends.provider("libtorch").open(BackendOptions.defaults());
        session = backend.train(TrainingSpec.of(
                config,
                WeightInitializer.initialize(ModelLayout.of(config), 1),
                LossSpec.of(kind, LossSpec.Activation.SOFTMAX),
                OptimizerSpec.adamW(0.01)));
        data = new TrainingBatch(
                RandomTensors.normal(2, 2, 1, EDGE, EDGE, EDGE),
                RandomTensors.masks(3, 2, config.numClasses(), EDGE, EDGE, EDGE),
                4);
    }

    /** Runs forward and backward. */
    @Benchmark
    public double loss() {
        return session.accumulate(data, 1);
    }

    /** Releases everything. */
    @TearDown
    public void close() {
        session.close();
        backend.close();
    }
}

package org.segformer3d.bench;

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
import org.segformer3d.api.backend.BackendOptions.Implementation;
import org.segformer3d.api.backend.Backends;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.training.LossGradient;
import org.segformer3d.api.training.LossSpec;

/** Losses and their gradients at 2×3×96³, copies to and from the backend included. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 2, time = 2)
@Measurement(iterations = 3, time = 2)
@Fork(1)
@State(Scope.Benchmark)
public class LossBenchmark {
    private static final int EDGE = 96;
    private static final int CHANNELS = 3;

    /** Which terms. */
    @Param({"DICE", "CROSS_ENTROPY", "BINARY_CROSS_ENTROPY", "DICE_CROSS_ENTROPY", "DICE_FOCAL", "GENERALIZED_DICE"})
    public LossSpec.Kind kind;

    /** Autograd, or gradients written out. */
    @Param({"plain", "fused"})
    public String implementation;

    private Backend backend;
    private LossSpec loss;
    private HostTensor logits;
    private HostTensor target;

    /** Opens the backend. */
    @Setup
    public void start() {
        backend = Backends.provider("libtorch")
                .open(BackendOptions.defaults().with(Implementation.parse(implementation)));
        loss = LossSpec.of(kind, LossSpec.Activation.SOFTMAX);
        logits = RandomTensors.normal(2, 2, CHANNELS, EDGE, EDGE, EDGE);
        target = RandomTensors.masks(3, 2, CHANNELS, EDGE, EDGE, EDGE);
    }

    /** Computes a loss and its gradient at the logits. */
    @Benchmark
    public LossGradient loss() {
        return backend.loss(loss, logits, target);
    }

    /** Releases everything. */
    @TearDown
    public void close() {
        backend.close();
    }
}

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
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.training.LossSpec;
import org.segformer3d.api.training.OptimizerSpec;
import org.segformer3d.api.training.TrainingBatch;
import org.segformer3d.api.training.TrainingSession;
import org.segformer3d.api.training.TrainingSpec;
import org.segformer3d.api.weights.WeightInitializer;

/** One step of training the published network: forward, backward, update. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 1, time = 5)
@Measurement(iterations = 3, time = 10)
@Fork(1)
@State(Scope.Benchmark)
public class TrainingStepBenchmark {
    /** Edge of the cubic patches. */
    @Param({"64", "96"})
    public int edge;

    /** Patches in a batch. */
    @Param("2")
    public int batch;

    /** The backend's name. */
    @Param("libtorch")
    public String backendName;

    /** The form of the network; auto is what training takes when nothing is said. */
    @Param({"plain", "auto"})
    public String implementation;

    /** Whether activations are computed again in the backward pass; the fused form only. */
    @Param("false")
    public boolean recompute;

    private Backend backend;
    private TrainingSession session;
    private TrainingBatch data;

    /** Starts training. */
    @Setup
    public void start() {
        SegFormer3DConfig config = SegFormer3DConfig.defaults();
        backend = Backends.provider(backendName)
                .open(BackendOptions.defaults().with(Implementation.parse(implementation)));
        session = backend.train(TrainingSpec.of(
                        config,
                        WeightInitializer.initialize(ModelLayout.of(config).parameters(), 1),
                        LossSpec.of(LossSpec.Kind.DICE, LossSpec.Activation.SIGMOID),
                        OptimizerSpec.adamW(0.01))
                .recomputing(recompute));
        data = new TrainingBatch(
                RandomTensors.normal(2, batch, config.inChannels(), edge, edge, edge),
                RandomTensors.masks(3, batch, config.numClasses(), edge, edge, edge),
                4);
    }

    /** Does a step. */
    @Benchmark
    public double step() {
        session.accumulate(data, 1);
        return session.update(1e-4);
    }

    /** Releases everything. */
    @TearDown
    public void close() {
        session.close();
        backend.close();
    }
}

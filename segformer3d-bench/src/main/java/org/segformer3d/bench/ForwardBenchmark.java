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
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.weights.WeightInitializer;

/** The published network's forward pass, from and to the Java process. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 2, time = 3)
@Measurement(iterations = 5, time = 3)
@Fork(1)
@State(Scope.Benchmark)
public class ForwardBenchmark {
    /** Edge of the cubic input. */
    @Param({"64", "128"})
    public int edge;

    /** The backend's name. */
    @Param("libtorch")
    public String backendName;

    /** The form of the network. */
    @Param({"plain", "fused"})
    public String implementation;

    /** Threads on the CPU; 0 for all processors. */
    @Param("0")
    public int threads;

    private Backend backend;
    private SegmentationModel model;
    private HostTensor input;

    /** Loads the network. */
    @Setup
    public void load() {
        SegFormer3DConfig config = SegFormer3DConfig.defaults();
        backend = Backends.provider(backendName)
                .open(BackendOptions.defaults().withThreads(threads).with(Implementation.parse(implementation)));
        model = backend.load(config, WeightInitializer.initialize(ModelLayout.of(config), 1));
        input = RandomTensors.normal(2, 1, config.inChannels(), edge, edge, edge);
    }

    /** Runs once. */
    @Benchmark
    public HostTensor forward() {
        return model.predict(input);
    }

    /** Releases everything. */
    @TearDown
    public void close() {
        model.close();
        backend.close();
    }
}

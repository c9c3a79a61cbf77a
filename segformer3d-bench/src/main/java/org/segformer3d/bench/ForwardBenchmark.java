package org.segformer3d.bench;

import java.util.Optional;
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
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.api.weights.WeightInitializer;

/** The published network's forward pass, from and to the Java process, and its encoder alone. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 2, time = 3)
@Measurement(iterations = 5, time = 3)
@Fork(1)
@State(Scope.Benchmark)
public class ForwardBenchmark {
    /** Size of the input: the edge of a cube or D×H×W, for example {@code 80x96x64}. */
    @Param({"64", "128"})
    public String size;

    /** Volumes in a batch. */
    @Param("1")
    public int batch;

    /** Transformer blocks of the four stages; the published network has two in each. */
    @Param("2-2-2-2")
    public String depths;

    /** What computes: the native backend, or a form of libtorch's network. */
    @Param({"plain", "fused", "native"})
    public String implementation;

    /** Threads on the CPU; 0 for all processors. */
    @Param("0")
    public int threads;

    private Backend backend;
    private SegmentationModel model;
    private HostTensor input;
    private Optional<HostTensor> logits = Optional.empty();
    private org.segformer3d.api.tensor.Scope scope;
    private Tensor tensor;

    /** Loads the network. */
    @Setup
    public void load() {
        SegFormer3DConfig config = Sizes.withDepths(depths);
        Grid grid = Sizes.grid(size);
        backend = Forms.open(implementation, threads);
        model = backend.load(
                config, WeightInitializer.initialize(ModelLayout.of(config).parameters(), 1));
        input = RandomTensors.normal(2, batch, config.inChannels(), grid.depth(), grid.height(), grid.width());
        scope = backend.newScope();
        tensor = scope.tensor(input);
    }

    /** Runs once, into the memory of the result before, as prediction does. */
    @Benchmark
    public HostTensor forward() {
        logits = Optional.of(model.predict(input, logits));
        return logits.get();
    }

    /** Runs the encoder once, without copying its maps to Java. */
    @Benchmark
    public int encode() {
        try (org.segformer3d.api.tensor.Scope maps = backend.newScope()) {
            return model.encode(maps, tensor).size();
        }
    }

    /** Releases everything. */
    @TearDown
    public void close() {
        scope.close();
        model.close();
        backend.close();
    }
}

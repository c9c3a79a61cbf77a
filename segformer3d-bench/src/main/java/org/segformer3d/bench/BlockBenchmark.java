package org.segformer3d.bench;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.Backends;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.InputGeometry;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.network.Layers;
import org.segformer3d.api.ops.Pass;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.api.weights.WeightInitializer;

/** A backend's single blocks at the sizes they have in the published network. */
@BenchmarkMode(org.openjdk.jmh.annotations.Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 2, time = 2)
@Measurement(iterations = 3, time = 2)
@Fork(1)
@State(org.openjdk.jmh.annotations.Scope.Benchmark)
public class BlockBenchmark {
    /** Edge of the network's cubic input. */
    @Param("128")
    public int edge;

    /** Encoder stage, from 0. */
    @Param({"0", "1", "2", "3"})
    public int stage;

    /** The backend's name. */
    @Param("libtorch")
    public String backendName;

    private Backend backend;
    private Scope weights;
    private Grid grid;
    private SegFormer3DConfig config;
    private BlockParameters parameters;
    private Tensor embedded;
    private Tensor tokens;
    private List<Tensor> features;

    /** Makes the blocks and their inputs. */
    @Setup
    public void load() {
        config = SegFormer3DConfig.defaults();
        backend = Backends.provider(backendName).open(BackendOptions.defaults());
        weights = backend.newScope();
        StateDict initial = WeightInitializer.initialize(ModelLayout.of(config).parameters(), 1);
        Map<String, Tensor> tensors = new HashMap<>();
        initial.tensors().forEach((name, value) -> tensors.put(name, weights.tensor(value)));
        parameters = new BlockParameters(tensors, "");
        InputGeometry geometry = InputGeometry.of(config, RandomTensors.cube(edge));
        grid = geometry.stages().get(stage);
        Grid before = stage == 0 ? geometry.padded() : geometry.stages().get(stage - 1);
        embedded = map(2, ModelLayout.embedding(config, stage).inChannels(), before);
        int width = config.embedDims().get(stage);
        tokens = weights.tensor(RandomTensors.normal(3, 1, grid.tokens(), width));
        features = java.util.stream.IntStream.range(0, SegFormer3DConfig.STAGES)
                .mapToObj(i ->
                        map(4 + i, config.embedDims().get(i), geometry.stages().get(i)))
                .toList();
    }

    private Tensor map(long seed, int channels, Grid size) {
        return weights.tensor(RandomTensors.normal(seed, 1, channels, size.depth(), size.height(), size.width()));
    }

    /** Overlapped patch embedding of the stage. */
    @Benchmark
    public long[] patchEmbedding() {
        try (Scope scope = backend.newScope()) {
            return Layers.PAPER
                    .patchEmbedding()
                    .forward(
                            backend.ops(scope, Pass.INFERENCE),
                            ModelLayout.embedding(config, stage),
                            parameters.at(ModelLayout.embeddingPrefix(stage)),
                            embedded)
                    .tensor()
                    .shape();
        }
    }

    /** Efficient self-attention of the stage. */
    @Benchmark
    public long[] selfAttention() {
        try (Scope scope = backend.newScope()) {
            return Layers.PAPER
                    .selfAttention()
                    .forward(
                            backend.ops(scope, Pass.INFERENCE),
                            ModelLayout.transformerBlock(config, stage).attention(),
                            parameters.at(ModelLayout.blockPrefix(stage, 0) + "attention."),
                            tokens,
                            grid)
                    .shape();
        }
    }

    /** Mix-FFN of the stage. */
    @Benchmark
    public long[] mixFeedForward() {
        try (Scope scope = backend.newScope()) {
            return Layers.PAPER
                    .feedForward()
                    .forward(
                            backend.ops(scope, Pass.INFERENCE),
                            ModelLayout.transformerBlock(config, stage).feedForward(),
                            parameters.at(ModelLayout.blockPrefix(stage, 0) + "mlp."),
                            tokens,
                            grid)
                    .shape();
        }
    }

    /** The decoder, which is the same whatever the stage. */
    @Benchmark
    public long[] decoder() {
        try (Scope scope = backend.newScope()) {
            return Layers.PAPER
                    .decoder()
                    .forward(
                            backend.ops(scope, Pass.INFERENCE),
                            ModelLayout.decoder(config),
                            parameters.at(ModelLayout.decoderPrefix()),
                            features)
                    .shape();
        }
    }

    /** Releases everything. */
    @TearDown
    public void close() {
        weights.close();
        backend.close();
    }
}

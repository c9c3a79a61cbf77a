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
import org.segformer3d.api.block.BlockContext;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.Decoder;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.LayerProvider;
import org.segformer3d.api.block.MixFeedForward;
import org.segformer3d.api.block.Mode;
import org.segformer3d.api.block.PatchEmbedding;
import org.segformer3d.api.block.SelfAttention;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.InputGeometry;
import org.segformer3d.api.model.ModelLayout;
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
    private PatchEmbedding embedding;
    private SelfAttention attention;
    private MixFeedForward feedForward;
    private Decoder decoder;
    private Tensor embedded;
    private Tensor tokens;
    private List<Tensor> features;

    /** Makes the blocks and their inputs. */
    @Setup
    public void load() {
        SegFormer3DConfig config = SegFormer3DConfig.defaults();
        backend = Backends.provider(backendName).open(BackendOptions.defaults());
        weights = backend.newScope();
        StateDict initial = WeightInitializer.initialize(ModelLayout.of(config).parameters(), 1);
        Map<String, Tensor> tensors = new HashMap<>();
        initial.tensors().forEach((name, value) -> tensors.put(name, weights.tensor(value)));
        BlockContext context = backend.context(Mode.INFERENCE);
        LayerProvider layers = backend.layers();
        var block = ModelLayout.transformerBlock(config, stage);
        String prefix = ModelLayout.blockPrefix(stage, 0);
        embedding = layers.patchEmbedding(
                context,
                ModelLayout.embedding(config, stage),
                new BlockParameters(tensors, ModelLayout.embeddingPrefix(stage)));
        attention =
                layers.selfAttention(context, block.attention(), new BlockParameters(tensors, prefix + "attention."));
        feedForward =
                layers.mixFeedForward(context, block.feedForward(), new BlockParameters(tensors, prefix + "mlp."));
        decoder = layers.decoder(
                context, ModelLayout.decoder(config), new BlockParameters(tensors, ModelLayout.decoderPrefix()));

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
            return embedding.forward(scope, embedded).tensor().shape();
        }
    }

    /** Efficient self-attention of the stage. */
    @Benchmark
    public long[] selfAttention() {
        try (Scope scope = backend.newScope()) {
            return attention.forward(scope, tokens, grid).shape();
        }
    }

    /** Mix-FFN of the stage. */
    @Benchmark
    public long[] mixFeedForward() {
        try (Scope scope = backend.newScope()) {
            return feedForward.forward(scope, tokens, grid).shape();
        }
    }

    /** The decoder, which is the same whatever the stage. */
    @Benchmark
    public long[] decoder() {
        try (Scope scope = backend.newScope()) {
            return decoder.forward(scope, features).shape();
        }
    }

    /** Releases everything. */
    @TearDown
    public void close() {
        embedding.close();
        attention.close();
        feedForward.close();
        decoder.close();
        weights.close();
        backend.close();
    }
}

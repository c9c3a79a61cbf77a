package org.segformer3d.backend.tck;

import static org.assertj.core.api.Assertions.assertThat;
import static org.segformer3d.backend.tck.Comparison.assertClose;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.BlockSpec;
import org.segformer3d.api.block.BlockSpec.DecoderSpec;
import org.segformer3d.api.block.BlockSpec.MixFeedForwardSpec;
import org.segformer3d.api.block.BlockSpec.PatchEmbeddingSpec;
import org.segformer3d.api.block.BlockSpec.SelfAttentionSpec;
import org.segformer3d.api.block.BlockSpec.StageNormSpec;
import org.segformer3d.api.block.BlockSpec.TransformerBlockSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.LayerKind;
import org.segformer3d.api.block.Mode;
import org.segformer3d.api.block.PerAxis;
import org.segformer3d.api.block.Tokens;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;

abstract class BlockContract extends Contract {
    BlockContract(BackendContract subject) {
        super(subject);
    }

    @ParameterizedTest(name = "kernel {2}, stride {3}, padding {4} on {5}×{6}×{7}, batch {8}")
    @CsvSource({
        // in, embed, kernel, stride, padding, D, H, W, B
        "4, 32, 7, 4, 3, 16, 16, 16, 1",
        "1, 8, 7, 4, 3, 9, 14, 31, 2",
        "2, 8, 7, 4, 3, 1, 5, 8, 3",
        "16, 20, 3, 2, 1, 8, 8, 8, 2",
        "20, 32, 3, 2, 1, 7, 3, 5, 2",
        "32, 8, 3, 2, 1, 1, 1, 1, 3",
        "3, 12, 3, 1, 1, 4, 5, 6, 1",
        "3, 12, 2, 2, 0, 5, 6, 7, 2",
        "5, 9, 1, 1, 0, 3, 2, 4, 1",
        "2, 10, 5, 3, 2, 11, 8, 6, 1",
        "2, 10, 4, 4, 0, 13, 8, 6, 2"
    })
    void patchEmbedding(int in, int embed, int kernel, int stride, int padding, int d, int h, int w, int batch) {
        Samples samples = new Samples(1);
        PatchEmbeddingSpec spec = new PatchEmbeddingSpec(in, embed, kernel, stride, padding);
        check(new Blocks.Case(
                spec, samples.weights(spec), List.of(samples.normal(batch, in, d, h, w)), new Grid(d, h, w)));
    }

    @Test
    void patchEmbeddingReturnsTheGridOfItsTokens() {
        Samples samples = new Samples(2);
        PatchEmbeddingSpec spec = new PatchEmbeddingSpec(1, 8, 7, 4, 3);
        try (Scope scope = backend().newScope()) {
            Map<String, Tensor> weights = new LinkedHashMap<>();
            samples.weights(spec).tensors().forEach((name, host) -> weights.put(name, scope.tensor(host)));
            try (var block = backend()
                    .layers()
                    .patchEmbedding(backend().context(Mode.INFERENCE), spec, new BlockParameters(weights, ""))) {
                Tokens tokens = block.forward(scope, scope.tensor(samples.normal(2, 1, 9, 16, 30)));
                assertThat(tokens.grid()).isEqualTo(new Grid(3, 4, 8));
                assertThat(tokens.tensor().shape()).containsExactly(2, 96, 8);
                assertThat(block.spec()).isEqualTo(spec);
            }
        }
    }

    @ParameterizedTest(name = "width {0}, {1} heads, sr {2} on {3}×{4}×{5}, batch {6}")
    @CsvSource({
        // dim, heads, sr, D, H, W, B
        "32, 1, 4, 8, 8, 8, 1",
        "8, 1, 4, 4, 5, 11, 2",
        "8, 2, 4, 4, 4, 4, 3",
        "64, 2, 2, 6, 6, 6, 2",
        "12, 3, 2, 3, 5, 2, 2",
        "20, 5, 1, 4, 4, 4, 2",
        "32, 8, 1, 1, 2, 3, 3",
        "8, 1, 1, 1, 1, 1, 2",
        "9, 1, 3, 7, 3, 5, 1",
        "10, 10, 1, 3, 3, 3, 1"
    })
    void selfAttention(int dim, int heads, int ratio, int d, int h, int w, int batch) {
        Samples samples = new Samples(3);
        SelfAttentionSpec spec = new SelfAttentionSpec(dim, heads, ratio);
        check(tokens(samples, spec, dim, new Grid(d, h, w), batch));
    }

    @Test
    void kernelsStridesAndRatiosMayDifferBetweenAxes() {
        Samples samples = new Samples(14);
        PatchEmbeddingSpec embedding =
                new PatchEmbeddingSpec(2, 8, new PerAxis(3, 7, 5), new PerAxis(1, 4, 2), new PerAxis(1, 3, 0));
        Grid grid = new Grid(4, 13, 9);
        check(new Blocks.Case(
                embedding,
                samples.weights(embedding),
                List.of(samples.normal(2, 2, grid.depth(), grid.height(), grid.width())),
                grid));
        check(tokens(samples, new SelfAttentionSpec(8, 2, new PerAxis(1, 4, 2)), 8, new Grid(3, 9, 5), 2));
        DecoderSpec decoder = new DecoderSpec(List.of(8, 9, 10, 11), 12, 3, 0, new PerAxis(1, 4, 3));
        check(features(samples, decoder, grids(3, 5, 4), 2));
    }

    @Test
    void selfAttentionStaysFiniteForLargeScores() {
        Samples samples = new Samples(4);
        SelfAttentionSpec spec = new SelfAttentionSpec(8, 2, 1);
        Blocks.Case given = tokens(samples, spec, 8, new Grid(2, 3, 4), 1);
        float[] large = given.inputs().get(0).toFloats();
        for (int i = 0; i < large.length; i++) {
            large[i] *= 300;
        }
        HostTensor input = HostTensor.of(large, given.inputs().get(0).shape());
        HostTensor output = Blocks.forward(backend(), Mode.INFERENCE, given.with(given.weights(), List.of(input)));
        for (double value : output.toDoubles()) {
            assertThat(value).isFinite();
        }
    }

    @ParameterizedTest(name = "{0} → {1} on {2}×{3}×{4}, batch {5}")
    @CsvSource({
        "32, 128, 8, 8, 8, 1",
        "8, 16, 3, 4, 5, 2",
        "20, 80, 1, 1, 1, 3",
        "16, 48, 1, 7, 2, 2",
        "10, 10, 2, 1, 9, 1",
        "7, 21, 5, 5, 1, 2"
    })
    void mixFeedForward(int dim, int hidden, int d, int h, int w, int batch) {
        check(tokens(new Samples(5), new MixFeedForwardSpec(dim, hidden), dim, new Grid(d, h, w), batch));
    }

    @ParameterizedTest(name = "width {0}, {1} heads, sr {2}, hidden {3} on {4}×{5}×{6}, batch {7}")
    @CsvSource({
        "32, 1, 4, 128, 8, 8, 8, 1",
        "16, 2, 2, 48, 3, 4, 5, 2",
        "20, 5, 1, 80, 2, 3, 2, 3",
        "8, 1, 4, 16, 5, 4, 9, 2"
    })
    void transformerBlock(int dim, int heads, int ratio, int hidden, int d, int h, int w, int batch) {
        TransformerBlockSpec spec =
                new TransformerBlockSpec(new SelfAttentionSpec(dim, heads, ratio), new MixFeedForwardSpec(dim, hidden));
        check(tokens(new Samples(6), spec, dim, new Grid(d, h, w), batch));
    }

    @ParameterizedTest(name = "width {0} on {1}×{2}×{3}, batch {4}")
    @CsvSource({"32, 8, 8, 8, 1", "20, 3, 5, 2, 2", "9, 1, 1, 1, 3"})
    void stageNorm(int dim, int d, int h, int w, int batch) {
        check(tokens(new Samples(7), new StageNormSpec(dim), dim, new Grid(d, h, w), batch));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("decoders")
    void decoder(DecoderSpec spec, List<Grid> grids, int batch) {
        check(features(new Samples(8), spec, grids, batch));
    }

    static List<Arguments> decoders() {
        List<Integer> dims = List.of(8, 12, 20, 16);
        return List.of(
                Arguments.of(new DecoderSpec(dims, 24, 3, 0, 4), grids(8, 8, 8), 1),
                Arguments.of(new DecoderSpec(dims, 16, 1, 0, 4), grids(5, 9, 6), 2),
                Arguments.of(new DecoderSpec(dims, 13, 4, 0.3, 2), grids(2, 16, 7), 3),
                Arguments.of(new DecoderSpec(List.of(8, 8, 9, 10), 8, 2, 0, 1), grids(4, 3, 11), 2),
                Arguments.of(new DecoderSpec(List.of(6, 5, 4, 3), 32, 14, 0, 3), grids(1, 1, 1), 2),
                // a pyramid that doesn't halve: sizes come from the feature maps, not from the spec
                Arguments.of(
                        new DecoderSpec(dims, 16, 2, 0, 4),
                        List.of(new Grid(6, 7, 5), new Grid(5, 2, 5), new Grid(3, 2, 4), new Grid(1, 2, 4)),
                        1),
                // a coarse map that is finer than c1 is resized down
                Arguments.of(
                        new DecoderSpec(dims, 16, 2, 0, 2),
                        List.of(new Grid(3, 4, 5), new Grid(6, 7, 8), new Grid(3, 4, 5), new Grid(2, 2, 2)),
                        1));
    }

    @ParameterizedTest
    @ValueSource(longs = {11, 12, 13, 14, 15, 16, 17, 18})
    void everyBlockOnRandomShapes(long seed) {
        Samples samples = new Samples(seed);
        for (LayerKind kind : LayerKind.values()) {
            check(random(samples, kind));
        }
    }

    @Test
    void everyBlockLeavesItsInputsOpenAndUnchanged() {
        Samples samples = new Samples(9);
        for (LayerKind kind : LayerKind.values()) {
            Blocks.Case given = random(samples, kind);
            try (Scope scope = backend().newScope()) {
                Map<String, Tensor> weights = new LinkedHashMap<>();
                given.weights().tensors().forEach((name, host) -> weights.put(name, scope.tensor(host)));
                List<Tensor> inputs = given.inputs().stream().map(scope::tensor).toList();
                try (var block = Blocks.make(backend(), Mode.INFERENCE, given.spec(), weights)) {
                    block.apply(scope, inputs, given.grid());
                    for (int i = 0; i < inputs.size(); i++) {
                        assertThat(inputs.get(i).toHost().toDoubles())
                                .as("input of " + given)
                                .isEqualTo(given.inputs().get(i).toDoubles());
                    }
                }
                weights.forEach(
                        (name, tensor) -> assertThat(tensor.isClosed()).as(name).isFalse());
            }
        }
    }

    @Test
    void everyBlockOutlivesNothingButItsResult() {
        Samples samples = new Samples(10);
        for (LayerKind kind : LayerKind.values()) {
            Blocks.Case given = random(samples, kind);
            HostTensor expected = Blocks.forward(backend(), Mode.INFERENCE, given);
            try (Scope results = backend().newScope()) {
                Tensor result;
                try (Scope scope = backend().newScope()) {
                    Map<String, Tensor> weights = new LinkedHashMap<>();
                    given.weights().tensors().forEach((name, host) -> weights.put(name, scope.tensor(host)));
                    var block = Blocks.make(backend(), Mode.INFERENCE, given.spec(), weights);
                    result = block.apply(
                            results, given.inputs().stream().map(scope::tensor).toList(), given.grid());
                    block.close();
                }
                assertThat(result.toHost()).as(given.toString()).isEqualTo(expected);
            }
        }
    }

    private void check(Blocks.Case given) {
        HostTensor expected = Blocks.forward(oracle(), Mode.INFERENCE, given);
        HostTensor actual = Blocks.forward(backend(), Mode.INFERENCE, given);
        assertThat(actual.dtype()).isEqualTo(backend().computeType());
        assertClose(given.toString(), actual, expected, tolerance());
    }

    static Blocks.Case tokens(Samples samples, BlockSpec spec, int dim, Grid grid, int batch) {
        return new Blocks.Case(spec, samples.weights(spec), List.of(samples.normal(batch, grid.tokens(), dim)), grid);
    }

    static Blocks.Case features(Samples samples, DecoderSpec spec, List<Grid> grids, int batch) {
        List<HostTensor> inputs = new ArrayList<>();
        for (int i = 0; i < grids.size(); i++) {
            Grid g = grids.get(i);
            inputs.add(samples.normal(batch, spec.featureDims().get(i), g.depth(), g.height(), g.width()));
        }
        return new Blocks.Case(spec, samples.weights(spec), inputs, grids.get(0));
    }

    /** Returns a pyramid of grids that halve, rounding up, from the given finest one. */
    static List<Grid> grids(int d, int h, int w) {
        List<Grid> grids = new ArrayList<>(List.of(new Grid(d, h, w)));
        while (grids.size() < 4) {
            grids.add(grids.get(grids.size() - 1).convolved(3, 2, 1));
        }
        return grids;
    }

    /** Returns a block of some kind with random sizes. */
    static Blocks.Case random(Samples samples, LayerKind kind) {
        int batch = samples.between(1, 3);
        int heads = samples.oneOf(1, 2, 3, 4);
        int dim = heads * samples.between(8 / heads + 1, 12);
        int ratio = samples.oneOf(1, 2, 4);
        Grid grid = samples.grid(ratio, ratio + 4);
        SelfAttentionSpec attention = new SelfAttentionSpec(dim, heads, ratio);
        MixFeedForwardSpec feedForward = new MixFeedForwardSpec(dim, samples.between(5, 40));
        return switch (kind) {
            case PATCH_EMBEDDING -> {
                int kernel = samples.oneOf(1, 2, 3, 5, 7);
                int in = samples.between(1, 9);
                PatchEmbeddingSpec spec = new PatchEmbeddingSpec(
                        in, samples.between(8, 33), kernel, samples.between(1, kernel), kernel / 2);
                Grid size = samples.grid(kernel, kernel + 9);
                yield new Blocks.Case(
                        spec,
                        samples.weights(spec),
                        List.of(samples.normal(batch, in, size.depth(), size.height(), size.width())),
                        size);
            }
            case SELF_ATTENTION -> tokens(samples, attention, dim, grid, batch);
            case MIX_FEED_FORWARD -> tokens(samples, feedForward, dim, grid, batch);
            case TRANSFORMER_BLOCK ->
                tokens(samples, new TransformerBlockSpec(attention, feedForward), dim, grid, batch);
            case STAGE_NORM -> tokens(samples, new StageNormSpec(dim), dim, grid, batch);
            case DECODER -> {
                DecoderSpec spec = new DecoderSpec(
                        List.of(
                                samples.between(3, 12),
                                samples.between(3, 12),
                                samples.between(3, 12),
                                samples.between(3, 12)),
                        samples.between(8, 24),
                        samples.between(1, 5),
                        0,
                        samples.oneOf(1, 2, 4));
                Grid finest = samples.grid(1, 9);
                yield features(samples, spec, grids(finest.depth(), finest.height(), finest.width()), batch);
            }
        };
    }
}

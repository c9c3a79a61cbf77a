package org.segformer3d.backend.tck;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.segformer3d.api.backend.Backend;
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
import org.segformer3d.api.block.PerAxis;
import org.segformer3d.api.network.Layers;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.ops.Pass;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.api.weights.StateDict;

/** One of the paper's blocks with what it is given. */
record BlockCase(BlockSpec spec, StateDict weights, List<HostTensor> inputs, Grid grid) {
    BlockCase {
        inputs = List.copyOf(inputs);
    }

    /** Returns this case with other weights and inputs. */
    BlockCase with(StateDict newWeights, List<HostTensor> newInputs) {
        return new BlockCase(spec, newWeights, newInputs, grid);
    }

    @Override
    public String toString() {
        return spec + " on " + inputs.stream().map(HostTensor::toString).toList() + ", grid " + grid;
    }

    /** Computes the block operation by operation. */
    Tensor on(Ops ops, Map<String, Tensor> tensors, List<Tensor> x) {
        Layers paper = Layers.PAPER;
        BlockParameters parameters = new BlockParameters(tensors, "");
        if (spec instanceof PatchEmbeddingSpec s) {
            return paper.patchEmbedding().forward(ops, s, parameters, x.get(0)).tensor();
        }
        if (spec instanceof SelfAttentionSpec s) {
            return paper.selfAttention().forward(ops, s, parameters, x.get(0), grid);
        }
        if (spec instanceof MixFeedForwardSpec s) {
            return paper.feedForward().forward(ops, s, parameters, x.get(0), grid);
        }
        if (spec instanceof TransformerBlockSpec s) {
            return paper.transformerBlock()
                    .forward(ops, s, parameters, paper.selfAttention(), paper.feedForward(), x.get(0), grid);
        }
        if (spec instanceof StageNormSpec s) {
            return paper.stageNorm().forward(ops, s, parameters, x.get(0), grid);
        }
        return paper.decoder().forward(ops, (DecoderSpec) spec, parameters, x);
    }

    /** Returns the weights on a backend. */
    Map<String, Tensor> weightsIn(Scope scope) {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        weights.tensors().forEach((name, host) -> tensors.put(name, scope.tensor(host)));
        return tensors;
    }

    /** Computes the block on a backend. */
    HostTensor run(Backend backend, Pass pass) {
        try (Scope scope = backend.newScope()) {
            List<Tensor> x = inputs.stream().map(scope::tensor).toList();
            return on(backend.ops(scope, pass), weightsIn(scope), x).toHost();
        }
    }

    /** Returns blocks of every kind on cubes and boxes, odd sizes, single tokens and batches, with one number for all axes and three. */
    static List<BlockCase> all() {
        List<BlockCase> cases = new ArrayList<>();
        Samples s = new Samples(1);
        cases.add(volume(s, new PatchEmbeddingSpec(4, 32, 7, 4, 3), 1, new Grid(16, 16, 16)));
        cases.add(volume(s, new PatchEmbeddingSpec(2, 8, 7, 4, 3), 3, new Grid(1, 5, 8)));
        cases.add(volume(s, new PatchEmbeddingSpec(20, 32, 3, 2, 1), 2, new Grid(7, 3, 5)));
        cases.add(volume(s, new PatchEmbeddingSpec(32, 8, 3, 2, 1), 3, new Grid(1, 1, 1)));
        cases.add(volume(s, new PatchEmbeddingSpec(3, 12, 2, 2, 0), 2, new Grid(5, 6, 7)));
        cases.add(volume(s, new PatchEmbeddingSpec(5, 9, 1, 1, 0), 1, new Grid(3, 2, 4)));
        cases.add(volume(
                s,
                new PatchEmbeddingSpec(3, 10, new PerAxis(3, 7, 5), new PerAxis(1, 4, 3), new PerAxis(1, 3, 2)),
                2,
                new Grid(5, 11, 9)));
        cases.add(tokens(s, new SelfAttentionSpec(32, 1, 4), 32, new Grid(8, 8, 8), 1));
        cases.add(tokens(s, new SelfAttentionSpec(8, 1, 4), 8, new Grid(4, 5, 11), 2));
        cases.add(tokens(s, new SelfAttentionSpec(12, 3, 2), 12, new Grid(3, 5, 2), 2));
        cases.add(tokens(s, new SelfAttentionSpec(10, 10, 1), 10, new Grid(3, 3, 3), 1));
        cases.add(tokens(s, new SelfAttentionSpec(8, 1, 1), 8, new Grid(1, 1, 1), 2));
        cases.add(tokens(s, new SelfAttentionSpec(12, 2, new PerAxis(1, 2, 3)), 12, new Grid(3, 5, 7), 2));
        cases.add(tokens(s, new MixFeedForwardSpec(32, 128), 32, new Grid(8, 8, 8), 1));
        cases.add(tokens(s, new MixFeedForwardSpec(20, 80), 20, new Grid(1, 1, 1), 3));
        cases.add(tokens(s, new MixFeedForwardSpec(10, 10), 10, new Grid(2, 1, 9), 1));
        cases.add(tokens(s, transformer(20, 5, 1, 80), 20, new Grid(2, 3, 2), 3));
        cases.add(tokens(s, transformer(8, 1, 4, 16), 8, new Grid(5, 4, 9), 2));
        cases.add(tokens(s, new StageNormSpec(20), 20, new Grid(3, 5, 2), 2));
        cases.add(tokens(s, new StageNormSpec(9), 9, new Grid(1, 1, 1), 3));
        List<Integer> dims = List.of(8, 12, 20, 16);
        cases.add(features(s, new DecoderSpec(dims, 24, 3, 0, 4), grids(8, 8, 8), 1));
        cases.add(features(s, new DecoderSpec(dims, 13, 4, 0.3, 2), grids(2, 16, 7), 3));
        cases.add(features(s, new DecoderSpec(List.of(6, 5, 4, 3), 32, 14, 0, 3), grids(1, 1, 1), 2));
        cases.add(features(s, new DecoderSpec(dims, 16, 1, 0, new PerAxis(1, 4, 2)), grids(5, 9, 6), 2));
        // a pyramid that doesn't halve: sizes come from the feature maps, not from the spec
        List<Grid> uneven = List.of(new Grid(6, 7, 5), new Grid(5, 2, 5), new Grid(3, 2, 4), new Grid(1, 2, 4));
        cases.add(features(s, new DecoderSpec(dims, 16, 2, 0, 4), uneven, 1));
        // a coarse map that is finer than c1 is resized down
        List<Grid> finer = List.of(new Grid(3, 4, 5), new Grid(6, 7, 8), new Grid(3, 4, 5), new Grid(2, 2, 2));
        cases.add(features(s, new DecoderSpec(dims, 16, 2, 0, 2), finer, 1));
        for (long seed = 11; seed < 17; seed++) {
            Samples more = new Samples(seed);
            for (LayerKind kind : LayerKind.values()) {
                cases.add(random(more, kind));
            }
        }
        return cases;
    }

    private static TransformerBlockSpec transformer(int dim, int heads, int ratio, int hidden) {
        return new TransformerBlockSpec(new SelfAttentionSpec(dim, heads, ratio), new MixFeedForwardSpec(dim, hidden));
    }

    static BlockCase volume(Samples samples, PatchEmbeddingSpec spec, int batch, Grid grid) {
        HostTensor input = samples.normal(batch, spec.inChannels(), grid.depth(), grid.height(), grid.width());
        return new BlockCase(spec, samples.weights(spec), List.of(input), grid);
    }

    static BlockCase tokens(Samples samples, BlockSpec spec, int dim, Grid grid, int batch) {
        return new BlockCase(spec, samples.weights(spec), List.of(samples.normal(batch, grid.tokens(), dim)), grid);
    }

    static BlockCase features(Samples samples, DecoderSpec spec, List<Grid> grids, int batch) {
        List<HostTensor> inputs = new ArrayList<>();
        for (int i = 0; i < grids.size(); i++) {
            Grid g = grids.get(i);
            inputs.add(samples.normal(batch, spec.featureDims().get(i), g.depth(), g.height(), g.width()));
        }
        return new BlockCase(spec, samples.weights(spec), inputs, grids.get(0));
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
    static BlockCase random(Samples samples, LayerKind kind) {
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
                yield new BlockCase(
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

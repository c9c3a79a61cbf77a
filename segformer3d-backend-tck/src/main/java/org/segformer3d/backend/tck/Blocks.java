package org.segformer3d.backend.tck;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.block.BlockContext;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.BlockSpec;
import org.segformer3d.api.block.BlockSpec.DecoderSpec;
import org.segformer3d.api.block.BlockSpec.MixFeedForwardSpec;
import org.segformer3d.api.block.BlockSpec.PatchEmbeddingSpec;
import org.segformer3d.api.block.BlockSpec.SelfAttentionSpec;
import org.segformer3d.api.block.BlockSpec.StageNormSpec;
import org.segformer3d.api.block.BlockSpec.TransformerBlockSpec;
import org.segformer3d.api.block.Decoder;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.LayerProvider;
import org.segformer3d.api.block.MixFeedForward;
import org.segformer3d.api.block.Mode;
import org.segformer3d.api.block.PatchEmbedding;
import org.segformer3d.api.block.SelfAttention;
import org.segformer3d.api.block.StageNorm;
import org.segformer3d.api.block.TransformerBlock;
import org.segformer3d.api.network.Layers;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.ops.Pass;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.api.weights.StateDict;

/** Runs any block of a backend from and to the Java process. */
final class Blocks {
    private Blocks() {}

    /** What a block was given in a test. */
    record Case(BlockSpec spec, StateDict weights, List<HostTensor> inputs, Grid grid) {
        Case {
            inputs = List.copyOf(inputs);
        }

        /** Returns this case with other weights and inputs. */
        Case with(StateDict newWeights, List<HostTensor> newInputs) {
            return new Case(spec, newWeights, newInputs, grid);
        }

        @Override
        public String toString() {
            return spec + " on " + inputs.stream().map(HostTensor::toString).toList() + ", grid " + grid;
        }
    }

    /** A block as one function of its inputs. */
    interface Function extends AutoCloseable {
        Tensor apply(Scope scope, List<Tensor> inputs, Grid grid);

        @Override
        void close();
    }

    /** Makes a block of the backend's own layers. */
    static Function make(Backend backend, Mode mode, BlockSpec spec, Map<String, Tensor> weights) {
        BlockContext context = backend.context(mode);
        LayerProvider layers = backend.layers();
        BlockParameters parameters = new BlockParameters(weights, "");
        if (spec instanceof PatchEmbeddingSpec s) {
            PatchEmbedding block = layers.patchEmbedding(context, s, parameters);
            return function((scope, x, grid) -> block.forward(scope, x.get(0)).tensor(), block::close);
        }
        if (spec instanceof SelfAttentionSpec s) {
            SelfAttention block = layers.selfAttention(context, s, parameters);
            return function((scope, x, grid) -> block.forward(scope, x.get(0), grid), block::close);
        }
        if (spec instanceof MixFeedForwardSpec s) {
            MixFeedForward block = layers.mixFeedForward(context, s, parameters);
            return function((scope, x, grid) -> block.forward(scope, x.get(0), grid), block::close);
        }
        if (spec instanceof TransformerBlockSpec s) {
            TransformerBlock block = layers.transformerBlock(
                    context,
                    s,
                    parameters,
                    layers.selfAttention(context, s.attention(), parameters.at("attention.")),
                    layers.mixFeedForward(context, s.feedForward(), parameters.at("mlp.")));
            return function((scope, x, grid) -> block.forward(scope, x.get(0), grid), block::close);
        }
        if (spec instanceof StageNormSpec s) {
            StageNorm block = layers.stageNorm(context, s, parameters);
            return function((scope, x, grid) -> block.forward(scope, x.get(0), grid), block::close);
        }
        Decoder block = layers.decoder(context, (DecoderSpec) spec, parameters);
        return function((scope, x, grid) -> block.forward(scope, x), block::close);
    }

    /** Computes one of the paper's blocks operation by operation. */
    static Tensor compute(Ops ops, BlockSpec spec, BlockParameters weights, List<Tensor> inputs, Grid grid) {
        Layers paper = Layers.PAPER;
        Tensor x = inputs.get(0);
        if (spec instanceof PatchEmbeddingSpec s) {
            return paper.patchEmbedding().forward(ops, s, weights, x).tensor();
        }
        if (spec instanceof SelfAttentionSpec s) {
            return paper.selfAttention().forward(ops, s, weights, x, grid);
        }
        if (spec instanceof MixFeedForwardSpec s) {
            return paper.feedForward().forward(ops, s, weights, x, grid);
        }
        if (spec instanceof TransformerBlockSpec s) {
            return paper.transformerBlock()
                    .forward(ops, s, weights, paper.selfAttention(), paper.feedForward(), x, grid);
        }
        if (spec instanceof StageNormSpec s) {
            return paper.stageNorm().forward(ops, s, weights, x, grid);
        }
        return paper.decoder().forward(ops, (DecoderSpec) spec, weights, inputs);
    }

    /** Returns the output of a block that is computed operation by operation. */
    static HostTensor compute(Backend backend, Pass pass, Case given) {
        try (Scope scope = backend.newScope()) {
            Map<String, Tensor> weights = new LinkedHashMap<>();
            given.weights().tensors().forEach((name, host) -> weights.put(name, scope.tensor(host)));
            List<Tensor> inputs = given.inputs().stream().map(scope::tensor).toList();
            return compute(
                            backend.ops(scope, pass),
                            given.spec(),
                            new BlockParameters(weights, ""),
                            inputs,
                            given.grid())
                    .toHost();
        }
    }

    /** Returns a block's output. */
    static HostTensor forward(Backend backend, Mode mode, Case given) {
        try (Scope scope = backend.newScope()) {
            Map<String, Tensor> weights = new LinkedHashMap<>();
            given.weights().tensors().forEach((name, host) -> weights.put(name, scope.tensor(host)));
            try (Function block = make(backend, mode, given.spec(), weights)) {
                List<Tensor> inputs = given.inputs().stream().map(scope::tensor).toList();
                return block.apply(scope, inputs, given.grid()).toHost();
            }
        }
    }

    @FunctionalInterface
    private interface Forward {
        Tensor apply(Scope scope, List<Tensor> inputs, Grid grid);
    }

    private static Function function(Forward forward, Runnable close) {
        return new Function() {
            @Override
            public Tensor apply(Scope scope, List<Tensor> inputs, Grid grid) {
                return forward.apply(scope, inputs, grid);
            }

            @Override
            public void close() {
                close.run();
            }
        };
    }
}

package org.segformer3d.backend.onnxruntime;

import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
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
import org.segformer3d.api.block.LayerKind;
import org.segformer3d.api.block.LayerProvider;
import org.segformer3d.api.block.MixFeedForward;
import org.segformer3d.api.block.Mode;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.block.PatchEmbedding;
import org.segformer3d.api.block.PerAxis;
import org.segformer3d.api.block.SelfAttention;
import org.segformer3d.api.block.StageNorm;
import org.segformer3d.api.block.Tokens;
import org.segformer3d.api.block.TransformerBlock;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.onnx.OnnxBlock;

/** Makes this backend's blocks, each a small graph of its own. */
final class OnnxRuntimeLayers implements LayerProvider {
    @Override
    public String name() {
        return OnnxRuntimeProvider.NAME;
    }

    @Override
    public Set<LayerKind> kinds() {
        return EnumSet.allOf(LayerKind.class);
    }

    @Override
    public boolean supports(BlockContext context) {
        return context.backend() instanceof OnnxRuntimeBackend && context.mode() == Mode.INFERENCE;
    }

    private static OnnxRuntimeBackend backend(BlockContext context) {
        if (!(context.backend() instanceof OnnxRuntimeBackend backend)) {
            throw new IllegalArgumentException("the blocks of '" + OnnxRuntimeProvider.NAME
                    + "' work on its own tensors only, not on those of '"
                    + context.backend().name() + "'");
        }
        backend.requireOpen();
        if (context.mode() != Mode.INFERENCE) {
            throw new UnsupportedOperationException("backend '" + OnnxRuntimeProvider.NAME + "' doesn't train");
        }
        return backend;
    }

    /** Returns a block's weights; the number of batches tracked isn't needed and may be missing. */
    private static StateDict weights(
            OnnxRuntimeBackend backend, List<ParameterSpec> specs, BlockParameters parameters) {
        Map<String, HostTensor> weights = new LinkedHashMap<>();
        for (ParameterSpec spec : specs) {
            if (!spec.name().endsWith("num_batches_tracked")) {
                weights.put(
                        spec.name(), backend.tensor(parameters.get(spec.name())).host());
            }
        }
        return StateDict.of(weights);
    }

    private static Session session(OnnxRuntimeBackend backend, BlockSpec spec, BlockParameters parameters) {
        return new Session(backend, OnnxBlock.toBytes(spec, weights(backend, spec.parameters(), parameters)));
    }

    private static HostTensor run(Session session, Grid grid, HostTensor... inputs) {
        Map<String, HostTensor> named = new LinkedHashMap<>();
        for (int n = 0; n < inputs.length; n++) {
            named.put(OnnxBlock.input(n), inputs[n]);
        }
        return session.run(named, Optional.of(grid), OnnxBlock.OUTPUT);
    }

    /** Returns tokens whose shape was checked. */
    private static HostTensor tokens(OnnxRuntimeBackend backend, Tensor x, int width, Grid grid) {
        HostTensor tokens = backend.tensor(x).host();
        long[] shape = tokens.shape();
        if (shape.length != 3 || shape[0] < 1 || shape[1] != grid.tokens() || shape[2] != width) {
            throw new IllegalArgumentException("tokens: found shape " + Shapes.text(shape) + ", expected (B,"
                    + grid.tokens() + "," + width + ") on the grid " + grid);
        }
        return tokens;
    }

    @Override
    public PatchEmbedding patchEmbedding(BlockContext context, PatchEmbeddingSpec spec, BlockParameters parameters) {
        OnnxRuntimeBackend backend = backend(context);
        Session session = session(backend, spec, parameters);
        return new PatchEmbedding() {
            @Override
            public PatchEmbeddingSpec spec() {
                return spec;
            }

            @Override
            public Tokens forward(Scope scope, Tensor x) {
                OnnxRuntimeScope owner = backend.scope(scope);
                HostTensor map = backend.tensor(x).host();
                long[] shape = map.shape();
                if (shape.length != 5 || shape[0] < 1 || shape[1] != spec.inChannels()) {
                    throw new IllegalArgumentException("input: found shape " + Shapes.text(shape) + ", expected (B,"
                            + spec.inChannels() + ",D,H,W)");
                }
                Grid grid = Grid.of(shape).convolved(spec.kernel(), spec.stride(), spec.padding());
                return new Tokens(owner.own(run(session, grid, map)), grid);
            }

            @Override
            public void close() {
                session.close();
            }
        };
    }

    /** A graph from tokens on a grid to one tensor. */
    private abstract static class TokenBlock {
        private final OnnxRuntimeBackend backend;
        private final int width;
        private final Session session;

        TokenBlock(BlockContext context, BlockSpec spec, int width, BlockParameters parameters) {
            this.backend = backend(context);
            this.width = width;
            this.session = session(backend, spec, parameters);
        }

        public Tensor forward(Scope scope, Tensor x, Grid grid) {
            OnnxRuntimeScope owner = backend.scope(scope);
            return owner.own(run(session, grid, tokens(backend, x, width, grid)));
        }

        public void close() {
            session.close();
        }
    }

    @Override
    public SelfAttention selfAttention(BlockContext context, SelfAttentionSpec spec, BlockParameters parameters) {
        return new Attention(context, spec, parameters);
    }

    private static final class Attention extends TokenBlock implements SelfAttention {
        private final SelfAttentionSpec spec;

        Attention(BlockContext context, SelfAttentionSpec spec, BlockParameters parameters) {
            super(context, spec, spec.dim(), parameters);
            this.spec = spec;
        }

        @Override
        public SelfAttentionSpec spec() {
            return spec;
        }

        @Override
        public Tensor forward(Scope scope, Tensor x, Grid grid) {
            // refuses a grid smaller than the reduction
            grid.convolved(spec.srRatio(), spec.srRatio(), PerAxis.of(0));
            return super.forward(scope, x, grid);
        }
    }

    @Override
    public MixFeedForward mixFeedForward(BlockContext context, MixFeedForwardSpec spec, BlockParameters parameters) {
        return new FeedForward(context, spec, parameters);
    }

    private static final class FeedForward extends TokenBlock implements MixFeedForward {
        private final MixFeedForwardSpec spec;

        FeedForward(BlockContext context, MixFeedForwardSpec spec, BlockParameters parameters) {
            super(context, spec, spec.dim(), parameters);
            this.spec = spec;
        }

        @Override
        public MixFeedForwardSpec spec() {
            return spec;
        }
    }

    @Override
    public TransformerBlock transformerBlock(
            BlockContext context,
            TransformerBlockSpec spec,
            BlockParameters parameters,
            SelfAttention attention,
            MixFeedForward feedForward) {
        OnnxRuntimeBackend backend = backend(context);
        Session norm1 = norm(backend, spec, parameters.at("norm1."));
        Session norm2 = norm(backend, spec, parameters.at("norm2."));
        return new TransformerBlock() {
            @Override
            public TransformerBlockSpec spec() {
                return spec;
            }

            @Override
            public Tensor forward(Scope scope, Tensor x, Grid grid) {
                OnnxRuntimeScope owner = backend.scope(scope);
                HostTensor input = tokens(backend, x, spec.dim(), grid);
                try (OnnxRuntimeScope inner = new OnnxRuntimeScope(backend)) {
                    Tensor attended = attention.forward(inner, inner.own(run(norm1, grid, input)), grid);
                    HostTensor z = sum(input, tokens(backend, attended, spec.dim(), grid));
                    Tensor mixed = feedForward.forward(inner, inner.own(run(norm2, grid, z)), grid);
                    return owner.own(sum(z, tokens(backend, mixed, spec.dim(), grid)));
                }
            }

            @Override
            public void close() {
                norm1.close();
                norm2.close();
                attention.close();
                feedForward.close();
            }
        };
    }

    private static Session norm(OnnxRuntimeBackend backend, TransformerBlockSpec spec, BlockParameters parameters) {
        StageNormSpec norm = new StageNormSpec(spec.dim());
        return new Session(backend, OnnxBlock.layerNorm(spec.dim(), weights(backend, norm.parameters(), parameters)));
    }

    private static HostTensor sum(HostTensor a, HostTensor b) {
        HostTensor sum = HostTensor.zeros(DType.FLOAT32, a.shape());
        int count = Math.toIntExact(a.elements());
        for (int n = 0; n < count; n++) {
            sum.floatBuffer().put(n, a.floatBuffer().get(n) + b.floatBuffer().get(n));
        }
        return sum;
    }

    @Override
    public StageNorm stageNorm(BlockContext context, StageNormSpec spec, BlockParameters parameters) {
        return new StageEnd(context, spec, parameters);
    }

    private static final class StageEnd extends TokenBlock implements StageNorm {
        private final StageNormSpec spec;

        StageEnd(BlockContext context, StageNormSpec spec, BlockParameters parameters) {
            super(context, spec, spec.dim(), parameters);
            this.spec = spec;
        }

        @Override
        public StageNormSpec spec() {
            return spec;
        }
    }

    @Override
    public Decoder decoder(BlockContext context, DecoderSpec spec, BlockParameters parameters) {
        OnnxRuntimeBackend backend = backend(context);
        Session session = session(backend, spec, parameters);
        return new Decoder() {
            @Override
            public DecoderSpec spec() {
                return spec;
            }

            @Override
            public Tensor forward(Scope scope, List<Tensor> features) {
                OnnxRuntimeScope owner = backend.scope(scope);
                if (features.size() != spec.featureDims().size()) {
                    throw new IllegalArgumentException("found " + features.size() + " feature maps, expected "
                            + spec.featureDims().size());
                }
                HostTensor[] maps = new HostTensor[features.size()];
                for (int n = 0; n < maps.length; n++) {
                    maps[n] = backend.tensor(features.get(n)).host();
                    long[] shape = maps[n].shape();
                    if (shape.length != 5
                            || shape[0] != maps[0].size(0)
                            || shape[1] != spec.featureDims().get(n)) {
                        throw new IllegalArgumentException("feature map " + (n + 1) + ": found shape "
                                + Shapes.text(shape) + ", expected (" + maps[0].size(0) + ","
                                + spec.featureDims().get(n) + ",D,H,W)");
                    }
                }
                return owner.own(run(session, Grid.of(maps[0].shape()), maps));
            }

            @Override
            public void close() {
                session.close();
            }
        };
    }
}

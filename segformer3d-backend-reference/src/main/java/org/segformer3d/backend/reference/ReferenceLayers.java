package org.segformer3d.backend.reference;

import java.util.EnumSet;
import java.util.Set;
import org.segformer3d.api.block.BlockContext;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.BlockSpec;
import org.segformer3d.api.block.Decoder;
import org.segformer3d.api.block.LayerKind;
import org.segformer3d.api.block.LayerProvider;
import org.segformer3d.api.block.MixFeedForward;
import org.segformer3d.api.block.PatchEmbedding;
import org.segformer3d.api.block.SelfAttention;
import org.segformer3d.api.block.StageNorm;
import org.segformer3d.api.block.TransformerBlock;

/** Makes the reference backend's blocks. */
final class ReferenceLayers implements LayerProvider {
    @Override
    public String name() {
        return "reference";
    }

    @Override
    public Set<LayerKind> kinds() {
        return EnumSet.allOf(LayerKind.class);
    }

    @Override
    public boolean supports(BlockContext context) {
        return context.backend() instanceof ReferenceBackend;
    }

    @Override
    public PatchEmbedding patchEmbedding(
            BlockContext context, BlockSpec.PatchEmbeddingSpec spec, BlockParameters parameters) {
        return new ReferencePatchEmbedding(backend(context), spec, parameters);
    }

    @Override
    public SelfAttention selfAttention(
            BlockContext context, BlockSpec.SelfAttentionSpec spec, BlockParameters parameters) {
        return new ReferenceSelfAttention(backend(context), spec, parameters);
    }

    @Override
    public MixFeedForward mixFeedForward(
            BlockContext context, BlockSpec.MixFeedForwardSpec spec, BlockParameters parameters) {
        return new ReferenceMixFeedForward(backend(context), spec, parameters, context.mode());
    }

    @Override
    public TransformerBlock transformerBlock(
            BlockContext context,
            BlockSpec.TransformerBlockSpec spec,
            BlockParameters parameters,
            SelfAttention attention,
            MixFeedForward feedForward) {
        return new ReferenceTransformerBlock(backend(context), spec, parameters, attention, feedForward);
    }

    @Override
    public StageNorm stageNorm(BlockContext context, BlockSpec.StageNormSpec spec, BlockParameters parameters) {
        return new ReferenceStageNorm(backend(context), spec, parameters);
    }

    @Override
    public Decoder decoder(BlockContext context, BlockSpec.DecoderSpec spec, BlockParameters parameters) {
        return new ReferenceDecoder(backend(context), spec, parameters, context.mode());
    }

    private static ReferenceBackend backend(BlockContext context) {
        if (context.backend() instanceof ReferenceBackend backend) {
            backend.requireOpen();
            return backend;
        }
        throw new IllegalArgumentException(
                "the reference backend's blocks work on its own tensors only, not on those of '"
                        + context.backend().name() + "'");
    }
}

package org.segformer3d.backend.libtorch;

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

/** This backend's blocks: the operations of the paper one after the other, differentiable in training mode. */
final class PlainLayers implements LayerProvider {
    private final java.util.function.Supplier<Recording> dropout;
    private final SharedBatchNorm batchNorm;

    /** @param batchNorm for batches that processes share, else {@code null} */
    PlainLayers(java.util.function.Supplier<Recording> dropout, SharedBatchNorm batchNorm) {
        this.dropout = dropout;
        this.batchNorm = batchNorm;
    }

    @Override
    public String name() {
        return LibtorchBackend.NAME;
    }

    @Override
    public Set<LayerKind> kinds() {
        return EnumSet.allOf(LayerKind.class);
    }

    @Override
    public boolean supports(BlockContext context) {
        return context.backend() instanceof LibtorchBackend;
    }

    @Override
    public PatchEmbedding patchEmbedding(
            BlockContext context, BlockSpec.PatchEmbeddingSpec spec, BlockParameters parameters) {
        return new PlainPatchEmbedding(new Weights(context, parameters), spec);
    }

    @Override
    public SelfAttention selfAttention(
            BlockContext context, BlockSpec.SelfAttentionSpec spec, BlockParameters parameters) {
        return new PlainSelfAttention(new Weights(context, parameters), spec);
    }

    @Override
    public MixFeedForward mixFeedForward(
            BlockContext context, BlockSpec.MixFeedForwardSpec spec, BlockParameters parameters) {
        return new PlainMixFeedForward(new Weights(context, parameters), spec, batchNorm, dropout);
    }

    @Override
    public TransformerBlock transformerBlock(
            BlockContext context,
            BlockSpec.TransformerBlockSpec spec,
            BlockParameters parameters,
            SelfAttention attention,
            MixFeedForward feedForward) {
        return new PlainTransformerBlock(new Weights(context, parameters), spec, attention, feedForward);
    }

    @Override
    public StageNorm stageNorm(BlockContext context, BlockSpec.StageNormSpec spec, BlockParameters parameters) {
        return new PlainStageNorm(new Weights(context, parameters), spec);
    }

    @Override
    public Decoder decoder(BlockContext context, BlockSpec.DecoderSpec spec, BlockParameters parameters) {
        return new PlainDecoder(new Weights(context, parameters), spec, dropout, batchNorm);
    }
}

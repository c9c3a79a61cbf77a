package org.segformer3d.api.block;

import java.util.List;
import java.util.Set;

/**
 * Supplies blocks: a backend its own, a third party replacements that a configuration chooses by name.
 *
 * <p>A replacement is registered for {@link java.util.ServiceLoader} and named in the configuration, for example
 * {@code model_parameters: {layers: {self_attention: my-attention}}}. It overrides the factory methods of the kinds it supplies and
 * lists them in {@link #kinds()}. Layers that only copy tensors out and in work on every backend for inference; a layer that shall
 * be trained must compute with the backend's own differentiable operations.
 */
public interface LayerProvider {
    /** Returns the name configurations use, never {@code null}. */
    String name();

    /** Returns the kinds this provider supplies. */
    Set<LayerKind> kinds();

    /**
     * Returns whether blocks can be made for this backend and mode.
     *
     * @param context backend and mode
     */
    default boolean supports(BlockContext context) {
        return true;
    }

    /**
     * Returns the state-dict entries a block of this provider has; the paper's by default.
     *
     * @param spec sizes of the block
     */
    default List<ParameterSpec> parameters(BlockSpec spec) {
        return spec.parameters();
    }

    /**
     * Returns the multiply-accumulates of one block for a batch of one; the paper's by default.
     *
     * @param spec sizes of the block
     * @param input grids the block reads: one, or four (finest first) for a decoder
     */
    default long macs(BlockSpec spec, List<Grid> input) {
        return BlockMacs.of(spec, input);
    }

    /** Returns a patch embedding. */
    default PatchEmbedding patchEmbedding(
            BlockContext context, BlockSpec.PatchEmbeddingSpec spec, BlockParameters parameters) {
        throw notSupplied(LayerKind.PATCH_EMBEDDING);
    }

    /** Returns a self-attention. */
    default SelfAttention selfAttention(
            BlockContext context, BlockSpec.SelfAttentionSpec spec, BlockParameters parameters) {
        throw notSupplied(LayerKind.SELF_ATTENTION);
    }

    /** Returns a Mix-FFN. */
    default MixFeedForward mixFeedForward(
            BlockContext context, BlockSpec.MixFeedForwardSpec spec, BlockParameters parameters) {
        throw notSupplied(LayerKind.MIX_FEED_FORWARD);
    }

    /**
     * Returns a transformer block around an attention and a Mix-FFN, whichever provider made them; closing it closes both.
     *
     * @param parameters the block's, in which {@code norm1.weight} and so on are found
     */
    default TransformerBlock transformerBlock(
            BlockContext context,
            BlockSpec.TransformerBlockSpec spec,
            BlockParameters parameters,
            SelfAttention attention,
            MixFeedForward feedForward) {
        throw notSupplied(LayerKind.TRANSFORMER_BLOCK);
    }

    /** Returns the norm that ends a stage. */
    default StageNorm stageNorm(BlockContext context, BlockSpec.StageNormSpec spec, BlockParameters parameters) {
        throw notSupplied(LayerKind.STAGE_NORM);
    }

    /** Returns a decoder. */
    default Decoder decoder(BlockContext context, BlockSpec.DecoderSpec spec, BlockParameters parameters) {
        throw notSupplied(LayerKind.DECODER);
    }

    private UnsupportedOperationException notSupplied(LayerKind kind) {
        return new UnsupportedOperationException("layer provider '" + name() + "' supplies no " + kind.key());
    }
}

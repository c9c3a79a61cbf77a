package org.segformer3d.api.model;

import java.util.ArrayList;
import java.util.List;
import org.segformer3d.api.block.BlockSpec;
import org.segformer3d.api.block.BlockSpec.DecoderSpec;
import org.segformer3d.api.block.BlockSpec.MixFeedForwardSpec;
import org.segformer3d.api.block.BlockSpec.PatchEmbeddingSpec;
import org.segformer3d.api.block.BlockSpec.SelfAttentionSpec;
import org.segformer3d.api.block.BlockSpec.StageNormSpec;
import org.segformer3d.api.block.BlockSpec.TransformerBlockSpec;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.config.SegFormer3DConfig;

/**
 * Which blocks a configuration consists of and what their parameters are called: the one place that knows the official names.
 *
 * @param blocks every block with the prefix of its parameters, in the order of computation
 * @param parameters every entry of the state dict under its full name, in the same order
 */
public record ModelLayout(List<PlacedBlock> blocks, List<ParameterSpec> parameters) {
    /**
     * A block at its place.
     *
     * @param prefix what stands before the names of its parameters
     * @param stage encoder stage 0…3, or −1 for the decoder
     * @param spec its sizes
     */
    public record PlacedBlock(String prefix, int stage, BlockSpec spec) {}

    /** Returns the prefix of a stage's patch embedding; stages count from 0 here and from 1 in the names. */
    public static String embeddingPrefix(int stage) {
        return "segformer_encoder.embed_" + (stage + 1) + ".";
    }

    /** Returns the prefix of a transformer block. */
    public static String blockPrefix(int stage, int block) {
        return "segformer_encoder.tf_block" + (stage + 1) + "." + block + ".";
    }

    /** Returns the prefix of a stage's final norm. */
    public static String stageNormPrefix(int stage) {
        return "segformer_encoder.norm" + (stage + 1) + ".";
    }

    /** Returns the prefix of the decoder. */
    public static String decoderPrefix() {
        return "segformer_decoder.";
    }

    /** Returns the sizes of a stage's patch embedding. */
    public static PatchEmbeddingSpec embedding(SegFormer3DConfig config, int stage) {
        return new PatchEmbeddingSpec(
                stage == 0 ? config.inChannels() : config.embedDims().get(stage - 1),
                config.embedDims().get(stage),
                config.patchKernelSize().get(stage),
                config.patchStride().get(stage),
                config.patchPadding().get(stage));
    }

    /** Returns the sizes of a stage's transformer blocks. */
    public static TransformerBlockSpec transformerBlock(SegFormer3DConfig config, int stage) {
        int dim = config.embedDims().get(stage);
        return new TransformerBlockSpec(
                new SelfAttentionSpec(
                        dim, config.numHeads().get(stage), config.srRatios().get(stage)),
                new MixFeedForwardSpec(dim, dim * config.mlpRatios().get(stage)));
    }

    /** Returns the sizes of the decoder. */
    public static DecoderSpec decoder(SegFormer3DConfig config) {
        return new DecoderSpec(
                config.embedDims(),
                config.decoderHeadEmbeddingDim(),
                config.numClasses(),
                config.decoderDropout(),
                config.patchStride().get(0));
    }

    /** Returns the layout of a configuration whose layers are all the paper's. */
    public static ModelLayout of(SegFormer3DConfig config) {
        List<PlacedBlock> blocks = new ArrayList<>();
        for (int stage = 0; stage < SegFormer3DConfig.STAGES; stage++) {
            blocks.add(new PlacedBlock(embeddingPrefix(stage), stage, embedding(config, stage)));
            TransformerBlockSpec block = transformerBlock(config, stage);
            for (int j = 0; j < config.depths().get(stage); j++) {
                String prefix = blockPrefix(stage, j);
                blocks.add(new PlacedBlock(prefix, stage, block));
                blocks.add(new PlacedBlock(prefix + "attention.", stage, block.attention()));
                blocks.add(new PlacedBlock(prefix + "mlp.", stage, block.feedForward()));
            }
            blocks.add(new PlacedBlock(
                    stageNormPrefix(stage),
                    stage,
                    new StageNormSpec(config.embedDims().get(stage))));
        }
        blocks.add(new PlacedBlock(decoderPrefix(), -1, decoder(config)));
        List<ParameterSpec> parameters = new ArrayList<>();
        for (PlacedBlock block : blocks) {
            for (ParameterSpec parameter : block.spec().parameters()) {
                parameters.add(parameter.prefixed(block.prefix()));
            }
        }
        return new ModelLayout(List.copyOf(blocks), List.copyOf(parameters));
    }
}

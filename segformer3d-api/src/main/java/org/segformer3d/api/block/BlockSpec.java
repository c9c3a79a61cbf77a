package org.segformer3d.api.block;

import static org.segformer3d.api.block.ParameterSpec.Role.BATCHES_TRACKED;
import static org.segformer3d.api.block.ParameterSpec.Role.CONV_BIAS;
import static org.segformer3d.api.block.ParameterSpec.Role.CONV_WEIGHT;
import static org.segformer3d.api.block.ParameterSpec.Role.DEPTHWISE_CONV_WEIGHT;
import static org.segformer3d.api.block.ParameterSpec.Role.LINEAR_BIAS;
import static org.segformer3d.api.block.ParameterSpec.Role.LINEAR_WEIGHT;
import static org.segformer3d.api.block.ParameterSpec.Role.NORM_BIAS;
import static org.segformer3d.api.block.ParameterSpec.Role.NORM_WEIGHT;
import static org.segformer3d.api.block.ParameterSpec.Role.RUNNING_MEAN;
import static org.segformer3d.api.block.ParameterSpec.Role.RUNNING_VARIANCE;

import java.util.ArrayList;
import java.util.List;

/** The sizes of one block, and with them the names and shapes of its parameters. */
public sealed interface BlockSpec {
    /** ε of every LayerNorm and BatchNorm. */
    double NORM_EPSILON = 1e-5;

    /** Weight of a new batch in a BatchNorm's running statistics. */
    double BATCH_NORM_MOMENTUM = 0.1;

    /** Returns the kind of layer. */
    LayerKind kind();

    /** Returns the entries of the block's state dict under their names within the block, in official order. */
    List<ParameterSpec> parameters();

    /**
     * Overlapped patch embedding: Conv3d(kernel, stride, padding, bias) → tokens → LayerNorm.
     *
     * @param inChannels C of the input (B,C,D,H,W)
     * @param embedDim width E of the tokens (B,N,E)
     * @param kernel size of the kernel
     * @param stride stride
     * @param padding zero padding on each side
     */
    record PatchEmbeddingSpec(int inChannels, int embedDim, PerAxis kernel, PerAxis stride, PerAxis padding)
            implements BlockSpec {
        /** Makes an embedding with the same numbers along all axes. */
        public PatchEmbeddingSpec(int inChannels, int embedDim, int kernel, int stride, int padding) {
            this(inChannels, embedDim, PerAxis.of(kernel), PerAxis.of(stride), PerAxis.of(padding));
        }

        @Override
        public LayerKind kind() {
            return LayerKind.PATCH_EMBEDDING;
        }

        @Override
        public List<ParameterSpec> parameters() {
            return List.of(
                    ParameterSpec.of(
                            "patch_embeddings.weight",
                            CONV_WEIGHT,
                            embedDim,
                            inChannels,
                            kernel.depth(),
                            kernel.height(),
                            kernel.width()),
                    ParameterSpec.of("patch_embeddings.bias", CONV_BIAS, embedDim),
                    ParameterSpec.of("norm.weight", NORM_WEIGHT, embedDim),
                    ParameterSpec.of("norm.bias", NORM_BIAS, embedDim));
        }
    }

    /**
     * Efficient self-attention (see {@link SelfAttention}).
     *
     * @param dim token width C, a multiple of heads
     * @param heads number of heads
     * @param srRatio spatial reduction of keys and values; 1 for none
     */
    record SelfAttentionSpec(int dim, int heads, PerAxis srRatio) implements BlockSpec {
        /** Makes an attention with the same reduction along all axes. */
        public SelfAttentionSpec(int dim, int heads, int srRatio) {
            this(dim, heads, PerAxis.of(srRatio));
        }

        /** Returns whether keys and values are fewer than queries, which takes parameters of its own. */
        public boolean reduces() {
            return srRatio.product() > 1;
        }

        @Override
        public LayerKind kind() {
            return LayerKind.SELF_ATTENTION;
        }

        @Override
        public List<ParameterSpec> parameters() {
            List<ParameterSpec> list = new ArrayList<>(List.of(
                    ParameterSpec.of("query.weight", LINEAR_WEIGHT, dim, dim),
                    ParameterSpec.of("query.bias", LINEAR_BIAS, dim),
                    ParameterSpec.of("key_value.weight", LINEAR_WEIGHT, 2L * dim, dim),
                    ParameterSpec.of("key_value.bias", LINEAR_BIAS, 2L * dim),
                    ParameterSpec.of("proj.weight", LINEAR_WEIGHT, dim, dim),
                    ParameterSpec.of("proj.bias", LINEAR_BIAS, dim)));
            if (reduces()) {
                list.add(ParameterSpec.of(
                        "sr.weight", CONV_WEIGHT, dim, dim, srRatio.depth(), srRatio.height(), srRatio.width()));
                list.add(ParameterSpec.of("sr.bias", CONV_BIAS, dim));
                list.add(ParameterSpec.of("sr_norm.weight", NORM_WEIGHT, dim));
                list.add(ParameterSpec.of("sr_norm.bias", NORM_BIAS, dim));
            }
            return List.copyOf(list);
        }
    }

    /**
     * Mix-FFN (see {@link MixFeedForward}).
     *
     * @param dim token width C
     * @param hidden width inside, mlp ratio · C
     */
    record MixFeedForwardSpec(int dim, int hidden) implements BlockSpec {
        @Override
        public LayerKind kind() {
            return LayerKind.MIX_FEED_FORWARD;
        }

        @Override
        public List<ParameterSpec> parameters() {
            return List.of(
                    ParameterSpec.of("fc1.weight", LINEAR_WEIGHT, hidden, dim),
                    ParameterSpec.of("fc1.bias", LINEAR_BIAS, hidden),
                    ParameterSpec.of("dwconv.dwconv.weight", DEPTHWISE_CONV_WEIGHT, hidden, 1, 3, 3, 3),
                    ParameterSpec.of("dwconv.dwconv.bias", CONV_BIAS, hidden),
                    ParameterSpec.of("dwconv.bn.weight", NORM_WEIGHT, hidden),
                    ParameterSpec.of("dwconv.bn.bias", NORM_BIAS, hidden),
                    ParameterSpec.of("dwconv.bn.running_mean", RUNNING_MEAN, hidden),
                    ParameterSpec.of("dwconv.bn.running_var", RUNNING_VARIANCE, hidden),
                    ParameterSpec.of("dwconv.bn.num_batches_tracked", BATCHES_TRACKED),
                    ParameterSpec.of("fc2.weight", LINEAR_WEIGHT, dim, hidden),
                    ParameterSpec.of("fc2.bias", LINEAR_BIAS, dim));
        }
    }

    /**
     * Transformer block: x += attention(norm1 x); x += mlp(norm2 x). Its own parameters are the two norms'.
     *
     * @param attention the attention inside
     * @param feedForward the Mix-FFN inside
     */
    record TransformerBlockSpec(SelfAttentionSpec attention, MixFeedForwardSpec feedForward) implements BlockSpec {
        /** Checks that both parts have the same token width. */
        public TransformerBlockSpec {
            if (attention.dim() != feedForward.dim()) {
                throw new IllegalArgumentException(
                        "attention of width " + attention.dim() + " with a Mix-FFN of width " + feedForward.dim());
            }
        }

        /** Returns the token width. */
        public int dim() {
            return attention.dim();
        }

        @Override
        public LayerKind kind() {
            return LayerKind.TRANSFORMER_BLOCK;
        }

        @Override
        public List<ParameterSpec> parameters() {
            return List.of(
                    ParameterSpec.of("norm1.weight", NORM_WEIGHT, dim()),
                    ParameterSpec.of("norm1.bias", NORM_BIAS, dim()),
                    ParameterSpec.of("norm2.weight", NORM_WEIGHT, dim()),
                    ParameterSpec.of("norm2.bias", NORM_BIAS, dim()));
        }
    }

    /**
     * End of a stage: LayerNorm of the tokens, seen as a feature map.
     *
     * @param dim token width C
     */
    record StageNormSpec(int dim) implements BlockSpec {
        @Override
        public LayerKind kind() {
            return LayerKind.STAGE_NORM;
        }

        @Override
        public List<ParameterSpec> parameters() {
            return List.of(ParameterSpec.of("weight", NORM_WEIGHT, dim), ParameterSpec.of("bias", NORM_BIAS, dim));
        }
    }

    /**
     * All-MLP decoder (see {@link Decoder}).
     *
     * @param featureDims widths of the four feature maps, finest first
     * @param dim width E inside the decoder
     * @param classes output channels
     * @param dropout probability of dropping a value of the fused map in training, each by itself
     * @param upsampling factor from the finest feature map to the logits
     */
    record DecoderSpec(List<Integer> featureDims, int dim, int classes, double dropout, PerAxis upsampling)
            implements BlockSpec {
        /** Makes a decoder with the same factor along all axes. */
        public DecoderSpec(List<Integer> featureDims, int dim, int classes, double dropout, int upsampling) {
            this(featureDims, dim, classes, dropout, PerAxis.of(upsampling));
        }

        /** Copies the widths. */
        public DecoderSpec {
            featureDims = List.copyOf(featureDims);
        }

        @Override
        public LayerKind kind() {
            return LayerKind.DECODER;
        }

        @Override
        public List<ParameterSpec> parameters() {
            List<ParameterSpec> list = new ArrayList<>();
            for (int i = featureDims.size(); i >= 1; i--) {
                String prefix = "linear_c" + i + ".";
                list.add(ParameterSpec.of(prefix + "proj.weight", LINEAR_WEIGHT, dim, featureDims.get(i - 1)));
                list.add(ParameterSpec.of(prefix + "proj.bias", LINEAR_BIAS, dim));
                list.add(ParameterSpec.of(prefix + "bn.weight", NORM_WEIGHT, dim));
                list.add(ParameterSpec.of(prefix + "bn.bias", NORM_BIAS, dim));
            }
            list.add(ParameterSpec.of(
                    "linear_fuse.0.weight", CONV_WEIGHT, dim, (long) featureDims.size() * dim, 1, 1, 1));
            list.add(ParameterSpec.of("linear_fuse.1.weight", NORM_WEIGHT, dim));
            list.add(ParameterSpec.of("linear_fuse.1.bias", NORM_BIAS, dim));
            list.add(ParameterSpec.of("linear_fuse.1.running_mean", RUNNING_MEAN, dim));
            list.add(ParameterSpec.of("linear_fuse.1.running_var", RUNNING_VARIANCE, dim));
            list.add(ParameterSpec.of("linear_fuse.1.num_batches_tracked", BATCHES_TRACKED));
            list.add(ParameterSpec.of("linear_pred.weight", CONV_WEIGHT, classes, dim, 1, 1, 1));
            list.add(ParameterSpec.of("linear_pred.bias", CONV_BIAS, classes));
            return List.copyOf(list);
        }
    }
}

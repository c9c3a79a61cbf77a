package org.segformer3d.api.block;

import java.util.List;

/**
 * Multiply-accumulates of the paper's blocks by arithmetic, for a batch of one.
 *
 * <p>Counted: products of Linear, Conv3d and the two attention products. Not counted: norms, activations, softmax, residual
 * sums and trilinear resizing, as is usual (one multiply-accumulate is what most papers print as one "FLOP").
 */
public final class BlockMacs {
    private BlockMacs() {}

    /**
     * Returns the multiply-accumulates of one block.
     *
     * @param spec sizes of the block
     * @param input grids the block reads: one, or one per feature map (finest first) for a decoder
     */
    public static long of(BlockSpec spec, List<Grid> input) {
        Grid grid = input.get(0);
        long n = grid.tokens();
        if (spec instanceof BlockSpec.PatchEmbeddingSpec s) {
            return (long) grid.convolved(s.kernel(), s.stride(), s.padding()).tokens()
                    * s.embedDim()
                    * s.inChannels()
                    * s.kernel().product();
        }
        if (spec instanceof BlockSpec.SelfAttentionSpec s) {
            long c = s.dim();
            long m = grid.convolved(s.srRatio(), s.srRatio(), PerAxis.of(0)).tokens();
            long reduction = s.reduces() ? m * c * c * s.srRatio().product() : 0;
            return 2 * n * c * c + 2 * m * c * c + reduction + 2 * n * m * c;
        }
        if (spec instanceof BlockSpec.MixFeedForwardSpec s) {
            return 2 * n * s.dim() * s.hidden() + n * s.hidden() * 27;
        }
        if (spec instanceof BlockSpec.TransformerBlockSpec s) {
            return of(s.attention(), input) + of(s.feedForward(), input);
        }
        if (spec instanceof BlockSpec.DecoderSpec s) {
            long e = s.dim();
            long macs = 0;
            for (int i = 0; i < input.size(); i++) {
                macs += (long) input.get(i).tokens() * s.featureDims().get(i) * e;
            }
            return macs + n * input.size() * e * e + n * e * s.classes();
        }
        return 0;
    }
}

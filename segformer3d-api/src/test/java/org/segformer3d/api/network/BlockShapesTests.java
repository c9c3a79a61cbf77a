package org.segformer3d.api.network;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.BlockSpec;
import org.segformer3d.api.block.BlockSpec.DecoderSpec;
import org.segformer3d.api.block.BlockSpec.MixFeedForwardSpec;
import org.segformer3d.api.block.BlockSpec.PatchEmbeddingSpec;
import org.segformer3d.api.block.BlockSpec.SelfAttentionSpec;
import org.segformer3d.api.block.BlockSpec.StageNormSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.ops.CountingOps;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.ops.Pass;
import org.segformer3d.api.tensor.Tensor;

/** What shapes the paper's blocks take and refuse; the same on every backend, so that nothing needs computing. */
class BlockShapesTests {
    private final Ops ops = new CountingOps(Pass.INFERENCE);

    private static BlockParameters weights(BlockSpec spec) {
        Map<String, Tensor> tensors = new HashMap<>();
        spec.parameters().forEach(p -> tensors.put(p.name(), CountingOps.shaped(p.dims())));
        return new BlockParameters(tensors, "");
    }

    private static Tensor shaped(long... shape) {
        return CountingOps.shaped(shape);
    }

    private static void assertRefused(ThrowingCallable call) {
        assertThatThrownBy(call).isInstanceOf(IllegalArgumentException.class).hasMessageContaining("found");
    }

    @Test
    void patchEmbeddingsReturnTheGridOfTheirTokens() {
        PatchEmbeddingSpec spec = new PatchEmbeddingSpec(1, 8, 7, 4, 3);
        Tokens tokens = Layers.PAPER.patchEmbedding().forward(ops, spec, weights(spec), shaped(2, 1, 9, 16, 30));
        assertThat(tokens.grid()).isEqualTo(new Grid(3, 4, 8));
        assertThat(tokens.tensor().shape()).containsExactly(2, 96, 8);
    }

    @Test
    void patchEmbeddingsRefuseOtherChannelsRanksAndSmallVolumes() {
        PatchEmbeddingSpec spec = new PatchEmbeddingSpec(2, 8, 7, 4, 1);
        for (Tensor bad : List.of(shaped(1, 3, 8, 8, 9), shaped(2, 8, 8, 9), shaped(1, 2, 8, 8, 9, 1))) {
            assertRefused(() -> Layers.PAPER.patchEmbedding().forward(ops, spec, weights(spec), bad));
        }
        assertThatThrownBy(() -> Layers.PAPER.patchEmbedding().forward(ops, spec, weights(spec), shaped(1, 2, 8, 4, 9)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("too small");
    }

    @Test
    void tokenBlocksRefuseTokensThatAreNotThoseOfTheirGrid() {
        Grid grid = new Grid(2, 3, 4);
        SelfAttentionSpec attention = new SelfAttentionSpec(8, 2, 1);
        MixFeedForwardSpec feedForward = new MixFeedForwardSpec(8, 16);
        StageNormSpec norm = new StageNormSpec(8);
        List<Tensor> wrong = List.of(shaped(2, 24, 9), shaped(2, 25, 8), shaped(24, 8), shaped(2, 8, 2, 3, 4));
        for (Tensor bad : wrong) {
            assertRefused(() -> Layers.PAPER.selfAttention().forward(ops, attention, weights(attention), bad, grid));
            assertRefused(() -> Layers.PAPER.feedForward().forward(ops, feedForward, weights(feedForward), bad, grid));
            assertRefused(() -> Layers.PAPER.stageNorm().forward(ops, norm, weights(norm), bad, grid));
        }
        Tensor good = shaped(2, 24, 8);
        assertThat(Layers.PAPER
                        .selfAttention()
                        .forward(ops, attention, weights(attention), good, grid)
                        .shape())
                .containsExactly(2, 24, 8);
        assertThat(Layers.PAPER
                        .stageNorm()
                        .forward(ops, norm, weights(norm), good, grid)
                        .shape())
                .containsExactly(2, 8, 2, 3, 4);
    }

    @Test
    void attentionRefusesAGridSmallerThanItsRatio() {
        SelfAttentionSpec spec = new SelfAttentionSpec(8, 2, 4);
        assertThatThrownBy(() -> Layers.PAPER
                        .selfAttention()
                        .forward(ops, spec, weights(spec), shaped(1, 243, 8), new Grid(3, 9, 9)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("too small");
    }

    @Test
    void decodersRefuseAnotherNumberOfMapsOtherChannelsAndBatches() {
        DecoderSpec spec = new DecoderSpec(List.of(8, 9, 10, 11), 12, 3, 0, 2);
        Tensor c1 = shaped(2, 8, 4, 5, 6);
        Tensor c2 = shaped(2, 9, 2, 3, 3);
        Tensor c3 = shaped(2, 10, 1, 2, 2);
        Tensor c4 = shaped(2, 11, 1, 1, 1);
        BlockParameters weights = weights(spec);
        assertThat(Layers.PAPER
                        .decoder()
                        .forward(ops, spec, weights, List.of(c1, c2, c3, c4))
                        .shape())
                .containsExactly(2, 3, 8, 10, 12);
        assertRefused(() -> Layers.PAPER.decoder().forward(ops, spec, weights, List.of(c1, c2, c3)));
        for (List<Tensor> bad : List.of(
                List.of(c1, c2, c3, shaped(2, 12, 1, 1, 1)),
                List.of(c1, c2, shaped(1, 10, 1, 2, 2), c4),
                List.of(shaped(2, 120, 8), c2, c3, c4))) {
            assertRefused(() -> Layers.PAPER.decoder().forward(ops, spec, weights, bad));
        }
    }
}

package org.segformer3d.onnx;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.segformer3d.api.block.BlockSpec;
import org.segformer3d.api.block.BlockSpec.DecoderSpec;
import org.segformer3d.api.block.BlockSpec.MixFeedForwardSpec;
import org.segformer3d.api.block.BlockSpec.PatchEmbeddingSpec;
import org.segformer3d.api.block.BlockSpec.SelfAttentionSpec;
import org.segformer3d.api.block.BlockSpec.StageNormSpec;
import org.segformer3d.api.weights.StateDict;

/**
 * Single blocks in evaluation mode as ONNX models, for a runtime that computes them one by one.
 *
 * <p>Inputs are {@code x0}, {@code x1}, … in the order in which the block's interface takes them, and, where tokens come in that lie on a
 * grid, {@code grid} with its three sizes (int64). The output is {@code y}.
 */
public final class OnnxBlock {
    /** Name of the output. */
    public static final String OUTPUT = "y";

    /** Name of the input with the sizes of the tokens' grid. */
    public static final String GRID = "grid";

    private OnnxBlock() {}

    /** Returns the name of an input. */
    public static String input(int index) {
        return "x" + index;
    }

    /**
     * Returns a block as the bytes of an ONNX file.
     *
     * @param spec its sizes; a transformer block has no file of its own, since the attention and Mix-FFN in it may be anybody's
     * @param weights under their names within the block
     */
    public static byte[] toBytes(BlockSpec spec, StateDict weights) {
        Graph graph = new Graph();
        Operations operations = new Operations(graph, weights);
        String x = input(0);
        String result;
        if (spec instanceof PatchEmbeddingSpec s) {
            graph.input(x, "batch", s.inChannels(), "depth", "height", "width");
            graph.output(OUTPUT, "batch", "tokens", s.embedDim());
            result = operations.embedded(operations.patches(x, s, ""), s, "");
        } else if (spec instanceof SelfAttentionSpec s) {
            tokens(graph, s.dim(), s.reduces());
            result = operations.attention(x, GRID, s, "");
        } else if (spec instanceof MixFeedForwardSpec s) {
            tokens(graph, s.dim(), true);
            result = operations.feedForward(x, GRID, s, "");
        } else if (spec instanceof StageNormSpec s) {
            graph.input(x, "batch", "tokens", s.dim());
            graph.sizes(GRID);
            graph.output(OUTPUT, "batch", s.dim(), "depth", "height", "width");
            result = operations.stageEnd(x, GRID, s.dim(), "");
        } else if (spec instanceof DecoderSpec s) {
            List<String> features = new ArrayList<>();
            for (int n = 0; n < s.featureDims().size(); n++) {
                features.add(input(n));
                graph.input(input(n), "batch", s.featureDims().get(n), "depth" + n, "height" + n, "width" + n);
            }
            graph.output(OUTPUT, "batch", s.classes(), "depth", "height", "width");
            result = operations.decoder(features, s, "");
        } else {
            throw new IllegalArgumentException(spec + " has no file of its own");
        }
        graph.rename(result, OUTPUT);
        return graph.model("block", "SegFormer3D for Java", "", Map.of());
    }

    /**
     * Returns a LayerNorm over tokens, (B,N,C) to (B,N,C).
     *
     * @param dim C
     * @param weights with {@code weight} and {@code bias}
     */
    public static byte[] layerNorm(int dim, StateDict weights) {
        Graph graph = new Graph();
        tokens(graph, dim, false);
        graph.rename(new Operations(graph, weights).layerNorm(input(0), ""), OUTPUT);
        return graph.model("norm", "SegFormer3D for Java", "", Map.of());
    }

    private static void tokens(Graph graph, int dim, boolean grid) {
        graph.input(input(0), "batch", "tokens", dim);
        if (grid) {
            graph.sizes(GRID);
        }
        graph.output(OUTPUT, "batch", "tokens", dim);
    }
}

package org.segformer3d.onnx;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.segformer3d.api.block.BlockSpec;
import org.segformer3d.api.block.BlockSpec.DecoderSpec;
import org.segformer3d.api.block.BlockSpec.MixFeedForwardSpec;
import org.segformer3d.api.block.BlockSpec.PatchEmbeddingSpec;
import org.segformer3d.api.block.BlockSpec.SelfAttentionSpec;
import org.segformer3d.api.block.PerAxis;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.onnx.Graph.Attribute;

/** The network's parts as ONNX operators; each method adds nodes to the graph and returns the name of their result. */
final class Operations {
    private static final float EPSILON = (float) BlockSpec.NORM_EPSILON;
    private static final float SQRT_HALF = (float) Math.sqrt(0.5);

    private static final PerAxis ONE = PerAxis.of(1);

    private final Graph graph;
    private final StateDict weights;

    Operations(Graph graph, StateDict weights) {
        this.graph = graph;
        this.weights = weights;
    }

    /** (B,C,D,H,W) to the convolution's (B,E,D',H',W'), which {@link #embedded} makes tokens of. */
    String patches(String x, PatchEmbeddingSpec spec, String prefix) {
        return convolution(x, prefix + "patch_embeddings", true, spec.kernel(), spec.stride(), spec.padding(), 1);
    }

    /** Patches to (B,N,E). */
    String embedded(String patches, PatchEmbeddingSpec spec, String prefix) {
        return layerNorm(tokens(patches, spec.embedDim()), prefix + "norm");
    }

    /** (B,N,C) to (B,C,D,H,W). */
    String stageEnd(String tokens, String grid, int dim, String prefix) {
        return map(layerNorm(tokens, prefix), grid, dim);
    }

    /** Returns the sizes of the last three axes of (B,C,D,H,W). */
    String grid(String x) {
        return graph.node(
                "Slice",
                List.of(graph.node("Shape", List.of(x)), graph.integers(2), graph.integers(5), graph.integers(0)));
    }

    String concat(int axis, List<String> parts) {
        return graph.node("Concat", parts, Attribute.of("axis", (long) axis));
    }

    String weight(String name) {
        HostTensor tensor = weights.get(name);
        return graph.weights(name, tensor.toFloats(), tensor.shape());
    }

    /** (B,C,D,H,W) to (B,N,C). */
    String tokens(String map, int dim) {
        return transposed(graph.node("Reshape", List.of(map, graph.integers(0, dim, -1))), 0, 2, 1);
    }

    /** (B,N,C) to (B,C,D,H,W). */
    String map(String tokens, String grid, int dim) {
        String shape = concat(0, List.of(graph.integers(0, dim), grid));
        return graph.node("Reshape", List.of(transposed(tokens, 0, 2, 1), shape));
    }

    String transposed(String x, long... axes) {
        return graph.node("Transpose", List.of(x), Attribute.of("perm", axes));
    }

    String layerNorm(String x, String name) {
        String prefix = name.isEmpty() || name.endsWith(".") ? name : name + ".";
        return graph.node(
                "LayerNormalization",
                List.of(x, weight(prefix + "weight"), weight(prefix + "bias")),
                Attribute.of("axis", -1L),
                Attribute.of("epsilon", EPSILON));
    }

    String batchNorm(String x, String name) {
        return graph.node(
                "BatchNormalization",
                List.of(
                        x,
                        weight(name + ".weight"),
                        weight(name + ".bias"),
                        weight(name + ".running_mean"),
                        weight(name + ".running_var")),
                Attribute.of("epsilon", EPSILON));
    }

    /** x·Wᵀ + b. */
    String linear(String x, String name) {
        HostTensor weight = weights.get(name + ".weight");
        int rows = Math.toIntExact(weight.size(0));
        int columns = Math.toIntExact(weight.size(1));
        float[] given = weight.toFloats();
        float[] turned = new float[given.length];
        for (int r = 0; r < rows; r++) {
            for (int c = 0; c < columns; c++) {
                turned[c * rows + r] = given[r * columns + c];
            }
        }
        String product = graph.node("MatMul", List.of(x, graph.weights(name + ".weight", turned, columns, rows)));
        return graph.node("Add", List.of(product, weight(name + ".bias")));
    }

    String convolution(
            String x, String name, boolean bias, PerAxis kernel, PerAxis stride, PerAxis padding, int groups) {
        List<String> inputs = new ArrayList<>(List.of(x, weight(name + ".weight")));
        if (bias) {
            inputs.add(weight(name + ".bias"));
        }
        return graph.node(
                "Conv",
                inputs,
                Attribute.of("kernel_shape", kernel.toLongs()),
                Attribute.of("strides", stride.toLongs()),
                Attribute.of(
                        "pads",
                        padding.depth(),
                        padding.height(),
                        padding.width(),
                        padding.depth(),
                        padding.height(),
                        padding.width()),
                Attribute.of("group", (long) groups));
    }

    String attention(String x, String grid, SelfAttentionSpec spec, String prefix) {
        int width = spec.dim() / spec.heads();
        String heads = graph.integers(0, 0, spec.heads(), width);
        String query = transposed(graph.node("Reshape", List.of(linear(x, prefix + "query"), heads)), 0, 2, 1, 3);
        String source = x;
        if (spec.reduces()) {
            String reduced = convolution(
                    map(x, grid, spec.dim()), prefix + "sr", true, spec.srRatio(), spec.srRatio(), PerAxis.of(0), 1);
            source = layerNorm(tokens(reduced, spec.dim()), prefix + "sr_norm");
        }
        String[] keyAndValue = graph.nodes(
                "Split",
                List.of(linear(source, prefix + "key_value"), graph.integers(spec.dim(), spec.dim())),
                2,
                Attribute.of("axis", -1L));
        String key = transposed(graph.node("Reshape", List.of(keyAndValue[0], heads)), 0, 2, 3, 1);
        String value = transposed(graph.node("Reshape", List.of(keyAndValue[1], heads)), 0, 2, 1, 3);
        String scores = graph.node("Mul", List.of(graph.node("MatMul", List.of(query, key)), graph.constant((float)
                (1 / Math.sqrt(width)))));
        String attended =
                graph.node("MatMul", List.of(graph.node("Softmax", List.of(scores), Attribute.of("axis", -1L)), value));
        String joined =
                graph.node("Reshape", List.of(transposed(attended, 0, 2, 1, 3), graph.integers(0, 0, spec.dim())));
        return linear(joined, prefix + "proj");
    }

    String feedForward(String x, String grid, MixFeedForwardSpec spec, String prefix) {
        String hidden = map(linear(x, prefix + "fc1"), grid, spec.hidden());
        String mixed = batchNorm(
                convolution(
                        hidden,
                        prefix + "dwconv.dwconv",
                        true,
                        PerAxis.of(3),
                        PerAxis.of(1),
                        PerAxis.of(1),
                        spec.hidden()),
                prefix + "dwconv.bn");
        // GELU(x) = x/2·(1 + erf(x/√2))
        String error = graph.node("Erf", List.of(graph.node("Mul", List.of(mixed, graph.constant(SQRT_HALF)))));
        String gate =
                graph.node("Mul", List.of(graph.node("Add", List.of(error, graph.constant(1))), graph.constant(0.5f)));
        return linear(tokens(graph.node("Mul", List.of(mixed, gate)), spec.hidden()), prefix + "fc2");
    }

    /** Four feature maps, finest first, to logits. */
    String decoder(List<String> features, DecoderSpec spec, String prefix) {
        String finest = grid(features.get(0));
        List<String> resized = new ArrayList<>();
        for (int n = 0; n < features.size(); n++) {
            String map = features.get(n);
            String name = prefix + "linear_c" + (n + 1);
            String tokens = layerNorm(linear(tokens(map, spec.featureDims().get(n)), name + ".proj"), name + ".bn");
            String own = map(tokens, grid(map), spec.dim());
            resized.add(n == 0 ? own : resized(own, finest));
        }
        Collections.reverse(resized);
        String fused = graph.node(
                "Relu",
                List.of(batchNorm(
                        convolution(concat(1, resized), prefix + "linear_fuse.0", false, ONE, ONE, PerAxis.of(0), 1),
                        prefix + "linear_fuse.1")));
        String logits = convolution(fused, prefix + "linear_pred", true, ONE, ONE, PerAxis.of(0), 1);
        return resized(
                logits,
                graph.node(
                        "Mul", List.of(finest, graph.integers(spec.upsampling().toLongs()))));
    }

    /** Resizes trilinearly; samples lie at the centres of voxels (align_corners=False). */
    String resized(String x, String grid) {
        String outer = graph.node(
                "Slice",
                List.of(graph.node("Shape", List.of(x)), graph.integers(0), graph.integers(2), graph.integers(0)));
        return graph.node(
                "Resize",
                List.of(x, "", "", concat(0, List.of(outer, grid))),
                Attribute.of("mode", "linear"),
                Attribute.of("coordinate_transformation_mode", "half_pixel"));
    }
}

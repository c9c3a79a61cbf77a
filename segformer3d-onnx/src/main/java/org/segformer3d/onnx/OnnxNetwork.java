package org.segformer3d.onnx;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.segformer3d.api.block.BlockSpec.PatchEmbeddingSpec;
import org.segformer3d.api.block.BlockSpec.TransformerBlockSpec;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.InputGeometry;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.weights.StateDict;

/**
 * The network in evaluation mode, operation by operation as the paper draws it, as an ONNX model.
 *
 * <p>Its input is called {@code input} and has the shape (batch, channels, depth, height, width), its output {@code logits} and has (batch,
 * classes, depth, height, width). All but the channels may vary from call to call, to any size: padding to what the strides ask for and
 * cropping back are part of the graph. Weights keep their official names; those of linear layers are transposed.
 */
public final class OnnxNetwork {
    /** Name of the input. */
    public static final String INPUT = "input";

    /** Name of the output. */
    public static final String LOGITS = "logits";

    private final Graph graph = new Graph();
    private final SegFormer3DConfig config;
    private final Operations operations;

    private OnnxNetwork(SegFormer3DConfig config, StateDict weights) {
        this.config = config;
        this.operations = new Operations(graph, weights);
    }

    /**
     * Returns a network as the bytes of an ONNX file.
     *
     * @param config the network, with the paper's layers, never {@code null}
     * @param weights fitting the network, never {@code null}
     * @param version of the software, written into the file
     * @param metadata texts to write into the file, for example what the classes mean
     * @throws ConfigException when a layer is replaced, whose operations aren't known here
     * @throws org.segformer3d.api.weights.StateDictMismatchException when the weights don't fit
     */
    public static byte[] toBytes(
            SegFormer3DConfig config, StateDict weights, String version, Map<String, String> metadata) {
        Objects.requireNonNull(metadata, "metadata");
        if (!config.layers().isEmpty()) {
            throw ConfigException.of(
                    "model_parameters.layers", config.layers(), "none: only the paper's can be exported");
        }
        return new OnnxNetwork(config, weights.require(ModelLayout.of(config)))
                .build()
                .model("SegFormer3D", "SegFormer3D for Java", version, metadata);
    }

    private Graph build() {
        graph.input(INPUT, "batch", config.inChannels(), "depth", "height", "width");
        graph.output(LOGITS, "batch", config.numClasses(), "depth", "height", "width");
        String size = operations.grid(INPUT);
        String x = padded(size);
        List<String> features = new ArrayList<>();
        for (int stage = 0; stage < SegFormer3DConfig.STAGES; stage++) {
            x = stage(stage, x);
            features.add(x);
        }
        String logits = operations.decoder(features, ModelLayout.decoder(config), ModelLayout.decoderPrefix());
        graph.rename(
                graph.node("Slice", List.of(logits, graph.integers(0, 0, 0), size, graph.integers(2, 3, 4))), LOGITS);
        return graph;
    }

    /** Zero-pads the input at the far ends, as {@link InputGeometry} has it. */
    private String padded(String size) {
        String stride = graph.integers(config.patchStride().get(0));
        String last = graph.integers(config.patchStride().get(0) - 1L);
        String least = graph.integers(InputGeometry.smallestEdge(config));
        String multiples = graph.node(
                "Mul", List.of(graph.node("Div", List.of(graph.node("Add", List.of(size, last)), stride)), stride));
        String target = graph.node("Max", List.of(multiples, least));
        String pads = operations.concat(
                0, List.of(graph.integers(0, 0, 0, 0, 0, 0, 0), graph.node("Sub", List.of(target, size))));
        return graph.node("Pad", List.of(INPUT, pads));
    }

    /** Returns a stage's feature map: (B,C,D,H,W) to (B,C',D',H',W'). */
    private String stage(int stage, String x) {
        PatchEmbeddingSpec embedding = ModelLayout.embedding(config, stage);
        String prefix = ModelLayout.embeddingPrefix(stage);
        String patches = operations.patches(x, embedding, prefix);
        String grid = operations.grid(patches);
        String tokens = operations.embedded(patches, embedding, prefix);
        TransformerBlockSpec spec = ModelLayout.transformerBlock(config, stage);
        for (int block = 0; block < config.depths().get(stage); block++) {
            String name = ModelLayout.blockPrefix(stage, block);
            String attended = operations.attention(
                    operations.layerNorm(tokens, name + "norm1"), grid, spec.attention(), name + "attention.");
            tokens = graph.node("Add", List.of(tokens, attended));
            String mixed = operations.feedForward(
                    operations.layerNorm(tokens, name + "norm2"), grid, spec.feedForward(), name + "mlp.");
            tokens = graph.node("Add", List.of(tokens, mixed));
        }
        return operations.stageEnd(tokens, grid, embedding.embedDim(), ModelLayout.stageNormPrefix(stage));
    }
}

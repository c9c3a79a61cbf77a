package org.segformer3d.onnx;

import java.util.ArrayList;
import java.util.List;
import org.segformer3d.api.block.BlockSpec.PatchEmbeddingSpec;
import org.segformer3d.api.block.BlockSpec.TransformerBlockSpec;
import org.segformer3d.api.block.PerAxis;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.export.NetworkExport;
import org.segformer3d.api.export.NetworkExporter;
import org.segformer3d.api.model.InputGeometry;
import org.segformer3d.api.model.ModelLayout;

/**
 * The network in evaluation mode, operation by operation as the paper draws it, as an ONNX model.
 *
 * <p>Names and shapes of input and output are those of {@link NetworkExporter}: padding to what the strides ask for and cropping back are
 * part of the graph. Weights keep their official names; those of linear layers are transposed.
 */
public final class OnnxNetwork {
    private final Graph graph = new Graph();
    private final SegFormer3DConfig config;
    private final Operations operations;

    private OnnxNetwork(NetworkExport network) {
        this.config = network.config();
        this.operations = new Operations(graph, network.weights());
    }

    /** Returns a network as the bytes of an ONNX file. */
    public static byte[] toBytes(NetworkExport network) {
        return new OnnxNetwork(network)
                .build()
                .model("SegFormer3D", "SegFormer3D for Java", network.version(), network.metadata());
    }

    private Graph build() {
        graph.input(NetworkExporter.INPUT, "batch", config.inChannels(), "depth", "height", "width");
        graph.output(NetworkExporter.LOGITS, "batch", config.numClasses(), "depth", "height", "width");
        String size = operations.grid(NetworkExporter.INPUT);
        String x = padded(size);
        List<String> features = new ArrayList<>();
        for (int stage = 0; stage < SegFormer3DConfig.STAGES; stage++) {
            x = stage(stage, x);
            features.add(x);
        }
        String logits = operations.decoder(features, ModelLayout.decoder(config), ModelLayout.decoderPrefix());
        graph.rename(
                graph.node("Slice", List.of(logits, graph.integers(0, 0, 0), size, graph.integers(2, 3, 4))),
                NetworkExporter.LOGITS);
        return graph;
    }

    /** Zero-pads the input at the far ends, as {@link InputGeometry} has it. */
    private String padded(String size) {
        PerAxis first = config.patchStride().get(0);
        String stride = graph.integers(first.toLongs());
        String last = graph.integers(first.depth() - 1L, first.height() - 1L, first.width() - 1L);
        String least = graph.integers(InputGeometry.smallest(config).toLongs());
        String multiples = graph.node(
                "Mul", List.of(graph.node("Div", List.of(graph.node("Add", List.of(size, last)), stride)), stride));
        String target = graph.node("Max", List.of(multiples, least));
        String pads = operations.concat(
                0, List.of(graph.integers(0, 0, 0, 0, 0, 0, 0), graph.node("Sub", List.of(target, size))));
        return graph.node("Pad", List.of(NetworkExporter.INPUT, pads));
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

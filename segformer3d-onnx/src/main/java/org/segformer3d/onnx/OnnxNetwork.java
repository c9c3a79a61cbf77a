package org.segformer3d.onnx;

import java.util.ArrayList;
import java.util.List;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.export.NetworkExport;
import org.segformer3d.api.export.NetworkExporter;
import org.segformer3d.api.record.Recording;

/**
 * A network in evaluation mode as an ONNX model: its recorded operations, one after the other.
 *
 * <p>Names and shapes of input and output are those of {@link NetworkExporter}; padding to what the strides ask for and cropping back are part of
 * the graph. Weights keep their names; those of Linear layers are transposed.
 */
public final class OnnxNetwork {
    private OnnxNetwork() {}

    /**
     * Returns a network as the bytes of an ONNX file.
     *
     * @throws org.segformer3d.api.config.ConfigException when it can't be written for all sizes and none is named
     */
    public static byte[] toBytes(NetworkExport export) {
        return toBytes(export, Recording.of(export.network(), export.size()));
    }

    /**
     * Returns what was recorded of a network as the bytes of an ONNX file.
     *
     * @param recording of the logits, whose output is {@link NetworkExporter#LOGITS}, or of several results, which are {@link #output} 0, 1, …
     */
    public static byte[] toBytes(NetworkExport export, Recording recording) {
        Graph graph = new Graph();
        List<Object> input = new ArrayList<>(List.of("batch", export.network().inChannels()));
        if (recording.fixed().isPresent()) {
            Grid size = recording.fixed().get();
            input.addAll(List.of(size.depth(), size.height(), size.width()));
        } else {
            input.addAll(List.of("depth", "height", "width"));
        }
        graph.input(NetworkExporter.INPUT, input.toArray());
        List<String> results = new GraphWriter(graph, recording, export.weights(), NetworkExporter.INPUT).write();
        if (results.size() == 1) {
            input.set(1, export.network().numClasses());
            graph.output(NetworkExporter.LOGITS, input.toArray());
            graph.rename(results.get(0), NetworkExporter.LOGITS);
        } else {
            for (int n = 0; n < results.size(); n++) {
                long channels = recording.shapes().get(recording.outputs().get(n))[1];
                graph.output(output(n), "batch", channels, "depth" + n, "height" + n, "width" + n);
                graph.rename(results.get(n), output(n));
            }
        }
        return graph.model("SegFormer3D", "SegFormer3D for Java", export.version(), export.metadata());
    }

    /** Returns the name of one of several results. */
    public static String output(int index) {
        return "y" + index;
    }
}

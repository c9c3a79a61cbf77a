package org.segformer3d.onnx;

import java.io.IOException;
import java.io.OutputStream;
import org.segformer3d.api.export.NetworkExport;
import org.segformer3d.api.export.NetworkExporter;

/** Writes networks as ONNX files, format {@code onnx}. */
public final class OnnxExporter implements NetworkExporter {
    /** Creates the exporter. */
    public OnnxExporter() {}

    @Override
    public String format() {
        return "onnx";
    }

    @Override
    public void write(NetworkExport network, OutputStream out) throws IOException {
        out.write(OnnxNetwork.toBytes(network));
    }
}

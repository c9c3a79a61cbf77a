/** The network as an ONNX model. */
module org.segformer3d.onnx {
    requires transitive org.segformer3d.api;

    exports org.segformer3d.onnx;

    provides org.segformer3d.api.export.NetworkExporter with
            org.segformer3d.onnx.OnnxExporter;
}

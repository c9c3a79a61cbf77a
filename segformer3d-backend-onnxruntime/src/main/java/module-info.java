/** Inference with ONNX Runtime. */
module org.segformer3d.backend.onnxruntime {
    requires transitive org.segformer3d.api;
    requires com.microsoft.onnxruntime;
    requires org.segformer3d.onnx;

    exports org.segformer3d.backend.onnxruntime;

    provides org.segformer3d.api.backend.BackendProvider with
            org.segformer3d.backend.onnxruntime.OnnxRuntimeProvider;
}

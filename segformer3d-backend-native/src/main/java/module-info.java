/** SegFormer3D on the CPU by kernels of its own. */
module org.segformer3d.backend.kernels {
    requires transitive org.segformer3d.api;
    requires org.slf4j;

    exports org.segformer3d.backend.kernels;

    provides org.segformer3d.api.backend.BackendProvider with
            org.segformer3d.backend.kernels.NativeProvider;
}

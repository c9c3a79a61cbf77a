/** The networks that SegFormer3D is compared with. */
module org.segformer3d.zoo {
    requires transitive org.segformer3d.api;

    exports org.segformer3d.zoo;

    provides org.segformer3d.api.network.Architecture with
            org.segformer3d.zoo.UnetrArchitecture,
            org.segformer3d.zoo.SwinUnetrArchitecture,
            org.segformer3d.zoo.PlainConvUNetArchitecture,
            org.segformer3d.zoo.ResidualEncoderUNetArchitecture,
            org.segformer3d.zoo.NnFormerArchitecture,
            org.segformer3d.zoo.TransUnetArchitecture;
}

/** The networks that SegFormer3D is compared with. */
module org.segformer3d.zoo {
    requires transitive org.segformer3d.api;

    exports org.segformer3d.zoo;
}

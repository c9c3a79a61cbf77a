/** The contract every backend passes, shipped as a library: extend one class and get all its tests. */
open module org.segformer3d.backend.tck {
    requires transitive org.segformer3d.api;
    requires java.management;
    requires org.segformer3d.backend.reference;
    requires transitive org.junit.jupiter.api;
    requires transitive org.junit.jupiter.params;
    requires transitive org.assertj.core;

    exports org.segformer3d.backend.tck;
    exports org.segformer3d.backend.tck.example;

    uses org.segformer3d.api.backend.BackendProvider;

    provides org.segformer3d.api.network.Layer with
            org.segformer3d.backend.tck.example.PooledAttention;
}

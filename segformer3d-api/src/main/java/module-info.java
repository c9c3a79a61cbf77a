/** What the layers and models are: interfaces, configuration records, the service provider interface, parameter arithmetic. */
module org.segformer3d.api {
    exports org.segformer3d.api.backend;
    exports org.segformer3d.api.backend.heap;
    exports org.segformer3d.api.block;
    exports org.segformer3d.api.config;
    exports org.segformer3d.api.export;
    exports org.segformer3d.api.model;
    exports org.segformer3d.api.network;
    exports org.segformer3d.api.ops;
    exports org.segformer3d.api.profile;
    exports org.segformer3d.api.record;
    exports org.segformer3d.api.tensor;
    exports org.segformer3d.api.training;
    exports org.segformer3d.api.weights;

    uses org.segformer3d.api.backend.BackendProvider;
    uses org.segformer3d.api.export.NetworkExporter;
    uses org.segformer3d.api.network.Architecture;
    uses org.segformer3d.api.network.Layer;
}

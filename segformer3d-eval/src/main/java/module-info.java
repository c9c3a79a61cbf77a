/** Sliding window, prediction, model bundles, metrics and reports. */
module org.segformer3d.eval {
    requires transitive org.segformer3d.api;
    requires transitive org.segformer3d.data;
    requires com.fasterxml.jackson.databind;
    requires java.desktop;
    requires java.management;
    requires jdk.management;
    requires org.slf4j;

    exports org.segformer3d.eval.bundle;
    exports org.segformer3d.eval.inference;
    exports org.segformer3d.eval.metrics;
    exports org.segformer3d.eval.postprocessing;
    exports org.segformer3d.eval.report;
    exports org.segformer3d.eval.result;
}

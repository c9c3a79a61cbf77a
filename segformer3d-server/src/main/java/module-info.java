/** Segmentation over HTTP. */
module org.segformer3d.server {
    requires transitive org.segformer3d.eval;
    requires com.fasterxml.jackson.databind;
    requires io.javalin;
    requires org.slf4j;

    exports org.segformer3d.server;
}

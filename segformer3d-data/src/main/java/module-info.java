/** Volumes, file formats, data sets, preprocessing, transforms and loading. */
module org.segformer3d.data {
    requires transitive org.segformer3d.api;
    requires com.fasterxml.jackson.databind;
    requires org.slf4j;

    exports org.segformer3d.data.cache;
    exports org.segformer3d.data.check;
    exports org.segformer3d.data.dataset;
    exports org.segformer3d.data.dicom;
    exports org.segformer3d.data.format;
    exports org.segformer3d.data.io;
    exports org.segformer3d.data.labels;
    exports org.segformer3d.data.loading;
    exports org.segformer3d.data.metaimage;
    exports org.segformer3d.data.mgh;
    exports org.segformer3d.data.nifti;
    exports org.segformer3d.data.npy;
    exports org.segformer3d.data.nrrd;
    exports org.segformer3d.data.planning;
    exports org.segformer3d.data.preprocessing;
    exports org.segformer3d.data.transform;
    exports org.segformer3d.data.volume;
    exports org.segformer3d.data.weights;
}

package org.segformer3d.train.run;

import java.util.List;
import java.util.function.BooleanSupplier;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.training.LossSpec;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.data.loading.Batch;
import org.segformer3d.data.loading.CaseSource;
import org.segformer3d.data.loading.Epoch;
import org.segformer3d.data.loading.LoaderSpec;
import org.segformer3d.data.loading.PatchLoader;

/**
 * Validates by the loss alone, of the same few patches of each case every time, without augmentation: much cheaper than segmenting
 * whole cases.
 *
 * @param cases the cases, all with labels
 * @param labels what the channels mean
 * @param spec how training batches are made
 * @param loss the loss
 */
record PlainValidation(CaseSource cases, LabelSpec labels, LoaderSpec spec, LossSpec loss) {
    /**
     * Validates a model.
     *
     * @param stop asked before every batch
     * @return the mean loss over the patches, NaN when it was told to stop
     */
    double run(Backend backend, SegmentationModel model, BooleanSupplier stop) {
        LoaderSpec still = new LoaderSpec(
                spec.batchSize(),
                false,
                false,
                spec.workers(),
                spec.patch(),
                spec.samplesPerCase(),
                spec.foregroundFraction(),
                List.of(),
                spec.seed(),
                spec.caseByCase());
        double sum = 0;
        int patches = 0;
        try (PatchLoader loader = new PatchLoader(cases, labels, still);
                Epoch batches = loader.epoch(0)) {
            for (Batch batch : batches) {
                if (stop.getAsBoolean()) {
                    return Double.NaN;
                }
                sum += backend.loss(loss, model.predict(batch.input()), batch.target(), batch.mask())
                                .loss()
                        * batch.size();
                patches += batch.size();
            }
        }
        return sum / patches;
    }
}

package org.segformer3d.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.Backends;
import org.segformer3d.data.nifti.NiftiWriter;
import org.segformer3d.eval.bundle.ModelBundle;
import org.segformer3d.eval.inference.SegmentationResult;
import org.segformer3d.eval.inference.Segmenter;
import org.segformer3d.train.config.ExperimentConfig;
import org.segformer3d.train.run.Trainer;
import org.segformer3d.train.run.TrainerOptions;
import org.segformer3d.train.run.TrainingOutcome;

/** The README's Java, compiled. */
final class ReadmeExample {
    private ReadmeExample() {}

    static void segment() throws IOException {
        // begin
        ModelBundle bundle = ModelBundle.read(Path.of("runs/hippocampus/bundle"));
        try (Backend backend = Backends.open(BackendOptions.defaults());
                Segmenter segmenter = Segmenter.open(backend, bundle)) {
            SegmentationResult result = segmenter.segment(List.of(Path.of("scan.nii.gz")));
            NiftiWriter.writeLabels(Path.of("labels.nii.gz"), result.labels());
        }
        // end
    }

    static TrainingOutcome train() throws IOException {
        // begin
        ExperimentConfig experiment = ExperimentConfig.read(Path.of("examples/hippocampus.yaml"));
        TrainingOutcome outcome = Trainer.run(experiment, TrainerOptions.defaults());
        // end
        return outcome;
    }
}

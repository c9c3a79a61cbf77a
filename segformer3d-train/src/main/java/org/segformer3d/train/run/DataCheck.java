package org.segformer3d.train.run;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.function.IntConsumer;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.data.check.CheckReport;
import org.segformer3d.data.check.DatasetCheck;
import org.segformer3d.data.dataset.IncompleteCases;
import org.segformer3d.data.dataset.SegmentationDataset;
import org.segformer3d.train.config.DatasetSettings;
import org.segformer3d.train.config.ExperimentConfig;

/**
 * Looks at the data set of an experiment, with the label values and the split that the experiment names.
 *
 * @param check the data set
 * @param incomplete cases that lack a file
 * @param parts what each labelled case is for
 */
public record DataCheck(DatasetCheck check, IncompleteCases incomplete, Map<String, String> parts) {
    /** Copies. */
    public DataCheck {
        Objects.requireNonNull(check, "check");
        Objects.requireNonNull(incomplete, "incomplete");
        parts = Map.copyOf(parts);
    }

    /**
     * Finds the data set and divides it as a training would; cases that lack a file take part in the split neither here nor there.
     *
     * @param config the experiment, never {@code null}
     * @throws ConfigException when it names no data set of scans
     * @throws IOException when the data set can't be found or divided
     */
    public static DataCheck of(ExperimentConfig config) throws IOException {
        DatasetSettings settings = config.dataset();
        if (settings.type().isOfficial()) {
            throw ConfigException.of(
                    "dataset_parameters.dataset_type",
                    settings.type().name().toLowerCase(java.util.Locale.ROOT),
                    "a data set of scans, as the prepared files of brats… are checked when they are read; give the folder of raw"
                            + " scans itself");
        }
        IncompleteCases incomplete = new IncompleteCases();
        SegmentationDataset dataset = TrainingData.dataset(settings, incomplete);
        Map<String, String> parts = new LinkedHashMap<>();
        if (!dataset.cases().isEmpty()) {
            var split = TrainingData.split(settings, dataset);
            split.train().forEach(id -> parts.put(id, "training"));
            split.validation().forEach(id -> parts.put(id, "validation"));
            split.test().forEach(id -> parts.put(id, "test"));
        }
        return new DataCheck(TrainingData.check(settings, dataset), incomplete, parts);
    }

    /** Returns how many cases there are to open. */
    public int cases() {
        return check.dataset().cases().size() + check.dataset().unlabelled().size();
    }

    /**
     * Opens every file.
     *
     * @param done called with the number of cases looked at so far
     */
    public CheckReport full(IntConsumer done) {
        return check.full(incomplete, parts, done);
    }
}

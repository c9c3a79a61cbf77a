package org.segformer3d.train.run;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.IntConsumer;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.network.SegFormer3DNetwork;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.data.dataset.SegmentationDataset;
import org.segformer3d.data.planning.Fingerprint;
import org.segformer3d.data.planning.Plan;
import org.segformer3d.data.planning.Planner;
import org.segformer3d.train.config.DatasetSettings;
import org.segformer3d.train.config.DatasetSettings.PlanSettings;
import org.segformer3d.train.config.ExperimentConfig;
import org.segformer3d.train.config.PlanFile;

/**
 * Makes plans of experiments' data sets and carries them out.
 *
 * @param config the experiment as the plan makes it
 * @param plan the plan, empty when the experiment names none
 */
public record Planning(ExperimentConfig config, Optional<Plan> plan) {

    /**
     * Reads or makes the plan that an experiment names and applies it.
     *
     * @param config the experiment, never {@code null}; one without a plan comes back as it is
     * @param done called with the number of cases looked at so far, where a plan is made
     * @throws ConfigException when the plan is missing or wrong, or doesn't suit the experiment
     * @throws IOException when data can't be read
     */
    public static Planning of(ExperimentConfig config, IntConsumer done) throws IOException {
        return of(config, Optional.empty(), done);
    }

    /**
     * Reads or makes a plan as {@link #of(ExperimentConfig, IntConsumer)} does.
     *
     * @param made a plan that was made for this run before, used instead of making it again; a plan that the experiment names by its file
     *     is read from there all the same
     */
    static Planning of(ExperimentConfig config, Optional<Path> made, IntConsumer done) throws IOException {
        Objects.requireNonNull(config, "config");
        Optional<PlanSettings> settings = config.dataset().plan();
        if (settings.isEmpty()) {
            return new Planning(config, Optional.empty());
        }
        requireFolder(config.dataset());
        Optional<Path> file = settings.get().file().or(() -> made);
        Plan plan = file.isPresent()
                ? PlanFile.read(file.get())
                : make(config, config.dataset().planMemory(), done);
        return new Planning(config.withPlan(plan), Optional.of(plan));
    }

    /**
     * Makes the plan of an experiment's data set from its training cases.
     *
     * @param config the experiment; a plan that it names isn't read
     * @param memory bytes that a training step may take
     * @param done called with the number of cases looked at so far
     * @throws ConfigException when the data set suits no plan
     * @throws IOException when data can't be read
     */
    public static Plan make(ExperimentConfig config, long memory, IntConsumer done) throws IOException {
        DatasetSettings settings = config.dataset();
        requireFolder(settings);
        SegmentationDataset dataset = TrainingData.dataset(settings);
        TrainingData.check(settings, dataset).quick();
        Fingerprint fingerprint = Fingerprint.of(
                dataset.channels(),
                cases(settings, dataset),
                Set.copyOf(settings.labels().ignored(dataset)),
                done);
        if (!(config.network() instanceof SegFormer3DNetwork network)) {
            throw ConfigException.of(
                    "model_name",
                    config.network().architecture(),
                    "segformer3d, the only network that plans are made for; set patch_size, batch_size and preprocessing instead");
        }
        return new Planner(network.config(), memory).plan(dataset.name(), fingerprint);
    }

    /** Returns how many cases are looked at for the plan that an experiment names; 0 where none is made. */
    public static int casesToLookAt(ExperimentConfig config) throws IOException {
        boolean makes =
                config.dataset().plan().filter(plan -> plan.file().isEmpty()).isPresent();
        return makes ? cases(config) : 0;
    }

    /** Returns how many cases a plan looks at: those that the experiment trains on. */
    public static int cases(ExperimentConfig config) throws IOException {
        requireFolder(config.dataset());
        return cases(config.dataset(), TrainingData.dataset(config.dataset())).size();
    }

    private static List<Case> cases(DatasetSettings settings, SegmentationDataset dataset) throws IOException {
        return dataset.select(TrainingData.split(settings, dataset).train());
    }

    private static void requireFolder(DatasetSettings settings) {
        if (settings.type().isOfficial()) {
            throw new ConfigException(
                    "dataset_parameters.plan: found one for the official preprocessed files, expected null, as they are prepared already");
        }
    }
}

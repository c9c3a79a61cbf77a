package org.segformer3d.train.run;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.segformer3d.train.config.ExperimentConfig;

/**
 * What must be as it was, so that a run can go on from a checkpoint.
 *
 * @param config the experiment now
 * @param data the data now
 * @param processes how many train now
 * @param folder the run's, which messages name
 */
record Continuation(ExperimentConfig config, TrainingData data, int processes, Path folder) {
    /**
     * Returns the keys whose values have changed since, those of output, tracking and backend left out.
     *
     * @param resumes whether the checkpoint is the run's own, not merely where another one starts
     * @throws RunFolderException when a change would make the rest of the run another run
     */
    List<String> changes(Checkpoint checkpoint, boolean resumes) throws IOException {
        ExperimentConfig then = ExperimentConfig.of(checkpoint.configuration(), folder);
        Map<String, Object> before = then.toResolvedMap();
        Map<String, Object> now = config.toResolvedMap();
        List<String> changed = new ArrayList<>();
        // Keys inside of maps, such as preprocessing, may be there in only one of them.
        Set<String> keys = new LinkedHashSet<>(before.keySet());
        keys.addAll(now.keySet());
        for (String key : keys) {
            Object old = before.get(key);
            if (Objects.equals(old, now.get(key))) {
                continue;
            }
            boolean decisive = key.startsWith("model_parameters")
                    || key.equals("optimizer.optimizer_type")
                    || key.equals("ema.enabled");
            boolean followed = key.equals("training_parameters.seed")
                    || key.startsWith("dataset_parameters.") && !ExperimentConfig.isPlaceOrSpeed(key);
            if (decisive || resumes && followed) {
                throw new RunFolderException(
                        folder,
                        "can't go on from the checkpoint: " + key + reason(key, then) + " was " + old + " and is now "
                                + now.get(key)
                                + "; set it back, or start a new run in another folder");
            }
            changed.add(key);
        }
        Map<String, Object> from = checkpoint.provenance();
        if (resumes && !data.fingerprint().equals(from.get("data_fingerprint"))) {
            throw new RunFolderException(
                    folder,
                    "can't go on from the checkpoint: the data set has changed (other cases, or files of other sizes)");
        }
        if (resumes && !data.split().train().equals(from.get("training_cases"))) {
            throw new RunFolderException(
                    folder, "can't go on from the checkpoint: other cases would be trained on (the split has changed)");
        }
        Object trained = from.getOrDefault("processes", 1);
        if (resumes && ((Number) trained).intValue() != processes) {
            throw new RunFolderException(
                    folder,
                    "can't go on from the checkpoint: it is of a run on " + trained
                            + " processes, and this is one on "
                            + processes + "; go on with as many (--nproc " + trained
                            + "), or start a new run in another folder");
        }
        changed.removeIf(key -> key.startsWith("output.") || key.startsWith("tracking.") || key.startsWith("backend."));
        return changed;
    }

    /** Says which other key made a value change that neither experiment states. */
    private String reason(String key, ExperimentConfig then) {
        Map<String, Object> written = config.toFlatMap();
        Optional<String> followed = ExperimentConfig.followedBy(key)
                .filter(other -> written.get(key) == null
                        && !Objects.equals(then.toFlatMap().get(other), written.get(other)));
        return followed.map(other -> ", which follows " + other + ",").orElse("");
    }
}

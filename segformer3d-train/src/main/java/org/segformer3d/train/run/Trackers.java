package org.segformer3d.train.run;

import java.net.URI;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.train.config.ExperimentConfig;
import org.segformer3d.train.config.OutputSettings.MlflowSettings;
import org.segformer3d.train.tracking.CurvePicture;
import org.segformer3d.train.tracking.HistoryFiles;
import org.segformer3d.train.tracking.MlflowRun;
import org.segformer3d.train.tracking.TensorBoardEvents;
import org.segformer3d.train.tracking.Tracker;

/** The trackers that an experiment asks for. */
final class Trackers {
    private Trackers() {}

    /** Returns them in the order in which they are told. */
    static List<Tracker> of(ExperimentConfig config, RunFolder folder) {
        List<Tracker> list = new ArrayList<>();
        if (config.output().csv()) {
            list.add(HistoryFiles.csv(folder.file("history.csv")));
        }
        if (config.output().jsonLines()) {
            list.add(HistoryFiles.jsonLines(folder.file("history.jsonl")));
        }
        if (config.output().tensorBoard()) {
            list.add(new TensorBoardEvents(folder.file("tensorboard")));
        }
        if (config.output().curve()) {
            list.add(new CurvePicture(folder.file("curve.png"), config.project()));
        }
        if (config.output().mlflow().isPresent()) {
            list.add(mlflow(config, folder, config.output().mlflow().get()));
        }
        return list;
    }

    private static Tracker mlflow(ExperimentConfig config, RunFolder folder, MlflowSettings settings) {
        String key = "tracking.mlflow.uri";
        String uri = settings.uri()
                .or(() -> Optional.ofNullable(System.getenv("MLFLOW_TRACKING_URI")))
                .orElseThrow(() -> ConfigException.of(
                        key, "null", "the server's address (or MLFLOW_TRACKING_URI), such as http://127.0.0.1:5000"));
        Map<String, String> parameters = new LinkedHashMap<>();
        config.toFlatMap().forEach((name, value) -> parameters.put(name, String.valueOf(value)));
        MlflowRun.Target target;
        try {
            target = new MlflowRun.Target(
                    URI.create(uri),
                    MlflowRun.Target.authorization(System.getenv()),
                    settings.experiment().orElse(config.project()),
                    settings.runName().orElse(folder.root().getFileName().toString()),
                    parameters);
        } catch (IllegalArgumentException e) {
            throw ConfigException.of(key, "'" + uri + "'", "an address that starts with http:// or https://");
        }
        return new MlflowRun(target, folder.file("mlflow.json"));
    }
}

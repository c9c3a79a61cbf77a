package org.segformer3d.train.parity;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.segformer3d.train.config.ExperimentConfig;
import org.segformer3d.train.parity.Parity.ParityCase;
import org.segformer3d.train.schedule.LearningRateSchedule;
import org.segformer3d.train.schedule.ScheduleSpec;

/**
 * {@code lr_schedules.json}: learning rates per epoch as the official run really sets them, and those that a recorded run
 * ({@code train_*.json}) says it had.
 */
final class ScheduleCases {
    private static final String JSON = ".json";
    private static final double TOLERANCE = 1e-9;

    private ScheduleCases() {}

    static List<ParityCase> in(ReferenceFolder folder) {
        List<ParityCase> cases = new ArrayList<>();
        for (Path file : folder.named(".*lr_schedules?.*\\.json")) {
            folder.use(file);
            cases.add(new Schedules(folder.title(file, JSON), file));
        }
        for (Path file : folder.named("train_.+\\.json")) {
            folder.use(file);
            cases.add(new OfRun(folder.title(file, JSON), file));
        }
        return cases;
    }

    /** Several schedules by name, each with its configuration. */
    private record Schedules(String name, Path file) implements ParityCase {
        @Override
        public String module() {
            return "schedule";
        }

        @Override
        public void run(Consumer<ParityLine> sink) throws IOException {
            ReferenceFolder.json(file).forEach((key, value) -> {
                try {
                    if (!(value instanceof Map<?, ?> recorded)
                            || !(recorded.get("config") instanceof Map<?, ?> config)) {
                        throw new IllegalArgumentException(
                                "found no config, expected config, base_lr and lr_per_epoch");
                    }
                    Map<String, Object> experiment = new LinkedHashMap<>();
                    config.forEach((section, keys) -> experiment.put(String.valueOf(section), keys));
                    if (recorded.get("base_lr") != null) {
                        experiment.put("optimizer", Map.of("optimizer_args", Map.of("lr", recorded.get("base_lr"))));
                    }
                    double difference = difference(
                            ExperimentConfig.of(experiment, file).schedule(),
                            Numbers.list(recorded.get("metric_per_epoch")),
                            Numbers.list(recorded.get("lr_per_epoch")));
                    sink.accept(ParityLine.compared(name + " " + key, module(), difference, TOLERANCE));
                } catch (IllegalArgumentException e) {
                    sink.accept(ParityLine.failed(name + " " + key, module(), e.getMessage()));
                }
            });
        }
    }

    /** The schedule of a recorded run. */
    private record OfRun(String name, Path file) implements ParityCase {
        @Override
        public String module() {
            return "schedule";
        }

        @Override
        public void run(Consumer<ParityLine> sink) throws IOException {
            RecordedRun recorded = RecordedRun.read(file);
            if (recorded.rates().isEmpty()) {
                sink.accept(ParityLine.skipped(name + " rates", module(), file + " has no lr_per_epoch"));
                return;
            }
            double difference = difference(recorded.config().schedule(), recorded.watchedPerEpoch(), recorded.rates());
            sink.accept(ParityLine.compared(name + " rates", module(), difference, TOLERANCE));
        }
    }

    private static double difference(ScheduleSpec spec, List<Double> watched, List<Double> rates) {
        LearningRateSchedule schedule = new LearningRateSchedule(spec);
        double worst = rates.isEmpty() ? Double.NaN : 0;
        for (int epoch = 0; epoch < rates.size(); epoch++) {
            double rate = schedule.rate(epoch, watched.subList(0, Math.min(epoch, watched.size())));
            worst = Differences.worse(worst, Differences.relative(rate, rates.get(epoch)));
        }
        return worst;
    }
}

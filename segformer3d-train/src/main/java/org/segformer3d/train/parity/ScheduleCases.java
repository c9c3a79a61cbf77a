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

/** {@code pipeline/lr_schedules.json}: learning rates per epoch as the official run really sets them. */
final class ScheduleCases {
    private ScheduleCases() {}

    static List<ParityCase> in(ReferenceFolder folder) throws IOException {
        List<ParityCase> cases = new ArrayList<>();
        for (Path file : folder.files("pipeline", "lr_schedules.json")) {
            ReferenceFolder.json(file)
                    .forEach((key, value) ->
                            cases.add(new Schedule("pipeline/lr_schedules " + key, file, (Map<?, ?>) value)));
        }
        return cases;
    }

    private record Schedule(String name, Path file, Map<?, ?> recorded) implements ParityCase {
        @Override
        public String module() {
            return "schedule";
        }

        @Override
        public void run(Consumer<ParityLine> sink) throws IOException {
            Map<String, Object> experiment = new LinkedHashMap<>();
            ((Map<?, ?>) recorded.get("config")).forEach((key, value) -> experiment.put(String.valueOf(key), value));
            experiment.put("optimizer", Map.of("optimizer_args", Map.of("lr", recorded.get("base_lr"))));
            LearningRateSchedule schedule = new LearningRateSchedule(
                    ExperimentConfig.of(experiment, file).schedule());
            List<Double> watched = Numbers.list(recorded.get("metric_per_epoch"));
            List<Double> rates = Numbers.list(recorded.get("lr_per_epoch"));
            double worst = rates.isEmpty() ? Double.NaN : 0;
            for (int epoch = 0; epoch < rates.size(); epoch++) {
                double rate = schedule.rate(epoch, watched.subList(0, Math.min(epoch, watched.size())));
                worst = Differences.worse(worst, Differences.relative(rate, rates.get(epoch)));
            }
            sink.accept(ParityLine.compared(name, module(), worst, 1e-9));
        }
    }
}

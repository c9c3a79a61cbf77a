package org.segformer3d.train.schedule;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.segformer3d.train.config.ExperimentConfig;
import org.segformer3d.train.schedule.ScheduleSpec.Kind;
import org.segformer3d.train.schedule.ScheduleSpec.Warmup;
import org.segformer3d.train.schedule.ScheduleSpec.Watched;

class LearningRateScheduleTests {
    private static ScheduleSpec spec(Kind kind, Warmup warmup, int warmupEpochs) {
        return new ScheduleSpec(1e-3, warmupEpochs, warmup, kind, 5, 2, 1e-5, 0.9, 5, Watched.LOSS, 3);
    }

    private static double rate(ScheduleSpec spec, int epoch) {
        return new LearningRateSchedule(spec).rate(epoch, List.of());
    }

    @Nested
    class OfficialRun {
        @TestFactory
        List<DynamicTest> ratesEqualTheRecordedOnesIncludingTheirQuirks() throws Exception {
            Path file = Path.of(
                    System.getProperty("segformer3d.shared", "../shared"), "reference/pipeline/lr_schedules.json");
            Assumptions.assumeTrue(Files.exists(file), "no reference values here");
            JsonNode root = new ObjectMapper().readTree(file.toFile());
            List<DynamicTest> tests = new ArrayList<>();
            root.properties()
                    .forEach(entry ->
                            tests.add(DynamicTest.dynamicTest(entry.getKey(), () -> ratesEqual(entry.getValue()))));
            assertThat(tests).hasSizeGreaterThanOrEqualTo(4);
            return tests;
        }

        private void ratesEqual(JsonNode recorded) throws Exception {
            Map<String, Object> values = new LinkedHashMap<>();
            recorded.get("config")
                    .properties()
                    .forEach(e -> values.put(e.getKey(), new ObjectMapper().convertValue(e.getValue(), Map.class)));
            values.put(
                    "optimizer",
                    Map.of(
                            "optimizer_args",
                            Map.of("lr", recorded.get("base_lr").asDouble())));
            LearningRateSchedule schedule = new LearningRateSchedule(
                    ExperimentConfig.of(values, Path.of("")).schedule());
            List<Double> metrics = new ArrayList<>();
            recorded.get("metric_per_epoch").forEach(m -> metrics.add(m.asDouble()));
            for (int epoch = 0; epoch < recorded.get("lr_per_epoch").size(); epoch++) {
                double expected = recorded.get("lr_per_epoch").get(epoch).asDouble();
                assertThat(schedule.rate(epoch, metrics.subList(0, Math.min(epoch, metrics.size()))))
                        .as("epoch %d", epoch)
                        .isCloseTo(expected, within(expected * 1e-9));
            }
        }

        @Test
        void firstEpochBeforeACosineHasTheFullRateAndTheOneAfterTheWarmupMore() {
            ScheduleSpec spec = spec(Kind.COSINE, Warmup.OFFICIAL, 4);

            assertThat(rate(spec, 0)).isEqualTo(1e-3);
            assertThat(rate(spec, 1)).isEqualTo(0.5e-3);
            assertThat(rate(spec, 4)).isEqualTo(1.25e-3);
            assertThat(rate(spec, 5)).isLessThan(1e-3);
        }
    }

    @Nested
    class LinearWarmup {
        @Test
        void risesToTheBaseRateAndTheCosineStartsThere() {
            ScheduleSpec spec = spec(Kind.COSINE, Warmup.LINEAR, 4);

            assertThat(rate(spec, 0)).isEqualTo(0.25e-3);
            assertThat(rate(spec, 3)).isEqualTo(1e-3);
            assertThat(rate(spec, 4)).isEqualTo(1e-3);
            assertThat(rate(spec, 5)).isCloseTo(1e-5 + 0.99e-3 * (1 + Math.cos(Math.PI / 5)) / 2, within(1e-15));
        }

        @Test
        void polynomialStartsAtTheBaseRate() {
            ScheduleSpec spec = spec(Kind.POLYNOMIAL, Warmup.LINEAR, 2);

            assertThat(rate(spec, 2)).isEqualTo(1e-3);
            assertThat(rate(spec, 3)).isCloseTo(1e-3 * Math.pow(0.8, 0.9), within(1e-15));
            assertThat(rate(spec, 7)).isZero();
        }

        @Test
        void withoutWarmupBothModesAgree() {
            for (Kind kind : Kind.values()) {
                for (int epoch = 0; epoch < 9; epoch++) {
                    List<Double> losses = new ArrayList<>(java.util.Collections.nCopies(epoch, 1.0));
                    assertThat(new LearningRateSchedule(spec(kind, Warmup.OFFICIAL, 0)).rate(epoch, losses))
                            .isEqualTo(new LearningRateSchedule(spec(kind, Warmup.LINEAR, 0)).rate(epoch, losses));
                }
            }
        }
    }

    @Nested
    class Restarts {
        @Test
        void eachCycleIsLongerByTheFactor() {
            ScheduleSpec spec = spec(Kind.COSINE, Warmup.LINEAR, 0);

            assertThat(rate(spec, 4)).isLessThan(2e-4);
            assertThat(rate(spec, 5)).isEqualTo(1e-3);
            assertThat(rate(spec, 14)).isLessThan(1e-4);
            assertThat(rate(spec, 15)).isEqualTo(1e-3);
            assertThat(rate(spec, 35)).isEqualTo(1e-3);
        }
    }

    @Nested
    class Plateau {
        private final ScheduleSpec dice =
                new ScheduleSpec(1e-3, 0, Warmup.LINEAR, Kind.PLATEAU, 1, 1, 1e-5, 0.9, 5, Watched.DICE, 1);

        @Test
        void watchedDiceMustRise() {
            List<Double> rising = List.of(0.1, 0.2, 0.3, 0.4, 0.5);
            List<Double> falling = List.of(0.5, 0.4, 0.3, 0.2, 0.1);

            assertThat(new LearningRateSchedule(dice).rate(5, rising)).isEqualTo(1e-3);
            assertThat(new LearningRateSchedule(dice).rate(2, falling)).isEqualTo(1e-3);
            assertThat(new LearningRateSchedule(dice).rate(3, falling)).isCloseTo(1e-4, within(1e-18));
            assertThat(new LearningRateSchedule(dice).rate(5, falling)).isCloseTo(1e-5, within(1e-18));
        }

        @Test
        void epochsThatWereNotMeasuredDontCount() {
            List<Double> sparse = List.of(0.5, Double.NaN, Double.NaN, 0.4, Double.NaN);

            assertThat(new LearningRateSchedule(dice).rate(5, sparse)).isEqualTo(1e-3);
        }

        @Test
        void missingValuesAreRefused() {
            assertThatThrownBy(() -> new LearningRateSchedule(dice).rate(3, List.of(0.1)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("found 1 watched values");
        }
    }
}

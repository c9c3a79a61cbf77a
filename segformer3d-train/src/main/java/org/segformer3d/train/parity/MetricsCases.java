package org.segformer3d.train.parity;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.ToDoubleFunction;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.eval.metrics.OverlapCounts;
import org.segformer3d.eval.metrics.Reduction;
import org.segformer3d.eval.metrics.SurfaceDistances;
import org.segformer3d.train.parity.Parity.ParityCase;

/**
 * {@code pipeline/metrics.*}: overlap and surface measures of masks, empty ones among them, and MONAI's reductions of Dice over a batch.
 *
 * <p>A line for each measure, with the largest difference over all masks and spacings; NaN and infinity must be met exactly.
 */
final class MetricsCases {
    private static final double TOLERANCE = 1e-6;
    private static final String SPACING = "spacing_";

    private static final Map<String, ToDoubleFunction<OverlapCounts>> OVERLAP = Map.of(
            "dice", OverlapCounts::dice,
            "iou", OverlapCounts::iou,
            "sensitivity", OverlapCounts::sensitivity,
            "specificity", OverlapCounts::specificity,
            "precision", OverlapCounts::precision);

    private static final Map<String, ToDoubleFunction<SurfaceDistances>> SURFACE = Map.of(
            "hd", SurfaceDistances::hausdorff,
            "hd95", distances -> distances.hausdorff(95),
            "hd95_directed", distances -> distances.directedHausdorff(95),
            "asd", SurfaceDistances::averageSurfaceDistance,
            "assd", SurfaceDistances::averageSymmetricSurfaceDistance,
            "nsd_1mm", distances -> distances.surfaceDice(1),
            "nsd_2mm", distances -> distances.surfaceDice(2));

    private MetricsCases() {}

    static List<ParityCase> in(ReferenceFolder folder) {
        Path pipeline = folder.root().resolve("pipeline");
        Path json = pipeline.resolve("metrics.json");
        Path tensors = pipeline.resolve("metrics.safetensors");
        return Files.exists(json) && Files.exists(tensors) ? List.of(new Metrics(json, tensors)) : List.of();
    }

    /** Returns the difference relative to the expected value, or to 1 where that is smaller. */
    static double difference(double found, double expected) {
        if (Double.compare(found, expected) == 0) {
            return 0;
        }
        if (!Double.isFinite(found) || !Double.isFinite(expected)) {
            return Double.POSITIVE_INFINITY;
        }
        return Math.abs(found - expected) / Math.max(1, Math.abs(expected));
    }

    private record Metrics(Path json, Path tensors) implements ParityCase {
        @Override
        public String name() {
            return "pipeline/metrics";
        }

        @Override
        public String module() {
            return "metrics";
        }

        @Override
        public void run(Consumer<ParityLine> sink) throws IOException {
            Map<String, HostTensor> masks = ReferenceFolder.tensors(tensors);
            Map<String, Double> differences = new LinkedHashMap<>();
            for (Map.Entry<String, Object> entry : ReferenceFolder.json(json).entrySet()) {
                HostTensor predicted = masks.get(entry.getKey() + ".pred");
                HostTensor truth = masks.get(entry.getKey() + ".truth");
                if (predicted == null || truth == null || !(entry.getValue() instanceof Map<?, ?> expected)) {
                    throw new IOException(tensors + ": found no masks " + entry.getKey() + ".pred and " + entry.getKey()
                            + ".truth for the values in " + json);
                }
                if (truth.shape().length == 5) {
                    reductions(predicted, truth, expected, differences);
                } else {
                    masks(predicted, truth, expected, differences);
                }
            }
            differences.forEach((measure, difference) -> sink.accept(
                    Double.isNaN(difference)
                            ? ParityLine.skipped(name() + " " + measure, module(), "this measure isn't known here")
                            : ParityLine.compared(name() + " " + measure, module(), difference, TOLERANCE)));
        }

        private static void masks(
                HostTensor predicted, HostTensor truth, Map<?, ?> expected, Map<String, Double> differences) {
            OverlapCounts counts = OverlapCounts.of(predicted, truth);
            expected.forEach((key, value) -> {
                String name = String.valueOf(key);
                if (name.startsWith(SPACING) && value instanceof Map<?, ?> measures) {
                    SurfaceDistances distances = SurfaceDistances.between(
                            predicted,
                            truth,
                            Arrays.stream(name.substring(SPACING.length()).split("_"))
                                    .mapToDouble(Double::parseDouble)
                                    .toArray());
                    measures.forEach((measure, number) ->
                            compare(String.valueOf(measure), SURFACE, distances, number, differences));
                } else {
                    compare(name, OVERLAP, counts, value, differences);
                }
            });
        }

        private static <T> void compare(
                String measure,
                Map<String, ToDoubleFunction<T>> known,
                T of,
                Object expected,
                Map<String, Double> differences) {
            ToDoubleFunction<T> function = known.get(measure);
            double difference = function == null
                    ? Double.NaN
                    : difference(function.applyAsDouble(of), ((Number) expected).doubleValue());
            differences.merge(measure, difference, Math::max);
        }

        private static void reductions(
                HostTensor predicted, HostTensor truth, Map<?, ?> expected, Map<String, Double> differences) {
            double[][] ignoring = dice(predicted, truth, OverlapCounts::dice);
            double[][] counting = dice(predicted, truth, OverlapCounts::diceCountingEmpty);
            expected.forEach((key, value) -> {
                // keys are REDUCTION|ignore_empty=True or False
                String[] parts = String.valueOf(key).split("\\|", 2);
                double[][] values = parts[parts.length - 1].endsWith("True") ? ignoring : counting;
                double[] found = parts[0].equals("none")
                        ? Arrays.stream(values).flatMapToDouble(Arrays::stream).toArray()
                        : Reduction.valueOf(parts[0].toUpperCase(Locale.ROOT)).of(values);
                double[] numbers = flat(value);
                double largest = found.length == numbers.length ? 0 : Double.POSITIVE_INFINITY;
                for (int n = 0; n < Math.min(found.length, numbers.length); n++) {
                    largest = Math.max(largest, difference(found[n], numbers[n]));
                }
                differences.merge("dice over a batch, " + String.join(" ", parts), largest, Math::max);
            });
        }

        private static double[][] dice(
                HostTensor predicted, HostTensor truth, ToDoubleFunction<OverlapCounts> measure) {
            int cases = Math.toIntExact(truth.size(0));
            int classes = Math.toIntExact(truth.size(1));
            int voxels = Math.toIntExact(truth.size(2) * truth.size(3) * truth.size(4));
            double[][] dice = new double[cases][classes];
            for (int n = 0; n < cases; n++) {
                for (int c = 0; c < classes; c++) {
                    int start = (n * classes + c) * voxels;
                    dice[n][c] = measure.applyAsDouble(
                            OverlapCounts.of(mask(predicted, start, voxels), mask(truth, start, voxels)));
                }
            }
            return dice;
        }

        private static HostTensor mask(HostTensor batch, int start, int voxels) {
            return HostTensor.wrap(batch.dtype(), batch.bytes().slice(start, voxels), voxels);
        }

        private static double[] flat(Object value) {
            return value instanceof List<?> list
                    ? list.stream()
                            .flatMapToDouble(one -> Arrays.stream(flat(one)))
                            .toArray()
                    : new double[] {((Number) value).doubleValue()};
        }
    }
}

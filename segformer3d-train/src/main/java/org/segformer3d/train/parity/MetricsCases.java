package org.segformer3d.train.parity;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.function.Consumer;
import java.util.function.ToDoubleFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.eval.metrics.OverlapCounts;
import org.segformer3d.eval.metrics.Reduction;
import org.segformer3d.eval.metrics.SurfaceDistances;
import org.segformer3d.train.parity.Parity.ParityCase;

/**
 * {@code metrics.*}: overlap and surface measures of masks, empty ones among them, and MONAI's reductions of Dice over a batch.
 *
 * <p>A line for each measure, with the largest difference over all masks and spacings; NaN and infinity must be met exactly.
 */
final class MetricsCases {
    private static final double TOLERANCE = 1e-6;
    private static final String JSON = ".json";
    private static final String SPACING = "spacing_";
    private static final Pattern HAUSDORFF = Pattern.compile("hd(\\d{0,3})(_directed)?");
    private static final Pattern SURFACE_DICE = Pattern.compile("nsd_(\\d+(?:\\.\\d+)?)mm");

    private MetricsCases() {}

    static List<ParityCase> in(ReferenceFolder folder) {
        List<ParityCase> cases = new ArrayList<>();
        for (Path file : folder.named(".*metrics.*\\.json")) {
            Path tensors = ReferenceFolder.sibling(file, JSON, ".safetensors");
            folder.use(file, tensors);
            cases.add(new Metrics(folder.title(file, JSON), file, tensors));
        }
        return cases;
    }

    /** Returns a measure of masks by its name; empty where it isn't known. */
    private static OptionalDouble overlap(OverlapCounts counts, String measure) {
        return switch (measure) {
            case "dice" -> OptionalDouble.of(counts.dice());
            case "iou" -> OptionalDouble.of(counts.iou());
            case "sensitivity" -> OptionalDouble.of(counts.sensitivity());
            case "specificity" -> OptionalDouble.of(counts.specificity());
            case "precision" -> OptionalDouble.of(counts.precision());
            default -> OptionalDouble.empty();
        };
    }

    /** Returns a measure of surfaces by its name, such as {@code hd95_directed} or {@code nsd_2mm}; empty where it isn't known. */
    private static OptionalDouble surface(SurfaceDistances distances, String measure) {
        Matcher hausdorff = HAUSDORFF.matcher(measure);
        Matcher surfaceDice = SURFACE_DICE.matcher(measure);
        if (hausdorff.matches()) {
            double percentile = hausdorff.group(1).isEmpty() ? 100 : Double.parseDouble(hausdorff.group(1));
            return OptionalDouble.of(
                    hausdorff.group(2) == null
                            ? distances.hausdorff(percentile)
                            : distances.directedHausdorff(percentile));
        }
        if (surfaceDice.matches()) {
            return OptionalDouble.of(distances.surfaceDice(Double.parseDouble(surfaceDice.group(1))));
        }
        return switch (measure) {
            case "asd" -> OptionalDouble.of(distances.averageSurfaceDistance());
            case "assd" -> OptionalDouble.of(distances.averageSymmetricSurfaceDistance());
            default -> OptionalDouble.empty();
        };
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

    private record Metrics(String name, Path json, Path tensors) implements ParityCase {
        @Override
        public String module() {
            return "metrics";
        }

        @Override
        public void run(Consumer<ParityLine> sink) throws IOException {
            if (!Files.exists(tensors)) {
                sink.accept(ParityLine.skipped(name, module(), "there is no " + tensors));
                return;
            }
            Map<String, HostTensor> masks = ReferenceFolder.tensors(tensors);
            // NaN for measures that aren't known
            Map<String, Double> differences = new LinkedHashMap<>();
            for (Map.Entry<String, Object> entry : ReferenceFolder.json(json).entrySet()) {
                String id = entry.getKey();
                if (!(entry.getValue() instanceof Map<?, ?> expected)) {
                    // what else was noted down, such as a version
                    sink.accept(ParityLine.skipped(name + " " + id, module(), "holds no measures"));
                    continue;
                }
                try {
                    HostTensor predicted = ReferenceFolder.require(tensors, masks, id + ".pred");
                    HostTensor truth = ReferenceFolder.require(tensors, masks, id + ".truth");
                    if (expected.keySet().stream()
                            .anyMatch(key -> String.valueOf(key).contains("|"))) {
                        reductions(predicted, truth, expected, differences);
                    } else {
                        masks(predicted, truth, expected, differences);
                    }
                } catch (IOException | IllegalArgumentException e) {
                    sink.accept(ParityLine.failed(name + " " + id, module(), e.getMessage()));
                }
            }
            differences.forEach((measure, difference) -> sink.accept(
                    Double.isNaN(difference)
                            ? ParityLine.skipped(name + " " + measure, module(), "this measure isn't known here")
                            : ParityLine.compared(name + " " + measure, module(), difference, TOLERANCE)));
        }

        private static void masks(
                HostTensor predicted, HostTensor truth, Map<?, ?> expected, Map<String, Double> differences) {
            HostTensor found = mask(predicted);
            HostTensor right = mask(truth);
            OverlapCounts counts = OverlapCounts.of(found, right);
            expected.forEach((key, value) -> {
                String measure = String.valueOf(key);
                if (measure.startsWith(SPACING) && value instanceof Map<?, ?> measures) {
                    SurfaceDistances distances = SurfaceDistances.between(
                            found,
                            right,
                            Arrays.stream(measure.substring(SPACING.length()).split("_"))
                                    .mapToDouble(Double::parseDouble)
                                    .toArray());
                    measures.forEach((name, number) ->
                            note(String.valueOf(name), surface(distances, String.valueOf(name)), number, differences));
                } else {
                    note(measure, overlap(counts, measure), value, differences);
                }
            });
        }

        private static void note(
                String measure, OptionalDouble found, Object expected, Map<String, Double> differences) {
            double difference = found.isEmpty() ? Double.NaN : difference(found.getAsDouble(), Numbers.of(expected));
            differences.merge(measure, difference, Math::max);
        }

        /** Returns a mask of any type as one byte a voxel, without axes of length 1 before (D,H,W). */
        private static HostTensor mask(HostTensor mask) {
            long[] shape = mask.shape();
            long[] size = Arrays.copyOfRange(shape, Math.max(0, shape.length - 3), shape.length);
            byte[] bytes = new byte[Math.toIntExact(mask.elements())];
            for (int n = 0; n < bytes.length; n++) {
                bytes[n] = (byte) (mask.get(n) == 0 ? 0 : 1);
            }
            return HostTensor.of(bytes, size);
        }

        private static void reductions(
                HostTensor predicted, HostTensor truth, Map<?, ?> expected, Map<String, Double> differences) {
            double[][] ignoring = dice(predicted, truth, OverlapCounts::dice);
            double[][] counting = dice(predicted, truth, OverlapCounts::diceCountingEmpty);
            expected.forEach((key, value) -> {
                // keys are REDUCTION|ignore_empty=True or False
                String[] parts = String.valueOf(key).split("\\|", 2);
                String measure = "dice over a batch, " + String.join(" ", parts);
                Optional<Reduction> reduction = Arrays.stream(Reduction.values())
                        .filter(one -> one.name().equals(parts[0].toUpperCase(Locale.ROOT)))
                        .findFirst();
                if (reduction.isEmpty() && !parts[0].equals("none")) {
                    differences.put(measure, Double.NaN);
                    return;
                }
                double[][] values = parts[parts.length - 1].endsWith("True") ? ignoring : counting;
                double[] found = reduction
                        .map(one -> one.of(values))
                        .orElseGet(() -> Arrays.stream(values)
                                .flatMapToDouble(Arrays::stream)
                                .toArray());
                double[] numbers = flat(value);
                double largest = found.length == numbers.length ? 0 : Double.POSITIVE_INFINITY;
                for (int n = 0; n < Math.min(found.length, numbers.length); n++) {
                    largest = Math.max(largest, difference(found[n], numbers[n]));
                }
                differences.merge(measure, largest, Math::max);
            });
        }

        private static double[][] dice(
                HostTensor predicted, HostTensor truth, ToDoubleFunction<OverlapCounts> measure) {
            if (truth.rank() != 5 || !Arrays.equals(predicted.shape(), truth.shape())) {
                throw new IllegalArgumentException("found a prediction " + predicted + " and a truth " + truth
                        + ", expected masks of one shape (B,C,D,H,W)");
            }
            int cases = Math.toIntExact(truth.size(0));
            int classes = Math.toIntExact(truth.size(1));
            double[][] dice = new double[cases][classes];
            for (int n = 0; n < cases; n++) {
                for (int c = 0; c < classes; c++) {
                    dice[n][c] = measure.applyAsDouble(
                            OverlapCounts.of(part(predicted, n * classes + c), part(truth, n * classes + c)));
                }
            }
            return dice;
        }

        private static HostTensor part(HostTensor batch, int index) {
            long[] size = Arrays.copyOfRange(batch.shape(), 2, 5);
            int bytes = Math.toIntExact(Shapes.elements(size) * batch.dtype().bytes());
            return mask(HostTensor.wrap(batch.dtype(), batch.bytes().slice(index * bytes, bytes), size));
        }

        private static double[] flat(Object value) {
            return value instanceof List<?> list
                    ? list.stream()
                            .flatMapToDouble(one -> Arrays.stream(flat(one)))
                            .toArray()
                    : new double[] {Numbers.of(value)};
        }
    }
}

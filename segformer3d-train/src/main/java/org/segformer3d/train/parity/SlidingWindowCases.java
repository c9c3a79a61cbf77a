package org.segformer3d.train.parity;

import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.eval.inference.Blend;
import org.segformer3d.eval.inference.SlidingWindow;
import org.segformer3d.train.parity.Parity.ParityCase;

/**
 * {@code sliding_window.*}: blending of windows under a predictor that depends on the position within the window.
 *
 * <p>Tensors are named {@code CASE.BLEND.OVERLAP}, for example {@code 0.gaussian.0.25}; CASE is a place in the description's list
 * {@code cases}, or a name where that is a map.
 */
final class SlidingWindowCases {
    private static final String JSON = ".json";
    private static final Pattern KEY = Pattern.compile("(.+)\\.(constant|gaussian)\\.(\\d*\\.?\\d+)");

    private SlidingWindowCases() {}

    static List<ParityCase> in(ReferenceFolder folder) {
        List<ParityCase> cases = new ArrayList<>();
        for (Path file : folder.named(".*sliding_window.*\\.json")) {
            Path tensors = ReferenceFolder.sibling(file, JSON, ".safetensors");
            folder.use(file, tensors);
            cases.add(new Recording(folder.title(file, JSON), file, tensors));
        }
        return cases;
    }

    private record Recording(String name, Path file, Path tensors) implements ParityCase {
        @Override
        public String module() {
            return "sliding window";
        }

        @Override
        public void run(Consumer<ParityLine> sink) throws IOException {
            if (!Files.exists(tensors)) {
                sink.accept(ParityLine.skipped(name, module(), "there is no " + tensors));
                return;
            }
            Map<String, Object> description = ReferenceFolder.json(file);
            Map<String, HostTensor> values = ReferenceFolder.tensors(tensors);
            for (Map.Entry<String, HostTensor> entry : values.entrySet()) {
                String line = name + " " + entry.getKey();
                Matcher key = KEY.matcher(entry.getKey());
                try {
                    if (key.matches()) {
                        HostTensor input = ReferenceFolder.require(tensors, values, key.group(1) + ".input");
                        sink.accept(compared(line, description, key, input, entry.getValue()));
                    } else if (!entry.getKey().endsWith(".input")) {
                        sink.accept(ParityLine.skipped(line, module(), "this value isn't known here"));
                    }
                } catch (IOException | IllegalArgumentException e) {
                    sink.accept(ParityLine.failed(line, module(), e.getMessage()));
                }
            }
        }

        private ParityLine compared(
                String line, Map<String, Object> description, Matcher key, HostTensor input, HostTensor expected)
                throws IOException {
            Map<?, ?> settings = settings(description, key.group(1));
            Optional<String> unlike = unlike(settings);
            if (unlike.isPresent()) {
                return ParityLine.skipped(line, module(), unlike.get());
            }
            SlidingWindow window = new SlidingWindow(
                    roi(settings.get("roi")),
                    Double.parseDouble(key.group(3)),
                    Blend.valueOf(key.group(2).toUpperCase(Locale.ROOT)),
                    4,
                    settings.get("sigma_scale") instanceof Number sigma
                            ? sigma.doubleValue()
                            : SlidingWindow.SIGMA_SCALE);
            double worst = 0;
            for (int n = 0; n < input.size(0); n++) {
                HostTensor found = window.infer(batch -> predict(batch, window.roi()), volume(input, n));
                worst = Differences.worse(worst, Differences.largest(found, volume(expected, n)));
            }
            return ParityLine.compared(line, module(), worst, 1e-5);
        }

        /** What holds for a case: its own settings before those of all. */
        private Map<?, ?> settings(Map<String, Object> description, String id) throws IOException {
            Object cases = description.get("cases");
            Object own = cases instanceof Map<?, ?> map
                    ? map.get(id)
                    : cases instanceof List<?> list && id.matches("\\d{1,6}") && Integer.parseInt(id) < list.size()
                            ? list.get(Integer.parseInt(id))
                            : null;
            if (!(own instanceof Map<?, ?> found)) {
                throw new IOException(file + ": found no case " + id + " in cases, expected its roi there");
            }
            Map<Object, Object> settings = new LinkedHashMap<>(description);
            settings.putAll(found);
            return settings;
        }

        private Grid roi(Object found) throws IOException {
            List<Integer> sizes =
                    Numbers.list(found instanceof Number edge ? List.of(edge, edge, edge) : found).stream()
                            .map(Double::intValue)
                            .toList();
            if (sizes.size() != 3) {
                throw new IOException(file + ": found roi = " + found + ", expected three sizes");
            }
            return new Grid(sizes.get(0), sizes.get(1), sizes.get(2));
        }

        /** Returns what is padded otherwise than windows are here. */
        private static Optional<String> unlike(Map<?, ?> settings) {
            Object mode = settings.get("padding_mode");
            Object value = settings.get("cval");
            return mode != null && !mode.equals("constant")
                    ? Optional.of("padding_mode is " + mode + ", here it is always constant")
                    : value instanceof Number number && number.doubleValue() != 0
                            ? Optional.of("cval is " + value + ", here it is always 0")
                            : Optional.empty();
        }

        /** Returns one volume (C,D,H,W) of a batch. */
        private static HostTensor volume(HostTensor batch, int index) {
            if (batch.rank() != 5) {
                throw new IllegalArgumentException("found " + batch + ", expected (B,C,D,H,W)");
            }
            long[] shape = batch.shape();
            int bytes =
                    Math.toIntExact(batch.elements() / shape[0] * batch.dtype().bytes());
            return HostTensor.wrap(
                    batch.dtype(),
                    batch.bytes().slice(index * bytes, bytes),
                    Arrays.copyOfRange(shape, 1, shape.length));
        }

        /** Channel 0 is x·ramp, channel 1 is sin(3x) + ramp², with a ramp over the window: 1·lin(d) + 2·lin(h) + 3·lin(w). */
        private static HostTensor predict(HostTensor batch, Grid roi) {
            int windows = Math.toIntExact(batch.size(0));
            int tokens = roi.tokens();
            HostTensor result = HostTensor.zeros(DType.FLOAT32, windows, 2, roi.depth(), roi.height(), roi.width());
            FloatBuffer x = batch.toFloat32().floatBuffer();
            FloatBuffer y = result.floatBuffer();
            for (int b = 0; b < windows; b++) {
                int n = 0;
                for (int d = 0; d < roi.depth(); d++) {
                    for (int h = 0; h < roi.height(); h++) {
                        for (int w = 0; w < roi.width(); w++, n++) {
                            double ramp =
                                    linear(d, roi.depth()) + 2 * linear(h, roi.height()) + 3 * linear(w, roi.width());
                            double value = x.get(b * tokens + n);
                            y.put(b * 2 * tokens + n, (float) (value * ramp));
                            y.put((b * 2 + 1) * tokens + n, (float) (Math.sin(3 * value) + ramp * ramp));
                        }
                    }
                }
            }
            return result;
        }

        /** Evenly spaced from 0.5 to 1.5. */
        private static double linear(int i, int n) {
            return n == 1 ? 0.5 : 0.5 + (double) i / (n - 1);
        }
    }
}

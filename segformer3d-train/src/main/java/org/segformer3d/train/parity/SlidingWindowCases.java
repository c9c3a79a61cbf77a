package org.segformer3d.train.parity;

import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Consumer;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.eval.inference.Blend;
import org.segformer3d.eval.inference.SlidingWindow;
import org.segformer3d.train.parity.Parity.ParityCase;

/** {@code pipeline/sliding_window.*}: blending of windows under a predictor that depends on the position within the window. */
final class SlidingWindowCases {
    private SlidingWindowCases() {}

    static List<ParityCase> in(ReferenceFolder folder) throws IOException {
        Path pipeline = folder.root().resolve("pipeline");
        Path json = pipeline.resolve("sliding_window.json");
        Path tensors = pipeline.resolve("sliding_window.safetensors");
        List<ParityCase> cases = new ArrayList<>();
        if (Files.exists(json) && Files.exists(tensors)) {
            Map<String, Object> description = ReferenceFolder.json(json);
            List<?> list = (List<?>) description.get("cases");
            String unlike = unlike(description);
            Map<String, HostTensor> values = ReferenceFolder.tensors(tensors);
            for (String key : values.keySet()) {
                // keys are CASE.BLEND.OVERLAP, for example 0.gaussian.0.25
                String[] parts = key.split("\\.", 3);
                if (parts.length == 3) {
                    Map<?, ?> window = (Map<?, ?>) list.get(Integer.parseInt(parts[0]));
                    List<?> roi = (List<?>) window.get("roi");
                    cases.add(new Window(
                            "pipeline/sliding_window " + key,
                            values.get(parts[0] + ".input"),
                            values.get(key),
                            new Grid(
                                    ((Number) roi.get(0)).intValue(),
                                    ((Number) roi.get(1)).intValue(),
                                    ((Number) roi.get(2)).intValue()),
                            Blend.valueOf(parts[1].toUpperCase(Locale.ROOT)),
                            Double.parseDouble(parts[2]),
                            unlike));
                }
            }
        }
        return cases;
    }

    /** Returns which setting of a recording isn't the one that windows are blended with here, empty when all are. */
    private static String unlike(Map<String, Object> description) {
        Map<String, Object> here = Map.of("sigma_scale", 0.125, "padding_mode", "constant", "cval", 0.0);
        return description.entrySet().stream()
                .filter(entry -> here.containsKey(entry.getKey()))
                .filter(entry -> !(entry.getValue() instanceof Number number
                                ? (Object) number.doubleValue()
                                : entry.getValue())
                        .equals(here.get(entry.getKey())))
                .map(entry ->
                        entry.getKey() + " is " + entry.getValue() + ", here it is always " + here.get(entry.getKey()))
                .findFirst()
                .orElse("");
    }

    private record Window(
            String name, HostTensor input, HostTensor expected, Grid roi, Blend blend, double overlap, String unlike)
            implements ParityCase {
        @Override
        public String module() {
            return "sliding window";
        }

        @Override
        public void run(Consumer<ParityLine> sink) {
            if (!unlike.isEmpty()) {
                sink.accept(ParityLine.skipped(name, module(), unlike));
                return;
            }
            long[] in = input.shape();
            long[] out = expected.shape();
            SlidingWindow window = new SlidingWindow(roi, overlap, blend, 4);
            HostTensor result = window.infer(this::predict, input.reshape(in[1], in[2], in[3], in[4]));
            sink.accept(ParityLine.compared(
                    name,
                    module(),
                    Differences.largest(result, expected.reshape(out[1], out[2], out[3], out[4])),
                    1e-5));
        }

        /** Channel 0 is x·ramp, channel 1 is sin(3x) + ramp², with a ramp over the window: 1·lin(d) + 2·lin(h) + 3·lin(w). */
        private HostTensor predict(HostTensor batch) {
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

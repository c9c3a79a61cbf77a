package org.segformer3d.eval.inference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.data.labels.Region;
import org.segformer3d.eval.SharedReference;

class SlidingWindowTests {
    /** The predictor that the reference values were made with: it depends on the place within the window. */
    private static HostTensor ramp(HostTensor batch) {
        long[] shape = batch.shape();
        Grid roi = Grid.of(shape);
        float[] x = batch.toFloats();
        float[] y = new float[x.length * 2];
        int voxels = roi.tokens();
        for (int b = 0; b < shape[0]; b++) {
            int n = 0;
            for (int d = 0; d < roi.depth(); d++) {
                for (int h = 0; h < roi.height(); h++) {
                    for (int w = 0; w < roi.width(); w++, n++) {
                        double ramp = line(d, roi.depth()) + 2 * line(h, roi.height()) + 3 * line(w, roi.width());
                        float value = x[b * voxels + n];
                        y[2 * b * voxels + n] = (float) (value * ramp);
                        y[(2 * b + 1) * voxels + n] = (float) (Math.sin(3 * value) + ramp * ramp);
                    }
                }
            }
        }
        return HostTensor.of(y, shape[0], 2, shape[2], shape[3], shape[4]);
    }

    private static double line(int n, int edge) {
        return 0.5 + (double) n / (edge - 1);
    }

    private static HostTensor noise(long seed, long... shape) {
        SplittableRandom random = new SplittableRandom(seed);
        int n = 1;
        for (long size : shape) {
            n *= (int) size;
        }
        float[] values = new float[n];
        for (int i = 0; i < n; i++) {
            values[i] = (float) random.nextDouble(-1, 1);
        }
        return HostTensor.of(values, shape);
    }

    @Nested
    class AgainstMonai {
        @ParameterizedTest
        @CsvSource({
            "constant,0.25,1",
            "constant,0.5,4",
            "constant,0.75,3",
            "gaussian,0.25,1",
            "gaussian,0.5,5",
            "gaussian,0.75,2"
        })
        void gives_the_reference_values(String blend, double overlap, int batchSize) throws IOException {
            JsonNode cases = SharedReference.json("reference/pipeline/sliding_window.json")
                    .get("cases");
            Map<String, HostTensor> reference =
                    SharedReference.tensors("reference/pipeline/sliding_window.safetensors");
            assertThat(cases).hasSize(4);
            for (int n = 0; n < cases.size(); n++) {
                JsonNode roi = cases.get(n).get("roi");
                SlidingWindow window = new SlidingWindow(
                        new Grid(
                                roi.get(0).asInt(),
                                roi.get(1).asInt(),
                                roi.get(2).asInt()),
                        overlap,
                        Blend.parse(blend),
                        batchSize);
                HostTensor input = reference.get(n + ".input");
                long[] s = input.shape();
                HostTensor logits = window.infer(SlidingWindowTests::ramp, input.reshape(1, s[2], s[3], s[4]));
                HostTensor expected = reference.get(String.format(Locale.ROOT, "%d.%s.%s", n, blend, overlap));
                assertThat(logits.shape()).containsExactly(2, s[2], s[3], s[4]);
                assertThat(relativeDifference(logits.toFloats(), expected.toFloats()))
                        .as("case %d", n)
                        .isLessThan(1e-5);
            }
        }

        private double relativeDifference(float[] found, float[] expected) {
            double largest = 0;
            double difference = 0;
            for (int n = 0; n < expected.length; n++) {
                largest = Math.max(largest, Math.abs(expected[n]));
                difference = Math.max(difference, Math.abs(expected[n] - found[n]));
            }
            return difference / largest;
        }
    }

    @Nested
    class Windows {
        @Test
        void start_at_the_scan_interval_and_the_last_ends_at_the_edge() {
            SlidingWindow window = new SlidingWindow(new Grid(16, 16, 16), 0.25, Blend.CONSTANT, 1);
            assertThat(window.starts(new Grid(41, 40, 16), 0)).containsExactly(0, 12, 24, 25);
            assertThat(window.starts(new Grid(41, 40, 16), 1)).containsExactly(0, 12, 24);
            assertThat(window.starts(new Grid(41, 40, 16), 2)).containsExactly(0);
            assertThat(window.windows(new Grid(41, 40, 16))).isEqualTo(12);
        }

        @Test
        void are_one_along_an_axis_shorter_than_the_window() {
            SlidingWindow window = new SlidingWindow(new Grid(16, 16, 16), 0.5, Blend.CONSTANT, 1);
            assertThat(window.windows(new Grid(3, 16, 15))).isEqualTo(1);
        }

        @Test
        void move_at_least_one_voxel() {
            SlidingWindow window = new SlidingWindow(new Grid(2, 2, 2), 0.9, Blend.CONSTANT, 1);
            assertThat(window.starts(new Grid(5, 2, 2), 0)).containsExactly(0, 1, 2, 3);
        }
    }

    @Nested
    class Volumes {
        @ParameterizedTest
        @ValueSource(ints = {1, 2, 3, 7, 100})
        void of_any_size_come_back_unchanged_from_the_identity(int batchSize) {
            SlidingWindow window = new SlidingWindow(new Grid(6, 9, 4), 0.6, Blend.GAUSSIAN, batchSize);
            for (long[] shape : new long[][] {{2, 17, 3, 11}, {1, 5, 9, 4}, {2, 1, 1, 1}, {3, 6, 31, 5}}) {
                HostTensor image = noise(7, shape);
                HostTensor same = window.infer(HostTensor::copy, image);
                assertThat(same.shape()).isEqualTo(shape);
                assertThat(same.toFloats()).usingComparatorWithPrecision(1e-5f).containsExactly(image.toFloats());
            }
        }

        @Test
        void smaller_than_the_window_are_padded_with_zeros_half_on_each_side() {
            SlidingWindow window = new SlidingWindow(new Grid(1, 1, 5), 0.5, Blend.CONSTANT, 1);
            List<float[]> seen = new ArrayList<>();
            window.infer(
                    batch -> {
                        seen.add(batch.toFloats());
                        return batch;
                    },
                    HostTensor.of(new float[] {7, 8}, 1, 1, 1, 2));
            assertThat(seen).hasSize(1);
            assertThat(seen.get(0)).containsExactly(0, 7, 8, 0, 0);
        }

        @Test
        void of_other_element_types_are_converted() {
            SlidingWindow window = new SlidingWindow(new Grid(2, 2, 2), 0, Blend.CONSTANT, 2);
            HostTensor bytes = HostTensor.of(new byte[] {1, 2, 3, 4, 5, 6, 7, (byte) 200}, 1, 2, 2, 2);
            assertThat(window.infer(HostTensor::toFloat64, bytes).toFloats()).containsExactly(1, 2, 3, 4, 5, 6, 7, 200);
        }
    }

    @Nested
    class Streaming {
        @Test
        void hands_out_every_slice_once_and_in_order() {
            SlidingWindow window = new SlidingWindow(new Grid(4, 8, 8), 0.5, Blend.GAUSSIAN, 3);
            HostTensor image = noise(3, 1, 15, 20, 9);
            HostTensor whole = window.infer(SlidingWindowTests::ramp, image);
            List<Integer> starts = new ArrayList<>();
            int[] next = {0};
            window.stream(
                    SlidingWindowTests::ramp, image, StreamPlan.FASTEST, WindowListener.NONE, (start, row, slab) -> {
                        assertThat(row).isZero();
                        assertThat(start).isEqualTo(next[0]);
                        next[0] += (int) slab.size(1);
                        starts.add(start);
                        int plane = 20 * 9;
                        for (int c = 0; c < 2; c++) {
                            for (int n = 0; n < slab.size(1) * plane; n++) {
                                assertThat(slab.get((int) (c * slab.size(1) * plane) + n))
                                        .isEqualTo(whole.get((c * 15 + start) * plane + n));
                            }
                        }
                    });
            assertThat(next[0]).isEqualTo(15);
            assertThat(starts).hasSizeGreaterThan(3);
        }
    }

    /** The definition itself, with sums of the whole volume: what every plan must give, bit for bit. */
    private static float[] unstreamed(SlidingWindow window, Predictor predictor, HostTensor image, int classes) {
        Grid size = new Grid((int) image.size(1), (int) image.size(2), (int) image.size(3));
        Grid roi = window.roi();
        int[] padded = new int[3];
        int[] before = new int[3];
        for (int axis = 0; axis < 3; axis++) {
            padded[axis] = Math.max(size.size(axis), roi.size(axis));
            before[axis] = (padded[axis] - size.size(axis)) / 2;
        }
        int voxels = padded[0] * padded[1] * padded[2];
        float[][] sums = new float[classes + 1][voxels];
        float[] weights = window.weights();
        for (int d0 : window.starts(size, 0)) {
            for (int h0 : window.starts(size, 1)) {
                for (int w0 : window.starts(size, 2)) {
                    int channels = (int) image.size(0);
                    float[] input = new float[channels * roi.tokens()];
                    for (int n = 0; n < input.length; n++) {
                        int v = n % roi.tokens();
                        int d = d0 + v / roi.width() / roi.height() - before[0];
                        int h = h0 + v / roi.width() % roi.height() - before[1];
                        int w = w0 + v % roi.width() - before[2];
                        if (d >= 0 && d < size.depth() && h >= 0 && h < size.height() && w >= 0 && w < size.width()) {
                            int c = n / roi.tokens();
                            input[n] =
                                    (float) image.get(((c * size.depth() + d) * size.height() + h) * size.width() + w);
                        }
                    }
                    float[] logits = predictor
                            .predict(HostTensor.of(input, 1, channels, roi.depth(), roi.height(), roi.width()))
                            .toFloats();
                    for (int v = 0; v < roi.tokens(); v++) {
                        int d = d0 + v / roi.width() / roi.height();
                        int h = h0 + v / roi.width() % roi.height();
                        int at = (d * padded[1] + h) * padded[2] + w0 + v % roi.width();
                        for (int c = 0; c < classes; c++) {
                            sums[c][at] += logits[c * roi.tokens() + v] * weights[v];
                        }
                        sums[classes][at] += weights[v];
                    }
                }
            }
        }
        float[] result = new float[classes * size.tokens()];
        int n = 0;
        for (int c = 0; c < classes; c++) {
            for (int d = 0; d < size.depth(); d++) {
                for (int h = 0; h < size.height(); h++) {
                    for (int w = 0; w < size.width(); w++) {
                        int at = ((before[0] + d) * padded[1] + before[1] + h) * padded[2] + before[2] + w;
                        result[n++] = sums[c][at] / sums[classes][at];
                    }
                }
            }
        }
        return result;
    }

    @Nested
    class Plans {
        private final long[][] shapes = {{1, 17, 23, 11}, {1, 5, 9, 4}, {1, 30, 6, 5}, {1, 7, 31, 3}};

        @ParameterizedTest
        @CsvSource({
            "constant,0,1",
            "constant,0.5,1",
            "constant,0.75,3",
            "gaussian,0.25,2",
            "gaussian,0.5,1",
            "gaussian,0.6,5"
        })
        void all_give_the_whole_volume_s_logits_bit_for_bit(String blend, double overlap, int batchSize) {
            SlidingWindow window = new SlidingWindow(new Grid(6, 8, 4), overlap, Blend.parse(blend), batchSize);
            for (long[] shape : shapes) {
                HostTensor image = noise(11, shape);
                float[] expected = unstreamed(window, SlidingWindowTests::ramp, image, 2);
                for (int rows : new int[] {1, 3, 4, 8, 13, 1000}) {
                    for (boolean ahead : new boolean[] {false, true}) {
                        Grid size = new Grid((int) shape[1], (int) shape[2], (int) shape[3]);
                        LogitsCollector collector = new LogitsCollector(size);
                        StreamPlan plan = new StreamPlan(rows, ahead);
                        int[] told = {0};
                        window.stream(
                                SlidingWindowTests::ramp, image, plan, (done, total) -> told[0] = done, collector);
                        assertThat(collector.whole().toFloats()).as("%s", plan).containsExactly(expected);
                        assertThat(told[0]).isEqualTo(window.windows(size, plan));
                    }
                }
            }
        }

        @Test
        void give_mirrored_predictions_bit_for_bit() {
            SlidingWindow window = new SlidingWindow(new Grid(6, 8, 4), 0.5, Blend.GAUSSIAN, 2);
            HostTensor image = noise(13, 1, 13, 17, 9);
            Predictor mirrored = new MirroringPredictor(SlidingWindowTests::ramp, List.of(0, 1, 2));
            float[] expected = unstreamed(window, mirrored, image, 2);
            for (StreamPlan plan : List.of(StreamPlan.FASTEST, new StreamPlan(5, true), new StreamPlan(4, false))) {
                LogitsCollector collector = new LogitsCollector(new Grid(13, 17, 9));
                window.stream(mirrored, image, plan, WindowListener.NONE, collector);
                assertThat(collector.whole().toFloats()).as("%s", plan).containsExactly(expected);
            }
        }

        @Test
        void give_the_labels_of_the_whole_volume_s_logits() {
            SlidingWindow window = new SlidingWindow(new Grid(6, 8, 4), 0.5, Blend.GAUSSIAN, 1);
            HostTensor image = noise(17, 1, 13, 17, 9);
            HostTensor logits = HostTensor.of(unstreamed(window, SlidingWindowTests::ramp, image, 2), 2, 13, 17, 9);
            for (LabelSpec spec : List.of(
                    LabelSpec.softmax("organ"),
                    LabelSpec.sigmoid("a", "b"),
                    new LabelSpec(
                            LabelSpec.Mode.SIGMOID,
                            List.of(new Region("inner", List.of(1), 1), new Region("outer", List.of(1, 300), 300))))) {
                HostTensor expected = spec.decode(logits);
                for (StreamPlan plan : List.of(StreamPlan.FASTEST, new StreamPlan(5, true), new StreamPlan(4, false))) {
                    LabelCollector collector = new LabelCollector(spec, new Grid(13, 17, 9));
                    window.stream(SlidingWindowTests::ramp, image, plan, WindowListener.NONE, collector);
                    assertThat(collector.labels()).as("%s %s", spec, plan).isEqualTo(expected);
                }
            }
        }

        @Test
        void predict_more_windows_in_less_memory() {
            SlidingWindow window = new SlidingWindow(new Grid(128, 128, 128), 0.5, Blend.GAUSSIAN, 1);
            Grid size = new Grid(512, 512, 400);
            StreamPlan strips = new StreamPlan(256, true);
            assertThat(window.windows(size, StreamPlan.FASTEST))
                    .isEqualTo(window.windows(size))
                    .isEqualTo(294);
            assertThat(window.windows(size, strips)).isEqualTo(336);
            long whole = window.bytes(size, 1, 14, StreamPlan.FASTEST);
            assertThat(whole).isBetween(1_700_000_000L, 2_100_000_000L);
            assertThat(window.bytes(size, 1, 14, strips)).isLessThan(whole * 6 / 10);
        }

        @Test
        void use_spent_results_again_but_none_that_is_still_blended() {
            List<HostTensor> made = new ArrayList<>();
            Predictor reusing = new Predictor() {
                @Override
                public HostTensor predict(HostTensor batch) {
                    HostTensor logits = ramp(batch);
                    made.add(logits);
                    return logits;
                }

                @Override
                public HostTensor predict(HostTensor batch, Optional<HostTensor> spent) {
                    if (spent.isEmpty()) {
                        return predict(batch);
                    }
                    spent.get().floatBuffer().put(ramp(batch).floatBuffer());
                    return spent.get();
                }
            };
            SlidingWindow window = new SlidingWindow(new Grid(6, 8, 4), 0.5, Blend.CONSTANT, 1);
            HostTensor image = noise(19, 1, 20, 20, 20);
            assertThat(window.infer(reusing, image)).isEqualTo(window.infer(SlidingWindowTests::ramp, image));
            assertThat(made).hasSize(2);
        }

        @Test
        void pass_on_what_a_consumer_throws() {
            SlidingWindow window = new SlidingWindow(new Grid(4, 4, 4), 0, Blend.CONSTANT, 1);
            for (boolean ahead : new boolean[] {false, true}) {
                assertThatExceptionOfType(IllegalStateException.class)
                        .isThrownBy(() -> window.stream(
                                SlidingWindowTests::ramp,
                                noise(1, 1, 20, 4, 4),
                                new StreamPlan(4, ahead),
                                WindowListener.NONE,
                                (start, row, logits) -> {
                                    throw new IllegalStateException("full");
                                }))
                        .withMessage("full");
            }
        }
    }

    @Nested
    class Progress {
        @Test
        void is_told_after_each_batch() {
            List<String> told = new ArrayList<>();
            new SlidingWindow(new Grid(4, 4, 4), 0, Blend.CONSTANT, 3)
                    .infer(
                            SlidingWindowTests::ramp,
                            noise(1, 1, 8, 8, 8),
                            (done, total) -> told.add(done + "/" + total));
            assertThat(told).containsExactly("0/8", "3/8", "6/8", "8/8");
        }

        @Test
        void can_cancel_by_throwing() {
            SlidingWindow window = new SlidingWindow(new Grid(4, 4, 4), 0, Blend.CONSTANT, 1);
            int[] calls = {0};
            assertThatExceptionOfType(CancellationException.class)
                    .isThrownBy(() -> window.infer(
                            batch -> {
                                calls[0]++;
                                return batch;
                            },
                            noise(1, 1, 8, 8, 8),
                            (done, total) -> {
                                if (done == 2) {
                                    throw new CancellationException("enough");
                                }
                            }));
            assertThat(calls[0]).isEqualTo(2);
        }
    }

    @Nested
    class Mistakes {
        @Test
        void in_the_settings_name_the_key() {
            Grid roi = new Grid(4, 4, 4);
            assertThatExceptionOfType(ConfigException.class)
                    .isThrownBy(() -> new SlidingWindow(roi, 1, Blend.CONSTANT, 1))
                    .withMessage("overlap: found 1.0, expected a fraction in [0, 1)");
            assertThatExceptionOfType(ConfigException.class)
                    .isThrownBy(() -> new SlidingWindow(roi, Double.NaN, Blend.CONSTANT, 1))
                    .withMessageContaining("overlap");
            assertThatExceptionOfType(ConfigException.class)
                    .isThrownBy(() -> new SlidingWindow(roi, 0, Blend.CONSTANT, 0))
                    .withMessageContaining("batch_size");
            assertThatExceptionOfType(ConfigException.class)
                    .isThrownBy(() -> Blend.parse("gauss"))
                    .withMessage("blend: found 'gauss', expected constant or gaussian");
        }

        @Test
        void of_the_predictor_are_named_with_both_shapes() {
            SlidingWindow window = new SlidingWindow(new Grid(4, 4, 4), 0, Blend.CONSTANT, 1);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> window.infer(batch -> noise(1, 1, 2, 2, 2, 2), noise(1, 1, 8, 8, 8)))
                    .withMessageContaining("1×2×2×2×2")
                    .withMessageContaining("(1,K,4,4,4)");
        }

        @Test
        void in_the_image_are_named_with_its_shape() {
            SlidingWindow window = new SlidingWindow(new Grid(4, 4, 4), 0, Blend.CONSTANT, 1);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> window.infer(HostTensor::copy, noise(1, 8, 8, 8)))
                    .withMessage("image: found shape 8×8×8, expected (C,D,H,W) without empty axes");
        }
    }

    @Nested
    class Mirroring {
        @Test
        void leaves_a_predictor_alone_that_commutes_with_it() {
            Predictor doubled = batch -> {
                float[] values = batch.toFloats();
                for (int n = 0; n < values.length; n++) {
                    values[n] *= 2;
                }
                return HostTensor.of(values, batch.shape());
            };
            HostTensor batch = noise(5, 2, 3, 4, 5, 6);
            assertThat(new MirroringPredictor(doubled, List.of(0, 1, 2))
                            .predict(batch)
                            .toFloats())
                    .usingComparatorWithPrecision(1e-6f)
                    .containsExactly(doubled.predict(batch).toFloats());
        }

        @Test
        void averages_over_every_subset_of_the_axes() {
            // f(x) = x + position along w, so mirroring along w averages the position away
            Predictor position = batch -> {
                float[] values = batch.toFloats();
                for (int n = 0; n < values.length; n++) {
                    values[n] += n % 3;
                }
                return HostTensor.of(values, batch.shape());
            };
            HostTensor batch = HostTensor.of(new float[] {10, 20, 30, 40, 50, 60}, 1, 1, 1, 2, 3);
            assertThat(new MirroringPredictor(position, List.of(2))
                            .predict(batch)
                            .toFloats())
                    .containsExactly(11, 21, 31, 41, 51, 61);
            assertThat(new MirroringPredictor(position, List.of(1))
                            .predict(batch)
                            .toFloats())
                    .containsExactly(10, 21, 32, 40, 51, 62);
        }

        @Test
        void predicts_once_for_each_subset() {
            int[] calls = {0};
            Predictor counting = batch -> {
                calls[0]++;
                return batch;
            };
            new MirroringPredictor(counting, List.of(2, 0)).predict(noise(1, 1, 1, 2, 2, 2));
            assertThat(calls[0]).isEqualTo(4);
        }

        @Test
        void refuses_axes_that_are_none() {
            for (List<Integer> axes : List.of(List.of(3), List.of(-1), List.of(1, 1))) {
                assertThatExceptionOfType(ConfigException.class)
                        .isThrownBy(() -> new MirroringPredictor(HostTensor::copy, axes))
                        .withMessageContaining("mirror_axes");
            }
        }
    }
}

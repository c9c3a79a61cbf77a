package org.segformer3d.eval.inference;

import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.Objects;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Shapes;

/**
 * Predicts volumes of any size by a window that moves over them: out(v) = Σ w(v)·f(window)(v) / Σ w(v) over the windows that hold v.
 *
 * <p>The arithmetic is that of MONAI's {@code sliding_window_inference}: a volume smaller than the window along an axis is padded
 * with zeros, half on each side (the odd one behind), and cropped back; windows start every ⌊edge·(1−overlap)⌋ voxels, at least 1;
 * the last one along an axis is shifted back to end at the volume's edge; Gaussian weights have σ = edge/8 and are not let fall
 * below 0.001 or the smallest of them, whichever is larger.
 *
 * <p>Windows are visited in C order, so a slice along the first axis is final as soon as the windows have moved past it. Memory is
 * therefore one window's depth of slices of float32 logits, not the volume's, unless the caller collects the whole volume.
 *
 * <p>Immutable and safe for concurrent use, as far as the predictor is.
 *
 * @param roi size of the window, never {@code null}
 * @param overlap fraction of the window's edge that neighbours share, in [0, 1)
 * @param blend how overlapping windows are weighted, never {@code null}
 * @param batchSize windows given to the predictor at once, ≥ 1
 */
public record SlidingWindow(Grid roi, double overlap, Blend blend, int batchSize) {
    private static final double SIGMA_SCALE = 0.125;
    private static final float SMALLEST_WEIGHT = 1e-3f;

    /** Validates. */
    public SlidingWindow {
        Objects.requireNonNull(roi, "roi");
        Objects.requireNonNull(blend, "blend");
        if (!(overlap >= 0 && overlap < 1)) {
            throw ConfigException.of("overlap", overlap, "a fraction in [0, 1)");
        }
        if (batchSize < 1) {
            throw ConfigException.of("batch_size", batchSize, "an integer of at least 1");
        }
    }

    /** Returns how many windows cover a volume of this size. */
    public int windows(Grid size) {
        return Math.multiplyExact(
                Math.multiplyExact(starts(size, 0).length, starts(size, 1).length), starts(size, 2).length);
    }

    /**
     * Predicts a whole volume.
     *
     * @param predictor the network, never {@code null}
     * @param image (C, D, H, W) of any element type, never {@code null}
     * @return float32 logits (K, D, H, W)
     * @throws IllegalArgumentException when the image has another rank or the predictor returns another shape
     */
    public HostTensor infer(Predictor predictor, HostTensor image) {
        return infer(predictor, image, WindowListener.NONE);
    }

    /**
     * Predicts a whole volume and says how far it is.
     *
     * @param listener never {@code null}
     * @see #infer(Predictor, HostTensor)
     */
    public HostTensor infer(Predictor predictor, HostTensor image, WindowListener listener) {
        LogitsCollector collector = new LogitsCollector(image);
        stream(predictor, image, listener, collector);
        return collector.whole();
    }

    /**
     * Predicts a volume slab by slab, so that the logits of the whole volume are never held at once.
     *
     * @param predictor the network, never {@code null}
     * @param image (C, D, H, W) of any element type, never {@code null}
     * @param listener told about each batch of windows, never {@code null}
     * @param consumer takes the logits, never {@code null}
     * @throws IllegalArgumentException when the image has another rank or the predictor returns another shape
     */
    public void stream(Predictor predictor, HostTensor image, WindowListener listener, SlabConsumer consumer) {
        Objects.requireNonNull(predictor, "predictor");
        Objects.requireNonNull(listener, "listener");
        Objects.requireNonNull(consumer, "consumer");
        if (image.rank() != 4 || image.elements() == 0) {
            throw new IllegalArgumentException(
                    "image: found shape " + Shapes.text(image.shape()) + ", expected (C,D,H,W) without empty axes");
        }
        new Pass(predictor, image.toFloat32(), listener, consumer).run();
    }

    /** Returns the first voxel of every window along an axis, in the coordinates of the padded volume. */
    int[] starts(Grid size, int axis) {
        int edge = roi.size(axis);
        int length = Math.max(size.size(axis), edge);
        int interval = length == edge ? edge : Math.max(1, (int) (edge * (1 - overlap)));
        int count = (length - edge + interval - 1) / interval + 1;
        int[] starts = new int[count];
        for (int n = 0; n < count; n++) {
            starts[n] = Math.min(n * interval, length - edge);
        }
        return starts;
    }

    /** Returns the weights of a window's voxels in C order. */
    float[] weights() {
        float[] weights = new float[roi.tokens()];
        if (blend == Blend.CONSTANT) {
            Arrays.fill(weights, 1);
            return weights;
        }
        float[][] profiles = {profile(roi.depth()), profile(roi.height()), profile(roi.width())};
        float smallest = Float.MAX_VALUE;
        int at = 0;
        for (int d = 0; d < roi.depth(); d++) {
            for (int h = 0; h < roi.height(); h++) {
                float dh = profiles[0][d] * profiles[1][h];
                for (int w = 0; w < roi.width(); w++) {
                    weights[at] = dh * profiles[2][w];
                    smallest = Math.min(smallest, weights[at++]);
                }
            }
        }
        float floor = Math.max(smallest, SMALLEST_WEIGHT);
        for (int n = 0; n < weights.length; n++) {
            weights[n] = Math.max(weights[n], floor);
        }
        return weights;
    }

    private static float[] profile(int edge) {
        double sigma = edge * SIGMA_SCALE;
        float[] profile = new float[edge];
        for (int n = 0; n < edge; n++) {
            double x = n - (edge - 1) / 2.0;
            profile[n] = (float) Math.exp(-x * x / (2 * sigma * sigma));
        }
        return profile;
    }

    /** One way over one volume. */
    private final class Pass {
        private final Predictor predictor;
        private final FloatBuffer image;
        private final WindowListener listener;
        private final SlabConsumer consumer;
        private final int channels;
        /** Size of the image, of the padded image, and the padding before each axis. */
        private final int[] size = new int[3];

        private final int[] padded = new int[3];
        private final int[] before = new int[3];
        private final float[] weights = weights();
        /** Slices of weighted logits per class, slice d in row d mod roi depth; made when the number of classes is known. */
        private float[][] sums;

        private final float[] weightSums;
        private final float[] row = new float[roi.width()];
        private int nextSlice;

        Pass(Predictor predictor, HostTensor image, WindowListener listener, SlabConsumer consumer) {
            this.predictor = predictor;
            this.image = image.floatBuffer();
            this.listener = listener;
            this.consumer = consumer;
            this.channels = Math.toIntExact(image.size(0));
            for (int axis = 0; axis < 3; axis++) {
                size[axis] = Math.toIntExact(image.size(axis + 1));
                padded[axis] = Math.max(size[axis], roi.size(axis));
                before[axis] = (padded[axis] - size[axis]) / 2;
            }
            weightSums = new float[ringVoxels()];
        }

        private int ringVoxels() {
            return Math.multiplyExact(Math.multiplyExact(roi.depth(), padded[1]), padded[2]);
        }

        void run() {
            Grid grid = new Grid(size[0], size[1], size[2]);
            int[][] starts = {starts(grid, 0), starts(grid, 1), starts(grid, 2)};
            int total = windows(grid);
            listener.windowsDone(0, total);
            HostTensor batch = null;
            for (int done = 0; done < total; ) {
                int count = Math.min(batchSize, total - done);
                if (batch == null || batch.size(0) != count) {
                    batch = HostTensor.zeros(DType.FLOAT32, count, channels, roi.depth(), roi.height(), roi.width());
                }
                for (int n = 0; n < count; n++) {
                    read(window(starts, done + n), batch.floatBuffer(), n);
                }
                HostTensor logits = checked(predictor.predict(batch), count).toFloat32();
                for (int n = 0; n < count; n++) {
                    int[] window = window(starts, done + n);
                    release(window[0]);
                    add(window, logits, n);
                }
                done += count;
                listener.windowsDone(done, total);
            }
            release(padded[0]);
        }

        private int[] window(int[][] starts, int index) {
            int perPlane = starts[1].length * starts[2].length;
            return new int[] {
                starts[0][index / perPlane],
                starts[1][index % perPlane / starts[2].length],
                starts[2][index % starts[2].length]
            };
        }

        private HostTensor checked(HostTensor logits, int count) {
            long[] shape = logits.shape();
            long classes = shape.length == 5 ? shape[1] : 0;
            long[] expected = {count, classes, roi.depth(), roi.height(), roi.width()};
            if (classes < 1
                    || !Arrays.equals(shape, expected)
                    || sums != null && sums.length != classes
                    || !logits.dtype().isFloating()) {
                throw new IllegalArgumentException("the predictor returned " + logits + ", expected floating-point ("
                        + count + "," + (sums == null ? "K" : sums.length) + "," + roi.depth() + "," + roi.height()
                        + "," + roi.width() + ")");
            }
            if (sums == null) {
                sums = new float[(int) classes][ringVoxels()];
            }
            return logits;
        }

        /** Copies a window of the image into a batch, zeros where it reaches into the padding. */
        private void read(int[] start, FloatBuffer batch, int index) {
            int w0 = Math.max(start[2], before[2]);
            int w1 = Math.min(start[2] + roi.width(), before[2] + size[2]);
            int at = index * channels * roi.tokens();
            for (int c = 0; c < channels; c++) {
                for (int d = 0; d < roi.depth(); d++) {
                    int imageD = start[0] + d - before[0];
                    for (int h = 0; h < roi.height(); h++, at += roi.width()) {
                        int imageH = start[1] + h - before[1];
                        Arrays.fill(row, 0);
                        if (imageD >= 0 && imageD < size[0] && imageH >= 0 && imageH < size[1]) {
                            int from = ((c * size[0] + imageD) * size[1] + imageH) * size[2] + w0 - before[2];
                            image.get(from, row, w0 - start[2], w1 - w0);
                        }
                        batch.put(at, row);
                    }
                }
            }
        }

        private void add(int[] start, HostTensor logits, int index) {
            FloatBuffer values = logits.floatBuffer();
            int edge = roi.width();
            for (int c = 0; c <= sums.length; c++) {
                // After the classes the weights themselves, as if of one more class whose logits are all 1.
                boolean counting = c == sums.length;
                float[] target = counting ? weightSums : sums[c];
                int from = (index * sums.length + c) * roi.tokens();
                int weight = 0;
                for (int d = 0; d < roi.depth(); d++) {
                    int plane = (start[0] + d) % roi.depth() * padded[1];
                    for (int h = 0; h < roi.height(); h++, weight += edge) {
                        int to = (plane + start[1] + h) * padded[2] + start[2];
                        if (counting) {
                            for (int w = 0; w < edge; w++) {
                                target[to + w] += weights[weight + w];
                            }
                        } else {
                            values.get(from + weight, row);
                            for (int w = 0; w < edge; w++) {
                                target[to + w] += row[w] * weights[weight + w];
                            }
                        }
                    }
                }
            }
        }

        /** Hands out the slices before {@code end}, which no further window touches, and clears their place. */
        private void release(int end) {
            if (end <= nextSlice) {
                return;
            }
            int first = Math.max(nextSlice, before[0]);
            int last = Math.min(end, before[0] + size[0]);
            if (first < last) {
                HostTensor slab = HostTensor.zeros(DType.FLOAT32, sums.length, last - first, size[1], size[2]);
                FloatBuffer target = slab.floatBuffer();
                float[] line = new float[size[2]];
                for (float[] sum : sums) {
                    for (int d = first; d < last; d++) {
                        for (int h = 0; h < size[1]; h++) {
                            int from = (d % roi.depth() * padded[1] + before[1] + h) * padded[2] + before[2];
                            for (int w = 0; w < line.length; w++) {
                                line[w] = sum[from + w] / weightSums[from + w];
                            }
                            target.put(line);
                        }
                    }
                }
                consumer.accept(first - before[0], slab);
            }
            int plane = padded[1] * padded[2];
            for (int d = nextSlice; d < end; d++) {
                int from = d % roi.depth() * plane;
                for (float[] sum : sums) {
                    Arrays.fill(sum, from, from + plane, 0);
                }
                Arrays.fill(weightSums, from, from + plane, 0);
            }
            nextSlice = end;
        }
    }
}

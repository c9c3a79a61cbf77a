package org.segformer3d.eval.inference;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
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
 * the last one along an axis is shifted back to end at the volume's edge; Gaussian weights have σ = edge·sigmaScale and are not let
 * fall below 0.001 or the smallest of them, whichever is larger.
 *
 * <p>Windows are visited in C order, so a slice along the first axis is final as soon as the windows have moved past it. Memory is
 * therefore one window's depth of slices of float32 logits, not the volume's, unless the caller collects the whole volume; a {@link
 * StreamPlan} says how it can be less. The result doesn't depend on the plan: every voxel's sum is taken in the same order.
 *
 * <p>Immutable and safe for concurrent use, as far as the predictor is.
 *
 * @param roi size of the window, never {@code null}
 * @param overlap fraction of the window's edge that neighbours share, in [0, 1)
 * @param blend how overlapping windows are weighted, never {@code null}
 * @param batchSize windows given to the predictor at once, ≥ 1
 * @param sigmaScale σ of the Gaussian weights in edges of the window, &gt; 0
 */
public record SlidingWindow(Grid roi, double overlap, Blend blend, int batchSize, double sigmaScale) {
    /** The usual σ of Gaussian weights. */
    public static final double SIGMA_SCALE = 0.125;

    private static final float SMALLEST_WEIGHT = 1e-3f;
    /** Voxels handed out at once: what is made of them should stay small beside the sums. */
    private static final int BLOCK_VOXELS = 1 << 18;

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
        if (!(sigmaScale > 0 && Double.isFinite(sigmaScale))) {
            throw ConfigException.of("sigma_scale", sigmaScale, "a number above 0");
        }
    }

    /** Makes a window whose Gaussian weights have the usual {@link #SIGMA_SCALE}. */
    public SlidingWindow(Grid roi, double overlap, Blend blend, int batchSize) {
        this(roi, overlap, blend, batchSize, SIGMA_SCALE);
    }

    /** Returns how many windows cover a volume of this size. */
    public int windows(Grid size) {
        return Math.multiplyExact(
                Math.multiplyExact(starts(size, 0).length, starts(size, 1).length), starts(size, 2).length);
    }

    /** Returns how many windows are predicted by a plan: those that reach into two strips count twice. */
    public int windows(Grid size, StreamPlan plan) {
        return windows(size, plan, 0, size.height());
    }

    /** Returns how many windows are predicted by a plan for some rows of the image only. */
    int windows(Grid size, StreamPlan plan, int fromRow, int toRow) {
        int count = 0;
        for (int[] strip : strips(size, plan, fromRow, toRow)) {
            count = Math.addExact(count, windows(size, strip[0], strip[1]).size());
        }
        return count;
    }

    /** Cuts rows of the image into strips: rows of the padded volume, from and to, the padding at its edges included. */
    private List<int[]> strips(Grid size, StreamPlan plan, int fromRow, int toRow) {
        int padded = Math.max(size.height(), roi.height());
        int before = (padded - size.height()) / 2;
        int first = fromRow == 0 ? 0 : before + fromRow;
        int end = toRow == size.height() ? padded : before + toRow;
        List<int[]> strips = new ArrayList<>();
        for (int from = first; from < end; from += Math.min(plan.rows(), padded)) {
            strips.add(new int[] {from, (int) Math.min((long) from + plan.rows(), end)});
        }
        return strips;
    }

    /**
     * Returns how many bytes sums, weights and batches take while a volume is predicted by a plan, beside image, network and result.
     *
     * @param channels of the image
     * @param classes of the logits
     */
    public long bytes(Grid size, int channels, int classes, StreamPlan plan) {
        long ring = (long) roi.depth() * stripRows(size, plan) * Math.max(size.width(), roi.width());
        long window = (long) roi.depth() * roi.height() * roi.width();
        long batches = (plan.ahead() ? 2L : 1L) * batchSize * window * (channels + classes);
        long block = Math.max((long) size.width() * Math.min(size.height(), plan.rows()), Math.min(BLOCK_VOXELS, ring));
        // Decoding a block takes about as much again as three classes of it.
        return Float.BYTES * (ring * (classes + 1) + window + batches + block * (classes + 3));
    }

    private int stripRows(Grid size, StreamPlan plan) {
        return Math.min(plan.rows(), Math.max(size.height(), roi.height()));
    }

    private int ringVoxels(Grid size, StreamPlan plan) {
        return Math.multiplyExact(
                Math.multiplyExact(roi.depth(), stripRows(size, plan)), Math.max(size.width(), roi.width()));
    }

    /** Returns the first voxels of the windows that reach into rows of the padded volume, in C order. */
    private List<int[]> windows(Grid size, int fromRow, int toRow) {
        int[] rows = Arrays.stream(starts(size, 1))
                .filter(h -> h < toRow && h + roi.height() > fromRow)
                .toArray();
        List<int[]> windows = new ArrayList<>();
        for (int d : starts(size, 0)) {
            for (int h : rows) {
                for (int w : starts(size, 2)) {
                    windows.add(new int[] {d, h, w});
                }
            }
        }
        return windows;
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
        ImageRows rows = rows(image);
        LogitsCollector collector = new LogitsCollector(rows.size());
        stream(predictor, rows, StreamPlan.FASTEST, listener, collector);
        return collector.whole();
    }

    /**
     * Predicts a volume block by block, so that the logits of the whole volume are never held at once.
     *
     * @param predictor the network, never {@code null}
     * @param image (C, D, H, W) of any element type, never {@code null}
     * @param plan which of time and memory is spent, never {@code null}
     * @param listener told about each batch of windows, never {@code null}
     * @param consumer takes the logits, never {@code null}
     * @throws IllegalArgumentException when the image has another rank or the predictor returns another shape
     */
    public void stream(
            Predictor predictor, HostTensor image, StreamPlan plan, WindowListener listener, SlabConsumer consumer) {
        stream(predictor, rows(image), plan, listener, consumer);
    }

    void stream(Predictor predictor, ImageRows image, StreamPlan plan, WindowListener listener, SlabConsumer consumer) {
        stream(predictor, image, plan, 0, image.size().height(), listener, consumer);
    }

    /** Predicts some rows of the image along its second spatial axis only; they get the logits they have in the whole. */
    void stream(
            Predictor predictor,
            ImageRows image,
            StreamPlan plan,
            int fromRow,
            int toRow,
            WindowListener listener,
            SlabConsumer consumer) {
        Objects.requireNonNull(predictor, "predictor");
        Objects.requireNonNull(plan, "plan");
        Objects.requireNonNull(listener, "listener");
        Objects.requireNonNull(consumer, "consumer");
        new Pass(predictor, image, plan, listener, consumer).run(fromRow, toRow);
    }

    private static ImageRows rows(HostTensor image) {
        if (image.rank() != 4 || image.elements() == 0) {
            throw new IllegalArgumentException(
                    "image: found shape " + Shapes.text(image.shape()) + ", expected (C,D,H,W) without empty axes");
        }
        return ImageRows.of(image);
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

    private float[] profile(int edge) {
        double sigma = edge * sigmaScale;
        float[] profile = new float[edge];
        for (int n = 0; n < edge; n++) {
            double x = n - (edge - 1) / 2.0;
            profile[n] = (float) Math.exp(-x * x / (2 * sigma * sigma));
        }
        return profile;
    }

    /** Windows predicted together, for one strip of rows. */
    private record Batch(int firstRow, int endRow, List<int[]> windows) {}

    /** One way over one volume. */
    private final class Pass {
        private final Predictor predictor;
        private final ImageRows image;
        private final StreamPlan plan;
        private final WindowListener listener;
        private final SlabConsumer consumer;
        /** Size of the image, of the padded image, and the padding before each axis. */
        private final int[] size = new int[3];

        private final int[] padded = new int[3];
        private final int[] before = new int[3];
        private final float[] weights = weights();
        private final float[] zeros = new float[roi.width()];
        private final ThreadLocal<float[]> rows = ThreadLocal.withInitial(() -> new float[roi.width()]);
        private final HostTensor[] batches;
        private int largestBatch;
        private ByteBuffer memory;
        /** Rows of weighted logits per class, slice d in plane d mod roi depth; made when the number of classes is known. */
        private float[][] sums;

        private final float[] weightSums;
        /** The strip: its first row and the one after its last. */
        private int firstRow;

        private int endRow;
        private int nextSlice;

        Pass(Predictor predictor, ImageRows image, StreamPlan plan, WindowListener listener, SlabConsumer consumer) {
            this.predictor = predictor;
            this.image = image;
            this.plan = plan;
            this.listener = listener;
            this.consumer = consumer;
            this.batches = new HostTensor[plan.ahead() ? 2 : 1];
            for (int axis = 0; axis < 3; axis++) {
                size[axis] = image.size().size(axis);
                padded[axis] = Math.max(size[axis], roi.size(axis));
                before[axis] = (padded[axis] - size[axis]) / 2;
            }
            weightSums = new float[ringVoxels(image.size(), plan)];
        }

        void run(int fromRow, int toRow) {
            List<Batch> all = new ArrayList<>();
            for (int[] strip : strips(image.size(), plan, fromRow, toRow)) {
                List<int[]> windows = windows(image.size(), strip[0], strip[1]);
                for (int n = 0; n < windows.size(); n += batchSize) {
                    all.add(new Batch(strip[0], strip[1], windows.subList(n, Math.min(n + batchSize, windows.size()))));
                }
            }
            int total = all.stream().mapToInt(batch -> batch.windows.size()).sum();
            largestBatch =
                    all.stream().mapToInt(batch -> batch.windows.size()).max().orElseThrow();
            listener.windowsDone(0, total);
            if (plan.ahead()) {
                ExecutorService helper = Executors.newSingleThreadExecutor(work -> {
                    Thread thread = new Thread(work, "windows");
                    thread.setDaemon(true);
                    return thread;
                });
                try {
                    predictAhead(all, total, helper);
                } finally {
                    // Whatever is under way ends first: its consumer must not be called after this returns.
                    helper.shutdown();
                    awaitEnd(helper);
                }
            } else {
                Optional<HostTensor> spent = Optional.empty();
                int done = 0;
                for (Batch batch : all) {
                    HostTensor logits = predict(batch, read(batch, 0), spent);
                    blend(batch, logits);
                    spent = Optional.of(logits);
                    done += batch.windows.size();
                    listener.windowsDone(done, total);
                }
            }
            release(padded[0]);
        }

        /** While the network computes a batch, a helper blends the one before and reads the one after. */
        private void predictAhead(List<Batch> all, int total, ExecutorService helper) {
            HostTensor next = read(all.get(0), 0);
            Optional<HostTensor> last = Optional.empty();
            Optional<HostTensor> spent = Optional.empty();
            int done = 0;
            for (int n = 0; n < all.size(); n++) {
                int index = n;
                Optional<HostTensor> toBlend = last;
                Future<HostTensor> meanwhile = helper.submit(() -> {
                    toBlend.ifPresent(logits -> blend(all.get(index - 1), logits));
                    return index + 1 < all.size() ? read(all.get(index + 1), (index + 1) % 2) : null;
                });
                HostTensor logits = predict(all.get(n), next, spent);
                done += all.get(n).windows.size();
                listener.windowsDone(done, total);
                next = get(meanwhile);
                spent = last;
                last = Optional.of(logits);
            }
            blend(all.get(all.size() - 1), last.orElseThrow());
        }

        private HostTensor predict(Batch batch, HostTensor input, Optional<HostTensor> spent) {
            int count = batch.windows.size();
            HostTensor logits = predictor.predict(input, spent);
            long[] shape = logits.shape();
            long classes = shape.length == 5 ? shape[1] : 0;
            long[] expected = {count, classes, roi.depth(), roi.height(), roi.width()};
            // Only this thread makes the sums, before any of them is added to.
            if (classes < 1
                    || !Arrays.equals(shape, expected)
                    || sums != null && sums.length != classes
                    || !logits.dtype().isFloating()) {
                throw new IllegalArgumentException("the predictor returned " + logits + ", expected floating-point ("
                        + count + "," + (sums == null ? "K" : sums.length) + "," + roi.depth() + "," + roi.height()
                        + "," + roi.width() + ")");
            }
            if (sums == null) {
                sums = new float[(int) classes][weightSums.length];
            }
            return logits.toFloat32();
        }

        /** Copies windows of the image into a batch, zeros where they reach into the padding. */
        private HostTensor read(Batch batch, int slot) {
            int count = batch.windows.size();
            int voxels = image.channels() * roi.tokens();
            long[] shape = {count, image.channels(), roi.depth(), roi.height(), roi.width()};
            if (batches[slot] == null) {
                batches[slot] = HostTensor.zeros(DType.FLOAT32, largestBatch, shape[1], shape[2], shape[3], shape[4]);
            }
            HostTensor whole = batches[slot];
            HostTensor target = whole.size(0) == count
                    ? whole
                    : HostTensor.wrap(DType.FLOAT32, whole.bytes().slice(0, count * voxels * Float.BYTES), shape);
            FloatBuffer values = target.floatBuffer();
            for (int n = 0; n < count; n++) {
                read(batch.windows.get(n), values, n * voxels);
            }
            return target;
        }

        private void read(int[] start, FloatBuffer target, int from) {
            IntStream.range(0, image.channels() * roi.depth())
                    .parallel()
                    .forEach(plane -> readPlane(start, plane / roi.depth(), plane % roi.depth(), target, from));
        }

        private void readPlane(int[] start, int c, int d, FloatBuffer target, int from) {
            int w0 = Math.max(start[2], before[2]);
            int w1 = Math.min(start[2] + roi.width(), before[2] + size[2]);
            boolean inside = w1 - w0 == roi.width();
            int imageD = start[0] + d - before[0];
            int at = from + (c * roi.depth() + d) * roi.height() * roi.width();
            for (int h = 0; h < roi.height(); h++, at += roi.width()) {
                int imageH = start[1] + h - before[1];
                boolean present = imageD >= 0 && imageD < size[0] && imageH >= 0 && imageH < size[1];
                if (!present || !inside) {
                    target.put(at, zeros);
                }
                if (present) {
                    image.copy(c, imageD, imageH, w0 - before[2], target, at + w0 - start[2], w1 - w0);
                }
            }
        }

        private void blend(Batch batch, HostTensor logits) {
            if (batch.firstRow != firstRow || endRow == 0) {
                release(padded[0]);
                firstRow = batch.firstRow;
                endRow = batch.endRow;
                nextSlice = 0;
            }
            for (int n = 0; n < batch.windows.size(); n++) {
                int[] window = batch.windows.get(n);
                release(window[0]);
                add(window, logits, n);
            }
        }

        private void add(int[] start, HostTensor logits, int index) {
            FloatBuffer values = logits.floatBuffer();
            // Every voxel belongs to one plane, so its sum doesn't depend on who comes first.
            IntStream.range(0, (sums.length + 1) * roi.depth())
                    .parallel()
                    .forEach(plane -> addPlane(start, values, index, plane / roi.depth(), plane % roi.depth()));
        }

        private void addPlane(int[] start, FloatBuffer values, int index, int c, int d) {
            int edge = roi.width();
            int h0 = Math.max(start[1], firstRow);
            int h1 = Math.min(start[1] + roi.height(), endRow);
            int plane = (start[0] + d) % roi.depth() * (endRow - firstRow);
            int weight = (d * roi.height() + h0 - start[1]) * edge;
            if (c == sums.length) {
                // After the classes the weights themselves, as if of one more class whose logits are all 1.
                for (int h = h0; h < h1; h++, weight += edge) {
                    int to = (plane + h - firstRow) * padded[2] + start[2];
                    for (int w = 0; w < edge; w++) {
                        weightSums[to + w] += weights[weight + w];
                    }
                }
                return;
            }
            float[] target = sums[c];
            float[] row = rows.get();
            int from = (index * sums.length + c) * roi.tokens();
            for (int h = h0; h < h1; h++, weight += edge) {
                int to = (plane + h - firstRow) * padded[2] + start[2];
                values.get(from + weight, row);
                for (int w = 0; w < edge; w++) {
                    target[to + w] += row[w] * weights[weight + w];
                }
            }
        }

        /** Hands out the strip's slices before {@code end}, which no further window touches, and clears their place. */
        private void release(int end) {
            if (end <= nextSlice || endRow == 0) {
                return;
            }
            int first = Math.max(nextSlice, before[0]);
            int last = Math.min(end, before[0] + size[0]);
            int row0 = Math.max(firstRow, before[1]);
            int rows = Math.min(endRow, before[1] + size[1]) - row0;
            int slices = Math.max(1, BLOCK_VOXELS / Math.max(1, rows * size[2]));
            for (int d = first; d < last && rows > 0; d += slices) {
                handOut(d, Math.min(d + slices, last), row0, rows);
            }
            int plane = (endRow - firstRow) * padded[2];
            for (int d = nextSlice; d < end; d++) {
                int from = d % roi.depth() * plane;
                for (float[] sum : sums) {
                    Arrays.fill(sum, from, from + plane, 0);
                }
                Arrays.fill(weightSums, from, from + plane, 0);
            }
            nextSlice = end;
        }

        private void handOut(int first, int last, int row0, int rows) {
            int elements = sums.length * (last - first) * rows * size[2];
            if (memory == null || memory.capacity() < elements * Float.BYTES) {
                memory = ByteBuffer.allocateDirect(elements * Float.BYTES);
            }
            HostTensor block = HostTensor.wrap(
                    DType.FLOAT32, memory.slice(0, elements * Float.BYTES), sums.length, last - first, rows, size[2]);
            FloatBuffer target = block.floatBuffer();
            IntStream.range(0, sums.length * (last - first)).parallel().forEach(plane -> {
                float[] sum = sums[plane / (last - first)];
                int d = first + plane % (last - first);
                float[] line = new float[size[2]];
                for (int h = 0; h < rows; h++) {
                    int from = (d % roi.depth() * (endRow - firstRow) + row0 + h - firstRow) * padded[2] + before[2];
                    for (int w = 0; w < line.length; w++) {
                        line[w] = sum[from + w] / weightSums[from + w];
                    }
                    target.put((plane * rows + h) * line.length, line);
                }
            });
            consumer.accept(first - before[0], row0 - before[1], block);
        }
    }

    private static void awaitEnd(ExecutorService helper) {
        boolean interrupted = false;
        while (true) {
            try {
                if (helper.awaitTermination(1, TimeUnit.MINUTES)) {
                    break;
                }
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private static <T> T get(Future<T> future) {
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    return future.get();
                } catch (InterruptedException e) {
                    interrupted = true;
                } catch (ExecutionException e) {
                    if (e.getCause() instanceof Error error) {
                        throw error;
                    }
                    throw (RuntimeException) e.getCause();
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }
}

package org.segformer3d.eval.inference;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.stream.Collectors;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.network.Network;
import org.segformer3d.api.network.SegFormer3DNetwork;

/**
 * How a case is predicted within a memory budget, and what that is estimated to take: chosen before the first window.
 *
 * <p>The ways are, the fastest first: everything at once; one batch of windows instead of two; fewer windows a batch; strips, whose
 * windows at the seams are predicted twice. Labels are the same in all of them. An ensemble's members follow one another strip by strip.
 *
 * @param passes the sliding windows of the ensemble's members, with the batch sizes taken, at least one
 * @param stream how it goes over the volume, never {@code null}
 * @param windows windows to predict, those of two strips counted twice
 * @param logitsInMemory whether logits that are to be kept stay in memory; else they go to a temporary file
 * @param parts what takes memory
 * @param budget bytes the process may take
 */
public record MemoryPlan(
        List<SlidingWindow> passes, StreamPlan stream, int windows, boolean logitsInMemory, Parts parts, long budget) {
    /**
     * Estimated bytes.
     *
     * @param process Java, libraries, weights
     * @param image the prepared image
     * @param sums weighted logits of the slices under way, batches, blocks, and the mean of an ensemble's members
     * @param network the network's own on one batch
     * @param labels the label map on its way back and to its file
     * @param logits kept logits
     */
    public record Parts(long process, long image, long sums, long network, long labels, long logits) {
        /**
         * Returns the most there is at a time: labels become a map when the sums are gone, and what of them is larger counts.
         */
        public long total() {
            return process + image + network + logits + Math.max(sums, labels);
        }

        /** Returns the part of it on the Java heap. */
        long heap() {
            return image + logits + Math.max(sums, labels);
        }
    }

    /** Measured: a predict command with libtorch and the default weights after its first small window. */
    private static final long PROCESS = 480L << 20;

    /** Measured: bytes of intermediate results per voxel of a window, at 32 channels of the first stage, beside input and logits. */
    private static final long NETWORK_PER_VOXEL = 64;

    private static final int DEFAULT_WIDTH = 32;

    private static final int OTHERS = 4;
    private static final int MOST_STRIPS = 64;

    /** Time of a pass that reads and blends between windows instead of meanwhile, in windows. */
    private static final double WAITING = 1.15;

    /** Validates. */
    public MemoryPlan {
        passes = List.copyOf(passes);
        Objects.requireNonNull(stream, "stream");
        Objects.requireNonNull(parts, "parts");
    }

    /** Returns the first member's sliding window, which for one bundle is all there is. */
    public SlidingWindow window() {
        return passes.get(0);
    }

    /**
     * A network and how it is moved over a scan.
     *
     * @param fused whether its form computes one sample of a batch after the other
     * @param weightBytes what its weights take
     */
    record Member(InferenceSpec inference, Network network, boolean fused, long weightBytes) {
        SlidingWindow window(int mostAtOnce) {
            SlidingWindow given = inference.window();
            return new SlidingWindow(
                    given.roi(), given.overlap(), given.blend(), Math.min(given.batchSize(), mostAtOnce));
        }
    }

    /**
     * What is to be predicted.
     *
     * @param name what messages call it
     * @param size of the prepared image
     * @param input of the scan
     * @param keepLogits whether logits are kept to the end
     * @param scratch whether kept logits may go to a file
     */
    record Task(String name, Grid size, Grid input, boolean keepLogits, boolean scratch) {}

    /**
     * Chooses the fastest way within a budget.
     *
     * @param members the networks, at least one
     * @param budget bytes the process may take
     * @param heapLimit bytes Java's heap may take
     * @throws MemoryExceededException when there is none
     */
    static MemoryPlan choose(List<Member> members, Task task, long budget, long heapLimit) {
        MemoryPlan best = null;
        MemoryPlan smallest = null;
        for (MemoryPlan plan : candidates(members, task, budget)) {
            long total = plan.parts.total();
            if (smallest == null || total < smallest.parts.total()) {
                smallest = plan;
            }
            if (total <= budget && plan.parts.heap() <= heapLimit && (best == null || COST.compare(plan, best) < 0)) {
                best = plan;
            }
        }
        if (best != null) {
            return best;
        }
        Parts least = smallest.parts;
        if (least.total() <= budget) {
            throw new MemoryExceededException(
                    task.name + ": needs " + mebibytes(least.heap()) + " of Java heap at least (" + least(least)
                            + "), but Java may use " + mebibytes(heapLimit)
                            + "; raise it, for example with SEGFORMER3D_JAVA_OPTS=-Xmx"
                            + (least.heap() / 1_000_000 + 200)
                            + "m",
                    least.total());
        }
        throw new MemoryExceededException(
                task.name + ": needs " + mebibytes(least.total()) + " of memory at least (" + least(least)
                        + "), but may use " + mebibytes(budget) + "; raise --memory"
                        + (task.keepLogits && !task.scratch ? ", don't keep logits" : "")
                        + " or take a smaller window than " + smallest.window().roi() + " (--roi)",
                least.total());
    }

    private static final Comparator<MemoryPlan> COST = Comparator.comparingDouble(
                    (MemoryPlan plan) -> plan.windows * (plan.stream.ahead() ? 1 : WAITING))
            .thenComparing(plan -> plan.logitsInMemory ? 0 : 1)
            .thenComparing(plan -> -plan.window().batchSize())
            .thenComparing(plan -> plan.parts.total());

    private static List<MemoryPlan> candidates(List<Member> members, Task task, long budget) {
        List<MemoryPlan> plans = new ArrayList<>();
        SlidingWindow given = members.get(0).inference.window();
        // An ensemble's strips are the image's rows: its windows may differ, and so does what they are padded to.
        int rows =
                members.size() == 1 ? Math.max(task.size.height(), given.roi().height()) : task.size.height();
        int most = members.stream()
                .mapToInt(member -> member.inference.batchSize())
                .max()
                .orElseThrow();
        int interval = interval(given);
        int last = 0;
        for (int strips = 1; strips <= MOST_STRIPS; strips++) {
            // Seams at multiples of the interval cut the fewest windows.
            int height = strips == 1 ? rows : Math.max(1, (rows / strips + interval - 1) / interval * interval);
            if (strips > 1 && height >= rows || height == last) {
                continue;
            }
            last = height;
            for (int batch = most; batch >= 1; batch /= 2) {
                int atOnce = batch;
                List<SlidingWindow> passes =
                        members.stream().map(member -> member.window(atOnce)).toList();
                for (boolean ahead : new boolean[] {true, false}) {
                    StreamPlan stream = new StreamPlan(strips == 1 ? Integer.MAX_VALUE : height, ahead);
                    int windows = windows(passes, stream, task.size);
                    for (boolean inMemory : task.keepLogits && task.scratch
                            ? new boolean[] {true, false}
                            : new boolean[] {task.keepLogits}) {
                        Parts parts = parts(members, passes, stream, task, inMemory);
                        plans.add(new MemoryPlan(passes, stream, windows, inMemory, parts, budget));
                    }
                }
            }
        }
        return plans;
    }

    private static int windows(List<SlidingWindow> passes, StreamPlan stream, Grid size) {
        if (passes.size() == 1) {
            return passes.get(0).windows(size, stream);
        }
        int count = 0;
        for (int[] strip : strips(size.height(), stream)) {
            for (SlidingWindow window : passes) {
                count = Math.addExact(count, window.windows(size, stream, strip[0], strip[1]));
            }
        }
        return count;
    }

    /** Returns the strips that an ensemble's members go over one after the other: the image's rows, from and to. */
    List<int[]> strips(int height) {
        return strips(height, stream);
    }

    private static List<int[]> strips(int height, StreamPlan stream) {
        List<int[]> strips = new ArrayList<>();
        for (int from = 0; from < height; from += Math.min(stream.rows(), height)) {
            strips.add(new int[] {from, (int) Math.min((long) from + stream.rows(), height)});
        }
        return strips;
    }

    private static int interval(SlidingWindow window) {
        return Math.max(1, (int) (window.roi().height() * (1 - window.overlap())));
    }

    private static Parts parts(
            List<Member> members, List<SlidingWindow> passes, StreamPlan stream, Task task, boolean logitsInMemory) {
        long voxels = voxels(task.size);
        long inputVoxels = voxels(task.input);
        int channels = members.get(0).network.inChannels();
        int classes = members.get(0).network.numClasses();
        long process = PROCESS;
        long network = 0;
        long sums = 0;
        for (int m = 0; m < passes.size(); m++) {
            network = Math.max(network, network(members.get(m), passes.get(m)));
            sums = Math.max(sums, passes.get(m).bytes(task.size, channels, classes, stream));
            // Those as they were read and as the backend prepared them.
            process += m == 0 ? 0 : 2 * members.get(m).weightBytes;
        }
        if (passes.size() > 1) {
            sums += ProbabilityMean.bytes(classes, task.size, Math.min(stream.rows(), task.size.height()));
        }
        // Kept as bytes or 16-bit numbers, then as float32 in both geometries.
        long labels = 2 * voxels + (task.size.equals(task.input) ? 6 : 10) * inputVoxels;
        long logits = 0;
        if (task.keepLogits) {
            // Beside those kept there is a channel on its way back.
            logits = (logitsInMemory ? voxels * classes * Float.BYTES : 0) + 2 * Float.BYTES * (voxels + inputVoxels);
        }
        return new Parts(process, voxels * channels * Float.BYTES, sums + voxels, network, labels, logits);
    }

    private static long network(Member member, SlidingWindow window) {
        long batchVoxels = voxels(window.roi()) * window.batchSize();
        int channels = member.network.inChannels();
        int classes = member.network.numClasses();
        // Other architectures keep maps of the input's own size, of about as many channels as the finest stage here
        // has.
        int width = member.network instanceof SegFormer3DNetwork segformer
                ? segformer.config().embedDims().get(0)
                : DEFAULT_WIDTH * OTHERS;
        long perVoxel = NETWORK_PER_VOXEL * width / DEFAULT_WIDTH;
        // The paper's form keeps the whole batch's intermediate results, several times as many.
        long network = batchVoxels * Float.BYTES * (channels + 2L * classes)
                + (member.fused ? voxels(window.roi()) * perVoxel : batchVoxels * perVoxel * 6);
        if (!member.inference.mirrorAxes().isEmpty()) {
            network += batchVoxels * Float.BYTES * (channels + 2L * classes);
        }
        return network;
    }

    private static long voxels(Grid size) {
        return (long) size.depth() * size.height() * size.width();
    }

    /** Returns the estimated peak of the process in bytes. */
    public long bytes() {
        return parts.total();
    }

    /** Returns how many strips the volume is cut into. */
    public int strips(Grid size) {
        int rows = passes.size() == 1 ? Math.max(size.height(), window().roi().height()) : size.height();
        return (int) (((long) rows + stream.rows() - 1) / stream.rows());
    }

    private static String least(Parts parts) {
        return "process " + mebibytes(parts.process) + ", image " + mebibytes(parts.image) + ", network "
                + mebibytes(parts.network) + ", sums " + mebibytes(parts.sums) + ", labels " + mebibytes(parts.labels)
                + (parts.logits > 0 ? ", logits " + mebibytes(parts.logits) : "");
    }

    private static String mebibytes(long bytes) {
        return String.format(Locale.ROOT, "%,d MiB", (bytes + (1 << 20) - 1) >> 20);
    }

    /** Returns one line that says what is done and why. */
    @Override
    public String toString() {
        return windows + (windows == 1 ? " window" : " windows") + " of "
                + passes.stream().map(pass -> pass.roi().toString()).distinct().collect(Collectors.joining(" and "))
                + (passes.size() == 1 ? "" : " by " + passes.size() + " models") + ", "
                + window().batchSize() + " at once" + (stream.ahead() ? ", read ahead" : "")
                + (stream.rows() == Integer.MAX_VALUE ? "" : ", in strips of " + stream.rows() + " rows")
                + (parts.logits == 0 ? "" : logitsInMemory ? ", logits in memory" : ", logits in a temporary file")
                + "; estimated memory " + mebibytes(bytes()) + " (" + least(parts) + "), may use "
                + (budget == Long.MAX_VALUE ? "any" : mebibytes(budget));
    }
}

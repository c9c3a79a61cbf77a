package org.segformer3d.eval.inference;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.util.stream.IntStream;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.labels.LabelSpec;

/**
 * Averages the probabilities of several networks over a strip of a volume, one network after the other.
 *
 * <p>What is kept and handed out are logits whose probabilities are the mean so far: for regions L = ln(p̄ / (1−p̄)), for exclusive
 * classes L = ln p̄ + c with the constant of the first network's logits. Probabilities themselves wouldn't do: in float32 those of two
 * large logits are both 1, and the larger one is to win. Where a network says what the mean says, the mean stays as it is.
 */
final class ProbabilityMean implements SlabConsumer {
    /** Farther from others, or from 0, a logit makes no difference, and powers of e stay within a double. */
    private static final double FAR = 700;

    private static final int BLOCK_VOXELS = 1 << 18;

    private final boolean softmax;
    private final Grid size;
    private final float[][] logits;
    private int firstRow;
    private int rows;
    private int done;
    private ByteBuffer memory = ByteBuffer.allocate(0);

    /**
     * Creates an empty mean.
     *
     * @param size of the volume
     * @param mostRows rows of the largest strip
     */
    ProbabilityMean(LabelSpec spec, Grid size, int mostRows) {
        this.softmax = spec.mode() == LabelSpec.Mode.SOFTMAX;
        this.size = size;
        this.logits = new float[spec.channels()][voxels(size, mostRows)];
    }

    private static int voxels(Grid size, int rows) {
        return Math.multiplyExact(Math.multiplyExact(size.depth(), rows), size.width());
    }

    /** Returns the bytes it takes for a strip of so many rows. */
    static long bytes(int classes, Grid size, int rows) {
        long voxels = (long) size.depth() * rows * size.width();
        return Float.BYTES * classes * (voxels + Math.min(voxels, Math.max(BLOCK_VOXELS, (long) rows * size.width())));
    }

    /** Begins with the first network on a strip. */
    void begin(int stripRow, int stripRows) {
        firstRow = stripRow;
        rows = stripRows;
        done = 0;
    }

    /** Notes that a network is done with the strip. */
    void next() {
        done++;
    }

    @Override
    public void accept(int start, int row, HostTensor block) {
        int slices = Math.toIntExact(block.size(1));
        int length = Math.toIntExact(block.size(2)) * size.width();
        IntStream.range(0, slices).parallel().forEach(d -> {
            FloatBuffer source = block.floatBuffer();
            int at = ((start + d) * rows + row - firstRow) * size.width();
            float[][] found = new float[logits.length][length];
            for (int c = 0; c < logits.length; c++) {
                source.get((c * slices + d) * length, found[c]);
            }
            if (done == 0) {
                for (int c = 0; c < logits.length; c++) {
                    System.arraycopy(found[c], 0, logits[c], at, length);
                }
            } else if (softmax) {
                addClasses(found, at, length);
            } else {
                addRegions(found, at, length);
            }
        });
    }

    private void addRegions(float[][] found, int at, int length) {
        for (int c = 0; c < found.length; c++) {
            float[] mean = logits[c];
            for (int n = 0; n < length; n++) {
                float old = mean[at + n];
                float fresh = found[c][n];
                if (old != fresh) {
                    double a = Math.exp(-within(old));
                    double b = Math.exp(-within(fresh));
                    double present = done / (1 + a) + 1 / (1 + b);
                    double absent = done * (a / (1 + a)) + b / (1 + b);
                    mean[at + n] = (float) Math.log(present / absent);
                }
            }
        }
    }

    private static double within(double logit) {
        return Math.max(-FAR, Math.min(FAR, logit));
    }

    private void addClasses(float[][] found, int at, int length) {
        double[] old = new double[found.length];
        double[] fresh = new double[found.length];
        for (int n = 0; n < length; n++) {
            boolean equal = true;
            float oldMost = Float.NEGATIVE_INFINITY;
            float freshMost = Float.NEGATIVE_INFINITY;
            for (int c = 0; c < found.length; c++) {
                oldMost = Math.max(oldMost, logits[c][at + n]);
                freshMost = Math.max(freshMost, found[c][n]);
                equal &= logits[c][at + n] == found[c][n];
            }
            if (equal) {
                continue;
            }
            double oldSum = 0;
            double freshSum = 0;
            for (int c = 0; c < found.length; c++) {
                old[c] = Math.exp(Math.max(-FAR, (double) logits[c][at + n] - oldMost));
                fresh[c] = Math.exp(Math.max(-FAR, (double) found[c][n] - freshMost));
                oldSum += old[c];
                freshSum += fresh[c];
            }
            double constant = oldMost + Math.log(oldSum);
            for (int c = 0; c < found.length; c++) {
                double mean = (done * old[c] / oldSum + fresh[c] / freshSum) / (done + 1);
                logits[c][at + n] = (float) (Math.log(mean) + constant);
            }
        }
    }

    /** Hands out the strip, slices in order. */
    void handOut(SlabConsumer consumer) {
        int plane = rows * size.width();
        int slices = Math.max(1, BLOCK_VOXELS / plane);
        for (int from = 0; from < size.depth(); from += slices) {
            int count = Math.min(slices, size.depth() - from);
            int bytes = logits.length * count * plane * Float.BYTES;
            if (memory.capacity() < bytes) {
                memory = ByteBuffer.allocateDirect(bytes);
            }
            HostTensor block =
                    HostTensor.wrap(DType.FLOAT32, memory.slice(0, bytes), logits.length, count, rows, size.width());
            for (int c = 0; c < logits.length; c++) {
                block.floatBuffer().put(c * count * plane, logits[c], from * plane, count * plane);
            }
            consumer.accept(from, firstRow, block);
        }
    }
}

package org.segformer3d.data.transform;

import java.nio.FloatBuffer;
import java.util.Collections;
import java.util.HashSet;
import java.util.Objects;
import java.util.Set;
import java.util.SplittableRandom;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.labels.LabelValues;
import org.segformer3d.data.preprocessing.ForegroundVoxels;
import org.segformer3d.data.preprocessing.PreparedCase;

/**
 * Cuts patches of one size out of prepared cases.
 *
 * <p>Along an axis where the case is smaller than the patch, it is centred and zeros are added on both sides, one more at the end where
 * the number is odd; as this happens after normalisation, zero is the mean under z-scores. Along the others the patch lies anywhere
 * inside the case, every position equally likely; or, in the given share of draws, so that a random labelled voxel falls into its
 * central half (as far as the case's border allows), every label value that occurs being equally likely.
 *
 * <p>Values to ignore don't count as labelled. In a case that has voxels with such values, a patch that could lie anywhere would often
 * hold nothing else; there it is drawn around a voxel of any other value, the background's among them.
 *
 * @param patch size of the patches
 * @param foregroundFraction share of draws around a labelled voxel, from 0 to 1; no effect on cases without labelled voxels
 * @param ignored label values of voxels that don't count
 */
public record PatchSampler(Grid patch, double foregroundFraction, Set<Integer> ignored) {
    /** Makes a sampler for which every voxel counts. */
    public PatchSampler(Grid patch, double foregroundFraction) {
        this(patch, foregroundFraction, Set.of());
    }

    /** Checks the fraction. */
    public PatchSampler {
        Objects.requireNonNull(patch, "patch");
        ignored = Set.copyOf(ignored);
        if (!(foregroundFraction >= 0 && foregroundFraction <= 1)) {
            throw ConfigException.of("foreground fraction", foregroundFraction, "a number from 0 to 1");
        }
    }

    /**
     * Returns a random patch.
     *
     * @param prepared a case with labels
     * @param random where every random decision comes from
     * @throws IllegalArgumentException when the case has no labels
     */
    public Sample draw(PreparedCase prepared, SplittableRandom random) {
        Grid size = prepared.size();
        int[] start = new int[3];
        boolean aroundForeground = random.nextDouble() < foregroundFraction;
        ForegroundVoxels around = around(prepared, aroundForeground);
        if (around.isEmpty()) {
            for (int axis = 0; axis < 3; axis++) {
                int room = size.size(axis) - patch.size(axis);
                start[axis] = room <= 0 ? centred(room) : random.nextInt(room + 1);
            }
            return cut(prepared, start);
        }
        int voxel = around.draw(random);
        int[] position = {
            voxel / (size.height() * size.width()), voxel / size.width() % size.height(), voxel % size.width()
        };
        for (int axis = 0; axis < 3; axis++) {
            int extent = patch.size(axis);
            int room = size.size(axis) - extent;
            int inPatch = extent / 4 + random.nextInt(extent - 2 * (extent / 4));
            start[axis] = room <= 0 ? centred(room) : Math.max(0, Math.min(room, position[axis] - inPatch));
        }
        return cut(prepared, start);
    }

    /** Returns the voxels of which one is to be in the patch; none where the patch may lie anywhere. */
    private ForegroundVoxels around(PreparedCase prepared, boolean aroundForeground) {
        if (aroundForeground) {
            Set<Integer> others = new HashSet<>(ignored);
            others.add(0);
            ForegroundVoxels foreground = prepared.voxelsExcept(others);
            if (!foreground.isEmpty()) {
                return foreground;
            }
        }
        return ignored.isEmpty() || Collections.disjoint(prepared.labelValues(), ignored)
                ? ForegroundVoxels.NONE
                : prepared.voxelsExcept(ignored);
    }

    /**
     * Returns the patch in the middle of a case.
     *
     * @param prepared a case with labels
     * @throws IllegalArgumentException when the case has no labels
     */
    public Sample center(PreparedCase prepared) {
        int[] start = new int[3];
        for (int axis = 0; axis < 3; axis++) {
            start[axis] = centred(prepared.size().size(axis) - patch.size(axis));
        }
        return cut(prepared, start);
    }

    /** Returns the start that centres; a negative odd room gives the extra zero to the end, as rounding towards zero does. */
    private static int centred(int room) {
        return room / 2;
    }

    private Sample cut(PreparedCase prepared, int[] start) {
        HostTensor label =
                prepared.label().orElseThrow(() -> new IllegalArgumentException("the case has no labels to train on"));
        Grid size = prepared.size();
        int channels = prepared.channels();
        float[] image = new float[Math.multiplyExact(channels, patch.tokens())];
        short[] labels = new short[patch.tokens()];
        FloatBuffer values = prepared.image().floatBuffer();
        byte[] bytes = new byte[patch.width()];
        boolean byteLabels = label.dtype() == DType.UINT8;
        short[] all = byteLabels || label.dtype() == DType.INT16 ? null : LabelValues.of(label, "label");

        int d0 = Math.max(0, -start[0]);
        int d1 = Math.min(patch.depth(), size.depth() - start[0]);
        int h0 = Math.max(0, -start[1]);
        int h1 = Math.min(patch.height(), size.height() - start[1]);
        int w0 = Math.max(0, -start[2]);
        int run = Math.min(patch.width(), size.width() - start[2]) - w0;
        for (int d = d0; d < d1; d++) {
            for (int h = h0; h < h1; h++) {
                int from = ((start[0] + d) * size.height() + start[1] + h) * size.width() + start[2] + w0;
                int to = (d * patch.height() + h) * patch.width() + w0;
                for (int c = 0; c < channels; c++) {
                    values.get(c * size.tokens() + from, image, c * patch.tokens() + to, run);
                }
                if (byteLabels) {
                    label.bytes().get(from, bytes, 0, run);
                    for (int w = 0; w < run; w++) {
                        labels[to + w] = (short) (bytes[w] & 0xff);
                    }
                } else if (all != null) {
                    System.arraycopy(all, from, labels, to, run);
                } else {
                    label.bytes().asShortBuffer().get(from, labels, to, run);
                }
            }
        }
        return new Sample(image, channels, labels, patch);
    }
}

package org.segformer3d.data.preprocessing;

import java.util.Arrays;
import java.util.Objects;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.data.labels.LabelValues;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Orientation;
import org.segformer3d.data.volume.Volume;

/**
 * The way back from a prepared case to the scan it came from: undoes resampling, cropping and orientation.
 *
 * <p>Results have the scan's own {@link Geometry}, header included. Without resampling nothing is interpolated and every value comes
 * back exactly.
 */
public final class Restoration {
    private final Geometry input;
    private final Orientation orientation;
    private final Box crop;
    private final Geometry prepared;

    /**
     * @param input where the scan lies
     * @param orientation what was applied to it first
     * @param crop what was cut out of the oriented scan
     * @param prepared where the result of resampling lies
     */
    Restoration(Geometry input, Orientation orientation, Box crop, Geometry prepared) {
        this.input = input;
        this.orientation = orientation;
        this.crop = crop;
        this.prepared = prepared;
    }

    /** Returns the way back for a scan that wasn't changed. */
    public static Restoration identity(Geometry geometry) {
        Objects.requireNonNull(geometry, "geometry");
        return new Restoration(geometry, Orientation.IDENTITY, Box.whole(geometry.size()), geometry);
    }

    /** Returns where the scan lies, and so every restored volume. */
    public Geometry inputGeometry() {
        return input;
    }

    /** Returns what was applied to the scan first. */
    Orientation orientation() {
        return orientation;
    }

    /** Returns what was cut out of the oriented scan. */
    Box crop() {
        return crop;
    }

    /** Returns where the prepared image lies. */
    public Geometry preparedGeometry() {
        return prepared;
    }

    /**
     * Returns labels in the scan's geometry; 0 outside what cropping kept.
     *
     * @param labels shape (D,H,W) of the prepared image, any element type, whole numbers
     * @throws IllegalArgumentException when the shape is another
     */
    public Volume labels(HostTensor labels) {
        requireShape(labels, 3);
        Grid size = prepared.size();
        short[] box = new Resampler(size, crop.size(), Interpolation.LINEAR)
                .applyLabels(LabelValues.of(labels, "labels to restore"));
        float[] cropped = new float[box.length];
        for (int n = 0; n < box.length; n++) {
            cropped[n] = box[n];
        }
        return Volume.of(placed(cropped, 0), 1, input);
    }

    /**
     * Returns real-valued maps, for example logits or probabilities, in the scan's geometry, interpolated linearly.
     *
     * @param values shape (D,H,W) or (C,D,H,W) with the size of the prepared image, any floating type
     * @param outside value outside what cropping kept
     * @throws IllegalArgumentException when the shape is another
     */
    public Volume scalar(HostTensor values, double outside) {
        requireShape(values, values.rank() == 4 ? 4 : 3);
        int channels = values.rank() == 4 ? Math.toIntExact(values.size(0)) : 1;
        int voxels = prepared.size().tokens();
        int restored = input.size().tokens();
        HostTensor floats = values.toFloat32();
        float[] result = new float[Math.multiplyExact(channels, restored)];
        Resampler resampler = new Resampler(prepared.size(), crop.size(), Interpolation.LINEAR);
        float[] channel = new float[voxels];
        for (int c = 0; c < channels; c++) {
            floats.floatBuffer().get(c * voxels, channel);
            float[] resampled = resampler.apply(channel);
            // The array that channels are read into is needed for the next one.
            float[] own = resampled == channel ? channel.clone() : resampled;
            System.arraycopy(placed(own, (float) outside), 0, result, c * restored, restored);
        }
        return Volume.of(result, channels, input);
    }

    /**
     * Returns one real-valued map in the scan's geometry, interpolated linearly.
     *
     * @param values D·H·W values of the prepared image in C order; the array is this method's from now on
     * @param outside value outside what cropping kept
     * @return the scan's voxels in C order
     * @throws IllegalArgumentException when the length is another
     */
    public float[] scalar(float[] values, float outside) {
        return placed(new Resampler(prepared.size(), crop.size(), Interpolation.LINEAR).apply(values), outside);
    }

    /** Undoes cropping and orientation, in place where that can be done. */
    private float[] placed(float[] cropped, float outside) {
        Grid oriented = orientation.apply(input.size());
        float[] whole = cropped;
        if (!crop.size().equals(oriented)) {
            whole = new float[oriented.tokens()];
            if (outside != 0) {
                Arrays.fill(whole, outside);
            }
            crop.paste(cropped, whole, 0, oriented);
        }
        if (!orientation.isFlip()) {
            return orientation.inverse().apply(whole, 1, oriented);
        }
        if (!orientation.isIdentity()) {
            orientation.flip(whole, 0, oriented);
        }
        return whole;
    }

    private void requireShape(HostTensor tensor, int rank) {
        Grid size = prepared.size();
        long[] shape = tensor.shape();
        if (shape.length != rank
                || shape[rank - 3] != size.depth()
                || shape[rank - 2] != size.height()
                || shape[rank - 1] != size.width()) {
            throw new IllegalArgumentException("found shape " + Shapes.text(shape) + ", expected "
                    + (rank == 4 ? "C×" : "") + size + " as the prepared image has");
        }
    }
}

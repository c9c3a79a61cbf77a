package org.segformer3d.data.volume;

import java.nio.FloatBuffer;
import java.util.List;
import java.util.Objects;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Shapes;

/**
 * A scalar image v: {0…C−1} × {0…D−1} × {0…H−1} × {0…W−1} → ℝ with one or more channels and a place in the patient.
 *
 * <p>Values are float32 in C order (C, D, H, W), which holds every label up to 2²⁴ exactly. How the axes relate to the file's is said
 * at {@link Geometry}. A volume wraps its array without copying it and hands the same array out: whoever needs another image makes a
 * new one.
 */
public final class Volume {
    private final float[] values;
    private final int channels;
    private final Geometry geometry;

    private Volume(float[] values, int channels, Geometry geometry) {
        this.values = values;
        this.channels = channels;
        this.geometry = geometry;
    }

    /**
     * Returns a volume that wraps an array.
     *
     * @param values channels × D × H × W values in C order, not copied, never {@code null}
     * @param channels number of channels, ≥ 1
     * @param geometry where the volume lies, never {@code null}
     * @throws IllegalArgumentException when the array's length doesn't fit
     */
    public static Volume of(float[] values, int channels, Geometry geometry) {
        Objects.requireNonNull(values, "values");
        Objects.requireNonNull(geometry, "geometry");
        if (channels < 1 || (long) channels * geometry.size().tokens() != values.length) {
            throw new IllegalArgumentException(
                    channels + "×" + geometry.size() + " doesn't hold " + values.length + " values");
        }
        return new Volume(values, channels, geometry);
    }

    /**
     * Returns a volume with a copy of a tensor's values, rounded to float32 where the type is wider.
     *
     * @param tensor shape (C, D, H, W) or (D, H, W), never {@code null}
     * @param geometry where the volume lies, never {@code null}
     * @throws IllegalArgumentException when the shapes don't agree
     */
    public static Volume of(HostTensor tensor, Geometry geometry) {
        Grid size = geometry.size();
        long[] shape = tensor.shape();
        int first = shape.length - 3;
        if (first != 0 && first != 1
                || shape[first] != size.depth()
                || shape[first + 1] != size.height()
                || shape[first + 2] != size.width()) {
            throw new IllegalArgumentException(
                    "a volume of " + size + " voxels cannot hold a tensor of shape " + Shapes.text(shape));
        }
        return of(tensor.toFloats(), first == 0 ? 1 : Math.toIntExact(shape[0]), geometry);
    }

    /**
     * Returns a one-channel volume of whole numbers.
     *
     * @param labels D × H × W labels in C order, of magnitude up to 2²⁴
     * @throws IllegalArgumentException when the length doesn't fit or a label is too large
     */
    public static Volume ofLabels(int[] labels, Geometry geometry) {
        float[] values = new float[labels.length];
        for (int n = 0; n < values.length; n++) {
            if (Math.abs((long) labels[n]) > 1 << 24) {
                throw new IllegalArgumentException("label " + labels[n] + " exceeds 2^24");
            }
            values[n] = labels[n];
        }
        return of(values, 1, geometry);
    }

    /**
     * Returns the channels of several volumes of one place as one volume, which takes its geometry from the first.
     *
     * @param volumes at least one, never {@code null}
     * @throws IllegalArgumentException when they don't lie on one grid as {@link GridMatch} judges it
     */
    public static Volume stack(List<Volume> volumes) {
        if (volumes.isEmpty()) {
            throw new IllegalArgumentException("nothing to stack");
        }
        Volume first = volumes.get(0);
        if (volumes.size() == 1) {
            return first;
        }
        long channels = 0;
        for (int n = 0; n < volumes.size(); n++) {
            GridMatch match = new GridMatch(volumes.get(n).geometry, first.geometry);
            if (!match.matches()) {
                throw new IllegalArgumentException("channel file " + (n + 1) + ": " + match.difference("the first")
                        + "; register or resample them first");
            }
            channels += volumes.get(n).channels;
        }
        if (channels * first.voxels() > Integer.MAX_VALUE - 8) {
            throw new IllegalArgumentException(channels + " channels of " + first.geometry.size()
                    + " voxels exceed the 2^31 - 9 values one volume holds");
        }
        float[] all = new float[(int) channels * first.voxels()];
        int at = 0;
        for (Volume volume : volumes) {
            System.arraycopy(volume.values, 0, all, at, volume.values.length);
            at += volume.values.length;
        }
        return new Volume(all, Math.toIntExact(channels), first.geometry);
    }

    /** Returns the values in C order (C, D, H, W): the array itself, to be read only. */
    public float[] values() {
        return values;
    }

    /** Returns the number of channels. */
    public int channels() {
        return channels;
    }

    /** Returns the number of voxels of one channel. */
    public int voxels() {
        return geometry.size().tokens();
    }

    /** Returns where the volume lies. */
    public Geometry geometry() {
        return geometry;
    }

    /** Returns the shape (C, D, H, W). */
    public long[] shape() {
        Grid size = geometry.size();
        return new long[] {channels, size.depth(), size.height(), size.width()};
    }

    /**
     * Returns one value.
     *
     * @throws IndexOutOfBoundsException when an index is outside the volume
     */
    public float get(int channel, int i, int j, int k) {
        Grid size = geometry.size();
        Objects.checkIndex(channel, channels);
        Objects.checkIndex(i, size.depth());
        Objects.checkIndex(j, size.height());
        Objects.checkIndex(k, size.width());
        return values[((channel * size.depth() + i) * size.height() + j) * size.width() + k];
    }

    /** Returns one channel as a volume of its own: this one when there is only one. */
    public Volume channel(int index) {
        Objects.checkIndex(index, channels);
        if (channels == 1) {
            return this;
        }
        float[] one = new float[voxels()];
        System.arraycopy(values, index * one.length, one, 0, one.length);
        return new Volume(one, 1, geometry);
    }

    /**
     * Returns the same values at another place.
     *
     * @throws IllegalArgumentException when the sizes differ
     */
    public Volume withGeometry(Geometry other) {
        if (!other.size().equals(geometry.size())) {
            throw new IllegalArgumentException(
                    "a volume of " + geometry.size() + " voxels doesn't fit a geometry of " + other.size());
        }
        return new Volume(values, channels, other);
    }

    /** Returns a float32 tensor (C, D, H, W) with a copy of the values. */
    public HostTensor toTensor() {
        HostTensor tensor = HostTensor.zeros(DType.FLOAT32, shape());
        FloatBuffer target = tensor.floatBuffer();
        target.put(values);
        return tensor;
    }

    /**
     * Returns this volume as a label image: whole numbers, one channel.
     *
     * @throws IllegalStateException when there are several channels, or a value is further than 0.001 from a whole number or its
     *     magnitude exceeds 2²⁴; the message names the voxel
     */
    public Volume asLabels() {
        if (channels != 1) {
            throw new IllegalStateException("found " + channels + " channels, expected a label image with one");
        }
        float[] labels = new float[values.length];
        for (int n = 0; n < labels.length; n++) {
            int rounded = Math.round(values[n]);
            if (!(Math.abs(values[n] - rounded) <= 1e-3f) || Math.abs((long) rounded) > 1 << 24) {
                int width = geometry.size().width();
                int height = geometry.size().height();
                throw new IllegalStateException("found " + values[n] + " at voxel (" + n / width / height + ", "
                        + n / width % height + ", " + n % width + "), expected whole-number labels up to 2^24");
            }
            labels[n] = rounded;
        }
        return new Volume(labels, 1, geometry);
    }

    /**
     * Returns the labels of a one-channel volume.
     *
     * @throws IllegalStateException as {@link #asLabels} does
     */
    public int[] toLabels() {
        float[] whole = asLabels().values;
        int[] labels = new int[whole.length];
        for (int n = 0; n < labels.length; n++) {
            labels[n] = (int) whole[n];
        }
        return labels;
    }

    @Override
    public String toString() {
        return channels + (channels == 1 ? " channel of " : " channels of ") + geometry;
    }
}

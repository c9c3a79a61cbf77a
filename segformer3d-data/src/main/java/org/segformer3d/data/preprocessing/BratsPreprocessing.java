package org.segformer3d.data.preprocessing;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Orientation;
import org.segformer3d.data.volume.Volume;

/**
 * Does to a BraTS scan what the official run's data went through.
 *
 * <ol>
 *   <li>Each slice along the last axis of the file is scaled on its own to 0 … 1, in float64; a constant slice becomes 0.
 *   <li>The axes are brought to RAS by each file's own affine, then reversed: the array is indexed z, y, x.
 *   <li>The box from (13, 56, 56) to (141, 184, 184) is cut out, as far as the scan reaches: 128×128×128 of the usual 155×240×240, less
 *       where an axis is shorter.
 *   <li>Label values become three masks: tumour core, whole tumour, enhancing tumour.
 * </ol>
 *
 * <p>The scaling of slices isn't one of the patient but of the file: a file whose last axis isn't superior is scaled along another
 * direction. That is how the official weights were trained, so it is kept.
 */
public final class BratsPreprocessing {
    /** To be raised whenever the same scan gives other values, so that nobody takes old ones out of a cache. */
    public static final int VERSION = 1;

    private static final int[] START = {13, 56, 56};
    private static final int SIZE = 128;
    private static final int CORE = 1;
    private static final int WHOLE = 2;
    private static final int ENHANCING = 4;
    private static final int UNKNOWN = -1;

    /** What label values mean. */
    public enum Coding {
        /** The Decathlon's Task01, which the official run calls BraTS 2017: 1 edema, 2 non-enhancing core, 3 enhancing tumour. */
        DECATHLON("1 edema, 2 non-enhancing core, 3 enhancing tumour", WHOLE, CORE | WHOLE, CORE | WHOLE | ENHANCING),
        /** The challenge's own: 1 necrotic core, 2 edema, 3 or 4 enhancing tumour. */
        CHALLENGE(
                "1 necrotic core, 2 edema, 3 or 4 enhancing tumour",
                CORE | WHOLE,
                WHOLE,
                CORE | WHOLE | ENHANCING,
                CORE | WHOLE | ENHANCING);

        private final String meaning;
        private final int[] masks;

        Coding(String meaning, int... masks) {
            this.meaning = meaning;
            this.masks = masks;
        }

        private int masksOf(float value) {
            int whole = (int) value;
            if (whole != value || whole < 0 || whole > masks.length) {
                return UNKNOWN;
            }
            return whole == 0 ? 0 : masks[whole - 1];
        }
    }

    private BratsPreprocessing() {}

    /**
     * A case as the official run trains on it.
     *
     * @param image float32 (C,D,H,W), each slice of the file scaled to 0 … 1
     * @param masks bool (3,D,H,W): tumour core, whole tumour, enhancing tumour
     */
    public record Pair(HostTensor image, HostTensor masks) {}

    /**
     * Prepares a labelled scan.
     *
     * @param name what messages call it
     * @param channels at least one volume, each oriented by its own affine; volumes of several channels count as that many
     * @param label one channel of label values
     * @param coding what these mean
     * @throws InvalidCaseException when the volumes don't cover the same voxels, the fixed box lies outside of them, values aren't finite
     *     or label values are unknown
     */
    public static Pair prepare(String name, List<Volume> channels, Volume label, Coding coding) {
        Objects.requireNonNull(coding, "coding");
        if (channels.isEmpty()) {
            throw new InvalidCaseException(name, "found no channels, expected at least one volume");
        }
        List<float[]> cropped = new ArrayList<>();
        Grid size = null;
        for (Volume volume : channels) {
            for (int c = 0; c < volume.channels(); c++) {
                Volume one = volume.channels() == 1 ? volume : volume.channel(c);
                size = sameSize(name, "channel " + (cropped.size() + 1), one.geometry(), size);
                cropped.add(crop(name, scaled(name, one), one.geometry()));
            }
        }
        sameSize(name, "the label", label.geometry(), size);
        if (label.channels() != 1) {
            throw new InvalidCaseException(name, "found " + label.channels() + " label channels, expected one");
        }
        Grid box = box(name, size);
        HostTensor image = HostTensor.zeros(DType.FLOAT32, cropped.size(), box.depth(), box.height(), box.width());
        for (int c = 0; c < cropped.size(); c++) {
            image.floatBuffer().put(c * box.tokens(), cropped.get(c));
        }
        float[] values = crop(name, label.values(), label.geometry());
        return new Pair(image, masks(name, values, box, coding));
    }

    private static HostTensor masks(String name, float[] values, Grid box, Coding coding) {
        HostTensor masks = HostTensor.zeros(DType.BOOL, 3, box.depth(), box.height(), box.width());
        ByteBuffer bytes = masks.bytes();
        for (int n = 0; n < values.length; n++) {
            int pattern = coding.masksOf(values[n]);
            if (pattern == UNKNOWN) {
                throw new InvalidCaseException(
                        name, "found label value " + values[n] + ", expected 0 or " + coding.meaning);
            }
            for (int mask = 0; mask < 3; mask++) {
                bytes.put(mask * values.length + n, (byte) (pattern >> mask & 1));
            }
        }
        return masks;
    }

    /** Returns the sizes after orientation in the order z, y, x. */
    private static Grid sameSize(String name, String what, Geometry geometry, Grid expected) {
        Grid ras = Orientation.toRas(geometry.affine()).apply(geometry.size());
        Grid size = new Grid(ras.width(), ras.height(), ras.depth());
        if (expected != null && !size.equals(expected)) {
            throw new InvalidCaseException(
                    name, what + " has " + size + " voxels (z×y×x), but the first channel " + expected);
        }
        return size;
    }

    private static Grid box(String name, Grid size) {
        int[] extent = new int[3];
        for (int axis = 0; axis < 3; axis++) {
            extent[axis] = Math.min(SIZE, size.size(axis) - START[axis]);
            if (extent[axis] <= 0) {
                throw new InvalidCaseException(
                        name,
                        "has " + size + " voxels (z×y×x), expected more than 13×56×56, where the official crop begins"
                                + " (usual are 155×240×240)");
            }
        }
        return new Grid(extent[0], extent[1], extent[2]);
    }

    private static float[] scaled(String name, Volume volume) {
        float[] values = volume.values().clone();
        for (float value : values) {
            if (!Float.isFinite(value)) {
                throw new InvalidCaseException(name, "found the value " + value + ", expected finite numbers");
            }
        }
        Normalization.applyToSlices(
                values, 0, values.length, volume.geometry().size().width());
        return values;
    }

    /** Orients values by their own affine, reverses the axes and cuts the fixed box out. */
    private static float[] crop(String name, float[] values, Geometry geometry) {
        Orientation orientation = Orientation.toRas(geometry.affine());
        float[] ras = orientation.isIdentity() ? values : orientation.apply(values, 1, geometry.size());
        Grid size = orientation.apply(geometry.size());
        Grid box = box(name, new Grid(size.width(), size.height(), size.depth()));
        float[] result = new float[box.tokens()];
        for (int x = 0; x < box.width(); x++) {
            for (int y = 0; y < box.height(); y++) {
                int from = ((x + START[2]) * size.height() + y + START[1]) * size.width() + START[0];
                int to = y * box.width() + x;
                for (int z = 0; z < box.depth(); z++) {
                    result[z * box.height() * box.width() + to] = ras[from + z];
                }
            }
        }
        return result;
    }
}

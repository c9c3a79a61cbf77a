package org.segformer3d.data.transform;

import java.util.Objects;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.data.labels.LabelValues;

/**
 * A training sample on its way from a case to a batch: an image (C,D,H,W) and the labels (D,H,W) of the same voxels, in C order.
 *
 * <p>A sample owns its arrays. Whoever passes it to a {@link Transform} or {@link RandomTransform} hands them over: the transform may
 * change them and return them in its result.
 *
 * @param image C·D·H·W intensities, never {@code null}
 * @param channels C, ≥ 1
 * @param label D·H·W label values, never {@code null}
 * @param size D×H×W
 */
public record Sample(float[] image, int channels, short[] label, Grid size) {
    /** Checks the lengths. */
    public Sample {
        Objects.requireNonNull(image, "image");
        Objects.requireNonNull(label, "label");
        int voxels = size.tokens();
        if (channels < 1 || image.length != (long) channels * voxels || label.length != voxels) {
            throw new IllegalArgumentException("sample: found " + image.length + " intensities and " + label.length
                    + " labels, expected " + channels + "×" + size + " and " + size);
        }
    }

    /**
     * Returns a sample with copies of whole tensors.
     *
     * @param image (C,D,H,W), any floating type
     * @param label (D,H,W), whole numbers
     */
    public static Sample of(HostTensor image, HostTensor label) {
        long[] shape = image.shape();
        if (shape.length != 4) {
            throw new IllegalArgumentException("image: found shape " + Shapes.text(shape) + ", expected C×D×H×W");
        }
        return new Sample(
                image.toFloats(),
                Math.toIntExact(shape[0]),
                LabelValues.of(label, "label"),
                new Grid((int) shape[1], (int) shape[2], (int) shape[3]));
    }

    /** Returns the number of voxels D·H·W. */
    public int voxels() {
        return label.length;
    }

    /** Returns an independent copy. */
    public Sample copy() {
        return new Sample(image.clone(), channels, label.clone(), size);
    }

    /** Returns a float32 tensor (C,D,H,W) with a copy of the image. */
    public HostTensor imageTensor() {
        return HostTensor.of(image, channels, size.depth(), size.height(), size.width());
    }

    /** Returns a uint8 or int16 tensor (D,H,W) with a copy of the labels. */
    public HostTensor labelTensor() {
        return LabelValues.tensor(label, size.depth(), size.height(), size.width());
    }
}

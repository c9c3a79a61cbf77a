package org.segformer3d.eval.report;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import org.segformer3d.api.block.Grid;
import org.segformer3d.data.format.VolumeFiles;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;

/** Volumes small enough to be kept in a page: of 256 values, and of fewer voxels where there are too many. */
final class ViewerVolume {
    /** About the voxels of a scan's channel that a page may hold; three layers of three cases then take some megabytes. */
    static final int MOST_VOXELS = 1_200_000;

    /** About the voxels of all channels of a scan that a page may hold: those of four, such as BraTS has. */
    static final int MOST_VOXELS_OF_ALL = 4 * MOST_VOXELS;

    private final Geometry geometry;
    private final int[] factors = {1, 1, 1};

    /**
     * Prepares volumes of one geometry.
     *
     * @param channels how many images of it there will be
     */
    ViewerVolume(Geometry geometry, int channels) {
        int most = Math.min(MOST_VOXELS, MOST_VOXELS_OF_ALL / Math.max(1, channels));
        this.geometry = geometry;
        double[] spacing = geometry.spacing();
        while ((long) reduced(0) * reduced(1) * reduced(2) > most) {
            int finest = -1;
            for (int axis = 0; axis < 3; axis++) {
                if (reduced(axis) > 1
                        && (finest < 0 || spacing[axis] * factors[axis] < spacing[finest] * factors[finest])) {
                    finest = axis;
                }
            }
            if (finest < 0) {
                break;
            }
            factors[finest]++;
        }
    }

    private int reduced(int axis) {
        return (geometry.size().size(axis) + factors[axis] - 1) / factors[axis];
    }

    /** Returns whether voxels are put together. */
    boolean isReduced() {
        return factors[0] * factors[1] * factors[2] > 1;
    }

    Grid size() {
        return new Grid(reduced(0), reduced(1), reduced(2));
    }

    private Geometry reducedGeometry() {
        // The centre of a block lies half of what was added to it further in.
        Affine affine = geometry.affine()
                .translatedVoxels((factors[0] - 1) / 2.0, (factors[1] - 1) / 2.0, (factors[2] - 1) / 2.0)
                .multiply(Affine.scaling(factors[0], factors[1], factors[2]));
        return Geometry.of(size(), affine);
    }

    /** Returns a scan in grey levels, blocks averaged, as the base64 of a compressed NIfTI file. */
    String image(Volume image) throws IOException {
        float[] window = CaseVolumes.window(image.values(), 0.005, 0.995);
        return encode((i, j, k) -> {
            double sum = 0;
            int count = 0;
            for (int d = i; d < Math.min(i + factors[0], geometry.size().depth()); d++) {
                for (int h = j; h < Math.min(j + factors[1], geometry.size().height()); h++) {
                    for (int w = k; w < Math.min(k + factors[2], geometry.size().width()); w++) {
                        sum += image.values()[index(d, h, w)];
                        count++;
                    }
                }
            }
            return CaseVolumes.grey((float) (sum / count), window);
        });
    }

    /** Returns labels, of each block the one in its middle, as the base64 of a compressed NIfTI file. */
    String labels(Volume labels) throws IOException {
        return encode((i, j, k) -> Math.round(labels.values()[
                index(
                        Math.min(i + factors[0] / 2, geometry.size().depth() - 1),
                        Math.min(j + factors[1] / 2, geometry.size().height() - 1),
                        Math.min(k + factors[2] / 2, geometry.size().width() - 1))]));
    }

    private int index(int d, int h, int w) {
        return (d * geometry.size().height() + h) * geometry.size().width() + w;
    }

    private String encode(Block block) throws IOException {
        Grid size = size();
        int[] values = new int[size.tokens()];
        int n = 0;
        for (int d = 0; d < size.depth(); d++) {
            for (int h = 0; h < size.height(); h++) {
                for (int w = 0; w < size.width(); w++) {
                    values[n++] = block.value(d * factors[0], h * factors[1], w * factors[2]);
                }
            }
        }
        Path file = Files.createTempFile("segformer3d", ".nii.gz");
        try {
            VolumeFiles.writeLabels(file, Volume.ofLabels(values, reducedGeometry()));
            return Base64.getEncoder().encodeToString(Files.readAllBytes(file));
        } finally {
            Files.deleteIfExists(file);
        }
    }

    /** The value of a block of voxels that begins at some index. */
    private interface Block {
        int value(int i, int j, int k);
    }
}

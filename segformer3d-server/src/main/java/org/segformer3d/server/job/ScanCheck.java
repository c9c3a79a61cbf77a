package org.segformer3d.server.job;

import java.io.IOException;
import java.util.Locale;
import org.segformer3d.api.block.Grid;
import org.segformer3d.data.dataset.CaseReader;
import org.segformer3d.data.format.VolumeFiles;
import org.segformer3d.data.io.FileFormatException;
import org.segformer3d.data.preprocessing.PreprocessingSpec;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Orientation;
import org.segformer3d.data.volume.VolumeHeader;
import org.segformer3d.eval.bundle.ModelBundle;

/**
 * Judges scans by their headers, before a voxel is decompressed: whether they are images, and how much memory they would take.
 *
 * <p>A few kilobytes of gzip can claim gigabytes of voxels, and a small volume with large voxels becomes a huge one when it is
 * resampled, or a thin one when it is padded to the window. All of that follows from the header.
 */
public final class ScanCheck {
    private final ModelBundle bundle;
    private final long most;

    /**
     * Creates a check.
     *
     * @param most bytes a scan may take
     */
    public ScanCheck(ModelBundle bundle, long most) {
        this.bundle = bundle;
        this.most = most;
    }

    /**
     * Checks a scan.
     *
     * @throws ProblemException 422 for what isn't an image or has another number of channels than the model takes, 413 for one that is too
     *     large
     * @throws IOException when reading fails for another reason than the content
     */
    public void require(Scan scan) throws IOException {
        long channels = 0;
        double bytes = 0;
        for (Scan.ScanFile file : scan.files()) {
            VolumeHeader header;
            try {
                requireOneFile(file);
                header = VolumeFiles.readHeader(file.path());
            } catch (FileFormatException e) {
                throw new ProblemException(422, "invalid_scan", scan.inClientsWords(e.getMessage()));
            }
            channels += header.channels();
            bytes += estimate(header);
            if (bytes > most) {
                throw new ProblemException(
                        413,
                        "scan_too_large",
                        file.shown() + ": its header (" + header + ") asks for about " + mebibytes(bytes)
                                + " MiB of memory, this server allows " + mebibytes(most) + " MiB for a scan");
            }
        }
        int expected = bundle.network().inChannels();
        if (channels != expected) {
            throw new ProblemException(
                    422,
                    "wrong_channels",
                    scan.name() + ": "
                            + CaseReader.otherChannels(
                                    channels,
                                    scan.files().stream()
                                            .map(Scan.ScanFile::shown)
                                            .toList(),
                                    expected + " as the model '" + bundle.name() + "' takes")
                            + (expected == 1
                                    ? "; send the one that is meant in a file of its own"
                                    : "; send one file per channel in channel order, or one 4D file"));
        }
    }

    /**
     * Refuses a header whose voxels are in another file, before anything is looked for there: it names files on this machine, which are
     * nobody's to read.
     */
    private static void requireOneFile(Scan.ScanFile file) throws IOException {
        if (VolumeFiles.formatOf(file.path()).namesOtherFiles(file.path())) {
            throw new ProblemException(
                    422,
                    "invalid_scan",
                    file.shown() + ": its voxels are in another file, expected one file with header and voxels, such as"
                            + " .nii.gz, .nrrd or .mha");
        }
    }

    /** Returns about how many bytes it takes to read, prepare, predict and restore an image. In doubles, which don't overflow. */
    double estimate(VolumeHeader header) {
        Grid scan = header.geometry().size();
        double voxels = (double) scan.depth() * scan.height() * scan.width();
        if (voxels > Integer.MAX_VALUE) {
            return Double.POSITIVE_INFINITY;
        }
        double[] size = prepared(header);
        double prepared = size[0] * size[1] * size[2];
        Grid roi = bundle.inference().roi();
        // The window's depth of slices, for every class and for the weights.
        double ring = (double) roi.depth() * Math.max(size[1], roi.height()) * Math.max(size[2], roi.width());
        double read = voxels * header.channels() * Float.BYTES;
        // What lies before the voxels is decompressed too, though not kept.
        double passed = header.passedBytes();
        // One channel at a time is cut, oriented and resampled; labels are kept at both sizes.
        double working = Math.max(voxels, prepared) * Float.BYTES * 2 + (voxels + prepared) * Float.BYTES;
        return passed
                + read
                + prepared * header.channels() * Float.BYTES
                + working
                + ring * (bundle.labels().channels() + 1) * Float.BYTES;
    }

    /** Returns the size that preprocessing gives the image where it crops nothing. */
    private double[] prepared(VolumeHeader header) {
        Geometry geometry = header.geometry();
        PreprocessingSpec spec = bundle.preprocessing();
        if (spec.orientation() == PreprocessingSpec.Orienting.RAS) {
            geometry = Orientation.toRas(geometry.affine()).apply(geometry);
        }
        double[] size = new double[3];
        double[] spacing = geometry.spacing();
        for (int axis = 0; axis < 3; axis++) {
            int source = spec.axes().get(axis);
            size[axis] = geometry.size().size(source);
            if (spec.spacing().isPresent()) {
                size[axis] = Math.max(
                        1, size[axis] * spacing[source] / spec.spacing().get().get(axis));
            }
        }
        return size;
    }

    private static String mebibytes(double bytes) {
        if (Double.isInfinite(bytes)) {
            return "more than 8192";
        }
        return String.format(Locale.ROOT, "%.0f", Math.max(1, bytes / (1 << 20)));
    }
}

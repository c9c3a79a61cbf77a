package org.segformer3d.data.nifti;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.segformer3d.data.volume.VolumeFormatException;

/**
 * Which files hold the header and the voxels.
 *
 * @param header file with the header
 * @param voxels file with the voxels: the same one, or the {@code .img} of a pair
 */
record NiftiFiles(Path header, Path voxels) {
    /** Finds the files that belong to a name, which may be either file of a pair. */
    static NiftiFiles locate(Path file) throws VolumeFormatException {
        if (!Files.exists(file)) {
            throw new VolumeFormatException(file, "no such file");
        }
        if (!Files.isRegularFile(file)) {
            throw new VolumeFormatException(file, "not a regular file, expected a NIfTI file");
        }
        String extension = pairExtension(file);
        if (extension.isEmpty()) {
            return new NiftiFiles(file, file);
        }
        return extension.contains("hdr")
                ? new NiftiFiles(file, partner(file, extension, "img"))
                : new NiftiFiles(partner(file, extension, "hdr"), file);
    }

    /** Returns the files an image is made of, the one with the header first; the other half of a pair need not be there. */
    static List<Path> all(Path file) throws VolumeFormatException {
        Path header = header(file);
        if (pairExtension(header).isEmpty()) {
            return List.of(header);
        }
        try {
            return List.of(header, locate(header).voxels());
        } catch (VolumeFormatException e) {
            return List.of(header);
        }
    }

    /** Finds the file with the header only. */
    static Path header(Path file) throws VolumeFormatException {
        return Files.isRegularFile(file) && pairExtension(file).contains("hdr")
                ? file
                : locate(file).header();
    }

    /** Returns {@code .hdr}, {@code .img}, {@code .hdr.gz} or {@code .img.gz} in lower case, or nothing for other names. */
    private static String pairExtension(Path file) {
        String name = file.getFileName().toString().toLowerCase(Locale.ROOT);
        for (String extension : new String[] {".hdr", ".img", ".hdr.gz", ".img.gz"}) {
            if (name.endsWith(extension)) {
                return extension;
            }
        }
        return "";
    }

    private static Path partner(Path file, String extension, String kind) throws VolumeFormatException {
        String name = file.getFileName().toString();
        String stem = name.substring(0, name.length() - extension.length());
        boolean upper = Character.isUpperCase(name.charAt(stem.length() + 1));
        boolean gz = extension.endsWith(".gz");
        for (String suffix : gz ? new String[] {".gz", ""} : new String[] {"", ".gz"}) {
            for (String type : upper ? new String[] {kind.toUpperCase(Locale.ROOT), kind} : new String[] {kind}) {
                Path candidate = file.resolveSibling(stem + "." + type + suffix);
                if (Files.isRegularFile(candidate)) {
                    return candidate;
                }
            }
        }
        throw new VolumeFormatException(
                file,
                "one half of a pair of files: " + stem + "." + kind + " or " + stem + "." + kind + ".gz"
                        + " isn't beside it");
    }
}

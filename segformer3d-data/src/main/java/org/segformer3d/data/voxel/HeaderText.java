package org.segformer3d.data.voxel;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.segformer3d.data.volume.VolumeFormatException;

/** The lines of a header of text, which voxels may follow. A header of more than a mebibyte isn't one. */
public final class HeaderText implements AutoCloseable {
    private static final int LONGEST = 1 << 20;

    private final Path file;
    private final InputStream in;
    private long position;

    private HeaderText(Path file, InputStream in) {
        this.file = file;
        this.in = in;
    }

    /** Opens a file at its start. */
    public static HeaderText open(Path file) throws IOException {
        return new HeaderText(file, new BufferedInputStream(Files.newInputStream(file)));
    }

    /**
     * Returns the next line without its end, or {@code null} at the end of the file.
     *
     * @throws VolumeFormatException when the header doesn't end
     */
    public String line() throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        int b = in.read();
        if (b < 0) {
            return null;
        }
        for (; b >= 0 && b != '\n'; b = in.read()) {
            line.write(b);
            if (position + line.size() > LONGEST) {
                throw new VolumeFormatException(file, "found no end of the header in the first " + LONGEST + " bytes");
            }
        }
        position += line.size() + (b < 0 ? 0 : 1);
        String text = line.toString(StandardCharsets.UTF_8);
        return text.endsWith("\r") ? text.substring(0, text.length() - 1) : text;
    }

    /** Returns how many bytes the lines took that were read. */
    public long position() {
        return position;
    }

    /**
     * Returns the files with the voxels that a header names, which lie beside it; the header's own file where it names none.
     *
     * @throws VolumeFormatException when a name leads elsewhere
     */
    public static List<Path> voxelFiles(Path header, List<String> names) throws VolumeFormatException {
        if (names.isEmpty()) {
            return List.of(header);
        }
        List<Path> files = new ArrayList<>();
        for (String name : names) {
            files.add(beside(header, name));
        }
        return files;
    }

    /**
     * Returns the file beside a header that the header names.
     *
     * @throws VolumeFormatException when it can't be the name of a file or there is none
     */
    public static Path beside(Path header, String name) throws VolumeFormatException {
        Path file;
        try {
            file = header.resolveSibling(name);
        } catch (InvalidPathException e) {
            throw new VolumeFormatException(
                    header, "found '" + name + "', expected the name of the file with the voxels", e);
        }
        if (name.isBlank() || !Files.isRegularFile(file)) {
            throw new VolumeFormatException(header, "its voxels should be in " + file + ", which isn't a file");
        }
        return file;
    }

    @Override
    public void close() throws IOException {
        in.close();
    }
}

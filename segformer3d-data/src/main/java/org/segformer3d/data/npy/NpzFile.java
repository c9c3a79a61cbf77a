package org.segformer3d.data.npy;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.util.Collections;
import java.util.Enumeration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.zip.CRC32;
import java.util.zip.CheckedInputStream;
import java.util.zip.Deflater;
import java.util.zip.ZipEntry;
import java.util.zip.ZipException;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.io.AtomicFiles;
import org.segformer3d.data.volume.VolumeFormatException;

/** NumPy's {@code .npz} files: zip archives of {@code .npy} files, stored or deflated. */
public final class NpzFile {
    /** Deflate shrinks data at most 1032-fold. */
    private static final long DEFLATE_RATIO = 1032;

    private static final String SUFFIX = ".npy";

    private NpzFile() {}

    /**
     * Reads all arrays, as {@link NpyFile#read} does each.
     *
     * @param file the file, never {@code null}
     * @return the arrays by name, without {@code .npy}, in the archive's order; entries that aren't {@code .npy} are left out
     * @throws VolumeFormatException when the file is missing or no zip archive, an entry's name would lead out of a folder, an entry is
     *     damaged, or an array isn't read
     * @throws IOException when reading fails
     */
    public static Map<String, HostTensor> read(Path file) throws IOException {
        Objects.requireNonNull(file, "file");
        if (!Files.isRegularFile(file)) {
            throw new VolumeFormatException(file, "no such file, expected a .npz file");
        }
        Map<String, HostTensor> arrays = new LinkedHashMap<>();
        try (ZipFile zip = new ZipFile(file.toFile())) {
            Enumeration<? extends ZipEntry> entries = zip.entries();
            while (entries.hasMoreElements()) {
                ZipEntry entry = entries.nextElement();
                String name = entry.getName();
                checkName(file, name);
                if (entry.isDirectory() || !name.endsWith(SUFFIX)) {
                    continue;
                }
                HostTensor tensor = readEntry(file, zip, entry);
                if (arrays.put(name.substring(0, name.length() - SUFFIX.length()), tensor) != null) {
                    throw new VolumeFormatException(file, "two entries are named '" + name + "'");
                }
            }
        } catch (ZipException | EOFException | IllegalArgumentException e) {
            // Java's reader reports damage in all these ways, the second one without a message.
            throw new VolumeFormatException(
                    file,
                    "not a sound .npz archive: " + (e instanceof EOFException ? "it ends too early" : e.getMessage()),
                    e);
        }
        return Collections.unmodifiableMap(arrays);
    }

    private static void checkName(Path file, String name) throws VolumeFormatException {
        boolean unsafe = name.startsWith("/") || name.contains("\\") || name.contains(":") || name.indexOf('\0') >= 0;
        for (String part : name.split("/")) {
            unsafe |= part.equals("..");
        }
        if (unsafe) {
            throw new VolumeFormatException(file, "found an entry named '" + name + "', expected a plain name");
        }
    }

    private static HostTensor readEntry(Path file, ZipFile zip, ZipEntry entry) throws IOException {
        Path where = file.resolveSibling(file.getFileName() + "!" + entry.getName());
        long packed = Math.min(entry.getCompressedSize(), Files.size(file));
        long most = entry.getMethod() == ZipEntry.DEFLATED ? packed * DEFLATE_RATIO : packed;
        if (entry.getSize() >= 0) {
            most = Math.min(most, entry.getSize());
        }
        CRC32 crc = new CRC32();
        try (InputStream in = new CheckedInputStream(zip.getInputStream(entry), crc)) {
            HostTensor tensor = NpyFormat.read(where, in, most);
            if (in.read() >= 0) {
                throw new VolumeFormatException(where, "found more data than the array has");
            }
            // ZipFile doesn't compare the checksum itself.
            if (entry.getCrc() >= 0 && entry.getCrc() != crc.getValue()) {
                throw new VolumeFormatException(
                        where,
                        "found checksum " + Long.toHexString(crc.getValue()) + ", expected "
                                + Long.toHexString(entry.getCrc()));
            }
            return tensor;
        } catch (EOFException | ZipException e) {
            throw new VolumeFormatException(where, "damaged compressed data: " + e.getMessage(), e);
        }
    }

    /**
     * Writes arrays, atomically and deflated; equal arrays give equal bytes.
     *
     * @param file the file, never {@code null}; replaced when it exists
     * @param arrays by name, in the order of the map; any type but bfloat16
     * @throws IllegalArgumentException when a name is empty or leads out of a folder, or a type is bfloat16
     * @throws IOException when writing fails; nothing is changed then
     */
    public static void write(Path file, Map<String, HostTensor> arrays) throws IOException {
        Objects.requireNonNull(arrays, "arrays");
        for (String name : arrays.keySet()) {
            try {
                checkName(file, name);
            } catch (VolumeFormatException e) {
                throw new IllegalArgumentException("'" + name + "' cannot name an array in a .npz file", e);
            }
            if (name.isEmpty()) {
                throw new IllegalArgumentException("an array in a .npz file needs a name");
            }
        }
        AtomicFiles.write(file, out -> {
            ZipOutputStream zip = new ZipOutputStream(out);
            zip.setLevel(Deflater.BEST_SPEED);
            for (Map.Entry<String, HostTensor> array : arrays.entrySet()) {
                ZipEntry entry = new ZipEntry(array.getKey() + SUFFIX);
                entry.setTimeLocal(LocalDateTime.of(1980, 1, 1, 0, 0));
                zip.putNextEntry(entry);
                NpyFormat.write(array.getValue(), zip);
                zip.closeEntry();
            }
            zip.finish();
        });
    }
}

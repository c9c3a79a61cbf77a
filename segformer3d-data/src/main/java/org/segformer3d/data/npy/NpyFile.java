package org.segformer3d.data.npy;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.io.AtomicFiles;
import org.segformer3d.data.volume.VolumeFormatException;

/** NumPy's {@code .npy} files: one array each. */
public final class NpyFile {
    private NpyFile() {}

    /**
     * Reads an array.
     *
     * <p>Booleans, integers and floats of up to 64 bits, in both byte orders and both array orders, are read; the result is in C
     * order. Types a {@link HostTensor} lacks become the next wider one: uint16 int32, uint32 and uint64 int64.
     *
     * @param file the file, never {@code null}
     * @throws VolumeFormatException when the file is missing, isn't a .npy file, is truncated, claims more than it can hold, or holds
     *     objects, text, complex numbers or records
     * @throws IOException when reading fails
     */
    public static HostTensor read(Path file) throws IOException {
        Objects.requireNonNull(file, "file");
        if (!Files.isRegularFile(file)) {
            throw new VolumeFormatException(file, "no such file, expected a .npy file");
        }
        try (InputStream in = new BufferedInputStream(Files.newInputStream(file))) {
            return NpyFormat.read(file, in, Files.size(file));
        }
    }

    /**
     * Reads the sizes of an array and nothing else.
     *
     * @throws VolumeFormatException as {@link #read} does for the header
     * @throws IOException when reading fails
     */
    static long[] readShape(Path file) throws IOException {
        if (!Files.isRegularFile(file)) {
            throw new VolumeFormatException(file, "no such file, expected a .npy file");
        }
        try (InputStream in = new BufferedInputStream(Files.newInputStream(file))) {
            return NpyFormat.readHeader(file, in, Files.size(file)).header().shape();
        }
    }

    /**
     * Writes an array, atomically.
     *
     * @param file the file, never {@code null}; replaced when it exists
     * @param tensor any type but bfloat16, which NumPy doesn't have
     * @throws IllegalArgumentException when the type is bfloat16
     * @throws IOException when writing fails; nothing is changed then
     */
    public static void write(Path file, HostTensor tensor) throws IOException {
        Objects.requireNonNull(tensor, "tensor");
        AtomicFiles.write(file, out -> NpyFormat.write(tensor, out));
    }
}

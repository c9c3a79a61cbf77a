package org.segformer3d.data.npy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.ChannelSource;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.data.volume.VolumeFormat;
import org.segformer3d.data.volume.VolumeFormatException;
import org.segformer3d.data.volume.VolumeHeader;
import org.segformer3d.data.volume.VoxelType;

/** NumPy arrays (D, H, W) or (C, D, H, W) as images of 1 mm voxels; an archive must hold exactly one. */
public final class NumpyFormat implements VolumeFormat {
    /** Creates the format, which has no state. */
    public NumpyFormat() {}

    @Override
    public String name() {
        return "NumPy";
    }

    @Override
    public List<String> endings() {
        return List.of(".npy", ".npz");
    }

    @Override
    public List<String> resultEndings() {
        return List.of();
    }

    @Override
    public boolean recognises(byte[] start) {
        return startsWith(start, "\u0093NUMPY") || isZip(start);
    }

    private static boolean isZip(byte[] start) {
        return startsWith(start, "PK\3\4") || startsWith(start, "PK\5\6");
    }

    private static boolean startsWith(byte[] start, String magic) {
        return start.length >= magic.length()
                && new String(start, 0, magic.length(), StandardCharsets.ISO_8859_1).equals(magic);
    }

    @Override
    public VolumeHeader readHeader(Path file) throws IOException {
        long[] shape = isArchive(file) ? array(file).shape() : NpyFile.readShape(file);
        requireImage(file, shape);
        int first = shape.length - 3;
        return new VolumeHeader(
                name(),
                geometry(shape),
                false,
                first == 0 ? 1 : shape[0],
                0,
                List.of(file),
                "NumPy array " + Shapes.text(shape));
    }

    @Override
    public Volume read(Path file) throws IOException {
        HostTensor tensor = array(file);
        requireImage(file, tensor.shape());
        return Volume.of(tensor, geometry(tensor.shape()));
    }

    private static HostTensor array(Path file) throws IOException {
        if (!isArchive(file)) {
            return NpyFile.read(file);
        }
        Map<String, HostTensor> arrays = NpzFile.read(file);
        if (arrays.size() != 1) {
            throw new VolumeFormatException(
                    file, "found the arrays " + arrays.keySet() + ", expected exactly one to take as an image");
        }
        return arrays.values().iterator().next();
    }

    private static boolean isArchive(Path file) throws IOException {
        String name = file.getFileName().toString().toLowerCase(Locale.ROOT);
        if (name.endsWith(".npz") || !java.nio.file.Files.isRegularFile(file)) {
            return name.endsWith(".npz");
        }
        try (java.io.InputStream in = java.nio.file.Files.newInputStream(file)) {
            return isZip(in.readNBytes(4));
        }
    }

    private static void requireImage(Path file, long[] shape) throws VolumeFormatException {
        boolean empty = false;
        double voxels = 1;
        for (int axis = 0; axis < shape.length; axis++) {
            empty |= shape[axis] == 0;
            voxels *= shape[axis];
        }
        if (shape.length != 3 && shape.length != 4 || empty) {
            throw new VolumeFormatException(
                    file, "found an array of shape " + Shapes.text(shape) + ", expected (D,H,W) or (C,D,H,W)");
        }
        if (voxels > Integer.MAX_VALUE - 8) {
            throw new VolumeFormatException(
                    file, "found an array of shape " + Shapes.text(shape) + ", expected at most 2^31 - 9 values");
        }
    }

    private static Geometry geometry(long[] shape) {
        int first = shape.length - 3;
        return Geometry.of(
                new Grid((int) shape[first], (int) shape[first + 1], (int) shape[first + 2]), Affine.IDENTITY);
    }

    @Override
    public List<VoxelType> labelTypes() {
        return List.of(VoxelType.UINT8, VoxelType.INT8, VoxelType.INT16, VoxelType.INT32);
    }

    /** Writes one array: (D, H, W) for one channel, else (C, D, H, W). */
    @Override
    public void write(Path file, Geometry geometry, int channels, VoxelType type, ChannelSource source)
            throws IOException {
        Grid size = geometry.size();
        int voxels = size.tokens();
        if ((long) voxels * channels > Integer.MAX_VALUE / Float.BYTES) {
            throw new VolumeFormatException(
                    file,
                    channels + " channels of " + size + " voxels exceed the 2 GiB of one array; write another format");
        }
        float[] all = new float[voxels * channels];
        for (int c = 0; c < channels; c++) {
            float[] values = source.channel(c);
            if (values.length != voxels) {
                throw new IllegalArgumentException(
                        "channel " + c + " has " + values.length + " values, expected " + voxels);
            }
            System.arraycopy(values, 0, all, c * voxels, voxels);
        }
        long[] shape = channels == 1
                ? new long[] {size.depth(), size.height(), size.width()}
                : new long[] {channels, size.depth(), size.height(), size.width()};
        HostTensor tensor = tensor(all, type, shape);
        if (file.getFileName().toString().toLowerCase(Locale.ROOT).endsWith(".npz")) {
            NpzFile.write(file, Map.of("data", tensor));
        } else {
            NpyFile.write(file, tensor);
        }
    }

    private static HostTensor tensor(float[] values, VoxelType type, long[] shape) {
        return switch (type) {
            case UINT8 -> bytes(DType.UINT8, values, shape);
            case INT8 -> bytes(DType.INT8, values, shape);
            case INT16 -> {
                HostTensor tensor = HostTensor.zeros(DType.INT16, shape);
                var target = tensor.bytes().order(java.nio.ByteOrder.LITTLE_ENDIAN);
                for (int n = 0; n < values.length; n++) {
                    target.putShort(2 * n, (short) values[n]);
                }
                yield tensor;
            }
            case INT32 -> {
                HostTensor tensor = HostTensor.zeros(DType.INT32, shape);
                var target = tensor.bytes().order(java.nio.ByteOrder.LITTLE_ENDIAN);
                for (int n = 0; n < values.length; n++) {
                    target.putInt(4 * n, (int) values[n]);
                }
                yield tensor;
            }
            case FLOAT32 -> {
                HostTensor tensor = HostTensor.zeros(DType.FLOAT32, shape);
                tensor.floatBuffer().put(values);
                yield tensor;
            }
            default -> throw new IllegalArgumentException("not written: " + type);
        };
    }

    private static HostTensor bytes(DType dtype, float[] values, long[] shape) {
        HostTensor tensor = HostTensor.zeros(dtype, shape);
        var target = tensor.bytes();
        for (int n = 0; n < values.length; n++) {
            target.put(n, (byte) (int) values[n]);
        }
        return tensor;
    }
}

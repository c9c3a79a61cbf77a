package org.segformer3d.eval.inference;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.UUID;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Shapes;

/** Keeps maps of a whole volume, one a channel, that arrive block by block: in memory, or in a file where they are too many. */
abstract class LogitsStore implements SlabConsumer, AutoCloseable {
    private static final int PART = 1 << 20;

    private final int channels;
    private final Grid size;

    private LogitsStore(int channels, Grid size) {
        this.channels = channels;
        this.size = size;
    }

    /** Returns a store in memory. */
    static LogitsStore inMemory(int channels, Grid size) {
        return new InMemory(channels, size);
    }

    /**
     * Returns a store in a temporary file, which is gone when the store is closed or the process ends.
     *
     * @throws IOException when there isn't enough space in the folder; the message has the number of bytes
     */
    static LogitsStore inFile(int channels, Grid size, Path folder) throws IOException {
        return new InFile(channels, size, folder);
    }

    /** Returns a store of the same kind and size. */
    abstract LogitsStore another() throws IOException;

    abstract void write(long at, float[] values, int count) throws IOException;

    abstract void read(long at, float[] values, int count) throws IOException;

    int channels() {
        return channels;
    }

    Grid size() {
        return size;
    }

    @Override
    public void accept(int start, int row, HostTensor block) {
        if (block.size(0) != channels) {
            throw new IllegalArgumentException(
                    "found " + Shapes.text(block.shape()) + ", expected " + channels + " channels");
        }
        int slices = Math.toIntExact(block.size(1));
        int length = Math.toIntExact(block.size(2)) * size.width();
        float[] values = new float[length];
        try {
            for (int c = 0; c < channels; c++) {
                for (int d = 0; d < slices; d++) {
                    block.floatBuffer().get((c * slices + d) * length, values);
                    write(at(c, start + d, row), values, length);
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private long at(int channel, int d, int h) {
        return (((long) channel * size.depth() + d) * size.height() + h) * size.width();
    }

    /** Returns a copy of a channel's values in C order. */
    float[] channel(int channel) throws IOException {
        float[] values = new float[size.tokens()];
        read((long) channel * values.length, values, values.length);
        return values;
    }

    /** What becomes of the values of one voxel, or of several, all channels together. */
    interface VoxelFunction {
        /** Changes {@code values[channel][0 … count−1]} in place. */
        void apply(float[][] values, int count);
    }

    /** Returns a new store with a function of all channels of every voxel; this one stays open. */
    LogitsStore mapped(VoxelFunction function) throws IOException {
        LogitsStore result = another();
        try {
            int voxels = size.tokens();
            float[][] part = new float[channels][Math.min(voxels, PART / 4)];
            for (int from = 0; from < voxels; from += part[0].length) {
                int count = Math.min(part[0].length, voxels - from);
                for (int c = 0; c < channels; c++) {
                    read((long) c * voxels + from, part[c], count);
                }
                function.apply(part, count);
                for (int c = 0; c < channels; c++) {
                    result.write((long) c * voxels + from, part[c], count);
                }
            }
            return result;
        } catch (IOException | RuntimeException | Error e) {
            result.close();
            throw e;
        }
    }

    @Override
    public void close() {}

    private static final class InMemory extends LogitsStore {
        private final float[][] values;

        InMemory(int channels, Grid size) {
            super(channels, size);
            this.values = new float[channels][size.tokens()];
        }

        @Override
        LogitsStore another() {
            return new InMemory(channels(), size());
        }

        @Override
        void write(long at, float[] from, int count) {
            float[] channel = values[(int) (at / size().tokens())];
            System.arraycopy(from, 0, channel, (int) (at % channel.length), count);
        }

        @Override
        void read(long at, float[] to, int count) {
            float[] channel = values[(int) (at / size().tokens())];
            System.arraycopy(channel, (int) (at % channel.length), to, 0, count);
        }
    }

    private static final class InFile extends LogitsStore {
        private final Path folder;
        private final FileChannel file;
        private final ByteBuffer buffer = ByteBuffer.allocateDirect(PART).order(ByteOrder.nativeOrder());

        InFile(int channels, Grid size, Path folder) throws IOException {
            super(channels, size);
            this.folder = folder;
            long bytes = (long) Float.BYTES * channels * size.tokens();
            FileStore disk = Files.getFileStore(folder);
            if (disk.getUsableSpace() < bytes) {
                throw new IOException(folder + ": keeping " + channels + " channels of " + size + " logits takes "
                        + bytes + " bytes here for a while, found " + disk.getUsableSpace()
                        + " free; make room or write to another disk");
            }
            // Nobody else needs it, and nothing is left of it even if the process is killed: on Linux an open file
            // without a
            // name.
            this.file = FileChannel.open(
                    folder.resolve(".logits." + UUID.randomUUID() + ".tmp"),
                    StandardOpenOption.CREATE_NEW,
                    StandardOpenOption.READ,
                    StandardOpenOption.WRITE,
                    StandardOpenOption.DELETE_ON_CLOSE);
        }

        @Override
        LogitsStore another() throws IOException {
            return new InFile(channels(), size(), folder);
        }

        @Override
        void write(long at, float[] values, int count) throws IOException {
            for (int done = 0; done < count; ) {
                int part = Math.min(count - done, PART / Float.BYTES);
                buffer.clear().limit(part * Float.BYTES);
                buffer.asFloatBuffer().put(values, done, part);
                long position = (at + done) * Float.BYTES;
                while (buffer.hasRemaining()) {
                    position += file.write(buffer, position);
                }
                done += part;
            }
        }

        @Override
        void read(long at, float[] values, int count) throws IOException {
            for (int done = 0; done < count; ) {
                int part = Math.min(count - done, PART / Float.BYTES);
                buffer.clear().limit(part * Float.BYTES);
                long position = (at + done) * Float.BYTES;
                while (buffer.hasRemaining()) {
                    int n = file.read(buffer, position);
                    if (n < 0) {
                        throw new IOException(folder + ": the temporary file with logits was cut off");
                    }
                    position += n;
                }
                buffer.flip();
                buffer.asFloatBuffer().get(values, done, part);
                done += part;
            }
        }

        @Override
        public void close() {
            try {
                file.close();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }
}

package org.segformer3d.bench;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.zip.DataFormatException;
import java.util.zip.GZIPOutputStream;
import java.util.zip.Inflater;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;
import org.segformer3d.data.nifti.NiftiReader;
import org.segformer3d.data.volume.Volume;

/** Reading an int16 {@code .nii.gz} of 240×240×155, a ball of noisy values in zeros, beside inflating it and nothing else. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 2, time = 2)
@Measurement(iterations = 5, time = 2)
@Fork(1)
@State(Scope.Benchmark)
public class NiftiDecodeBenchmark {
    private static final int NI = 240;
    private static final int NJ = 240;
    private static final int NK = 155;
    private static final int VOXELS_AT = 352;
    /** Of a gzip header without a name. */
    private static final int GZIP_HEADER = 10;

    private Path folder;
    private Path file;

    /** Writes the file. */
    @Setup
    public void write() throws IOException {
        folder = Files.createTempDirectory("segformer3d-bench");
        file = folder.resolve("image.nii.gz");
        ByteBuffer image =
                ByteBuffer.allocate(VOXELS_AT + NI * NJ * NK * Short.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        image.putInt(0, 348);
        short[] dim = {3, NI, NJ, NK, 1, 1, 1, 1};
        for (int n = 0; n < dim.length; n++) {
            image.putShort(40 + 2 * n, dim[n]);
            image.putFloat(76 + 4 * n, 1);
        }
        image.putShort(70, (short) 4);
        image.putShort(72, (short) 16);
        image.putFloat(108, VOXELS_AT);
        image.putFloat(112, 1);
        image.putShort(254, (short) 1);
        image.putFloat(280, 1);
        image.putFloat(300, 1);
        image.putFloat(320, 1);
        image.put(344, new byte[] {'n', '+', '1', 0});
        SplittableRandom random = new SplittableRandom(1);
        int at = VOXELS_AT;
        for (int k = 0; k < NK; k++) {
            for (int j = 0; j < NJ; j++) {
                for (int i = 0; i < NI; i++) {
                    double r = Math.hypot(Math.hypot(i - NI / 2, j - NJ / 2), k - NK / 2);
                    image.putShort(at, (short) (r < 70 ? 400 + 4 * r + random.nextInt(32) : 0));
                    at += Short.BYTES;
                }
            }
        }
        try (GZIPOutputStream out = new GZIPOutputStream(Files.newOutputStream(file))) {
            out.write(image.array());
        }
    }

    /** Inflates the file into a buffer that is overwritten again and again. */
    @Benchmark
    public long inflateAlone() throws IOException, DataFormatException {
        byte[] packed = new byte[1 << 18];
        byte[] raw = new byte[1 << 16];
        Inflater inflater = new Inflater(true);
        try (InputStream in = Files.newInputStream(file)) {
            in.skipNBytes(GZIP_HEADER);
            while (!inflater.finished()) {
                if (inflater.inflate(raw) == 0 && inflater.needsInput()) {
                    inflater.setInput(packed, 0, in.read(packed));
                }
            }
            return inflater.getBytesWritten();
        } finally {
            inflater.end();
        }
    }

    /** Reads the image: inflated, checked, decoded to float32 and transposed. */
    @Benchmark
    public Volume read() throws IOException {
        return NiftiReader.read(file);
    }

    /** Removes the file. */
    @TearDown
    public void remove() throws IOException {
        Files.delete(file);
        Files.delete(folder);
    }
}

package org.segformer3d.data.nifti;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.GZIPOutputStream;

/** Builds NIfTI files field by field, from the format's definition rather than with the code under test. */
final class NiftiBytes {
    int version = 1;
    ByteOrder order = ByteOrder.LITTLE_ENDIAN;
    String magic;
    long[] dim = {3, 2, 3, 4, 1, 1, 1, 1};
    int datatype = 4;
    double[] pixdim = {1, 1, 1, 1, 1, 1, 1, 1};
    double voxOffset = -1;
    double slope;
    double inter;
    int units = 2;
    int qform;
    int sform;
    double[] quatern = new double[3];
    double[] qoffset = new double[3];
    double[] srow = new double[12];
    int eol = 0x0d0a1a0a;

    static NiftiBytes of(long... sizes) {
        NiftiBytes bytes = new NiftiBytes();
        bytes.dim = new long[] {sizes.length, 1, 1, 1, 1, 1, 1, 1};
        System.arraycopy(sizes, 0, bytes.dim, 1, sizes.length);
        return bytes;
    }

    NiftiBytes type(NiftiType type) {
        datatype = type.code();
        return this;
    }

    int headerLength() {
        return version == 1 ? 348 : 540;
    }

    private double offset() {
        return voxOffset >= 0 ? voxOffset : headerLength() + 4;
    }

    byte[] header(boolean single) {
        byte[] bytes = new byte[headerLength()];
        ByteBuffer b = ByteBuffer.wrap(bytes).order(order);
        b.putInt(0, bytes.length);
        double offset = single ? offset() : Math.max(0, voxOffset);
        String text = magic != null ? magic : (single ? "n+" : "ni") + version + "\0";
        b.put(version == 1 ? 344 : 4, text.getBytes(StandardCharsets.ISO_8859_1));
        if (version == 1) {
            for (int n = 0; n < 8; n++) {
                b.putShort(40 + 2 * n, (short) dim[n]);
                b.putFloat(76 + 4 * n, (float) pixdim[n]);
            }
            b.putShort(70, (short) datatype);
            b.putFloat(108, (float) offset);
            b.putFloat(112, (float) slope);
            b.putFloat(116, (float) inter);
            b.put(123, (byte) units);
            b.putShort(252, (short) qform);
            b.putShort(254, (short) sform);
            for (int n = 0; n < 3; n++) {
                b.putFloat(256 + 4 * n, (float) quatern[n]);
                b.putFloat(268 + 4 * n, (float) qoffset[n]);
            }
            for (int n = 0; n < 12; n++) {
                b.putFloat(280 + 4 * n, (float) srow[n]);
            }
        } else {
            b.order(ByteOrder.BIG_ENDIAN).putInt(8, eol);
            b.order(order).putShort(12, (short) datatype);
            for (int n = 0; n < 8; n++) {
                b.putLong(16 + 8 * n, dim[n]);
                b.putDouble(104 + 8 * n, pixdim[n]);
            }
            b.putLong(168, (long) offset);
            b.putDouble(176, slope);
            b.putDouble(184, inter);
            b.putInt(344, qform);
            b.putInt(348, sform);
            for (int n = 0; n < 3; n++) {
                b.putDouble(352 + 8 * n, quatern[n]);
                b.putDouble(376 + 8 * n, qoffset[n]);
            }
            for (int n = 0; n < 12; n++) {
                b.putDouble(400 + 8 * n, srow[n]);
            }
            b.putInt(500, units);
        }
        return bytes;
    }

    /** Returns a whole single file. */
    byte[] file(byte[] voxels) {
        byte[] header = header(true);
        int start = Math.max(header.length, (int) offset());
        byte[] all = new byte[start + voxels.length];
        System.arraycopy(header, 0, all, 0, header.length);
        System.arraycopy(voxels, 0, all, start, voxels.length);
        return all;
    }

    /** Returns 16-bit voxels 0, 1, 2, … in the file's order. */
    byte[] counting() {
        int count = 1;
        for (int n = 1; n <= dim[0]; n++) {
            count *= (int) dim[n];
        }
        ByteBuffer b = ByteBuffer.allocate(count * 2).order(order);
        for (int n = 0; n < count; n++) {
            b.putShort((short) n);
        }
        return b.array();
    }

    static byte[] gzip(byte[] bytes) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (GZIPOutputStream gz = new GZIPOutputStream(out)) {
            gz.write(bytes);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return out.toByteArray();
    }

    static Path write(Path file, byte[] bytes) {
        try {
            return Files.write(file, bytes);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}

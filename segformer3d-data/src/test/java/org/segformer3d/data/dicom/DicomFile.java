package org.segformer3d.data.dicom;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Writes a slice of a made-up CT as a DICOM file, explicit VR little endian, with no more than a reader needs. */
public final class DicomFile {
    private static final String CT = "1.2.840.10008.5.1.4.1.1.2";

    private DicomFile() {}

    /**
     * Writes a slice of 12 rows and 10 columns, 1.5 × 0.75 mm, 2 mm from the one before it.
     *
     * @param value what pixel (row, column) holds is value + 100·row + column
     */
    public static void write(Path file, int series, String description, int instance, int value) throws IOException {
        write(file, series, description, instance, value, "-4\\-8\\" + 2 * instance, "1\\0\\0\\0\\1\\0");
    }

    /** Writes such a slice at any place: its position and orientation are texts as DICOM has them. */
    public static void write(
            Path file, int series, String description, int instance, int value, String position, String orientation)
            throws IOException {
        String seriesUid = "1.2.826.0.1.3680043.10.1000." + series;
        String instanceUid = seriesUid + "." + instance;
        ByteArrayOutputStream meta = new ByteArrayOutputStream();
        text(meta, 0x0002, 0x0002, "UI", CT);
        text(meta, 0x0002, 0x0003, "UI", instanceUid);
        text(meta, 0x0002, 0x0010, "UI", "1.2.840.10008.1.2.1");
        text(meta, 0x0002, 0x0012, "UI", "1.2.826.0.1.3680043.10.1000");
        ByteArrayOutputStream data = new ByteArrayOutputStream();
        text(data, 0x0008, 0x0008, "CS", "ORIGINAL\\PRIMARY\\AXIAL");
        text(data, 0x0008, 0x0016, "UI", CT);
        text(data, 0x0008, 0x0018, "UI", instanceUid);
        text(data, 0x0008, 0x0020, "DA", "20260101");
        text(data, 0x0008, 0x0030, "TM", "120000");
        text(data, 0x0008, 0x0060, "CS", "CT");
        text(data, 0x0008, 0x0070, "LO", "PHANTOM");
        text(data, 0x0008, 0x103E, "LO", description);
        text(data, 0x0010, 0x0010, "PN", "PHANTOM");
        text(data, 0x0010, 0x0020, "LO", "1");
        text(data, 0x0018, 0x0050, "DS", "2");
        text(data, 0x0020, 0x000D, "UI", "1.2.826.0.1.3680043.10.1000.99");
        text(data, 0x0020, 0x000E, "UI", seriesUid);
        text(data, 0x0020, 0x0010, "SH", "1");
        text(data, 0x0020, 0x0011, "IS", String.valueOf(series));
        text(data, 0x0020, 0x0013, "IS", String.valueOf(instance));
        text(data, 0x0020, 0x0032, "DS", position);
        text(data, 0x0020, 0x0037, "DS", orientation);
        text(data, 0x0020, 0x0052, "UI", seriesUid + ".0");
        number(data, 0x0028, 0x0002, 1);
        text(data, 0x0028, 0x0004, "CS", "MONOCHROME2");
        number(data, 0x0028, 0x0010, 12);
        number(data, 0x0028, 0x0011, 10);
        text(data, 0x0028, 0x0030, "DS", "1.5\\0.75");
        number(data, 0x0028, 0x0100, 16);
        number(data, 0x0028, 0x0101, 16);
        number(data, 0x0028, 0x0102, 15);
        number(data, 0x0028, 0x0103, 1);
        text(data, 0x0028, 0x1052, "DS", "0");
        text(data, 0x0028, 0x1053, "DS", "1");
        ByteBuffer pixels = ByteBuffer.allocate(12 * 10 * 2).order(ByteOrder.LITTLE_ENDIAN);
        for (int row = 0; row < 12; row++) {
            for (int column = 0; column < 10; column++) {
                pixels.putShort((short) (value + 100 * row + column));
            }
        }
        tag(data, 0x7FE0, 0x0010, "OW");
        data.write(new byte[2]);
        data.write(ByteBuffer.allocate(4)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(pixels.capacity())
                .array());
        data.write(pixels.array());

        ByteArrayOutputStream all = new ByteArrayOutputStream();
        all.write(new byte[128]);
        all.write("DICM".getBytes(StandardCharsets.US_ASCII));
        tag(all, 0x0002, 0x0000, "UL");
        all.write(ByteBuffer.allocate(6)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putShort((short) 4)
                .putInt(meta.size())
                .array());
        all.write(meta.toByteArray());
        all.write(data.toByteArray());
        Files.write(file, all.toByteArray());
    }

    private static void tag(ByteArrayOutputStream out, int group, int element, String type) throws IOException {
        out.write(ByteBuffer.allocate(4)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putShort((short) group)
                .putShort((short) element)
                .array());
        out.write(type.getBytes(StandardCharsets.US_ASCII));
    }

    private static void value(ByteArrayOutputStream out, byte[] value) throws IOException {
        out.write(ByteBuffer.allocate(2)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putShort((short) value.length)
                .array());
        out.write(value);
    }

    private static void text(ByteArrayOutputStream out, int group, int element, String type, String text)
            throws IOException {
        tag(out, group, element, type);
        String even = text.length() % 2 == 0 ? text : text + (type.equals("UI") ? "\0" : " ");
        value(out, even.getBytes(StandardCharsets.US_ASCII));
    }

    private static void number(ByteArrayOutputStream out, int group, int element, int number) throws IOException {
        tag(out, group, element, "US");
        value(
                out,
                ByteBuffer.allocate(2)
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .putShort((short) number)
                        .array());
    }
}

package org.segformer3d.train.tracking;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.stream.Stream;
import java.util.zip.CRC32C;

/**
 * Writes scalars as TensorBoard reads them: a file of length-prefixed, checksummed records, each a protocol-buffer {@code Event}.
 *
 * <p>A record is the length (uint64), the masked CRC-32C of those 8 bytes, the data, and the data's masked CRC-32C, all little-endian.
 * All scalars share one axis, the steps since the beginning of the run. A resumed run adds a file whose first event tells TensorBoard
 * to forget what an interrupted run wrote beyond the checkpoint.
 */
public final class TensorBoardEvents implements Tracker {
    private static final int CRC_MASK = 0xa282ead8;
    // Field numbers and wire types of the protocol buffers Event, Summary, Summary.Value and SessionLog.
    private static final int EVENT_WALL_TIME = 1 << 3 | 1;
    private static final int EVENT_STEP = 2 << 3;
    private static final int EVENT_FILE_VERSION = 3 << 3 | 2;
    private static final int EVENT_SUMMARY = 5 << 3 | 2;
    private static final int EVENT_SESSION_LOG = 7 << 3 | 2;
    private static final int SUMMARY_VALUE = 1 << 3 | 2;
    private static final int VALUE_TAG = 1 << 3 | 2;
    private static final int VALUE_SIMPLE = 2 << 3 | 5;
    private static final int SESSION_STATUS = 1 << 3;
    private static final int SESSION_START = 1;

    private final Path folder;
    private OutputStream out;

    /**
     * Creates a tracker that writes nothing yet.
     *
     * @param folder folder of the event files, made when it is missing
     */
    public TensorBoardEvents(Path folder) {
        this.folder = folder;
    }

    @Override
    public void start(List<EpochRecord> history, long steps) throws IOException {
        Files.createDirectories(folder);
        boolean resumed;
        try (Stream<Path> inside = Files.list(folder)) {
            resumed = steps > 0 || inside.findAny().isPresent();
        }
        // TensorBoard reads a folder's files in the order of their names, so the time comes first.
        Path file;
        long number = System.currentTimeMillis();
        do {
            file = folder.resolve("events.out.tfevents.%013d.segformer3d".formatted(number++));
        } while (Files.exists(file));
        out = Files.newOutputStream(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
        byte[] version = "brain.Event:2".getBytes(StandardCharsets.UTF_8);
        record(event(0, EVENT_FILE_VERSION, version));
        if (resumed) {
            record(event(steps + 1, EVENT_SESSION_LOG, new byte[] {SESSION_STATUS, SESSION_START}));
        }
        out.flush();
    }

    @Override
    public void step(long step, double loss, double gradientNorm) throws IOException {
        scalar(step, "train/loss", loss);
        scalar(step, "train/gradient_norm", gradientNorm);
    }

    @Override
    public void epoch(List<EpochRecord> history) throws IOException {
        EpochRecord record = history.get(history.size() - 1);
        for (var scalar : record.scalars().entrySet()) {
            scalar(record.steps(), scalar.getKey(), scalar.getValue());
        }
        out.flush();
    }

    @Override
    public void close() throws IOException {
        if (out != null) {
            out.close();
        }
    }

    private void scalar(long step, String tag, double value) throws IOException {
        byte[] name = tag.getBytes(StandardCharsets.UTF_8);
        ByteBuffer summaryValue = buffer(name.length + 32);
        summaryValue.put((byte) VALUE_TAG);
        varint(summaryValue, name.length);
        summaryValue.put(name).put((byte) VALUE_SIMPLE).putFloat((float) value);
        byte[] inner = bytes(summaryValue);
        ByteBuffer summary = buffer(inner.length + 16);
        summary.put((byte) SUMMARY_VALUE);
        varint(summary, inner.length);
        summary.put(inner);
        record(event(step, EVENT_SUMMARY, bytes(summary)));
    }

    private static byte[] event(long step, int field, byte[] payload) {
        ByteBuffer event = buffer(payload.length + 48);
        event.put((byte) EVENT_WALL_TIME).putDouble(System.currentTimeMillis() / 1000.0);
        event.put((byte) EVENT_STEP);
        varint(event, step);
        event.put((byte) field);
        varint(event, payload.length);
        event.put(payload);
        return bytes(event);
    }

    private void record(byte[] data) throws IOException {
        ByteBuffer record = buffer(data.length + 16);
        record.putLong(data.length);
        record.putInt(maskedCrc(record.array(), 8));
        record.put(data);
        record.putInt(maskedCrc(data, data.length));
        out.write(record.array(), 0, record.position());
    }

    /** Returns the CRC-32C rotated and shifted as the record format wants it, so that a CRC of CRCs isn't weak. */
    private static int maskedCrc(byte[] data, int length) {
        CRC32C crc = new CRC32C();
        crc.update(data, 0, length);
        return Integer.rotateRight((int) crc.getValue(), 15) + CRC_MASK;
    }

    private static void varint(ByteBuffer target, long value) {
        long rest = value;
        while ((rest & ~0x7fL) != 0) {
            target.put((byte) (rest & 0x7f | 0x80));
            rest >>>= 7;
        }
        target.put((byte) rest);
    }

    private static ByteBuffer buffer(int size) {
        return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static byte[] bytes(ByteBuffer buffer) {
        return java.util.Arrays.copyOf(buffer.array(), buffer.position());
    }
}

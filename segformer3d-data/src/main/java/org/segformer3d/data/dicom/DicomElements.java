package org.segformer3d.data.dicom;

import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.zip.Inflater;
import java.util.zip.InflaterInputStream;

/**
 * Single elements of the outermost level of a DICOM file: no more is read than it takes to find them, and no pixels are.
 *
 * <p>Every transfer syntax is understood, since compression concerns pixels only, but for the deflated one, which is inflated.
 */
final class DicomElements {
    private static final String IMPLICIT = "1.2.840.10008.1.2";
    private static final String BIG_ENDIAN = "1.2.840.10008.1.2.2";
    private static final String DEFLATED = "1.2.840.10008.1.2.1.99";
    private static final int TRANSFER_SYNTAX = 0x00020010;
    private static final int ITEM = 0xFFFEE000;
    private static final int ITEM_END = 0xFFFEE00D;
    private static final int SEQUENCE_END = 0xFFFEE0DD;
    private static final long UNDEFINED = 0xFFFFFFFFL;
    private static final int LONGEST = 1 << 16;
    private static final int DEEPEST = 64;
    /** Value representations whose length takes four bytes. */
    private static final Set<String> LONG =
            Set.of("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV");

    private final InputStream in;
    private final boolean explicit;
    private final ByteOrder order;

    private DicomElements(InputStream in, boolean explicit, ByteOrder order) {
        this.in = in;
        this.explicit = explicit;
        this.order = order;
    }

    /**
     * What was found.
     *
     * @param values raw bytes by tag, group in the upper half
     * @param order of numbers
     */
    record Found(Map<Integer, byte[]> values, ByteOrder order) {
        /** Returns a text, without what pads it; empty where there is none. */
        Optional<String> text(int tag) {
            return Optional.ofNullable(values.get(tag))
                    .map(bytes -> new String(bytes, StandardCharsets.ISO_8859_1)
                            .replace('\0', ' ')
                            .strip())
                    .filter(text -> !text.isEmpty());
        }

        /** Returns as many numbers as are expected of a text of them; empty where there are others. */
        Optional<double[]> decimals(int tag, int count) {
            String[] parts = text(tag).orElse("").split("\\\\");
            if (parts.length != count) {
                return Optional.empty();
            }
            double[] numbers = new double[count];
            try {
                for (int n = 0; n < count; n++) {
                    numbers[n] = Double.parseDouble(parts[n].strip());
                }
            } catch (NumberFormatException e) {
                return Optional.empty();
            }
            return Optional.of(numbers);
        }

        /** Returns a whole number of two bytes. */
        Optional<Integer> number(int tag) {
            return Optional.ofNullable(values.get(tag))
                    .filter(bytes -> bytes.length >= 2)
                    .map(bytes -> ByteBuffer.wrap(bytes).order(order).getShort() & 0xffff);
        }
    }

    /**
     * Reads elements.
     *
     * @param file a file with DICOM's preamble
     * @param wanted their tags, group in the upper half
     * @return those that are there
     * @throws IOException when it isn't DICOM or ends too early
     */
    static Found read(Path file, Collection<Integer> wanted) throws IOException {
        try (InputStream in = new BufferedInputStream(Files.newInputStream(file))) {
            in.skipNBytes(DicomConverter.MAGIC_OFFSET);
            if (!new String(in.readNBytes(4), StandardCharsets.US_ASCII).equals("DICM")) {
                throw new IOException(file + ": not a DICOM file");
            }
            DicomElements meta = new DicomElements(in, true, ByteOrder.LITTLE_ENDIAN);
            Map<Integer, byte[]> found = new HashMap<>();
            while (meta.isMeta()) {
                meta.element(Set.of(TRANSFER_SYNTAX), found);
            }
            Found head = new Found(found, ByteOrder.LITTLE_ENDIAN);
            String syntax = head.text(TRANSFER_SYNTAX).orElse("");
            ByteOrder order = syntax.equals(BIG_ENDIAN) ? ByteOrder.BIG_ENDIAN : ByteOrder.LITTLE_ENDIAN;
            DicomElements data = new DicomElements(
                    syntax.equals(DEFLATED)
                            ? new BufferedInputStream(new InflaterInputStream(in, new Inflater(true)))
                            : in,
                    !syntax.equals(IMPLICIT),
                    order);
            Map<Integer, byte[]> values = new HashMap<>();
            int last = Collections.max(wanted, Integer::compareUnsigned);
            while (data.hasNext() && Integer.compareUnsigned(data.element(wanted, values), last) < 0) {
                // until past the last one
            }
            return new Found(values, order);
        }
    }

    private boolean isMeta() throws IOException {
        in.mark(2);
        int low = in.read();
        int high = in.read();
        in.reset();
        return low == 2 && high == 0;
    }

    private boolean hasNext() throws IOException {
        in.mark(1);
        boolean more = in.read() >= 0;
        in.reset();
        return more;
    }

    /** Reads past an element, keeping its value where it is wanted, and returns its tag. */
    private int element(Collection<Integer> wanted, Map<Integer, byte[]> values) throws IOException {
        int tag = tag();
        value(tag, wanted, values, 0);
        return tag;
    }

    private void value(int tag, Collection<Integer> wanted, Map<Integer, byte[]> values, int depth) throws IOException {
        String type = explicit ? new String(bytes(2), StandardCharsets.US_ASCII) : "";
        boolean isLong = !explicit || LONG.contains(type);
        if (explicit && isLong) {
            bytes(2);
        }
        long length = unsigned(isLong ? 4 : 2);
        if (length == UNDEFINED) {
            // what is of unknown type is encoded the implicit way
            (type.equals("UN") ? new DicomElements(in, false, ByteOrder.LITTLE_ENDIAN) : this).skipItems(depth);
        } else if (wanted.contains(tag) && length <= LONGEST) {
            values.put(tag, bytes((int) length));
        } else {
            in.skipNBytes(length);
        }
    }

    private void skipItems(int depth) throws IOException {
        if (depth > DEEPEST) {
            throw new IOException("sequences are nested more than " + DEEPEST + " deep");
        }
        while (true) {
            int tag = tag();
            long length = unsigned(4);
            if (tag == SEQUENCE_END) {
                return;
            }
            if (tag != ITEM) {
                throw new IOException("found tag " + Integer.toHexString(tag) + ", expected an item");
            }
            if (length == UNDEFINED) {
                skipItem(depth);
            } else {
                in.skipNBytes(length);
            }
        }
    }

    private void skipItem(int depth) throws IOException {
        while (true) {
            int tag = tag();
            if (tag == ITEM_END) {
                bytes(4);
                return;
            }
            value(tag, Set.of(), Map.of(), depth + 1);
        }
    }

    private int tag() throws IOException {
        int group = (int) unsigned(2);
        return group << 16 | (int) unsigned(2);
    }

    private long unsigned(int size) throws IOException {
        ByteBuffer buffer = ByteBuffer.wrap(bytes(size)).order(order);
        return size == 2 ? buffer.getShort() & 0xffff : buffer.getInt() & UNDEFINED;
    }

    private byte[] bytes(int count) throws IOException {
        byte[] bytes = in.readNBytes(count);
        if (bytes.length < count) {
            throw new EOFException("the file ends too early");
        }
        return bytes;
    }
}

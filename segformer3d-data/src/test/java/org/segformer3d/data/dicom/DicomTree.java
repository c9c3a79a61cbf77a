package org.segformer3d.data.dicom;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Everything in a DICOM file of explicit VR little endian, sequences included. */
final class DicomTree {
    private static final Set<String> LONG = Set.of("OB", "OW", "SQ", "UC", "UN", "UR", "UT");
    private static final int UNDEFINED = -1;

    private final Map<Integer, byte[]> values = new HashMap<>();
    private final Map<Integer, List<DicomTree>> sequences = new HashMap<>();

    static DicomTree read(Path file) throws IOException {
        ByteBuffer in = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        in.position(132);
        DicomTree tree = new DicomTree();
        tree.read(in, in.limit());
        return tree;
    }

    private void read(ByteBuffer in, int end) {
        while (in.position() < end) {
            int tag = tag(in);
            if (tag == 0xFFFEE00D) {
                in.getInt();
                return;
            }
            byte[] type = new byte[2];
            in.get(type);
            String representation = new String(type, StandardCharsets.US_ASCII);
            int length;
            if (LONG.contains(representation)) {
                in.getShort();
                length = in.getInt();
            } else {
                length = in.getShort() & 0xffff;
            }
            if (representation.equals("SQ")) {
                sequences.put(tag, items(in, length == UNDEFINED ? in.limit() : in.position() + length));
            } else {
                byte[] value = new byte[length];
                in.get(value);
                values.put(tag, value);
            }
        }
    }

    private static List<DicomTree> items(ByteBuffer in, int end) {
        List<DicomTree> items = new ArrayList<>();
        while (in.position() < end) {
            int tag = tag(in);
            int length = in.getInt();
            if (tag == 0xFFFEE0DD) {
                break;
            }
            DicomTree item = new DicomTree();
            item.read(in, length == UNDEFINED ? in.limit() : in.position() + length);
            items.add(item);
        }
        return items;
    }

    private static int tag(ByteBuffer in) {
        int group = in.getShort() & 0xffff;
        return group << 16 | in.getShort() & 0xffff;
    }

    String text(int tag) {
        return new String(values.get(tag), StandardCharsets.US_ASCII)
                .replace('\0', ' ')
                .strip();
    }

    double[] decimals(int tag) {
        return Arrays.stream(text(tag).split("\\\\"))
                .mapToDouble(Double::parseDouble)
                .toArray();
    }

    int number(int tag) {
        return ByteBuffer.wrap(values.get(tag)).order(ByteOrder.LITTLE_ENDIAN).getShort();
    }

    byte[] bytes(int tag) {
        return values.get(tag);
    }

    List<DicomTree> all(int tag) {
        return sequences.getOrDefault(tag, List.of());
    }

    DicomTree one(int tag) {
        return sequences.get(tag).get(0);
    }
}

package org.segformer3d.data.format;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Random;

/** Damages files as disks, networks and people do. */
public final class Mutations {
    private static final String[] NUMBERS = {
        "-1", "0", "1", "99999999999999999999", "2147483647", "4294967296", "1e308", "NaN", "9223372036854775807", ""
    };

    private Mutations() {}

    /** Returns a damaged copy: cut, lengthened, bits and bytes changed, numbers in text exchanged, parts moved. */
    public static byte[] of(byte[] file, Random random) {
        byte[] bytes = file.clone();
        int changes = 1 + random.nextInt(3);
        for (int n = 0; n < changes && bytes.length > 8; n++) {
            int at = random.nextInt(random.nextBoolean() ? Math.min(bytes.length, 400) : bytes.length);
            switch (random.nextInt(8)) {
                case 0 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
                case 1 -> bytes[at] = (byte) random.nextInt(256);
                case 2 -> Arrays.fill(bytes, at, Math.min(bytes.length, at + 1 + random.nextInt(8)), (byte) 0xff);
                case 3 -> Arrays.fill(bytes, at, Math.min(bytes.length, at + 1 + random.nextInt(8)), (byte) 0);
                case 4 -> bytes = Arrays.copyOf(bytes, random.nextInt(bytes.length));
                case 5 -> bytes = Arrays.copyOf(bytes, bytes.length + random.nextInt(20));
                case 6 -> {
                    int from = random.nextInt(bytes.length);
                    int length = Math.min(1 + random.nextInt(16), bytes.length - Math.max(at, from));
                    System.arraycopy(bytes, from, bytes, at, length);
                }
                default -> bytes = withOtherNumber(bytes, random);
            }
        }
        return bytes;
    }

    private static byte[] withOtherNumber(byte[] bytes, Random random) {
        String text = new String(bytes, StandardCharsets.ISO_8859_1);
        int start = random.nextInt(text.length());
        while (start < text.length() && !Character.isDigit(text.charAt(start))) {
            start++;
        }
        int end = start;
        while (end < text.length() && Character.isDigit(text.charAt(end))) {
            end++;
        }
        return (text.substring(0, start) + NUMBERS[random.nextInt(NUMBERS.length)] + text.substring(end))
                .getBytes(StandardCharsets.ISO_8859_1);
    }
}

package org.segformer3d.data.weights;

import java.io.IOException;
import java.nio.charset.StandardCharsets;

/** The two text forms of pickle protocol 0. */
final class PickleText {
    private PickleText() {}

    /** Reads a Python 2 string literal up to the line's end; each byte becomes one character. */
    static String quoted(PickleInput in) throws IOException {
        String line = in.line().strip();
        if (line.length() < 2
                || line.charAt(0) != line.charAt(line.length() - 1)
                || line.charAt(0) != '\'' && line.charAt(0) != '"') {
            throw in.corrupt("a string without quotes");
        }
        StringBuilder text = new StringBuilder(line.length());
        for (int i = 1; i < line.length() - 1; i++) {
            char c = line.charAt(i);
            if (c != '\\') {
                text.append(c);
                continue;
            }
            i++;
            char escape = line.charAt(i);
            switch (escape) {
                case '\\', '\'', '"' -> text.append(escape);
                case 'n' -> text.append('\n');
                case 'r' -> text.append('\r');
                case 't' -> text.append('\t');
                case 'a' -> text.append('\u0007');
                case 'b' -> text.append('\b');
                case 'f' -> text.append('\f');
                case 'v' -> text.append('\u000b');
                case 'x' -> {
                    text.append((char) hexadecimal(in, line, i + 1, 2, line.length() - 1));
                    i += 2;
                }
                case '0', '1', '2', '3', '4', '5', '6', '7' -> {
                    int value = 0;
                    int digits = 0;
                    while (digits < 3 && line.charAt(i) >= '0' && line.charAt(i) <= '7') {
                        value = value * 8 + line.charAt(i) - '0';
                        i++;
                        digits++;
                    }
                    i--;
                    text.append((char) (value & 0xff));
                }
                default -> text.append('\\').append(escape);
            }
        }
        return text.toString();
    }

    /** Reads a line in Python's raw-unicode-escape encoding. */
    static String escaped(PickleInput in) throws IOException {
        String line = in.line();
        StringBuilder text = new StringBuilder(line.length());
        for (int i = 0; i < line.length(); i++) {
            char c = line.charAt(i);
            char kind = c == '\\' && i + 1 < line.length() ? line.charAt(i + 1) : 0;
            if (kind == 'u' || kind == 'U') {
                int digits = kind == 'u' ? 4 : 8;
                long code = hexadecimal(in, line, i + 2, digits, line.length());
                if (code > Character.MAX_CODE_POINT) {
                    throw in.corrupt("a character beyond Unicode");
                }
                text.appendCodePoint((int) code);
                i += 1 + digits;
            } else {
                text.append(c);
            }
        }
        return text.toString();
    }

    /** Returns the bytes that Python's {@code encode} gives for a text, or {@code null} when it can't. */
    static byte[] encode(String text, String encoding) {
        return switch (encoding) {
            case "latin1", "latin-1", "iso-8859-1", "ISO-8859-1" -> latin1(text);
            case "utf-8", "utf8" -> text.getBytes(StandardCharsets.UTF_8);
            default -> null;
        };
    }

    /** Returns one byte per character, or {@code null} when a character is beyond 255. */
    static byte[] latin1(String text) {
        byte[] bytes = new byte[text.length()];
        for (int i = 0; i < bytes.length; i++) {
            char c = text.charAt(i);
            if (c > 0xff) {
                return null;
            }
            bytes[i] = (byte) c;
        }
        return bytes;
    }

    private static long hexadecimal(PickleInput in, String line, int begin, int digits, int end) throws IOException {
        long value = 0;
        for (int i = begin; i < begin + digits; i++) {
            int digit = i < end ? Character.digit(line.charAt(i), 16) : -1;
            if (digit < 0) {
                throw in.corrupt("an escape without its hexadecimal digits");
            }
            value = value * 16 + digit;
        }
        return value;
    }
}

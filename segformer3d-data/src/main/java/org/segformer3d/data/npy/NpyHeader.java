package org.segformer3d.data.npy;

import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.data.volume.VolumeFormatException;

/**
 * What the header of an array says.
 *
 * @param kind {@code b}, {@code i}, {@code u} or {@code f}
 * @param bytes size of a stored element
 * @param order byte order of stored elements
 * @param fortran whether the first axis runs fastest
 * @param shape sizes per axis
 */
record NpyHeader(char kind, int bytes, ByteOrder order, boolean fortran, long[] shape) {
    private static final String EXPECTED = "expected booleans, integers or floats of up to 64 bits";

    /** Returns the type elements get in memory: the same, or for unsigned ones the next wider signed one. */
    DType dtype() {
        return switch (kind) {
            case 'b' -> DType.BOOL;
            case 'i' ->
                switch (bytes) {
                    case 1 -> DType.INT8;
                    case 2 -> DType.INT16;
                    case 4 -> DType.INT32;
                    default -> DType.INT64;
                };
            case 'u' ->
                switch (bytes) {
                    case 1 -> DType.UINT8;
                    case 2 -> DType.INT32;
                    default -> DType.INT64;
                };
            default ->
                switch (bytes) {
                    case 2 -> DType.FLOAT16;
                    case 4 -> DType.FLOAT32;
                    default -> DType.FLOAT64;
                };
        };
    }

    /** Returns whether stored elements are those in memory, byte for byte; of unsigned ones every single one is checked. */
    boolean isVerbatim() {
        return !fortran
                && (kind != 'u' || bytes == 1)
                && dtype().bytes() == bytes
                && (bytes == 1 || order == ByteOrder.LITTLE_ENDIAN);
    }

    /** Returns the number of elements, which {@link #parse} has checked not to overflow. */
    long elements() {
        return Shapes.elements(shape);
    }

    /**
     * Parses the Python dictionary literal of a header.
     *
     * @throws VolumeFormatException when it isn't one or describes an array that isn't read
     */
    static NpyHeader parse(Path file, String text) throws VolumeFormatException {
        Scanner scanner = new Scanner(file, text);
        String descr = null;
        Boolean fortran = null;
        long[] shape = null;
        scanner.expect('{');
        while (!scanner.accept('}')) {
            String key = scanner.string();
            scanner.expect(':');
            if (key.equals("descr") && descr == null) {
                if (scanner.peek() == '[') {
                    throw new VolumeFormatException(file, "found a structured array (records), " + EXPECTED);
                }
                descr = scanner.string();
            } else if (key.equals("fortran_order") && fortran == null) {
                fortran = scanner.bool();
            } else if (key.equals("shape") && shape == null) {
                shape = scanner.tuple();
            } else {
                throw scanner.problem("found the key '" + key + "'");
            }
            if (!scanner.accept(',')) {
                scanner.expect('}');
                break;
            }
        }
        scanner.end();
        if (descr == null || fortran == null || shape == null) {
            throw scanner.problem("descr, fortran_order or shape is missing");
        }
        return of(file, descr, fortran, shape);
    }

    private static NpyHeader of(Path file, String descr, boolean fortran, long[] shape) throws VolumeFormatException {
        String type = descr;
        ByteOrder order = ByteOrder.nativeOrder();
        if (!type.isEmpty() && "<>|=".indexOf(type.charAt(0)) >= 0) {
            order = switch (type.charAt(0)) {
                case '<' -> ByteOrder.LITTLE_ENDIAN;
                case '>' -> ByteOrder.BIG_ENDIAN;
                default -> order;
            };
            type = type.substring(1);
        }
        if (type.startsWith("O")) {
            throw new VolumeFormatException(
                    file, "found an array of Python objects, which only running a pickle could read; " + EXPECTED);
        }
        if (!type.matches("b1|[iu][1248]|f[248]")) {
            throw new VolumeFormatException(file, "found elements of type '" + descr + "', " + EXPECTED);
        }
        try {
            Shapes.elements(shape);
        } catch (IllegalArgumentException e) {
            throw new VolumeFormatException(file, "found an impossible shape " + Shapes.text(shape), e);
        }
        return new NpyHeader(type.charAt(0), type.charAt(1) - '0', order, fortran, shape);
    }

    /** Reads the few kinds of Python literals a header consists of. */
    private static final class Scanner {
        private final Path file;
        private final String text;
        private int at;

        Scanner(Path file, String text) {
            this.file = file;
            this.text = text;
        }

        VolumeFormatException problem(String found) {
            return new VolumeFormatException(
                    file, "not a .npy header: " + found + ", expected {'descr': …, 'fortran_order': …, 'shape': …}");
        }

        char peek() {
            while (at < text.length() && Character.isWhitespace(text.charAt(at))) {
                at++;
            }
            return at < text.length() ? text.charAt(at) : '\0';
        }

        boolean accept(char c) {
            if (peek() != c) {
                return false;
            }
            at++;
            return true;
        }

        void expect(char c) throws VolumeFormatException {
            if (!accept(c)) {
                throw problem("no '" + c + "' at character " + at);
            }
        }

        void end() throws VolumeFormatException {
            if (peek() != '\0' || at < text.length()) {
                throw problem("something follows the dictionary");
            }
        }

        String string() throws VolumeFormatException {
            char quote = peek();
            int close = quote == '\'' || quote == '"' ? text.indexOf(quote, at + 1) : -1;
            if (close < 0) {
                throw problem("no text at character " + at);
            }
            String value = text.substring(at + 1, close);
            at = close + 1;
            return value;
        }

        boolean bool() throws VolumeFormatException {
            peek();
            for (String word : new String[] {"True", "False"}) {
                if (text.startsWith(word, at)) {
                    at += word.length();
                    return word.equals("True");
                }
            }
            throw problem("neither True nor False at character " + at);
        }

        long[] tuple() throws VolumeFormatException {
            expect('(');
            List<Long> items = new ArrayList<>();
            while (!accept(')')) {
                items.add(number());
                if (items.size() > 64) {
                    throw problem("more than 64 axes");
                }
                if (!accept(',')) {
                    expect(')');
                    break;
                }
            }
            return items.stream().mapToLong(Long::longValue).toArray();
        }

        private long number() throws VolumeFormatException {
            peek();
            int start = at;
            while (at < text.length()
                    && (Character.isDigit(text.charAt(at)) || at == start && text.charAt(at) == '-')) {
                at++;
            }
            String digits = text.substring(start, at);
            // Python 2 wrote sizes as 3L.
            accept('L');
            try {
                return Long.parseLong(digits);
            } catch (NumberFormatException e) {
                throw problem("no size at character " + start);
            }
        }
    }
}

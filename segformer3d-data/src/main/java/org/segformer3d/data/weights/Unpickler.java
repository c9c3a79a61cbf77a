package org.segformer3d.data.weights;

import java.io.IOException;
import java.math.BigInteger;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.segformer3d.data.io.UnsupportedFileException;

/**
 * Reads Python pickles, protocols 0 to 5, into plain data and never calls anything.
 *
 * <p>A pickle is a program for a stack machine that may call any Python function. Here the machine only builds {@code null},
 * {@link Boolean}, {@link Long}, {@link BigInteger}, {@link Double}, {@link String}, {@code byte[]}, lists (tuples are unmodifiable),
 * maps, sets, and the descriptions of tensors and arrays; the few functions that files of tensors need are replaced by
 * {@link PickleCalls}, and any other name ends the reading with a {@link ForbiddenGlobalException}.
 *
 * <p>Time and memory are bounded by the input's size: the machine has no recursion, and each value is charged to a budget.
 */
final class Unpickler {
    private static final int MAX_PROTOCOL = 5;
    private static final long MAX_OPCODES = 20_000_000;
    /** Python's own limit for texts of numbers, whose conversion takes quadratic time. */
    private static final int MAX_DIGITS = 4300;
    /** Containers and copies may take this many times the input's size beside a fixed allowance. */
    private static final int GROWTH = 32;

    private static final long ALLOWANCE = 1 << 24;
    /** About what an empty list, map or set and its place on the stack take. */
    private static final int CONTAINER = 64;

    private final PickleInput in;
    private final PickleCalls calls;
    private final List<Object> stack = new ArrayList<>();
    private final Deque<Integer> marks = new ArrayDeque<>();
    private final Map<Long, Object> memo = new HashMap<>();
    private long budget;

    private Unpickler(PickleInput in, Storages storages, int depth) {
        this.in = in;
        this.budget = Math.addExact(Math.multiplyExact(GROWTH, in.remaining()), ALLOWANCE);
        this.calls = new PickleCalls(this, storages, depth);
    }

    /**
     * Reads one pickle, up to and including its end mark.
     *
     * @param in where it begins
     * @param storages resolves persistent ids; {@code null} when there may be none
     * @param depth how many pickles this one lies inside of
     * @throws ForbiddenGlobalException when it asks for a name that isn't on the allow-list
     * @throws org.segformer3d.data.io.CorruptFileException when it is malformed
     * @throws UnsupportedFileException when it needs what isn't offered
     */
    static Object load(PickleInput in, Storages storages, int depth) throws IOException {
        return new Unpickler(in, storages, depth).run();
    }

    PickleInput input() {
        return in;
    }

    /** Takes bytes from the budget. */
    void charge(long bytes) throws IOException {
        budget -= bytes;
        if (budget < 0) {
            throw in.corrupt("its values take far more memory than the file has bytes");
        }
    }

    private Object run() throws IOException {
        for (long count = 0; count < MAX_OPCODES; count++) {
            int opcode = in.unsignedByte();
            if (opcode == '.') {
                return pop();
            }
            step(opcode);
        }
        throw in.corrupt("more than " + MAX_OPCODES + " operations");
    }

    private void step(int opcode) throws IOException {
        switch (opcode) {
            case 0x80 -> protocol(in.unsignedByte());
            case 0x95 -> frame(in.signedLong());

            case '(' -> marks.push(stack.size());
            case '0' -> {
                if (!marks.isEmpty() && marks.peek() == stack.size()) {
                    marks.pop();
                } else {
                    pop();
                }
            }
            case '1' -> popMark();
            case '2' -> push(peek());

            case 'N' -> push(null);
            case 0x88 -> push(true);
            case 0x89 -> push(false);
            case 'I' -> push(decimal(in.line()));
            case 'L' -> push(longDecimal(in.line()));
            case 'J' -> push((long) in.signedInt());
            case 'K' -> push((long) in.unsignedByte());
            case 'M' -> push((long) in.unsignedShort());
            case 0x8a -> push(integer(in.bytes(in.unsignedByte())));
            case 0x8b -> push(integer(in.bytes(length4())));
            case 'F' -> push(floating(in.line()));
            case 'G' -> push(in.bigEndianDouble());

            // Python 2 kept bytes and texts in one type; each byte becomes one character, so that either can be had
            // back.
            case 'S' -> push(PickleText.quoted(in));
            case 'T' -> push(in.latin1(length4()));
            case 'U' -> push(in.latin1(in.unsignedByte()));
            case 'V' -> push(PickleText.escaped(in));
            case 'X' -> push(in.utf8(Integer.toUnsignedLong(in.signedInt())));
            case 0x8c -> push(in.utf8(in.unsignedByte()));
            case 0x8d -> push(in.utf8(in.signedLong()));
            case 'B' -> push(in.bytes(Integer.toUnsignedLong(in.signedInt())));
            case 'C' -> push(in.bytes(in.unsignedByte()));
            case 0x8e, 0x96 -> push(in.bytes(in.signedLong()));

            case ')' -> push(List.of());
            case 't' -> push(tuple(popMark()));
            case 0x85 -> push(tuple(popLast(1)));
            case 0x86 -> push(tuple(popLast(2)));
            case 0x87 -> push(tuple(popLast(3)));
            case ']' -> pushContainer(new ArrayList<>());
            case 'l' -> push(popMark());
            case 'a' -> append(popLast(1));
            case 'e' -> append(popMark());
            case '}' -> pushContainer(new LinkedHashMap<>());
            case 'd' -> {
                List<Object> items = popMark();
                pushContainer(new LinkedHashMap<>());
                setItems(items);
            }
            case 's' -> setItems(popLast(2));
            case 'u' -> setItems(popMark());
            case 0x8f -> pushContainer(new LinkedHashSet<>());
            case 0x90 -> addItems(popMark());
            case 0x91 -> {
                List<Object> items = popMark();
                pushContainer(new LinkedHashSet<>());
                addItems(items);
            }

            case 'p' -> remember(decimalKey(in.line()));
            case 'q' -> remember((long) in.unsignedByte());
            case 'r' -> remember(Integer.toUnsignedLong(in.signedInt()));
            case 0x94 -> remember((long) memo.size());
            case 'g' -> push(recall(decimalKey(in.line())));
            case 'h' -> push(recall((long) in.unsignedByte()));
            case 'j' -> push(recall(Integer.toUnsignedLong(in.signedInt())));

            case 'c' -> {
                String module = in.line();
                push(calls.global(module, in.line()));
            }
            case 0x93 -> {
                List<Object> names = popLast(2);
                if (!(names.get(0) instanceof String module) || !(names.get(1) instanceof String name)) {
                    throw in.corrupt("a global's module and name aren't texts");
                }
                push(calls.global(module, name));
            }
            case 'i' -> {
                String module = in.line();
                PickledGlobal type = calls.global(module, in.line());
                push(calls.call(type, popMark()));
            }
            case 'o' -> {
                List<Object> items = popMark();
                if (items.isEmpty()) {
                    throw in.corrupt("an object without a class");
                }
                push(calls.call(items.get(0), new ArrayList<>(items.subList(1, items.size()))));
            }
            case 'R', 0x81 -> {
                List<Object> items = popLast(2);
                push(calls.call(items.get(0), asList(items.get(1))));
            }
            case 0x92 -> {
                List<Object> items = popLast(3);
                if (!(items.get(2) instanceof Map<?, ?> named) || !named.isEmpty()) {
                    throw in.corrupt("an object made from named arguments");
                }
                push(calls.call(items.get(0), asList(items.get(1))));
            }
            case 'b' -> {
                List<Object> items = popLast(2);
                push(calls.setState(items.get(0), items.get(1)));
            }
            case 'Q' -> {
                Object id = pop();
                push(calls.persistent(asList(id)));
            }
            case 'P' -> throw in.corrupt("a persistent id that is a text, expected a tuple");
            case 0x82, 0x83, 0x84 -> throw new ForbiddenGlobalException(in.name(), "copyreg extension code");
            case 0x97, 0x98 ->
                throw new UnsupportedFileException(
                        in.name(), "its pickle expects data from outside the file (out-of-band buffers)");
            default ->
                throw in.corrupt(String.format("0x%02x isn't an operation; this may not be a pickle at all", opcode));
        }
    }

    private void protocol(int version) throws IOException {
        if (version > MAX_PROTOCOL) {
            throw new UnsupportedFileException(
                    in.name(), "found pickle protocol " + version + ", expected at most " + MAX_PROTOCOL);
        }
    }

    private void frame(long length) throws IOException {
        if (length < 0 || length > in.remaining()) {
            throw in.corrupt("a frame of " + Long.toUnsignedString(length) + " bytes reaches past the end");
        }
    }

    private long length4() throws IOException {
        int length = in.signedInt();
        if (length < 0) {
            throw in.corrupt("found the length " + length + ", expected none below 0");
        }
        return length;
    }

    private void push(Object value) {
        stack.add(value);
    }

    private void pushContainer(Object value) throws IOException {
        charge(CONTAINER);
        push(value);
    }

    private Object peek() throws IOException {
        int bottom = marks.isEmpty() ? 0 : marks.peek();
        if (stack.size() <= bottom) {
            throw in.corrupt("the stack is empty");
        }
        return stack.get(stack.size() - 1);
    }

    private Object pop() throws IOException {
        Object value = peek();
        stack.remove(stack.size() - 1);
        return value;
    }

    private List<Object> popLast(int count) throws IOException {
        int bottom = marks.isEmpty() ? 0 : marks.peek();
        if (stack.size() - count < bottom) {
            throw in.corrupt("the stack holds fewer than " + count + " values");
        }
        return popFrom(stack.size() - count);
    }

    private List<Object> popMark() throws IOException {
        if (marks.isEmpty()) {
            throw in.corrupt("there is no mark on the stack");
        }
        return popFrom(marks.pop());
    }

    private List<Object> popFrom(int position) {
        List<Object> above = stack.subList(position, stack.size());
        List<Object> values = new ArrayList<>(above);
        above.clear();
        return values;
    }

    private static List<Object> tuple(List<Object> values) {
        return Collections.unmodifiableList(values);
    }

    private void append(List<Object> values) throws IOException {
        Object target = peek();
        if (!(target instanceof ArrayList<?>)) {
            throw in.corrupt("appends to something that isn't a list");
        }
        @SuppressWarnings("unchecked") // every ArrayList on the stack was made here
        List<Object> list = (List<Object>) target;
        list.addAll(values);
    }

    private void setItems(List<Object> values) throws IOException {
        if (values.size() % 2 != 0) {
            throw in.corrupt("a key without a value");
        }
        Object target = peek();
        if (!(target instanceof LinkedHashMap<?, ?>)) {
            throw in.corrupt("sets items of something that isn't a dict");
        }
        @SuppressWarnings("unchecked") // every map on the stack was made here
        Map<Object, Object> map = (Map<Object, Object>) target;
        for (int i = 0; i < values.size(); i += 2) {
            map.put(key(values.get(i)), values.get(i + 1));
        }
    }

    private void addItems(List<Object> values) throws IOException {
        Object target = peek();
        if (!(target instanceof LinkedHashSet<?>)) {
            throw in.corrupt("adds items to something that isn't a set");
        }
        @SuppressWarnings("unchecked") // every set on the stack was made here
        Set<Object> set = (Set<Object>) target;
        for (Object value : values) {
            set.add(key(value));
        }
    }

    /**
     * Returns a value that may be a key. Tuples of tuples aren't: nested twice over, a few bytes of pickle would make their hash
     * code take for ever.
     */
    Object key(Object value) throws IOException {
        boolean flat = !(value instanceof List<?> list)
                || !(list instanceof ArrayList<?>) && list.stream().noneMatch(PickleCalls::isContainer);
        if (!flat || value instanceof Map<?, ?> || value instanceof Set<?>) {
            throw in.corrupt("a key that is a list, dict, set or nested tuple");
        }
        if (value instanceof List<?> list) {
            charge(16L * list.size());
        }
        return value;
    }

    private List<Object> asList(Object value) throws IOException {
        if (!(value instanceof List<?>)) {
            throw in.corrupt("arguments that aren't a tuple");
        }
        @SuppressWarnings("unchecked") // every list on the stack was made here
        List<Object> list = (List<Object>) value;
        return list;
    }

    private void remember(long index) throws IOException {
        charge(CONTAINER);
        memo.put(index, peek());
    }

    private Object recall(long index) throws IOException {
        Object value = memo.get(index);
        if (value == null && !memo.containsKey(index)) {
            throw in.corrupt("memo entry " + index + " is asked for before it is set");
        }
        return value;
    }

    private long decimalKey(String text) throws IOException {
        try {
            return Long.parseUnsignedLong(text.strip());
        } catch (NumberFormatException e) {
            throw in.corrupt("a memo index that isn't a number");
        }
    }

    private Object decimal(String text) throws IOException {
        return switch (text) {
            case "00" -> false;
            case "01" -> true;
            default -> longDecimal(text);
        };
    }

    private Object longDecimal(String text) throws IOException {
        String digits = text.strip();
        if (digits.endsWith("L")) {
            digits = digits.substring(0, digits.length() - 1);
        }
        if (digits.length() > MAX_DIGITS) {
            throw in.corrupt("a number of more than " + MAX_DIGITS + " digits");
        }
        try {
            return narrowed(new BigInteger(digits));
        } catch (NumberFormatException e) {
            throw in.corrupt("a number that isn't one");
        }
    }

    private Object floating(String text) throws IOException {
        switch (text.strip()) {
            case "inf":
                return Double.POSITIVE_INFINITY;
            case "-inf":
                return Double.NEGATIVE_INFINITY;
            case "nan":
                return Double.NaN;
            default:
                try {
                    if (text.length() > MAX_DIGITS) {
                        throw in.corrupt("a number of more than " + MAX_DIGITS + " digits");
                    }
                    return Double.valueOf(text);
                } catch (NumberFormatException e) {
                    throw in.corrupt("a number that isn't one");
                }
        }
    }

    private static Object integer(byte[] littleEndian) {
        byte[] bigEndian = Arrays.copyOf(littleEndian, littleEndian.length);
        for (int i = 0; i < bigEndian.length; i++) {
            bigEndian[i] = littleEndian[littleEndian.length - 1 - i];
        }
        return bigEndian.length == 0 ? (Object) 0L : narrowed(new BigInteger(bigEndian));
    }

    private static Object narrowed(BigInteger number) {
        return number.bitLength() < Long.SIZE ? (Object) number.longValue() : number;
    }
}

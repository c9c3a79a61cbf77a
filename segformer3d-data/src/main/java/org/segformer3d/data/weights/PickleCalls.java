package org.segformer3d.data.weights;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The allow-list of a pickle, and what takes the place of the few calls that files of tensors consist of.
 *
 * <p>Every name here stands for plain data: containers, tensors, arrays, and descriptions that are kept as {@link PickledObject}.
 */
final class PickleCalls {
    /** What is built when a pickle calls a function or class. */
    @FunctionalInterface
    private interface Call {
        Object apply(PickleCalls calls, List<Object> arguments) throws IOException;
    }

    /** Pickles may lie in pickles once ({@code torch.storage._load_from_bytes}), and not deeper. */
    private static final int MAX_DEPTH = 1;

    private static final Map<String, Call> CALLS = new HashMap<>();

    /** Names that may be mentioned and not called. */
    private static final Set<String> MENTIONS = new HashSet<>();

    static {
        for (String builtins : List.of("builtins.", "__builtin__.")) {
            CALLS.put(builtins + "set", (calls, arguments) -> calls.set(arguments));
            CALLS.put(builtins + "frozenset", (calls, arguments) -> Collections.unmodifiableSet(calls.set(arguments)));
            CALLS.put(builtins + "list", (calls, arguments) -> new ArrayList<>(calls.elements(arguments)));
            CALLS.put(
                    builtins + "tuple",
                    (calls, arguments) -> Collections.unmodifiableList(new ArrayList<>(calls.elements(arguments))));
            CALLS.put(builtins + "dict", (calls, arguments) -> calls.map(arguments));
            CALLS.put(builtins + "bytes", PickleCalls::bytes);
            CALLS.put(builtins + "bytearray", PickleCalls::bytes);
            for (String type : List.of("complex", "slice", "range", "object")) {
                describe(builtins + type);
            }
            for (String type : List.of("int", "float", "bool", "str", "long", "unicode")) {
                MENTIONS.add(builtins + type);
            }
        }
        CALLS.put("collections.OrderedDict", (calls, arguments) -> calls.map(arguments));
        CALLS.put("collections.Counter", (calls, arguments) -> calls.map(arguments));
        CALLS.put("collections.defaultdict", (calls, arguments) -> new LinkedHashMap<>());
        CALLS.put("collections.deque", (calls, arguments) -> new ArrayList<>(calls.elements(arguments)));
        CALLS.put("_codecs.encode", PickleCalls::encode);
        CALLS.put("copy_reg._reconstructor", PickleCalls::reconstructor);
        CALLS.put("copyreg._reconstructor", PickleCalls::reconstructor);
        for (String type : List.of(
                "argparse.Namespace",
                "types.SimpleNamespace",
                "pathlib.Path",
                "pathlib.PosixPath",
                "pathlib.WindowsPath",
                "pathlib.PurePosixPath",
                "pathlib.PureWindowsPath",
                "pathlib._local.PosixPath",
                "pathlib._local.WindowsPath",
                "datetime.date",
                "datetime.datetime",
                "datetime.timedelta",
                "torch.device",
                "torch.serialization._get_layout")) {
            describe(type);
        }

        CALLS.put("torch.Size", (calls, arguments) -> Collections.unmodifiableList(calls.elements(arguments)));
        CALLS.put("torch._utils._rebuild_tensor", PickleCalls::tensor);
        CALLS.put("torch._utils._rebuild_tensor_v2", PickleCalls::tensor);
        CALLS.put("torch._utils._rebuild_tensor_v3", PickleCalls::tensor);
        CALLS.put("torch._utils._rebuild_parameter", PickleCalls::first);
        CALLS.put("torch._utils._rebuild_parameter_with_state", PickleCalls::first);
        CALLS.put("torch._tensor._rebuild_from_type_v2", PickleCalls::fromType);
        CALLS.put("torch.storage._load_from_bytes", PickleCalls::loadFromBytes);
        unreadable("torch._utils._rebuild_sparse_tensor", "a sparse tensor");
        unreadable("torch._utils._rebuild_qtensor", "a quantised tensor");
        unreadable("torch._utils._rebuild_nested_tensor", "a nested tensor");
        unreadable("torch._utils._rebuild_meta_tensor_no_storage", "a tensor without data (device 'meta')");
        unreadable("torch._utils._rebuild_device_tensor_from_numpy", "a tensor of an exotic device");
        unreadable("torch._utils._rebuild_device_tensor_from_cpu_tensor", "a tensor of an exotic device");
        MENTIONS.add("torch.Tensor");
        MENTIONS.add("torch.nn.parameter.Parameter");
        MENTIONS.add("torch.nn.parameter.Buffer");
        for (String constant : List.of(
                "strided", "sparse_coo", "contiguous_format", "channels_last", "channels_last_3d", "preserve_format")) {
            MENTIONS.add("torch." + constant);
        }
        for (String scheme : List.of("per_tensor_affine", "per_channel_affine", "per_tensor_symmetric")) {
            MENTIONS.add("torch." + scheme);
        }

        for (String core : List.of("numpy.core.", "numpy._core.")) {
            CALLS.put(core + "multiarray._reconstruct", (calls, arguments) -> new NumpyArray());
            CALLS.put(core + "multiarray.scalar", PickleCalls::scalar);
            CALLS.put(core + "numeric._frombuffer", PickleCalls::fromBuffer);
        }
        CALLS.put("numpy.dtype", PickleCalls::dtype);
        MENTIONS.add("numpy.ndarray");
    }

    private final Unpickler unpickler;
    private final Storages storages;
    private final int depth;

    PickleCalls(Unpickler unpickler, Storages storages, int depth) {
        this.unpickler = unpickler;
        this.storages = storages;
        this.depth = depth;
    }

    private static void describe(String type) {
        CALLS.put(type, (calls, arguments) -> new PickledObject(type, new ArrayList<>(arguments)));
    }

    private static void unreadable(String function, String what) {
        CALLS.put(function, (calls, arguments) -> new Unreadable(what));
    }

    static boolean isContainer(Object value) {
        return value instanceof Collection<?> || value instanceof Map<?, ?>;
    }

    /**
     * Returns a name of the allow-list.
     *
     * @throws ForbiddenGlobalException when it isn't there
     */
    PickledGlobal global(String module, String name) throws IOException {
        PickledGlobal global = new PickledGlobal(module, name);
        boolean allowed = CALLS.containsKey(global.qualified())
                || MENTIONS.contains(global.qualified())
                || storageType(global) != null
                || module.equals("torch") && ElementType.ofTorch(name) != null;
        if (!allowed) {
            throw new ForbiddenGlobalException(unpickler.input().name(), global.qualified());
        }
        return global;
    }

    /** Returns what a call of the pickle stands for. */
    Object call(Object callee, List<Object> arguments) throws IOException {
        if (!(callee instanceof PickledGlobal global)) {
            throw corrupt("calls something that isn't a function");
        }
        Call call = CALLS.get(global.qualified());
        if (call == null) {
            throw corrupt("calls '" + global.qualified() + "', which is only a name");
        }
        unpickler.charge(64);
        return call.apply(this, arguments);
    }

    /** Returns an object after its state has been set; for containers and tensors the state is of no interest and dropped. */
    Object setState(Object target, Object state) throws IOException {
        if (target instanceof NumpyArray array) {
            array.setState(this, state);
        } else if (target instanceof NumpyType type) {
            type.setState(this, state);
        } else if (target instanceof PickledObject object) {
            object.setState(state);
        } else if (!(target instanceof LinkedHashMap<?, ?>
                || target instanceof LinkedHashSet<?>
                || target instanceof StoredTensor
                || target instanceof Unreadable)) {
            throw corrupt("sets the state of something that has none");
        }
        return target;
    }

    /** Returns the storage that a persistent id means. */
    Object persistent(List<?> id) throws IOException {
        if (storages == null) {
            throw corrupt("a persistent id outside a PyTorch file");
        }
        return storages.resolve(id);
    }

    IOException corrupt(String problem) {
        return unpickler.input().corrupt(problem);
    }

    void charge(long bytes) throws IOException {
        unpickler.charge(bytes);
    }

    /** Returns the element type of a storage class, or {@code null} when the name isn't one. */
    static ElementType storageType(Object value) {
        return value instanceof PickledGlobal global
                        && (global.module().equals("torch")
                                || global.module().equals("torch.cuda")
                                || global.module().equals("torch.storage"))
                ? ElementType.ofStorage(global.name())
                : null;
    }

    private List<Object> elements(List<Object> arguments) throws IOException {
        if (arguments.isEmpty()) {
            return new ArrayList<>();
        }
        if (!(arguments.get(0) instanceof Collection<?> collection)) {
            throw corrupt("a container made from something that isn't one");
        }
        charge(16L * collection.size());
        return new ArrayList<>(collection);
    }

    private Set<Object> set(List<Object> arguments) throws IOException {
        Set<Object> set = new LinkedHashSet<>();
        for (Object element : elements(arguments)) {
            charge(48);
            set.add(unpickler.key(element));
        }
        return set;
    }

    private Map<Object, Object> map(List<Object> arguments) throws IOException {
        Map<Object, Object> map = new LinkedHashMap<>();
        if (arguments.isEmpty()) {
            return map;
        }
        if (arguments.get(0) instanceof Map<?, ?> other) {
            charge(64L * other.size());
            map.putAll(other);
            return map;
        }
        for (Object element : elements(arguments)) {
            if (!(element instanceof List<?> pair) || pair.size() != 2) {
                throw corrupt("a dict made from something other than pairs");
            }
            charge(64);
            map.put(unpickler.key(pair.get(0)), pair.get(1));
        }
        return map;
    }

    private Object bytes(List<Object> arguments) throws IOException {
        if (arguments.isEmpty()) {
            return new byte[0];
        }
        return arguments.get(0) instanceof byte[] bytes ? bytes : encode(arguments);
    }

    private Object encode(List<Object> arguments) throws IOException {
        if (arguments.isEmpty() || !(arguments.get(0) instanceof String text)) {
            throw corrupt("encodes something that isn't a text");
        }
        charge(text.length());
        Object encoding = arguments.size() > 1 ? arguments.get(1) : "utf-8";
        byte[] bytes = encoding instanceof String name ? PickleText.encode(text, name) : null;
        if (bytes == null) {
            throw corrupt("a text that its encoding cannot express");
        }
        return bytes;
    }

    private Object reconstructor(List<Object> arguments) throws IOException {
        if (arguments.isEmpty() || !(arguments.get(0) instanceof PickledGlobal type)) {
            throw corrupt("an object without a class");
        }
        return call(type, List.of());
    }

    private Object first(List<Object> arguments) throws IOException {
        if (arguments.isEmpty()) {
            throw corrupt("a parameter without a tensor");
        }
        return arguments.get(0);
    }

    private Object fromType(List<Object> arguments) throws IOException {
        if (arguments.size() < 3 || !(arguments.get(2) instanceof List<?>)) {
            throw corrupt("a tensor subclass without its arguments");
        }
        // Only one level: the wrapped function must itself build a tensor.
        if (arguments.get(0) instanceof PickledGlobal global
                && global.qualified().equals("torch._tensor._rebuild_from_type_v2")) {
            throw corrupt("a tensor subclass of a tensor subclass");
        }
        @SuppressWarnings("unchecked") // every list on the stack was made by the unpickler
        List<Object> inner = (List<Object>) arguments.get(2);
        return call(arguments.get(0), inner);
    }

    private Object loadFromBytes(List<Object> arguments) throws IOException {
        if (arguments.size() != 1 || !(arguments.get(0) instanceof byte[] bytes)) {
            throw corrupt("loads a storage from something that isn't bytes");
        }
        if (depth >= MAX_DEPTH) {
            throw corrupt("a pickle in a pickle in a pickle");
        }
        // Reading it again costs what its bytes cost, however often the pickle refers to the same ones.
        charge(8L * bytes.length);
        return PyTorchFile.parse(new ArraySource(unpickler.input().name(), bytes), depth + 1);
    }

    /** {@code _rebuild_tensor(storage, offset, size, stride)}, and the later forms with more behind it. */
    private Object tensor(List<Object> arguments) throws IOException {
        if (arguments.size() < 4 || !(arguments.get(0) instanceof Storage storage)) {
            throw corrupt("a tensor without a storage");
        }
        long offset = number(arguments.get(1));
        long[] size = numbers(arguments.get(2));
        long[] stride = numbers(arguments.get(3));
        if (size.length != stride.length) {
            throw corrupt("a tensor with " + size.length + " sizes and " + stride.length + " strides");
        }
        ElementType type = storage.type();
        Object metadata = arguments.size() > 6 ? arguments.get(6) : null;
        if (metadata instanceof PickledGlobal global) {
            type = ElementType.ofTorch(global.name());
            if (type == null) {
                throw corrupt("a tensor of type '" + global.qualified() + "'");
            }
            metadata = arguments.size() > 7 ? arguments.get(7) : null;
        }
        if (metadata instanceof Map<?, ?> map && map.containsValue(true)) {
            return new Unreadable("a lazily negated or conjugated tensor");
        }
        charge(32L * size.length);
        return new StoredTensor(storage, type, offset, size, stride);
    }

    private Object dtype(List<Object> arguments) throws IOException {
        if (arguments.isEmpty() || !(arguments.get(0) instanceof String code)) {
            throw corrupt("an array type without a code");
        }
        return new NumpyType(code);
    }

    private Object scalar(List<Object> arguments) throws IOException {
        if (arguments.size() < 2 || !(arguments.get(0) instanceof NumpyType type)) {
            throw corrupt("a NumPy number without a type");
        }
        byte[] raw = rawBytes(arguments.get(1));
        ElementType element = type.element();
        if (element == null || element.dtype().isEmpty()) {
            return new Unreadable("a NumPy scalar of type '" + type.code() + "'");
        }
        if (raw == null || raw.length != element.bytes()) {
            throw corrupt("a NumPy number of the wrong length");
        }
        double value = StridedData.tensor(ByteBuffer.wrap(raw), element, type.bigEndian(), 0, new long[0], new long[0])
                .get(0);
        return switch (element) {
            case FLOAT64, FLOAT32, FLOAT16 -> (Object) value;
            case BOOL -> value != 0;
            case INT64 ->
                ByteBuffer.wrap(raw)
                        .order(type.bigEndian() ? ByteOrder.BIG_ENDIAN : ByteOrder.LITTLE_ENDIAN)
                        .getLong();
            default -> (long) value;
        };
    }

    private Object fromBuffer(List<Object> arguments) throws IOException {
        if (arguments.size() < 3 || !(arguments.get(1) instanceof NumpyType type)) {
            throw corrupt("an array without a type");
        }
        boolean fortran = arguments.size() > 3 && "F".equals(arguments.get(3));
        NumpyArray array = new NumpyArray();
        array.set(this, numbers(arguments.get(2)), type, fortran, arguments.get(0));
        return array;
    }

    /** Returns the bytes of an array; those of Python 2 come as texts of one character a byte. {@code null} when it is neither. */
    byte[] rawBytes(Object value) throws IOException {
        if (value instanceof String text) {
            charge(text.length());
            return PickleText.latin1(text);
        }
        return value instanceof byte[] bytes ? bytes : null;
    }

    long number(Object value) throws IOException {
        if (!(value instanceof Long number) || number < 0) {
            throw corrupt("found " + (value instanceof Long ? value : "something else")
                    + ", expected a number that isn't negative");
        }
        return number;
    }

    long[] numbers(Object value) throws IOException {
        if (!(value instanceof List<?> list)) {
            throw corrupt("found something else than sizes");
        }
        charge(8L * list.size());
        long[] numbers = new long[list.size()];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = number(list.get(i));
        }
        return numbers;
    }
}

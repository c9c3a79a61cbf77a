package org.segformer3d.onnx;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.record.Recording;
import org.segformer3d.api.record.Size;
import org.segformer3d.api.record.Step;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.onnx.Graph.Attribute;

/** Writes recorded operations as nodes of an ONNX graph. */
final class GraphWriter {
    private static final float SQRT_HALF = (float) Math.sqrt(0.5);

    private final Graph graph;
    private final Recording recording;
    private final StateDict weights;
    private final Map<Integer, String> names = new HashMap<>();
    private final Map<Integer, String> parameters = new HashMap<>();
    private final Map<Integer, String> shapes = new HashMap<>();
    private final Map<String, String> given = new HashMap<>();

    GraphWriter(Graph graph, Recording recording, StateDict weights, String input) {
        this.graph = graph;
        this.recording = recording;
        this.weights = weights;
        names.put(Recording.INPUT, input);
        recording.parameters().forEach((name, number) -> parameters.put(number, name));
    }

    /** Writes all steps and returns the names of the outputs. */
    List<String> write() {
        for (Step step : recording.steps()) {
            names.put(step.output(), node(step));
        }
        return recording.outputs().stream().map(this::value).toList();
    }

    /** Returns the name of a value; weights join the graph when they are first used. */
    private String value(int number) {
        return names.computeIfAbsent(number, n -> {
            String name = parameters.get(n);
            HostTensor tensor = weights.get(name);
            return graph.weights(name, tensor.toFloats(), tensor.shape());
        });
    }

    private String in(Step step, int index) {
        return value(step.inputs().get(index));
    }

    private boolean has(Step step, int index) {
        return step.inputs().get(index) >= 0;
    }

    private long[] shape(Step step, int input) {
        return recording.shapes().get(step.inputs().get(input));
    }

    private static double number(Step step, String name) {
        return step.numbers().get(name);
    }

    private static boolean flag(Step step, String name) {
        return number(step, name) != 0;
    }

    private String node(Step step) {
        return switch (step.operation()) {
            case "constant" -> constant(step.constant());
            case "reshape" -> graph.node("Reshape", List.of(in(step, 0), list(step.sizes())));
            case "permute" -> transposed(in(step, 0), step);
            case "slice" -> slice(step);
            case "concat" ->
                graph.node("Concat", step.inputs().stream().map(this::value).toList(), Attribute.of("axis", (long)
                        step.constantSize(0)));
            case "pad" -> pad(step);
            case "broadcast" -> graph.node("Expand", List.of(in(step, 0), list(step.sizes())));
            case "gather" -> gather(step);
            case "add" -> two("Add", step);
            case "subtract" -> two("Sub", step);
            case "multiply" -> two("Mul", step);
            case "divide" -> two("Div", step);
            case "affine" -> affine(in(step, 0), number(step, "factor"), number(step, "summand"));
            case "power" -> graph.node("Pow", List.of(in(step, 0), graph.constant((float) number(step, "exponent"))));
            case "exp" -> one("Exp", step);
            case "log" -> one("Log", step);
            case "erf" -> one("Erf", step);
            case "step" ->
                graph.node(
                        "Cast",
                        List.of(graph.node("Greater", List.of(in(step, 0), graph.constant(0)))),
                        Attribute.of("to", 1L));
            case "relu" -> one("Relu", step);
            case "leakyRelu" ->
                graph.node("LeakyRelu", List.of(in(step, 0)), Attribute.of("alpha", (float) number(step, "slope")));
            case "sigmoid" -> one("Sigmoid", step);
            case "logSigmoid" ->
                graph.node("Neg", List.of(graph.node("Softplus", List.of(graph.node("Neg", List.of(in(step, 0)))))));
            case "gelu" -> gelu(in(step, 0));
            case "sum" -> graph.node("ReduceSum", List.of(in(step, 0), graph.integers(axes(step))));
            case "mean" -> graph.node("ReduceMean", List.of(in(step, 0)), Attribute.of("axes", axes(step)));
            case "max" -> graph.node("ReduceMax", List.of(in(step, 0)), Attribute.of("axes", axes(step)));
            case "softmax" ->
                graph.node("Softmax", List.of(in(step, 0)), Attribute.of("axis", (long) step.constantSize(0)));
            case "logSoftmax" ->
                graph.node("LogSoftmax", List.of(in(step, 0)), Attribute.of("axis", (long) step.constantSize(0)));
            case "matmul" ->
                graph.node(
                        "MatMul",
                        List.of(
                                flag(step, "transposeA") ? swapped(step, 0) : in(step, 0),
                                flag(step, "transposeB") ? swapped(step, 1) : in(step, 1)));
            case "linear" -> linear(step);
            case "attention" -> attention(step);
            case "convolution" -> convolution(step);
            case "convolutionInputGradient" -> transposedConvolution(step, 3, 6, 7);
            case "transposedConvolution" -> transposedConvolution(step, -1, -1, 3);
            case "resize" -> resize(step);
            case "maxPool" ->
                graph.node(
                        "MaxPool",
                        List.of(in(step, 0)),
                        Attribute.of("kernel_shape", longs(step, 0, 3)),
                        Attribute.of("strides", longs(step, 3, 6)));
            case "layerNorm" -> layerNorm(step);
            case "batchNorm" ->
                graph.node(
                        "BatchNormalization",
                        List.of(in(step, 0), in(step, 1), in(step, 2), in(step, 3), in(step, 4)),
                        epsilon(step));
            case "groupNorm" -> groupNorm(step);
            default ->
                throw new ConfigException("onnx: the operation " + step.operation()
                        + " has no place in a network that predicts, and none in the file");
        };
    }

    private static Attribute epsilon(Step step) {
        return Attribute.of("epsilon", (float) number(step, "epsilon"));
    }

    private String one(String operator, Step step) {
        return graph.node(operator, List.of(in(step, 0)));
    }

    private String two(String operator, Step step) {
        return graph.node(operator, List.of(in(step, 0), in(step, 1)));
    }

    private static long[] longs(Step step, int from, int to) {
        return Arrays.stream(step.constantSizes(from, to)).asLongStream().toArray();
    }

    private static long[] axes(Step step) {
        return longs(step, 0, step.sizes().size());
    }

    private String constant(HostTensor values) {
        return graph.weights(graph.fresh("constant"), values.toFloats(), values.shape());
    }

    /** Returns values of which every one is the same. */
    private String filled(float value, long count) {
        return given.computeIfAbsent(value + "×" + count, key -> {
            float[] values = new float[Math.toIntExact(count)];
            Arrays.fill(values, value);
            return graph.weights(graph.fresh("filled"), values, count);
        });
    }

    private String affine(String x, double factor, double summand) {
        String scaled = factor == 1 ? x : graph.node("Mul", List.of(x, graph.constant((float) factor)));
        return summand == 0 && factor != 1
                ? scaled
                : graph.node("Add", List.of(scaled, graph.constant((float) summand)));
    }

    /** GELU(x) = x/2·(1 + erf(x/√2)). */
    private String gelu(String x) {
        String error = graph.node("Erf", List.of(graph.node("Mul", List.of(x, graph.constant(SQRT_HALF)))));
        String gate =
                graph.node("Mul", List.of(graph.node("Add", List.of(error, graph.constant(1))), graph.constant(0.5f)));
        return graph.node("Mul", List.of(x, gate));
    }

    private String transposed(String x, Step step) {
        return graph.node("Transpose", List.of(x), Attribute.of("perm", axes(step)));
    }

    /** Exchanges an input's last two axes. */
    private String swapped(Step step, int input) {
        return swapped(in(step, input), shape(step, input).length);
    }

    private String swapped(String x, int rank) {
        long[] perm = new long[rank];
        for (int i = 0; i < rank; i++) {
            perm[i] = i;
        }
        perm[rank - 1] = rank - 2;
        perm[rank - 2] = rank - 1;
        return graph.node("Transpose", List.of(x), Attribute.of("perm", perm));
    }

    private String slice(Step step) {
        String axis = graph.integers(step.constantSize(0));
        return graph.node(
                "Slice",
                List.of(
                        in(step, 0),
                        list(step.sizes().subList(1, 2)),
                        list(step.sizes().subList(2, 3)),
                        axis));
    }

    private String pad(Step step) {
        int rank = shape(step, 0).length;
        int axis = step.constantSize(0);
        List<String> amounts = new ArrayList<>();
        String zero = graph.integers(0);
        for (int i = 0; i < 2 * rank; i++) {
            boolean before = i == axis;
            boolean after = i == rank + axis;
            amounts.add(before || after ? list(step.sizes().subList(before ? 1 : 2, before ? 2 : 3)) : zero);
        }
        return graph.node("Pad", List.of(in(step, 0), graph.node("Concat", amounts, Attribute.of("axis", 0L))));
    }

    private String gather(Step step) {
        long[] indices = step.indices().stream().mapToLong(Integer::longValue).toArray();
        return graph.node("Gather", List.of(in(step, 0), graph.integers(indices)), Attribute.of("axis", (long)
                step.constantSize(0)));
    }

    private String linear(Step step) {
        int weight = step.inputs().get(1);
        String turned = parameters.containsKey(weight)
                ? given.computeIfAbsent("turned " + parameters.get(weight), key -> turned(parameters.get(weight)))
                : swapped(step, 1);
        String product = graph.node("MatMul", List.of(in(step, 0), turned));
        return has(step, 2) ? graph.node("Add", List.of(product, in(step, 2))) : product;
    }

    /** Adds a Linear's weight (O,I) as (I,O), under its own name. */
    private String turned(String name) {
        HostTensor weight = weights.get(name);
        int rows = Math.toIntExact(weight.size(0));
        int columns = Math.toIntExact(weight.size(1));
        float[] values = weight.toFloats();
        float[] turned = new float[values.length];
        for (int r = 0; r < rows; r++) {
            for (int c = 0; c < columns; c++) {
                turned[c * rows + r] = values[r * columns + c];
            }
        }
        boolean taken = names.containsKey(recording.parameters().get(name));
        return graph.weights(taken ? graph.fresh(name) : name, turned, columns, rows);
    }

    private String attention(Step step) {
        String product = graph.node("MatMul", List.of(in(step, 0), swapped(step, 1)));
        String scores = graph.node("Mul", List.of(product, graph.constant((float) number(step, "scale"))));
        String biased = has(step, 3) ? graph.node("Add", List.of(scores, in(step, 3))) : scores;
        String shares = graph.node("Softmax", List.of(biased), Attribute.of("axis", -1L));
        return graph.node("MatMul", List.of(shares, in(step, 2)));
    }

    private String convolution(Step step) {
        List<String> inputs = new ArrayList<>(List.of(in(step, 0), in(step, 1)));
        if (has(step, 2)) {
            inputs.add(in(step, 2));
        }
        long[] padding = longs(step, 3, 6);
        return graph.node(
                "Conv",
                inputs,
                Attribute.of("kernel_shape", Arrays.copyOfRange(shape(step, 1), 2, 5)),
                Attribute.of("strides", longs(step, 0, 3)),
                Attribute.of("pads", padding[0], padding[1], padding[2], padding[0], padding[1], padding[2]),
                Attribute.of("group", (long) step.constantSize(6)));
    }

    /** @param extra where the numbers of planes at the far end begin among the step's; others −1 where there are none */
    private String transposedConvolution(Step step, int padding, int groups, int extra) {
        List<String> inputs = new ArrayList<>(List.of(in(step, 0), in(step, 1)));
        if (step.inputs().size() > 2 && has(step, 2)) {
            inputs.add(in(step, 2));
        }
        long[] pads = padding < 0 ? new long[3] : longs(step, padding, padding + 3);
        return graph.node(
                "ConvTranspose",
                inputs,
                Attribute.of("kernel_shape", Arrays.copyOfRange(shape(step, 1), 2, 5)),
                Attribute.of("strides", longs(step, 0, 3)),
                Attribute.of("pads", pads[0], pads[1], pads[2], pads[0], pads[1], pads[2]),
                Attribute.of("output_padding", longs(step, extra, extra + 3)),
                Attribute.of("group", groups < 0 ? 1L : step.constantSize(groups)));
    }

    private String resize(Step step) {
        String outer = graph.node(
                "Slice",
                List.of(shapeOf(step.inputs().get(0)), graph.integers(0), graph.integers(2), graph.integers(0)));
        return graph.node(
                "Resize",
                List.of(
                        in(step, 0),
                        "",
                        "",
                        graph.node("Concat", List.of(outer, list(step.sizes())), Attribute.of("axis", 0L))),
                Attribute.of("mode", "linear"),
                Attribute.of(
                        "coordinate_transformation_mode", flag(step, "alignCorners") ? "align_corners" : "half_pixel"));
    }

    private String layerNorm(Step step) {
        long[] shape = shape(step, 0);
        long channels = shape[shape.length - 1];
        return graph.node(
                "LayerNormalization",
                List.of(
                        in(step, 0),
                        has(step, 1) ? in(step, 1) : filled(1, channels),
                        has(step, 2) ? in(step, 2) : filled(0, channels)),
                Attribute.of("axis", -1L),
                epsilon(step));
    }

    /** There is no GroupNorm among these operators: groups become channels of an InstanceNorm. */
    private String groupNorm(Step step) {
        long[] shape = shape(step, 0);
        long channels = shape[1];
        int groups = step.constantSize(0);
        if (groups == channels) {
            return graph.node(
                    "InstanceNormalization",
                    List.of(
                            in(step, 0),
                            has(step, 1) ? in(step, 1) : filled(1, channels),
                            has(step, 2) ? in(step, 2) : filled(0, channels)),
                    epsilon(step));
        }
        String grouped = graph.node("Reshape", List.of(in(step, 0), graph.integers(0, groups, -1)));
        String normed = graph.node(
                "InstanceNormalization", List.of(grouped, filled(1, groups), filled(0, groups)), epsilon(step));
        String back =
                graph.node("Reshape", List.of(normed, shapeOf(step.inputs().get(0))));
        String scaled = has(step, 1) ? graph.node("Mul", List.of(back, perChannel(step, 1))) : back;
        return has(step, 2) ? graph.node("Add", List.of(scaled, perChannel(step, 2))) : scaled;
    }

    private String perChannel(Step step, int input) {
        long[] sizes = new long[shape(step, 0).length - 1];
        Arrays.fill(sizes, 1);
        sizes[0] = Shapes.elements(shape(step, input));
        return graph.node("Reshape", List.of(in(step, input), graph.integers(sizes)));
    }

    private String shapeOf(int value) {
        return shapes.computeIfAbsent(value, v -> graph.node("Shape", List.of(value(v))));
    }

    /** Returns whole numbers as a list: one constant, or put together of parts that depend on sizes. */
    private String list(List<Size> sizes) {
        if (sizes.stream().allMatch(size -> size instanceof Size.Constant || size instanceof Size.Rest)) {
            return graph.integers(sizes.stream().mapToLong(GraphWriter::plain).toArray());
        }
        List<String> parts = sizes.stream().map(this::part).toList();
        return parts.size() == 1 ? parts.get(0) : graph.node("Concat", parts, Attribute.of("axis", 0L));
    }

    private static long plain(Size size) {
        return size instanceof Size.Constant constant ? constant.value() : -1;
    }

    private String part(Size size) {
        if (size instanceof Size.OfAxis of) {
            String axis = axis(of.value(), of.axis());
            String scaled =
                    of.numerator() == 1 ? axis : graph.node("Mul", List.of(axis, graph.integers(of.numerator())));
            return of.denominator() == 1
                    ? scaled
                    : graph.node("Div", List.of(scaled, graph.integers(of.denominator())));
        }
        if (size instanceof Size.Missing missing) {
            String axis = axis(missing.value(), missing.axis());
            String multiple = graph.integers(missing.multiple());
            String more = graph.node("Add", List.of(axis, graph.integers(missing.multiple() - 1)));
            String next = graph.node("Mul", List.of(graph.node("Div", List.of(more, multiple)), multiple));
            String target = graph.node("Max", List.of(next, graph.integers(missing.least())));
            return graph.node("Sub", List.of(target, axis));
        }
        return graph.integers(plain(size));
    }

    private String axis(int value, int axis) {
        return given.computeIfAbsent(
                "axis " + value + " " + axis,
                key -> graph.node("Gather", List.of(shapeOf(value), graph.integers(axis)), Attribute.of("axis", 0L)));
    }
}

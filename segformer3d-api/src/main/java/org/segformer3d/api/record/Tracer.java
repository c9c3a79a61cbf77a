package org.segformer3d.api.record;

import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.segformer3d.api.ops.BatchNormState;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.ops.Pass;
import org.segformer3d.api.ops.ShapeRules;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.Device;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.api.tensor.Tensor;

/** Operations on shapes alone that write down each call, for an input of one size. */
final class Tracer implements Ops {
    /** A call as it was made: {@link Step} with numbers in place of sizes. */
    record Call(
            String operation,
            List<Integer> inputs,
            long[] sizes,
            Map<String, Double> numbers,
            List<Integer> indices,
            HostTensor constant) {}

    private final List<Call> calls = new ArrayList<>();
    private final List<long[]> shapes = new ArrayList<>();
    private final TracedScope scope = new TracedScope(this);

    /** Returns a value that no operation makes: the input or a parameter. */
    Tensor given(long... shape) {
        return value(shape);
    }

    private Tensor value(long... shape) {
        shapes.add(shape.clone());
        return new Traced(this, shapes.size() - 1, shape.clone());
    }

    List<Call> calls() {
        return calls;
    }

    /** Returns the shape of a value. */
    long[] shape(int value) {
        return shapes.get(value);
    }

    int values() {
        return shapes.size();
    }

    int number(Tensor tensor) {
        if (tensor == null) {
            return -1;
        }
        if (!(tensor instanceof Traced traced) || traced.owner != this) {
            throw new IllegalArgumentException("the tensor belongs to another backend");
        }
        return traced.number;
    }

    private Tensor call(String operation, long[] result, long[] sizes, Map<String, Double> numbers, Tensor... inputs) {
        return call(operation, result, sizes, numbers, List.of(), null, inputs);
    }

    private Tensor call(
            String operation,
            long[] result,
            long[] sizes,
            Map<String, Double> numbers,
            List<Integer> indices,
            HostTensor constant,
            Tensor... inputs) {
        calls.add(new Call(
                operation, Arrays.stream(inputs).map(this::number).toList(), sizes, numbers, indices, constant));
        return value(result);
    }

    private static long[] longs(int... values) {
        return IntStream.of(values).asLongStream().toArray();
    }

    private static long[] joined(long[]... parts) {
        return Arrays.stream(parts).flatMapToLong(LongStream::of).toArray();
    }

    private static double flag(boolean value) {
        return value ? 1 : 0;
    }

    private static long[] of(Tensor x) {
        return x == null ? null : x.shape();
    }

    private Tensor unary(String operation, Tensor x) {
        return call(operation, of(x), new long[0], Map.of(), x);
    }

    private Tensor binary(String operation, Tensor a, Tensor b) {
        return call(operation, ShapeRules.elementwise(operation, of(a), of(b)), new long[0], Map.of(), a, b);
    }

    @Override
    public Scope scope() {
        return scope;
    }

    @Override
    public Pass pass() {
        return Pass.INFERENCE;
    }

    @Override
    public Ops in(Scope other) {
        return this;
    }

    @Override
    public Scope newScope() {
        return scope;
    }

    @Override
    public Tensor constant(HostTensor values) {
        return call("constant", values.shape(), new long[0], Map.of(), List.of(), values);
    }

    @Override
    public Tensor reshape(Tensor x, long... shape) {
        return call("reshape", ShapeRules.reshape(of(x), shape), shape, Map.of(), x);
    }

    @Override
    public Tensor permute(Tensor x, int... axes) {
        return call("permute", ShapeRules.permute(of(x), axes), longs(axes), Map.of(), x);
    }

    @Override
    public Tensor slice(Tensor x, int axis, long from, long to) {
        return call("slice", ShapeRules.slice(of(x), axis, from, to), new long[] {axis, from, to}, Map.of(), x);
    }

    @Override
    public Tensor concat(int axis, Tensor... parts) {
        long[][] all = Arrays.stream(parts).map(Tensor::shape).toArray(long[][]::new);
        return call("concat", ShapeRules.concat(axis, all), new long[] {axis}, Map.of(), parts);
    }

    @Override
    public Tensor pad(Tensor x, int axis, long before, long after) {
        return call("pad", ShapeRules.pad(of(x), axis, before, after), new long[] {axis, before, after}, Map.of(), x);
    }

    @Override
    public Tensor broadcast(Tensor x, long... shape) {
        return call("broadcast", ShapeRules.broadcast(of(x), shape), shape, Map.of(), x);
    }

    @Override
    public Tensor gather(Tensor x, int axis, int[] indices) {
        return call(
                "gather",
                ShapeRules.gather(of(x), axis, indices),
                new long[] {axis},
                Map.of(),
                IntStream.of(indices).boxed().toList(),
                null,
                x);
    }

    @Override
    public Tensor scatterAdd(Tensor x, int axis, int[] indices, long size) {
        return call(
                "scatterAdd",
                ShapeRules.scatterAdd(of(x), axis, indices, size),
                new long[] {axis, size},
                Map.of(),
                IntStream.of(indices).boxed().toList(),
                null,
                x);
    }

    @Override
    public Tensor add(Tensor a, Tensor b) {
        return binary("add", a, b);
    }

    @Override
    public Tensor subtract(Tensor a, Tensor b) {
        return binary("subtract", a, b);
    }

    @Override
    public Tensor multiply(Tensor a, Tensor b) {
        return binary("multiply", a, b);
    }

    @Override
    public Tensor divide(Tensor a, Tensor b) {
        return binary("divide", a, b);
    }

    @Override
    public Tensor affine(Tensor x, double factor, double summand) {
        return call("affine", of(x), new long[0], Map.of("factor", factor, "summand", summand), x);
    }

    @Override
    public Tensor power(Tensor x, double exponent) {
        return call("power", of(x), new long[0], Map.of("exponent", exponent), x);
    }

    @Override
    public Tensor exp(Tensor x) {
        return unary("exp", x);
    }

    @Override
    public Tensor log(Tensor x) {
        return unary("log", x);
    }

    @Override
    public Tensor erf(Tensor x) {
        return unary("erf", x);
    }

    @Override
    public Tensor step(Tensor x) {
        return unary("step", x);
    }

    @Override
    public Tensor relu(Tensor x) {
        return unary("relu", x);
    }

    @Override
    public Tensor leakyRelu(Tensor x, double slope) {
        return call("leakyRelu", of(x), new long[0], Map.of("slope", slope), x);
    }

    @Override
    public Tensor sigmoid(Tensor x) {
        return unary("sigmoid", x);
    }

    @Override
    public Tensor logSigmoid(Tensor x) {
        return unary("logSigmoid", x);
    }

    @Override
    public Tensor gelu(Tensor x) {
        return unary("gelu", x);
    }

    @Override
    public Tensor sum(Tensor x, int... axes) {
        return call("sum", ShapeRules.reduction("sum", of(x), axes), longs(axes), Map.of(), x);
    }

    @Override
    public Tensor mean(Tensor x, int... axes) {
        return call("mean", ShapeRules.reduction("mean", of(x), axes), longs(axes), Map.of(), x);
    }

    @Override
    public Tensor max(Tensor x, int axis) {
        return call("max", ShapeRules.reduction("max", of(x), axis), longs(axis), Map.of(), x);
    }

    @Override
    public Tensor softmax(Tensor x, int axis) {
        return call("softmax", ShapeRules.along("softmax", of(x), axis), longs(axis), Map.of(), x);
    }

    @Override
    public Tensor logSoftmax(Tensor x, int axis) {
        return call("logSoftmax", ShapeRules.along("logSoftmax", of(x), axis), longs(axis), Map.of(), x);
    }

    @Override
    public Tensor matmul(Tensor a, Tensor b, boolean transposeA, boolean transposeB) {
        return call(
                "matmul",
                ShapeRules.matmul(of(a), of(b), transposeA, transposeB),
                new long[0],
                Map.of("transposeA", flag(transposeA), "transposeB", flag(transposeB)),
                a,
                b);
    }

    @Override
    public Tensor linear(Tensor x, Tensor weight, Tensor bias) {
        return call("linear", ShapeRules.linear(of(x), of(weight), of(bias)), new long[0], Map.of(), x, weight, bias);
    }

    @Override
    public Tensor attention(Tensor q, Tensor k, Tensor v, double scale, Tensor bias, double dropout) {
        return call(
                "attention",
                ShapeRules.attention(of(q), of(k), of(v), of(bias)),
                new long[0],
                Map.of("scale", scale),
                q,
                k,
                v,
                bias);
    }

    @Override
    public Tensor convolution(Tensor x, Tensor weight, Tensor bias, int[] stride, int[] padding, int groups) {
        return call(
                "convolution",
                ShapeRules.convolution(of(x), of(weight), of(bias), stride, padding, groups),
                joined(longs(stride), longs(padding), longs(groups)),
                Map.of(),
                x,
                weight,
                bias);
    }

    @Override
    public Tensor convolutionInputGradient(
            Tensor y, Tensor weight, long[] inputSize, int[] stride, int[] padding, int groups) {
        // what the far end has beyond the smallest input that gives y: the same for all sizes of one network
        long[] shape = of(y);
        long[] kernel = of(weight);
        long[] beyond = new long[3];
        for (int axis = 0; axis < 3; axis++) {
            beyond[axis] =
                    inputSize[axis] - ((shape[axis + 2] - 1) * stride[axis] + kernel[axis + 2] - 2L * padding[axis]);
        }
        return call(
                "convolutionInputGradient",
                ShapeRules.convolutionInputGradient(of(y), of(weight), inputSize, stride, padding, groups),
                joined(longs(stride), longs(padding), longs(groups), beyond),
                Map.of(),
                y,
                weight);
    }

    @Override
    public Tensor convolutionWeightGradient(Tensor x, Tensor y, int[] kernel, int[] stride, int[] padding, int groups) {
        return call(
                "convolutionWeightGradient",
                ShapeRules.convolutionWeightGradient(of(x), of(y), kernel, stride, padding, groups),
                joined(longs(kernel), longs(stride), longs(padding), longs(groups)),
                Map.of(),
                x,
                y);
    }

    @Override
    public Tensor transposedConvolution(Tensor x, Tensor weight, Tensor bias, int[] stride, int[] outputPadding) {
        return call(
                "transposedConvolution",
                ShapeRules.transposedConvolution(of(x), of(weight), of(bias), stride, outputPadding),
                joined(longs(stride), longs(outputPadding)),
                Map.of(),
                x,
                weight,
                bias);
    }

    @Override
    public Tensor resize(Tensor x, long[] size, boolean alignCorners) {
        return call("resize", ShapeRules.resize(of(x), size), size, Map.of("alignCorners", flag(alignCorners)), x);
    }

    @Override
    public Tensor maxPool(Tensor x, int[] kernel, int[] stride) {
        return call(
                "maxPool",
                ShapeRules.maxPool(of(x), kernel, stride),
                joined(longs(kernel), longs(stride)),
                Map.of(),
                x);
    }

    @Override
    public Tensor layerNorm(Tensor x, Tensor weight, Tensor bias, double epsilon) {
        return call(
                "layerNorm",
                ShapeRules.layerNorm(of(x), of(weight), of(bias)),
                new long[0],
                Map.of("epsilon", epsilon),
                x,
                weight,
                bias);
    }

    @Override
    public Tensor batchNorm(Tensor x, BatchNormState state, double momentum, double epsilon) {
        return call(
                "batchNorm",
                ShapeRules.batchNorm(of(x), state, false),
                new long[0],
                Map.of("epsilon", epsilon),
                x,
                state.weight(),
                state.bias(),
                state.runningMean(),
                state.runningVariance());
    }

    @Override
    public Tensor groupNorm(Tensor x, int groups, Tensor weight, Tensor bias, double epsilon) {
        return call(
                "groupNorm",
                ShapeRules.groupNorm(of(x), groups, of(weight), of(bias)),
                longs(groups),
                Map.of("epsilon", epsilon),
                x,
                weight,
                bias);
    }

    @Override
    public Tensor dropout(Tensor x, double probability) {
        ShapeRules.dropout("dropout", of(x), probability);
        return x;
    }

    @Override
    public Tensor dropPath(Tensor x, double probability) {
        ShapeRules.dropout("dropPath", of(x), probability);
        return x;
    }

    /** A value's number and shape: there are no elements, and nothing to close. */
    private static final class Traced implements Tensor {
        private final Tracer owner;
        private final int number;
        private final long[] sizes;

        Traced(Tracer owner, int number, long[] sizes) {
            this.owner = owner;
            this.number = number;
            this.sizes = sizes;
        }

        @Override
        public long[] shape() {
            return sizes.clone();
        }

        @Override
        public DType dtype() {
            return DType.FLOAT32;
        }

        @Override
        public Device device() {
            return Device.CPU;
        }

        @Override
        public HostTensor toHost() {
            throw new UnsupportedOperationException("a network whose operations depend on values, here of a tensor "
                    + Shapes.text(sizes) + ", can't be recorded");
        }

        @Override
        public void copyTo(FloatBuffer target) {
            toHost();
        }

        @Override
        public Tensor moveTo(Scope scope) {
            return this;
        }

        @Override
        public boolean isClosed() {
            return false;
        }

        @Override
        public void close() {
            // nothing is held
        }
    }

    /** The one scope of a trace. */
    private record TracedScope(Tracer tracer) implements Scope {
        @Override
        public Tensor tensor(HostTensor host) {
            return tracer.constant(host);
        }

        @Override
        public boolean isClosed() {
            return false;
        }

        @Override
        public void close() {
            // nothing is held
        }
    }
}

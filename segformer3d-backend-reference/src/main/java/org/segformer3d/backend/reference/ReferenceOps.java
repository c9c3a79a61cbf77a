package org.segformer3d.backend.reference;

import java.util.Arrays;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.DoubleUnaryOperator;
import org.segformer3d.api.ops.BatchNormState;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.ops.Pass;
import org.segformer3d.api.ops.RandomMasks;
import org.segformer3d.api.ops.ShapeRules;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.api.tensor.Tensor;

/** The operations in float64 on arrays of the Java process. */
final class ReferenceOps implements Ops {
    private final ReferenceBackend backend;
    private final ReferenceScope scope;
    private final Pass pass;
    private final ParallelLoops loops;
    /** Masks drawn so far in the pass, in whatever scope. */
    private final AtomicLong masks;

    ReferenceOps(ReferenceBackend backend, Scope scope, Pass pass) {
        this(backend, scope, Objects.requireNonNull(pass, "pass"), new AtomicLong());
    }

    private ReferenceOps(ReferenceBackend backend, Scope scope, Pass pass, AtomicLong masks) {
        this.backend = backend;
        this.scope = backend.scope(scope);
        this.pass = pass;
        this.loops = backend.loops();
        this.masks = masks;
    }

    @Override
    public Scope scope() {
        return scope;
    }

    @Override
    public Pass pass() {
        return pass;
    }

    @Override
    public Ops in(Scope other) {
        return new ReferenceOps(backend, other, pass, masks);
    }

    @Override
    public Scope newScope() {
        return backend.newScope();
    }

    private ReferenceTensor own(double[] values, long... shape) {
        return scope.own(values, shape);
    }

    private double[] values(Tensor tensor) {
        return backend.tensor(tensor).data();
    }

    private double[] optional(Tensor tensor) {
        return tensor == null ? null : values(tensor);
    }

    private static long[] optionalShape(Tensor tensor) {
        return tensor == null ? null : tensor.shape();
    }

    private static int elements(long... shape) {
        return Math.toIntExact(Shapes.elements(shape));
    }

    @Override
    public Tensor constant(HostTensor host) {
        return scope.tensor(host);
    }

    @Override
    public Tensor reshape(Tensor x, long... shape) {
        // nothing writes to values, so that both may have the same
        return own(values(x), ShapeRules.reshape(x.shape(), shape));
    }

    private Tensor same(Tensor x) {
        return own(values(x), x.shape());
    }

    @Override
    public Tensor permute(Tensor x, int... axes) {
        double[] source = values(x);
        long[] shape = ShapeRules.permute(x.shape(), axes);
        int[] steps = Walk.steps(x.shape());
        int[] permuted = Arrays.stream(axes).map(axis -> steps[axis]).toArray();
        double[] y = new double[source.length];
        Walk.copy(loops, shape, source, 0, permuted, y, 0, Walk.steps(shape));
        return own(y, shape);
    }

    @Override
    public Tensor slice(Tensor x, int axis, long from, long to) {
        double[] source = values(x);
        long[] shape = ShapeRules.slice(x.shape(), axis, from, to);
        int[] steps = Walk.steps(x.shape());
        double[] y = new double[elements(shape)];
        Walk.copy(loops, shape, source, (int) from * steps[axis], steps, y, 0, Walk.steps(shape));
        return own(y, shape);
    }

    @Override
    public Tensor concat(int axis, Tensor... parts) {
        double[][] sources = Arrays.stream(parts).map(this::values).toArray(double[][]::new);
        long[] shape =
                ShapeRules.concat(axis, Arrays.stream(parts).map(Tensor::shape).toArray(long[][]::new));
        int[] steps = Walk.steps(shape);
        double[] y = new double[elements(shape)];
        int at = 0;
        for (int i = 0; i < parts.length; i++) {
            long[] own = parts[i].shape();
            Walk.copy(loops, own, sources[i], 0, Walk.steps(own), y, at * steps[axis], steps);
            at += (int) own[axis];
        }
        return own(y, shape);
    }

    @Override
    public Tensor pad(Tensor x, int axis, long before, long after) {
        double[] source = values(x);
        long[] shape = ShapeRules.pad(x.shape(), axis, before, after);
        int[] steps = Walk.steps(shape);
        double[] y = new double[elements(shape)];
        Walk.copy(loops, x.shape(), source, 0, Walk.steps(x.shape()), y, (int) before * steps[axis], steps);
        return own(y, shape);
    }

    @Override
    public Tensor broadcast(Tensor x, long... shape) {
        double[] source = values(x);
        ShapeRules.broadcast(x.shape(), shape);
        double[] y = new double[elements(shape)];
        Walk.copy(loops, shape, source, 0, Walk.repeated(x.shape(), shape), y, 0, Walk.steps(shape));
        return own(y, shape);
    }

    @Override
    public Tensor gather(Tensor x, int axis, int[] indices) {
        double[] source = values(x);
        long[] shape = ShapeRules.gather(x.shape(), axis, indices);
        int inner = Walk.steps(shape)[axis];
        int size = (int) x.shape()[axis];
        double[] y = new double[elements(shape)];
        loops.run(y.length / inner, Math.max(1, Walk.ELEMENTS / inner), (from, to) -> {
            for (int row = from; row < to; row++) {
                int index = row / indices.length * size + indices[row % indices.length];
                System.arraycopy(source, index * inner, y, row * inner, inner);
            }
        });
        return own(y, shape);
    }

    @Override
    public Tensor scatterAdd(Tensor x, int axis, int[] indices, long size) {
        double[] source = values(x);
        long[] shape = ShapeRules.scatterAdd(x.shape(), axis, indices, size);
        int inner = Walk.steps(shape)[axis];
        int rows = indices.length;
        double[] y = new double[elements(shape)];
        loops.run(source.length / inner / rows, Math.max(1, Walk.ELEMENTS / inner / rows), (from, to) -> {
            for (int row = from * rows; row < to * rows; row++) {
                int target = (row / rows * (int) size + indices[row % rows]) * inner;
                for (int i = 0; i < inner; i++) {
                    y[target + i] += source[row * inner + i];
                }
            }
        });
        return own(y, shape);
    }

    private Tensor binary(String name, Arithmetic operation, Tensor a, Tensor b) {
        double[] left = values(a);
        double[] right = values(b);
        long[] shape = ShapeRules.elementwise(name, a.shape(), b.shape());
        return own(operation.apply(loops, left, a.shape(), right, b.shape(), shape, elements(shape)), shape);
    }

    @Override
    public Tensor add(Tensor a, Tensor b) {
        return binary("add", Arithmetic.ADD, a, b);
    }

    @Override
    public Tensor subtract(Tensor a, Tensor b) {
        return binary("subtract", Arithmetic.SUBTRACT, a, b);
    }

    @Override
    public Tensor multiply(Tensor a, Tensor b) {
        return binary("multiply", Arithmetic.MULTIPLY, a, b);
    }

    @Override
    public Tensor divide(Tensor a, Tensor b) {
        return binary("divide", Arithmetic.DIVIDE, a, b);
    }

    private Tensor each(Tensor x, DoubleUnaryOperator function) {
        double[] source = values(x);
        double[] y = new double[source.length];
        loops.run(y.length, Walk.ELEMENTS, (from, to) -> {
            for (int i = from; i < to; i++) {
                y[i] = function.applyAsDouble(source[i]);
            }
        });
        return own(y, x.shape());
    }

    @Override
    public Tensor affine(Tensor x, double factor, double summand) {
        return each(x, v -> factor * v + summand);
    }

    @Override
    public Tensor power(Tensor x, double exponent) {
        return each(x, v -> Math.pow(v, exponent));
    }

    @Override
    public Tensor exp(Tensor x) {
        return each(x, Math::exp);
    }

    @Override
    public Tensor log(Tensor x) {
        return each(x, Math::log);
    }

    @Override
    public Tensor erf(Tensor x) {
        return each(x, ErrorFunction::erf);
    }

    @Override
    public Tensor step(Tensor x) {
        return each(x, v -> v > 0 ? 1 : 0);
    }

    @Override
    public Tensor relu(Tensor x) {
        return each(x, v -> Math.max(v, 0));
    }

    @Override
    public Tensor leakyRelu(Tensor x, double slope) {
        return each(x, v -> v > 0 ? v : slope * v);
    }

    @Override
    public Tensor sigmoid(Tensor x) {
        return each(x, v -> {
            // the exponential of a number that isn't positive doesn't overflow
            double e = Math.exp(-Math.abs(v));
            return v >= 0 ? 1 / (1 + e) : e / (1 + e);
        });
    }

    @Override
    public Tensor logSigmoid(Tensor x) {
        return each(x, v -> Math.min(v, 0) - Math.log1p(Math.exp(-Math.abs(v))));
    }

    @Override
    public Tensor gelu(Tensor x) {
        return each(x, ErrorFunction::gelu);
    }

    @Override
    public Tensor sum(Tensor x, int... axes) {
        double[] source = values(x);
        long[] shape = ShapeRules.reduction("sum", x.shape(), axes);
        return own(new Reduction(loops).sum(source, x.shape(), shape), shape);
    }

    @Override
    public Tensor max(Tensor x, int axis) {
        double[] source = values(x);
        long[] shape = ShapeRules.reduction("max", x.shape(), axis);
        return own(new Reduction(loops).max(source, x.shape(), axis), shape);
    }

    @Override
    public Tensor softmax(Tensor x, int axis) {
        double[] source = values(x);
        long[] shape = ShapeRules.along("softmax", x.shape(), axis);
        return own(new Reduction(loops).softmax(source, shape, axis, false), shape);
    }

    @Override
    public Tensor logSoftmax(Tensor x, int axis) {
        double[] source = values(x);
        long[] shape = ShapeRules.along("logSoftmax", x.shape(), axis);
        return own(new Reduction(loops).softmax(source, shape, axis, true), shape);
    }

    @Override
    public Tensor matmul(Tensor a, Tensor b, boolean transposeA, boolean transposeB) {
        double[] left = values(a);
        double[] right = values(b);
        long[] shape = ShapeRules.matmul(a.shape(), b.shape(), transposeA, transposeB);
        return own(
                new Products(loops).multiply(left, a.shape(), right, b.shape(), transposeA, transposeB, shape), shape);
    }

    @Override
    public Tensor linear(Tensor x, Tensor weight, Tensor bias) {
        double[] source = values(x);
        double[] w = values(weight);
        double[] b = optional(bias);
        long[] shape = ShapeRules.linear(x.shape(), weight.shape(), optionalShape(bias));
        int in = (int) weight.shape()[1];
        int out = (int) weight.shape()[0];
        return own(new Products(loops).linear(source, w, b, in, out), shape);
    }

    @Override
    public Tensor attention(Tensor q, Tensor k, Tensor v, double scale, Tensor bias, double dropout) {
        if (bias != null || dropout != 0 && pass.training()) {
            return Ops.super.attention(q, k, v, scale, bias, dropout);
        }
        double[] queries = values(q);
        double[] keys = values(k);
        double[] weighted = values(v);
        long[] shape = ShapeRules.attention(q.shape(), k.shape(), v.shape(), null);
        int rank = shape.length;
        int n = (int) shape[rank - 2];
        int m = (int) k.shape()[rank - 2];
        int d = (int) k.shape()[rank - 1];
        int e = (int) shape[rank - 1];
        return own(new Products(loops).attention(queries, keys, weighted, scale, n, m, d, e), shape);
    }

    @Override
    public Tensor convolution(Tensor x, Tensor weight, Tensor bias, int[] stride, int[] padding, int groups) {
        double[] source = values(x);
        double[] w = values(weight);
        double[] b = optional(bias);
        long[] shape = ShapeRules.convolution(x.shape(), weight.shape(), optionalShape(bias), stride, padding, groups);
        VolumeConvolution convolution =
                new VolumeConvolution(loops, x.shape(), weight.shape(), shape, stride, padding, groups);
        return own(convolution.forward(source, w, b), shape);
    }

    @Override
    public Tensor convolutionInputGradient(
            Tensor y, Tensor weight, long[] inputSize, int[] stride, int[] padding, int groups) {
        double[] gradient = values(y);
        double[] w = values(weight);
        long[] shape =
                ShapeRules.convolutionInputGradient(y.shape(), weight.shape(), inputSize, stride, padding, groups);
        VolumeConvolution convolution =
                new VolumeConvolution(loops, shape, weight.shape(), y.shape(), stride, padding, groups);
        return own(convolution.inputGradient(gradient, w), shape);
    }

    @Override
    public Tensor convolutionWeightGradient(Tensor x, Tensor y, int[] kernel, int[] stride, int[] padding, int groups) {
        double[] source = values(x);
        double[] gradient = values(y);
        long[] shape = ShapeRules.convolutionWeightGradient(x.shape(), y.shape(), kernel, stride, padding, groups);
        VolumeConvolution convolution =
                new VolumeConvolution(loops, x.shape(), shape, y.shape(), stride, padding, groups);
        return own(convolution.weightGradient(source, gradient), shape);
    }

    @Override
    public Tensor resize(Tensor x, long[] size, boolean alignCorners) {
        double[] source = values(x);
        long[] shape = ShapeRules.resize(x.shape(), size);
        return own(new Resampling(loops).resize(source, x.shape(), shape, alignCorners), shape);
    }

    @Override
    public Tensor maxPool(Tensor x, int[] kernel, int[] stride) {
        double[] source = values(x);
        long[] shape = ShapeRules.maxPool(x.shape(), kernel, stride);
        return own(new Resampling(loops).maxPool(source, x.shape(), shape, kernel, stride), shape);
    }

    @Override
    public Tensor layerNorm(Tensor x, Tensor weight, Tensor bias, double epsilon) {
        double[] source = values(x);
        double[] w = optional(weight);
        double[] b = optional(bias);
        long[] shape = ShapeRules.layerNorm(x.shape(), optionalShape(weight), optionalShape(bias));
        int width = (int) shape[shape.length - 1];
        return own(new Norms(loops).layer(source, width, w, b, epsilon), shape);
    }

    @Override
    public Tensor batchNorm(Tensor x, BatchNormState state, double momentum, double epsilon) {
        double[] source = values(x);
        double[][] values = {
            values(state.weight()), values(state.bias()), values(state.runningMean()), values(state.runningVariance())
        };
        double[] counter = optional(state.batchesTracked());
        boolean training = pass.training();
        long[] shape = ShapeRules.batchNorm(x.shape(), state, training);
        double[] y = new Norms(loops).batch(source, (int) shape[0], values, training, momentum, epsilon);
        if (training && counter != null) {
            counter[0]++;
        }
        return own(y, shape);
    }

    @Override
    public Tensor groupNorm(Tensor x, int groups, Tensor weight, Tensor bias, double epsilon) {
        double[] source = values(x);
        double[] w = optional(weight);
        double[] b = optional(bias);
        long[] shape = ShapeRules.groupNorm(x.shape(), groups, optionalShape(weight), optionalShape(bias));
        return own(new Norms(loops).group(source, (int) shape[0], (int) shape[1], groups, w, b, epsilon), shape);
    }

    @Override
    public Tensor dropout(Tensor x, double probability) {
        return dropped("dropout", x, probability, false);
    }

    @Override
    public Tensor dropPath(Tensor x, double probability) {
        return dropped("dropPath", x, probability, true);
    }

    private Tensor dropped(String name, Tensor x, double probability, boolean whole) {
        double[] source = values(x);
        long[] shape = ShapeRules.dropout(name, x.shape(), probability);
        if (!pass.training() || probability == 0) {
            return same(x);
        }
        long call = masks.getAndIncrement();
        double kept = 1 / (1 - probability);
        int samples = (int) shape[0];
        int each = source.length / samples;
        double[] y = new double[source.length];
        loops.run(samples, 1, (from, to) -> {
            for (int sample = from; sample < to; sample++) {
                long key = RandomMasks.key(pass, call, sample);
                for (int i = 0; i < each; i++) {
                    boolean keeps = RandomMasks.keeps(key, whole ? 0 : i, probability);
                    y[sample * each + i] = keeps ? source[sample * each + i] * kept : 0;
                }
            }
        });
        return own(y, shape);
    }
}

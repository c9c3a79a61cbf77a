package org.segformer3d.api.ops;

import java.nio.FloatBuffer;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.Device;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.api.tensor.Tensor;

/**
 * Operations on shapes alone, which count multiply-accumulates: a network run on them costs nothing and says what it would compute.
 *
 * <p>A multiply-accumulate is one product of a weight or matrix element. A convolution has outputs × kernel volume × input channels /
 * groups of them, a transposed convolution inputs × kernel volume × output channels, a Linear rows × inputs × outputs, the two products of an
 * attention heads × N × M × d each. Biases, norms, activations, softmax, sums, resizing and padding have none.
 */
public final class CountingOps implements Ops {
    private final Pass pass;
    private final Counter counter;

    /** What was counted, shared by the operations of all scopes. */
    private static final class Counter {
        private long convolution;
        private long transposed;
        private long linear;
        private long matmul;
        private long norms;
    }

    /**
     * Multiply-accumulates by kind.
     *
     * @param convolution of convolutions
     * @param transposed of transposed convolutions
     * @param linear of Linear layers
     * @param matmul of matrix products of two activations, attention's among them
     * @param norms what fvcore adds for norms: 4 an element of a LayerNorm, GroupNorm or InstanceNorm and 1 of a BatchNorm, one more with scale
     *     and shift
     */
    public record Macs(long convolution, long transposed, long linear, long matmul, long norms) {
        /** Returns all multiply-accumulates; norms have none. */
        public long total() {
            return convolution + transposed + linear + matmul;
        }

        /** Returns what was counted since an earlier count. */
        public Macs since(Macs earlier) {
            return new Macs(
                    convolution - earlier.convolution,
                    transposed - earlier.transposed,
                    linear - earlier.linear,
                    matmul - earlier.matmul,
                    norms - earlier.norms);
        }
    }

    /** Starts counting at 0. */
    public CountingOps(Pass pass) {
        this(pass, new Counter());
    }

    private CountingOps(Pass pass, Counter counter) {
        this.pass = pass;
        this.counter = counter;
    }

    /** Returns a tensor that has a shape and no elements. */
    public static Tensor shaped(long... shape) {
        return new Shaped(shape);
    }

    /** Returns what was counted so far. */
    public Macs macs() {
        return new Macs(counter.convolution, counter.transposed, counter.linear, counter.matmul, counter.norms);
    }

    private static long[] of(Tensor x) {
        return x == null ? null : x.shape();
    }

    @Override
    public Scope scope() {
        return ShapedScope.ONLY;
    }

    @Override
    public Pass pass() {
        return pass;
    }

    @Override
    public Ops in(Scope scope) {
        return new CountingOps(pass, counter);
    }

    @Override
    public Scope newScope() {
        return ShapedScope.ONLY;
    }

    @Override
    public Tensor constant(HostTensor values) {
        return shaped(values.shape());
    }

    @Override
    public Tensor reshape(Tensor x, long... shape) {
        return shaped(ShapeRules.reshape(of(x), shape));
    }

    @Override
    public Tensor permute(Tensor x, int... axes) {
        return shaped(ShapeRules.permute(of(x), axes));
    }

    @Override
    public Tensor slice(Tensor x, int axis, long from, long to) {
        return shaped(ShapeRules.slice(of(x), axis, from, to));
    }

    @Override
    public Tensor concat(int axis, Tensor... parts) {
        long[][] shapes = new long[parts.length][];
        for (int i = 0; i < parts.length; i++) {
            shapes[i] = of(parts[i]);
        }
        return shaped(ShapeRules.concat(axis, shapes));
    }

    @Override
    public Tensor pad(Tensor x, int axis, long before, long after) {
        return shaped(ShapeRules.pad(of(x), axis, before, after));
    }

    @Override
    public Tensor broadcast(Tensor x, long... shape) {
        return shaped(ShapeRules.broadcast(of(x), shape));
    }

    @Override
    public Tensor gather(Tensor x, int axis, int[] indices) {
        return shaped(ShapeRules.gather(of(x), axis, indices));
    }

    @Override
    public Tensor scatterAdd(Tensor x, int axis, int[] indices, long size) {
        return shaped(ShapeRules.scatterAdd(of(x), axis, indices, size));
    }

    @Override
    public Tensor add(Tensor a, Tensor b) {
        return shaped(ShapeRules.elementwise("add", of(a), of(b)));
    }

    @Override
    public Tensor subtract(Tensor a, Tensor b) {
        return shaped(ShapeRules.elementwise("subtract", of(a), of(b)));
    }

    @Override
    public Tensor multiply(Tensor a, Tensor b) {
        return shaped(ShapeRules.elementwise("multiply", of(a), of(b)));
    }

    @Override
    public Tensor divide(Tensor a, Tensor b) {
        return shaped(ShapeRules.elementwise("divide", of(a), of(b)));
    }

    @Override
    public Tensor affine(Tensor x, double factor, double summand) {
        return shaped(of(x));
    }

    @Override
    public Tensor power(Tensor x, double exponent) {
        return shaped(of(x));
    }

    @Override
    public Tensor exp(Tensor x) {
        return shaped(of(x));
    }

    @Override
    public Tensor log(Tensor x) {
        return shaped(of(x));
    }

    @Override
    public Tensor erf(Tensor x) {
        return shaped(of(x));
    }

    @Override
    public Tensor step(Tensor x) {
        return shaped(of(x));
    }

    @Override
    public Tensor relu(Tensor x) {
        return shaped(of(x));
    }

    @Override
    public Tensor sigmoid(Tensor x) {
        return shaped(of(x));
    }

    @Override
    public Tensor logSigmoid(Tensor x) {
        return shaped(of(x));
    }

    @Override
    public Tensor sum(Tensor x, int... axes) {
        return shaped(ShapeRules.reduction("sum", of(x), axes));
    }

    @Override
    public Tensor max(Tensor x, int axis) {
        return shaped(ShapeRules.reduction("max", of(x), axis));
    }

    @Override
    public Tensor softmax(Tensor x, int axis) {
        return shaped(ShapeRules.along("softmax", of(x), axis));
    }

    @Override
    public Tensor logSoftmax(Tensor x, int axis) {
        return shaped(ShapeRules.along("logSoftmax", of(x), axis));
    }

    @Override
    public Tensor matmul(Tensor a, Tensor b, boolean transposeA, boolean transposeB) {
        long[] result = ShapeRules.matmul(of(a), of(b), transposeA, transposeB);
        long[] left = of(a);
        counter.matmul += Shapes.elements(result) * left[left.length - (transposeA ? 2 : 1)];
        return shaped(result);
    }

    @Override
    public Tensor linear(Tensor x, Tensor weight, Tensor bias) {
        long[] result = ShapeRules.linear(of(x), of(weight), of(bias));
        counter.linear += Shapes.elements(result) * of(weight)[1];
        return shaped(result);
    }

    @Override
    public Tensor attention(Tensor q, Tensor k, Tensor v, double scale, Tensor bias, double dropout) {
        long[] result = ShapeRules.attention(of(q), of(k), of(v), of(bias));
        long[] query = of(q);
        long keys = of(k)[query.length - 2];
        counter.matmul += (Shapes.elements(query) + Shapes.elements(result)) * keys;
        return shaped(result);
    }

    @Override
    public Tensor convolution(Tensor x, Tensor weight, Tensor bias, int[] stride, int[] padding, int groups) {
        long[] result = ShapeRules.convolution(of(x), of(weight), of(bias), stride, padding, groups);
        long[] kernel = of(weight);
        counter.convolution += Shapes.elements(result) * kernel[1] * kernel[2] * kernel[3] * kernel[4];
        return shaped(result);
    }

    @Override
    public Tensor convolutionInputGradient(
            Tensor y, Tensor weight, long[] inputSize, int[] stride, int[] padding, int groups) {
        long[] result = ShapeRules.convolutionInputGradient(of(y), of(weight), inputSize, stride, padding, groups);
        long[] kernel = of(weight);
        counter.transposed += Shapes.elements(of(y)) * kernel[1] * kernel[2] * kernel[3] * kernel[4];
        return shaped(result);
    }

    @Override
    public Tensor convolutionWeightGradient(Tensor x, Tensor y, int[] kernel, int[] stride, int[] padding, int groups) {
        long[] result = ShapeRules.convolutionWeightGradient(of(x), of(y), kernel, stride, padding, groups);
        counter.convolution += Shapes.elements(of(y)) * result[1] * kernel[0] * kernel[1] * kernel[2];
        return shaped(result);
    }

    @Override
    public Tensor transposedConvolution(Tensor x, Tensor weight, Tensor bias, int[] stride, int[] outputPadding) {
        long[] result = ShapeRules.transposedConvolution(of(x), of(weight), of(bias), stride, outputPadding);
        long[] kernel = of(weight);
        counter.transposed += Shapes.elements(of(x)) * kernel[1] * kernel[2] * kernel[3] * kernel[4];
        return shaped(result);
    }

    @Override
    public Tensor resize(Tensor x, long[] size, boolean alignCorners) {
        return shaped(ShapeRules.resize(of(x), size));
    }

    @Override
    public Tensor maxPool(Tensor x, int[] kernel, int[] stride) {
        return shaped(ShapeRules.maxPool(of(x), kernel, stride));
    }

    @Override
    public Tensor layerNorm(Tensor x, Tensor weight, Tensor bias, double epsilon) {
        return normed(ShapeRules.layerNorm(of(x), of(weight), of(bias)), weight == null ? 4 : 5);
    }

    @Override
    public Tensor batchNorm(Tensor x, BatchNormState state, double momentum, double epsilon) {
        return normed(ShapeRules.batchNorm(of(x), state, pass.training()), 2);
    }

    @Override
    public Tensor groupNorm(Tensor x, int groups, Tensor weight, Tensor bias, double epsilon) {
        return normed(ShapeRules.groupNorm(of(x), groups, of(weight), of(bias)), weight == null ? 4 : 5);
    }

    private Tensor normed(long[] shape, int each) {
        counter.norms += each * Shapes.elements(shape);
        return shaped(shape);
    }

    @Override
    public Tensor dropout(Tensor x, double probability) {
        return shaped(of(x));
    }

    @Override
    public Tensor dropPath(Tensor x, double probability) {
        return shaped(of(x));
    }

    /** A tensor without elements: there is nothing to close. */
    private record Shaped(long[] sizes) implements Tensor {
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
            throw new UnsupportedOperationException("a tensor of shape " + Shapes.text(sizes) + " without elements");
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

    /** The scope of all shapes. */
    private enum ShapedScope implements Scope {
        ONLY;

        @Override
        public Tensor tensor(HostTensor host) {
            return shaped(host.shape());
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

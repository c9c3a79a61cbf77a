package org.segformer3d.api.ops;

import java.util.function.Function;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.api.tensor.Tensor;

/**
 * The tensor operations that blocks, networks and losses are written in; what a backend supplies.
 *
 * <p>Results belong to {@link #scope()} and have the backend's compute type; arguments may belong to any open scope of the backend. Shapes
 * are (slowest axis first) those of {@link Tensor#shape()}; axes count from 0. Two shapes <em>broadcast</em> as in NumPy: aligned at the
 * last axis, sizes equal or one of them 1. A result is always a new tensor that lives on when arguments are closed, though it may share an
 * argument's memory; nothing but a BatchNorm's running statistics is ever changed.
 *
 * <p>Every operation throws {@link IllegalArgumentException} where shapes don't fit, naming the operation, what was found and what was
 * expected, and {@link IllegalStateException} on a closed tensor or scope. Operations with a default implementation are made of others;
 * a backend overrides them where it has something faster, and the contract of segformer3d-backend-tck holds both to the same values.
 *
 * <p>One instance is used by one thread at a time.
 */
public interface Ops {
    /** Returns the owner of results. */
    Scope scope();

    /** Returns what pass these operations belong to. */
    Pass pass();

    /** Returns the operations of the same pass whose results belong to another scope. */
    Ops in(Scope scope);

    /** Returns a new scope of the same backend. */
    Scope newScope();

    /**
     * Computes a part of a network and gives back everything it made on the way except its result.
     *
     * @param part returns a tensor that it made itself, never an argument
     */
    default Tensor part(Function<Ops, Tensor> part) {
        try (Scope inner = newScope()) {
            return part.apply(in(inner)).moveTo(scope());
        }
    }

    // --- making ---

    /** Copies a host array into the backend, in the compute type. */
    Tensor constant(HostTensor values);

    // --- moving ---

    /** The same elements in C order under another shape of equally many. */
    Tensor reshape(Tensor x, long... shape);

    /** y[i_{a_0}, i_{a_1}, …] = x[i_0, i_1, …]: axis k of the result is axis {@code axes[k]} of x. */
    Tensor permute(Tensor x, int... axes);

    /** Elements {@code from} (inclusive) to {@code to} (exclusive) along an axis; 0 ≤ from < to ≤ size. */
    Tensor slice(Tensor x, int axis, long from, long to);

    /** Joins tensors, whose other axes are equal, along an axis. */
    Tensor concat(int axis, Tensor... parts);

    /** Adds zeros before and after the elements of an axis. */
    Tensor pad(Tensor x, int axis, long before, long after);

    /** Repeats axes of size 1 (and axes missing in front) to a shape that x broadcasts to. */
    Tensor broadcast(Tensor x, long... shape);

    /** y[…, j, …] = x[…, indices[j], …] along an axis; 0 ≤ index < size. */
    Tensor gather(Tensor x, int axis, int[] indices);

    /** The transpose of {@link #gather}: y[…, indices[j], …] += x[…, j, …] on zeros, the axis having {@code size} elements. */
    Tensor scatterAdd(Tensor x, int axis, int[] indices, long size);

    // --- element by element ---

    /** a + b, broadcast. */
    Tensor add(Tensor a, Tensor b);

    /** a − b, broadcast. */
    Tensor subtract(Tensor a, Tensor b);

    /** a · b, broadcast. */
    Tensor multiply(Tensor a, Tensor b);

    /** a / b, broadcast. */
    Tensor divide(Tensor a, Tensor b);

    /** factor · x + summand. */
    Tensor affine(Tensor x, double factor, double summand);

    /** x^exponent. */
    Tensor power(Tensor x, double exponent);

    /** eˣ. */
    Tensor exp(Tensor x);

    /** Natural logarithm. */
    Tensor log(Tensor x);

    /** erf x = 2/√π ∫₀ˣ e^(−t²) dt. */
    Tensor erf(Tensor x);

    /** 1 where x > 0, else 0; its derivative is 0 everywhere. */
    Tensor step(Tensor x);

    /** max(x, 0); derivative {@link #step}. */
    Tensor relu(Tensor x);

    /** x where x > 0, else slope · x. */
    default Tensor leakyRelu(Tensor x, double slope) {
        return part(ops -> ops.add(ops.affine(x, slope, 0), ops.affine(ops.relu(x), 1 - slope, 0)));
    }

    /** σ(x) = 1 / (1 + e⁻ˣ). */
    Tensor sigmoid(Tensor x);

    /** log σ(x), with all its digits where σ(x) is near 0 or 1. */
    Tensor logSigmoid(Tensor x);

    /** GELU in its exact form: x · Φ(x) = x/2 · (1 + erf(x/√2)). */
    default Tensor gelu(Tensor x) {
        return part(ops ->
                ops.multiply(ops.affine(x, 0.5, 0), ops.affine(ops.erf(ops.affine(x, Math.sqrt(0.5), 0)), 1, 1)));
    }

    // --- reductions ---

    /** Sum over axes, which stay with size 1. */
    Tensor sum(Tensor x, int... axes);

    /** Mean over axes, which stay with size 1. */
    default Tensor mean(Tensor x, int... axes) {
        long[] shape = x.shape();
        double count = Shapes.elements(shape) / (double) Shapes.elements(ShapeRules.reduction("mean", shape, axes));
        return part(ops -> ops.affine(ops.sum(x, axes), 1 / count, 0));
    }

    /** Largest element along an axis, which stays with size 1; the derivative goes to the first of equal ones. */
    Tensor max(Tensor x, int axis);

    /** e^x / Σ e^x along an axis. */
    Tensor softmax(Tensor x, int axis);

    /** log softmax(x) along an axis. */
    Tensor logSoftmax(Tensor x, int axis);

    // --- products ---

    /**
     * Matrix product of the last two axes, the axes before them broadcast: (…,M,K) · (…,K,N) → (…,M,N).
     *
     * @param transposeA whether a is (…,K,M)
     * @param transposeB whether b is (…,N,K)
     */
    Tensor matmul(Tensor a, Tensor b, boolean transposeA, boolean transposeB);

    /**
     * x·Wᵀ + b over the last axis: (…,I) → (…,O).
     *
     * @param weight (O,I)
     * @param bias (O) or {@code null}
     */
    default Tensor linear(Tensor x, Tensor weight, Tensor bias) {
        ShapeRules.linear(x.shape(), weight.shape(), bias == null ? null : bias.shape());
        return part(ops -> {
            Tensor product = ops.matmul(x, weight, false, true);
            return bias == null ? product : ops.add(product, bias);
        });
    }

    /**
     * Attention: softmax(scale · q kᵀ + bias) v.
     *
     * @param q (…,N,d)
     * @param k (…,M,d)
     * @param v (…,M,e)
     * @param scale factor of the scores
     * @param bias added to the scores, broadcast to (…,N,M), or {@code null}
     * @param dropout probability of dropping a weight in training mode
     * @return (…,N,e)
     */
    default Tensor attention(Tensor q, Tensor k, Tensor v, double scale, Tensor bias, double dropout) {
        ShapeRules.attention(q.shape(), k.shape(), v.shape(), bias == null ? null : bias.shape());
        return part(ops -> {
            Tensor scores = ops.affine(ops.matmul(q, k, false, true), scale, 0);
            Tensor biased = bias == null ? scores : ops.add(scores, bias);
            Tensor weights = ops.softmax(biased, biased.shape().length - 1);
            Tensor kept = dropout == 0 || !pass().training() ? weights : ops.dropout(weights, dropout);
            return ops.matmul(kept, v, false, false);
        });
    }

    /**
     * Convolution (cross-correlation) with zero padding: (B,C,D,H,W) → (B,O,D',H',W'), size' = ⌊(size + 2·padding − kernel)/stride⌋ + 1.
     *
     * @param weight (O,C/groups,kD,kH,kW)
     * @param bias (O) or {@code null}
     * @param stride three numbers, depth first
     * @param padding three numbers on each side, depth first
     * @param groups a divisor of C and O
     */
    Tensor convolution(Tensor x, Tensor weight, Tensor bias, int[] stride, int[] padding, int groups);

    /**
     * The transpose of {@link #convolution} with respect to its input: the vector–Jacobian product of a convolution, and by itself a
     * transposed convolution. (B,O,D',H',W') → (B,C,inputSize).
     *
     * @param y what a convolution with this weight gives
     * @param weight (O,C/groups,kD,kH,kW)
     * @param inputSize size of the convolution's input, three numbers
     */
    Tensor convolutionInputGradient(Tensor y, Tensor weight, long[] inputSize, int[] stride, int[] padding, int groups);

    /**
     * The vector–Jacobian product of {@link #convolution} with respect to its weight.
     *
     * @param x the convolution's input (B,C,D,H,W)
     * @param y gradient with respect to its output (B,O,D',H',W')
     * @param kernel size of the kernel, three numbers
     * @return (O,C/groups,kernel)
     */
    Tensor convolutionWeightGradient(Tensor x, Tensor y, int[] kernel, int[] stride, int[] padding, int groups);

    /**
     * Transposed convolution without padding: (B,C,D,H,W) → (B,O,size'), size' = (size − 1)·stride + kernel + outputPadding.
     *
     * @param weight (C,O,kD,kH,kW)
     * @param bias (O) or {@code null}
     * @param outputPadding planes at the far end of each axis that are the bias alone, three numbers
     */
    default Tensor transposedConvolution(Tensor x, Tensor weight, Tensor bias, int[] stride, int[] outputPadding) {
        long[] shape = ShapeRules.transposedConvolution(
                x.shape(), weight.shape(), bias == null ? null : bias.shape(), stride, outputPadding);
        long[] to = {shape[2], shape[3], shape[4]};
        return part(ops -> {
            Tensor y = ops.convolutionInputGradient(x, weight, to, stride, new int[3], 1);
            return bias == null ? y : ops.add(y, ops.reshape(bias, 1, bias.shape()[0], 1, 1, 1));
        });
    }

    /**
     * Trilinear resizing of (B,C,D,H,W): {@link Interpolation} along each axis, one after the other; by itself three products with small
     * matrices, along the last axis first.
     *
     * @param size three numbers
     * @param alignCorners whether the corners' centres are kept; otherwise the volume's edges are
     */
    default Tensor resize(Tensor x, long[] size, boolean alignCorners) {
        long[] shape = x.shape();
        ShapeRules.resize(shape, size);
        return part(ops -> {
            Tensor y = ops.reshape(x, shape);
            if (size[2] != shape[4]) {
                Tensor matrix = ops.constant(
                        Interpolation.of(shape[4], size[2], alignCorners).matrix());
                y = ops.matmul(y, matrix, false, true);
            }
            if (size[1] != shape[3]) {
                Tensor matrix = ops.constant(
                        Interpolation.of(shape[3], size[1], alignCorners).matrix());
                y = ops.matmul(matrix, y, false, false);
            }
            if (size[0] != shape[2]) {
                Tensor matrix = ops.constant(
                        Interpolation.of(shape[2], size[0], alignCorners).matrix());
                Tensor planes = ops.reshape(y, shape[0], shape[1], shape[2], size[1] * size[2]);
                y = ops.reshape(
                        ops.matmul(matrix, planes, false, false), shape[0], shape[1], size[0], size[1], size[2]);
            }
            return y;
        });
    }

    /** Maximum of each window of (B,C,D,H,W) without padding; windows that don't fit at the far end are left out. */
    Tensor maxPool(Tensor x, int[] kernel, int[] stride);

    // --- norms ---

    /**
     * (x − μ)/√(σ² + ε) · γ + β with mean and biased variance over the last axis.
     *
     * @param weight γ (C) or {@code null} for 1
     * @param bias β (C) or {@code null} for 0
     */
    Tensor layerNorm(Tensor x, Tensor weight, Tensor bias, double epsilon);

    /**
     * BatchNorm of (B,C,…): in training mode over all axes but the second, moving the running statistics (the variance unbiased); otherwise
     * with the running statistics.
     *
     * @param momentum weight of the new batch in the running statistics
     */
    Tensor batchNorm(Tensor x, BatchNormState state, double momentum, double epsilon);

    /**
     * GroupNorm of (B,C,…): mean and biased variance of each sample and group of C/groups channels; with as many groups as channels it is
     * InstanceNorm.
     *
     * @param weight γ (C) or {@code null} for 1
     * @param bias β (C) or {@code null} for 0
     */
    Tensor groupNorm(Tensor x, int groups, Tensor weight, Tensor bias, double epsilon);

    // --- random ---

    /**
     * In training mode sets elements to 0 with that probability and multiplies the others by 1/(1 − probability); otherwise x.
     *
     * <p>The mask is {@link RandomMasks}'s for the pass's seed, how many masks were drawn before in the pass and the sample (first axis), so
     * that it is the same on every backend, for every thread count and on any number of processes. Where nothing is dropped, no mask is
     * drawn.
     */
    Tensor dropout(Tensor x, double probability);

    /** As {@link #dropout}, but with one draw for each sample (drop path, stochastic depth). */
    Tensor dropPath(Tensor x, double probability);
}

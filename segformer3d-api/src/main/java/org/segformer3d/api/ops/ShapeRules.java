package org.segformer3d.api.ops;

import java.util.Arrays;
import org.segformer3d.api.tensor.Shapes;

/**
 * What shapes the operations of {@link Ops} take and give: the one place of these rules and their messages, for every backend, for
 * gradients and for whatever only records or counts.
 *
 * <p>Every method returns a new array with the result's shape and throws {@link IllegalArgumentException}, with the operation's name, what
 * was found and what was expected, where arguments don't fit.
 */
public final class ShapeRules {
    private ShapeRules() {}

    /** {@link Ops#reshape}. */
    public static long[] reshape(long[] x, long... shape) {
        for (long size : shape) {
            require(size >= 0, "reshape", "a size of " + size, "sizes of at least 0");
        }
        require(
                Shapes.elements(x) == Shapes.elements(shape),
                "reshape",
                Shapes.text(x) + " to " + Shapes.text(shape),
                "as many elements");
        return shape.clone();
    }

    /** {@link Ops#permute}. */
    public static long[] permute(long[] x, int... axes) {
        boolean[] seen = new boolean[x.length];
        boolean fits = axes.length == x.length;
        for (int k = 0; fits && k < axes.length; k++) {
            fits = axes[k] >= 0 && axes[k] < x.length && !seen[axes[k]];
            if (fits) {
                seen[axes[k]] = true;
            }
        }
        require(fits, "permute", "axes " + Arrays.toString(axes) + " for " + Shapes.text(x), "each axis once");
        long[] result = new long[axes.length];
        for (int k = 0; k < axes.length; k++) {
            result[k] = x[axes[k]];
        }
        return result;
    }

    /** {@link Ops#slice}. */
    public static long[] slice(long[] x, int axis, long from, long to) {
        axis("slice", x, axis);
        require(
                from >= 0 && from < to && to <= x[axis],
                "slice",
                "elements " + from + " to " + to + " of axis " + axis + " of " + Shapes.text(x),
                "0 ≤ from < to ≤ " + x[axis]);
        return with(x, axis, to - from);
    }

    /** {@link Ops#concat}. */
    public static long[] concat(int axis, long[]... parts) {
        require(parts.length > 0, "concat", "no tensors", "at least one");
        axis("concat", parts[0], axis);
        long sum = 0;
        for (long[] part : parts) {
            require(
                    part.length == parts[0].length && Arrays.equals(with(part, axis, 0), with(parts[0], axis, 0)),
                    "concat",
                    Shapes.text(part) + " after " + Shapes.text(parts[0]) + " along axis " + axis,
                    "equal sizes of the other axes");
            sum += part[axis];
        }
        return with(parts[0], axis, sum);
    }

    /** {@link Ops#pad}. */
    public static long[] pad(long[] x, int axis, long before, long after) {
        axis("pad", x, axis);
        require(before >= 0 && after >= 0, "pad", before + " and " + after + " zeros", "numbers of at least 0");
        return with(x, axis, Math.addExact(x[axis], Math.addExact(before, after)));
    }

    /** {@link Ops#broadcast}. */
    public static long[] broadcast(long[] x, long... shape) {
        boolean fits = x.length <= shape.length;
        for (int k = 0; fits && k < x.length; k++) {
            long size = x[x.length - 1 - k];
            fits = size == 1 || size == shape[shape.length - 1 - k];
        }
        require(
                fits,
                "broadcast",
                Shapes.text(x) + " to " + Shapes.text(shape),
                "sizes, counted from the last axis, equal or 1");
        return shape.clone();
    }

    /** {@link Ops#gather}. */
    public static long[] gather(long[] x, int axis, int[] indices) {
        axis("gather", x, axis);
        indices("gather", indices, x[axis]);
        return with(x, axis, indices.length);
    }

    /** {@link Ops#scatterAdd}. */
    public static long[] scatterAdd(long[] x, int axis, int[] indices, long size) {
        axis("scatterAdd", x, axis);
        require(
                x[axis] == indices.length,
                "scatterAdd",
                indices.length + " indices for axis " + axis + " of " + Shapes.text(x),
                "as many as elements");
        indices("scatterAdd", indices, size);
        return with(x, axis, size);
    }

    private static void indices(String operation, int[] indices, long size) {
        require(indices.length > 0, operation, "no indices", "at least one");
        for (int index : indices) {
            require(index >= 0 && index < size, operation, "index " + index, "0 to " + (size - 1));
        }
    }

    /**
     * Two arguments that broadcast against each other: {@link Ops#add} and so on.
     *
     * @param operation its name, for the message
     */
    public static long[] elementwise(String operation, long[] a, long[] b) {
        long[] result = new long[Math.max(a.length, b.length)];
        for (int k = 1; k <= result.length; k++) {
            long left = k <= a.length ? a[a.length - k] : 1;
            long right = k <= b.length ? b[b.length - k] : 1;
            require(
                    left == right || left == 1 || right == 1,
                    operation,
                    Shapes.text(a) + " and " + Shapes.text(b),
                    "sizes, counted from the last axis, equal or 1");
            result[result.length - k] = left == 1 ? right : left;
        }
        return result;
    }

    /**
     * A reduction over axes, which stay with size 1: {@link Ops#sum} and so on.
     *
     * @param operation its name, for the message
     */
    public static long[] reduction(String operation, long[] x, int... axes) {
        long[] result = x.clone();
        boolean[] seen = new boolean[x.length];
        for (int axis : axes) {
            axis(operation, x, axis);
            require(!seen[axis], operation, "axes " + Arrays.toString(axes), "each axis at most once");
            require(x[axis] > 0, operation, Shapes.text(x), "elements along axis " + axis);
            seen[axis] = true;
            result[axis] = 1;
        }
        return result;
    }

    /**
     * An operation along one axis that keeps the shape: {@link Ops#softmax} and {@link Ops#logSoftmax}.
     *
     * @param operation its name, for the message
     */
    public static long[] along(String operation, long[] x, int axis) {
        axis(operation, x, axis);
        return x.clone();
    }

    /** {@link Ops#matmul}. */
    public static long[] matmul(long[] a, long[] b, boolean transposeA, boolean transposeB) {
        String found = Shapes.text(a) + (transposeA ? "ᵀ" : "") + " · " + Shapes.text(b) + (transposeB ? "ᵀ" : "");
        require(a.length >= 2 && b.length >= 2, "matmul", found, "at least two axes each");
        long rows = a[a.length - (transposeA ? 1 : 2)];
        long columns = b[b.length - (transposeB ? 2 : 1)];
        require(
                a[a.length - (transposeA ? 2 : 1)] == b[b.length - (transposeB ? 1 : 2)],
                "matmul",
                found,
                "(…,M,K) · (…,K,N)");
        long[] outer = elementwise("matmul", Arrays.copyOf(a, a.length - 2), Arrays.copyOf(b, b.length - 2));
        long[] result = Arrays.copyOf(outer, outer.length + 2);
        result[outer.length] = rows;
        result[outer.length + 1] = columns;
        return result;
    }

    /**
     * {@link Ops#linear}.
     *
     * @param bias {@code null} where there is none
     */
    public static long[] linear(long[] x, long[] weight, long[] bias) {
        require(
                x.length >= 1 && weight.length == 2 && x[x.length - 1] == weight[1],
                "linear",
                Shapes.text(x) + " with a weight " + Shapes.text(weight),
                "(…,I) with (O,I)");
        vector("linear", "bias", bias, weight[0]);
        return with(x, x.length - 1, weight[0]);
    }

    /**
     * {@link Ops#attention}.
     *
     * @param bias {@code null} where there is none
     */
    public static long[] attention(long[] q, long[] k, long[] v, long[] bias) {
        int rank = q.length;
        String found = "q " + Shapes.text(q) + ", k " + Shapes.text(k) + ", v " + Shapes.text(v);
        require(
                rank >= 2
                        && k.length == rank
                        && v.length == rank
                        && q[rank - 1] == k[rank - 1]
                        && k[rank - 2] == v[rank - 2]
                        && Arrays.equals(q, 0, rank - 2, k, 0, rank - 2)
                        && Arrays.equals(q, 0, rank - 2, v, 0, rank - 2),
                "attention",
                found,
                "(…,N,d), (…,M,d), (…,M,e)");
        if (bias != null) {
            long[] scores = q.clone();
            scores[rank - 1] = k[rank - 2];
            require(
                    fits(bias, scores),
                    "attention",
                    "a bias " + Shapes.text(bias),
                    "one that broadcasts to " + Shapes.text(scores));
        }
        return with(q, rank - 1, v[rank - 1]);
    }

    private static boolean fits(long[] x, long[] shape) {
        try {
            broadcast(x, shape);
            return true;
        } catch (IllegalArgumentException e) {
            return false;
        }
    }

    /**
     * {@link Ops#convolution}.
     *
     * @param bias {@code null} where there is none
     */
    public static long[] convolution(long[] x, long[] weight, long[] bias, int[] stride, int[] padding, int groups) {
        String operation = "convolution";
        volume(operation, x);
        volume(operation, weight);
        windows(operation, stride, padding);
        require(
                groups >= 1 && weight[0] % groups == 0 && x[1] == weight[1] * groups,
                operation,
                Shapes.text(x) + " with a weight " + Shapes.text(weight) + " and " + groups + " groups",
                "(B,C,D,H,W) with (O,C/groups,kD,kH,kW)");
        vector(operation, "bias", bias, weight[0]);
        long[] result = new long[5];
        result[0] = x[0];
        result[1] = weight[0];
        for (int k = 2; k < 5; k++) {
            require(
                    weight[k] >= 1 && x[k] + 2L * padding[k - 2] >= weight[k],
                    operation,
                    Shapes.text(x) + " with a kernel " + Shapes.text(weight) + " and padding "
                            + Arrays.toString(padding),
                    "sizes with padding of at least the kernel's");
            result[k] = (x[k] + 2L * padding[k - 2] - weight[k]) / stride[k - 2] + 1;
        }
        return result;
    }

    /** {@link Ops#convolutionInputGradient}. */
    public static long[] convolutionInputGradient(
            long[] y, long[] weight, long[] inputSize, int[] stride, int[] padding, int groups) {
        String operation = "convolutionInputGradient";
        volume(operation, y);
        volume(operation, weight);
        three(operation, "input sizes", inputSize.length);
        long[] result = {y[0], weight[1] * groups, inputSize[0], inputSize[1], inputSize[2]};
        requireConvolved(operation, result, weight, y, stride, padding, groups);
        return result;
    }

    /** {@link Ops#convolutionWeightGradient}. */
    public static long[] convolutionWeightGradient(
            long[] x, long[] y, int[] kernel, int[] stride, int[] padding, int groups) {
        String operation = "convolutionWeightGradient";
        volume(operation, x);
        volume(operation, y);
        three(operation, "kernel sizes", kernel.length);
        require(
                groups >= 1 && x[1] % groups == 0,
                operation,
                groups + " groups for " + x[1] + " channels",
                "a divisor");
        long[] result = {y[1], x[1] / groups, kernel[0], kernel[1], kernel[2]};
        requireConvolved(operation, x, result, y, stride, padding, groups);
        return result;
    }

    private static void requireConvolved(
            String operation, long[] x, long[] weight, long[] y, int[] stride, int[] padding, int groups) {
        long[] expected = convolution(x, weight, null, stride, padding, groups);
        require(
                Arrays.equals(expected, y),
                operation,
                Shapes.text(y),
                Shapes.text(expected) + ", which a convolution of " + Shapes.text(x) + " gives");
    }

    /**
     * {@link Ops#transposedConvolution}.
     *
     * @param bias {@code null} where there is none
     */
    public static long[] transposedConvolution(
            long[] x, long[] weight, long[] bias, int[] stride, int[] outputPadding) {
        String operation = "transposedConvolution";
        volume(operation, x);
        volume(operation, weight);
        windows(operation, stride, outputPadding);
        require(
                x[1] == weight[0],
                operation,
                Shapes.text(x) + " with a weight " + Shapes.text(weight),
                "(B,C,D,H,W) with (C,O,kD,kH,kW)");
        vector(operation, "bias", bias, weight[1]);
        long[] result = {x[0], weight[1], 0, 0, 0};
        for (int k = 2; k < 5; k++) {
            require(
                    outputPadding[k - 2] < stride[k - 2],
                    operation,
                    "output padding " + Arrays.toString(outputPadding),
                    "less than the stride " + Arrays.toString(stride));
            result[k] = (x[k] - 1) * stride[k - 2] + weight[k] + outputPadding[k - 2];
        }
        return result;
    }

    /** {@link Ops#resize}. */
    public static long[] resize(long[] x, long[] size) {
        volume("resize", x);
        three("resize", "sizes", size.length);
        long[] result = {x[0], x[1], size[0], size[1], size[2]};
        for (int k = 2; k < 5; k++) {
            require(
                    x[k] >= 1 && result[k] >= 1,
                    "resize",
                    Shapes.text(x) + " to " + Shapes.text(size),
                    "sizes of at least 1");
        }
        return result;
    }

    /** {@link Ops#maxPool}. */
    public static long[] maxPool(long[] x, int[] kernel, int[] stride) {
        volume("maxPool", x);
        windows("maxPool", stride, new int[3]);
        three("maxPool", "kernel sizes", kernel.length);
        long[] result = x.clone();
        for (int k = 2; k < 5; k++) {
            require(
                    kernel[k - 2] >= 1 && x[k] >= kernel[k - 2],
                    "maxPool",
                    Shapes.text(x) + " with a kernel " + Arrays.toString(kernel),
                    "sizes of at least the kernel's");
            result[k] = (x[k] - kernel[k - 2]) / stride[k - 2] + 1;
        }
        return result;
    }

    /**
     * {@link Ops#layerNorm}.
     *
     * @param weight {@code null} where there is none
     * @param bias {@code null} where there is none
     */
    public static long[] layerNorm(long[] x, long[] weight, long[] bias) {
        require(x.length >= 1 && x[x.length - 1] >= 1, "layerNorm", Shapes.text(x), "(…,C)");
        vector("layerNorm", "weight", weight, x[x.length - 1]);
        vector("layerNorm", "bias", bias, x[x.length - 1]);
        return x.clone();
    }

    /** {@link Ops#batchNorm}. */
    public static long[] batchNorm(long[] x, BatchNormState state, boolean training) {
        require(x.length >= 2, "batchNorm", Shapes.text(x), "(B,C,…)");
        vector("batchNorm", "weight", state.weight().shape(), x[1]);
        vector("batchNorm", "bias", state.bias().shape(), x[1]);
        vector("batchNorm", "running mean", state.runningMean().shape(), x[1]);
        vector("batchNorm", "running variance", state.runningVariance().shape(), x[1]);
        if (state.batchesTracked() != null) {
            long[] counter = state.batchesTracked().shape();
            require(Shapes.elements(counter) == 1, "batchNorm", "a counter " + Shapes.text(counter), "a scalar");
        }
        if (training) {
            require(
                    Shapes.elements(x) > x[1],
                    "batchNorm",
                    Shapes.text(x) + " in training",
                    "more than one value per channel, since one has no variance");
        }
        return x.clone();
    }

    /**
     * {@link Ops#groupNorm}.
     *
     * @param weight {@code null} where there is none
     * @param bias {@code null} where there is none
     */
    public static long[] groupNorm(long[] x, int groups, long[] weight, long[] bias) {
        require(
                x.length >= 2 && groups >= 1 && x[1] % groups == 0,
                "groupNorm",
                Shapes.text(x) + " with " + groups + " groups",
                "(B,C,…) with a divisor of C");
        vector("groupNorm", "weight", weight, x[1]);
        vector("groupNorm", "bias", bias, x[1]);
        return x.clone();
    }

    /**
     * {@link Ops#dropout} and {@link Ops#dropPath}.
     *
     * @param operation which of them, for the message
     */
    public static long[] dropout(String operation, long[] x, double probability) {
        require(x.length >= 1, operation, Shapes.text(x), "samples along the first axis");
        require(
                probability >= 0 && probability < 1,
                operation,
                "a probability of " + probability,
                "a number of at least 0 and less than 1");
        return x.clone();
    }

    private static void axis(String operation, long[] x, int axis) {
        require(
                axis >= 0 && axis < x.length,
                operation,
                "axis " + axis + " of " + Shapes.text(x),
                x.length == 0 ? "no axis" : "0 to " + (x.length - 1));
    }

    private static void volume(String operation, long[] x) {
        require(x.length == 5, operation, Shapes.text(x), "five axes (…,…,D,H,W)");
    }

    private static void three(String operation, String what, int count) {
        require(count == 3, operation, count + " " + what, "three, depth first");
    }

    private static void windows(String operation, int[] stride, int[] padding) {
        three(operation, "strides", stride.length);
        three(operation, "paddings", padding.length);
        for (int k = 0; k < 3; k++) {
            require(stride[k] >= 1, operation, "stride " + Arrays.toString(stride), "numbers of at least 1");
            require(padding[k] >= 0, operation, "padding " + Arrays.toString(padding), "numbers of at least 0");
        }
    }

    private static void vector(String operation, String what, long[] found, long size) {
        if (found != null) {
            require(
                    found.length == 1 && found[0] == size,
                    operation,
                    "a " + what + " " + Shapes.text(found),
                    "(" + size + ")");
        }
    }

    private static long[] with(long[] x, int axis, long size) {
        long[] result = x.clone();
        result[axis] = size;
        return result;
    }

    private static void require(boolean holds, String operation, String found, String expected) {
        if (!holds) {
            throw new IllegalArgumentException(operation + ": found " + found + ", expected " + expected);
        }
    }
}

package org.segformer3d.zoo;

import static org.segformer3d.api.block.ParameterSpec.Role.BATCHES_TRACKED;
import static org.segformer3d.api.block.ParameterSpec.Role.CONV_BIAS;
import static org.segformer3d.api.block.ParameterSpec.Role.CONV_WEIGHT;
import static org.segformer3d.api.block.ParameterSpec.Role.LINEAR_BIAS;
import static org.segformer3d.api.block.ParameterSpec.Role.LINEAR_WEIGHT;
import static org.segformer3d.api.block.ParameterSpec.Role.NORM_BIAS;
import static org.segformer3d.api.block.ParameterSpec.Role.NORM_WEIGHT;
import static org.segformer3d.api.block.ParameterSpec.Role.RUNNING_MEAN;
import static org.segformer3d.api.block.ParameterSpec.Role.RUNNING_VARIANCE;

import java.util.Arrays;
import java.util.function.Function;
import org.segformer3d.api.block.Initialization;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.block.ParameterSpec.Role;
import org.segformer3d.api.ops.BatchNormState;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.tensor.Tensor;

/** Where in a network a computation is: operations, where weights come from, and what stands before their names. */
record Cursor(Ops ops, Weights weights, Start start, String prefix) {
    private static final double EPSILON = 1e-5;
    private static final double MOMENTUM = 0.1;

    /** Returns the part one level deeper: {@code at("mlp")} names its weights {@code mlp.…}. */
    Cursor at(String name) {
        return new Cursor(ops, weights, start, prefix + name + ".");
    }

    /** Computes something whose intermediate results are given back at its end. */
    Tensor within(Function<Cursor, Tensor> body) {
        return ops.part(inner -> body.apply(new Cursor(inner, weights, start, prefix)));
    }

    Tensor weight(String name, Role role, Initialization initialization, long... shape) {
        return weights.get(ParameterSpec.of(prefix + name, role, initialization, shape));
    }

    /** x·Wᵀ + b over the last axis. */
    Tensor linear(Tensor x, String name, long out, boolean bias) {
        long in = last(x);
        return ops.linear(
                x,
                weight(name + ".weight", LINEAR_WEIGHT, start.weight(in), out, in),
                bias ? weight(name + ".bias", LINEAR_BIAS, start.bias(in), out) : null);
    }

    /** Convolution of (B,C,D,H,W) with padding (k − 1)/2. */
    Tensor convolution(Tensor x, String name, long out, int[] kernel, int[] stride, boolean bias) {
        return convolution(x, name, out, kernel, stride, half(kernel), bias);
    }

    Tensor convolution(Tensor x, String name, long out, int[] kernel, int[] stride, int[] padding, boolean bias) {
        long in = x.shape()[1];
        long fanIn = in * volume(kernel);
        return ops.convolution(
                x,
                weight(name + ".weight", CONV_WEIGHT, start.weight(fanIn), out, in, kernel[0], kernel[1], kernel[2]),
                bias ? weight(name + ".bias", CONV_BIAS, start.bias(fanIn), out) : null,
                stride,
                padding,
                1);
    }

    /** Transposed convolution whose blocks never overlap: the kernel is the stride. */
    Tensor up(Tensor x, String name, long out, int[] stride, int[] outputPadding, boolean bias) {
        long in = x.shape()[1];
        long fanIn = out * volume(stride);
        return ops.transposedConvolution(
                x,
                weight(name + ".weight", CONV_WEIGHT, start.weight(fanIn), in, out, stride[0], stride[1], stride[2]),
                bias ? weight(name + ".bias", CONV_BIAS, start.bias(fanIn), out) : null,
                stride,
                outputPadding);
    }

    /** LayerNorm over the last axis. */
    Tensor layerNorm(Tensor x, String name) {
        return layerNorm(x, name, EPSILON);
    }

    Tensor layerNorm(Tensor x, String name, double epsilon) {
        long c = last(x);
        return ops.layerNorm(x, scale(name, c), shift(name, c), epsilon);
    }

    /** InstanceNorm with scale and shift. */
    Tensor instanceNorm(Tensor x, String name, Initialization scale, double epsilon) {
        long c = x.shape()[1];
        Tensor weight = weight(name + ".weight", NORM_WEIGHT, scale, c);
        return ops.groupNorm(x, Math.toIntExact(c), weight, shift(name, c), epsilon);
    }

    /** InstanceNorm without scale and shift. */
    Tensor instanceNorm(Tensor x) {
        return ops.groupNorm(x, Math.toIntExact(x.shape()[1]), null, null, EPSILON);
    }

    Tensor groupNorm(Tensor x, String name, int groups, double epsilon) {
        long c = x.shape()[1];
        return ops.groupNorm(x, groups, scale(name, c), shift(name, c), epsilon);
    }

    Tensor batchNorm(Tensor x, String name) {
        long c = x.shape()[1];
        return ops.batchNorm(
                x,
                new BatchNormState(
                        scale(name, c),
                        shift(name, c),
                        weight(name + ".running_mean", RUNNING_MEAN, Initialization.ZERO, c),
                        weight(name + ".running_var", RUNNING_VARIANCE, Initialization.ONE, c),
                        weight(name + ".num_batches_tracked", BATCHES_TRACKED, Initialization.ZERO)),
                MOMENTUM,
                EPSILON);
    }

    Tensor scale(String name, long channels) {
        return weight(name + ".weight", NORM_WEIGHT, Initialization.ONE, channels);
    }

    Tensor shift(String name, long channels) {
        return weight(name + ".bias", NORM_BIAS, Initialization.ZERO, channels);
    }

    Tensor dropout(Tensor x, double probability) {
        return probability == 0 ? x : ops.dropout(x, probability);
    }

    Tensor dropPath(Tensor x, double probability) {
        return probability == 0 ? x : ops.dropPath(x, probability);
    }

    /** (B,C,D,H,W) → (B,D,H,W,C). */
    Tensor channelsLast(Tensor x) {
        return ops.permute(x, 0, 2, 3, 4, 1);
    }

    /** (B,D,H,W,C) → (B,C,D,H,W). */
    Tensor channelsFirst(Tensor x) {
        return ops.permute(x, 0, 4, 1, 2, 3);
    }

    /** (B,C,D,H,W) → (B,N,C), tokens over D, then H, then W. */
    Tensor tokens(Tensor x) {
        long[] s = x.shape();
        return ops.permute(ops.reshape(x, s[0], s[1], s[2] * s[3] * s[4]), 0, 2, 1);
    }

    /** (B,N,C) → (B,C,D,H,W). */
    Tensor map(Tensor tokens, long... size) {
        long[] s = tokens.shape();
        return ops.reshape(ops.permute(tokens, 0, 2, 1), s[0], s[2], size[0], size[1], size[2]);
    }

    static int[] cube(int edge) {
        return new int[] {edge, edge, edge};
    }

    static int[] half(int[] kernel) {
        return Arrays.stream(kernel).map(k -> (k - 1) / 2).toArray();
    }

    private static long volume(int[] kernel) {
        return (long) kernel[0] * kernel[1] * kernel[2];
    }

    private static long last(Tensor x) {
        long[] shape = x.shape();
        return shape[shape.length - 1];
    }
}

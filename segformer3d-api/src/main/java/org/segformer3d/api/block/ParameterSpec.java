package org.segformer3d.api.block;

import java.util.List;
import java.util.Objects;
import org.segformer3d.api.tensor.Shapes;

/**
 * Name, shape and role of one entry of a state dict.
 *
 * @param name the name within the block, for example {@code query.weight}; within the model the full official name
 * @param shape sizes per axis, empty for a scalar
 * @param role what it is, which decides whether it is trained
 * @param initialization how its values are drawn before training
 */
public record ParameterSpec(String name, List<Long> shape, Role role, Initialization initialization) {
    /** What an entry is. */
    public enum Role {
        /** Weight (out, in) of a Linear; SegFormer3D's truncated normal, σ = 0.02, cut at ±2, which is 100 σ away. */
        LINEAR_WEIGHT,
        /** Bias of a Linear: 0. */
        LINEAR_BIAS,
        /** Weight (out, in/groups, kD, kH, kW) of a Conv3d: normal with σ = √(2 / fan_out), fan_out = k³·out/groups. */
        CONV_WEIGHT,
        /** Weight of a depth-wise Conv3d (groups = out), initialised as {@link #CONV_WEIGHT} with its own fan_out. */
        DEPTHWISE_CONV_WEIGHT,
        /** Bias of a Conv3d: 0. */
        CONV_BIAS,
        /** Scale of a LayerNorm or BatchNorm: 1. */
        NORM_WEIGHT,
        /** Shift of a LayerNorm or BatchNorm: 0. */
        NORM_BIAS,
        /** Running mean of a BatchNorm: 0; a buffer, not trained. */
        RUNNING_MEAN,
        /** Running variance of a BatchNorm: 1; a buffer, not trained. */
        RUNNING_VARIANCE,
        /** Batches a BatchNorm has seen, int64: 0; a buffer, not trained. */
        BATCHES_TRACKED;

        /** Returns whether the entry is trained, as opposed to a buffer. */
        public boolean isTrained() {
            return this != RUNNING_MEAN && this != RUNNING_VARIANCE && this != BATCHES_TRACKED;
        }
    }

    /** Copies the shape. */
    public ParameterSpec {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(role, "role");
        Objects.requireNonNull(initialization, "initialization");
        shape = List.copyOf(shape);
    }

    /** Returns a specification with the shape given as numbers, initialised as SegFormer3D initialises entries of this role. */
    public static ParameterSpec of(String name, Role role, long... shape) {
        return of(name, role, usual(role, shape), shape);
    }

    /** Returns a specification with the shape given as numbers. */
    public static ParameterSpec of(String name, Role role, Initialization initialization, long... shape) {
        return new ParameterSpec(name, java.util.Arrays.stream(shape).boxed().toList(), role, initialization);
    }

    private static Initialization usual(Role role, long[] shape) {
        return switch (role) {
            case LINEAR_WEIGHT -> new Initialization.Normal(0.02);
            // fan_out = k³·out/groups, and a depth-wise convolution has as many groups as outputs
            case CONV_WEIGHT -> new Initialization.Normal(Math.sqrt(2.0 / (shape[2] * shape[3] * shape[4] * shape[0])));
            case DEPTHWISE_CONV_WEIGHT -> new Initialization.Normal(Math.sqrt(2.0 / (shape[2] * shape[3] * shape[4])));
            case NORM_WEIGHT, RUNNING_VARIANCE -> Initialization.ONE;
            case LINEAR_BIAS, CONV_BIAS, NORM_BIAS, RUNNING_MEAN, BATCHES_TRACKED -> Initialization.ZERO;
        };
    }

    /** Returns this specification with a prefix before its name. */
    public ParameterSpec prefixed(String prefix) {
        return new ParameterSpec(prefix + name, shape, role, initialization);
    }

    /** Returns the shape as an array. */
    public long[] dims() {
        return shape.stream().mapToLong(Long::longValue).toArray();
    }

    /** Returns the number of elements. */
    public long elements() {
        return Shapes.elements(dims());
    }
}

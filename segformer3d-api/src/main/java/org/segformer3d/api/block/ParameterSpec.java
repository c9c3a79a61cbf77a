package org.segformer3d.api.block;

import java.util.List;
import java.util.Objects;
import org.segformer3d.api.tensor.Shapes;

/**
 * Name, shape and role of one entry of a state dict.
 *
 * @param name the name within the block, for example {@code query.weight}; within the model the full official name
 * @param shape sizes per axis, empty for a scalar
 * @param role what it is, which decides how it is initialised and whether it is trained
 */
public record ParameterSpec(String name, List<Long> shape, Role role) {
    /** What an entry is. */
    public enum Role {
        /** Weight (out, in) of a Linear: truncated normal, σ = 0.02, cut at ±2. */
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
        shape = List.copyOf(shape);
    }

    /** Returns a specification with the shape given as numbers. */
    public static ParameterSpec of(String name, Role role, long... shape) {
        return new ParameterSpec(name, java.util.Arrays.stream(shape).boxed().toList(), role);
    }

    /** Returns this specification with a prefix before its name. */
    public ParameterSpec prefixed(String prefix) {
        return new ParameterSpec(prefix + name, shape, role);
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

package org.segformer3d.api.training;

import java.util.Objects;
import java.util.Optional;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Shapes;

/**
 * One batch.
 *
 * @param input (B,C,D,H,W), any floating type
 * @param target channels (B,K,D,H,W) of 0 and 1 (or soft values), any type
 * @param mask (B,1,D,H,W), any type: 1 where a voxel counts for the loss, 0 where nobody knows what it is and it is left out; empty when
 *     all count. What the target holds at a voxel that doesn't count makes no difference
 * @param seed seed of whatever is random in the forward pass (dropout)
 * @param first number of the first of these samples in the batch that several processes share, whose random numbers it continues; else 0
 */
public record TrainingBatch(HostTensor input, HostTensor target, Optional<HostTensor> mask, long seed, long first) {
    /** Checks that all have the same batch and spatial size. */
    public TrainingBatch {
        Objects.requireNonNull(mask, "mask");
        long[] in = input.shape();
        long[] out = target.shape();
        if (in.length != 5
                || out.length != 5
                || in[0] != out[0]
                || in[2] != out[2]
                || in[3] != out[3]
                || in[4] != out[4]) {
            throw new IllegalArgumentException("batch: found input " + Shapes.text(in) + " with target "
                    + Shapes.text(out) + ", expected (B,C,D,H,W) with (B,K,D,H,W)");
        }
        mask.ifPresent(m -> LossSpec.requireMask(m.shape(), out));
    }

    /** Makes a batch of which every voxel counts. */
    public TrainingBatch(HostTensor input, HostTensor target, long seed, long first) {
        this(input, target, Optional.empty(), seed, first);
    }

    /** Makes a batch of which every voxel counts and which is no part of a larger one. */
    public TrainingBatch(HostTensor input, HostTensor target, long seed) {
        this(input, target, Optional.empty(), seed, 0);
    }
}

package org.segformer3d.api.training;

import java.util.Objects;

/**
 * Training on several processes: each computes the gradients of its own part of the batch, and all move their weights by the sum.
 *
 * <p>A loss that is a mean over samples comes out as in one process with the whole batch when every part is weighted with its share of
 * the samples, see {@link TrainingSession#accumulate}.
 *
 * @param group the processes, never {@code null}
 * @param synchronisesBatchNorm whether BatchNorm takes its statistics from the whole batch; otherwise from each process's part, and the
 *     running statistics are the means of all processes'
 */
public record DataParallel(ProcessGroup group, boolean synchronisesBatchNorm) {
    /** Checks that there is a group. */
    public DataParallel {
        Objects.requireNonNull(group, "group");
    }
}

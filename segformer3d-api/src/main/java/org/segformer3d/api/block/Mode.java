package org.segformer3d.api.block;

/** Whether a block is built to predict or to be trained. */
public enum Mode {
    /** BatchNorm uses its running statistics, dropout is off, weights don't change. */
    INFERENCE,
    /** BatchNorm uses the batch's statistics and updates the running ones, dropout is on, gradients can be asked for. */
    TRAINING
}

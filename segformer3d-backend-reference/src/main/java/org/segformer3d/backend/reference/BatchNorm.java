package org.segformer3d.backend.reference;

import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.BlockSpec;
import org.segformer3d.api.block.Mode;

/**
 * y = (x − mean) / √(variance + ε) · γ + β per channel.
 *
 * <p>In inference mean and variance are the running ones. In training they are the batch's (biased variance), and the running ones
 * move towards it: r ← (1 − m)·r + m·batch, with the unbiased variance.
 */
final class BatchNorm {
    private final double[] weight;
    private final double[] bias;
    private final double[] runningMean;
    private final double[] runningVariance;
    private final double[] batchesTracked;
    private final Mode mode;

    /** A factor and a summand per channel: what a BatchNorm is once mean and variance are known. */
    record Affine(double[] factor, double[] summand) {
        /** Returns y for one value of a channel. */
        double apply(double x, int channel) {
            return x * factor[channel] + summand[channel];
        }
    }

    /**
     * Prepares a norm.
     *
     * @param parameters in which {@code weight}, {@code running_mean} and so on are found; in training the running statistics are
     *     updated in place
     */
    BatchNorm(ReferenceBackend backend, BlockParameters parameters, int channels, Mode mode) {
        this.mode = mode;
        this.weight = Weights.of(backend, parameters, "weight", channels).clone();
        this.bias = Weights.of(backend, parameters, "bias", channels).clone();
        double[] mean = Weights.of(backend, parameters, "running_mean", channels);
        double[] variance = Weights.of(backend, parameters, "running_var", channels);
        boolean training = mode == Mode.TRAINING;
        this.runningMean = training ? mean : mean.clone();
        this.runningVariance = training ? variance : variance.clone();
        this.batchesTracked = training ? Weights.of(backend, parameters, "num_batches_tracked") : null;
    }

    /**
     * Returns the map to apply to these values.
     *
     * @param rows values with the channel as the fastest axis; used in training only
     * @throws IllegalArgumentException in training when there is one value per channel, which has no variance
     */
    Affine affine(double[] rows) {
        if (mode == Mode.INFERENCE) {
            return affine(runningMean, runningVariance);
        }
        int channels = weight.length;
        int count = rows.length / channels;
        if (count < 2) {
            throw new IllegalArgumentException("batch normalisation in training needs more than one value per channel");
        }
        double[] mean = new double[channels];
        for (int i = 0; i < rows.length; i += channels) {
            for (int c = 0; c < channels; c++) {
                mean[c] += rows[i + c];
            }
        }
        for (int c = 0; c < channels; c++) {
            mean[c] /= count;
        }
        double[] variance = new double[channels];
        for (int i = 0; i < rows.length; i += channels) {
            for (int c = 0; c < channels; c++) {
                double difference = rows[i + c] - mean[c];
                variance[c] += difference * difference;
            }
        }
        double momentum = BlockSpec.BATCH_NORM_MOMENTUM;
        for (int c = 0; c < channels; c++) {
            runningMean[c] = (1 - momentum) * runningMean[c] + momentum * mean[c];
            runningVariance[c] = (1 - momentum) * runningVariance[c] + momentum * variance[c] / (count - 1);
            variance[c] /= count;
        }
        batchesTracked[0]++;
        return affine(mean, variance);
    }

    private Affine affine(double[] mean, double[] variance) {
        double[] factor = new double[weight.length];
        double[] summand = new double[weight.length];
        for (int c = 0; c < weight.length; c++) {
            factor[c] = weight[c] / Math.sqrt(variance[c] + BlockSpec.NORM_EPSILON);
            summand[c] = bias[c] - mean[c] * factor[c];
        }
        return new Affine(factor, summand);
    }
}

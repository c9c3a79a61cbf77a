package org.segformer3d.backend.reference;

/** Normalisations: (x − mean) / √(variance + ε) · γ + β. */
final class Norms {
    private final ParallelLoops loops;

    Norms(ParallelLoops loops) {
        this.loops = loops;
    }

    /**
     * Returns rows that were normalised each by itself, with the biased variance.
     *
     * @param weight γ (width) or {@code null} for 1
     * @param bias β (width) or {@code null} for 0
     */
    double[] layer(double[] x, int width, double[] weight, double[] bias, double epsilon) {
        double[] y = new double[x.length];
        loops.run(x.length / width, Products.ROWS, (from, to) -> {
            for (int row = from; row < to; row++) {
                int at = row * width;
                Moments moments = Moments.of(x, at, width);
                double factor = 1 / Math.sqrt(moments.squares() / width + epsilon);
                for (int i = 0; i < width; i++) {
                    double normal = (x[at + i] - moments.mean()) * factor;
                    y[at + i] = normal * (weight == null ? 1 : weight[i]) + (bias == null ? 0 : bias[i]);
                }
            }
        });
        return y;
    }

    /**
     * Returns (B,C,…) of which each sample's groups of channels were normalised each by itself, with the biased variance.
     *
     * @param weight γ (C) or {@code null} for 1
     * @param bias β (C) or {@code null} for 0
     */
    double[] group(double[] x, int batch, int channels, int groups, double[] weight, double[] bias, double epsilon) {
        int voxels = x.length / batch / channels;
        int width = channels / groups * voxels;
        double[] y = new double[x.length];
        loops.run(batch * groups, 1, (from, to) -> {
            for (int group = from; group < to; group++) {
                Moments moments = Moments.of(x, group * width, width);
                double scale = 1 / Math.sqrt(moments.squares() / width + epsilon);
                for (int at = group * width; at < (group + 1) * width; at += voxels) {
                    int c = at / voxels % channels;
                    double factor = scale * (weight == null ? 1 : weight[c]);
                    double summand = (bias == null ? 0 : bias[c]) - moments.mean() * factor;
                    affine(x, at, voxels, factor, summand, y);
                }
            }
        });
        return y;
    }

    /**
     * Returns (B,C,…) normalised per channel with statistics that are given, or with those of the batch.
     *
     * @param state γ, β, running mean and running variance, (C) each; the last two move towards the batch's (its unbiased variance) by
     *     {@code momentum} when the batch's are taken
     */
    double[] batch(double[] x, int batch, double[][] state, boolean fromBatch, double momentum, double epsilon) {
        int channels = state[0].length;
        int voxels = x.length / batch / channels;
        int count = batch * voxels;
        double[] y = new double[x.length];
        loops.run(channels, 1, (from, to) -> {
            for (int c = from; c < to; c++) {
                double mean = state[2][c];
                double variance = state[3][c];
                if (fromBatch) {
                    mean = 0;
                    for (int b = 0; b < batch; b++) {
                        mean += Moments.sum(x, (b * channels + c) * voxels, voxels);
                    }
                    mean /= count;
                    double squares = 0;
                    for (int b = 0; b < batch; b++) {
                        squares += Moments.squares(x, (b * channels + c) * voxels, voxels, mean);
                    }
                    variance = squares / count;
                    state[2][c] = (1 - momentum) * state[2][c] + momentum * mean;
                    state[3][c] = (1 - momentum) * state[3][c] + momentum * squares / (count - 1);
                }
                double factor = state[0][c] / Math.sqrt(variance + epsilon);
                for (int b = 0; b < batch; b++) {
                    affine(x, (b * channels + c) * voxels, voxels, factor, state[1][c] - mean * factor, y);
                }
            }
        });
        return y;
    }

    private static void affine(double[] x, int at, int count, double factor, double summand, double[] y) {
        for (int i = at; i < at + count; i++) {
            y[i] = x[i] * factor + summand;
        }
    }

    /** The mean of some values and the sum of their squared distances from it, in two passes so that no digits are lost. */
    private record Moments(double mean, double squares) {
        static Moments of(double[] x, int at, int count) {
            double mean = sum(x, at, count) / count;
            return new Moments(mean, squares(x, at, count, mean));
        }

        static double sum(double[] x, int at, int count) {
            double sum = 0;
            for (int i = at; i < at + count; i++) {
                sum += x[i];
            }
            return sum;
        }

        static double squares(double[] x, int at, int count, double mean) {
            double sum = 0;
            for (int i = at; i < at + count; i++) {
                double difference = x[i] - mean;
                sum += difference * difference;
            }
            return sum;
        }
    }
}

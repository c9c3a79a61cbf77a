package org.segformer3d.backend.reference;

import org.segformer3d.api.block.BlockSpec;

/** y = (x − mean) / √(variance + ε) · γ + β over each row by itself, with the biased variance. */
final class LayerNorm {
    private final double[] scale;
    private final double[] shift;

    LayerNorm(double[] scale, double[] shift) {
        this.scale = scale.clone();
        this.shift = shift.clone();
    }

    /** Returns the normalised rows. */
    double[] apply(ParallelLoops loops, double[] x) {
        int width = scale.length;
        double[] y = new double[x.length];
        loops.run(x.length / width, Linear.ROWS, (from, to) -> {
            for (int row = from; row < to; row++) {
                normalize(x, row * width, y);
            }
        });
        return y;
    }

    private void normalize(double[] x, int offset, double[] y) {
        int width = scale.length;
        double mean = 0;
        for (int i = 0; i < width; i++) {
            mean += x[offset + i];
        }
        mean /= width;
        double variance = 0;
        for (int i = 0; i < width; i++) {
            double difference = x[offset + i] - mean;
            variance += difference * difference;
        }
        double factor = 1 / Math.sqrt(variance / width + BlockSpec.NORM_EPSILON);
        for (int i = 0; i < width; i++) {
            y[offset + i] = (x[offset + i] - mean) * factor * scale[i] + shift[i];
        }
    }
}

package org.segformer3d.backend.tck;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.segformer3d.api.training.LossSpec;
import org.segformer3d.api.training.LossSpec.Activation;

/** The losses of {@link LossSpec} written out voxel by voxel in float64. */
final class WrittenLosses {
    private final LossSpec loss;
    private final double[] logits;
    private final double[] target;
    /** Which voxels count, (B,D,H,W). */
    private final boolean[] counted;

    private final int batch;
    private final int channels;
    private final int voxels;

    private WrittenLosses(LossSpec loss, double[] logits, double[] target, boolean[] counted, long[] shape) {
        this.loss = loss;
        this.logits = logits;
        this.target = target;
        this.counted = counted;
        this.batch = (int) shape[0];
        this.channels = (int) shape[1];
        this.voxels = logits.length / batch / channels;
    }

    /**
     * Returns a loss for which every voxel counts.
     *
     * @param shape (B,K,D,H,W) of logits and target
     */
    static double value(LossSpec loss, double[] logits, double[] target, long[] shape) {
        boolean[] all = new boolean[(int) (logits.length / shape[1])];
        Arrays.fill(all, true);
        return value(loss, logits, target, all, shape);
    }

    /**
     * Returns a loss.
     *
     * @param counted which voxels count, (B,D,H,W)
     * @param shape (B,K,D,H,W) of logits and target
     */
    static double value(LossSpec loss, double[] logits, double[] target, boolean[] counted, long[] shape) {
        WrittenLosses l = new WrittenLosses(loss, logits, target, counted, shape);
        return switch (loss.kind()) {
            case DICE -> l.dice();
            case CROSS_ENTROPY -> l.crossEntropy();
            case BINARY_CROSS_ENTROPY -> l.binaryCrossEntropy();
            case DICE_CROSS_ENTROPY ->
                loss.diceWeight() * l.dice()
                        + loss.otherWeight() * (l.channels == 1 ? l.binaryCrossEntropy() : l.crossEntropy());
            case DICE_FOCAL -> loss.diceWeight() * l.dice() + loss.otherWeight() * l.focal();
            case GENERALIZED_DICE -> l.generalizedDice();
        };
    }

    private int index(int b, int k, int v) {
        return (b * channels + k) * voxels + v;
    }

    /** Returns the voxels of a sample that count. */
    private int[] places(int b) {
        return IntStream.range(0, voxels).filter(v -> counted[b * voxels + v]).toArray();
    }

    /** First channel of the Dice and focal terms. */
    private int first() {
        return loss.includeBackground() || channels == 1 ? 0 : 1;
    }

    private double logSoftmax(int b, int k, int v) {
        double largest = Double.NEGATIVE_INFINITY;
        for (int j = 0; j < channels; j++) {
            largest = Math.max(largest, logits[index(b, j, v)]);
        }
        double sum = 0;
        for (int j = 0; j < channels; j++) {
            sum += Math.exp(logits[index(b, j, v)] - largest);
        }
        return logits[index(b, k, v)] - largest - Math.log(sum);
    }

    private double probability(int b, int k, int v) {
        return loss.activation() == Activation.SOFTMAX
                ? Math.exp(logSoftmax(b, k, v))
                : 1 / (1 + Math.exp(-logits[index(b, k, v)]));
    }

    private double dice() {
        int groups = loss.batch() ? 1 : batch;
        double sum = 0;
        for (int k = first(); k < channels; k++) {
            for (int group = 0; group < groups; group++) {
                double product = 0;
                double denominator = 0;
                boolean any = false;
                for (int b = loss.batch() ? 0 : group; b < (loss.batch() ? batch : group + 1); b++) {
                    for (int v : places(b)) {
                        any = true;
                        double p = probability(b, k, v);
                        double t = target[index(b, k, v)];
                        product += p * t;
                        denominator += loss.squared() ? p * p + t * t : p + t;
                    }
                }
                if (any) {
                    sum += 1 - (2 * product + loss.smoothNumerator()) / (denominator + loss.smoothDenominator());
                }
            }
        }
        return sum / groups / (channels - first());
    }

    private double crossEntropy() {
        double sum = 0;
        for (int b = 0; b < batch; b++) {
            int[] places = places(b);
            for (int k = 0; k < channels; k++) {
                for (int v : places) {
                    sum -= target[index(b, k, v)] * logSoftmax(b, k, v) / places.length;
                }
            }
        }
        return sum / batch;
    }

    /** −t log σ(x) − (1−t) log(1−σ(x)) = max(x,0) − x·t + log(1 + e^−|x|). */
    private double entropy(int i) {
        return Math.max(logits[i], 0) - logits[i] * target[i] + Math.log1p(Math.exp(-Math.abs(logits[i])));
    }

    private double binaryCrossEntropy() {
        double sum = 0;
        for (int b = 0; b < batch; b++) {
            int[] places = places(b);
            for (int k = 0; k < channels; k++) {
                for (int v : places) {
                    sum += entropy(index(b, k, v)) / places.length;
                }
            }
        }
        return sum / batch / channels;
    }

    private double focal() {
        double sum = 0;
        for (int b = 0; b < batch; b++) {
            int[] places = places(b);
            for (int k = first(); k < channels; k++) {
                for (int v : places) {
                    int i = index(b, k, v);
                    double p = 1 / (1 + Math.exp(-logits[i]));
                    double q = target[i] * p + (1 - target[i]) * (1 - p);
                    sum += Math.pow(1 - q, loss.focalGamma()) * entropy(i) / places.length;
                }
            }
        }
        return sum / batch / (channels - first());
    }

    private double generalizedDice() {
        double sum = 0;
        for (int b = 0; b < batch; b++) {
            int[] places = places(b);
            if (places.length == 0) {
                continue;
            }
            double[] weight = new double[channels];
            double largest = 0;
            for (int k = first(); k < channels; k++) {
                double size = 0;
                for (int v : places) {
                    size += target[index(b, k, v)];
                }
                weight[k] = 1 / (size * size);
                largest = Double.isInfinite(weight[k]) ? largest : Math.max(largest, weight[k]);
            }
            for (int k = first(); k < channels; k++) {
                double w = Double.isInfinite(weight[k]) ? largest : weight[k];
                double product = 0;
                double denominator = 0;
                for (int v : places) {
                    double p = probability(b, k, v);
                    double t = target[index(b, k, v)];
                    product += w * p * t;
                    denominator += w * (p + t);
                }
                sum += 1 - (2 * product + loss.smoothNumerator()) / (denominator + loss.smoothDenominator());
            }
        }
        return sum / batch / (channels - first());
    }
}

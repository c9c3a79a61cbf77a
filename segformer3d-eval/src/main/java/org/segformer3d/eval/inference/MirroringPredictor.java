package org.segformer3d.eval.inference;

import java.util.List;
import java.util.Objects;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;

/**
 * Test-time augmentation by mirroring: f̄(x) = 2⁻ⁿ Σ over all subsets S of n axes of flip_S(f(flip_S(x))), a mean of logits.
 *
 * <p>Costs 2ⁿ predictions a batch. Mirror only along axes that were mirrored in training: a network that tells left from right by
 * position gives nonsense on a mirrored image. Safe for concurrent use, as far as the predictor within is.
 */
public final class MirroringPredictor implements Predictor {
    private final Predictor inner;
    private final List<Integer> axes;

    /**
     * Wraps a predictor.
     *
     * @param inner never {@code null}
     * @param axes distinct spatial axes to mirror along: 0 depth, 1 height, 2 width; empty for none
     * @throws ConfigException when an axis is another number or appears twice
     */
    public MirroringPredictor(Predictor inner, List<Integer> axes) {
        this.inner = Objects.requireNonNull(inner, "inner");
        this.axes = checkedAxes(axes);
    }

    static List<Integer> checkedAxes(List<Integer> axes) {
        List<Integer> copy = List.copyOf(axes);
        if (copy.stream().anyMatch(axis -> axis < 0 || axis > 2)
                || copy.stream().distinct().count() != copy.size()) {
            throw ConfigException.of("mirror_axes", axes, "distinct axes out of 0, 1, 2");
        }
        return copy;
    }

    @Override
    public HostTensor predict(HostTensor batch) {
        HostTensor first = inner.predict(batch);
        if (axes.isEmpty()) {
            return first;
        }
        float[] sum = first.toFloats();
        int subsets = 1 << axes.size();
        for (int subset = 1; subset < subsets; subset++) {
            boolean[] mirrored = new boolean[3];
            for (int n = 0; n < axes.size(); n++) {
                mirrored[axes.get(n)] = (subset >> n & 1) == 1;
            }
            HostTensor input = HostTensor.zeros(DType.FLOAT32, batch.shape());
            input.floatBuffer().put(flip(batch.toFloats(), batch.shape(), mirrored));
            float[] logits = flip(inner.predict(input).toFloats(), first.shape(), mirrored);
            for (int n = 0; n < sum.length; n++) {
                sum[n] += logits[n];
            }
        }
        for (int n = 0; n < sum.length; n++) {
            sum[n] /= subsets;
        }
        return HostTensor.of(sum, first.shape());
    }

    /** Returns values (B, C, D, H, W) with the spatial axes reversed where told. */
    private static float[] flip(float[] values, long[] shape, boolean[] mirrored) {
        int depth = Math.toIntExact(shape[2]);
        int height = Math.toIntExact(shape[3]);
        int width = Math.toIntExact(shape[4]);
        float[] flipped = new float[values.length];
        for (int from = 0, to = 0; from < values.length; from += depth * height * width) {
            for (int d = 0; d < depth; d++) {
                int plane = from + (mirrored[0] ? depth - 1 - d : d) * height * width;
                for (int h = 0; h < height; h++, to += width) {
                    int row = plane + (mirrored[1] ? height - 1 - h : h) * width;
                    if (mirrored[2]) {
                        for (int w = 0; w < width; w++) {
                            flipped[to + w] = values[row + width - 1 - w];
                        }
                    } else {
                        System.arraycopy(values, row, flipped, to, width);
                    }
                }
            }
        }
        return flipped;
    }
}

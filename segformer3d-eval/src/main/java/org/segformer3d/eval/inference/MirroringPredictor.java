package org.segformer3d.eval.inference;

import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
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
        return predict(batch, Optional.empty());
    }

    @Override
    public HostTensor predict(HostTensor batch, Optional<HostTensor> spent) {
        HostTensor first = inner.predict(batch, axes.isEmpty() ? spent : Optional.empty());
        if (axes.isEmpty()) {
            return first;
        }
        long[] shape = first.shape();
        HostTensor sum = spent.filter(old -> old.dtype() == DType.FLOAT32 && Arrays.equals(old.shape(), shape))
                .orElseGet(() -> HostTensor.zeros(DType.FLOAT32, shape));
        sum.floatBuffer().put(first.toFloat32().floatBuffer());
        HostTensor input = HostTensor.zeros(DType.FLOAT32, batch.shape());
        Optional<HostTensor> last = first == batch ? Optional.empty() : Optional.of(first);
        int subsets = 1 << axes.size();
        for (int subset = 1; subset < subsets; subset++) {
            boolean[] mirrored = new boolean[3];
            for (int n = 0; n < axes.size(); n++) {
                mirrored[axes.get(n)] = (subset >> n & 1) == 1;
            }
            flip(batch, mirrored, input, false, 1);
            HostTensor logits = inner.predict(input, last);
            flip(logits.toFloat32(), mirrored, sum, true, subset == subsets - 1 ? subsets : 1);
            last = logits == input ? Optional.empty() : Optional.of(logits);
        }
        return sum;
    }

    /**
     * Puts values (B, C, D, H, W) with the spatial axes reversed where told to a target, or adds them to it and divides the sum.
     */
    private static void flip(HostTensor values, boolean[] mirrored, HostTensor target, boolean adding, int divisor) {
        int depth = Math.toIntExact(values.size(2));
        int height = Math.toIntExact(values.size(3));
        int width = Math.toIntExact(values.size(4));
        int volumes = Math.toIntExact(values.size(0) * values.size(1));
        FloatBuffer from = values.toFloat32().floatBuffer();
        FloatBuffer to = target.floatBuffer();
        float[] row = new float[width];
        float[] sum = new float[width];
        int at = 0;
        for (int v = 0; v < volumes; v++) {
            for (int d = 0; d < depth; d++) {
                int plane = (v * depth + (mirrored[0] ? depth - 1 - d : d)) * height;
                for (int h = 0; h < height; h++, at += width) {
                    from.get((plane + (mirrored[1] ? height - 1 - h : h)) * width, row);
                    if (mirrored[2]) {
                        reverse(row);
                    }
                    if (!adding) {
                        to.put(at, row);
                        continue;
                    }
                    to.get(at, sum);
                    for (int w = 0; w < width; w++) {
                        sum[w] = (sum[w] + row[w]) / divisor;
                    }
                    to.put(at, sum);
                }
            }
        }
    }

    private static void reverse(float[] row) {
        for (int a = 0, b = row.length - 1; a < b; a++, b--) {
            float value = row[a];
            row[a] = row[b];
            row[b] = value;
        }
    }
}

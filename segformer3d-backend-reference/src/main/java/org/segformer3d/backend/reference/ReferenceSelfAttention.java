package org.segformer3d.backend.reference;

import java.util.Arrays;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.BlockSpec.SelfAttentionSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.PerAxis;
import org.segformer3d.api.block.SelfAttention;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;

/** proj(softmax(q kᵀ / √d) v) per head, keys and values from a spatially reduced sequence. */
final class ReferenceSelfAttention implements SelfAttention {
    private final ReferenceBackend backend;
    private final SelfAttentionSpec spec;
    private final Linear query;
    private final Linear keyValue;
    private final Linear projection;
    private final Convolution reduction;
    private final LayerNorm reductionNorm;

    ReferenceSelfAttention(ReferenceBackend backend, SelfAttentionSpec spec, BlockParameters parameters) {
        this.backend = backend;
        this.spec = spec;
        int dim = spec.dim();
        PerAxis ratio = spec.srRatio();
        this.query = Weights.linear(backend, parameters, "query", dim, dim);
        this.keyValue = Weights.linear(backend, parameters, "key_value", dim, 2 * dim);
        this.projection = Weights.linear(backend, parameters, "proj", dim, dim);
        this.reduction = spec.reduces()
                ? Weights.convolution(backend, parameters, "sr", dim, dim, ratio, ratio, PerAxis.of(0))
                : null;
        this.reductionNorm = spec.reduces() ? Weights.layerNorm(backend, parameters, "sr_norm.", dim) : null;
    }

    @Override
    public SelfAttentionSpec spec() {
        return spec;
    }

    @Override
    public Tensor forward(Scope scope, Tensor x, Grid grid) {
        ReferenceScope owner = backend.scope(scope);
        TokenInput input = TokenInput.of(backend, x, spec.dim(), grid);
        ParallelLoops loops = backend.loops();
        double[] reduced = input.data();
        if (reduction != null) {
            double[] maps = Layout.toMaps(input.data(), input.batch(), spec.dim(), input.tokens());
            reduced = reductionNorm.apply(loops, reduction.apply(loops, maps, input.batch(), grid));
        }
        int rows = reduced.length / spec.dim();
        double[] queries = query.apply(loops, input.data(), input.rows());
        double[] keysAndValues = keyValue.apply(loops, reduced, rows);
        double[] attended = attend(queries, keysAndValues, input, rows / input.batch());
        return input.like(owner, projection.apply(loops, attended, input.rows()));
    }

    /**
     * Returns softmax(q kᵀ / √d) v of all heads, side by side.
     *
     * @param queries (B,N,heads,d)
     * @param keysAndValues (B,M,2,heads,d)
     * @param m M
     */
    private double[] attend(double[] queries, double[] keysAndValues, TokenInput input, int m) {
        int dim = spec.dim();
        int width = dim / spec.heads();
        int n = input.tokens();
        double scale = 1 / Math.sqrt(width);
        double[] result = new double[queries.length];
        int groups = input.batch() * spec.heads();
        for (int group = 0; group < groups; group++) {
            int b = group / spec.heads();
            int column = group % spec.heads() * width;
            double[] keys = new double[width * m]; // (d,M): scores are then sums over neighbouring keys
            double[] values = new double[m * width]; // (M,d)
            for (int j = 0; j < m; j++) {
                int row = (b * m + j) * 2 * dim + column;
                for (int i = 0; i < width; i++) {
                    keys[i * m + j] = keysAndValues[row + i] * scale;
                }
                System.arraycopy(keysAndValues, row + dim, values, j * width, width);
            }
            backend.loops().run(n, Linear.ROWS, (from, to) -> {
                double[] scores = new double[m];
                for (int token = from; token < to; token++) {
                    int at = (b * n + token) * dim + column;
                    Arrays.fill(scores, 0);
                    Linear.addProduct(queries, at, width, keys, 0, scores, 0, m);
                    softmax(scores);
                    Linear.addProduct(scores, 0, m, values, 0, result, at, width);
                }
            });
        }
        return result;
    }

    private static void softmax(double[] scores) {
        double largest = Double.NEGATIVE_INFINITY;
        for (double score : scores) {
            largest = Math.max(largest, score);
        }
        double sum = 0;
        for (int j = 0; j < scores.length; j++) {
            scores[j] = Math.exp(scores[j] - largest);
            sum += scores[j];
        }
        for (int j = 0; j < scores.length; j++) {
            scores[j] /= sum;
        }
    }
}

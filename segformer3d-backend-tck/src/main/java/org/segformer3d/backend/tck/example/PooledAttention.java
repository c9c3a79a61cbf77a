package org.segformer3d.backend.tck.example;

import java.util.Arrays;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.BlockSpec;
import org.segformer3d.api.block.BlockSpec.SelfAttentionSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.PerAxis;
import org.segformer3d.api.block.SelfAttention;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.api.tensor.Tensor;

/**
 * Self-attention whose keys and values come from average-pooled tokens: proj(softmax(q kᵀ / √d) v) with
 * y = LayerNorm(AvgPool(x; window = stride = sr ratio)) instead of the paper's strided convolution.
 *
 * <p>Windows at the far end of an axis may be smaller and average what they contain, so every token counts on any grid.
 */
final class PooledAttention implements SelfAttention {
    private final SelfAttentionSpec spec;
    private final double[] queryWeight;
    private final double[] queryBias;
    private final double[] keyValueWeight;
    private final double[] keyValueBias;
    private final double[] normWeight;
    private final double[] normBias;
    private final double[] projWeight;
    private final double[] projBias;

    PooledAttention(SelfAttentionSpec spec, BlockParameters parameters) {
        this.spec = spec;
        this.queryWeight = parameters.get("query.weight").toHost().toDoubles();
        this.queryBias = parameters.get("query.bias").toHost().toDoubles();
        this.keyValueWeight = parameters.get("key_value.weight").toHost().toDoubles();
        this.keyValueBias = parameters.get("key_value.bias").toHost().toDoubles();
        this.normWeight = parameters.get("pool_norm.weight").toHost().toDoubles();
        this.normBias = parameters.get("pool_norm.bias").toHost().toDoubles();
        this.projWeight = parameters.get("proj.weight").toHost().toDoubles();
        this.projBias = parameters.get("proj.bias").toHost().toDoubles();
    }

    @Override
    public SelfAttentionSpec spec() {
        return spec;
    }

    @Override
    public Tensor forward(Scope scope, Tensor x, Grid grid) {
        int dim = spec.dim();
        long[] shape = x.shape();
        if (shape.length != 3 || shape[1] != grid.tokens() || shape[2] != dim) {
            throw new IllegalArgumentException("tokens: found shape " + Shapes.text(shape) + ", expected (B,"
                    + grid.tokens() + "," + dim + ") on the grid " + grid);
        }
        int batch = Math.toIntExact(shape[0]);
        int n = grid.tokens();
        int m = pooled(grid, spec.srRatio()).tokens();
        double[] tokens = x.toHost().toDoubles();
        double[] result = new double[tokens.length];
        for (int b = 0; b < batch; b++) {
            double[] sample = Arrays.copyOfRange(tokens, b * n * dim, (b + 1) * n * dim);
            double[] q = linear(sample, n, queryWeight, queryBias);
            double[] kv = linear(normalize(pool(sample, grid)), m, keyValueWeight, keyValueBias);
            double[] y = linear(attend(q, n, kv, m), n, projWeight, projBias);
            System.arraycopy(y, 0, result, b * n * dim, y.length);
        }
        HostTensor host = HostTensor.of(result, shape);
        return scope.tensor(x.dtype() == DType.FLOAT64 ? host : host.toFloat32());
    }

    /** Returns the grid of the pooled tokens. */
    static Grid pooled(Grid grid, PerAxis ratio) {
        return new Grid(
                (grid.depth() + ratio.depth() - 1) / ratio.depth(),
                (grid.height() + ratio.height() - 1) / ratio.height(),
                (grid.width() + ratio.width() - 1) / ratio.width());
    }

    /** Returns (M,C): averages over windows of the tokens (N,C). */
    private double[] pool(double[] tokens, Grid grid) {
        int dim = spec.dim();
        PerAxis ratio = spec.srRatio();
        Grid to = pooled(grid, ratio);
        double[] sums = new double[to.tokens() * dim];
        int[] counts = new int[to.tokens()];
        for (int i = 0; i < grid.tokens(); i++) {
            int w = i % grid.width() / ratio.width();
            int h = i / grid.width() % grid.height() / ratio.height();
            int d = i / grid.width() / grid.height() / ratio.depth();
            int window = (d * to.height() + h) * to.width() + w;
            counts[window]++;
            for (int c = 0; c < dim; c++) {
                sums[window * dim + c] += tokens[i * dim + c];
            }
        }
        for (int i = 0; i < sums.length; i++) {
            sums[i] /= counts[i / dim];
        }
        return sums;
    }

    private double[] normalize(double[] rows) {
        int dim = spec.dim();
        double[] result = new double[rows.length];
        for (int row = 0; row < rows.length; row += dim) {
            double mean = 0;
            for (int c = 0; c < dim; c++) {
                mean += rows[row + c] / dim;
            }
            double variance = 0;
            for (int c = 0; c < dim; c++) {
                variance += (rows[row + c] - mean) * (rows[row + c] - mean) / dim;
            }
            double factor = 1 / Math.sqrt(variance + BlockSpec.NORM_EPSILON);
            for (int c = 0; c < dim; c++) {
                result[row + c] = (rows[row + c] - mean) * factor * normWeight[c] + normBias[c];
            }
        }
        return result;
    }

    private static double[] linear(double[] x, int rows, double[] weight, double[] bias) {
        int out = bias.length;
        int in = weight.length / out;
        double[] y = new double[rows * out];
        for (int i = 0; i < y.length; i++) {
            int row = i / out;
            int o = i % out;
            double sum = bias[o];
            for (int c = 0; c < in; c++) {
                sum += weight[o * in + c] * x[row * in + c];
            }
            y[i] = sum;
        }
        return y;
    }

    /** Returns softmax(q kᵀ / √d) v for queries (N,heads,d) and keys and values (M,2,heads,d). */
    private double[] attend(double[] q, int n, double[] kv, int m) {
        int dim = spec.dim();
        int width = dim / spec.heads();
        double[] result = new double[n * dim];
        double[] weights = new double[m];
        for (int i = 0; i < n; i++) {
            for (int column = 0; column < dim; column += width) {
                double largest = Double.NEGATIVE_INFINITY;
                for (int j = 0; j < m; j++) {
                    double score = 0;
                    for (int c = column; c < column + width; c++) {
                        score += q[i * dim + c] * kv[j * 2 * dim + c];
                    }
                    weights[j] = score / Math.sqrt(width);
                    largest = Math.max(largest, weights[j]);
                }
                double sum = 0;
                for (int j = 0; j < m; j++) {
                    weights[j] = Math.exp(weights[j] - largest);
                    sum += weights[j];
                }
                for (int j = 0; j < m; j++) {
                    for (int c = column; c < column + width; c++) {
                        result[i * dim + c] += weights[j] / sum * kv[(j * 2 + 1) * dim + c];
                    }
                }
            }
        }
        return result;
    }
}

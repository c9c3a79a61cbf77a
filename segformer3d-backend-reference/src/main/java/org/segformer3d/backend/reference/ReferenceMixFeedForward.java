package org.segformer3d.backend.reference;

import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.BlockSpec.MixFeedForwardSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.MixFeedForward;
import org.segformer3d.api.block.Mode;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;

/** fc2(GELU(BatchNorm(DWConv3d(fc1 x)))). */
final class ReferenceMixFeedForward implements MixFeedForward {
    private static final int KERNEL = 3;

    private final ReferenceBackend backend;
    private final MixFeedForwardSpec spec;
    private final Linear fc1;
    private final double[] taps; // (27, hidden)
    private final double[] tapBias;
    private final BatchNorm norm;
    private final Linear fc2;

    ReferenceMixFeedForward(ReferenceBackend backend, MixFeedForwardSpec spec, BlockParameters parameters, Mode mode) {
        this.backend = backend;
        this.spec = spec;
        int hidden = spec.hidden();
        this.fc1 = Weights.linear(backend, parameters, "fc1", spec.dim(), hidden);
        this.taps = Layout.transposed(
                Weights.of(backend, parameters, "dwconv.dwconv.weight", hidden, 1, KERNEL, KERNEL, KERNEL),
                hidden,
                KERNEL * KERNEL * KERNEL);
        this.tapBias =
                Weights.of(backend, parameters, "dwconv.dwconv.bias", hidden).clone();
        this.norm = new BatchNorm(backend, parameters.at("dwconv.bn."), hidden, mode);
        this.fc2 = Weights.linear(backend, parameters, "fc2", hidden, spec.dim());
    }

    @Override
    public MixFeedForwardSpec spec() {
        return spec;
    }

    @Override
    public Tensor forward(Scope scope, Tensor x, Grid grid) {
        ReferenceScope owner = backend.scope(scope);
        TokenInput input = TokenInput.of(backend, x, spec.dim(), grid);
        ParallelLoops loops = backend.loops();
        double[] widened = fc1.apply(loops, input.data(), input.rows());
        double[] mixed = depthwise(widened, input.batch(), grid);
        BatchNorm.Affine affine = norm.affine(mixed);
        int hidden = spec.hidden();
        loops.run(input.rows(), Linear.ROWS, (from, to) -> {
            for (int row = from; row < to; row++) {
                for (int c = 0; c < hidden; c++) {
                    mixed[row * hidden + c] = ErrorFunction.gelu(affine.apply(mixed[row * hidden + c], c));
                }
            }
        });
        return input.like(owner, fc2.apply(loops, mixed, input.rows()));
    }

    /** Convolves each channel by itself with its 3³ kernel, padding 1. */
    private double[] depthwise(double[] x, int batch, Grid grid) {
        int hidden = spec.hidden();
        int tokens = grid.tokens();
        double[] y = new double[x.length];
        backend.loops().run(batch * tokens, Linear.ROWS, (from, to) -> {
            for (int row = from; row < to; row++) {
                int n = row % tokens;
                int w = n % grid.width();
                int h = n / grid.width() % grid.height();
                int d = n / grid.width() / grid.height();
                System.arraycopy(tapBias, 0, y, row * hidden, hidden);
                for (int tap = 0; tap < KERNEL * KERNEL * KERNEL; tap++) {
                    int dd = d + tap / 9 - 1;
                    int hh = h + tap / 3 % 3 - 1;
                    int ww = w + tap % 3 - 1;
                    if (dd >= 0 && dd < grid.depth() && hh >= 0 && hh < grid.height() && ww >= 0 && ww < grid.width()) {
                        int neighbour = row - n + (dd * grid.height() + hh) * grid.width() + ww;
                        addTap(x, neighbour * hidden, tap * hidden, y, row * hidden);
                    }
                }
            }
        });
        return y;
    }

    private void addTap(double[] x, int xOffset, int tapOffset, double[] y, int yOffset) {
        for (int c = 0; c < spec.hidden(); c++) {
            y[yOffset + c] += x[xOffset + c] * taps[tapOffset + c];
        }
    }
}

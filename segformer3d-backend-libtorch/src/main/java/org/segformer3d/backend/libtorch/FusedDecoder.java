package org.segformer3d.backend.libtorch;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.segformer3d.api.block.BlockSpec;
import org.segformer3d.api.block.BlockSpec.DecoderSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.HostTensor;

/**
 * The all-MLP decoder for inference, without its wide maps.
 *
 * <p>With W, b the projection of a stage centred over its outputs, LayerNorm(Wx+b) = (Wx+b)/σ·γ + β, and σ² = ‖Wx+b‖²/E + ε is a
 * quadratic form of (x,1). The 1³ fuse convolution S acts on each stage separately and commutes with resizing, whose weights sum to 1. So
 * a stage contributes resize((1/σ)·A(x,1)) with A = S·diag(γ)·(W,b), and all the constants S·β are one bias. The BatchNorm after the fuse
 * convolution is folded into S and that bias.
 *
 * <p>Resizing is separable: coarse stages are resized along w and h while small, then one product with the concatenated depth matrices adds
 * them all, slab by slab of h, so that the widest map never exists as a whole.
 */
final class FusedDecoder {
    /** Elements of a slab at most: it should stay in a core's cache. */
    private static final int SLAB_ELEMENTS = 1 << 19;

    private final LibtorchBackend backend;
    private final DecoderSpec spec;
    private final List<Projection> projections = new ArrayList<>();
    private final Tensor bias;
    private final Tensor predict;
    private final Tensor predictBias;

    /**
     * A stage's collapsed Linear → LayerNorm → fuse.
     *
     * @param gram (C,C), quadratic part of the variance
     * @param linear (C), linear part of the variance, doubled
     * @param constant constant part of the variance, with ε
     * @param product (C+1,E): A transposed, its constant part last
     */
    private record Projection(Tensor gram, Tensor linear, double constant, Tensor product) {}

    FusedDecoder(LibtorchBackend backend, DecoderSpec spec, PreparedWeights weights, String prefix) {
        this.backend = backend;
        this.spec = spec;
        int stages = spec.featureDims().size();
        String bn = prefix + "linear_fuse.1.";
        Tensor scale = weights.batchNormScale(bn);
        Tensor constants = weights.exact(bn + "bias")
                .sub(weights.exact(bn + "running_mean").mul(scale));
        Tensor fuse = weights.exact(prefix + "linear_fuse.0.weight").flatten(1, 4);
        long e = fuse.size(0);
        for (int i = 0; i < stages; i++) {
            String stage = prefix + "linear_c" + (i + 1) + ".";
            // concatenated coarsest first
            Tensor slice = fuse.narrow(1, (stages - 1 - i) * e, e).mul(scale.unsqueeze(1));
            Tensor affine = Functional.cat(
                    1,
                    weights.exact(stage + "proj.weight"),
                    weights.exact(stage + "proj.bias").unsqueeze(1));
            Tensor centred =
                    affine.sub(affine.mean(new long[] {0}, true, new org.bytedeco.pytorch.ScalarTypeOptional()));
            long c = centred.size(1) - 1;
            Tensor gram = centred.t().matmul(centred).div(new Scalar((double) e));
            Tensor product =
                    slice.matmul(weights.exact(stage + "bn.weight").unsqueeze(1).mul(centred));
            projections.add(new Projection(
                    weights.keep(gram.narrow(0, 0, c).narrow(1, 0, c)),
                    weights.keep(gram.narrow(0, c, 1).narrow(1, 0, c).flatten().mul(new Scalar(2.0))),
                    gram.narrow(0, c, 1).narrow(1, c, 1).item().toDouble() + BlockSpec.NORM_EPSILON,
                    weights.keep(product.t())));
            constants = constants.add(slice.mv(weights.exact(stage + "bn.bias")));
        }
        this.bias = weights.keep(constants);
        this.predict = weights.keep(weights.exact(prefix + "linear_pred.weight").flatten(1, 4));
        this.predictBias =
                weights.keep(weights.exact(prefix + "linear_pred.bias").unsqueeze(1));
    }

    /**
     * Computes logits of one volume.
     *
     * @param tokens (1,N,C) of every stage, finest first
     * @param grids their extents
     * @return (1,classes,D,H,W)
     */
    Tensor forward(List<Tensor> tokens, List<Grid> grids) {
        Grid finest = grids.get(0);
        Tensor scaled = FusedModel.step(() -> scaled(0, tokens.get(0)));
        List<Tensor> coarse = new ArrayList<>();
        List<Tensor> depths = new ArrayList<>();
        for (int i = tokens.size() - 1; i > 0; i--) {
            int stage = i;
            Grid grid = grids.get(i);
            coarse.add(FusedModel.step(() -> widened(stage, tokens.get(stage), grid, finest)));
            depths.add(resizing(grid.depth(), finest.depth()));
        }
        Tensor rows = FusedModel.step(() -> Functional.cat(1, coarse.toArray(new Tensor[0])));
        coarse.forEach(FusedModel::release);
        Tensor logits =
                FusedModel.step(() -> slabs(scaled, rows, Functional.cat(1, depths.toArray(new Tensor[0])), finest));
        FusedModel.release(rows);
        return upsampled(logits, finest);
    }

    /** Returns (x,1)/σ, (N,C+1). */
    private Tensor scaled(int stage, Tensor tokens) {
        Projection p = projections.get(stage);
        Tensor x = tokens.squeeze(0);
        Tensor inverse = Functional.linear(x, p.gram(), p.linear())
                .mul_(x)
                .sum(new long[] {1}, true, new org.bytedeco.pytorch.ScalarTypeOptional())
                .add_(new Scalar(p.constant()))
                .rsqrt_();
        return Functional.cat(1, x.mul(inverse), inverse);
    }

    /** Returns a coarse stage's contribution at its own depth and the finest height and width, (H, d, W·E). */
    private Tensor widened(int stage, Tensor tokens, Grid grid, Grid finest) {
        Tensor own = scaled(stage, tokens).matmul(projections.get(stage).product());
        if (stage == projections.size() - 1) {
            // resizing leaves a constant as it is, so the bias is added where the map is smallest
            own.add_(bias);
        }
        long e = own.size(1);
        long d = grid.depth();
        // h first, so that one row of the result is contiguous
        Tensor turned =
                own.view(d, grid.height(), grid.width(), e).transpose(0, 1).contiguous();
        Tensor wide = each(resizing(grid.width(), finest.width()), turned.view(d * grid.height(), grid.width(), e));
        Tensor high =
                torch.mm(resizing(grid.height(), finest.height()), wide.view(grid.height(), d * finest.width() * e));
        return high.view(finest.height(), d, finest.width() * e);
    }

    /** Returns the logits at the finest stage's resolution, (classes, D, H, W). */
    private Tensor slabs(Tensor scaled, Tensor rows, Tensor depths, Grid finest) {
        Tensor product = projections.get(0).product();
        long e = product.size(1);
        Tensor cells = scaled.view(finest.depth(), finest.height(), finest.width(), scaled.size(1));
        Tensor logits = torch.empty(
                new long[] {predict.size(0), finest.depth(), finest.height(), finest.width()},
                backend.floating(),
                new org.bytedeco.pytorch.MemoryFormatOptional());
        int most = (int) Math.max(1, SLAB_ELEMENTS / ((long) finest.depth() * finest.width() * e));
        for (int h = 0; h < finest.height(); h += most) {
            int from = h;
            int count = Math.min(most, finest.height() - h);
            LibtorchBackend.scoped(() -> {
                Tensor y = each(depths, rows.narrow(0, from, count)).view(-1, e);
                y.addmm_(cells.narrow(1, from, count).transpose(0, 1).reshape(-1, product.size(0)), product);
                Tensor part = torch.addmm(predictBias, predict, y.relu_().t());
                return logits.narrow(2, from, count)
                        .copy_(part.view(-1, count, finest.depth(), finest.width())
                                .transpose(1, 2));
            });
        }
        return logits;
    }

    /** Resizes logits to the input's resolution, (1,classes,·,·,·). */
    private Tensor upsampled(Tensor logits, Grid finest) {
        int up = spec.upsampling();
        long classes = logits.size(0);
        int d = finest.depth() * up;
        int h = finest.height() * up;
        int w = finest.width() * up;
        Tensor wide = torch.matmul(logits, resizing(finest.width(), w).t());
        Tensor high = each(resizing(finest.height(), h), wide.view(-1, finest.height(), w));
        Tensor deep = each(resizing(finest.depth(), d), high.view(classes, finest.depth(), (long) h * w));
        return deep.view(1, classes, d, h, w);
    }

    /** Multiplies every matrix of a stack (n,k,m) by one matrix from the left; torch.matmul would turn and copy the stack. */
    private static Tensor each(Tensor matrix, Tensor stack) {
        return torch.bmm(matrix.unsqueeze(0).expand(stack.size(0), matrix.size(0), matrix.size(1)), stack);
    }

    /** Returns the matrix (to, from) of linear interpolation, align_corners=False. */
    private Tensor resizing(int from, int to) {
        double[] matrix = new double[to * from];
        for (int i = 0; i < to; i++) {
            double position = Math.max((i + 0.5) * from / to - 0.5, 0);
            int low = (int) position;
            int high = Math.min(low + 1, from - 1);
            double t = position - low;
            matrix[i * from + low] += 1 - t;
            matrix[i * from + high] += t;
        }
        return backend.copyIn(HostTensor.of(matrix, to, from));
    }
}

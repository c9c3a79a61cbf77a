package org.segformer3d.backend.libtorch;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.segformer3d.api.block.BlockSpec;
import org.segformer3d.api.block.BlockSpec.DecoderSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.Device;

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
    private static final int SLAB_ELEMENTS = 1 << 18;

    /** Columns of a part of the last product. */
    private static final int COLUMNS = 4096;

    private final LibtorchBackend backend;
    private final Team team;
    private final DecoderSpec spec;
    private final boolean cpu;
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

    FusedDecoder(LibtorchBackend backend, Team team, DecoderSpec spec, PreparedWeights weights, String prefix) {
        this.backend = backend;
        this.team = team;
        this.spec = spec;
        this.cpu = backend.device().type() == Device.Type.CPU;
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
            Tensor centred = affine.sub(affine.mean(new long[] {0}, true, new ScalarTypeOptional()));
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
        this.predict = weights.keep(
                weights.exact(prefix + "linear_pred.weight").flatten(1, 4).t());
        this.predictBias = weights.keep(weights.exact(prefix + "linear_pred.bias"));
    }

    /**
     * Computes logits of one volume.
     *
     * @param tokens (N,C) of every stage, finest first
     * @param grids their extents
     * @param target gets the logits, contiguous (1,classes,D,H,W) at the size that the finest stage's upsampling gives
     */
    void forward(List<Tensor> tokens, List<Grid> grids, Tensor target) {
        Grid finest = grids.get(0);
        Tensor logits = FusedModel.step(() -> {
            Tensor[] depths = new Tensor[tokens.size() - 1];
            int[] offsets = new int[tokens.size()];
            int rows = 0;
            for (int i = tokens.size() - 1; i > 0; i--) {
                depths[depths.length - i] =
                        Resizing.matrix(backend, grids.get(i).depth(), finest.depth());
                offsets[i] = rows;
                rows += grids.get(i).depth();
            }
            Tensor coarse = empty(rows, finest.height(), (long) finest.width() * bias.size(0));
            for (int i = tokens.size() - 1; i > 0; i--) {
                widen(i, tokens.get(i), grids.get(i), finest, coarse, offsets[i]);
            }
            return slabs(tokens.get(0), coarse, Functional.cat(1, depths), finest);
        });
        upsample(logits, finest, target);
    }

    /** Returns (x,1)/σ of some tokens (n,C), (n,C+1). */
    private static Tensor scaled(Projection p, Tensor x) {
        Tensor inverse = Functional.linear(x, p.gram(), p.linear())
                .mul_(x)
                .sum(new long[] {1}, true, new ScalarTypeOptional())
                .add_(new Scalar(p.constant()))
                .rsqrt_();
        return Functional.cat(1, x.mul(inverse), inverse);
    }

    /**
     * Makes a coarse stage's contribution at its own depth and the finest height and width.
     *
     * @param rows (·, H, W·E), written from {@code offset} on
     */
    private void widen(int stage, Tensor tokens, Grid grid, Grid finest, Tensor rows, int offset) {
        Projection p = projections.get(stage);
        Tensor h = Resizing.matrix(backend, grid.height(), finest.height());
        Tensor w = Resizing.matrix(backend, grid.width(), finest.width());
        long e = bias.size(0);
        int slice = grid.height() * grid.width();
        long widened = (long) grid.depth() * finest.height() * finest.width() * e;
        int parts = cpu ? (int) Math.max(1, Math.min(grid.depth(), widened / SLAB_ELEMENTS)) : 1;
        team.each(parts, i -> {
            int from = (int) ((long) i * grid.depth() / parts);
            int slices = (int) ((i + 1L) * grid.depth() / parts) - from;
            Tensor own = scaled(p, tokens.narrow(0, (long) from * slice, (long) slices * slice))
                    .mm(p.product());
            if (stage == projections.size() - 1) {
                // resizing leaves a constant as it is, so the bias is added where the map is smallest
                own.add_(bias);
            }
            Tensor wide = each(w, own.view((long) slices * grid.height(), grid.width(), e));
            Products.eachHereInto(
                    rows.narrow(0, offset + (long) from, slices),
                    h,
                    wide.view(slices, grid.height(), finest.width() * e));
        });
    }

    /** Returns the logits at the finest stage's resolution, (classes, D, H, W). */
    private Tensor slabs(Tensor tokens, Tensor rows, Tensor depths, Grid finest) {
        Projection p = projections.get(0);
        long e = bias.size(0);
        Tensor cells = tokens.view(finest.depth(), finest.height(), finest.width(), tokens.size(1));
        Tensor logits = torch.empty(
                new long[] {predict.size(1), finest.depth(), finest.height(), finest.width()},
                backend.floating(),
                new MemoryFormatOptional());
        int most =
                cpu ? (int) Math.max(1, SLAB_ELEMENTS / ((long) finest.depth() * finest.width() * e)) : finest.height();
        team.each((finest.height() + most - 1) / most, i -> {
            int from = i * most;
            int count = Math.min(most, finest.height() - from);
            Tensor y = each(depths, rows.narrow(1, from, count).transpose(0, 1)).view(-1, e);
            Tensor own = cells.narrow(1, from, count).transpose(0, 1).reshape(-1, cells.size(3));
            y.addmm_(scaled(p, own), p.product());
            Tensor part = torch.addmm(predictBias, y.relu_(), predict);
            logits.narrow(2, from, count)
                    .copy_(part.view(count, finest.depth(), finest.width(), -1).permute(3, 1, 0, 2));
        });
        return logits;
    }

    /** Resizes logits to the input's resolution. */
    private void upsample(Tensor logits, Grid finest, Tensor target) {
        int up = spec.upsampling().only();
        long classes = logits.size(0);
        int d = finest.depth() * up;
        int h = finest.height() * up;
        int w = finest.width() * up;
        Tensor result = target.view(classes, d, (long) h * w);
        LibtorchBackend.scoped(() -> {
            Tensor wide = Resizing.matrix(backend, finest.width(), w).t();
            Tensor high = Resizing.matrix(backend, finest.height(), h);
            Tensor deep = Resizing.matrix(backend, finest.depth(), d);
            Tensor planes = empty(classes, finest.depth(), (long) h * w);
            int stack = (int) classes * finest.depth();
            int slabs = cpu ? (int) Math.max(1, Math.min(stack, (long) stack * h * w / SLAB_ELEMENTS)) : 1;
            team.each(slabs, i -> {
                long from = (long) i * stack / slabs;
                long count = (i + 1L) * stack / slabs - from;
                Tensor own = logits.view(-1, finest.height(), finest.width()).narrow(0, from, count);
                planes.view(-1, h, w).narrow(0, from, count).copy_(each(high, torch.matmul(own, wide)));
            });
            // columns of the product along depth, a part of them at a time
            int columns = cpu ? Math.max(1, h * w / COLUMNS) : 1;
            team.each((int) classes * columns, i -> {
                int k = i / columns;
                long from = (long) (i % columns) * h * w / columns;
                long to = (long) (i % columns + 1) * h * w / columns;
                torch.mm_out(
                        result.select(0, k).narrow(1, from, to - from),
                        deep,
                        planes.select(0, k).narrow(1, from, to - from));
            });
            return null;
        });
    }

    private Tensor empty(long... shape) {
        return torch.empty(shape, backend.floating(), new MemoryFormatOptional());
    }

    /** Multiplies every matrix of a stack (n,k,m) by one matrix from the left; torch.matmul would turn and copy the stack. */
    private static Tensor each(Tensor matrix, Tensor stack) {
        Tensor result = torch.empty(
                new long[] {stack.size(0), matrix.size(0), stack.size(2)}, stack.options(), new MemoryFormatOptional());
        Products.eachHereInto(result, matrix, stack);
        return result;
    }
}

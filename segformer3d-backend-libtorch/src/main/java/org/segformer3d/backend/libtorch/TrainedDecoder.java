package org.segformer3d.backend.libtorch;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.segformer3d.api.block.BlockSpec;
import org.segformer3d.api.block.BlockSpec.DecoderSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.ops.Pass;

/**
 * The all-MLP decoder in training, collapsed like {@link FusedDecoder}, with its gradients.
 *
 * <p>A stage contributes resize(A·x̃) to the map before the BatchNorm, with x̃ = (x,1)/σ, A = S·diag(γ)·W and W the projection with its
 * bias, centred over its outputs. σ² = (x,1)ᵀG(x,1) + ε with G = WᵀW/E. The constants S·β are the same everywhere, so the BatchNorm takes
 * them away: they only move its running mean, and the gradient at β is zero. The one wide map, (B,H,D,W,E), is kept for the backward
 * pass; h comes first so that a slab of it is contiguous.
 */
final class TrainedDecoder {
    /** Elements of a slab at most: it should stay in the cache. */
    private static final int SLAB_ELEMENTS = 1 << 19;

    private final LibtorchBackend backend;
    private final Products products;
    private final DecoderSpec spec;
    private final Scratch scratch;
    private final boolean recomputes;
    private final List<Projection> projections = new ArrayList<>();
    private final TrainedBatchNorm batchNorm;
    private final Tensor predict;
    private final Tensor predictBias;
    private final Supplier<Tensor> predictGradient;
    private final Supplier<Tensor> predictBiasGradient;
    private final Kept kept = new Kept();
    private List<Tensor> features;
    private List<Grid> grids;
    private long batch;
    private TrainedBatchNorm.Statistics statistics;
    private Tensor wide;
    private Inside inside;
    private Tensor mask;

    /** A stage's Linear → LayerNorm → slice of the fuse convolution, and where their gradients go. */
    private final class Projection {
        private final Tensor weight;
        private final Tensor bias;
        private final Tensor scale;
        private final Tensor shift;
        private final Tensor slice;
        private final Supplier<Tensor> weightGradient;
        private final Supplier<Tensor> biasGradient;
        private final Supplier<Tensor> scaleGradient;
        private final Supplier<Tensor> fuseGradient;
        private final int stage;

        Projection(TrainedWeights weights, int stage) {
            String name = "linear_c" + (stage + 1) + ".";
            weight = weights.get(name + "proj.weight");
            bias = weights.get(name + "proj.bias");
            scale = weights.get(name + "bn.weight");
            shift = weights.get(name + "bn.bias");
            weightGradient = weights.gradient(name + "proj.weight");
            biasGradient = weights.gradient(name + "proj.bias");
            scaleGradient = weights.gradient(name + "bn.weight");
            slice = sliceOf(weights.get("linear_fuse.0.weight"), stage);
            fuseGradient = weights.gradient("linear_fuse.0.weight");
            this.stage = stage;
            slice.retainReference();
        }

        private Tensor sliceOf(Tensor fuse, int stage) {
            long e = spec.dim();
            // concatenated coarsest first
            return fuse.flatten(1, 4).narrow(1, (spec.featureDims().size() - 1 - stage) * e, e);
        }

        Collapsed collapse() {
            Tensor affine = Functional.cat(1, weight, bias.unsqueeze(1));
            Tensor centred = affine.sub(affine.mean(new long[] {0}, true, new ScalarTypeOptional()));
            Tensor exact = centred.to(torch.ScalarType.Double);
            Tensor gram = exact.t()
                    .matmul(exact)
                    .div_(new Scalar((double) spec.dim()))
                    .to(centred.scalar_type());
            Tensor scaled = scale.unsqueeze(1).mul(centred);
            return new Collapsed(centred, gram, scaled, slice.matmul(scaled));
        }

        /**
         * Adds the weights' gradients.
         *
         * @param dProduct gradient at A
         * @param dCentred gradient at W by way of σ
         */
        void add(Collapsed c, Tensor dProduct, Tensor dCentred) {
            sliceOf(fuseGradient.get(), stage).addmm_(dProduct, c.scaled().t());
            Tensor dScaled = slice.t().matmul(dProduct);
            scaleGradient.get().add_(dScaled.mul(c.centred()).sum(1));
            dCentred.addcmul_(scale.unsqueeze(1), dScaled);
            dCentred.sub_(dCentred.mean(new long[] {0}, true, new ScalarTypeOptional()));
            long channels = weight.size(1);
            weightGradient.get().add_(dCentred.narrow(1, 0, channels));
            biasGradient.get().add_(dCentred.select(1, channels));
        }

        void close() {
            slice.close();
        }
    }

    /**
     * A stage's weights as one product.
     *
     * @param centred W (E,C+1)
     * @param gram G (C+1,C+1)
     * @param scaled diag(γ)·W
     * @param product A (E,C+1)
     */
    private record Collapsed(Tensor centred, Tensor gram, Tensor scaled, Tensor product) {
        void keptBy(Kept kept) {
            kept.keep(centred);
            kept.keep(gram);
            kept.keep(scaled);
            kept.keep(product);
        }
    }

    /**
     * What is kept, or computed again.
     *
     * @param collapsed of every stage
     * @param scaled x̃ of every stage, (R,C+1); the finest stage's rows in the order (B,H,D,W)
     * @param wide the map before the BatchNorm, (B·H·D·W,E)
     */
    private record Inside(List<Collapsed> collapsed, List<Tensor> scaled, Tensor wide) {
        void keptBy(Kept kept) {
            collapsed.forEach(c -> c.keptBy(kept));
        }
    }

    TrainedDecoder(
            LibtorchBackend backend,
            Products products,
            DecoderSpec spec,
            TrainedWeights weights,
            Scratch scratch,
            SharedBatchNorm shared,
            boolean recomputes) {
        this.backend = backend;
        this.products = products;
        this.spec = spec;
        this.scratch = scratch;
        this.recomputes = recomputes;
        LibtorchBackend.scoped(() -> {
            for (int i = 0; i < spec.featureDims().size(); i++) {
                projections.add(new Projection(weights, i));
            }
            return null;
        });
        this.batchNorm = new TrainedBatchNorm(weights.at("linear_fuse.1."), shared);
        this.predict = weights.get("linear_pred.weight");
        this.predictBias = weights.get("linear_pred.bias");
        this.predictGradient = weights.gradient("linear_pred.weight");
        this.predictBiasGradient = weights.gradient("linear_pred.bias");
    }

    /**
     * Computes logits (B,K,D,H,W).
     *
     * @param tokens (B·N,C) of every stage, finest first
     * @param sizes their extents
     * @param samples B
     * @param pass whose dropout this is
     */
    Tensor forward(List<Tensor> tokens, List<Grid> sizes, long samples, Pass pass) {
        features = List.copyOf(tokens);
        features.forEach(kept::keep);
        grids = sizes;
        batch = samples;
        wide = kept.place(backend.floating(), batch * grids.get(0).tokens(), spec.dim());
        Inside made = inside();
        statistics = batchNorm.measure(products.workers(), made.wide()).keptBy(kept);
        batchNorm.shiftRunningMean(constants());
        if (!recomputes) {
            made.keptBy(kept);
            inside = made;
        }
        if (spec.dropout() > 0) {
            mask = kept.keep(mask(pass));
        }
        Tensor scale = batchNorm.scale(statistics);
        Tensor shift = batchNorm.shift(statistics, scale);
        Tensor kernel = predict.flatten(1, 4);
        Grid finest = grids.get(0);
        int up = spec.upsampling().only();
        Tensor logits = torch.empty(
                new long[] {batch, predict.size(0), finest.depth() * up, finest.height() * up, finest.width() * up},
                backend.floating(),
                new MemoryFormatOptional());
        products.workers().each(batch, b -> {
            Tensor low = torch.empty(
                    new long[] {finest.tokens(), predict.size(0)}, backend.floating(), new MemoryFormatOptional());
            Tensor wide = sample(made.wide(), b);
            Tensor ownMask = mask == null ? null : sample(mask, b);
            slabs((first, count) -> low.narrow(0, first, count)
                    .copy_(products.times(activated(wide, ownMask, scale, shift, first, count), kernel, predictBias)));
            upsample(logits.select(0, b), inVoxelOrder(low));
        });
        return logits;
    }

    private Tensor sample(Tensor rows, int b) {
        long count = rows.size(0) / batch;
        return rows.narrow(0, b * count, count);
    }

    /** ReLU(BatchNorm) of some rows, with dropout. */
    private static Tensor activated(Tensor wide, Tensor mask, Tensor scale, Tensor shift, long first, long count) {
        Tensor y = Products.affine(wide.narrow(0, first, count), scale, shift).relu_();
        return mask == null ? y : y.mul_(mask.narrow(0, first, count));
    }

    private interface Slab {
        Tensor on(long first, long count);
    }

    /** Runs over the rows of a sample of the wide map a slab at a time; what is made for one is released before the next. */
    private void slabs(Slab action) {
        long rows = grids.get(0).tokens();
        long most = Math.max(1, SLAB_ELEMENTS / spec.dim());
        for (long from = 0; from < rows; from += most) {
            long first = from;
            long count = Math.min(most, rows - from);
            LibtorchBackend.scoped(() -> action.on(first, count));
        }
    }

    /** The constants S·β of all stages, (E). */
    private Tensor constants() {
        Tensor sum = projections.get(0).slice.mv(projections.get(0).shift);
        for (Projection p : projections.subList(1, projections.size())) {
            sum.add_(p.slice.mv(p.shift));
        }
        return sum;
    }

    /** The mask of dropout in the order of the wide map; the same elements are dropped as in the plain form. */
    private Tensor mask(Pass pass) {
        Grid finest = grids.get(0);
        return Dropout.mask(
                        backend,
                        pass,
                        0,
                        new long[] {batch, spec.dim(), finest.depth(), finest.height(), finest.width()},
                        DTypes.of(backend.computeType()),
                        spec.dropout())
                .permute(0, 3, 2, 4, 1)
                .reshape(-1, spec.dim());
    }

    private Inside inside() {
        Grid finest = grids.get(0);
        int stages = projections.size();
        List<Collapsed> collapsed = new ArrayList<>();
        List<Tensor> scaled = new ArrayList<>();
        for (int i = 0; i < stages; i++) {
            collapsed.add(projections.get(i).collapse());
            long[] shape = {features.get(i).size(0), features.get(i).size(1) + 1};
            scaled.add(
                    recomputes
                            ? torch.empty(shape, backend.floating(), new MemoryFormatOptional())
                            : kept.place(backend.floating(), shape));
        }
        Tensor depths = depths();
        products.workers().each(batch, b -> {
            List<Tensor> own = new ArrayList<>();
            for (int i = 0; i < stages; i++) {
                Tensor x = sample(features.get(i), b);
                own.add(sample(scaled.get(i), b));
                scale(own.get(i), collapsed.get(i), i == 0 ? turned(x) : x);
            }
            addSample(
                    sample(wide, b),
                    rows(collapsed, own),
                    depths,
                    own.get(0),
                    collapsed.get(0).product());
        });
        return new Inside(collapsed, scaled, wide);
    }

    /** A sample's (D,H,W) rows → (H,D,W) rows. */
    private Tensor turned(Tensor tokens) {
        Grid finest = grids.get(0);
        return tokens.view(finest.depth(), finest.height(), finest.width(), tokens.size(1))
                .transpose(0, 1)
                .reshape(-1, tokens.size(1));
    }

    /** A sample's (H,D,W) rows → (D,H,W) rows. */
    private Tensor turnedBack(Tensor tokens) {
        Grid finest = grids.get(0);
        return tokens.view(finest.height(), finest.depth(), finest.width(), tokens.size(1))
                .transpose(0, 1)
                .reshape(-1, tokens.size(1));
    }

    /** Writes x̃ = (x,1)/σ, (R,C+1). */
    private void scale(Tensor target, Collapsed c, Tensor x) {
        long channels = x.size(1);
        Tensor quadratic = c.gram().narrow(0, 0, channels).narrow(1, 0, channels);
        Tensor linear = c.gram().select(0, channels).narrow(0, 0, channels);
        Tensor inverse = products.times(x, quadratic, linear.mul(new Scalar(2.0)))
                .mul_(x)
                .sum(new long[] {1}, true, new ScalarTypeOptional())
                .add_(c.gram().select(0, channels).narrow(0, channels, 1))
                .add_(new Scalar(BlockSpec.NORM_EPSILON))
                .rsqrt_();
        torch.mul_out(target.narrow(1, 0, channels), x, inverse);
        target.narrow(1, channels, 1).copy_(inverse);
    }

    /** The depth matrices of the coarse stages side by side, (D,Σd), coarsest first. */
    private Tensor depths() {
        List<Tensor> matrices = new ArrayList<>();
        for (int i = projections.size() - 1; i > 0; i--) {
            matrices.add(
                    Resizing.matrix(backend, grids.get(i).depth(), grids.get(0).depth()));
        }
        return Functional.cat(1, matrices.toArray(new Tensor[0]));
    }

    /** Returns what the coarse stages contribute to a sample, at their own depths and the finest height and width, (H,Σd,W·E). */
    private Tensor rows(List<Collapsed> collapsed, List<Tensor> scaled) {
        Grid finest = grids.get(0);
        long e = spec.dim();
        long depth = grids.stream().skip(1).mapToLong(Grid::depth).sum();
        Tensor all = torch.empty(
                new long[] {finest.height(), depth, finest.width() * e},
                backend.floating(),
                new MemoryFormatOptional());
        long next = 0;
        for (int i = projections.size() - 1; i > 0; i--) {
            int stage = i;
            Grid grid = grids.get(i);
            Tensor target = all.narrow(1, next, grid.depth()).flatten(1, 2);
            LibtorchBackend.scoped(() -> {
                Tensor own =
                        products.times(scaled.get(stage), collapsed.get(stage).product(), null);
                // h first, so that one row of the result is contiguous
                Tensor turned = own.view(grid.depth(), grid.height(), grid.width(), e)
                        .transpose(0, 1)
                        .contiguous();
                Tensor wide = products.each(
                        Resizing.matrix(backend, grid.width(), finest.width()), turned.view(-1, grid.width(), e));
                products.multiplyInto(
                        target, Resizing.matrix(backend, grid.height(), finest.height()), wide.view(grid.height(), -1));
                return null;
            });
            next += grid.depth();
        }
        return all;
    }

    /** Writes a sample of the wide map, some h at a time. */
    private void addSample(Tensor wide, Tensor rows, Tensor depths, Tensor scaled, Tensor product) {
        Grid finest = grids.get(0);
        long e = spec.dim();
        long plane = (long) finest.depth() * finest.width();
        int most = (int) Math.max(1, SLAB_ELEMENTS / (plane * e));
        for (int h = 0; h < finest.height(); h += most) {
            int from = h;
            int count = Math.min(most, finest.height() - h);
            long first = from * plane;
            LibtorchBackend.scoped(() -> {
                Tensor target = wide.narrow(0, first, count * plane);
                products.eachInto(
                        target.view(count, finest.depth(), finest.width() * e), depths, rows.narrow(0, from, count));
                return target.add_(products.times(scaled.narrow(0, first, count * plane), product, null));
            });
        }
    }

    /** (H·D·W,K) → (K,D,H,W). */
    private Tensor inVoxelOrder(Tensor logits) {
        Grid finest = grids.get(0);
        return logits.view(finest.height(), finest.depth(), finest.width(), logits.size(1))
                .permute(3, 1, 0, 2)
                .contiguous();
    }

    /** Resizes a sample's logits (K,·,·,·) to the input's resolution. */
    private void upsample(Tensor target, Tensor logits) {
        Grid finest = grids.get(0);
        int up = spec.upsampling().only();
        int d = finest.depth() * up;
        int h = finest.height() * up;
        int w = finest.width() * up;
        Tensor wide =
                torch.matmul(logits, Resizing.matrix(backend, finest.width(), w).t());
        Tensor high = products.each(Resizing.matrix(backend, finest.height(), h), wide.view(-1, finest.height(), w));
        products.eachInto(
                target.view(-1, d, (long) h * w),
                Resizing.matrix(backend, finest.depth(), d),
                high.view(-1, finest.depth(), (long) h * w));
    }

    /** Takes the gradient at a sample's logits (K,·,·,·) back to the finest stage's resolution, (H·D·W,K). */
    private Tensor downsampled(Tensor gradient) {
        Grid finest = grids.get(0);
        int up = spec.upsampling().only();
        int d = finest.depth() * up;
        int h = finest.height() * up;
        int w = finest.width() * up;
        Tensor deep = products.each(
                Resizing.matrix(backend, finest.depth(), d).t(),
                gradient.contiguous().view(-1, d, (long) h * w));
        Tensor high = products.each(Resizing.matrix(backend, finest.height(), h).t(), deep.view(-1, h, w));
        Tensor low = torch.matmul(high, Resizing.matrix(backend, finest.width(), w));
        return low.view(-1, finest.depth(), finest.height(), finest.width())
                .permute(2, 1, 3, 0)
                .reshape(-1, spec.classes());
    }

    /**
     * Adds the weights' gradients. To be called once after a {@link #forward}.
     *
     * @param gradient at the logits; its memory is given up
     * @return the gradients at the tokens of every stage
     */
    List<Tensor> backward(Tensor gradient) {
        Inside made = recomputes ? inside() : inside;
        Tensor dWide = FusedModel.step(() -> {
            Tensor dNormed = FusedModel.step(() -> gradientAfterBatchNorm(made.wide(), gradient));
            gradient.set_data(torch.empty(new long[] {0}, gradient.options(), new MemoryFormatOptional()));
            return batchNorm.backward(products.workers(), made.wide(), statistics, dNormed);
        });
        int stages = projections.size();
        long workers = products.workers().parts(batch);
        List<Tensor> all = new ArrayList<>();
        List<Tensor> dProducts = new ArrayList<>();
        List<Tensor> dGrams = new ArrayList<>();
        for (int i = 0; i < stages; i++) {
            long c = features.get(i).size(1);
            all.add(torch.empty(Functional.shape(features.get(i)), backend.floating(), new MemoryFormatOptional()));
            dProducts.add(torch.zeros(new long[] {workers, spec.dim(), c + 1}, backend.floating()));
            dGrams.add(torch.zeros(new long[] {workers, c + 1, c + 1}, backend.floating()));
        }
        Tensor depths = depths().t();
        products.workers().each(batch, b -> {
            int worker = Workers.current();
            List<Tensor> contributions = contributions(depths, sample(dWide, b));
            for (int i = 0; i < stages; i++) {
                Tensor dTokens = tokensGradient(
                        made.collapsed().get(i),
                        sample(made.scaled().get(i), b),
                        contributions.get(i),
                        dProducts.get(i).select(0, worker),
                        dGrams.get(i).select(0, worker));
                sample(all.get(i), b).copy_(i == 0 ? turnedBack(dTokens) : dTokens);
            }
        });
        for (int i = 0; i < stages; i++) {
            Collapsed c = made.collapsed().get(i);
            projections
                    .get(i)
                    .add(
                            c,
                            dProducts.get(i).sum(0),
                            c.centred().matmul(dGrams.get(i).sum(0)).mul_(new Scalar(-1.0 / spec.dim())));
        }
        return all;
    }

    /** Returns the gradient at the BatchNorm's output (B·H·D·W,E) and adds those of the prediction's weights. */
    private Tensor gradientAfterBatchNorm(Tensor wide, Tensor gradient) {
        Tensor scale = batchNorm.scale(statistics);
        Tensor shift = batchNorm.shift(statistics, scale);
        Tensor kernel = predict.flatten(1, 4);
        Tensor dNormed = scratch.take(wide.options(), wide.size(0), wide.size(1));
        products.workers().each(batch, b -> {
            Tensor dLogits = downsampled(gradient.select(0, b));
            Tensor kernelGradient = predictGradient.get().flatten(1, 4);
            Tensor own = sample(wide, b);
            Tensor target = sample(dNormed, b);
            Tensor ownMask = mask == null ? null : sample(mask, b);
            slabs((first, count) -> {
                Tensor activated = activated(own, ownMask, scale, shift, first, count);
                Tensor d = dLogits.narrow(0, first, count);
                products.addWeightGradient(kernelGradient, d, activated);
                Tensor back = products.timesTransposed(d, kernel);
                if (ownMask != null) {
                    back.mul_(ownMask.narrow(0, first, count));
                }
                // where dropout made an element zero, its gradient is zero already
                return torch.threshold_backward_out(target.narrow(0, first, count), back, activated, new Scalar(0.0));
            });
            Products.addBiasGradient(predictBiasGradient.get(), dLogits);
        });
        return dNormed;
    }

    /** Takes the gradient at a sample of the wide map to every stage's own resolution, (N,E) each. */
    private List<Tensor> contributions(Tensor depths, Tensor dWide) {
        Grid finest = grids.get(0);
        long e = spec.dim();
        Tensor rows = products.each(depths, dWide.view(finest.height(), finest.depth(), finest.width() * e));
        Tensor[] all = new Tensor[projections.size()];
        all[0] = dWide;
        long first = 0;
        for (int i = projections.size() - 1; i > 0; i--) {
            Grid grid = grids.get(i);
            Tensor high = rows.narrow(1, first, grid.depth()).flatten(1, 2);
            all[i] = FusedModel.step(() -> {
                Tensor wide = products.multiply(
                        Resizing.matrix(backend, grid.height(), finest.height()).t(), high);
                Tensor own = products.each(
                        Resizing.matrix(backend, grid.width(), finest.width()).t(), wide.view(-1, finest.width(), e));
                return own.view(grid.height(), grid.depth(), grid.width(), e)
                        .transpose(0, 1)
                        .reshape(-1, e);
            });
            first += grid.depth();
        }
        return List.of(all);
    }

    /**
     * Returns the gradient at a sample's tokens.
     *
     * @param scaled x̃
     * @param dy gradient at A·x̃
     * @param dProduct where the gradient at A is added
     * @param dGram where Σ(dx̃·x̃)·x̃x̃ᵀ is added, −2 times the gradient at G
     */
    private Tensor tokensGradient(Collapsed c, Tensor scaled, Tensor dy, Tensor dProduct, Tensor dGram) {
        long channels = scaled.size(1) - 1;
        products.addWeightGradient(dProduct, dy, scaled);
        Tensor dScaled = products.timesTransposed(dy, c.product());
        // σ² is a quadratic form of (x,1), so its part of the gradient goes along G x̃
        Tensor along = dScaled.mul(scaled).sum(new long[] {1}, true, new ScalarTypeOptional());
        products.addWeightGradient(dGram, scaled.mul(along), scaled);
        Tensor inverse = scaled.narrow(1, channels, 1);
        Tensor correction =
                products.times(scaled, c.gram().narrow(0, 0, channels), null).mul_(along);
        return dScaled.narrow(1, 0, channels).sub_(correction).mul_(inverse);
    }

    void forget() {
        kept.forget();
        wide = null;
        inside = null;
        statistics = null;
        mask = null;
        features = null;
    }

    /** Gives all memory of forward passes back; another may follow. */
    void giveBack() {
        forget();
        kept.close();
    }

    void close() {
        giveBack();
        projections.forEach(Projection::close);
    }
}

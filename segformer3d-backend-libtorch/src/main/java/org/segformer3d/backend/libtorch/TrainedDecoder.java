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
    private final Dropout dropout;
    private final boolean recomputes;
    private final List<Projection> projections = new ArrayList<>();
    private final TrainedBatchNorm batchNorm;
    private final Tensor predict;
    private final Tensor predictBias;
    private final Tensor predictGradient;
    private final Tensor predictBiasGradient;
    private final Kept kept = new Kept();
    private List<Tensor> features;
    private List<Grid> grids;
    private long batch;
    private TrainedBatchNorm.Statistics statistics;
    private Inside inside;
    private Tensor mask;

    /** A stage's Linear → LayerNorm → slice of the fuse convolution, and where their gradients go. */
    private final class Projection {
        private final Tensor weight;
        private final Tensor bias;
        private final Tensor scale;
        private final Tensor shift;
        private final Tensor slice;
        private final Tensor weightGradient;
        private final Tensor biasGradient;
        private final Tensor scaleGradient;
        private final Tensor sliceGradient;

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
            sliceGradient = sliceOf(weights.gradient("linear_fuse.0.weight"), stage);
        }

        private Tensor sliceOf(Tensor fuse, int stage) {
            long e = spec.dim();
            // concatenated coarsest first; detached, so that it outlives the open pointer scope's views
            Tensor slice = fuse.flatten(1, 4).narrow(1, (spec.featureDims().size() - 1 - stage) * e, e);
            slice.retainReference();
            return slice;
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
            sliceGradient.addmm_(dProduct, c.scaled().t());
            Tensor dScaled = slice.t().matmul(dProduct);
            scaleGradient.add_(dScaled.mul(c.centred()).sum(1));
            dCentred.addcmul_(scale.unsqueeze(1), dScaled);
            dCentred.sub_(dCentred.mean(new long[] {0}, true, new ScalarTypeOptional()));
            long channels = weight.size(1);
            weightGradient.add_(dCentred.narrow(1, 0, channels));
            biasGradient.add_(dCentred.select(1, channels));
        }

        void close() {
            slice.close();
            sliceGradient.close();
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
            scaled.forEach(kept::keep);
            kept.keep(wide);
        }
    }

    TrainedDecoder(
            LibtorchBackend backend,
            Products products,
            DecoderSpec spec,
            TrainedWeights weights,
            Dropout dropout,
            boolean recomputes) {
        this.backend = backend;
        this.products = products;
        this.spec = spec;
        this.dropout = dropout;
        this.recomputes = recomputes;
        LibtorchBackend.scoped(() -> {
            for (int i = 0; i < spec.featureDims().size(); i++) {
                projections.add(new Projection(weights, i));
            }
            return null;
        });
        this.batchNorm = new TrainedBatchNorm(weights.at("linear_fuse.1."));
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
     */
    Tensor forward(List<Tensor> tokens, List<Grid> sizes, long samples) {
        features = List.copyOf(tokens);
        features.forEach(kept::keep);
        grids = sizes;
        batch = samples;
        Inside made = inside();
        statistics = batchNorm.measure(made.wide()).keptBy(kept);
        batchNorm.shiftRunningMean(constants());
        if (!recomputes) {
            made.keptBy(kept);
            inside = made;
        }
        if (spec.dropout() > 0) {
            mask = kept.keep(mask());
        }
        Tensor scale = batchNorm.scale(statistics);
        Tensor shift = batchNorm.shift(statistics, scale);
        Tensor kernel = predict.flatten(1, 4);
        Tensor logits = torch.empty(
                new long[] {made.wide().size(0), predict.size(0)}, backend.floating(), new MemoryFormatOptional());
        slabs((first, count) -> logits.narrow(0, first, count)
                .copy_(products.times(activated(made.wide(), scale, shift, first, count), kernel, predictBias)));
        return upsampled(inVoxelOrder(logits));
    }

    /** ReLU(BatchNorm) of some rows, with dropout. */
    private Tensor activated(Tensor wide, Tensor scale, Tensor shift, long first, long count) {
        Tensor y = Products.affine(wide.narrow(0, first, count), scale, shift).relu_();
        return mask == null ? y : y.mul_(mask.narrow(0, first, count));
    }

    private interface Slab {
        Tensor on(long first, long count);
    }

    /** Runs over the rows of the wide map a slab at a time; what is made for one is released before the next. */
    private void slabs(Slab action) {
        long rows = batch * grids.get(0).tokens();
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
    private Tensor mask() {
        Grid finest = grids.get(0);
        return dropout.mask(
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
            Collapsed c = projections.get(i).collapse();
            collapsed.add(c);
            Tensor x = i == 0 ? turned(features.get(0)) : features.get(i);
            scaled.add(FusedModel.step(() -> scaled(c, x)));
        }
        Tensor wide = torch.empty(
                new long[] {batch * finest.tokens(), spec.dim()}, backend.floating(), new MemoryFormatOptional());
        Tensor depths = depths();
        for (long b = 0; b < batch; b++) {
            long sample = b;
            LibtorchBackend.scoped(() -> {
                Tensor rows = rows(collapsed, scaled, sample);
                return addSample(
                        wide, rows, depths, scaled.get(0), collapsed.get(0).product(), sample);
            });
        }
        return new Inside(collapsed, scaled, wide);
    }

    /** (B,D,H,W) rows → (B,H,D,W) rows, or back. */
    private Tensor turned(Tensor tokens) {
        Grid finest = grids.get(0);
        return tokens.view(batch, finest.depth(), finest.height(), finest.width(), tokens.size(1))
                .transpose(1, 2)
                .reshape(-1, tokens.size(1));
    }

    private Tensor turnedBack(Tensor tokens) {
        Grid finest = grids.get(0);
        return tokens.view(batch, finest.height(), finest.depth(), finest.width(), tokens.size(1))
                .transpose(1, 2)
                .reshape(-1, tokens.size(1));
    }

    /** Returns x̃ = (x,1)/σ, (R,C+1). */
    private Tensor scaled(Collapsed c, Tensor x) {
        long channels = x.size(1);
        Tensor quadratic = c.gram().narrow(0, 0, channels).narrow(1, 0, channels);
        Tensor linear = c.gram().select(0, channels).narrow(0, 0, channels);
        Tensor inverse = products.times(x, quadratic, linear.mul(new Scalar(2.0)))
                .mul_(x)
                .sum(new long[] {1}, true, new ScalarTypeOptional())
                .add_(c.gram().select(0, channels).narrow(0, channels, 1))
                .add_(new Scalar(BlockSpec.NORM_EPSILON))
                .rsqrt_();
        return Functional.cat(1, x.mul(inverse), inverse);
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
    private Tensor rows(List<Collapsed> collapsed, List<Tensor> scaled, long sample) {
        Grid finest = grids.get(0);
        long e = spec.dim();
        List<Tensor> parts = new ArrayList<>();
        for (int i = projections.size() - 1; i > 0; i--) {
            Grid grid = grids.get(i);
            Tensor own = products.times(
                    scaled.get(i).narrow(0, sample * grid.tokens(), grid.tokens()),
                    collapsed.get(i).product(),
                    null);
            // h first, so that one row of the result is contiguous
            Tensor turned = own.view(grid.depth(), grid.height(), grid.width(), e)
                    .transpose(0, 1)
                    .contiguous();
            Tensor wide = products.each(
                    Resizing.matrix(backend, grid.width(), finest.width()), turned.view(-1, grid.width(), e));
            Tensor high = products.multiply(
                    Resizing.matrix(backend, grid.height(), finest.height()), wide.view(grid.height(), -1));
            parts.add(high.view(finest.height(), grid.depth(), finest.width() * e));
        }
        return Functional.cat(1, parts.toArray(new Tensor[0]));
    }

    /** Writes a sample of the wide map, some h at a time. */
    private Tensor addSample(Tensor wide, Tensor rows, Tensor depths, Tensor scaled, Tensor product, long sample) {
        Grid finest = grids.get(0);
        long e = spec.dim();
        long plane = (long) finest.depth() * finest.width();
        int most = (int) Math.max(1, SLAB_ELEMENTS / (plane * e));
        for (int h = 0; h < finest.height(); h += most) {
            int from = h;
            int count = Math.min(most, finest.height() - h);
            long first = sample * finest.tokens() + from * plane;
            LibtorchBackend.scoped(() -> {
                Tensor target = wide.narrow(0, first, count * plane);
                products.eachInto(
                        target.view(count, finest.depth(), finest.width() * e), depths, rows.narrow(0, from, count));
                return target.add_(products.times(scaled.narrow(0, first, count * plane), product, null));
            });
        }
        return wide;
    }

    /** (B·H·D·W,K) → (B·K,D,H,W). */
    private Tensor inVoxelOrder(Tensor logits) {
        Grid finest = grids.get(0);
        return logits.view(batch, finest.height(), finest.depth(), finest.width(), logits.size(1))
                .permute(0, 4, 2, 1, 3)
                .reshape(-1, finest.depth(), finest.height(), finest.width());
    }

    /** Resizes logits (B·K,·,·,·) to the input's resolution, (B,K,·,·,·). */
    private Tensor upsampled(Tensor logits) {
        Grid finest = grids.get(0);
        int up = spec.upsampling();
        int d = finest.depth() * up;
        int h = finest.height() * up;
        int w = finest.width() * up;
        Tensor wide =
                torch.matmul(logits, Resizing.matrix(backend, finest.width(), w).t());
        Tensor high = products.each(Resizing.matrix(backend, finest.height(), h), wide.view(-1, finest.height(), w));
        Tensor deep =
                products.each(Resizing.matrix(backend, finest.depth(), d), high.view(-1, finest.depth(), (long) h * w));
        return deep.view(batch, -1, d, h, w);
    }

    /** Takes the gradient at the logits (B,K,·,·,·) back to the finest stage's resolution, (B·H·D·W,K). */
    private Tensor downsampled(Tensor gradient) {
        Grid finest = grids.get(0);
        int up = spec.upsampling();
        int d = finest.depth() * up;
        int h = finest.height() * up;
        int w = finest.width() * up;
        Tensor deep = products.each(
                Resizing.matrix(backend, finest.depth(), d).t(),
                gradient.contiguous().view(-1, d, (long) h * w));
        Tensor high = products.each(Resizing.matrix(backend, finest.height(), h).t(), deep.view(-1, h, w));
        Tensor low = torch.matmul(high, Resizing.matrix(backend, finest.width(), w));
        return low.view(batch, -1, finest.depth(), finest.height(), finest.width())
                .permute(0, 3, 2, 4, 1)
                .reshape(-1, spec.classes());
    }

    /**
     * Adds the weights' gradients.
     *
     * @return the gradients at the tokens of every stage
     */
    List<Tensor> backward(Tensor gradient) {
        Inside made = recomputes ? inside() : inside;
        Tensor dLogits = FusedModel.step(() -> downsampled(gradient));
        Tensor dWide = FusedModel.step(() -> {
            Tensor dNormed = FusedModel.step(() -> gradientAfterBatchNorm(made.wide(), dLogits));
            return batchNorm.backward(made.wide(), statistics, dNormed);
        });
        List<Tensor> contributions = TrainedNetwork.steps(() -> contributions(dWide));
        List<Tensor> all = new ArrayList<>();
        for (int i = 0; i < contributions.size(); i++) {
            int stage = i;
            all.add(FusedModel.step(() -> {
                Tensor dTokens = tokensGradient(
                        projections.get(stage),
                        made.collapsed().get(stage),
                        made.scaled().get(stage),
                        contributions.get(stage));
                return stage == 0 ? turnedBack(dTokens) : dTokens;
            }));
        }
        return all;
    }

    /** Returns the gradient at the BatchNorm's output (B·H·D·W,E) and adds those of the prediction's weights. */
    private Tensor gradientAfterBatchNorm(Tensor wide, Tensor dLogits) {
        Tensor scale = batchNorm.scale(statistics);
        Tensor shift = batchNorm.shift(statistics, scale);
        Tensor kernel = predict.flatten(1, 4);
        Tensor kernelGradient = predictGradient.flatten(1, 4);
        Tensor dNormed = torch.empty(Functional.shape(wide), backend.floating(), new MemoryFormatOptional());
        slabs((first, count) -> {
            Tensor activated = activated(wide, scale, shift, first, count);
            Tensor d = dLogits.narrow(0, first, count);
            kernelGradient.addmm_(d.t(), activated);
            Tensor back = products.timesTransposed(d, kernel);
            if (mask != null) {
                back.mul_(mask.narrow(0, first, count));
            }
            // where dropout made an element zero, its gradient is zero already
            return dNormed.narrow(0, first, count).copy_(torch.threshold_backward(back, activated, new Scalar(0.0)));
        });
        Products.addBiasGradient(predictBiasGradient, dLogits);
        return dNormed;
    }

    /** Takes the wide map's gradient to every stage's own resolution, (R,E) each. */
    private List<Tensor> contributions(Tensor dWide) {
        Grid finest = grids.get(0);
        long e = spec.dim();
        Tensor depths = depths().t();
        List<List<Tensor>> samples = new ArrayList<>();
        for (int i = 0; i < projections.size(); i++) {
            samples.add(new ArrayList<>());
        }
        for (long b = 0; b < batch; b++) {
            Tensor rows = products.each(
                    depths,
                    dWide.narrow(0, b * finest.tokens(), finest.tokens())
                            .view(finest.height(), finest.depth(), finest.width() * e));
            long first = 0;
            for (int i = projections.size() - 1; i > 0; i--) {
                Grid grid = grids.get(i);
                Tensor high = rows.narrow(1, first, grid.depth()).reshape(finest.height(), -1);
                Tensor wide = products.multiply(
                        Resizing.matrix(backend, grid.height(), finest.height()).t(), high);
                Tensor own = products.each(
                        Resizing.matrix(backend, grid.width(), finest.width()).t(), wide.view(-1, finest.width(), e));
                samples.get(i)
                        .add(own.view(grid.height(), grid.depth(), grid.width(), e)
                                .transpose(0, 1)
                                .reshape(-1, e));
                first += grid.depth();
            }
        }
        List<Tensor> all = new ArrayList<>();
        all.add(dWide.view(-1, e));
        for (List<Tensor> parts : samples.subList(1, samples.size())) {
            all.add(Functional.cat(0, parts.toArray(new Tensor[0])));
        }
        return all;
    }

    /** Returns the gradient at a stage's tokens and adds those at its weights. */
    private Tensor tokensGradient(Projection p, Collapsed c, Tensor scaled, Tensor dy) {
        long channels = scaled.size(1) - 1;
        Tensor dProduct = torch.zeros(Functional.shape(c.product()), backend.floating());
        products.addWeightGradient(dProduct, dy, scaled);
        Tensor dScaled = products.timesTransposed(dy, c.product());
        // σ² is a quadratic form of (x,1): its gradient is −½ Σ(dx̃·x̃)·x̃x̃ᵀ at G, and so along G x̃ at the tokens
        Tensor along = dScaled.mul(scaled).sum(new long[] {1}, true, new ScalarTypeOptional());
        Tensor dGram = torch.zeros(Functional.shape(c.gram()), backend.floating());
        products.addWeightGradient(dGram, scaled.mul(along), scaled);
        p.add(c, dProduct, c.centred().matmul(dGram).mul_(new Scalar(-1.0 / spec.dim())));
        Tensor inverse = scaled.narrow(1, channels, 1);
        Tensor correction =
                products.times(scaled, c.gram().narrow(0, 0, channels), null).mul_(along);
        return dScaled.narrow(1, 0, channels).sub(correction).mul_(inverse);
    }

    void forget() {
        kept.close();
        inside = null;
        statistics = null;
        mask = null;
        features = null;
    }

    void close() {
        forget();
        projections.forEach(Projection::close);
    }
}

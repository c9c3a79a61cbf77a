package org.segformer3d.backend.libtorch;

import java.util.function.Supplier;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.segformer3d.api.block.BlockSpec.SelfAttentionSpec;
import org.segformer3d.api.block.Grid;

/**
 * The first half of a transformer block, x + attention(LayerNorm x), with its gradients.
 *
 * <p>The weights of attention are never kept: the backward pass makes them again, a few queries at a time.
 */
final class TrainedAttention implements TrainedHalf {
    /** Weights of attention made at a time at most: they should stay in the cache. */
    private static final long SCORES = 1 << 19;

    private final SelfAttentionSpec spec;
    private final Products products;
    private final boolean recomputes;
    private final TrainedNorm norm;
    private final TrainedLinear query;
    private final TrainedLinear keyValue;
    private final TrainedLinear proj;
    private final Tensor reduction;
    private final Tensor reductionBias;
    private final Supplier<Tensor> reductionGradient;
    private final Supplier<Tensor> reductionBiasGradient;
    private final TrainedNorm reductionNorm;
    private final Kept kept = new Kept();
    private Tensor x;
    private Grid grid;
    private Inside[] inside;

    /**
     * What is kept, or computed again.
     *
     * @param k (heads,M,d), times 1/√d
     * @param v (heads,M,d)
     * @param attended (heads,N,d)
     */
    private record Inside(Tensor k, Tensor v, Tensor attended) {}

    /**
     * What keys and values are made of; always computed again.
     *
     * @param reduced tokens before the reduction's LayerNorm, {@code null} without reduction
     * @param normed LayerNorm of those, or of the tokens
     */
    private record Source(Tensor reduced, TrainedNorm.Normed normed) {}

    TrainedAttention(Products products, SelfAttentionSpec spec, TrainedWeights block, boolean recomputes) {
        this.spec = spec;
        this.products = products;
        this.recomputes = recomputes;
        this.norm = new TrainedNorm(block.at("norm1."));
        TrainedWeights weights = block.at("attention.");
        this.query = new TrainedLinear(products, weights.at("query."));
        this.keyValue = new TrainedLinear(products, weights.at("key_value."));
        this.proj = new TrainedLinear(products, weights.at("proj."));
        boolean reduces = spec.reduces();
        this.reduction = reduces ? weights.get("sr.weight") : null;
        this.reductionBias = reduces ? weights.get("sr.bias") : null;
        this.reductionGradient = reduces ? weights.gradient("sr.weight") : null;
        this.reductionBiasGradient = reduces ? weights.gradient("sr.bias") : null;
        this.reductionNorm = reduces ? new TrainedNorm(weights.at("sr_norm.")) : null;
    }

    @Override
    public Tensor forward(Tensor input, Grid size) {
        x = kept.keep(input);
        grid = size;
        Tensor y = kept.place(x.options(), Functional.shape(x));
        inside = new Inside[(int) samples()];
        Tensor attended = recomputes ? null : kept.place(x.options(), samples(), spec.heads(), grid.tokens(), width());
        products.workers().each(samples(), b -> {
            Tensor own = sample(x, b);
            Inside made = inside(norm.forward(own), recomputes ? null : attended.select(0, b));
            if (!recomputes) {
                kept.keep(made.k());
                kept.keep(made.v());
                kept.keep(made.attended());
                inside[b] = made;
            }
            torch.add_out(sample(y, b), proj.forward(joined(made.attended())), own);
        });
        return y;
    }

    /** Channels of a head. */
    private long width() {
        return spec.dim() / spec.heads();
    }

    private long samples() {
        return x.size(0) / grid.tokens();
    }

    private Tensor sample(Tensor rows, int index) {
        return rows.narrow(0, (long) index * grid.tokens(), grid.tokens());
    }

    private Tensor queries(TrainedNorm.Normed normed) {
        return heads(query.forward(normed.y()).view(-1, grid.tokens(), 1, spec.dim()), 0);
    }

    private Source source(TrainedNorm.Normed normed) {
        if (reduction == null) {
            return new Source(null, normed);
        }
        Tensor reduced = products.times(patches(normed.y()), kernel(), reductionBias);
        return new Source(reduced, reductionNorm.forward(reduced));
    }

    /** @param place for what was attended to, {@code null} for one of its own */
    private Inside inside(TrainedNorm.Normed normed, Tensor place) {
        Tensor kv = keyValue.forward(source(normed).normed().y()).view(1, -1, 2, spec.dim());
        Tensor k = heads(kv, 0).mul_(new Scalar(1 / Math.sqrt((double) spec.dim() / spec.heads())));
        Tensor v = heads(kv, 1);
        Tensor q = queries(normed);
        Tensor attended =
                place == null ? torch.empty(Functional.shape(q), q.options(), new MemoryFormatOptional()) : place;
        attend(attended, q, k, v);
        return new Inside(k, v, attended);
    }

    /** (B,N,parts,C) → (heads,N,d) of one part, contiguous and a copy. */
    private Tensor heads(Tensor rows, long part) {
        long n = rows.size(1);
        long d = width();
        return rows.select(2, part)
                .view(-1, n, spec.heads(), d)
                .transpose(1, 2)
                .clone(new MemoryFormatOptional(torch.MemoryFormat.Contiguous))
                .view(-1, n, d);
    }

    /** (heads,N,d) → (B·N,C). */
    private Tensor joined(Tensor stack) {
        long n = stack.size(1);
        return stack.view(-1, spec.heads(), n, stack.size(2)).transpose(1, 2).reshape(-1, spec.dim());
    }

    /** Some queries of some heads, and which worker takes them. */
    private interface Piece {
        void on(int worker, long head, long heads, long first, long count);
    }

    /** Runs over queries in pieces whose weights stay in the cache: all heads at once where they are few, else one after the other. */
    private void pieces(Tensor q, Tensor k, Piece action) {
        long stack = q.size(0);
        long n = q.size(1);
        long m = k.size(1);
        if (stack * n * m <= SCORES) {
            products.workers().divide(stack, (worker, head, heads) -> action.on(worker, head, heads, 0, n));
            return;
        }
        long chunks = Math.max(1, (n * m + SCORES - 1) / SCORES);
        products.workers().divide(stack * chunks, (worker, from, count) -> {
            for (long i = from; i < from + count; i++) {
                long head = i / chunks;
                long first = n * (i % chunks) / chunks;
                long size = n * (i % chunks + 1) / chunks - first;
                LibtorchBackend.scoped(() -> {
                    action.on(worker, head, 1, first, size);
                    return null;
                });
            }
        });
    }

    private static Tensor part(Tensor stack, long head, long heads, long first, long count) {
        return stack.narrow(0, head, heads).narrow(1, first, count);
    }

    private static Tensor part(Tensor stack, long head, long heads) {
        return stack.narrow(0, head, heads);
    }

    private void attend(Tensor attended, Tensor q, Tensor k, Tensor v) {
        Tensor turned = v.transpose(1, 2).contiguous();
        pieces(q, k, (worker, head, heads, first, count) -> {
            Tensor weights =
                    torch.softmax(products.stacked(part(q, head, heads, first, count), part(k, head, heads)), -1);
            part(attended, head, heads, first, count).copy_(products.stacked(weights, part(turned, head, heads)));
        });
    }

    @Override
    public Tensor backward(Tensor dy) {
        Tensor dx = torch.empty(Functional.shape(x), x.options(), new MemoryFormatOptional());
        products.workers().each(samples(), b -> backward(b, sample(dx, b), sample(dy, b)));
        return dx;
    }

    private void backward(int b, Tensor dx, Tensor dy) {
        Tensor own = sample(x, b);
        TrainedNorm.Normed normed = norm.forward(own);
        Inside made = recomputes ? inside(normed, null) : inside[b];
        Tensor q = queries(normed);
        Source source = source(normed);
        Tensor dAttended = FusedModel.step(() ->
                heads(proj.backward(joined(made.attended()), dy).view(-1, grid.tokens(), 1, spec.dim()), 0));
        Tensor dq = torch.empty(Functional.shape(q), dy.options(), new MemoryFormatOptional());
        // several workers may have queries of one head, so each has sums of its own
        Tensor sums = torch.zeros(
                new long[] {
                    products.workers().parts(Long.MAX_VALUE),
                    2,
                    made.k().size(0),
                    made.k().size(1),
                    made.k().size(2)
                },
                dy.options());
        Tensor turned = made.k().transpose(1, 2).contiguous();
        pieces(q, made.k(), (worker, head, heads, first, count) -> {
            Tensor queries = part(q, head, heads, first, count);
            Tensor weights = torch.softmax(products.stacked(queries, part(made.k(), head, heads)), -1);
            Tensor d = part(dAttended, head, heads, first, count);
            Tensor ownSums = sums.select(0, worker);
            products.addStacked(part(ownSums.select(0, 1), head, heads), weights, d);
            // softmax's gradient takes out its own weighted mean, which is what came out times its gradient
            Tensor mean = d.mul(part(made.attended(), head, heads, first, count))
                    .sum(new long[] {-1}, true, new ScalarTypeOptional());
            Tensor scores =
                    products.stacked(d, part(made.v(), head, heads)).sub_(mean).mul_(weights);
            products.addStacked(part(ownSums.select(0, 0), head, heads), scores, queries);
            part(dq, head, heads, first, count).copy_(products.stacked(scores, part(turned, head, heads)));
        });
        Tensor total = sums.sum(0);
        Tensor dk = total.select(0, 0).mul_(new Scalar(1 / Math.sqrt((double) spec.dim() / spec.heads())));
        Tensor dv = total.select(0, 1);
        Tensor dkv = Functional.cat(1, joined(dk), joined(dv));
        Tensor dSource = keyValue.backward(source.normed().y(), dkv);
        Tensor dNormed = query.backward(normed.y(), joined(dq));
        if (reduction == null) {
            dNormed.add_(dSource);
        } else {
            Tensor dReduced = reductionNorm.backward(source.reduced(), source.normed(), dSource);
            addReduction(dNormed, normed.y(), dReduced);
        }
        torch.add_out(dx, norm.backward(own, normed, dNormed), dy);
    }

    /** Returns the reduction's kernel as a matrix (C,r³C) over {@link #patches}. */
    private Tensor kernel() {
        return reduction.permute(0, 2, 3, 4, 1).flatten(1, 4);
    }

    /** Sees tokens (B·N,C) as the cells (B,d,h,w,r,r,r,C) of the reduction, whose stride is its kernel; what doesn't divide is left out. */
    private Tensor cells(Tensor tokens) {
        long r = spec.srRatio().only();
        long d = grid.depth() / r;
        long h = grid.height() / r;
        long w = grid.width() / r;
        return tokens.view(-1, grid.depth(), grid.height(), grid.width(), spec.dim())
                .narrow(1, 0, d * r)
                .narrow(2, 0, h * r)
                .narrow(3, 0, w * r)
                .unflatten(3, w, r)
                .unflatten(2, h, r)
                .unflatten(1, d, r)
                .permute(0, 1, 3, 5, 2, 4, 6, 7);
    }

    private Tensor patches(Tensor tokens) {
        long r = spec.srRatio().only();
        return cells(tokens).reshape(-1, r * r * r * spec.dim());
    }

    /** Adds the gradients at the reduction's weights, and at its input to those that are there. */
    private void addReduction(Tensor dTokens, Tensor tokens, Tensor dReduced) {
        long r = spec.srRatio().only();
        Tensor flat = torch.zeros(new long[] {spec.dim(), r * r * r * spec.dim()}, dReduced.options());
        products.addWeightGradient(flat, dReduced, patches(tokens));
        reductionGradient.get().add_(flat.view(spec.dim(), r, r, r, spec.dim()).permute(0, 4, 1, 2, 3));
        Products.addBiasGradient(reductionBiasGradient.get(), dReduced);
        Tensor target = cells(dTokens);
        target.add_(products.timesTransposed(dReduced, kernel()).view(Functional.shape(target)));
    }

    @Override
    public void forget() {
        kept.forget();
        inside = null;
        x = null;
    }

    @Override
    public void close() {
        forget();
        kept.close();
    }
}

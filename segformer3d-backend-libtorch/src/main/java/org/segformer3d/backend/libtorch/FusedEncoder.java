package org.segformer3d.backend.libtorch;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.InputGeometry;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.tensor.Device;

/**
 * The encoder for inference, channels-last throughout: tokens are rows (N,C), a feature map is a view of them.
 *
 * <p>On the CPU a transformer block runs in three sweeps over its rows, each cut into parts that stay in a core's cache and are shared out
 * by a {@link Team}:
 *
 * <ol>
 *   <li>norm1, spatial reduction, keys and values;
 *   <li>attention, its residual sum, norm2 and fc1;
 *   <li>depth-wise convolution, GELU, fc2, its residual sum.
 * </ol>
 */
final class FusedEncoder {
    /** Elements of a part at most, so that what is made from it fits into a core's cache. */
    private static final long PART_ELEMENTS = 1 << 17;

    /** Attention weights of a part at most; of all heads at least, where libtorch computes it. */
    private static final long ATTENTION_ELEMENTS = 1 << 19;

    /** Elements of a part of the depth-wise convolution at most. */
    private static final long SLICE_ELEMENTS = 1 << 19;

    /** Parts to make at least, of this many elements at least. */
    private static final long SHARED_PARTS = 4;

    private static final long SMALL_PART = 1 << 16;

    /** The largest score whose exponential is used as it is: a sum of as many as fit in memory is far from float32's largest value. */
    private static final double SAFE_EXPONENT = 40;

    private final LibtorchBackend backend;
    private final SegFormer3DConfig config;
    private final PreparedWeights weights;
    private final boolean cpu;
    /** oneDNN's convolutions are for float32 on the CPU. */
    private final boolean oneDnn;

    /** Sums of exponentials need more digits than the reduced types have; libtorch's softmax sums in float32. */
    private final boolean exponentials;

    private final Team team;
    private final List<Stage> stages = new ArrayList<>();

    private record Norm(Tensor weight, Tensor bias) {
        Tensor apply(Tensor x) {
            return Functional.layerNorm(x, weight, bias);
        }
    }

    /**
     * Efficient self-attention.
     *
     * @param query of all heads
     * @param longestQuery no query is longer than this, whatever the tokens, as they come from a LayerNorm; known for one head only
     * @param sr spatial reduction, (C, r³·C), or {@code null}
     */
    private record Attention(
            int heads,
            int srRatio,
            Product query,
            double longestQuery,
            Product keyValue,
            Product sr,
            Norm srNorm,
            Product proj) {}

    /**
     * What all rows share where there is one head: (W x + b)·k = x·(Wᵀk) + b·k, and the projection may act on the values, which are
     * two products less a row.
     *
     * @param scores makes scaled scores of a row
     * @param values sums the values, weighted and projected
     * @param safe whether no score can overflow its exponential
     */
    private record SingleHead(Product scores, Product values, boolean safe) {}

    /**
     * Mix-FFN.
     *
     * @param depthwise the depth-wise kernel, (C,1,3,3,3), with its BatchNorm folded in
     */
    private record FeedForward(Product fc1, Tensor depthwise, Tensor depthwiseBias, Product fc2) {}

    private record Block(Norm norm1, Attention attention, Norm norm2, FeedForward feedForward) {}

    private record Stage(
            int stride,
            int padding,
            Tensor convolution,
            Tensor convolutionBias,
            Norm norm,
            List<Block> blocks,
            Norm end) {}

    FusedEncoder(LibtorchBackend backend, SegFormer3DConfig config, PreparedWeights weights, Team team) {
        this.backend = backend;
        this.config = config;
        this.weights = weights;
        this.team = team;
        this.cpu = backend.device().type() == Device.Type.CPU;
        this.oneDnn = cpu && weights.type() == ScalarType.Float;
        this.exponentials = weights.type() == ScalarType.Float || weights.type() == ScalarType.Double;
        for (int i = 0; i < SegFormer3DConfig.STAGES; i++) {
            stages.add(stage(i));
        }
    }

    private Stage stage(int i) {
        String embedding = ModelLayout.embeddingPrefix(i);
        List<Block> blocks = new ArrayList<>();
        for (int j = 0; j < config.depths().get(i); j++) {
            blocks.add(block(ModelLayout.blockPrefix(i, j), i));
        }
        return new Stage(
                config.patchStride().get(i).only(),
                config.patchPadding().get(i).only(),
                weights.get(embedding + "patch_embeddings.weight"),
                weights.get(embedding + "patch_embeddings.bias"),
                norm(embedding + "norm."),
                List.copyOf(blocks),
                norm(ModelLayout.stageNormPrefix(i)));
    }

    private Block block(String prefix, int stage) {
        String m = prefix + "mlp.";
        String bn = m + "dwconv.bn.";
        Tensor scale = weights.batchNormScale(bn);
        Tensor kernel = weights.exact(m + "dwconv.dwconv.weight").mul(scale.view(-1, 1, 1, 1, 1));
        Tensor bias = weights.exact(m + "dwconv.dwconv.bias")
                .sub(weights.exact(bn + "running_mean"))
                .mul(scale)
                .add(weights.exact(bn + "bias"));
        return new Block(
                norm(prefix + "norm1."),
                attention(prefix, stage),
                norm(prefix + "norm2."),
                new FeedForward(product(m + "fc1."), weights.keep(kernel), weights.keep(bias), product(m + "fc2.")));
    }

    private Attention attention(String block, int stage) {
        String a = block + "attention.";
        int sr = config.srRatios().get(stage).only();
        int heads = config.numHeads().get(stage);
        Product reduction = sr == 1
                ? null
                : kept(
                        weights.keep(weights.exact(a + "sr.weight")
                                .permute(0, 2, 3, 4, 1)
                                .flatten(1, 4)),
                        weights.get(a + "sr.bias"));
        return new Attention(
                heads,
                sr,
                product(a + "query."),
                heads == 1 ? longestQuery(block) : Double.POSITIVE_INFINITY,
                product(a + "key_value."),
                reduction,
                sr == 1 ? null : norm(a + "sr_norm."),
                product(a + "proj."));
    }

    /** A normalised row is no longer than √C, so ‖W(γ∘x+β)+b‖ ≤ √C·‖W diag(γ)‖ + ‖Wβ+b‖. */
    private double longestQuery(String block) {
        Tensor weight = weights.exact(block + "attention.query.weight");
        double stretch = torch.linalg_matrix_norm(
                        weight.mul(weights.exact(block + "norm1.weight")),
                        new Scalar(2.0),
                        new long[] {-2, -1},
                        false,
                        new ScalarTypeOptional())
                .item()
                .toDouble();
        double shift = weight.mv(weights.exact(block + "norm1.bias"))
                .add(weights.exact(block + "attention.query.bias"))
                .norm()
                .item()
                .toDouble();
        return Math.sqrt(weight.size(0)) * stretch + shift;
    }

    private Norm norm(String prefix) {
        return new Norm(weights.get(prefix + "weight"), weights.get(prefix + "bias"));
    }

    private Product product(String prefix) {
        return kept(weights.get(prefix + "weight"), weights.get(prefix + "bias"));
    }

    /** Makes a product that lives as long as the weights. */
    private Product kept(Tensor weight, Tensor bias) {
        Product product = Product.of(weight, bias, oneDnn);
        return oneDnn ? new Product(weight, bias, weights.keep(product.kernel())) : product;
    }

    /** Returns the tokens (N,C) of the four stages of one volume (1,C,D,H,W). */
    List<Tensor> forward(Tensor volume, InputGeometry geometry) {
        List<Tensor> features = new ArrayList<>();
        Tensor x = FusedModel.step(() -> {
            Tensor typed = volume.to(weights.type());
            return geometry.isPadded() ? Functional.canvas(typed, geometry.padded()) : typed.contiguous();
        });
        for (int i = 0; i < stages.size(); i++) {
            Stage stage = stages.get(i);
            Grid grid = geometry.stages().get(i);
            Tensor in = x;
            Tensor feature = FusedModel.step(() -> {
                Tensor rows = FusedModel.step(() -> embed(stage, in));
                Tensor last = empty(rows.size(0), rows.size(1));
                for (int j = 0; j < stage.blocks().size(); j++) {
                    boolean ends = j + 1 == stage.blocks().size();
                    transform(stage.blocks().get(j), rows, grid, ends ? stage.end() : null, last);
                }
                return last.to(DTypes.of(backend.computeType()));
            });
            features.add(feature);
            x = Functional.volume(feature.to(weights.type()), grid);
        }
        return features;
    }

    private static Tensor embed(Stage stage, Tensor x) {
        Tensor y =
                Functional.conv3d(x, stage.convolution(), stage.convolutionBias(), stage.stride(), stage.padding(), 1);
        return stage.norm().apply(Functional.tokens(y)).squeeze(0);
    }

    /**
     * Runs a transformer block over its rows in place.
     *
     * @param end applied at last, into {@code feature}; or {@code null}
     */
    private void transform(Block block, Tensor rows, Grid grid, Norm end, Tensor feature) {
        LibtorchBackend.scoped(() -> {
            Tensor hidden =
                    empty(rows.size(0), block.feedForward().fc1().weight().size(0));
            LibtorchBackend.scoped(() -> {
                attend(block, rows, grid, hidden);
                return null;
            });
            mix(block.feedForward(), rows, grid, hidden, end, feature);
            return null;
        });
    }

    /** Adds attention to the rows and makes the hidden rows of the Mix-FFN, up to fc1. */
    private void attend(Block block, Tensor rows, Grid grid, Tensor hidden) {
        Attention a = block.attention();
        long n = rows.size(0);
        long c = rows.size(1);
        int r = a.srRatio();
        Grid coarse = r == 1 ? grid : grid.convolved(r, r, 0);
        long slice = (long) grid.height() * grid.width();
        long coarseSlice = (long) coarse.height() * coarse.width();
        Tensor normed = empty(n, c);
        Tensor keyValue = empty(coarse.tokens(), 2 * c);
        int reductions = parts(n * c, PART_ELEMENTS, coarse.depth());
        team.each(reductions, i -> {
            int from = bound(i, reductions, coarse.depth());
            int to = bound(i + 1, reductions, coarse.depth());
            long first = (long) from * r;
            // slices that the reduction leaves out at the far end belong to the last part
            long last = i + 1 == reductions ? grid.depth() : (long) to * r;
            Tensor own = block.norm1().apply(rows.narrow(0, first * slice, (last - first) * slice));
            normed.narrow(0, first * slice, (last - first) * slice).copy_(own);
            Tensor y = r == 1
                    ? own
                    : a.srNorm()
                            .apply(a.sr().apply(patches(
                                    own.view(last - first, grid.height(), grid.width(), c),
                                    new Grid(to - from, coarse.height(), coarse.width()),
                                    r)));
            keyValue.narrow(0, from * coarseSlice, (to - from) * coarseSlice)
                    .copy_(a.keyValue().apply(y));
        });
        long scores = n * coarse.tokens();
        // libtorch's own attention is one call for all heads; with one head the products of the rows themselves are
        // less work, if there is enough of it
        SingleHead head = cpu && a.heads() == 1 && scores > ATTENTION_ELEMENTS ? singleHead(a, keyValue) : null;
        int chunks =
                head == null ? shares(scores * a.heads(), ATTENTION_ELEMENTS) : parts(scores, ATTENTION_ELEMENTS, n);
        team.each(chunks, i -> {
            long from = bound(i, chunks, n);
            long count = bound(i + 1, chunks, n) - from;
            Tensor own = normed.narrow(0, from, count);
            Tensor sum = head == null ? attended(a, keyValue, own) : weighted(head, own);
            Tensor updated = rows.narrow(0, from, count).add_(sum);
            hidden.narrow(0, from, count)
                    .copy_(block.feedForward().fc1().apply(block.norm2().apply(updated)));
        });
    }

    /** The spatial reduction's input as rows: its stride is its kernel, so every token belongs to one patch. */
    private static Tensor patches(Tensor map, Grid coarse, int r) {
        long d = coarse.depth();
        long h = coarse.height();
        long w = coarse.width();
        long c = map.size(3);
        return map.narrow(0, 0, d * r)
                .narrow(1, 0, h * r)
                .narrow(2, 0, w * r)
                .reshape(d, r, h, r, w, r, c)
                .permute(0, 2, 4, 1, 3, 5, 6)
                .reshape(d * h * w, r * r * r * c);
    }

    private SingleHead singleHead(Attention a, Tensor keyValue) {
        long c = keyValue.size(1) / 2;
        Tensor keys = keyValue.narrow(1, 0, c).mul(new Scalar(1 / Math.sqrt(c)));
        Tensor values = keyValue.narrow(1, c, c);
        double longestKey = Math.sqrt(keys.square().sum(1).max().item().toDouble());
        return new SingleHead(
                Product.of(keys.mm(a.query().weight()), keys.mv(a.query().bias()), oneDnn),
                Product.of(torch.addmm(a.proj().bias().unsqueeze(1), a.proj().weight(), values.t()), null, oneDnn),
                exponentials && a.longestQuery() * longestKey <= SAFE_EXPONENT);
    }

    /** Returns proj(softmax(q kᵀ) v) of some rows. Where no score may overflow, the rows' maxima needn't be subtracted. */
    private static Tensor weighted(SingleHead head, Tensor rows) {
        Tensor scores = head.scores().apply(rows);
        if (!head.safe()) {
            return head.values().apply(torch.softmax(scores, 1));
        }
        Tensor total = scores.exp_().sum(new long[] {1}, true, new ScalarTypeOptional());
        return head.values().apply(scores).div_(total);
    }

    /** The same by libtorch's own kernel. */
    private static Tensor attended(Attention a, Tensor keyValue, Tensor own) {
        int heads = a.heads();
        long n = own.size(0);
        long c = own.size(1);
        long d = c / heads;
        Tensor q = a.query().apply(own).view(1, n, heads, d).transpose(1, 2);
        Tensor kv = keyValue.view(1, keyValue.size(0), 2, heads, d).permute(2, 0, 3, 1, 4);
        Tensor attended = torch.scaled_dot_product_attention(
                q,
                kv.select(0, 0),
                kv.select(0, 1),
                new TensorOptional(),
                0,
                false,
                new DoubleOptional(1 / Math.sqrt(d)),
                false);
        return a.proj().apply(attended.transpose(1, 2).reshape(n, c));
    }

    /** Adds the Mix-FFN to the rows, from its hidden rows on. */
    private void mix(FeedForward f, Tensor rows, Grid grid, Tensor hidden, Norm end, Tensor feature) {
        long slice = (long) grid.height() * grid.width();
        int depth = grid.depth();
        int parts = parts(hidden.numel(), SLICE_ELEMENTS, depth);
        team.each(parts, i -> {
            int from = bound(i, parts, depth);
            int to = bound(i + 1, parts, depth);
            long count = (to - from) * slice;
            Tensor mixed = DepthwiseConvolution.slab(hidden, grid, from, to, f.depthwise(), f.depthwiseBias());
            Tensor updated = rows.narrow(0, from * slice, count).add_(f.fc2().apply(torch.gelu_(mixed)));
            if (end != null) {
                feature.narrow(0, from * slice, count).copy_(end.apply(updated));
            }
        });
    }

    /**
     * Returns how many parts to make of something: enough to keep each below the limit and to give several threads work, but none so
     * small that it's hardly worth its calls; at most one a unit; one on a GPU.
     */
    private int parts(long elements, long limit, long units) {
        if (!cpu) {
            return 1;
        }
        long fits = (elements + limit - 1) / limit;
        return (int) Math.max(1, Math.min(units, Math.max(fits, shares(elements, SMALL_PART))));
    }

    /** Returns how many parts to make of something only to give several threads work; at least one. */
    private int shares(long elements, long least) {
        return cpu ? (int) Math.max(1, Math.min(SHARED_PARTS, elements / least)) : 1;
    }

    /** Returns where part i of equal parts begins. */
    private static int bound(int i, int parts, long units) {
        return (int) (i * units / parts);
    }

    private Tensor empty(long rows, long columns) {
        return torch.empty(new long[] {rows, columns}, backend.floating(weights.type()), new MemoryFormatOptional());
    }
}

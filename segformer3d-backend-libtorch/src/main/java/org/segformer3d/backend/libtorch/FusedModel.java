package org.segformer3d.backend.libtorch;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.AssembledNetwork;
import org.segformer3d.api.model.InputGeometry;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.Device;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.weights.StateDict;

/**
 * The whole network for inference, in a form that is equal up to rounding and several times faster than the plain one.
 *
 * <ul>
 *   <li>Tokens stay channels-last: a token matrix is a view of its feature map, so nothing is transposed between Linear and Conv3d.
 *   <li>The depth-wise BatchNorm is folded into its convolution, the decoder's into its products.
 *   <li>The decoder's Linear → LayerNorm → fuse collapses into one product a token at each stage's own resolution: see
 *       {@link FusedDecoder}.
 *   <li>Attention never has its matrix of weights in memory.
 * </ul>
 *
 * <p>The samples of a batch are computed one after the other, so that a sample's logits don't depend on its batch.
 */
final class FusedModel implements SegmentationModel {
    /** Weights of attention made at a time at most, and elements of a slab of slices: they should stay in the cache. */
    private static final long ATTENTION_ELEMENTS = 1 << 19;

    private static final long SLAB_ELEMENTS = 1 << 19;

    /** The largest score whose exponential is used as it is: a sum of as many as fit in memory is far from float32's largest value. */
    private static final double SAFE_EXPONENT = 40;

    private final LibtorchBackend backend;
    private final SegFormer3DConfig config;
    private final PreparedWeights weights;
    /** oneDNN's convolutions are for float32 on the CPU. */
    private final boolean oneDnn;

    private final List<Stage> stages = new ArrayList<>();
    private final FusedDecoder decoder;
    private final AtomicInteger running = new AtomicInteger();
    private volatile boolean closed;

    private record Norm(Tensor weight, Tensor bias) {
        Tensor apply(Tensor x) {
            return Functional.layerNorm(x, weight, bias);
        }
    }

    /** A Linear over (1,N,C), with its weight also as a 1² kernel where oneDNN's convolution computes it. */
    private record Linear(Tensor weight, Tensor bias, Tensor kernel) {
        Tensor apply(Tensor x) {
            if (kernel == null) {
                return Functional.linear(x, weight, bias);
            }
            return product(x.squeeze(0), kernel, Functional.some(bias)).unsqueeze(0);
        }
    }

    /**
     * x Wᵀ + b of a contiguous (n,c) as a convolution over one channels-last column of n: oneDNN's product is up to twice as fast as the
     * BLAS for these narrow matrices.
     *
     * @param kernel (k,c,1,1)
     */
    private static Tensor product(Tensor x, Tensor kernel, TensorOptional bias) {
        Tensor y = torch.mkldnn_convolution(
                x.view(1, x.size(0), 1, x.size(1)).permute(0, 3, 1, 2),
                kernel,
                bias,
                new long[] {0, 0},
                new long[] {1, 1},
                new long[] {1, 1},
                1);
        return y.permute(0, 2, 3, 1).reshape(x.size(0), kernel.size(0));
    }

    private record Attention(
            int heads,
            int srRatio,
            Linear query,
            Linear keyValue,
            Tensor sr,
            Tensor srBias,
            Norm srNorm,
            Linear proj) {}

    /**
     * Mix-FFN.
     *
     * @param planes the depth-wise kernel's three planes along depth, (C,1,3,3) each
     */
    private record FeedForward(Linear fc1, List<Tensor> planes, Tensor depthwiseBias, Linear fc2) {}

    private record Block(Norm norm1, Attention attention, Norm norm2, FeedForward feedForward) {}

    private record Stage(
            int stride,
            int padding,
            Tensor convolution,
            Tensor convolutionBias,
            Norm norm,
            List<Block> blocks,
            Norm end) {}

    private FusedModel(LibtorchBackend backend, SegFormer3DConfig config, PreparedWeights weights) {
        this.backend = backend;
        this.config = config;
        this.weights = weights;
        this.oneDnn = backend.device().type() == Device.Type.CPU && backend.computeType() == DType.FLOAT32;
        for (int i = 0; i < SegFormer3DConfig.STAGES; i++) {
            stages.add(stage(i));
        }
        this.decoder = new FusedDecoder(backend, ModelLayout.decoder(config), weights, ModelLayout.decoderPrefix());
    }

    /**
     * Prepares the weights.
     *
     * @throws org.segformer3d.api.weights.StateDictMismatchException when they don't fit
     */
    static FusedModel load(LibtorchBackend backend, SegFormer3DConfig config, StateDict weights) {
        weights.require(ModelLayout.of(config));
        PreparedWeights prepared = new PreparedWeights(backend, weights);
        try {
            return backend.on(false, () -> LibtorchBackend.scoped(() -> new FusedModel(backend, config, prepared)));
        } catch (RuntimeException e) {
            prepared.close();
            throw e;
        }
    }

    private Stage stage(int i) {
        String embedding = ModelLayout.embeddingPrefix(i);
        List<Block> blocks = new ArrayList<>();
        for (int j = 0; j < config.depths().get(i); j++) {
            blocks.add(block(ModelLayout.blockPrefix(i, j), i));
        }
        return new Stage(
                config.patchStride().get(i),
                config.patchPadding().get(i),
                weights.get(embedding + "patch_embeddings.weight"),
                weights.get(embedding + "patch_embeddings.bias"),
                norm(embedding + "norm."),
                List.copyOf(blocks),
                norm(ModelLayout.stageNormPrefix(i)));
    }

    private Block block(String prefix, int stage) {
        String a = prefix + "attention.";
        int sr = config.srRatios().get(stage);
        Attention attention = new Attention(
                config.numHeads().get(stage),
                sr,
                linear(a + "query."),
                linear(a + "key_value."),
                sr == 1
                        ? null
                        : weights.keep(weights.exact(a + "sr.weight")
                                .permute(0, 2, 3, 4, 1)
                                .flatten(1, 4)),
                sr == 1 ? null : weights.get(a + "sr.bias"),
                sr == 1 ? null : norm(a + "sr_norm."),
                linear(a + "proj."));
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
                attention,
                norm(prefix + "norm2."),
                new FeedForward(
                        linear(m + "fc1."),
                        List.of(
                                weights.keep(kernel.select(2, 0)),
                                weights.keep(kernel.select(2, 1)),
                                weights.keep(kernel.select(2, 2))),
                        weights.keep(bias),
                        linear(m + "fc2.")));
    }

    private Norm norm(String prefix) {
        return new Norm(weights.get(prefix + "weight"), weights.get(prefix + "bias"));
    }

    private Linear linear(String prefix) {
        Tensor weight = weights.get(prefix + "weight");
        return new Linear(
                weight,
                weights.get(prefix + "bias"),
                oneDnn ? weights.keep(weight.view(weight.size(0), weight.size(1), 1, 1)) : null);
    }

    @Override
    public SegFormer3DConfig config() {
        return config;
    }

    @Override
    public Backend backend() {
        return backend;
    }

    @Override
    public String implementation() {
        return "fused";
    }

    @Override
    public org.segformer3d.api.tensor.Tensor forward(Scope scope, org.segformer3d.api.tensor.Tensor input) {
        return using(() -> {
            InputGeometry geometry = AssembledNetwork.geometry(config, input);
            Tensor volumes = LibtorchTensor.unwrap(backend, input);
            return backend.compute(scope, false, () -> {
                Grid size = geometry.input();
                Tensor[] logits = new Tensor[(int) volumes.size(0)];
                for (int b = 0; b < logits.length; b++) {
                    Tensor volume = volumes.narrow(0, b, 1);
                    logits[b] = step(() -> {
                        Tensor all = decoder.forward(encode(volume, geometry), geometry.stages());
                        return geometry.isPadded() ? Functional.canvas(all, size) : all;
                    });
                }
                return logits.length == 1 ? logits[0] : Functional.cat(0, logits);
            });
        });
    }

    @Override
    public List<org.segformer3d.api.tensor.Tensor> encode(Scope scope, org.segformer3d.api.tensor.Tensor input) {
        return using(() -> {
            InputGeometry geometry = AssembledNetwork.geometry(config, input);
            Tensor volumes = LibtorchTensor.unwrap(backend, input);
            List<org.segformer3d.api.tensor.Tensor> features = new ArrayList<>();
            backend.on(
                    false,
                    () -> LibtorchBackend.scoped(() -> {
                        List<List<Tensor>> samples = new ArrayList<>();
                        for (int b = 0; b < volumes.size(0); b++) {
                            samples.add(encode(volumes.narrow(0, b, 1), geometry));
                        }
                        for (int i = 0; i < SegFormer3DConfig.STAGES; i++) {
                            int stage = i;
                            Grid grid = geometry.stages().get(i);
                            features.add(backend.compute(scope, false, () -> {
                                Tensor[] maps = samples.stream()
                                        .map(sample -> Functional.map(sample.get(stage), grid)
                                                .contiguous())
                                        .toArray(Tensor[]::new);
                                return Functional.cat(0, maps);
                            }));
                        }
                        return null;
                    }));
            return List.copyOf(features);
        });
    }

    /** Returns the tokens (1,N,C) of the four stages of one volume. */
    private List<Tensor> encode(Tensor volume, InputGeometry geometry) {
        List<Tensor> features = new ArrayList<>();
        Tensor x = step(() -> {
            Tensor typed = volume.to(DTypes.of(backend.computeType()));
            return geometry.isPadded() ? Functional.canvas(typed, geometry.padded()) : typed.contiguous();
        });
        for (int i = 0; i < stages.size(); i++) {
            Stage stage = stages.get(i);
            Grid grid = geometry.stages().get(i);
            Tensor in = x;
            Tensor tokens = step(() -> embed(stage, in));
            for (Block block : stage.blocks()) {
                Tensor before = tokens;
                Tensor attended = step(() -> attend(block, before, grid));
                tokens = step(() -> feed(block, attended, grid));
                release(before);
                release(attended);
            }
            Tensor last = tokens;
            Tensor feature = step(() -> stage.end().apply(last));
            release(last);
            features.add(feature);
            x = Functional.map(feature, grid);
        }
        return features;
    }

    private static Tensor embed(Stage stage, Tensor x) {
        Tensor y =
                Functional.conv3d(x, stage.convolution(), stage.convolutionBias(), stage.stride(), stage.padding(), 1);
        return stage.norm().apply(Functional.tokens(y));
    }

    private Tensor attend(Block block, Tensor x, Grid grid) {
        Attention a = block.attention();
        long n = x.size(1);
        long c = x.size(2);
        long d = c / a.heads();
        Tensor normed = block.norm1().apply(x);
        Tensor q = a.query().apply(normed).view(1, n, a.heads(), d).transpose(1, 2);
        Tensor y = normed;
        if (a.srRatio() > 1) {
            y = a.srNorm().apply(reduced(a, normed, grid));
        }
        Tensor kv = a.keyValue().apply(y).view(1, y.size(1), 2, a.heads(), d).permute(2, 0, 3, 1, 4);
        Tensor k = kv.select(0, 0);
        Tensor v = kv.select(0, 1);
        double scale = 1 / Math.sqrt(d);
        boolean chunks = oneDnn
                && n * y.size(1) * a.heads() > ATTENTION_ELEMENTS
                && largestNorm(q) * largestNorm(k) * scale <= SAFE_EXPONENT;
        Tensor attended = chunks
                ? chunked(q, k.mul(new Scalar(scale)), v)
                : torch.scaled_dot_product_attention(
                        q, k, v, new TensorOptional(), 0, false, new DoubleOptional(scale), false);
        return a.proj().apply(attended.transpose(1, 2).reshape(1, n, c)).add_(x);
    }

    /** The spatial reduction as one product: its stride is its kernel, so every token belongs to one patch. */
    private static Tensor reduced(Attention a, Tensor tokens, Grid grid) {
        int r = a.srRatio();
        long c = tokens.size(2);
        long d = grid.depth() / r;
        long h = grid.height() / r;
        long w = grid.width() / r;
        Tensor patches = tokens.view(grid.depth(), grid.height(), grid.width(), c)
                .narrow(0, 0, d * r)
                .narrow(1, 0, h * r)
                .narrow(2, 0, w * r)
                .reshape(d, r, h, r, w, r, c)
                .permute(0, 2, 4, 1, 3, 5, 6)
                .reshape(1, d * h * w, r * r * r * c);
        return Functional.linear(patches, a.sr(), a.srBias());
    }

    /**
     * softmax(q kᵀ) v for (1,heads,·,d), a few queries at a time: their weights stay in the cache and never exist as a whole.
     *
     * <p>No score may overflow the exponential. So the rows' maxima needn't be subtracted, and a column of ones beside v gives the sums of
     * the weights in the same product as the values.
     */
    private Tensor chunked(Tensor q, Tensor k, Tensor v) {
        long heads = q.size(1);
        long n = q.size(2);
        long m = k.size(2);
        long d = q.size(3);
        long chunk = Math.max(1, ATTENTION_ELEMENTS / m);
        Tensor attended = torch.empty(new long[] {1, n, heads, d}, backend.floating(), new MemoryFormatOptional());
        Tensor ones = torch.ones(new long[] {m, 1}, backend.floating());
        for (long head = 0; head < heads; head++) {
            Tensor queries = q.select(1, head).squeeze(0).contiguous();
            Tensor scores = k.select(1, head).contiguous().view(m, d, 1, 1);
            Tensor sums = Functional.cat(1, v.select(1, head).squeeze(0), ones)
                    .t()
                    .contiguous()
                    .view(d + 1, m, 1, 1);
            Tensor target = attended.select(2, head).squeeze(0);
            for (long first = 0; first < n; first += chunk) {
                long from = first;
                long count = Math.min(chunk, n - from);
                LibtorchBackend.scoped(() -> {
                    Tensor rows = product(queries.narrow(0, from, count), scores, new TensorOptional())
                            .exp_();
                    Tensor summed = product(rows, sums, new TensorOptional());
                    return torch.div_out(target.narrow(0, from, count), summed.narrow(1, 0, d), summed.narrow(1, d, 1));
                });
            }
        }
        return attended.transpose(1, 2);
    }

    /** Returns the largest Euclidean norm over the last axis; NaN where there is one. */
    private static double largestNorm(Tensor rows) {
        return Math.sqrt(rows.square().sum(-1).max().item().toDouble());
    }

    private Tensor feed(Block block, Tensor x, Grid grid) {
        FeedForward f = block.feedForward();
        Tensor hidden = step(() -> f.fc1().apply(block.norm2().apply(x)));
        Tensor mixed = step(() -> depthwise(f, hidden, grid));
        release(hidden);
        return f.fc2().apply(torch.gelu_(mixed)).add_(x);
    }

    /**
     * The depth-wise 3³ convolution as three 3² ones over slices: oneDNN has a fast kernel for two dimensions and none for three. A few
     * slices at a time, so that their sum is made in the cache.
     */
    private Tensor depthwise(FeedForward f, Tensor hidden, Grid grid) {
        long c = hidden.size(2);
        long depth = grid.depth();
        Tensor slices = hidden.view(depth, grid.height(), grid.width(), c).permute(0, 3, 1, 2);
        Tensor mixed = torch.empty(
                new long[] {depth, grid.height(), grid.width(), c}, backend.floating(), new MemoryFormatOptional());
        long slab = Math.max(1, SLAB_ELEMENTS / (c * grid.height() * grid.width()));
        for (long first = 0; first < depth; first += slab) {
            long from = first;
            long to = Math.min(depth, from + slab);
            LibtorchBackend.scoped(() -> {
                Tensor y = plane(slices.narrow(0, from, to - from), f.planes().get(1), f.depthwiseBias());
                long below = Math.max(from, 1);
                if (below < to) {
                    y.narrow(0, below - from, to - below)
                            .add_(plane(
                                    slices.narrow(0, below - 1, to - below),
                                    f.planes().get(0),
                                    null));
                }
                long above = Math.min(to, depth - 1);
                if (from < above) {
                    y.narrow(0, 0, above - from)
                            .add_(plane(
                                    slices.narrow(0, from + 1, above - from),
                                    f.planes().get(2),
                                    null));
                }
                return mixed.narrow(0, from, to - from).copy_(y.permute(0, 2, 3, 1));
            });
        }
        return mixed.view(1, grid.tokens(), c);
    }

    private static Tensor plane(Tensor slices, Tensor kernel, Tensor bias) {
        return torch.conv2d(
                slices,
                kernel,
                bias == null ? new TensorOptional() : Functional.some(bias),
                new long[] {1, 1},
                new long[] {1, 1},
                new long[] {1, 1},
                kernel.size(0));
    }

    /** Runs a part of the computation in a scope of its own, so that what it needs on the way is released at once. */
    @SuppressWarnings("try") // the scope works by being open
    static Tensor step(Supplier<Tensor> work) {
        PointerScope outer = PointerScope.getInnerScope();
        try (PointerScope inner = new PointerScope()) {
            Tensor result = work.get();
            outer.attach(result);
            return result;
        }
    }

    /** Gives an intermediate's memory back before its scope ends. */
    static void release(Tensor x) {
        PointerScope.getInnerScope().detach(x);
        x.close();
    }

    private <T> T using(Supplier<T> work) {
        // counted, so that closing while another thread computes frees nothing under its feet
        running.incrementAndGet();
        try {
            if (closed) {
                throw new IllegalStateException("the model is closed");
            }
            return work.get();
        } finally {
            if (running.decrementAndGet() == 0 && closed) {
                weights.close();
            }
        }
    }

    @Override
    public boolean isClosed() {
        return closed;
    }

    @Override
    public void close() {
        closed = true;
        if (running.get() == 0) {
            weights.close();
        }
    }
}

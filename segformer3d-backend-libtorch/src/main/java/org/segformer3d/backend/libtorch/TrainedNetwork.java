package org.segformer3d.backend.libtorch;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.InputGeometry;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.ops.Pass;

/**
 * The whole network in training mode, with its gradients written out instead of recorded by autograd.
 *
 * <ul>
 *   <li>Tokens stay channels-last and Linears are oneDNN's products, as in {@link FusedModel}.
 *   <li>The decoder's Linear → LayerNorm → fuse collapses: see {@link TrainedDecoder}.
 *   <li>The depth-wise convolution and its gradients run a few slices at a time: see {@link DepthwiseConvolution}.
 *   <li>Attention's weights are made again in the backward pass; with recomputation so is everything else inside a block.
 * </ul>
 *
 * <p>Nothing here is recorded: callers switch autograd off. Used by one thread at a time.
 */
final class TrainedNetwork implements AutoCloseable {
    private final LibtorchBackend backend;
    private final List<Stage> stages = new ArrayList<>();
    private final Workers workers;
    private final Gradients gradients;
    private final Scratch scratch = new Scratch();
    private final TrainedDecoder decoder;
    private InputGeometry geometry;
    private Grid decoded;
    private long batch;

    private static final class Stage {
        private final TrainedEmbedding embedding;
        private final List<TrainedHalf> halves = new ArrayList<>();
        private final TrainedNorm norm;
        private final Kept kept = new Kept();
        private Tensor last;
        private TrainedNorm.Normed normed;

        Stage(TrainedEmbedding embedding, TrainedNorm norm) {
            this.embedding = embedding;
            this.norm = norm;
        }

        Tensor end(Tensor tokens) {
            last = kept.keep(tokens);
            normed = norm.forward(tokens);
            kept.keep(normed.mean());
            kept.keep(normed.inverse());
            return normed.y();
        }

        void forget() {
            embedding.forget();
            halves.forEach(TrainedHalf::forget);
            kept.forget();
            last = null;
            normed = null;
        }

        void close() {
            forget();
            embedding.close();
            halves.forEach(TrainedHalf::close);
            kept.close();
        }
    }

    /**
     * Makes a network over weights that are owned elsewhere.
     *
     * @param trained the weights
     * @param gradients where theirs are added; closed with the network
     * @param statistics running means and variances
     * @param shared BatchNorm for batches that processes share, else {@code null}
     * @param recomputes whether the backward pass computes again what is inside a block
     * @param mixed whether the encoder's products are computed in bfloat16; the decoder's variances are quadratic forms, too exacting
     *     for that
     */
    TrainedNetwork(
            LibtorchBackend backend,
            SegFormer3DConfig config,
            FlatTensors trained,
            Gradients gradients,
            FlatTensors statistics,
            SharedBatchNorm shared,
            boolean recomputes,
            boolean mixed) {
        this.backend = backend;
        this.gradients = gradients;
        TrainedWeights weights = new TrainedWeights(trained, gradients, statistics, "");
        this.workers = new Workers(backend.options().threads());
        Products products = new Products(backend, workers, mixed);
        for (int i = 0; i < SegFormer3DConfig.STAGES; i++) {
            Stage stage = new Stage(
                    new TrainedEmbedding(
                            products,
                            ModelLayout.embedding(config, i),
                            weights.at(ModelLayout.embeddingPrefix(i)),
                            recomputes),
                    new TrainedNorm(weights.at(ModelLayout.stageNormPrefix(i))));
            for (int j = 0; j < config.depths().get(i); j++) {
                TrainedWeights block = weights.at(ModelLayout.blockPrefix(i, j));
                stage.halves.add(new TrainedAttention(
                        products, ModelLayout.transformerBlock(config, i).attention(), block, recomputes));
                stage.halves.add(new TrainedFeedForward(products, block, scratch, shared, recomputes));
            }
            stages.add(stage);
        }
        this.decoder = new TrainedDecoder(
                backend,
                mixed ? new Products(backend, workers, false) : products,
                ModelLayout.decoder(config),
                weights.at(ModelLayout.decoderPrefix()),
                scratch,
                shared,
                recomputes);
    }

    /**
     * Computes logits (B,K,D,H,W) and keeps what {@link #backward} needs until {@link #forget}; running statistics move.
     *
     * @param volumes (B,C,D,H,W) of that geometry
     * @param pass in training mode
     */
    Tensor forward(Tensor volumes, InputGeometry size, Pass pass) {
        geometry = size;
        batch = volumes.size(0);
        List<Tensor> features = new ArrayList<>();
        Tensor x = FusedModel.step(() -> {
            Tensor typed = volumes.to(DTypes.of(backend.computeType()));
            return size.isPadded() ? Functional.canvas(typed, size.padded()) : typed.contiguous();
        });
        for (int i = 0; i < stages.size(); i++) {
            Stage stage = stages.get(i);
            Grid grid = size.stages().get(i);
            Tensor map = x;
            Tensor tokens = FusedModel.step(() -> stage.embedding.forward(map));
            release(map);
            for (TrainedHalf half : stage.halves) {
                Tensor before = tokens;
                tokens = FusedModel.step(() -> half.forward(before, grid));
                release(before);
            }
            Tensor before = tokens;
            Tensor feature = FusedModel.step(() -> stage.end(before));
            release(before);
            features.add(feature);
            x = FusedModel.step(() -> map(feature, grid));
        }
        return FusedModel.step(() -> {
            Tensor logits = decoder.forward(features, size.stages(), batch, pass);
            decoded = Grid.of(Functional.shape(logits));
            return decoded.equals(size.input()) ? logits : Functional.canvas(logits, size.input());
        });
    }

    /** (B·N,C) → (B,C,D,H,W), a view. */
    private Tensor map(Tensor tokens, Grid grid) {
        return tokens.view(batch, grid.depth(), grid.height(), grid.width(), tokens.size(1))
                .permute(0, 4, 1, 2, 3);
    }

    /**
     * Adds the gradients of every weight.
     *
     * @param gradient at the logits of the last {@link #forward}; its memory is given up
     * @param inputGradient whether the input's is wanted
     * @return the input's gradient, else {@code null}
     */
    Tensor backward(Tensor gradient, boolean inputGradient) {
        gradients.prepare(workers.parts(batch));
        List<Tensor> features = steps(() ->
                decoder.backward(decoded.equals(geometry.input()) ? gradient : Functional.canvas(gradient, decoded)));
        decoder.forget();
        Tensor next = null;
        for (int i = stages.size() - 1; i >= 0; i--) {
            Stage stage = stages.get(i);
            Tensor own = features.get(i);
            if (next != null) {
                own.add_(next.permute(0, 2, 3, 4, 1).reshape(Functional.shape(own)));
                release(next);
            }
            Tensor d = FusedModel.step(() -> stage.norm.backward(stage.last, stage.normed, own));
            release(own);
            for (int j = stage.halves.size() - 1; j >= 0; j--) {
                TrainedHalf half = stage.halves.get(j);
                Tensor after = d;
                d = FusedModel.step(() -> half.backward(after));
                release(after);
                half.forget();
            }
            Tensor tokens = d;
            if (i > 0 || inputGradient) {
                next = FusedModel.step(() -> stage.embedding.backward(tokens, true));
            } else {
                next = LibtorchBackend.scoped(() -> stage.embedding.backward(tokens, false));
            }
            release(tokens);
            stage.forget();
        }
        gradients.collect();
        if (next == null) {
            return null;
        }
        return geometry.isPadded() ? Functional.canvas(next, geometry.input()) : next;
    }

    /** Like {@link FusedModel#step} for several results. */
    @SuppressWarnings("try") // the scope works by being open
    static List<Tensor> steps(Supplier<List<Tensor>> work) {
        PointerScope outer = PointerScope.getInnerScope();
        try (PointerScope inner = new PointerScope()) {
            List<Tensor> results = work.get();
            results.forEach(outer::attach);
            return results;
        }
    }

    /** Gives up the open pointer scope's hold on a tensor before the scope ends; what a part keeps stays. */
    private static void release(Tensor x) {
        PointerScope.getInnerScope().detach(x);
    }

    /** Returns the threads that work on it. */
    Workers workers() {
        return workers;
    }

    /** Gives back what the last forward pass kept; the next one finds its places again. */
    void forget() {
        stages.forEach(Stage::forget);
        decoder.forget();
    }

    /** Gives back all memory of forward passes; another may follow. */
    void giveBack() {
        stages.forEach(Stage::close);
        decoder.giveBack();
        scratch.close();
    }

    @Override
    public void close() {
        giveBack();
        decoder.close();
        workers.close();
        gradients.close();
    }
}

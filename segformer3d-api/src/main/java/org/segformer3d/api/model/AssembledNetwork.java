package org.segformer3d.api.model;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.block.BlockContext;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.BlockSpec.StageNormSpec;
import org.segformer3d.api.block.BlockSpec.TransformerBlockSpec;
import org.segformer3d.api.block.Decoder;
import org.segformer3d.api.block.Encoder;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.LayerKind;
import org.segformer3d.api.block.Layers;
import org.segformer3d.api.block.PatchEmbedding;
import org.segformer3d.api.block.StageNorm;
import org.segformer3d.api.block.Tokens;
import org.segformer3d.api.block.TransformerBlock;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.api.tensor.Tensor;

/**
 * The network as the paper draws it, put together from a backend's blocks; used for inference and, in
 * {@link org.segformer3d.api.block.Mode#TRAINING}, by backends for training.
 */
public final class AssembledNetwork implements AutoCloseable {
    private final Backend backend;
    private final SegFormer3DConfig config;
    private final List<Stage> stages;
    private final Decoder decoder;

    private record Stage(PatchEmbedding embedding, List<TransformerBlock> blocks, StageNorm norm) {}

    private AssembledNetwork(Backend backend, SegFormer3DConfig config, List<Stage> stages, Decoder decoder) {
        this.backend = backend;
        this.config = config;
        this.stages = stages;
        this.decoder = decoder;
    }

    /**
     * Builds the blocks.
     *
     * @param context backend and mode
     * @param config the network
     * @param layers who supplies each kind of layer
     * @param tensors the weights on the backend under their full names; they must outlive the network
     */
    public static AssembledNetwork build(
            BlockContext context, SegFormer3DConfig config, Layers layers, Map<String, Tensor> tensors) {
        layers.check(context);
        BlockParameters all = new BlockParameters(tensors, "");
        List<Stage> stages = new ArrayList<>();
        for (int i = 0; i < SegFormer3DConfig.STAGES; i++) {
            PatchEmbedding embedding = layers.of(LayerKind.PATCH_EMBEDDING)
                    .patchEmbedding(context, ModelLayout.embedding(config, i), all.at(ModelLayout.embeddingPrefix(i)));
            List<TransformerBlock> blocks = new ArrayList<>();
            TransformerBlockSpec spec = ModelLayout.transformerBlock(config, i);
            for (int j = 0; j < config.depths().get(i); j++) {
                BlockParameters parameters = all.at(ModelLayout.blockPrefix(i, j));
                blocks.add(layers.of(LayerKind.TRANSFORMER_BLOCK)
                        .transformerBlock(
                                context,
                                spec,
                                parameters,
                                layers.of(LayerKind.SELF_ATTENTION)
                                        .selfAttention(context, spec.attention(), parameters.at("attention.")),
                                layers.of(LayerKind.MIX_FEED_FORWARD)
                                        .mixFeedForward(context, spec.feedForward(), parameters.at("mlp."))));
            }
            StageNorm norm = layers.of(LayerKind.STAGE_NORM)
                    .stageNorm(
                            context,
                            new StageNormSpec(config.embedDims().get(i)),
                            all.at(ModelLayout.stageNormPrefix(i)));
            stages.add(new Stage(embedding, List.copyOf(blocks), norm));
        }
        Decoder decoder = layers.of(LayerKind.DECODER)
                .decoder(context, ModelLayout.decoder(config), all.at(ModelLayout.decoderPrefix()));
        return new AssembledNetwork(context.backend(), config, List.copyOf(stages), decoder);
    }

    /** Returns the encoder as a block of its own; closing it closes nothing, the network owns the blocks. */
    public Encoder encoder() {
        return new Encoder() {
            @Override
            public List<Tensor> forward(Scope scope, Tensor x) {
                return encode(scope, x);
            }

            @Override
            public void close() {
                // the network owns the blocks
            }
        };
    }

    /**
     * Computes the feature maps c1…c4 of an input of any size.
     *
     * @param scope owner of the results
     * @param input (B,C,D,H,W)
     */
    public List<Tensor> encode(Scope scope, Tensor input) {
        InputGeometry geometry = geometry(config, input);
        List<Tensor> features = new ArrayList<>();
        try (Scope inner = backend.newScope()) {
            Tensor x = geometry.isPadded() ? backend.resizeCanvas(inner, input, geometry.padded()) : input;
            for (Stage stage : stages) {
                Tokens tokens = stage.embedding().forward(inner, x);
                Grid grid = tokens.grid();
                Tensor y = tokens.tensor();
                for (TransformerBlock block : stage.blocks()) {
                    Tensor next = block.forward(inner, y, grid);
                    y.close();
                    y = next;
                }
                x = stage.norm().forward(inner, y, grid).moveTo(scope);
                y.close();
                features.add(x);
            }
        }
        return List.copyOf(features);
    }

    /**
     * Computes logits at the input's own size.
     *
     * @param scope owner of the result
     * @param input (B,C,D,H,W)
     */
    public Tensor forward(Scope scope, Tensor input) {
        InputGeometry geometry = geometry(config, input);
        try (Scope inner = backend.newScope()) {
            Tensor logits = decoder.forward(inner, encode(inner, input));
            if (!Grid.of(logits.shape()).equals(geometry.input())) {
                logits = backend.resizeCanvas(inner, logits, geometry.input());
            }
            return logits.moveTo(scope);
        }
    }

    /**
     * Checks an input and returns its geometry.
     *
     * @throws IllegalArgumentException when it isn't (B,C,D,H,W) with the configuration's channels
     */
    public static InputGeometry geometry(SegFormer3DConfig config, Tensor input) {
        return geometry(config, input.shape());
    }

    /**
     * Checks an input's shape and returns its geometry.
     *
     * @throws IllegalArgumentException when it isn't (B,C,D,H,W) with the configuration's channels
     */
    public static InputGeometry geometry(SegFormer3DConfig config, long[] shape) {
        if (shape.length != 5 || shape[1] != config.inChannels() || shape[0] < 1) {
            throw new IllegalArgumentException(
                    "input: found shape " + Shapes.text(shape) + ", expected (B," + config.inChannels() + ",D,H,W)");
        }
        return InputGeometry.of(config, Grid.of(shape));
    }

    /** Closes the blocks. */
    @Override
    public void close() {
        for (Stage stage : stages) {
            stage.embedding().close();
            stage.blocks().forEach(TransformerBlock::close);
            stage.norm().close();
        }
        decoder.close();
    }
}

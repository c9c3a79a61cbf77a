package org.segformer3d.api.network;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.BlockSpec.StageNormSpec;
import org.segformer3d.api.block.BlockSpec.TransformerBlockSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.InputGeometry;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.api.tensor.Tensor;

/**
 * SegFormer3D: four stages of patch embedding, transformer blocks and stage norm, each at a coarser resolution, and a decoder.
 *
 * <p>Inputs of any size: see {@link InputGeometry}.
 */
public final class SegFormer3DNetwork implements Network {
    private final SegFormer3DConfig config;
    private final Layers layers;

    private SegFormer3DNetwork(SegFormer3DConfig config, Layers layers) {
        this.config = config;
        this.layers = layers;
    }

    /**
     * Returns the network of a configuration.
     *
     * @throws org.segformer3d.api.config.ConfigException when a replaced layer is unknown
     */
    public static SegFormer3DNetwork of(SegFormer3DConfig config) {
        return new SegFormer3DNetwork(config, Layers.resolve(config.layers()));
    }

    /** Returns this network with other blocks. */
    SegFormer3DNetwork with(Layers newLayers) {
        return new SegFormer3DNetwork(config, newLayers);
    }

    /** Returns the configuration. */
    public SegFormer3DConfig config() {
        return config;
    }

    /** Returns who computes each kind of block. */
    public Layers layers() {
        return layers;
    }

    @Override
    public String architecture() {
        return SegFormer3D.NAME;
    }

    @Override
    public Map<String, Object> toMap() {
        return config.toMap();
    }

    @Override
    public int inChannels() {
        return config.inChannels();
    }

    @Override
    public int numClasses() {
        return config.numClasses();
    }

    @Override
    public List<ParameterSpec> parameters() {
        return ModelLayout.of(config).blocks().stream()
                .flatMap(block ->
                        layers.parameters(block.spec()).stream().map(parameter -> parameter.prefixed(block.prefix())))
                .toList();
    }

    @Override
    public InputRule inputRule() {
        return InputRule.any();
    }

    @Override
    public SegFormer3DNetwork withChannels(int newInChannels, int newNumClasses) {
        return new SegFormer3DNetwork(config.withChannels(newInChannels, newNumClasses), layers);
    }

    @Override
    public List<Part> parts(Grid input) {
        InputGeometry geometry = InputGeometry.of(config, input);
        return ModelLayout.of(config).blocks().stream()
                .map(block -> new Part(
                        block.prefix().substring(0, block.prefix().length() - 1),
                        block.spec().kind().key(),
                        block.stage() < 0
                                ? config.numClasses() + "×" + input
                                : config.embedDims().get(block.stage()) + "×"
                                        + geometry.stages().get(block.stage())))
                .toList();
    }

    @Override
    public List<Tensor> forward(Ops ops, BlockParameters parameters, Tensor input) {
        Grid size = geometry(input.shape()).input();
        return List.of(ops.part(inner -> {
            Tensor logits = layers.decoder()
                    .forward(
                            inner,
                            ModelLayout.decoder(config),
                            parameters.at(ModelLayout.decoderPrefix()),
                            encode(inner, parameters, input));
            return Grid.of(logits.shape()).equals(size) ? logits : canvas(inner, logits, size);
        }));
    }

    /** Returns the feature maps c1…c4 (B,C_i,D_i,H_i,W_i), finest first. */
    @Override
    public List<Tensor> encode(Ops ops, BlockParameters parameters, Tensor input) {
        InputGeometry geometry = geometry(input.shape());
        List<Tensor> features = new ArrayList<>();
        for (int i = 0; i < SegFormer3DConfig.STAGES; i++) {
            int stage = i;
            features.add(ops.part(inner -> {
                Tensor x = stage > 0
                        ? features.get(stage - 1)
                        : geometry.isPadded() ? canvas(inner, input, geometry.padded()) : input;
                return stage(inner, stage, parameters, x);
            }));
        }
        return List.copyOf(features);
    }

    private Tensor stage(Ops ops, int stage, BlockParameters parameters, Tensor x) {
        Tokens embedded = layers.patchEmbedding()
                .forward(
                        ops,
                        ModelLayout.embedding(config, stage),
                        parameters.at(ModelLayout.embeddingPrefix(stage)),
                        x);
        TransformerBlockSpec spec = ModelLayout.transformerBlock(config, stage);
        Tensor tokens = embedded.tensor();
        for (int j = 0; j < config.depths().get(stage); j++) {
            Tensor next = layers.transformerBlock()
                    .forward(
                            ops,
                            spec,
                            parameters.at(ModelLayout.blockPrefix(stage, j)),
                            layers.selfAttention(),
                            layers.feedForward(),
                            tokens,
                            embedded.grid());
            tokens.close();
            tokens = next;
        }
        return layers.stageNorm()
                .forward(
                        ops,
                        new StageNormSpec(config.embedDims().get(stage)),
                        parameters.at(ModelLayout.stageNormPrefix(stage)),
                        tokens,
                        embedded.grid());
    }

    /** Zero-pads or crops at the far end of each axis. */
    private static Tensor canvas(Ops ops, Tensor x, Grid size) {
        Tensor result = x;
        for (int axis = 0; axis < 3; axis++) {
            long from = x.shape()[axis + 2];
            long to = size.size(axis);
            if (to > from) {
                result = ops.pad(result, axis + 2, 0, to - from);
            } else if (to < from) {
                result = ops.slice(result, axis + 2, 0, to);
            }
        }
        return result;
    }

    /**
     * Checks the shape of an input and returns its geometry.
     *
     * @throws IllegalArgumentException when it isn't (B,C,D,H,W) with the configuration's channels
     */
    public InputGeometry geometry(long[] shape) {
        if (shape.length != 5 || shape[1] != config.inChannels() || shape[0] < 1) {
            throw new IllegalArgumentException(
                    "input: found shape " + Shapes.text(shape) + ", expected (B," + config.inChannels() + ",D,H,W)");
        }
        return InputGeometry.of(config, Grid.of(shape));
    }

    /** Two networks are equal when their configurations and blocks are. */
    @Override
    public boolean equals(Object other) {
        return other instanceof SegFormer3DNetwork that && config.equals(that.config) && layers.equals(that.layers);
    }

    @Override
    public int hashCode() {
        return Objects.hash(SegFormer3D.NAME, config);
    }

    @Override
    public String toString() {
        return SegFormer3D.NAME + " " + toMap();
    }
}

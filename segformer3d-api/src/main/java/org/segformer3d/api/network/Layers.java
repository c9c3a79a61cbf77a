package org.segformer3d.api.network;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.Set;
import org.segformer3d.api.block.BlockSpec;
import org.segformer3d.api.block.LayerKind;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.config.Suggestions;

/**
 * Who computes each kind of block of one network: the paper's blocks unless a configuration names others.
 *
 * @param patchEmbedding never {@code null}
 * @param selfAttention never {@code null}
 * @param feedForward never {@code null}
 * @param transformerBlock never {@code null}
 * @param stageNorm never {@code null}
 * @param decoder never {@code null}
 */
public record Layers(
        PatchEmbedding patchEmbedding,
        SelfAttention selfAttention,
        FeedForward feedForward,
        TransformerBlock transformerBlock,
        StageNorm stageNorm,
        Decoder decoder) {
    /** The blocks of the paper. */
    public static final Layers PAPER = new Layers(
            new OverlappedPatchEmbedding(),
            new EfficientSelfAttention(),
            new MixFeedForward(),
            new PreNormBlock(),
            new LayerNormStage(),
            new AllMlpDecoder());

    /**
     * Resolves the names in {@code model_parameters.layers} among the layers found by ServiceLoader.
     *
     * @param names by kind; the paper's for kinds that are absent
     * @throws ConfigException when no layer has such a name, which lists those there are, or none of that name is of the kind
     */
    public static Layers resolve(Map<LayerKind, String> names) {
        if (names.isEmpty()) {
            return PAPER;
        }
        List<Layer> found = new ArrayList<>();
        ServiceLoader.load(Layer.class).forEach(found::add);
        return new Layers(
                find(found, names, LayerKind.PATCH_EMBEDDING, PatchEmbedding.class, PAPER.patchEmbedding),
                find(found, names, LayerKind.SELF_ATTENTION, SelfAttention.class, PAPER.selfAttention),
                find(found, names, LayerKind.MIX_FEED_FORWARD, FeedForward.class, PAPER.feedForward),
                find(found, names, LayerKind.TRANSFORMER_BLOCK, TransformerBlock.class, PAPER.transformerBlock),
                find(found, names, LayerKind.STAGE_NORM, StageNorm.class, PAPER.stageNorm),
                find(found, names, LayerKind.DECODER, Decoder.class, PAPER.decoder));
    }

    private static <T extends Layer> T find(
            List<Layer> found, Map<LayerKind, String> names, LayerKind kind, Class<T> type, T paper) {
        String name = names.get(kind);
        if (name == null) {
            return paper;
        }
        Set<String> others = new LinkedHashSet<>();
        Set<String> suitable = new LinkedHashSet<>();
        for (Layer layer : found) {
            if (type.isInstance(layer)) {
                if (layer.name().equals(name)) {
                    return type.cast(layer);
                }
                suitable.add(layer.name());
            } else {
                others.add(layer.name());
            }
        }
        String key = "model_parameters.layers." + kind.key();
        if (others.contains(name)) {
            throw ConfigException.of(
                    key, "'" + name + "'", "a layer that is a " + kind.key() + ", of which there are " + suitable);
        }
        throw ConfigException.of(
                key,
                "'" + name + "'",
                "one of the layers of this kind on the class path " + suitable
                        + Suggestions.nearest(name, suitable)
                                .map(near -> "; did you mean '" + near + "'?")
                                .orElse(""));
    }

    /** Returns who computes a kind. */
    public Layer of(LayerKind kind) {
        return switch (kind) {
            case PATCH_EMBEDDING -> patchEmbedding;
            case SELF_ATTENTION -> selfAttention;
            case MIX_FEED_FORWARD -> feedForward;
            case TRANSFORMER_BLOCK -> transformerBlock;
            case STAGE_NORM -> stageNorm;
            case DECODER -> decoder;
        };
    }

    /** Returns the entries of the state dict of a block, under their names within it. */
    public List<ParameterSpec> parameters(BlockSpec spec) {
        return of(spec.kind()).parameters(spec);
    }

    /** Returns whether any kind isn't the paper's, in which case faster forms of the whole network don't apply. */
    public boolean isReplaced() {
        return !equals(PAPER);
    }
}

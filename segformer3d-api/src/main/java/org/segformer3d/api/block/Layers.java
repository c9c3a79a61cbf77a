package org.segformer3d.api.block;

import java.util.EnumMap;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.Set;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.config.Suggestions;

/** Which provider supplies each kind of layer of one model: the backend's own unless the configuration names another. */
public final class Layers {
    private final LayerProvider own;
    private final Map<LayerKind, LayerProvider> replaced;

    private Layers(LayerProvider own, Map<LayerKind, LayerProvider> replaced) {
        this.own = own;
        this.replaced = replaced;
    }

    /**
     * Resolves the names in {@code model_parameters.layers} among the providers found by ServiceLoader.
     *
     * @param config the configuration
     * @param own the backend's provider, used for every kind that isn't replaced
     * @throws ConfigException when a name is unknown, which lists the names there are, or a provider doesn't supply the kind
     */
    public static Layers resolve(SegFormer3DConfig config, LayerProvider own) {
        Map<LayerKind, LayerProvider> replaced = new EnumMap<>(LayerKind.class);
        if (config.layers().isEmpty()) {
            return new Layers(own, replaced);
        }
        Map<String, LayerProvider> found = new LinkedHashMap<>();
        ServiceLoader.load(LayerProvider.class).forEach(provider -> found.put(provider.name(), provider));
        config.layers().forEach((kind, name) -> {
            LayerProvider provider = found.get(name);
            String key = "model_parameters.layers." + kind.key();
            if (provider == null) {
                String hint = Suggestions.nearest(name, found.keySet())
                        .map(near -> "; did you mean '" + near + "'?")
                        .orElse("");
                throw ConfigException.of(
                        key, "'" + name + "'", "one of the layer providers on the class path " + found.keySet() + hint);
            }
            if (!provider.kinds().contains(kind)) {
                throw ConfigException.of(
                        key,
                        "'" + name + "'",
                        "a provider of " + kind.key() + "; this one supplies " + provider.kinds());
            }
            replaced.put(kind, provider);
        });
        return new Layers(own, replaced);
    }

    /** Returns the paper's layers as arithmetic only: names, shapes and counts, but no blocks. */
    public static Layers paper() {
        return new Layers(
                new LayerProvider() {
                    @Override
                    public String name() {
                        return "paper";
                    }

                    @Override
                    public Set<LayerKind> kinds() {
                        return EnumSet.noneOf(LayerKind.class);
                    }
                },
                Map.of());
    }

    /** Returns the provider of a kind. */
    public LayerProvider of(LayerKind kind) {
        return replaced.getOrDefault(kind, own);
    }

    /** Returns whether any kind is replaced, in which case fused whole-model forms don't apply. */
    public boolean isReplaced() {
        return !replaced.isEmpty();
    }

    /**
     * Checks that every provider can work in this context.
     *
     * @throws ConfigException naming the first that can't
     */
    public void check(BlockContext context) {
        replaced.forEach((kind, provider) -> {
            if (!provider.supports(context)) {
                throw ConfigException.of(
                        "model_parameters.layers." + kind.key(),
                        "'" + provider.name() + "'",
                        "a layer that supports " + context.mode() + " on backend '"
                                + context.backend().name() + "'");
            }
        });
    }
}

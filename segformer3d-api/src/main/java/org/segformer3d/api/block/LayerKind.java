package org.segformer3d.api.block;

import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/** The kinds of layer of which a configuration can replace each by name. */
public enum LayerKind {
    /** Overlapped patch embedding. */
    PATCH_EMBEDDING,
    /** Efficient self-attention. */
    SELF_ATTENTION,
    /** Mix-FFN. */
    MIX_FEED_FORWARD,
    /** A transformer block around an attention and a Mix-FFN. */
    TRANSFORMER_BLOCK,
    /** The LayerNorm that ends an encoder stage. */
    STAGE_NORM,
    /** The all-MLP decoder. */
    DECODER;

    /** Returns the configuration key, for example {@code self_attention}. */
    public String key() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Returns all configuration keys. */
    public static List<String> keys() {
        return Stream.of(values()).map(LayerKind::key).toList();
    }
}

package org.segformer3d.api.network;

import java.util.Map;

/**
 * A kind of network that configurations name in {@code model_name}; found by {@link java.util.ServiceLoader}.
 *
 * @since 0.1
 */
public interface Architecture {
    /** Returns the name, for example {@code segformer3d}, never {@code null}. */
    String name();

    /**
     * Returns a network of this kind.
     *
     * @param parameters the section {@code model_parameters}, never {@code null}; keys that are left out have their defaults
     * @throws org.segformer3d.api.config.ConfigException naming an unknown key (with the nearest known one) or a value of the wrong kind
     *     or range
     */
    Network configure(Map<String, ?> parameters);
}

package org.segformer3d.api.export;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.weights.StateDict;

/**
 * What is to be exported: a network in evaluation mode, and what its file says about itself.
 *
 * @param config the network, with the paper's layers: nobody else knows what replaced ones compute
 * @param weights fitting the network
 * @param version of the software, written into the file
 * @param metadata texts to write into the file by name, for example what the classes mean
 */
public record NetworkExport(SegFormer3DConfig config, StateDict weights, String version, Map<String, String> metadata) {
    /**
     * Checks that the network can be exported.
     *
     * @throws ConfigException when a layer is replaced
     * @throws org.segformer3d.api.weights.StateDictMismatchException when the weights don't fit
     */
    public NetworkExport {
        Objects.requireNonNull(version, "version");
        metadata = Collections.unmodifiableMap(new LinkedHashMap<>(metadata));
        if (!config.layers().isEmpty()) {
            throw ConfigException.of(
                    "model_parameters.layers", config.layers(), "none: only the paper's can be exported");
        }
        weights.require(ModelLayout.of(config));
    }
}

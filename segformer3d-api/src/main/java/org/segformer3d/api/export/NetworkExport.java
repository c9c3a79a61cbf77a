package org.segformer3d.api.export;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.network.FoldedSegFormer3D;
import org.segformer3d.api.network.Network;
import org.segformer3d.api.network.SegFormer3DNetwork;
import org.segformer3d.api.weights.StateDict;

/**
 * What is to be exported: a network in evaluation mode, and what its file says about itself.
 *
 * @param network any network, replaced layers included
 * @param size the spatial size to write the file for where what the network computes can't be written down for all sizes, or empty
 * @param weights fitting the network
 * @param version of the software, written into the file
 * @param metadata texts to write into the file by name, for example what the classes mean
 */
public record NetworkExport(
        Network network, Optional<Grid> size, StateDict weights, String version, Map<String, String> metadata) {
    /**
     * Checks the weights.
     *
     * @throws org.segformer3d.api.weights.StateDictMismatchException when they don't fit
     */
    public NetworkExport {
        Objects.requireNonNull(size, "size");
        Objects.requireNonNull(version, "version");
        metadata = Collections.unmodifiableMap(new LinkedHashMap<>(metadata));
        weights.require(network.parameters());
    }

    /**
     * Returns this export in the folded form: another network of fewer operations with the same logits up to rounding, see {@link
     * FoldedSegFormer3D}.
     *
     * @throws ConfigException when the network has no folded form
     */
    public NetworkExport folded() {
        if (!(network instanceof SegFormer3DNetwork plain)) {
            throw ConfigException.of(
                    "form", "folded for " + network.architecture(), "plain: only segformer3d is folded");
        }
        return new NetworkExport(
                FoldedSegFormer3D.network(plain), size, FoldedSegFormer3D.weights(plain, weights), version, metadata);
    }

    /** Makes an export whose size nobody names. */
    public NetworkExport(Network network, StateDict weights, String version, Map<String, String> metadata) {
        this(network, Optional.empty(), weights, version, metadata);
    }
}

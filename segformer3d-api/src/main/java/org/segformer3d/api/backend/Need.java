package org.segformer3d.api.backend;

import java.util.Collection;
import java.util.List;
import org.segformer3d.api.config.SegFormer3DConfig;

/**
 * What a backend is wanted for, so that one is chosen that can do it.
 *
 * @param networks configurations that are going to be loaded or trained, never {@code null}
 * @param training whether to train them
 * @param operations whether single operations or blocks are wanted, and with them any other architecture
 */
public record Need(List<SegFormer3DConfig> networks, boolean training, boolean operations) {
    /** Copies the list. */
    public Need {
        networks = List.copyOf(networks);
    }

    /** Returns the need to predict with a network. */
    public static Need prediction(SegFormer3DConfig network) {
        return new Need(List.of(network), false, false);
    }

    /** Returns the need to predict with several networks. */
    public static Need prediction(Collection<SegFormer3DConfig> networks) {
        return new Need(List.copyOf(networks), false, false);
    }

    /** Returns the need to train a network. */
    public static Need training(SegFormer3DConfig network) {
        return new Need(List.of(network), true, false);
    }

    /** Returns the need for no more than a backend that opens with the options given. */
    public static Need nothing() {
        return new Need(List.of(), false, false);
    }

    /** Returns the need of somebody who doesn't say: everything. */
    public static Need everything() {
        return new Need(List.of(), true, true);
    }

    /** Returns whether a network has a layer that isn't the paper's. */
    public boolean hasReplacedLayers() {
        return networks.stream().anyMatch(network -> !network.layers().isEmpty());
    }
}

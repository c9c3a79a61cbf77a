package org.segformer3d.api.backend;

import java.util.Collection;
import java.util.List;
import org.segformer3d.api.network.Network;
import org.segformer3d.api.network.SegFormer3DNetwork;

/**
 * What a backend is wanted for, so that one is chosen that can do it.
 *
 * @param networks those that are going to be loaded or trained, never {@code null}
 * @param training whether to train them
 * @param operations whether single operations or blocks are wanted, and with them any other architecture
 */
public record Need(List<Network> networks, boolean training, boolean operations) {
    /** Copies the list. */
    public Need {
        networks = List.copyOf(networks);
    }

    /** Returns the need to predict with a network. */
    public static Need prediction(Network network) {
        return new Need(List.of(network), false, false);
    }

    /** Returns the need to predict with several networks. */
    public static Need prediction(Collection<? extends Network> networks) {
        return new Need(List.copyOf(networks), false, false);
    }

    /** Returns the need to train a network. */
    public static Need training(Network network) {
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

    /** Returns whether all networks are SegFormer3D, whatever its layers. */
    public boolean isSegFormer3D() {
        return networks.stream().allMatch(SegFormer3DNetwork.class::isInstance);
    }

    /** Returns whether a network has a layer that isn't the paper's. */
    public boolean hasReplacedLayers() {
        return networks.stream()
                .anyMatch(network -> network instanceof SegFormer3DNetwork segformer
                        && segformer.layers().isReplaced());
    }
}

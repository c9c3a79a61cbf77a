package org.segformer3d.zoo;

import java.util.Map;
import java.util.function.Function;
import org.segformer3d.api.network.Architecture;
import org.segformer3d.api.network.Network;

/** What the architectures of this module have in common: a name, and how a network is made of keys. */
abstract class ZooArchitecture implements Architecture {
    private final String name;
    private final Function<Keys, ZooNetwork> maker;

    ZooArchitecture(String name, Function<Keys, ZooNetwork> maker) {
        this.name = name;
        this.maker = maker;
    }

    @Override
    public final String name() {
        return name;
    }

    @Override
    public final Network configure(Map<String, ?> parameters) {
        return maker.apply(new Keys(parameters));
    }
}

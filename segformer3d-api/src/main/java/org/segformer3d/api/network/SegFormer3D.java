package org.segformer3d.api.network;

import java.util.Map;
import org.segformer3d.api.config.SegFormer3DConfig;

/** The architecture of the paper (arXiv 2404.10156); its parameters are {@link SegFormer3DConfig}'s. */
public final class SegFormer3D implements Architecture {
    /** Its name. */
    public static final String NAME = "segformer3d";

    /** Creates the architecture. */
    public SegFormer3D() {}

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public SegFormer3DNetwork configure(Map<String, ?> parameters) {
        return SegFormer3DNetwork.of(SegFormer3DConfig.fromMap(parameters));
    }
}

package org.segformer3d.zoo;

/** nnFormer: {@code model_name: nnformer}. */
public final class NnFormerArchitecture extends ZooArchitecture {
    /** Called by {@link java.util.ServiceLoader}. */
    public NnFormerArchitecture() {
        super("nnformer", NnFormer::new);
    }
}

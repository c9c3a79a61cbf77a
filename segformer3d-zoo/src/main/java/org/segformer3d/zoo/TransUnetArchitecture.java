package org.segformer3d.zoo;

/** TransUNet, for slices: {@code model_name: transunet}. */
public final class TransUnetArchitecture extends ZooArchitecture {
    /** Called by {@link java.util.ServiceLoader}. */
    public TransUnetArchitecture() {
        super("transunet", TransUnet::new);
    }
}

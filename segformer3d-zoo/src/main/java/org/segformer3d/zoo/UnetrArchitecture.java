package org.segformer3d.zoo;

/** UNETR: {@code model_name: unetr}. */
public final class UnetrArchitecture extends ZooArchitecture {
    /** Called by {@link java.util.ServiceLoader}. */
    public UnetrArchitecture() {
        super("unetr", Unetr::new);
    }
}

package org.segformer3d.zoo;

/** Swin UNETR and its second version: {@code model_name: swin_unetr}. */
public final class SwinUnetrArchitecture extends ZooArchitecture {
    /** Called by {@link java.util.ServiceLoader}. */
    public SwinUnetrArchitecture() {
        super("swin_unetr", SwinUnetr::new);
    }
}

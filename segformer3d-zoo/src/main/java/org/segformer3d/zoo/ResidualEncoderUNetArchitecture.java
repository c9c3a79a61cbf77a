package org.segformer3d.zoo;

/** nnU-Net's U-Net with residual blocks in the encoder: {@code model_name: residual_encoder_unet}. */
public final class ResidualEncoderUNetArchitecture extends ZooArchitecture {
    /** Called by {@link java.util.ServiceLoader}. */
    public ResidualEncoderUNetArchitecture() {
        super("residual_encoder_unet", keys -> new UNet("residual_encoder_unet", true, keys));
    }
}

package org.segformer3d.zoo;

/** nnU-Net's U-Net of plain convolutions: {@code model_name: plain_conv_unet}. */
public final class PlainConvUNetArchitecture extends ZooArchitecture {
    /** Called by {@link java.util.ServiceLoader}. */
    public PlainConvUNetArchitecture() {
        super("plain_conv_unet", keys -> new UNet("plain_conv_unet", false, keys));
    }
}

package org.segformer3d.zoo;

import java.util.Map;

/** The networks by name. */
final class Zoo {
    private Zoo() {}

    static ZooNetwork network(String name, Map<String, ?> parameters) {
        Keys keys = new Keys(parameters);
        return switch (name) {
            case "unetr" -> new Unetr(keys);
            case "swin_unetr" -> new SwinUnetr(keys);
            case "plain_conv_unet" -> new UNet(name, false, keys);
            case "residual_encoder_unet" -> new UNet(name, true, keys);
            case "nnformer" -> new NnFormer(keys);
            case "transunet" -> new TransUnet(keys);
            default -> throw new IllegalArgumentException(name);
        };
    }
}

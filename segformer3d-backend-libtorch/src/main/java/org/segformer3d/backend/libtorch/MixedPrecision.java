package org.segformer3d.backend.libtorch;

import java.util.function.Supplier;
import org.bytedeco.pytorch.global.torch;
import org.segformer3d.api.tensor.Device;

/**
 * Autograd's training form with products and convolutions in bfloat16, by libtorch's autocast; what a block gives to the next is
 * float32. Weights and what they are trained by keep float32's precision, and bfloat16 has its range, so that no loss needs scaling.
 */
final class MixedPrecision {
    private MixedPrecision() {}

    /** Runs a forward pass on this thread with autocast on; gradients go back through the same casts. */
    static <T> T run(Device device, Supplier<T> forward) {
        torch.DeviceType type = device.type() == Device.Type.CPU ? torch.DeviceType.CPU : torch.DeviceType.CUDA;
        // each weight is used once in a pass: a cache of cast weights would only keep memory
        boolean cached = torch.is_autocast_cache_enabled();
        torch.set_autocast_cache_enabled(false);
        torch.set_autocast_dtype(type, torch.ScalarType.BFloat16);
        torch.set_autocast_enabled(type, true);
        try {
            return forward.get();
        } finally {
            torch.set_autocast_enabled(type, false);
            torch.set_autocast_cache_enabled(cached);
        }
    }
}

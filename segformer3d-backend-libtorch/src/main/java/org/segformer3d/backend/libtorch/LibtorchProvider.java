package org.segformer3d.backend.libtorch;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendException;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.BackendProvider;
import org.segformer3d.api.tensor.Device;

/** Offers the libtorch backend under the name {@code libtorch}; no native code is loaded before it is asked about or opened. */
public final class LibtorchProvider implements BackendProvider {
    @Override
    public String name() {
        return LibtorchBackend.NAME;
    }

    @Override
    public int rank() {
        return 100;
    }

    @Override
    public String description() {
        return "libtorch (the C++ core of PyTorch) through JavaCPP: CPU and CUDA, inference and training";
    }

    @Override
    public Optional<String> whyUnavailable() {
        return Natives.whyUnavailable();
    }

    @Override
    public List<Device> devices() {
        if (Natives.whyUnavailable().isPresent()) {
            return List.of();
        }
        List<Device> devices = new ArrayList<>();
        devices.add(Device.CPU);
        for (int i = 0; i < Natives.cudaDevices(); i++) {
            devices.add(new Device(Device.Type.CUDA, i));
        }
        return List.copyOf(devices);
    }

    @Override
    public Optional<String> whyUnavailable(Device device) {
        Optional<String> reason = Natives.whyUnavailable();
        if (reason.isPresent() || device.type() == Device.Type.CPU) {
            return reason;
        }
        return Natives.whyCudaUnavailable(device.index());
    }

    @Override
    public Backend open(BackendOptions options) {
        whyUnavailable(options.device()).ifPresent(reason -> {
            throw new BackendException("backend 'libtorch' on " + options.device() + ": " + reason);
        });
        ReducedPrecision.whyUnavailable(options).ifPresent(reason -> {
            throw new BackendException(
                    "backend 'libtorch' in " + options.computeType().name().toLowerCase(Locale.ROOT) + ": " + reason);
        });
        int threads = options.threads() == 0 ? Runtime.getRuntime().availableProcessors() : options.threads();
        return new LibtorchBackend(options.withThreads(threads));
    }
}

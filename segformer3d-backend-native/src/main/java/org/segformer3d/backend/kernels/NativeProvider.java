package org.segformer3d.backend.kernels;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendException;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.BackendOptions.Implementation;
import org.segformer3d.api.backend.BackendProvider;
import org.segformer3d.api.backend.Need;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.Device;

/** Offers the backend {@code native}: SegFormer3D in float32 on the CPU by kernels of its own. */
public final class NativeProvider implements BackendProvider {
    static final String NAME = "native";

    /** Creates the provider; called by {@link java.util.ServiceLoader}. */
    public NativeProvider() {}

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public int rank() {
        return 200;
    }

    @Override
    public String description() {
        return "kernels of its own for SegFormer3D, float32, CPU with AVX2, AVX-512 or NEON; a library of a few hundred kilobytes";
    }

    @Override
    public Optional<String> whyUnavailable() {
        return KernelLibrary.problem();
    }

    @Override
    public List<Device> devices() {
        return whyUnavailable().isEmpty() ? List.of(Device.CPU) : List.of();
    }

    @Override
    public Optional<String> whyUnsuited(BackendOptions options, Need need) {
        if (!options.device().equals(Device.CPU)) {
            return Optional.of("computes on the CPU only");
        }
        if (options.computeType() != DType.FLOAT32) {
            return Optional.of("computes in float32 only");
        }
        if (options.implementation() == Implementation.PLAIN || options.implementation() == Implementation.FOLDED) {
            return Optional.of("has no " + options.implementation() + " implementation");
        }
        if (need.operations()) {
            return Optional.of("computes whole networks only");
        }
        if (!need.isSegFormer3D()) {
            return Optional.of("computes segformer3d only");
        }
        if (need.hasReplacedLayers()) {
            return Optional.of("computes the paper's layers only");
        }
        return need.training() ? Optional.of("doesn't train") : Optional.empty();
    }

    @Override
    public Map<String, String> measurements() {
        return Map.of(
                "speed",
                String.format(
                        Locale.ROOT,
                        "%.0f GFLOP/s in products, %.0f in registers, on one thread with %s",
                        SelfTest.productGigaflops(),
                        SelfTest.peakGigaflops(),
                        KernelLibrary.isa().key()));
    }

    @Override
    public List<DType> computeTypes() {
        return List.of(DType.FLOAT32);
    }

    @Override
    public Backend open(BackendOptions options) {
        Objects.requireNonNull(options, "options");
        whyUnavailable(options.device()).ifPresent(reason -> {
            throw new BackendException("backend '" + NAME + "': " + reason);
        });
        whyUnsuited(options, Need.nothing()).ifPresent(reason -> {
            throw new BackendException("backend '" + NAME + "' " + reason + ", found " + options);
        });
        int threads = options.threads() == 0 ? Runtime.getRuntime().availableProcessors() : options.threads();
        return new NativeBackend(options.withThreads(threads));
    }
}

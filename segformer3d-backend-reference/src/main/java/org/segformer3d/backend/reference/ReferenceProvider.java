package org.segformer3d.backend.reference;

import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendException;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.BackendOptions.Implementation;
import org.segformer3d.api.backend.BackendProvider;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.Device;

/**
 * Offers the backend {@code reference}: plain Java on the CPU, always in float64 whatever compute type is asked for.
 *
 * <p>It predicts but doesn't train. Its blocks can be made in {@link org.segformer3d.api.block.Mode#TRAINING} and then run forward
 * with batch statistics, which is what gradients of other backends are checked against.
 */
public final class ReferenceProvider implements BackendProvider {
    /** Creates the provider; called by {@link java.util.ServiceLoader}. */
    public ReferenceProvider() {}

    @Override
    public String name() {
        return "reference";
    }

    @Override
    public int rank() {
        return 10;
    }

    @Override
    public String description() {
        return "plain Java, float64, CPU; slow and exact, needs nothing but the JDK; no training";
    }

    @Override
    public Optional<String> whyUnavailable() {
        return Optional.empty();
    }

    @Override
    public List<Device> devices() {
        return List.of(Device.CPU);
    }

    @Override
    public List<DType> computeTypes() {
        return List.of(DType.FLOAT64);
    }

    @Override
    public Backend open(BackendOptions options) {
        Objects.requireNonNull(options, "options");
        whyUnavailable(options.device()).ifPresent(reason -> {
            throw new BackendException(reason);
        });
        if (options.implementation() == Implementation.FUSED) {
            throw new BackendException(
                    "backend 'reference' has no fused implementation; ask for auto, plain or folded");
        }
        if (options.isReducedPrecision()) {
            throw new BackendException("backend 'reference' computes in float64 only; found precision "
                    + options.computeType() + "; ask for float32 or float64");
        }
        int threads = options.threads() == 0 ? Runtime.getRuntime().availableProcessors() : options.threads();
        return new ReferenceBackend(options.in(DType.FLOAT64).withThreads(threads));
    }
}

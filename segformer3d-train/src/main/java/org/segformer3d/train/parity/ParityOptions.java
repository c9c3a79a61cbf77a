package org.segformer3d.train.parity;

import java.util.List;
import java.util.Objects;
import org.segformer3d.api.tensor.Device;

/**
 * What to check.
 *
 * @param backends names of the backends to check; empty for all that are available
 * @param device where backends that have it compute, never {@code null}
 * @param threads threads per backend; 0 for as many as there are processors
 * @param only text that the name of a case must contain; empty for all
 */
public record ParityOptions(List<String> backends, Device device, int threads, String only) {
    /** Copies the list. */
    public ParityOptions {
        backends = List.copyOf(backends);
        Objects.requireNonNull(device, "device");
        Objects.requireNonNull(only, "only");
    }

    /** Returns everything on the CPU. */
    public static ParityOptions defaults() {
        return new ParityOptions(List.of(), Device.CPU, 0, "");
    }
}

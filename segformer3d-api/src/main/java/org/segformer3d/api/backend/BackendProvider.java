package org.segformer3d.api.backend;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.Device;

/**
 * Offers a backend; found by {@link java.util.ServiceLoader}.
 *
 * <p>Instantiating a provider and asking for its name or rank loads no native code. {@link #whyUnavailable()} and {@link #devices()}
 * may load natives, and {@link #open} does.
 */
public interface BackendProvider {
    /** Returns the name it is chosen by, for example {@code libtorch}, never {@code null}. */
    String name();

    /** Returns the preference when no backend is named: the highest available rank wins. */
    int rank();

    /** Returns one line about what it is. */
    String description();

    /** Returns why it can't be used here, one line with what to do about it; empty when it can. */
    Optional<String> whyUnavailable();

    /** Returns the devices it can compute on here; empty when it is unavailable. */
    List<Device> devices();

    /**
     * Returns why a device can't be used here, one line with what to do about it; empty when it can.
     *
     * @param device any device
     */
    default Optional<String> whyUnavailable(Device device) {
        return whyUnavailable()
                .or(() -> devices().contains(device)
                        ? Optional.empty()
                        : Optional.of(
                                "backend '" + name() + "' has no device " + device + " here; it has " + devices()));
    }

    /**
     * Returns why it can't do what is wanted though it can be used here, one line without its name, such as {@code doesn't train}; empty
     * when it can. Loads nothing.
     *
     * @param options how it would be opened
     * @param need what it would be used for
     */
    default Optional<String> whyUnsuited(BackendOptions options, Need need) {
        return Optional.empty();
    }

    /**
     * Measures for a moment how fast this machine is, where it is available: names and values for people, such as products per second.
     */
    default Map<String, String> measurements() {
        return Map.of();
    }

    /** Returns the floating-point types it computes in where it is available, the usual one first; never empty. */
    default List<DType> computeTypes() {
        return List.of(DType.FLOAT32, DType.FLOAT64);
    }

    /**
     * Opens the backend.
     *
     * @param options never {@code null}
     * @return an open backend, to be closed by the caller
     * @throws BackendException when the device or an option isn't available; the message says what is
     */
    Backend open(BackendOptions options);
}

package org.segformer3d.bench;

import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.BackendOptions.Implementation;
import org.segformer3d.api.backend.Backends;

/** What is measured against each other: the native backend, and libtorch's forms of the network. */
final class Forms {
    /** The name of the native backend, in the place of a form. */
    static final String NATIVE = "native";

    private Forms() {}

    /**
     * Opens the backend that computes a form.
     *
     * @param form {@code native}, or {@code plain}, {@code fused} or {@code auto} of libtorch
     * @param threads on the CPU; 0 for all processors
     */
    static Backend open(String form, int threads) {
        BackendOptions options = BackendOptions.defaults().withThreads(threads);
        return form.equals(NATIVE)
                ? Backends.provider(NATIVE).open(options)
                : Backends.provider("libtorch").open(options.with(Implementation.parse(form)));
    }
}

package org.segformer3d.train.parity;

import java.util.ArrayList;
import java.util.List;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.BackendOptions.Implementation;
import org.segformer3d.api.backend.BackendProvider;
import org.segformer3d.api.backend.Need;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.Device;

/** One way to compute: a backend in one precision and one form. */
record Variant(BackendProvider provider, BackendOptions options) {
    /** Every way a provider offers on a device. */
    static List<Variant> of(BackendProvider provider, Device device, int threads) {
        BackendOptions base = BackendOptions.defaults().on(device).withThreads(threads);
        List<Variant> variants = new ArrayList<>();
        for (DType type : provider.computeTypes()) {
            for (Implementation form : List.of(Implementation.PLAIN, Implementation.FOLDED, Implementation.AUTO)) {
                BackendOptions options = base.in(type).with(form);
                if (provider.whyUnsuited(options, Need.nothing()).isEmpty()) {
                    variants.add(new Variant(provider, options));
                }
            }
        }
        return variants;
    }

    boolean isFloat32() {
        return options.computeType() == DType.FLOAT32;
    }

    /** Returns whether a form has a variant of its own, so that this one, which was asked for another, need not compute it. */
    boolean isElsewhere(String form) {
        return !options.implementation().toString().equals(form)
                && (options.implementation() == Implementation.FOLDED || form.equals("plain") || form.equals("folded"));
    }

    boolean isAuto() {
        return options.implementation() == Implementation.AUTO;
    }

    /** The label of a form, for example {@code libtorch/float32/fused}. */
    String label(String form) {
        return provider.name() + "/" + (isFloat32() ? "float32" : "float64") + "/" + form;
    }
}

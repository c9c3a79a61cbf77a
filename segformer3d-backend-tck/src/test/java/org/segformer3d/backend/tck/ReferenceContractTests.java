package org.segformer3d.backend.tck;

import org.segformer3d.api.backend.BackendProvider;
import org.segformer3d.backend.reference.ReferenceProvider;

/** The reference backend passes its own contract. */
class ReferenceContractTests extends BackendContract {
    @Override
    protected BackendProvider provider() {
        return new ReferenceProvider();
    }
}

package org.segformer3d.backend.libtorch;

import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.BackendOptions.Implementation;
import org.segformer3d.api.backend.BackendProvider;
import org.segformer3d.backend.tck.BackendContract;

/** The contract in float32, in the form that is chosen where none is named: fused for inference. */
class FusedFloat32ContractTests extends BackendContract {
    @Override
    protected BackendProvider provider() {
        return new LibtorchProvider();
    }

    @Override
    protected BackendOptions options() {
        return super.options().with(Implementation.AUTO);
    }
}

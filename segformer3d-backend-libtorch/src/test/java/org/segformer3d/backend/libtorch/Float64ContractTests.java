package org.segformer3d.backend.libtorch;

import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.BackendProvider;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.backend.tck.BackendContract;

/** The contract in float64, in the fastest form. */
class Float64ContractTests extends BackendContract {
    @Override
    protected BackendProvider provider() {
        return new LibtorchProvider();
    }

    @Override
    protected BackendOptions options() {
        return super.options().in(DType.FLOAT64);
    }
}

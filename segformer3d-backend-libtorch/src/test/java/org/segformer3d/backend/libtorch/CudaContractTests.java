package org.segformer3d.backend.libtorch;

import org.junit.jupiter.api.condition.EnabledIf;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.BackendProvider;
import org.segformer3d.api.tensor.Device;
import org.segformer3d.backend.tck.BackendContract;

/** The contract on the first GPU; skipped where there is none or the build lacks CUDA's natives (profile {@code gpu}). */
@EnabledIf(value = "isCudaThere", disabledReason = "no CUDA device, or not built with -Pgpu")
class CudaContractTests extends BackendContract {
    private static final Device GPU = new Device(Device.Type.CUDA, 0);

    static boolean isCudaThere() {
        return new LibtorchProvider().whyUnavailable(GPU).isEmpty();
    }

    @Override
    protected BackendProvider provider() {
        return new LibtorchProvider();
    }

    @Override
    protected BackendOptions options() {
        return super.options().on(GPU);
    }
}

package org.segformer3d.backend.onnxruntime;

import org.segformer3d.api.backend.BackendProvider;
import org.segformer3d.backend.tck.BackendContract;

class OnnxRuntimeContractTests extends BackendContract {
    @Override
    protected BackendProvider provider() {
        return new OnnxRuntimeProvider();
    }
}

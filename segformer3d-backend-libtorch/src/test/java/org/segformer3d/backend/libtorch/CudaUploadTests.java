package org.segformer3d.backend.libtorch;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.tensor.Device;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;

/** Uploads through pinned memory that may still be under way when the next one begins. */
class CudaUploadTests {
    static boolean isCudaThere() {
        return CudaContractTests.isCudaThere();
    }

    @Test
    @EnabledIf(value = "isCudaThere", disabledReason = "no CUDA device, or not built with -Pgpu")
    void bringWhatWasThereWhenTheyBegan() {
        float[] values = new float[1 << 22];
        try (LibtorchBackend backend =
                        new LibtorchBackend(BackendOptions.defaults().on(new Device(Device.Type.CUDA, 0)));
                Scope scope = backend.newScope()) {
            Tensor[] uploaded = new Tensor[20];
            for (int i = 0; i < uploaded.length; i++) {
                Arrays.fill(values, i);
                uploaded[i] = scope.tensor(HostTensor.of(values, values.length));
            }
            for (int i = 0; i < uploaded.length; i++) {
                assertThat(uploaded[i].toHost().toFloats()).containsOnly(i);
            }
        }
    }
}

package org.segformer3d.api.backend;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.segformer3d.api.tensor.DType;

class BackendsTests {
    @Test
    void aMissingKnownBackendNamesTheArtifactToAdd() {
        assertThatThrownBy(() -> Backends.choose(Optional.of("libtorch")))
                .isInstanceOf(BackendException.class)
                .hasMessageContaining("org.segformer3d:segformer3d-backend-libtorch");
    }

    @Test
    void anUnknownBackendListsWhatThereIs() {
        assertThatThrownBy(() -> Backends.provider("tensorflow"))
                .isInstanceOf(BackendException.class)
                .hasMessageContaining("expected one of []")
                .hasMessageContaining("segformer3d-backend-reference");
    }

    @Test
    void noBackendAtAllSaysWhatToAdd() {
        assertThatThrownBy(() -> Backends.open(BackendOptions.defaults()))
                .isInstanceOf(BackendException.class)
                .hasMessageContaining("no backend on the class path");
    }

    @Test
    void optionsRefuseTypesNoBackendComputesIn() {
        assertThatThrownBy(() -> BackendOptions.defaults().in(DType.INT64))
                .hasMessageContaining("FLOAT32, FLOAT64, BFLOAT16 or FLOAT16");
        assertThatThrownBy(() -> BackendOptions.defaults().withThreads(-1)).hasMessageContaining("threads");
        assertThatThrownBy(() -> BackendOptions.Implementation.parse("fast"))
                .hasMessageContaining("auto, plain, folded or fused");
    }
}

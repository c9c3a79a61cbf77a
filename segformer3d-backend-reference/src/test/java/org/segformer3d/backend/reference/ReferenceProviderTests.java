package org.segformer3d.backend.reference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendException;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.BackendOptions.Implementation;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.Device;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.api.weights.WeightInitializer;

class ReferenceProviderTests {
    private final ReferenceProvider provider = new ReferenceProvider();

    @Test
    void computesInFloat64WhateverIsAskedForAndSaysSo() {
        try (Backend backend = provider.open(BackendOptions.defaults().in(DType.FLOAT32))) {
            assertThat(backend.computeType()).isEqualTo(DType.FLOAT64);
            assertThat(backend.options().computeType()).isEqualTo(DType.FLOAT64);
            assertThat(backend.options().threads())
                    .isEqualTo(Runtime.getRuntime().availableProcessors());
            assertThat(backend.supportsTraining()).isTrue();
        }
    }

    @Test
    void refusesAFusedFormAndAGpuInOneLine() {
        assertThatThrownBy(() -> provider.open(BackendOptions.defaults().with(Implementation.FUSED)))
                .isInstanceOf(BackendException.class)
                .hasMessageContaining("no fused implementation")
                .hasMessageNotContaining("\n");
        assertThatThrownBy(() -> provider.open(BackendOptions.defaults().on(Device.parse("cuda"))))
                .isInstanceOf(BackendException.class)
                .hasMessage("backend 'reference' has no device cuda:0 here; it has [cpu]");
    }

    @Test
    void givesTheSameBitsWithAnyNumberOfThreads() {
        SegFormer3DConfig config = SegFormer3DConfig.defaults();
        StateDict weights = WeightInitializer.initialize(ModelLayout.of(config).parameters(), 7);
        float[] values = new float[4 * 32 * 36 * 33];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) Math.sin(i);
        }
        HostTensor input = HostTensor.of(values, 1, 4, 32, 36, 33);
        HostTensor expected = predict(config, weights, input, 1);
        assertThat(predict(config, weights, input, 2)).isEqualTo(expected);
        assertThat(predict(config, weights, input, 5)).isEqualTo(expected);
    }

    private HostTensor predict(SegFormer3DConfig config, StateDict weights, HostTensor input, int threads) {
        try (Backend backend = provider.open(BackendOptions.defaults().withThreads(threads));
                SegmentationModel model = backend.load(config, weights)) {
            return model.predict(input);
        }
    }
}

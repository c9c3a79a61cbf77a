package org.segformer3d.backend.tck;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.tensor.HostTensor;

abstract class ErrorContract extends Contract {
    ErrorContract(BackendContract subject) {
        super(subject);
    }

    @Test
    void modelsRefuseShapesThatDoNotFitAndGoOn() {
        Samples samples = new Samples(7);
        SegFormer3DConfig config = samples.config();
        int channels = config.inChannels();
        HostTensor good = samples.normal(1, channels, 16, 16, 16);
        try (SegmentationModel model = backend().load(config, samples.weights(config))) {
            HostTensor expected = model.predict(good);
            for (HostTensor bad : List.of(
                    samples.normal(1, channels + 1, 16, 16, 16),
                    samples.normal(channels, 16, 16, 16),
                    samples.normal(1, channels, 16, 16, 16, 1),
                    samples.normal(1, 16, 16, 16, channels + 17))) {
                assertThatThrownBy(() -> model.predict(bad))
                        .as(bad.toString())
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessageContaining("found")
                        .hasMessageContaining("expected");
            }
            assertThat(model.predict(good)).isEqualTo(expected);
        }
    }
}

package org.segformer3d.backend.libtorch;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.FloatBuffer;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.BackendOptions.Implementation;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.api.weights.WeightInitializer;

/** What the contract's small inputs don't reach: attention a few queries at a time, slabs that don't divide the grid. */
class FusedModelTests {
    private static final SegFormer3DConfig CONFIG = SegFormer3DConfig.defaults();

    /** With the larger factor the scores leave the range whose exponentials are safe. */
    @ParameterizedTest
    @ValueSource(floats = {1, 300})
    void equalsThePlainFormWhereAttentionIsCutIntoChunks(float factor) {
        StateDict weights =
                scaled(WeightInitializer.initialize(ModelLayout.of(CONFIG).parameters(), 1), factor);
        HostTensor input = normal(3, 1, CONFIG.inChannels(), 80, 96, 64);

        FloatBuffer plain =
                predict(Implementation.PLAIN, weights, input).bytes().asFloatBuffer();
        FloatBuffer fused =
                predict(Implementation.FUSED, weights, input).bytes().asFloatBuffer();

        double largest = 0;
        double difference = 0;
        for (int i = 0; i < plain.limit(); i++) {
            largest = Math.max(largest, Math.abs(plain.get(i)));
            difference = Math.max(difference, Math.abs(plain.get(i) - fused.get(i)));
        }
        assertThat(largest).isPositive().isFinite();
        assertThat(difference).isLessThanOrEqualTo(2e-5 * largest);
    }

    private static StateDict scaled(StateDict weights, float factor) {
        Map<String, HostTensor> all = new LinkedHashMap<>(weights.tensors());
        all.replaceAll((name, value) -> {
            if (!name.endsWith("attention.query.weight")) {
                return value;
            }
            float[] values = new float[value.bytes().remaining() / Float.BYTES];
            value.bytes().asFloatBuffer().get(values);
            for (int i = 0; i < values.length; i++) {
                values[i] *= factor;
            }
            return HostTensor.of(values, value.shape());
        });
        return StateDict.of(all);
    }

    private static HostTensor predict(Implementation form, StateDict weights, HostTensor input) {
        try (Backend backend =
                        new LibtorchProvider().open(BackendOptions.defaults().with(form));
                SegmentationModel model = backend.load(CONFIG, weights)) {
            assertThat(model.implementation()).isEqualTo(form.toString());
            return model.predict(input);
        }
    }

    private static HostTensor normal(long seed, long... shape) {
        Random random = new Random(seed);
        long count = 1;
        for (long size : shape) {
            count *= size;
        }
        float[] values = new float[(int) count];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return HostTensor.of(values, shape);
    }
}

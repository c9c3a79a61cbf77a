package org.segformer3d.backend.libtorch;

import java.util.Map;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.Backends;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.weights.WeightInitializer;

/** A program of its own: forwards a tiny network and prints a number that sums up its logits. */
final class FirstRun {
    private FirstRun() {}

    public static void main(String[] args) {
        System.out.println("sum " + sum());
    }

    static double sum() {
        SegFormer3DConfig config = SegFormer3DConfig.fromMap(Map.of(
                "in_channels", 1,
                "embed_dims", java.util.List.of(8, 16, 20, 32),
                "depths", java.util.List.of(1, 1, 1, 1),
                "decoder_head_embedding_dim", 16,
                "num_classes", 2));
        float[] values = new float[32 * 32 * 32];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) Math.sin(i);
        }
        try (Backend backend = Backends.provider("libtorch")
                        .open(BackendOptions.defaults().withThreads(1));
                SegmentationModel model = backend.load(
                        config,
                        WeightInitializer.initialize(ModelLayout.of(config).parameters(), 7))) {
            double sum = 0;
            for (double logit :
                    model.predict(HostTensor.of(values, 1, 1, 32, 32, 32)).toDoubles()) {
                sum += Math.abs(logit);
            }
            return sum;
        }
    }
}

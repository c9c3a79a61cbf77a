package org.segformer3d.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.network.SegFormer3DNetwork;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.api.weights.WeightInitializer;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.data.preprocessing.PreprocessingSpec;
import org.segformer3d.data.weights.Safetensors;
import org.segformer3d.data.weights.WeightFiles;
import org.segformer3d.eval.bundle.ModelBundle;
import org.segformer3d.eval.inference.InferenceSpec;

/** A network small enough for tests, as files. */
final class TinyModel {
    static final SegFormer3DConfig CONFIG = SegFormer3DConfig.fromMap(Map.of(
            "in_channels",
            1,
            "num_classes",
            2,
            "embed_dims",
            List.of(4, 4, 5, 8),
            "depths",
            List.of(1, 1, 1, 1),
            "mlp_ratios",
            List.of(1, 1, 1, 1),
            "decoder_head_embedding_dim",
            8));

    private TinyModel() {}

    static StateDict weights() {
        return WeightInitializer.initialize(ModelLayout.of(CONFIG).parameters(), 5);
    }

    /** Returns the network with random weights, for scans of one channel. */
    static ModelBundle bundle(InferenceSpec inference) {
        return ModelBundle.random(
                SegFormer3DNetwork.of(CONFIG),
                PreprocessingSpec.fromMap(Map.of()),
                LabelSpec.sigmoid("organ", "lesion"),
                inference,
                3);
    }

    static Path configFile(Path folder) throws IOException {
        return Files.writeString(folder.resolve("tiny.yaml"), """
                model_parameters:
                  in_channels: 1
                  num_classes: 2
                  embed_dims: [4, 4, 5, 8]
                  depths: [1, 1, 1, 1]
                  mlp_ratios: [1, 1, 1, 1]
                  decoder_head_embedding_dim: 8
                """);
    }

    static Path weightsFile(Path folder) throws IOException {
        Path file = folder.resolve("weights.safetensors");
        WeightFiles.write(weights(), file);
        return file;
    }

    static Path inputFile(Path folder, String name, long... shape) throws IOException {
        Path file = folder.resolve("input.safetensors");
        SplittableRandom random = new SplittableRandom(3);
        HostTensor tensor = HostTensor.zeros(org.segformer3d.api.tensor.DType.FLOAT32, shape);
        for (int i = 0; i < tensor.elements(); i++) {
            tensor.floatBuffer().put(i, (float) random.nextGaussian());
        }
        Safetensors.write(file, Map.of(name, tensor));
        return file;
    }
}

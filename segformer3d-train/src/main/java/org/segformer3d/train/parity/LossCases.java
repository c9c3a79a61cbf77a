package org.segformer3d.train.parity;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.DifferentiableBackend;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.training.LossGradient;
import org.segformer3d.api.training.LossSpec;
import org.segformer3d.api.training.LossSpec.Activation;
import org.segformer3d.api.training.Losses;
import org.segformer3d.train.parity.Parity.BackendCase;

/** {@code losses.safetensors}: losses and their gradients, {@code GROUP.LOSS.loss} and {@code .grad} at {@code GROUP.pred} and {@code .target}. */
final class LossCases {
    private static final String LOSS = ".loss";

    private LossCases() {}

    static List<BackendCase> in(ReferenceFolder folder) {
        List<BackendCase> cases = new ArrayList<>();
        for (Path file : folder.named(".*losses.*\\.safetensors")) {
            folder.use(file);
            cases.add(new Recorded(folder.title(file, ".safetensors"), file));
        }
        return cases;
    }

    private record Recorded(String name, Path file) implements BackendCase {
        @Override
        public boolean isPossible(Backend backend) {
            return backend instanceof DifferentiableBackend;
        }

        @Override
        public void run(Variant variant, Backend backend, Consumer<ParityLine> sink) throws IOException {
            if (variant.isAuto()) {
                return;
            }
            String label = variant.label("loss");
            Map<String, HostTensor> tensors = ReferenceFolder.tensors(file);
            for (String entry : tensors.keySet()) {
                if (entry.endsWith(LOSS)) {
                    String key = entry.substring(0, entry.length() - LOSS.length());
                    try {
                        sink.accept(compared(key, tensors, variant, backend));
                    } catch (IOException | IllegalArgumentException e) {
                        sink.accept(ParityLine.failed(name + " " + key, label, e.getMessage()));
                    }
                }
            }
        }

        private ParityLine compared(String key, Map<String, HostTensor> tensors, Variant variant, Backend backend)
                throws IOException {
            String line = name + " " + key;
            String label = variant.label("loss");
            int dot = key.lastIndexOf('.');
            String group = key.substring(0, Math.max(0, dot));
            Optional<LossSpec> loss = MonaiLoss.named(
                    key.substring(dot + 1), group.contains("softmax") ? Activation.SOFTMAX : Activation.SIGMOID);
            if (loss.isEmpty()) {
                return ParityLine.skipped(line, label, "this loss isn't known here");
            }
            HostTensor logits = ReferenceFolder.require(file, tensors, group + ".pred");
            HostTensor target = channels(ReferenceFolder.require(file, tensors, group + ".target"), logits.size(1));
            LossGradient found =
                    Losses.gradient((DifferentiableBackend) backend, loss.get(), logits, target, Optional.empty());
            HostTensor expected = ReferenceFolder.require(file, tensors, key + LOSS);
            double difference = Differences.relative(found.loss(), expected.get(0));
            HostTensor gradient = tensors.get(key + ".grad");
            if (gradient != null) {
                difference = Differences.worse(
                        difference, Differences.distance(found.gradient(), gradient) / Differences.norm(gradient));
            }
            // float32 rounds the logits before anything is computed; recorded in it, every operation was rounded
            double tolerance = logits.dtype() != DType.FLOAT64 ? 1e-5 : variant.isFloat32() ? 2e-6 : 1e-6;
            return ParityLine.compared(line, label, difference, tolerance);
        }
    }

    /** Returns a target as channels: a class map becomes one channel for each class. */
    static HostTensor channels(HostTensor target, long channels) {
        if (target.size(1) == channels) {
            return target;
        }
        long[] shape = target.shape();
        if (shape[1] != 1) {
            throw new IllegalArgumentException("found a target " + target + " for " + channels
                    + " channels of logits, expected as many channels or one of classes");
        }
        int voxels = Math.toIntExact(target.elements() / shape[0]);
        byte[] oneHot = new byte[Math.toIntExact(shape[0] * channels * voxels)];
        for (int b = 0; b < shape[0]; b++) {
            for (int n = 0; n < voxels; n++) {
                int value = (int) target.get(b * voxels + n);
                if (value < 0 || value >= channels) {
                    throw new IllegalArgumentException(
                            "found the class " + value + " in a target, expected 0 to " + (channels - 1));
                }
                oneHot[Math.toIntExact((b * channels + value) * voxels + n)] = 1;
            }
        }
        shape[1] = channels;
        return HostTensor.of(oneHot, shape);
    }
}

package org.segformer3d.train.parity;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.network.Network;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.api.training.LossSpec;
import org.segformer3d.api.training.OptimizerSpec;
import org.segformer3d.api.training.TrainingBatch;
import org.segformer3d.api.training.TrainingSession;
import org.segformer3d.api.training.TrainingSession.TrainingPass;
import org.segformer3d.api.training.TrainingSpec;
import org.segformer3d.data.weights.TensorFile;
import org.segformer3d.train.parity.Parity.BackendCase;

/** {@code NAME.eval} and {@code NAME.train} beside {@code NAME.json} and {@code NAME.pt}: the network in evaluation mode and one training pass. */
final class ModelCases {
    private static final String EVAL = ".eval.safetensors";
    private static final String TRAIN = ".train.safetensors";
    private static final String TENSORS = ".safetensors";

    /** Above this the random reference weights make float32 gradients ill-conditioned: PyTorch's own are 3e-3 off. */
    private static final long LARGE_MODEL_PARAMETERS = 1_000_000;

    private ModelCases() {}

    static List<BackendCase> in(ReferenceFolder folder) {
        List<BackendCase> cases = new ArrayList<>();
        for (Path file : folder.named(".+\\.eval\\.safetensors")) {
            Model model = Model.beside(file, EVAL);
            folder.use(file, model.config(), model.weights());
            cases.add(new Evaluation(folder.title(file, TENSORS), file, model));
        }
        for (Path file : folder.named(".+\\.train\\.safetensors")) {
            Model model = Model.beside(file, TRAIN);
            folder.use(file, model.config(), model.weights());
            cases.add(new Training(folder.title(file, TENSORS), file, model));
        }
        return cases;
    }

    /** The files of a network. */
    private record Model(Path config, Path weights) {
        /** Those with the stem of a recording: weights in PyTorch's or in any other format that is read here. */
        static Model beside(Path recording, String suffix) {
            Path weights = ReferenceFolder.sibling(recording, suffix, ".pt");
            for (String other : List.of(".pth", ".safetensors", ".bin")) {
                Path file = ReferenceFolder.sibling(recording, suffix, other);
                if (!Files.exists(weights) && Files.exists(file)) {
                    weights = file;
                }
            }
            return new Model(ReferenceFolder.sibling(recording, suffix, ".json"), weights);
        }

        /** Returns which file is missing. */
        Optional<String> missing() {
            return Stream.of(config, weights)
                    .filter(file -> !Files.exists(file))
                    .map(file -> "there is no " + file)
                    .findFirst();
        }
    }

    private record Evaluation(String name, Path file, Model model) implements BackendCase {
        @Override
        public boolean isPossible(Backend backend) {
            return true;
        }

        @Override
        public void run(Variant variant, Backend backend, Consumer<ParityLine> sink) throws IOException {
            if (model.missing().isPresent()) {
                sink.accept(ParityLine.skipped(
                        name, variant.label("plain"), model.missing().get()));
                return;
            }
            Network architecture = ReferenceFolder.network(model.config());
            Map<String, HostTensor> expected = ReferenceFolder.tensors(file);
            HostTensor image = ReferenceFolder.require(file, expected, "input");
            try (SegmentationModel network = backend.load(architecture, ReferenceFolder.weights(model.weights()));
                    Scope scope = backend.newScope()) {
                if (variant.isElsewhere(network.implementation())) {
                    // nothing but the plain form here, and that has its own variant
                    return;
                }
                String label = variant.label(network.implementation());
                Tensor input = scope.tensor(image);
                if (expected.containsKey("logits")) {
                    HostTensor logits = network.forward(scope, input).toHost();
                    sink.accept(ParityLine.compared(
                            name + " logits", label, Differences.largest(logits, expected.get("logits")), 2e-5));
                }
                Set<String> unknown = new TreeSet<>(expected.keySet());
                unknown.removeAll(List.of("input", "logits"));
                OptionalDouble worst = OptionalDouble.empty();
                List<Tensor> stages = network.encode(scope, input);
                for (int i = 0; i < stages.size(); i++) {
                    String key = "stage" + (i + 1);
                    if (unknown.remove(key)) {
                        worst = OptionalDouble.of(Differences.worse(
                                worst.orElse(0),
                                Differences.largest(stages.get(i).toHost(), expected.get(key))));
                    }
                }
                worst.ifPresent(
                        difference -> sink.accept(ParityLine.compared(name + " stages", label, difference, 2e-5)));
                unknown.forEach(
                        key -> sink.accept(ParityLine.skipped(name + " " + key, label, "this value isn't known here")));
            }
        }
    }

    private record Training(String name, Path file, Model model) implements BackendCase {
        @Override
        public boolean isPossible(Backend backend) {
            return backend.supportsTraining();
        }

        @Override
        public void run(Variant variant, Backend backend, Consumer<ParityLine> sink) throws IOException {
            if (model.missing().isPresent()) {
                sink.accept(ParityLine.skipped(
                        name, variant.label("plain"), model.missing().get()));
                return;
            }
            Network architecture = ReferenceFolder.network(model.config());
            TensorFile recording = ReferenceFolder.tensorFile(file);
            Map<String, HostTensor> expected = recording.tensors();
            String described = recording.metadata().getOrDefault("loss", "MONAI DiceLoss(sigmoid=True)");
            Optional<LossSpec> loss = MonaiLoss.constructed(described);
            if (loss.isEmpty()) {
                sink.accept(ParityLine.skipped(
                        name, variant.label("plain"), "the loss " + described + " isn't known here"));
                return;
            }
            TrainingSpec spec = TrainingSpec.of(
                    architecture, ReferenceFolder.weights(model.weights()), loss.get(), OptimizerSpec.adamW(0));
            try (TrainingSession session = backend.train(spec)) {
                if (variant.isElsewhere(session.implementation())) {
                    return;
                }
                compare(session, expected, architecture.numClasses(), variant, sink);
            }
        }

        private void compare(
                TrainingSession session,
                Map<String, HostTensor> expected,
                int classes,
                Variant variant,
                Consumer<ParityLine> sink)
                throws IOException {
            String label = variant.label(session.implementation());
            HostTensor target = LossCases.channels(ReferenceFolder.require(file, expected, "target"), classes);
            TrainingPass pass =
                    session.pass(new TrainingBatch(ReferenceFolder.require(file, expected, "input"), target, 0));
            HostTensor loss = expected.get("loss");
            // Recorded in float32, it differs from exact values as much as float32 here does.
            boolean single = loss != null && Numbers.areFloat32(List.of(loss.get(0)));
            if (loss != null) {
                sink.accept(ParityLine.compared(
                        name + " loss", label, Differences.relative(pass.loss(), loss.get(0)), single ? 1e-5 : 1e-6));
            }
            if (expected.containsKey("logits")) {
                sink.accept(ParityLine.compared(
                        name + " logits", label, Differences.largest(pass.logits(), expected.get("logits")), 2e-5));
            }
            boolean large = pass.gradients().elements() > LARGE_MODEL_PARAMETERS;
            double tolerance = variant.isFloat32() || single ? large ? 1e-2 : 1e-3 : 1e-6;
            Map<String, HostTensor> gradients = ReferenceFolder.below(expected, "grad.");
            if (!gradients.isEmpty()) {
                Differences.GradientDifference difference =
                        Differences.gradients(pass.gradients().tensors(), gradients, single ? 1e-5 : 1e-6);
                sink.accept(ParityLine.compared(name + " gradients", label, difference.relative(), tolerance));
                sink.accept(ParityLine.compared(name + " vanishing gradients", label, difference.vanishing(), 1e-5));
            }
            HostTensor inputGradient = expected.get("grad_input");
            if (inputGradient != null) {
                sink.accept(ParityLine.compared(
                        name + " input gradient",
                        label,
                        Differences.distance(pass.inputGradient(), inputGradient) / Differences.norm(inputGradient),
                        tolerance));
            }
            Map<String, HostTensor> statistics = ReferenceFolder.below(expected, "after.");
            if (!statistics.isEmpty()) {
                sink.accept(ParityLine.compared(
                        name + " running statistics",
                        label,
                        Differences.largest(session.weights().tensors(), statistics, key -> true),
                        1e-4));
            }
        }
    }
}

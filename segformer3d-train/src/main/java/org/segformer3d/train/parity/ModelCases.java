package org.segformer3d.train.parity;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.Backends;
import org.segformer3d.api.backend.DifferentiableBackend;
import org.segformer3d.api.backend.Need;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.Mode;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.network.Network;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.ops.Pass;
import org.segformer3d.api.ops.Tape;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.api.training.LossSpec;
import org.segformer3d.api.training.Losses;
import org.segformer3d.api.training.OptimizerSpec;
import org.segformer3d.api.training.TrainingBatch;
import org.segformer3d.api.training.TrainingSession;
import org.segformer3d.api.training.TrainingSession.TrainingPass;
import org.segformer3d.api.training.TrainingSpec;
import org.segformer3d.api.weights.StateDict;
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

    /** Returns a slice (B,C,H,W) as a volume of depth one; a volume as it is. */
    private static HostTensor volume(HostTensor x) {
        return x.rank() == 4 ? x.reshape(x.size(0), x.size(1), 1, x.size(2), x.size(3)) : x;
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
            Optional<String> unsuited =
                    Backends.provider(backend.name()).whyUnsuited(backend.options(), Need.prediction(architecture));
            if (unsuited.isPresent()) {
                sink.accept(ParityLine.skipped(name, variant.label("plain"), unsuited.get()));
                return;
            }
            Map<String, HostTensor> expected = ReferenceFolder.tensors(file);
            HostTensor image = volume(ReferenceFolder.require(file, expected, "input"));
            try (SegmentationModel network =
                            backend.load(architecture, ReferenceFolder.weights(model.weights(), architecture));
                    Scope scope = backend.newScope()) {
                if (variant.isElsewhere(network.implementation())) {
                    // nothing but the plain form here, and that has its own variant
                    return;
                }
                String label = variant.label(network.implementation());
                Tensor input = scope.tensor(image);
                Set<String> unknown = new TreeSet<>(expected.keySet());
                unknown.remove("input");
                for (String key : List.of("logits", "logits0")) {
                    if (unknown.remove(key)) {
                        HostTensor logits = network.forward(scope, input).toHost();
                        sink.accept(ParityLine.compared(
                                name + " " + key, label, Differences.largest(logits, volume(expected.get(key))), 2e-5));
                    }
                }
                // A model predicts with the finest logits; the coarser ones are there to learn from.
                unknown.removeIf(key -> key.matches("logits[1-9]"));
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
            // What stands behind a semicolon says how several outputs are weighed, which is the same for all.
            Optional<LossSpec> loss = MonaiLoss.constructed(described.split(";")[0]);
            if (loss.isEmpty()) {
                sink.accept(ParityLine.skipped(
                        name, variant.label("plain"), "the loss " + described + " isn't known here"));
                return;
            }
            if (expected.containsKey("logits0")) {
                several(architecture, expected, loss.get(), variant, backend, sink);
                return;
            }
            TrainingSpec spec = TrainingSpec.of(
                    architecture,
                    ReferenceFolder.weights(model.weights(), architecture),
                    loss.get(),
                    OptimizerSpec.adamW(0));
            try (TrainingSession session = backend.train(spec)) {
                if (variant.isElsewhere(session.implementation())) {
                    return;
                }
                compare(session, expected, architecture.numClasses(), variant, sink);
            }
        }

        /** Several outputs with a target each: the training session makes the coarser targets of the finest, so a tape is used by hand. */
        private void several(
                Network network,
                Map<String, HostTensor> expected,
                LossSpec spec,
                Variant variant,
                Backend backend,
                Consumer<ParityLine> sink)
                throws IOException {
            if (!(backend instanceof DifferentiableBackend differentiable) || variant.isElsewhere("plain")) {
                return;
            }
            StateDict weights = ReferenceFolder.weights(model.weights(), network);
            String label = variant.label("plain");
            try (Scope scope = backend.newScope();
                    Tape tape = differentiable.newTape(new Pass(Mode.TRAINING, 0, 0))) {
                Map<String, Tensor> tensors = new LinkedHashMap<>();
                List<String> trained = new ArrayList<>();
                List<Tensor> variables = new ArrayList<>();
                Tensor input = tape.variable(scope.tensor(ReferenceFolder.require(file, expected, "input")));
                variables.add(input);
                for (ParameterSpec parameter : network.parameters()) {
                    Tensor tensor = scope.tensor(weights.get(parameter.name()));
                    if (parameter.role().isTrained()) {
                        tensor = tape.variable(tensor);
                        trained.add(parameter.name());
                        variables.add(tensor);
                    }
                    tensors.put(parameter.name(), tensor);
                }
                Ops ops = tape.ops();
                List<Tensor> logits = network.forward(ops, new BlockParameters(tensors, ""), input);
                Tensor sum = null;
                double worst = 0;
                for (int i = 0; i < logits.size(); i++) {
                    HostTensor target = LossCases.channels(
                            ReferenceFolder.require(file, expected, "target" + i), network.numClasses());
                    Tensor one = Losses.of(spec, ops, logits.get(i), ops.constant(target), null);
                    Tensor weighed = ops.affine(one, Math.pow(2, -i) / (2 - Math.pow(2, 1 - logits.size())), 0);
                    sum = sum == null ? weighed : ops.add(sum, weighed);
                    worst = Differences.worse(
                            worst,
                            Differences.largest(
                                    logits.get(i).toHost(), ReferenceFolder.require(file, expected, "logits" + i)));
                }
                sink.accept(ParityLine.compared(name + " logits", label, worst, 2e-5));
                sink.accept(ParityLine.compared(
                        name + " loss",
                        label,
                        Differences.relative(
                                sum.toHost().get(0),
                                ReferenceFolder.require(file, expected, "loss").get(0)),
                        1e-6));
                List<Tensor> gradients = tape.gradients(scope, sum, null, variables);
                Map<String, HostTensor> found = new LinkedHashMap<>();
                for (int i = 0; i < trained.size(); i++) {
                    found.put(trained.get(i), gradients.get(i + 1).toHost());
                }
                double tolerance = variant.isFloat32() ? 1e-3 : 1e-6;
                Differences.GradientDifference difference =
                        Differences.gradients(found, ReferenceFolder.below(expected, "grad."), 1e-6);
                sink.accept(ParityLine.compared(name + " gradients", label, difference.relative(), tolerance));
                sink.accept(ParityLine.compared(name + " vanishing gradients", label, difference.vanishing(), 1e-5));
                HostTensor inputGradient = expected.get("grad_input");
                if (inputGradient != null) {
                    sink.accept(ParityLine.compared(
                            name + " input gradient",
                            label,
                            Differences.distance(gradients.get(0).toHost(), inputGradient)
                                    / Differences.norm(inputGradient),
                            tolerance));
                }
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

package org.segformer3d.train.parity;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.api.training.LossSpec;
import org.segformer3d.api.training.OptimizerSpec;
import org.segformer3d.api.training.TrainingBatch;
import org.segformer3d.api.training.TrainingSession;
import org.segformer3d.api.training.TrainingSession.TrainingPass;
import org.segformer3d.api.training.TrainingSpec;
import org.segformer3d.train.parity.Parity.BackendCase;

/** {@code models/NAME.eval} and {@code models/NAME.train}: the network in evaluation mode and one training pass. */
final class ModelCases {
    private static final String EVAL = ".eval.safetensors";
    private static final String TRAIN = ".train.safetensors";

    /** Above this the random reference weights make float32 gradients ill-conditioned: PyTorch's own are 3e-3 off. */
    private static final long LARGE_MODEL_PARAMETERS = 1_000_000;

    private ModelCases() {}

    static List<BackendCase> in(ReferenceFolder folder) throws IOException {
        List<BackendCase> cases = new ArrayList<>();
        for (Path file : folder.files("models", EVAL)) {
            cases.add(new Evaluation("models/" + ReferenceFolder.stem(file, EVAL) + ".eval", file));
        }
        for (Path file : folder.files("models", TRAIN)) {
            cases.add(new Training("models/" + ReferenceFolder.stem(file, TRAIN) + ".train", file));
        }
        return cases;
    }

    private record Evaluation(String name, Path file) implements BackendCase {
        @Override
        public boolean needsGradients() {
            return false;
        }

        @Override
        public void run(Variant variant, Backend backend, Consumer<ParityLine> sink) throws IOException {
            String stem = ReferenceFolder.stem(file, EVAL);
            SegFormer3DConfig config = ReferenceFolder.config(ReferenceFolder.sibling(file, stem, ".json"));
            Map<String, HostTensor> expected = ReferenceFolder.tensors(file);
            try (SegmentationModel model =
                            backend.load(config, ReferenceFolder.weights(ReferenceFolder.sibling(file, stem, ".pt")));
                    Scope scope = backend.newScope()) {
                if (variant.isAuto() && model.implementation().equals("plain")) {
                    // nothing but the plain form here, and that has its own variant
                    return;
                }
                String label = variant.label(model.implementation());
                Tensor input = scope.tensor(expected.get("input"));
                HostTensor logits = model.forward(scope, input).toHost();
                sink.accept(ParityLine.compared(
                        name + " logits", label, Differences.largest(logits, expected.get("logits")), 2e-5));
                List<Tensor> stages = model.encode(scope, input);
                double worst = 0;
                for (int i = 0; i < stages.size(); i++) {
                    HostTensor stage = expected.get("stage" + (i + 1));
                    if (stage != null) {
                        worst = Differences.worse(
                                worst, Differences.largest(stages.get(i).toHost(), stage));
                    }
                }
                sink.accept(ParityLine.compared(name + " stages", label, worst, 2e-5));
            }
        }
    }

    private record Training(String name, Path file) implements BackendCase {
        @Override
        public boolean needsGradients() {
            return true;
        }

        @Override
        public void run(Variant variant, Backend backend, Consumer<ParityLine> sink) throws IOException {
            String stem = ReferenceFolder.stem(file, TRAIN);
            SegFormer3DConfig config = ReferenceFolder.config(ReferenceFolder.sibling(file, stem, ".json"));
            Map<String, HostTensor> expected = ReferenceFolder.tensors(file);
            TrainingSpec spec = TrainingSpec.of(
                    config,
                    ReferenceFolder.weights(ReferenceFolder.sibling(file, stem, ".pt")),
                    LossSpec.of(LossSpec.Kind.DICE, LossSpec.Activation.SIGMOID),
                    OptimizerSpec.adamW(0));
            try (TrainingSession session = backend.train(spec)) {
                if (variant.isAuto() && session.implementation().equals("plain")) {
                    return;
                }
                String label = variant.label(session.implementation());
                TrainingPass pass = session.pass(new TrainingBatch(expected.get("input"), expected.get("target"), 0));
                sink.accept(ParityLine.compared(
                        name + " loss",
                        label,
                        Differences.relative(pass.loss(), expected.get("loss").get(0)),
                        1e-6));
                sink.accept(ParityLine.compared(
                        name + " logits", label, Differences.largest(pass.logits(), expected.get("logits")), 2e-5));
                Map<String, HostTensor> reference = new HashMap<>(ReferenceFolder.below(expected, "grad."));
                Map<String, HostTensor> gradients =
                        new HashMap<>(pass.gradients().tensors());
                boolean large = pass.gradients().elements() > LARGE_MODEL_PARAMETERS;
                double tolerance = variant.isFloat32() ? large ? 1e-2 : 1e-3 : 1e-6;
                Differences.GradientDifference difference = Differences.gradients(gradients, reference);
                sink.accept(ParityLine.compared(name + " gradients", label, difference.relative(), tolerance));
                sink.accept(ParityLine.compared(name + " vanishing gradients", label, difference.vanishing(), 1e-5));
                HostTensor inputGradient = expected.get("grad_input");
                sink.accept(ParityLine.compared(
                        name + " input gradient",
                        label,
                        Differences.distance(pass.inputGradient(), inputGradient) / Differences.norm(inputGradient),
                        tolerance));
                sink.accept(ParityLine.compared(
                        name + " running statistics",
                        label,
                        Differences.largest(
                                session.weights().tensors(), ReferenceFolder.below(expected, "after."), key -> true),
                        1e-4));
            }
        }
    }
}

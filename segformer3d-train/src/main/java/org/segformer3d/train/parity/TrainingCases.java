package org.segformer3d.train.parity;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.Consumer;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.network.Network;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.training.TrainingBatch;
import org.segformer3d.api.training.TrainingSession;
import org.segformer3d.api.training.TrainingSpec;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.train.config.ExperimentConfig;
import org.segformer3d.train.parity.Parity.BackendCase;

/**
 * {@code train_*.json} with {@code train_*.safetensors}: whole training runs of the official loop.
 *
 * <p>Data, labels and initial weights may lie in another run's file in the same folder.
 */
final class TrainingCases {
    private static final String JSON = ".json";
    private static final String TENSORS = ".safetensors";

    private TrainingCases() {}

    static List<BackendCase> in(ReferenceFolder folder) {
        List<BackendCase> cases = new ArrayList<>();
        List<Path> tensors = folder.named("train_.+\\.safetensors");
        for (Path file : folder.named("train_.+\\.json")) {
            Path own = ReferenceFolder.sibling(file, JSON, TENSORS);
            List<Path> sources = new ArrayList<>(List.of(own));
            tensors.stream()
                    .filter(other -> other.getParent().equals(file.getParent()) && !other.equals(own))
                    .forEach(sources::add);
            sources.removeIf(source -> !Files.exists(source));
            folder.use(file);
            // What it starts from may be in any of them.
            sources.forEach(folder::use);
            cases.add(new Run(folder.title(file, JSON), file, own, List.copyOf(sources)));
        }
        return cases;
    }

    /** What a run starts from. */
    private record Start(HostTensor data, HostTensor labels, StateDict weights) {
        /** Returns what the first of some files holds that has it and suits the network. */
        static Optional<Start> in(List<Path> files, ExperimentConfig config, Network network) throws IOException {
            for (Path file : files) {
                Map<String, HostTensor> tensors = ReferenceFolder.tensors(file);
                HostTensor data = tensors.get("data");
                HostTensor labels = tensors.get("labels");
                StateDict weights = StateDict.of(ReferenceFolder.below(tensors, "init."));
                if (data != null
                        && labels != null
                        && data.size(1) == config.network().inChannels()
                        && weights.mismatches(network.parameters()).isEmpty()) {
                    return Optional.of(new Start(data, labels, weights));
                }
            }
            return Optional.empty();
        }

        /** Cases in their order, neither shuffled nor augmented. */
        List<TrainingBatch> batches(int size, int count, int classes) {
            List<TrainingBatch> batches = new ArrayList<>();
            for (int n = 0; n < count; n++) {
                batches.add(new TrainingBatch(
                        slice(data, n * size, size), LossCases.channels(slice(labels, n * size, size), classes), 0));
            }
            return batches;
        }

        private static HostTensor slice(HostTensor tensor, int from, int most) {
            long[] shape = tensor.shape();
            int bytes = Math.toIntExact(
                    tensor.elements() / shape[0] * tensor.dtype().bytes());
            shape[0] = Math.min(most, shape[0] - from);
            return HostTensor.wrap(tensor.dtype(), tensor.bytes().slice(from * bytes, (int) shape[0] * bytes), shape);
        }
    }

    private record Run(String name, Path file, Path tensors, List<Path> sources) implements BackendCase {
        @Override
        public boolean isPossible(Backend backend) {
            return backend.supportsTraining();
        }

        @Override
        public void run(Variant variant, Backend backend, Consumer<ParityLine> sink) throws IOException {
            RecordedRun recorded = RecordedRun.read(file);
            ExperimentConfig config = recorded.config();
            Optional<Start> start = Start.in(sources, config, config.network());
            if (start.isEmpty()) {
                sink.accept(ParityLine.skipped(
                        name,
                        variant.label("plain"),
                        "found no data, labels and init.* of this network's shapes in " + tensors
                                + " or another train_*.safetensors beside it"));
                return;
            }
            if (recorded.losses().isEmpty()) {
                sink.accept(ParityLine.skipped(name, variant.label("plain"), file + " has no loss_per_step"));
                return;
            }
            long cases = start.get().data().size(0);
            int batchSize = config.dataset().batchSize();
            OptionalInt perEpoch = recorded.batchesPerEpoch(cases);
            if (perEpoch.isEmpty()) {
                throw new IOException(
                        file + ": found " + recorded.losses().size() + " values in loss_per_step, expected one for"
                                + " each batch of " + batchSize + " of " + cases + " cases in the "
                                + recorded.rates().size() + " epochs of lr_per_epoch");
            }
            List<TrainingBatch> batches = start.get()
                    .batches(batchSize, perEpoch.getAsInt(), config.network().numClasses());
            TrainingSpec spec = new TrainingSpec(
                    config.network(),
                    start.get().weights(),
                    config.loss(),
                    config.optimizer(),
                    config.training().clipNorm(),
                    config.training().emaDecay());
            Set<String> vanishing = new HashSet<>();
            try (TrainingSession probe = backend.train(spec)) {
                if (variant.isElsewhere(probe.implementation())) {
                    return;
                }
                vanishing(probe.pass(batches.get(0)).gradients().tensors(), vanishing);
            }
            try (TrainingSession session = backend.train(spec)) {
                compare(recorded, batches, session, variant, vanishing, sink);
            }
        }

        private static void vanishing(Map<String, HostTensor> gradients, Set<String> names) {
            double total = Math.sqrt(gradients.values().stream()
                    .mapToDouble(Differences::norm)
                    .map(norm -> norm * norm)
                    .sum());
            gradients.forEach((key, gradient) -> {
                if (Differences.norm(gradient) <= 1e-5 * total) {
                    names.add(key);
                }
            });
        }

        private void compare(
                RecordedRun recorded,
                List<TrainingBatch> batches,
                TrainingSession session,
                Variant variant,
                Set<String> vanishing,
                Consumer<ParityLine> sink)
                throws IOException {
            String label = variant.label(session.implementation());
            int accumulate = recorded.config().training().accumulatedBatches();
            List<Double> losses = recorded.losses();
            List<Double> norms = recorded.norms();
            double worstLoss = 0;
            double worstNorm = 0;
            double firstLoss = 0;
            int step = 0;
            int updates = 0;
            for (double rate : recorded.rates()) {
                for (int n = 0; n < batches.size(); n++, step++) {
                    double loss = session.accumulate(batches.get(n), 1.0 / accumulate);
                    double difference = Differences.relative(loss, losses.get(step));
                    firstLoss = step == 0 ? difference : firstLoss;
                    worstLoss = Differences.worse(worstLoss, difference);
                    // What is left at the end of an epoch makes a step, too.
                    if ((n + 1) % accumulate == 0 || n + 1 == batches.size()) {
                        double norm = session.update(rate);
                        if (updates < norms.size()) {
                            worstNorm = Differences.worse(worstNorm, Differences.relative(norm, norms.get(updates)));
                        }
                        updates++;
                    }
                }
            }
            boolean single = variant.isFloat32() || recorded.inFloat32();
            sink.accept(ParityLine.compared(name + " first loss", label, firstLoss, single ? 1e-5 : 1e-6));
            sink.accept(ParityLine.compared(name + " losses", label, worstLoss, single ? 1e-3 : 1e-6));
            if (!norms.isEmpty()) {
                // Norms are small differences of large numbers: those recorded in float32 have few digits after some
                // steps.
                double tolerance = recorded.inFloat32() ? 1e-2 : 1e-4;
                sink.accept(ParityLine.compared(name + " gradient norms", label, worstNorm, tolerance));
            }
            Map<String, HostTensor> expected = Files.exists(tensors) ? ReferenceFolder.tensors(tensors) : Map.of();
            Map<String, Optional<StateDict>> found = new LinkedHashMap<>();
            found.put("final", Optional.of(session.weights()));
            found.put("ema", session.averagedWeights());
            found.forEach((part, weights) -> {
                String line = name + (part.equals("final") ? " final weights" : " averaged weights");
                Map<String, HostTensor> reference = ReferenceFolder.below(expected, part + ".");
                if (reference.isEmpty()) {
                    if (weights.isPresent()) {
                        sink.accept(ParityLine.skipped(line, label, "there is no " + part + ".* in " + tensors));
                    }
                } else if (weights.isEmpty()) {
                    sink.accept(ParityLine.failed(line, label, file + " names no ema_decay for them"));
                } else {
                    sink.accept(ParityLine.compared(
                            line, label, weights(weights.get(), reference, vanishing, single), single ? 1e-3 : 1e-5));
                }
            });
        }

        /**
         * In float32 Adam turns the rounding noise of gradients that vanish mathematically into steps of full size, so those weights
         * say nothing: biases just before a BatchNorm, the running means that take them in, and the keys' half of key_value.bias,
         * which softmax doesn't see.
         */
        private static double weights(
                StateDict actual, Map<String, HostTensor> expected, Set<String> vanishing, boolean single) {
            Map<String, HostTensor> left = new HashMap<>(actual.tensors());
            Map<String, HostTensor> right = new HashMap<>(expected);
            if (single) {
                right.keySet().removeAll(vanishing);
                right.keySet().removeIf(key -> key.endsWith(".running_mean"));
                right.replaceAll((key, tensor) -> key.endsWith("key_value.bias") ? secondHalf(tensor) : tensor);
                left.replaceAll((key, tensor) -> key.endsWith("key_value.bias") ? secondHalf(tensor) : tensor);
            }
            return Differences.largest(left, right, key -> true);
        }

        private static HostTensor secondHalf(HostTensor tensor) {
            double[] values = tensor.toDoubles();
            return HostTensor.of(
                    java.util.Arrays.copyOfRange(values, values.length / 2, values.length), values.length / 2);
        }
    }
}

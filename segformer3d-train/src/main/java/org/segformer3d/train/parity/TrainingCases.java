package org.segformer3d.train.parity;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.function.Consumer;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.training.LossGradient;
import org.segformer3d.api.training.LossSpec;
import org.segformer3d.api.training.LossSpec.Activation;
import org.segformer3d.api.training.LossSpec.Kind;
import org.segformer3d.api.training.OptimizerSpec;
import org.segformer3d.api.training.TrainingBatch;
import org.segformer3d.api.training.TrainingSession;
import org.segformer3d.api.training.TrainingSpec;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.train.parity.Parity.BackendCase;

/** {@code pipeline/losses.*} and {@code pipeline/train_*}: losses with gradients, and whole training runs of the official loop. */
final class TrainingCases {
    private static final String JSON = ".json";

    private TrainingCases() {}

    static List<BackendCase> in(ReferenceFolder folder) throws IOException {
        List<BackendCase> cases = new ArrayList<>();
        for (Path file : folder.files("pipeline", "losses.safetensors")) {
            cases.add(new Losses("pipeline/losses", file));
        }
        Path data = null;
        for (Path file : folder.files("pipeline", ".safetensors")) {
            if (file.getFileName().toString().startsWith("train_") && ReferenceFolder.holds(file, "data")) {
                data = file;
            }
        }
        for (Path file : folder.files("pipeline", JSON)) {
            String stem = ReferenceFolder.stem(file, JSON);
            if (stem.startsWith("train_") && data != null) {
                cases.add(new Run("pipeline/" + stem, file, data));
            }
        }
        return cases;
    }

    private record Losses(String name, Path file) implements BackendCase {
        @Override
        public boolean needsGradients() {
            return true;
        }

        @Override
        public void run(Variant variant, Backend backend, Consumer<ParityLine> sink) throws IOException {
            String label = variant.label("loss");
            if (variant.isAuto()) {
                return;
            }
            Map<String, HostTensor> tensors = ReferenceFolder.tensors(file);
            for (Map.Entry<String, HostTensor> entry : tensors.entrySet()) {
                if (!entry.getKey().endsWith(".loss")) {
                    continue;
                }
                String key = entry.getKey().substring(0, entry.getKey().length() - ".loss".length());
                String group = key.substring(0, key.indexOf('.'));
                HostTensor logits = tensors.get(group + ".pred");
                HostTensor target = channels(tensors.get(group + ".target"), logits.size(1));
                LossGradient found = backend.loss(loss(key), logits, target);
                HostTensor gradient = tensors.get(key + ".grad");
                double difference = Differences.worse(
                        Differences.relative(found.loss(), entry.getValue().get(0)),
                        Differences.distance(found.gradient(), gradient) / Differences.norm(gradient));
                // float32 rounds the logits before anything is computed
                sink.accept(
                        ParityLine.compared(name + " " + key, label, difference, variant.isFloat32() ? 2e-6 : 1e-6));
            }
        }

        private static HostTensor channels(HostTensor target, long channels) {
            if (target.size(1) == channels) {
                return target;
            }
            long[] shape = target.shape();
            int voxels = Math.toIntExact(shape[2] * shape[3] * shape[4]);
            byte[] oneHot = new byte[Math.toIntExact(shape[0] * channels * voxels)];
            for (int b = 0; b < shape[0]; b++) {
                for (int n = 0; n < voxels; n++) {
                    int value = (int) target.get(b * voxels + n);
                    oneHot[Math.toIntExact((b * channels + value) * voxels + n)] = 1;
                }
            }
            return HostTensor.of(oneHot, shape[0], channels, shape[2], shape[3], shape[4]);
        }

        private static LossSpec loss(String key) {
            String[] parts = key.split("\\.");
            Activation activation = parts[0].equals("softmax") ? Activation.SOFTMAX : Activation.SIGMOID;
            return switch (parts[1]) {
                case "dice" -> LossSpec.of(Kind.DICE, activation);
                case "diceCE" -> LossSpec.of(Kind.DICE_CROSS_ENTROPY, activation);
                case "crossentropy" -> LossSpec.of(Kind.CROSS_ENTROPY, activation);
                case "binarycrossentropy" -> LossSpec.of(Kind.BINARY_CROSS_ENTROPY, activation);
                case "diceFocal" -> LossSpec.of(Kind.DICE_FOCAL, activation);
                case "generalizedDice" -> LossSpec.of(Kind.GENERALIZED_DICE, activation);
                case "dice_nobg" -> LossSpec.of(Kind.DICE, activation).withoutBackground();
                case "dice_batch_squared" -> LossSpec.of(Kind.DICE, activation).with(true, true);
                default -> throw new IllegalArgumentException("no such loss: " + key);
            };
        }
    }

    private record Run(String name, Path file, Path data) implements BackendCase {
        @Override
        public boolean needsGradients() {
            return true;
        }

        @Override
        public void run(Variant variant, Backend backend, Consumer<ParityLine> sink) throws IOException {
            Map<String, Object> json = ReferenceFolder.json(file);
            Map<String, HostTensor> shared = ReferenceFolder.tensors(data);
            Map<String, HostTensor> expected = ReferenceFolder.tensors(
                    ReferenceFolder.sibling(file, ReferenceFolder.stem(file, JSON), ".safetensors"));
            TrainingSpec spec = spec(json, StateDict.of(ReferenceFolder.below(shared, "init.")));
            List<Double> losses = Numbers.list(json.get("loss_per_step"));
            List<Double> norms = Numbers.list(json.get("grad_norm_before_clip"));
            int batchSize = ((Number) json.get("batch_size")).intValue();
            int accumulate = ((Number) json.get("grad_accumulate_steps")).intValue();
            List<TrainingBatch> batches = batches(shared.get("data"), shared.get("labels"), batchSize);
            double worstLoss = 0;
            double worstNorm = 0;
            double firstLoss = 0;
            int step = 0;
            int updates = 0;
            Set<String> vanishing = new HashSet<>();
            try (TrainingSession probe = backend.train(spec)) {
                if (variant.isAuto() && probe.implementation().equals("plain")) {
                    return;
                }
                Map<String, HostTensor> gradients =
                        probe.pass(batches.get(0)).gradients().tensors();
                double total = Math.sqrt(gradients.values().stream()
                        .mapToDouble(Differences::norm)
                        .map(norm -> norm * norm)
                        .sum());
                gradients.forEach((key, gradient) -> {
                    if (Differences.norm(gradient) <= 1e-5 * total) {
                        vanishing.add(key);
                    }
                });
            }
            try (TrainingSession session = backend.train(spec)) {
                String label = variant.label(session.implementation());
                for (double rate : Numbers.list(json.get("lr_per_epoch"))) {
                    for (TrainingBatch batch : batches) {
                        double loss = session.accumulate(batch, 1.0 / accumulate);
                        double difference = Differences.relative(loss, losses.get(step));
                        firstLoss = step == 0 ? difference : firstLoss;
                        worstLoss = Differences.worse(worstLoss, difference);
                        step++;
                        if (step % accumulate == 0) {
                            double norm = session.update(rate);
                            if (updates < norms.size()) {
                                worstNorm =
                                        Differences.worse(worstNorm, Differences.relative(norm, norms.get(updates)));
                            }
                            updates++;
                        }
                    }
                }
                boolean single = variant.isFloat32();
                sink.accept(ParityLine.compared(name + " first loss", label, firstLoss, single ? 1e-5 : 1e-6));
                sink.accept(ParityLine.compared(name + " losses", label, worstLoss, single ? 1e-3 : 1e-6));
                if (!norms.isEmpty()) {
                    sink.accept(ParityLine.compared(name + " gradient norms", label, worstNorm, 1e-4));
                }
                sink.accept(ParityLine.compared(
                        name + " final weights",
                        label,
                        weights(session.weights(), ReferenceFolder.below(expected, "final."), vanishing, single),
                        single ? 1e-3 : 1e-5));
                sink.accept(ParityLine.compared(
                        name + " averaged weights",
                        label,
                        weights(
                                session.averagedWeights().orElseThrow(),
                                ReferenceFolder.below(expected, "ema."),
                                vanishing,
                                single),
                        single ? 1e-3 : 1e-5));
            }
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

        private static TrainingSpec spec(Map<String, Object> json, StateDict initial) {
            SegFormer3DConfig config = ReferenceFolder.config(Path.of("train"), json);
            Map<?, ?> optimizer = (Map<?, ?>) json.get("optimizer");
            Map<?, ?> arguments = (Map<?, ?>) optimizer.get("optimizer_args");
            double decay = ((Number) arguments.get("weight_decay")).doubleValue();
            String type = String.valueOf(optimizer.get("optimizer_type"));
            String loss = String.valueOf(json.get("loss_type"));
            return new TrainingSpec(
                    config,
                    initial,
                    LossSpec.of(
                            switch (loss) {
                                case "dice" -> Kind.DICE;
                                case "diceCE" -> Kind.DICE_CROSS_ENTROPY;
                                case "crossentropy" -> Kind.CROSS_ENTROPY;
                                case "binarycrossentropy" -> Kind.BINARY_CROSS_ENTROPY;
                                default -> throw new IllegalArgumentException("no such loss_type: " + loss);
                            },
                            Activation.SIGMOID),
                    switch (type) {
                        case "adamw" -> OptimizerSpec.adamW(decay);
                        case "adam" -> OptimizerSpec.adam(decay);
                        case "sgd" -> OptimizerSpec.sgd(decay, momentum(arguments), false);
                        default -> throw new IllegalArgumentException("no such optimizer_type: " + type);
                    },
                    optional(json.get("clip_gradients_value")),
                    optional(json.get("ema_decay")));
        }

        /** The official run's SGD has momentum 0.9 where the file names none. */
        private static double momentum(Map<?, ?> arguments) {
            return arguments.get("momentum") instanceof Number number ? number.doubleValue() : 0.9;
        }

        private static OptionalDouble optional(Object value) {
            return value instanceof Number number ? OptionalDouble.of(number.doubleValue()) : OptionalDouble.empty();
        }

        private static List<TrainingBatch> batches(HostTensor data, HostTensor labels, int size) {
            List<TrainingBatch> batches = new ArrayList<>();
            for (int from = 0; from < data.size(0); from += size) {
                batches.add(new TrainingBatch(slice(data, from, size), slice(labels, from, size), 0));
            }
            return batches;
        }

        private static HostTensor slice(HostTensor tensor, int from, int count) {
            long[] shape = tensor.shape();
            int bytes = Math.toIntExact(
                    tensor.elements() / shape[0] * tensor.dtype().bytes());
            ByteBuffer part = tensor.bytes().slice(from * bytes, count * bytes);
            shape[0] = count;
            return HostTensor.wrap(tensor.dtype(), part, shape);
        }
    }
}

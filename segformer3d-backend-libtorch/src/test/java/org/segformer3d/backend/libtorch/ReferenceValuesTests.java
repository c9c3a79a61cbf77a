package org.segformer3d.backend.libtorch;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.BackendOptions.Implementation;
import org.segformer3d.api.backend.Backends;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.network.SegFormer3DNetwork;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.api.training.LossGradient;
import org.segformer3d.api.training.LossSpec;
import org.segformer3d.api.training.LossSpec.Activation;
import org.segformer3d.api.training.LossSpec.Kind;
import org.segformer3d.api.training.OptimizerSpec;
import org.segformer3d.api.training.TrainingBatch;
import org.segformer3d.api.training.TrainingSession;
import org.segformer3d.api.training.TrainingSpec;
import org.segformer3d.api.weights.StateDict;

/** What the official implementation computes, this backend computes. */
class ReferenceValuesTests {
    private static Backend open(DType type) {
        return Backends.provider("libtorch").open(BackendOptions.defaults().in(type));
    }

    @Nested
    class Inference {
        @ParameterizedTest
        @CsvSource({
            "tiny, FLOAT32, PLAIN", "tiny, FLOAT32, AUTO", "tiny, FLOAT64, PLAIN", "tiny, FLOAT64, AUTO",
            "tiny_box, FLOAT32, PLAIN", "tiny_box, FLOAT32, AUTO", "tiny_box, FLOAT64, PLAIN",
                    "tiny_box, FLOAT64, AUTO",
            "default, FLOAT32, PLAIN", "default, FLOAT32, AUTO", "default, FLOAT64, AUTO"
        })
        void givesTheLogitsAndStages(String name, DType type, Implementation implementation) {
            Map<String, HostTensor> expected = ReferenceFiles.tensors("models/" + name + ".eval.safetensors");
            // the reference values themselves are rounded to float32
            double tolerance = type == DType.FLOAT32 ? 5e-6 : 1e-7;
            try (Backend backend = Backends.provider("libtorch")
                            .open(BackendOptions.defaults().in(type).with(implementation));
                    SegmentationModel model = backend.load(
                            ReferenceFiles.config("models/" + name + ".json"),
                            ReferenceFiles.weights("models/" + name + ".pt"));
                    Scope scope = backend.newScope()) {
                Tensor input = scope.tensor(expected.get("input"));
                assertThat(ReferenceFiles.largestDifference(
                                model.forward(scope, input).toHost(), expected.get("logits")))
                        .isLessThan(tolerance);
                List<Tensor> stages = model.encode(scope, input);
                for (int i = 0; i < stages.size(); i++) {
                    assertThat(ReferenceFiles.largestDifference(
                                    stages.get(i).toHost(), expected.get("stage" + (i + 1))))
                            .as("stage %d", i + 1)
                            .isLessThan(tolerance);
                }
            }
        }
    }

    @Nested
    class Losses {
        @ParameterizedTest
        @ValueSource(
                strings = {
                    "c1.dice",
                    "c1.binarycrossentropy",
                    "c3.dice",
                    "c3.binarycrossentropy",
                    "c3.crossentropy",
                    "c3.diceCE",
                    "softmax.dice",
                    "softmax.diceCE",
                    "softmax.diceFocal",
                    "softmax.dice_batch_squared",
                    "softmax.dice_nobg",
                    "softmax.generalizedDice"
                })
        void areMonais(String key) {
            Map<String, HostTensor> values = ReferenceFiles.tensors("pipeline/losses.safetensors");
            String group = key.substring(0, key.indexOf('.'));
            HostTensor logits = values.get(group + ".pred");
            HostTensor target = values.get(group + ".target");
            if (group.equals("softmax")) {
                target = oneHot(target, logits.shape());
            }
            try (Backend backend = open(DType.FLOAT64)) {
                LossGradient found = backend.loss(spec(key), logits, target);
                double expected = values.get(key + ".loss").get(0);
                assertThat(Math.abs(found.loss() - expected) / expected).isLessThan(1e-7);
                HostTensor gradient = values.get(key + ".grad");
                assertThat(ReferenceFiles.distance(found.gradient(), gradient) / ReferenceFiles.norm(gradient))
                        .isLessThan(1e-7);
            }
        }

        private static LossSpec spec(String key) {
            Activation activation = key.startsWith("softmax") ? Activation.SOFTMAX : Activation.SIGMOID;
            return switch (key.substring(key.indexOf('.') + 1)) {
                case "dice" -> LossSpec.of(Kind.DICE, activation);
                case "binarycrossentropy" -> LossSpec.of(Kind.BINARY_CROSS_ENTROPY, activation);
                case "crossentropy" -> LossSpec.of(Kind.CROSS_ENTROPY, activation);
                case "diceCE" -> LossSpec.of(Kind.DICE_CROSS_ENTROPY, activation);
                case "diceFocal" -> LossSpec.of(Kind.DICE_FOCAL, activation);
                case "dice_batch_squared" -> LossSpec.of(Kind.DICE, activation).with(true, true);
                case "dice_nobg" -> LossSpec.of(Kind.DICE, activation).withoutBackground();
                case "generalizedDice" -> LossSpec.of(Kind.GENERALIZED_DICE, activation);
                default -> throw new IllegalArgumentException(key);
            };
        }

        private static HostTensor oneHot(HostTensor classes, long[] shape) {
            HostTensor target = HostTensor.zeros(DType.UINT8, shape);
            int voxels = Math.toIntExact(shape[2] * shape[3] * shape[4]);
            for (int b = 0; b < shape[0]; b++) {
                for (int v = 0; v < voxels; v++) {
                    int k = (int) classes.get(b * voxels + v);
                    target.bytes().put((b * (int) shape[1] + k) * voxels + v, (byte) 1);
                }
            }
            return target;
        }
    }

    @Nested
    class TrainingPass {
        @ParameterizedTest
        @CsvSource({
            "tiny, FLOAT64, 1e-6",
            "tiny_box, FLOAT64, 1e-6",
            "tiny_box, FLOAT32, 1e-3",
            "default, FLOAT32, 1e-2"
        })
        void givesTheLossTheGradientsAndTheRunningStatistics(String name, DType type, double tolerance) {
            Map<String, HostTensor> expected = ReferenceFiles.tensors("models/" + name + ".train.safetensors");
            TrainingSpec spec = TrainingSpec.of(
                    ReferenceFiles.config("models/" + name + ".json"),
                    ReferenceFiles.weights("models/" + name + ".pt"),
                    LossSpec.of(Kind.DICE, Activation.SIGMOID),
                    OptimizerSpec.adamW(0));
            try (Backend backend = open(type);
                    TrainingSession session = backend.train(spec)) {
                TrainingSession.TrainingPass pass =
                        session.pass(new TrainingBatch(expected.get("input"), expected.get("target"), 0));
                double loss = expected.get("loss").get(0);
                assertThat(Math.abs(pass.loss() - loss) / loss).isLessThan(1e-6);
                assertThat(ReferenceFiles.largestDifference(pass.logits(), expected.get("logits")))
                        .isLessThan(2e-5);
                HostTensor input = expected.get("grad_input");
                assertThat(ReferenceFiles.distance(pass.inputGradient(), input) / ReferenceFiles.norm(input))
                        .isLessThan(tolerance);
                checkGradients(pass.gradients(), expected, tolerance);
                StateDict after = session.weights();
                expected.forEach((key, statistics) -> {
                    if (key.startsWith("after.")) {
                        assertThat(ReferenceFiles.largestDifference(
                                        after.get(key.substring("after.".length())), statistics))
                                .as(key)
                                .isLessThan(1e-4);
                    }
                });
            }
        }

        private static void checkGradients(StateDict found, Map<String, HostTensor> expected, double tolerance) {
            Map<String, HostTensor> gradients = new LinkedHashMap<>();
            expected.forEach((key, value) -> {
                if (key.startsWith("grad.")) {
                    gradients.put(key.substring("grad.".length()), value);
                }
            });
            assertThat(found.names()).containsExactlyInAnyOrderElementsOf(gradients.keySet());
            double overall = Math.sqrt(gradients.values().stream()
                    .mapToDouble(g -> Math.pow(ReferenceFiles.norm(g), 2))
                    .sum());
            gradients.forEach((key, gradient) -> {
                double norm = ReferenceFiles.norm(gradient);
                if (norm > 1e-6 * overall) {
                    assertThat(ReferenceFiles.distance(found.get(key), gradient) / norm)
                            .as(key)
                            .isLessThan(tolerance);
                } else {
                    // a bias just before a BatchNorm: its gradient is zero in exact arithmetic
                    assertThat(ReferenceFiles.norm(found.get(key))).as(key).isLessThan(1e-5 * overall);
                }
            });
        }
    }

    @Nested
    class SixEpochs {
        private final Map<String, HostTensor> data =
                ReferenceFiles.tensors("pipeline/train_adamw_accum1_clip.safetensors");

        @ParameterizedTest
        @ValueSource(strings = {"adam_accum1", "adamw_accum1_clip", "adamw_accum2", "sgd_accum1"})
        void followTheOfficialRun(String name) {
            JsonNode json = ReferenceFiles.json("pipeline/train_" + name + ".json");
            Map<String, HostTensor> expected = ReferenceFiles.tensors("pipeline/train_" + name + ".safetensors");
            int accumulate = json.get("grad_accumulate_steps").asInt();
            List<Double> losses = new ArrayList<>();
            List<Double> norms = new ArrayList<>();
            StateDict weights;
            StateDict averaged;
            try (Backend backend = open(DType.FLOAT64);
                    TrainingSession session = backend.train(spec(name, json))) {
                for (JsonNode rate : json.get("lr_per_epoch")) {
                    for (int i = 0; i < 2; i++) {
                        TrainingBatch batch = new TrainingBatch(
                                cases(data.get("data"), 2 * i, 2), cases(data.get("labels"), 2 * i, 2), 0);
                        losses.add(session.accumulate(batch, 1.0 / accumulate));
                        if ((i + 1) % accumulate == 0) {
                            norms.add(session.update(rate.asDouble()));
                        }
                    }
                }
                weights = session.weights();
                averaged = session.averagedWeights().orElseThrow();
            }
            for (int i = 0; i < losses.size(); i++) {
                double loss = json.get("loss_per_step").get(i).asDouble();
                assertThat(Math.abs(losses.get(i) - loss) / loss)
                        .as("step %d", i)
                        .isLessThan(1e-10);
            }
            for (int i = 0; i < json.get("grad_norm_before_clip").size(); i++) {
                double norm = json.get("grad_norm_before_clip").get(i).asDouble();
                assertThat(Math.abs(norms.get(i) - norm) / norm)
                        .as("norm %d", i)
                        .isLessThan(1e-10);
            }
            expected.forEach((key, value) -> {
                if (key.startsWith("final.")) {
                    assertThat(ReferenceFiles.largestDifference(weights.get(key.substring(6)), value))
                            .as(key)
                            .isLessThan(2e-7);
                } else if (key.startsWith("ema.")) {
                    assertThat(ReferenceFiles.largestDifference(averaged.get(key.substring(4)), value))
                            .as(key)
                            .isLessThan(2e-7);
                }
            });
        }

        private TrainingSpec spec(String name, JsonNode json) {
            Map<String, HostTensor> initial = new LinkedHashMap<>();
            data.forEach((key, value) -> {
                if (key.startsWith("init.")) {
                    initial.put(key.substring(5), value);
                }
            });
            double decay = json.get("optimizer")
                    .get("optimizer_args")
                    .get("weight_decay")
                    .asDouble();
            return new TrainingSpec(
                    SegFormer3DNetwork.of(ReferenceFiles.config("pipeline/train_" + name + ".json")),
                    StateDict.of(initial),
                    LossSpec.of(
                            json.get("loss_type").asText().equals("dice") ? Kind.DICE : Kind.DICE_CROSS_ENTROPY,
                            Activation.SIGMOID),
                    switch (json.get("optimizer").get("optimizer_type").asText()) {
                        case "adam" -> OptimizerSpec.adam(decay);
                        case "adamw" -> OptimizerSpec.adamW(decay);
                        // the official factory's own default
                        default -> OptimizerSpec.sgd(decay, 0.9, false);
                    },
                    json.get("clip_gradients_value").isNull()
                            ? OptionalDouble.empty()
                            : OptionalDouble.of(json.get("clip_gradients_value").asDouble()),
                    OptionalDouble.of(json.get("ema_decay").asDouble()));
        }

        private static HostTensor cases(HostTensor all, int first, int count) {
            long[] shape = all.shape();
            int bytes = Math.toIntExact(all.elements() / shape[0] * all.dtype().bytes());
            ByteBuffer part = all.bytes().slice(first * bytes, count * bytes);
            shape[0] = count;
            return HostTensor.wrap(all.dtype(), part, shape);
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "FLOAT64"})
    void aModelsTypeIsTheBackends(DType type) {
        try (Backend backend = open(type);
                SegmentationModel model = backend.load(
                        ReferenceFiles.config("models/tiny.json"), ReferenceFiles.weights("models/tiny.pt"))) {
            assertThat(model.predict(HostTensor.zeros(DType.UINT8, 1, 2, 32, 32, 32))
                            .dtype())
                    .isEqualTo(type);
        }
    }
}

package org.segformer3d.zoo;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.Backends;
import org.segformer3d.api.backend.DifferentiableBackend;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.Mode;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.network.Architectures;
import org.segformer3d.api.network.Network;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.ops.Pass;
import org.segformer3d.api.ops.Tape;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.api.training.LossSpec;
import org.segformer3d.api.training.Losses;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.data.weights.Safetensors;
import org.segformer3d.data.weights.WeightFiles;

/** Logits, losses and gradients of the originals, computed in float64. */
class ReferenceValuesTests {
    private static final Path FOLDER = Path.of(System.getProperty("segformer3d.shared", "../shared"), "zoo");
    private static final ObjectMapper JSON = new ObjectMapper();

    private record Recorded(Network network, StateDict weights) {
        @SuppressWarnings("unchecked")
        static Recorded read(String name) throws IOException {
            JsonNode node = JSON.readTree(FOLDER.resolve(name + ".json").toFile());
            Network network = Architectures.network(
                    node.path("model_name").asText(), JSON.convertValue(node.path("model_parameters"), Map.class));
            return new Recorded(network, network.adapt(WeightFiles.read(FOLDER.resolve(name + ".pt"))));
        }
    }

    private static List<DynamicTest> tests(String ending, org.junit.jupiter.api.function.ThrowingConsumer<String> body)
            throws IOException {
        if (!Files.isDirectory(FOLDER)) {
            return List.of();
        }
        try (var files = Files.list(FOLDER)) {
            return files.map(file -> file.getFileName().toString())
                    .filter(name -> name.endsWith(ending))
                    .sorted()
                    .map(name -> name.substring(0, name.length() - ending.length()))
                    .map(name -> DynamicTest.dynamicTest(name, () -> body.accept(name)))
                    .toList();
        }
    }

    @TestFactory
    List<DynamicTest> namesAndShapesAreTheOriginals() throws IOException {
        return tests(".pt", name -> {
            Recorded recorded = Recorded.read(name);
            Map<String, String> expected = recorded.network().parameters().stream()
                    .collect(Collectors.toMap(
                            ParameterSpec::name, spec -> spec.shape().toString()));
            Map<String, String> found = new LinkedHashMap<>();
            recorded.weights()
                    .tensors()
                    .forEach((key, tensor) -> found.put(
                            key,
                            java.util.Arrays.stream(tensor.shape())
                                    .boxed()
                                    .toList()
                                    .toString()));
            assertThat(new TreeSet<>(found.keySet())).isEqualTo(new TreeSet<>(expected.keySet()));
            assertThat(found).containsAllEntriesOf(expected);
        });
    }

    @TestFactory
    List<DynamicTest> logitsAreTheOriginals() throws IOException {
        return tests(".eval.safetensors", name -> {
            Recorded recorded = Recorded.read(name);
            StateDict values = Safetensors.readStateDict(FOLDER.resolve(name + ".eval.safetensors"));
            try (DifferentiableBackend backend = open();
                    Scope scope = backend.newScope()) {
                Map<String, Tensor> tensors = new LinkedHashMap<>();
                recorded.weights().tensors().forEach((key, host) -> tensors.put(key, scope.tensor(host)));
                List<Tensor> logits = recorded.network()
                        .forward(
                                backend.ops(scope, Pass.INFERENCE),
                                new BlockParameters(tensors, ""),
                                scope.tensor(values.get("input")));
                for (int i = 0; i < logits.size(); i++) {
                    String key = logits.size() == 1 ? "logits" : "logits" + i;
                    assertThat(difference(values.get(key), logits.get(i).toHost()))
                            .as(key)
                            .isLessThan(2e-6);
                }
            }
        });
    }

    @TestFactory
    List<DynamicTest> lossesAndGradientsAreTheOriginals() throws IOException {
        return tests(".train.safetensors", name -> {
            Recorded recorded = Recorded.read(name);
            StateDict values = Safetensors.readStateDict(FOLDER.resolve(name + ".train.safetensors"));
            try (DifferentiableBackend backend = open();
                    Scope scope = backend.newScope();
                    Tape tape = backend.newTape(new Pass(Mode.TRAINING, 1, 0))) {
                Map<String, Tensor> tensors = new LinkedHashMap<>();
                List<String> trained = new ArrayList<>();
                for (ParameterSpec spec : recorded.network().parameters()) {
                    Tensor tensor = scope.tensor(recorded.weights().get(spec.name()));
                    boolean varies = spec.role().isTrained();
                    tensors.put(spec.name(), varies ? tape.variable(tensor) : tensor);
                    if (varies) {
                        trained.add(spec.name());
                    }
                }
                Ops ops = tape.ops();
                Tensor input = tape.variable(scope.tensor(values.get("input")));
                List<Tensor> logits = recorded.network().forward(ops, new BlockParameters(tensors, ""), input);
                Tensor loss = null;
                double sum = 0;
                for (int i = 0; i < logits.size(); i++) {
                    String target = logits.size() == 1 ? "target" : "target" + i;
                    Tensor one = Losses.of(
                            LossSpec.of(LossSpec.Kind.DICE, LossSpec.Activation.SIGMOID),
                            ops,
                            logits.get(i),
                            ops.constant(values.get(target)),
                            null);
                    Tensor weighted = ops.affine(one, Math.pow(0.5, i), 0);
                    sum += Math.pow(0.5, i);
                    loss = loss == null ? weighted : ops.add(loss, weighted);
                }
                loss = ops.affine(loss, 1 / sum, 0);
                assertThat(loss.toHost().get(0))
                        .isCloseTo(values.get("loss").get(0), org.assertj.core.data.Offset.offset(1e-9));
                List<Tensor> variables = new ArrayList<>(List.of(input));
                trained.forEach(key -> variables.add(tensors.get(key)));
                List<Tensor> gradients = tape.gradients(scope, loss, null, variables);
                double all = 0;
                for (int i = 0; i < trained.size(); i++) {
                    all += Math.pow(norm(gradients.get(i + 1).toHost().toDoubles()), 2);
                }
                all = Math.sqrt(all);
                assertThat(error(values.get("grad_input"), gradients.get(0).toHost(), all))
                        .as("input")
                        .isLessThan(1e-6);
                for (int i = 0; i < trained.size(); i++) {
                    String key = "grad." + trained.get(i);
                    if (values.names().contains(key)) {
                        assertThat(error(values.get(key), gradients.get(i + 1).toHost(), all))
                                .as(key)
                                .isLessThan(1e-6);
                    }
                }
                for (String key : values.names()) {
                    if (key.startsWith("after.")) {
                        assertThat(difference(
                                        values.get(key),
                                        tensors.get(key.substring(6)).toHost()))
                                .as(key)
                                .isLessThan(1e-6);
                    }
                }
            }
        });
    }

    private static DifferentiableBackend open() {
        return (DifferentiableBackend) Backends.provider("reference").open(BackendOptions.defaults());
    }

    private static double difference(HostTensor expected, HostTensor found) {
        assertThat(found.shape()).isEqualTo(expected.shape());
        double[] a = expected.toDoubles();
        double[] b = found.toDoubles();
        double largest = 0;
        double difference = 0;
        for (int i = 0; i < a.length; i++) {
            largest = Math.max(largest, Math.abs(a[i]));
            difference = Math.max(difference, Math.abs(a[i] - b[i]));
        }
        return difference / largest;
    }

    /** The rule of the reference values: what is mathematically zero is compared with the norm over all parameters. */
    private static double error(HostTensor expected, HostTensor found, double all) {
        double[] a = expected.toDoubles();
        double[] b = found.toDoubles();
        double[] difference = new double[a.length];
        for (int i = 0; i < a.length; i++) {
            difference[i] = a[i] - b[i];
        }
        double size = norm(a);
        return size > 1e-6 * all ? norm(difference) / size : norm(b) / all * 0.1;
    }

    private static double norm(double[] values) {
        double sum = 0;
        for (double value : values) {
            sum += value * value;
        }
        return Math.sqrt(sum);
    }
}

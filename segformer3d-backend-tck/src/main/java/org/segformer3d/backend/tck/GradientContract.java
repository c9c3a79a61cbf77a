package org.segformer3d.backend.tck;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.segformer3d.backend.tck.Comparison.assertClose;
import static org.segformer3d.backend.tck.Comparison.distance;
import static org.segformer3d.backend.tck.Comparison.dot;
import static org.segformer3d.backend.tck.Comparison.norm;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.DifferentiableBackend;
import org.segformer3d.api.block.BlockSpec;
import org.segformer3d.api.block.BlockSpec.DecoderSpec;
import org.segformer3d.api.block.BlockSpec.MixFeedForwardSpec;
import org.segformer3d.api.block.BlockSpec.PatchEmbeddingSpec;
import org.segformer3d.api.block.BlockSpec.SelfAttentionSpec;
import org.segformer3d.api.block.BlockSpec.StageNormSpec;
import org.segformer3d.api.block.BlockSpec.TransformerBlockSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.LayerKind;
import org.segformer3d.api.block.Mode;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.ops.Pass;
import org.segformer3d.api.ops.Tape;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.api.weights.StateDict;

/**
 * Gradients in two steps: float64 ones against differences of the reference backend's forward in training mode, and float32 ones
 * against those.
 */
@ExtendWith(OnlyIf.Differentiable.class)
abstract class GradientContract extends Contract {
    private static final Pass TRAINING = new Pass(Mode.TRAINING, 5, 0);
    private static final double DIFFERENCE_TOLERANCE = 1e-5;

    /** Gradients below this share of the norm over all gradients are mathematically zero: a bias just before a BatchNorm. */
    private static final double ZERO = 1e-6;

    GradientContract(BackendContract subject) {
        super(subject);
    }

    static List<Arguments> blocks() {
        Samples samples = new Samples(21);
        List<BlockCase> cases = new ArrayList<>();
        PatchEmbeddingSpec first = new PatchEmbeddingSpec(2, 8, 7, 4, 3);
        cases.add(BlockCase.volume(samples, first, 2, new Grid(9, 8, 13)));
        cases.add(BlockCase.volume(samples, new PatchEmbeddingSpec(8, 12, 3, 2, 1), 3, new Grid(4, 5, 3)));
        cases.add(BlockCase.volume(samples, new PatchEmbeddingSpec(3, 9, 2, 2, 0), 1, new Grid(4, 5, 6)));
        cases.add(BlockCase.tokens(samples, new SelfAttentionSpec(8, 1, 4), 8, new Grid(8, 5, 4), 2));
        cases.add(BlockCase.tokens(samples, new SelfAttentionSpec(12, 2, 2), 12, new Grid(4, 3, 5), 2));
        cases.add(BlockCase.tokens(samples, new SelfAttentionSpec(20, 5, 1), 20, new Grid(2, 3, 2), 3));
        cases.add(BlockCase.tokens(samples, new MixFeedForwardSpec(8, 32), 8, new Grid(4, 5, 3), 2));
        cases.add(BlockCase.tokens(samples, new MixFeedForwardSpec(10, 20), 10, new Grid(1, 2, 2), 3));
        cases.add(BlockCase.tokens(samples, new StageNormSpec(16), 16, new Grid(3, 2, 4), 2));
        cases.add(BlockCase.tokens(
                samples,
                new TransformerBlockSpec(new SelfAttentionSpec(16, 2, 2), new MixFeedForwardSpec(16, 32)),
                16,
                new Grid(4, 3, 5),
                2));
        cases.add(BlockCase.tokens(
                samples,
                new TransformerBlockSpec(new SelfAttentionSpec(9, 3, 1), new MixFeedForwardSpec(9, 18)),
                9,
                new Grid(2, 2, 3),
                2));
        List<Integer> dims = List.of(8, 6, 10, 12);
        cases.add(BlockCase.features(samples, new DecoderSpec(dims, 12, 3, 0, 4), BlockCase.grids(4, 5, 6), 2));
        cases.add(BlockCase.features(samples, new DecoderSpec(dims, 16, 1, 0, 2), BlockCase.grids(7, 3, 4), 2));
        for (long seed = 31; seed < 34; seed++) {
            Samples more = new Samples(seed);
            for (LayerKind kind : LayerKind.values()) {
                cases.add(BlockCase.random(more, kind));
            }
        }
        // one value per channel has no variance
        cases.removeIf(c -> c.spec() instanceof MixFeedForwardSpec && rows(c) < 4
                || c.spec() instanceof TransformerBlockSpec && rows(c) < 4
                || c.spec() instanceof DecoderSpec
                        && c.grid().tokens() * c.inputs().get(0).size(0) < 4);
        return cases.stream().map(Arguments::of).toList();
    }

    private static long rows(BlockCase given) {
        HostTensor input = given.inputs().get(0);
        return input.size(0) * input.size(1);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("blocks")
    void inFloat64EqualDifferencesOfTheReference(BlockCase given) {
        HostTensor output = given.run(oracle(), TRAINING);
        HostTensor cotangent = new Samples(41).normal(output.shape());
        double[] weightsOfOutput = cotangent.toDoubles();
        Found gradients;
        try (Backend precise = open(DType.FLOAT64)) {
            gradients = gradients(precise, given, cotangent);
        }
        assertClose("output in training of " + given, gradients.output(), output, 1e-10);

        Map<String, double[]> all = named(gradients);
        assertThat(gradients.parameters().keySet()).containsExactlyInAnyOrderElementsOf(trained(given.spec()));
        double total = total(all);
        Samples directions = new Samples(42);
        all.forEach((name, gradient) -> {
            double[] at = value(given, name).toDoubles();
            assertThat(gradient).as(name).hasSameSizeAs(at);
            double scale = Math.max(norm(gradient), ZERO * total);
            for (int i = 0; i < 2; i++) {
                double[] direction = directions.normals(at.length);
                double difference = Finite.derivative(
                        x -> dot(
                                weightsOfOutput,
                                replaced(given, name, x).run(oracle(), TRAINING).toDoubles()),
                        at,
                        direction);
                assertThat(dot(gradient, direction))
                        .as("derivative along a direction of " + name + " of " + given)
                        .isCloseTo(
                                difference, within(DIFFERENCE_TOLERANCE * scale + 1e-3 * DIFFERENCE_TOLERANCE * total));
            }
        });
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("blocks")
    void inFloat32AreThoseInFloat64(BlockCase given) {
        HostTensor output = given.run(oracle(), TRAINING);
        HostTensor cotangent = new Samples(43).normal(output.shape());
        Map<String, double[]> expected;
        try (Backend precise = open(DType.FLOAT64)) {
            expected = named(gradients(precise, given, cotangent));
        }
        Map<String, double[]> actual;
        try (Backend single = open(DType.FLOAT32)) {
            actual = named(gradients(single, given, cotangent));
        }
        assertThat(actual.keySet()).isEqualTo(expected.keySet());
        double total = total(expected);
        expected.forEach((name, gradient) -> {
            if (norm(gradient) > ZERO * total) {
                assertThat(distance(actual.get(name), gradient) / norm(gradient))
                        .as("relative L2 error of the gradient of " + name + " of " + given)
                        .isLessThanOrEqualTo(subject().gradientTolerance());
            } else {
                assertThat(norm(actual.get(name)) / total)
                        .as("norm of the gradient of " + name + ", which is zero, of " + given)
                        .isLessThanOrEqualTo(1e-5);
            }
        });
    }

    /** Output and gradients of a block in training. */
    private record Found(HostTensor output, List<HostTensor> inputs, Map<String, HostTensor> parameters) {}

    private static Found gradients(Backend backend, BlockCase given, HostTensor cotangent) {
        try (Tape tape = ((DifferentiableBackend) backend).newTape(TRAINING);
                Scope scope = backend.newScope()) {
            Map<String, Tensor> weights = new LinkedHashMap<>();
            List<Tensor> variables = new ArrayList<>();
            for (ParameterSpec parameter : Samples.parameters(given.spec())) {
                Tensor value = scope.tensor(given.weights().get(parameter.name()));
                weights.put(parameter.name(), parameter.role().isTrained() ? tape.variable(value) : value);
                if (parameter.role().isTrained()) {
                    variables.add(weights.get(parameter.name()));
                }
            }
            List<Tensor> inputs = given.inputs().stream()
                    .map(host -> tape.variable(scope.tensor(host)))
                    .toList();
            Tensor output = given.on(tape.ops(), weights, inputs);
            HostTensor values = output.toHost();
            variables.addAll(0, inputs);
            List<HostTensor> found = tape.gradients(scope, output, scope.tensor(cotangent), variables).stream()
                    .map(Tensor::toHost)
                    .toList();
            Map<String, HostTensor> parameters = new LinkedHashMap<>();
            List<String> names = trained(given.spec());
            for (int i = 0; i < names.size(); i++) {
                parameters.put(names.get(i), found.get(inputs.size() + i));
            }
            return new Found(values, found.subList(0, inputs.size()), parameters);
        }
    }

    private static Map<String, double[]> named(Found gradients) {
        Map<String, double[]> all = new LinkedHashMap<>();
        for (int i = 0; i < gradients.inputs().size(); i++) {
            all.put("input " + i, gradients.inputs().get(i).toDoubles());
        }
        gradients.parameters().forEach((name, host) -> all.put(name, host.toDoubles()));
        return all;
    }

    private static List<String> trained(BlockSpec spec) {
        return Samples.parameters(spec).stream()
                .filter(p -> p.role().isTrained())
                .map(ParameterSpec::name)
                .toList();
    }

    private static double total(Map<String, double[]> gradients) {
        return Math.sqrt(
                gradients.values().stream().mapToDouble(g -> norm(g) * norm(g)).sum());
    }

    private static HostTensor value(BlockCase given, String name) {
        return name.startsWith("input ")
                ? given.inputs().get(Integer.parseInt(name.substring(6)))
                : given.weights().get(name);
    }

    private static BlockCase replaced(BlockCase given, String name, double[] values) {
        HostTensor host = HostTensor.of(values, value(given, name).shape());
        if (name.startsWith("input ")) {
            List<HostTensor> inputs = new ArrayList<>(given.inputs());
            inputs.set(Integer.parseInt(name.substring(6)), host);
            return given.with(given.weights(), inputs);
        }
        Map<String, HostTensor> weights = new LinkedHashMap<>(given.weights().tensors());
        weights.put(name, host);
        return given.with(StateDict.of(weights), given.inputs());
    }
}

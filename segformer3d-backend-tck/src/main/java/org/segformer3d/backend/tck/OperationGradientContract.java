package org.segformer3d.backend.tck;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.segformer3d.backend.tck.Comparison.distance;
import static org.segformer3d.backend.tck.Comparison.dot;
import static org.segformer3d.backend.tck.Comparison.norm;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.DifferentiableBackend;
import org.segformer3d.api.ops.Autodiff;
import org.segformer3d.api.ops.BatchNormState;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.ops.Pass;
import org.segformer3d.api.ops.Tape;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;

/**
 * Gradients of operations: in float64 against differences of the reference's values and against {@link Autodiff} on the backend's own
 * operations, in float32 against those in float64.
 */
@ExtendWith(OnlyIf.Differentiable.class)
abstract class OperationGradientContract extends Contract {
    OperationGradientContract(BackendContract subject) {
        super(subject);
    }

    static List<OperationCase> cases() {
        return OperationCase.all();
    }

    private DifferentiableBackend differentiable() {
        return (DifferentiableBackend) backend();
    }

    private static List<HostTensor> gradients(OperationCase given, Tape tape, Scope scope, HostTensor cotangent) {
        List<Tensor> variables = new ArrayList<>();
        Tensor[] x = new Tensor[given.inputs().size()];
        for (int i = 0; i < x.length; i++) {
            Tensor value = scope.tensor(given.inputs().get(i));
            x[i] = i < given.variables() ? tape.variable(value) : value;
            if (i < given.variables()) {
                variables.add(x[i]);
                value.close();
            }
        }
        Tensor output = given.call().on(tape.ops(), x);
        return tape.gradients(scope, output, scope.tensor(cotangent), variables).stream()
                .map(Tensor::toHost)
                .toList();
    }

    private static List<HostTensor> gradients(OperationCase given, Backend backend, HostTensor cotangent) {
        try (Tape tape = ((DifferentiableBackend) backend).newTape(given.pass());
                Scope scope = backend.newScope()) {
            return gradients(given, tape, scope, cotangent);
        }
    }

    private static List<HostTensor> decorated(OperationCase given, Backend backend, HostTensor cotangent) {
        try (Scope scope = backend.newScope();
                Tape tape = new Autodiff(backend.ops(scope, given.pass()))) {
            return gradients(given, tape, scope, cotangent);
        }
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("cases")
    void inFloat64EqualDifferencesOfTheReference(OperationCase given) {
        HostTensor output = given.run(oracle());
        HostTensor cotangent = new Samples(81).normal(output.shape());
        List<HostTensor> tape;
        List<HostTensor> decorated;
        try (Backend precise = open(DType.FLOAT64)) {
            tape = gradients(given, precise, cotangent);
            decorated = decorated(given, precise, cotangent);
        }
        Samples directions = new Samples(82);
        for (int i = 0; i < given.variables(); i++) {
            int at = i;
            HostTensor variable = given.inputs().get(i);
            double[] gradient = tape.get(i).toDoubles();
            assertThat(tape.get(i).shape()).isEqualTo(variable.shape());
            for (int n = 0; n < 2; n++) {
                double[] direction = directions.normals(gradient.length);
                double difference = Finite.derivative(
                        x -> {
                            List<HostTensor> inputs = new ArrayList<>(given.inputs());
                            inputs.set(at, HostTensor.of(x, variable.shape()));
                            return dot(
                                    cotangent.toDoubles(),
                                    given.with(inputs).run(oracle()).toDoubles());
                        },
                        variable.toDoubles(),
                        direction);
                assertThat(dot(gradient, direction))
                        .as("derivative along a direction of argument " + i)
                        .isCloseTo(difference, within(1e-6 * norm(gradient) * norm(direction) + 1e-8));
            }
            assertThat(distance(decorated.get(i).toDoubles(), gradient))
                    .as("distance of Autodiff's gradient of argument " + i)
                    .isLessThanOrEqualTo(1e-11 * norm(gradient));
        }
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("cases")
    void inFloat32AreThoseInFloat64(OperationCase given) {
        HostTensor cotangent = new Samples(83).normal(given.run(oracle()).shape());
        List<HostTensor> expected = gradients(given, oracle(), cotangent);
        try (Backend single = open(DType.FLOAT32)) {
            List<HostTensor> actual = gradients(given, single, cotangent);
            for (int i = 0; i < expected.size(); i++) {
                double[] gradient = expected.get(i).toDoubles();
                assertThat(distance(actual.get(i).toDoubles(), gradient))
                        .as("distance of the gradient of argument " + i)
                        .isLessThanOrEqualTo(subject().gradientTolerance() * norm(gradient));
            }
        }
    }

    @Test
    void aStepHasNoGradientAndEqualMaximaGiveItToTheFirst() {
        HostTensor equal = HostTensor.of(new float[] {2, 3, 3, 1, 3, 3}, 2, 3);
        try (Tape tape = differentiable().newTape(Pass.INFERENCE);
                Scope scope = backend().newScope()) {
            Tensor x = tape.variable(scope.tensor(equal));
            Ops ops = tape.ops();
            Tensor y = ops.add(ops.sum(ops.step(x), 0, 1), ops.sum(ops.max(x, 1), 0, 1));
            assertThat(tape.gradients(scope, y, null, List.of(x))
                            .get(0)
                            .toHost()
                            .toDoubles())
                    .containsExactly(0, 1, 0, 0, 1, 0);
        }
    }

    @Test
    void whatTheOutputDoesNotDependOnHasAGradientOfZeros() {
        try (Tape tape = differentiable().newTape(Pass.INFERENCE);
                Scope scope = backend().newScope()) {
            Tensor x = tape.variable(scope.tensor(new Samples(84).normal(2, 3)));
            Tensor unused = tape.variable(scope.tensor(new Samples(85).normal(4)));
            List<Tensor> gradients = tape.gradients(scope, tape.ops().sum(x, 0, 1), null, List.of(unused, x));
            assertThat(gradients.get(0).toHost().toDoubles()).containsExactly(0, 0, 0, 0);
            assertThat(gradients.get(1).toHost().toDoubles()).containsOnly(1).hasSize(6);
        }
    }

    @Test
    void aTapeKeepsWhatItNeedsOfWhatWasClosed() {
        HostTensor values = new Samples(86).normal(3, 4);
        try (Tape tape = differentiable().newTape(Pass.INFERENCE);
                Scope scope = backend().newScope()) {
            Tensor x = tape.variable(scope.tensor(values));
            Tensor y = tape.ops().part(outer -> {
                try (Scope inner = outer.newScope()) {
                    Ops ops = outer.in(inner);
                    Tensor e = ops.exp(x);
                    Tensor product = ops.multiply(e, e);
                    e.close();
                    return ops.sum(product, 0, 1).moveTo(outer.scope());
                }
            });
            double[] gradient =
                    tape.gradients(scope, y, null, List.of(x)).get(0).toHost().toDoubles();
            for (int i = 0; i < gradient.length; i++) {
                assertThat(gradient[i])
                        .isCloseTo(2 * Math.exp(2 * values.get(i)), within(1e-5 * Math.abs(gradient[i])));
            }
        }
    }

    @Test
    void gradientsOutliveTheTape() {
        try (Scope scope = backend().newScope()) {
            Tensor gradient;
            try (Tape tape = differentiable().newTape(Pass.INFERENCE)) {
                Tensor x = tape.variable(scope.tensor(new Samples(87).normal(2)));
                gradient = tape.gradients(scope, tape.ops().sum(x, 0), null, List.of(x))
                        .get(0);
            }
            assertThat(gradient.toHost().toDoubles()).containsExactly(1, 1);
        }
    }

    @Test
    void aBatchNormThatIsRecordedMovesItsStatisticsOnce() {
        Samples samples = new Samples(88);
        HostTensor input = samples.normal(2, 3, 2, 2, 2);
        try (Scope scope = backend().newScope();
                Tape tape = differentiable().newTape(OperationCase.TRAINING)) {
            Tensor ones = scope.tensor(HostTensor.of(new float[] {1, 1, 1}, 3));
            BatchNormState plain = state(scope, ones);
            BatchNormState recorded = state(scope, ones);
            backend().ops(scope, OperationCase.TRAINING).batchNorm(scope.tensor(input), plain, 0.1, 1e-5);
            Tensor x = tape.variable(scope.tensor(input));
            Tensor y = tape.ops().batchNorm(x, recorded, 0.1, 1e-5);
            tape.gradients(scope, tape.ops().sum(tape.ops().multiply(y, y), 0, 1, 2, 3, 4), null, List.of(x));
            assertThat(recorded.runningMean().toHost())
                    .isEqualTo(plain.runningMean().toHost());
            assertThat(recorded.runningVariance().toHost())
                    .isEqualTo(plain.runningVariance().toHost());
            assertThat(recorded.batchesTracked().toHost().get(0)).isEqualTo(1);
        }
    }

    private static BatchNormState state(Scope scope, Tensor ones) {
        return new BatchNormState(
                ones,
                ones,
                scope.tensor(HostTensor.of(new float[3], 3)),
                scope.tensor(HostTensor.of(new float[] {1, 2, 3}, 3)),
                scope.tensor(HostTensor.of(new long[1])));
    }

    @Test
    void wrongUseOfATapeIsRefused() {
        Samples samples = new Samples(89);
        try (Scope scope = backend().newScope()) {
            Tensor value = scope.tensor(samples.normal(2, 3));
            Tape tape = differentiable().newTape(Pass.INFERENCE);
            Tensor x = tape.variable(value);
            Tensor y = tape.ops().exp(x);
            Tensor wrong = scope.tensor(samples.normal(3, 2));
            assertThatThrownBy(() -> tape.gradients(scope, y, null, List.of(x)))
                    .as("no cotangent for several elements")
                    .isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> tape.gradients(scope, y, wrong, List.of(x)))
                    .as("a cotangent of another shape")
                    .isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> tape.gradients(scope, y, y, List.of(value)))
                    .as("no variable of this tape")
                    .isInstanceOf(IllegalArgumentException.class);
            tape.gradients(scope, y, scope.tensor(samples.normal(2, 3)), List.of(x));
            assertThatThrownBy(() -> tape.gradients(scope, y, scope.tensor(samples.normal(2, 3)), List.of(x)))
                    .as("a second time")
                    .isInstanceOf(IllegalStateException.class);
            tape.close();
            tape.close();
            assertThatThrownBy(() -> tape.variable(value)).isInstanceOf(IllegalStateException.class);
            assertThat(value.isClosed()).isFalse();
        }
    }
}

package org.segformer3d.backend.tck;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.segformer3d.backend.tck.Comparison.assertClose;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.ops.BatchNormState;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.ops.Pass;
import org.segformer3d.api.ops.RandomMasks;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.backend.reference.ReferenceProvider;

@ExtendWith(OnlyIf.Operations.class)
abstract class OperationContract extends Contract {
    OperationContract(BackendContract subject) {
        super(subject);
    }

    static List<OperationCase> cases() {
        return OperationCase.all();
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("cases")
    void valuesAreTheReferencesOnes(OperationCase given) {
        HostTensor actual = given.run(backend());
        assertThat(actual.dtype()).isEqualTo(backend().computeType());
        assertClose(given.toString(), actual, given.run(oracle()), tolerance());
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("cases")
    void valuesInFloat64AreTheReferencesOnesToAlmostAllDigits(OperationCase given) {
        try (Backend precise = open(DType.FLOAT64)) {
            assertClose(
                    given.toString(),
                    given.run(precise),
                    given.run(oracle()),
                    subject().tolerance(DType.FLOAT64));
        }
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("cases")
    void resultsBelongToTheScopeOfTheOperationsAndOutliveArguments(OperationCase given) {
        HostTensor expected = given.run(backend());
        Tensor result;
        try (Scope results = backend().newScope()) {
            try (Scope arguments = backend().newScope()) {
                Tensor[] x = given.inputs().stream().map(arguments::tensor).toArray(Tensor[]::new);
                result = given.call().on(backend().ops(results, given.pass()), x);
                assertThat(x).doesNotContain(result);
            }
            assertThat(result.isClosed()).isFalse();
            assertThat(result.toHost()).isEqualTo(expected);
        }
        assertThat(result.isClosed()).isTrue();
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("cases")
    void argumentsStayOpenAndUnchanged(OperationCase given) {
        try (Scope scope = backend().newScope()) {
            Tensor[] x = given.inputs().stream().map(scope::tensor).toArray(Tensor[]::new);
            List<HostTensor> before = Arrays.stream(x).map(Tensor::toHost).toList();
            given.call().on(backend().ops(scope, given.pass()), x).close();
            boolean moves = given.name().equals("batchNorm in training");
            for (int i = 0; i < x.length; i++) {
                // running statistics are what a BatchNorm in training changes
                if (!moves || i < 3) {
                    assertThat(x[i].toHost()).as("argument " + i).isEqualTo(before.get(i));
                }
            }
        }
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("cases")
    void refuseClosedTensorsAndScopesAndTensorsOfOthers(OperationCase given) {
        try (Scope scope = backend().newScope();
                Backend otherBackend =
                        new ReferenceProvider().open(BackendOptions.defaults().withThreads(1));
                Scope other = otherBackend.newScope()) {
            Ops ops = backend().ops(scope, given.pass());
            for (int i = 0; i < given.inputs().size(); i++) {
                Tensor[] x = given.inputs().stream().map(scope::tensor).toArray(Tensor[]::new);
                x[i].close();
                assertThatThrownBy(() -> given.call().on(ops, x))
                        .as("argument " + i + " closed")
                        .isInstanceOf(IllegalStateException.class);
                x[i] = other.tensor(given.inputs().get(i));
                assertThatThrownBy(() -> given.call().on(ops, x))
                        .as("argument " + i + " of another backend")
                        .isInstanceOf(IllegalArgumentException.class);
            }
            Tensor[] x = given.inputs().stream().map(scope::tensor).toArray(Tensor[]::new);
            Scope closed = backend().newScope();
            Ops closedOps = ops.in(closed);
            closed.close();
            assertThatThrownBy(() -> given.call().on(closedOps, x)).isInstanceOf(IllegalStateException.class);
        }
    }

    /** Calls whose arguments don't fit. */
    static List<Arguments> misfits() {
        int[] ones = {1, 1, 1};
        int[] none = {0, 0, 0};
        List<Arguments> cases = new ArrayList<>();
        misfit(cases, "reshape", (o, x) -> o.reshape(x[0], 5), new long[] {2, 3});
        misfit(cases, "permute", (o, x) -> o.permute(x[0], 0, 0), new long[] {2, 3});
        misfit(cases, "slice", (o, x) -> o.slice(x[0], 1, 2, 4), new long[] {2, 3});
        misfit(cases, "slice", (o, x) -> o.slice(x[0], 2, 0, 1), new long[] {2, 3});
        misfit(cases, "concat", (o, x) -> o.concat(0, x), new long[] {2, 3}, new long[] {2, 4});
        misfit(cases, "pad", (o, x) -> o.pad(x[0], 0, -1, 0), new long[] {2, 3});
        misfit(cases, "broadcast", (o, x) -> o.broadcast(x[0], 3, 3), new long[] {2, 3});
        misfit(cases, "gather", (o, x) -> o.gather(x[0], 0, new int[] {2}), new long[] {2, 3});
        misfit(cases, "scatterAdd", (o, x) -> o.scatterAdd(x[0], 0, new int[] {0, 1, 2}, 3), new long[] {2, 3});
        misfit(cases, "add", (o, x) -> o.add(x[0], x[1]), new long[] {2, 3}, new long[] {2, 4});
        misfit(cases, "subtract", (o, x) -> o.subtract(x[0], x[1]), new long[] {2, 3}, new long[] {3, 2});
        misfit(cases, "multiply", (o, x) -> o.multiply(x[0], x[1]), new long[] {2}, new long[] {3});
        misfit(cases, "divide", (o, x) -> o.divide(x[0], x[1]), new long[] {2}, new long[] {3});
        misfit(cases, "sum", (o, x) -> o.sum(x[0], 2), new long[] {2, 3});
        misfit(cases, "mean", (o, x) -> o.mean(x[0], 1, 1), new long[] {2, 3});
        misfit(cases, "max", (o, x) -> o.max(x[0], -1), new long[] {2, 3});
        misfit(cases, "softmax", (o, x) -> o.softmax(x[0], 2), new long[] {2, 3});
        misfit(cases, "logSoftmax", (o, x) -> o.logSoftmax(x[0], 2), new long[] {2, 3});
        misfit(cases, "matmul", (o, x) -> o.matmul(x[0], x[1], false, false), new long[] {2, 3}, new long[] {2, 3});
        misfit(cases, "linear", (o, x) -> o.linear(x[0], x[1], null), new long[] {2, 3}, new long[] {3, 2});
        misfit(cases, "linear", (o, x) -> o.linear(x[0], x[1], x[2]), new long[] {2, 3}, new long[] {4, 3}, new long[] {
            3
        });
        misfit(
                cases,
                "attention",
                (o, x) -> o.attention(x[0], x[1], x[2], 1, null, 0),
                new long[] {2, 3, 4},
                new long[] {2, 5, 4},
                new long[] {2, 6, 4});
        long[] volume = {1, 4, 3, 3, 3};
        misfit(cases, "convolution", (o, x) -> o.convolution(x[0], x[1], null, ones, none, 1), volume, new long[] {
            2, 3, 1, 1, 1
        });
        misfit(cases, "convolution", (o, x) -> o.convolution(x[0], x[1], null, ones, none, 3), volume, new long[] {
            3, 1, 1, 1, 1
        });
        misfit(cases, "convolution", (o, x) -> o.convolution(x[0], x[1], null, ones, none, 1), volume, new long[] {
            2, 4, 4, 1, 1
        });
        misfit(
                cases,
                "convolution",
                (o, x) -> o.convolution(x[0], x[1], x[2], ones, none, 1),
                volume,
                new long[] {2, 4, 1, 1, 1},
                new long[] {3});
        misfit(
                cases,
                "convolutionInputGradient",
                (o, x) -> o.convolutionInputGradient(x[0], x[1], new long[] {3, 3, 3}, ones, none, 1),
                new long[] {1, 2, 3, 3, 3},
                new long[] {2, 4, 2, 1, 1});
        misfit(
                cases,
                "convolutionWeightGradient",
                (o, x) -> o.convolutionWeightGradient(x[0], x[1], new int[] {2, 1, 1}, ones, none, 1),
                volume,
                new long[] {1, 2, 3, 3, 3});
        misfit(
                cases,
                "transposedConvolution",
                (o, x) -> o.transposedConvolution(x[0], x[1], null, ones, none),
                volume,
                new long[] {2, 4, 1, 1, 1});
        misfit(cases, "resize", (o, x) -> o.resize(x[0], new long[] {2, 0, 2}, false), volume);
        misfit(cases, "resize", (o, x) -> o.resize(x[0], new long[] {2, 2, 2}, false), new long[] {3, 3, 3});
        misfit(cases, "maxPool", (o, x) -> o.maxPool(x[0], new int[] {4, 1, 1}, ones), volume);
        misfit(cases, "layerNorm", (o, x) -> o.layerNorm(x[0], x[1], null, 1e-5), new long[] {2, 3}, new long[] {2});
        misfit(
                cases,
                "batchNorm",
                (o, x) -> o.batchNorm(x[0], new BatchNormState(x[1], x[1], x[1], x[1], null), 0.1, 1e-5),
                volume,
                new long[] {3});
        misfit(cases, "groupNorm", (o, x) -> o.groupNorm(x[0], 3, null, null, 1e-5), volume);
        misfit(cases, "dropout", (o, x) -> o.dropout(x[0], 1), volume);
        misfit(cases, "dropPath", (o, x) -> o.dropPath(x[0], -0.1), volume);
        return cases;
    }

    private static void misfit(List<Arguments> cases, String name, OperationCase.Call call, long[]... shapes) {
        cases.add(Arguments.of(name, call, shapes));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("misfits")
    void refuseArgumentsThatDoNotFit(String name, OperationCase.Call call, long[][] shapes) {
        Samples samples = new Samples(71);
        try (Scope scope = backend().newScope()) {
            Tensor[] x = Arrays.stream(shapes)
                    .map(s -> scope.tensor(samples.normal(s)))
                    .toArray(Tensor[]::new);
            assertThatThrownBy(() -> call.on(backend().ops(scope, Pass.INFERENCE), x))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContainingAll(name + ": found", "expected");
        }
    }

    @Test
    void aBatchNormInTrainingRefusesOneValuePerChannel() {
        try (Scope scope = backend().newScope()) {
            Tensor x = scope.tensor(new Samples(72).normal(1, 3, 1, 1, 1));
            Tensor c = scope.tensor(HostTensor.of(new float[] {1, 1, 1}, 3));
            BatchNormState state = new BatchNormState(c, c, c, c, null);
            assertThatThrownBy(
                            () -> backend().ops(scope, OperationCase.TRAINING).batchNorm(x, state, 0.1, 1e-5))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("more than one value per channel");
        }
    }

    @Test
    void aBatchNormInTrainingMovesItsStatisticsOnce() {
        Samples samples = new Samples(73);
        HostTensor input = samples.normal(2, 3, 4, 5, 6);
        HostTensor mean = samples.normal(3);
        HostTensor variance = HostTensor.of(new float[] {1, 2, 3}, 3);
        double[] values = input.toDoubles();
        try (Scope scope = backend().newScope()) {
            Tensor ones = scope.tensor(HostTensor.of(new float[] {1, 1, 1}, 3));
            BatchNormState state = new BatchNormState(
                    ones, ones, scope.tensor(mean), scope.tensor(variance), scope.tensor(HostTensor.of(new long[] {4
                    })));
            backend().ops(scope, OperationCase.TRAINING).batchNorm(scope.tensor(input), state, 0.25, 1e-5);
            double[] newMean = new double[3];
            double[] newVariance = new double[3];
            for (int c = 0; c < 3; c++) {
                double sum = 0;
                double squares = 0;
                for (int i = 0; i < values.length; i++) {
                    if (i / 120 % 3 == c) {
                        sum += values[i];
                        squares += values[i] * values[i];
                    }
                }
                newMean[c] = 0.75 * mean.get(c) + 0.25 * sum / 240;
                newVariance[c] = 0.75 * variance.get(c) + 0.25 * (squares - sum * sum / 240) / 239;
            }
            assertClose("running mean", state.runningMean().toHost(), HostTensor.of(newMean, 3), 1e-5);
            assertClose("running variance", state.runningVariance().toHost(), HostTensor.of(newVariance, 3), 1e-5);
            assertThat(state.batchesTracked().toHost().get(0)).isEqualTo(5);
        }
    }

    @Test
    void dropoutHasTheMasksOfItsPassSampleAndCall() {
        Pass pass = OperationCase.TRAINING;
        double p = 0.25;
        try (Scope scope = backend().newScope()) {
            Ops ops = backend().ops(scope, pass);
            Tensor x = scope.tensor(HostTensor.of(ones(6 * 40), 6, 4, 10));
            double[] first = ops.dropout(x, p).toHost().toDoubles();
            double[] second = ops.in(scope).dropPath(x, p).toHost().toDoubles();
            double[] third = ops.dropout(x, p).toHost().toDoubles();
            for (int i = 0; i < first.length; i++) {
                assertMask(first[i], RandomMasks.keeps(RandomMasks.key(pass, 0, i / 40), i % 40, p), p);
                assertMask(second[i], RandomMasks.keeps(RandomMasks.key(pass, 1, i / 40), 0, p), p);
                assertMask(third[i], RandomMasks.keeps(RandomMasks.key(pass, 2, i / 40), i % 40, p), p);
            }
            assertThat(first).contains(0).isNotEqualTo(third);
        }
    }

    private static void assertMask(double actual, boolean kept, double probability) {
        assertThat(actual).isCloseTo(kept ? 1 / (1 - probability) : 0, within(1e-6));
    }

    private static float[] ones(int count) {
        float[] ones = new float[count];
        Arrays.fill(ones, 1);
        return ones;
    }

    @ParameterizedTest
    @EnumSource(DType.class)
    void constantsAreTakenOfAnyType(DType type) {
        HostTensor host = new Samples(74).typed(type, 2, 3);
        try (Scope scope = backend().newScope()) {
            Tensor constant = backend().ops(scope, Pass.INFERENCE).constant(host);
            assertThat(constant.dtype()).isEqualTo(backend().computeType());
            assertThat(constant.toHost().toDoubles()).isEqualTo(host.toDoubles());
        }
    }

    @Test
    void numbersThatAreExtremeStayWhatTheyAre() {
        float[] extreme = {-1000, -80, -1e-30f, 0, 1e-30f, 80, 1000};
        try (Scope scope = backend().newScope()) {
            Ops ops = backend().ops(scope, Pass.INFERENCE);
            Tensor x = scope.tensor(HostTensor.of(extreme, 1, 7));
            assertThat(ops.sigmoid(x).toHost().toFloats())
                    .startsWith(0, (float) Math.exp(-80))
                    .endsWith(1, 1);
            assertThat(ops.logSigmoid(x).toHost().toFloats())
                    .startsWith(-1000, -80)
                    .endsWith((float) -Math.exp(-80), 0);
            assertThat(ops.softmax(x, 1).toHost().toFloats()).containsExactly(0, 0, 0, 0, 0, 0, 1);
            assertThat(ops.logSoftmax(x, 1).toHost().toFloats())
                    .containsExactly(-2000, -1080, -1000, -1000, -1000, -920, 0);
            assertThat(ops.erf(x).toHost().toFloats()).startsWith(-1, -1).endsWith(1, 1);
            assertThat(ops.gelu(x).toHost().toFloats()).endsWith(80, 1000);
            assertThat(ops.step(x).toHost().toFloats()).containsExactly(0, 0, 0, 0, 1, 1, 1);
        }
    }

    @Test
    void aPartGivesBackEverythingButItsResult() {
        try (Scope scope = backend().newScope()) {
            Ops ops = backend().ops(scope, Pass.INFERENCE);
            Tensor x = scope.tensor(new Samples(75).normal(2, 3));
            List<Tensor> inside = new ArrayList<>();
            Tensor result = ops.part(o -> {
                inside.add(o.exp(x));
                return o.log(inside.get(0));
            });
            assertThat(inside.get(0).isClosed()).isTrue();
            assertThat(result.isClosed()).isFalse();
            assertClose("log exp x", result.toHost(), x.toHost(), 1e-5);
            assertThat(ops.scope()).isSameAs(scope);
            assertThat(ops.pass()).isEqualTo(Pass.INFERENCE);
        }
    }
}

package org.segformer3d.backend.libtorch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.block.Mode;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.ops.Pass;
import org.segformer3d.api.ops.Tape;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;

/** What the contract can't see: memory layouts, and gradients that are written out instead of libtorch's. */
class LibtorchOpsTests {
    private static final Pass TRAINING = new Pass(Mode.TRAINING, 1, 0);
    private static final int[] ONE = {1, 1, 1};
    private static final int[] KERNEL = {3, 3, 3};

    private final Random random = new Random(7);
    private LibtorchBackend backend;
    private Scope scope;

    @BeforeEach
    void open() {
        backend = (LibtorchBackend)
                new LibtorchProvider().open(BackendOptions.defaults().in(DType.FLOAT64));
        scope = backend.newScope();
    }

    @AfterEach
    void close() {
        scope.close();
        backend.close();
    }

    private Tensor random(long... shape) {
        double[] values =
                new double[Math.toIntExact(java.util.Arrays.stream(shape).reduce(1, (a, b) -> a * b))];
        for (int i = 0; i < values.length; i++) {
            values[i] = random.nextGaussian();
        }
        return scope.tensor(HostTensor.of(values, shape));
    }

    private void assertSame(Tensor actual, Tensor expected) {
        double[] values = actual.toHost().toDoubles();
        double[] others = expected.toHost().toDoubles();
        assertThat(actual.shape()).isEqualTo(expected.shape());
        for (int i = 0; i < values.length; i++) {
            assertThat(values[i]).isCloseTo(others[i], within(1e-10));
        }
    }

    @Test
    void gradientsOfADepthWiseConvolutionOverTokensAreThoseOfNcdhw() {
        Ops plain = backend.ops(scope, TRAINING);
        // several samples, a box, and more than a slab's worth of slices
        Tensor tokens = random(2, 5 * 3 * 4, 6);
        Tensor kernel = random(6, 1, 3, 3, 3);
        Tensor bias = random(6);
        Tensor cotangent = random(2, 6, 5, 3, 4);
        try (Tape tape = backend.newTape(TRAINING)) {
            Tensor t = tape.variable(tokens);
            Tensor k = tape.variable(kernel);
            Tensor b = tape.variable(bias);
            Ops ops = tape.ops();
            Tensor map = ops.reshape(ops.permute(t, 0, 2, 1), 2, 6, 5, 3, 4);
            Tensor y = ops.convolution(map, k, b, ONE, ONE, 6);
            List<Tensor> found = tape.gradients(scope, y, cotangent, List.of(t, k, b));

            Tensor x = plain.reshape(plain.permute(tokens, 0, 2, 1), 2, 6, 5, 3, 4);
            Tensor dx = plain.convolutionInputGradient(cotangent, kernel, new long[] {5, 3, 4}, ONE, ONE, 6);
            assertSame(found.get(0), plain.permute(plain.reshape(dx, 2, 6, 60), 0, 2, 1));
            assertSame(found.get(1), plain.convolutionWeightGradient(x, cotangent, KERNEL, ONE, ONE, 6));
            assertSame(found.get(2), plain.reshape(plain.sum(cotangent, 0, 2, 3, 4), 6));
        }
    }

    @Test
    void aDepthWiseInputThatIsUsedTwiceGetsBothGradients() {
        Tensor input = random(1, 2, 3, 3, 3);
        Tensor kernel = random(2, 1, 3, 3, 3);
        Tensor bias = random(2);
        Tensor cotangent = random(1, 2, 3, 3, 3);
        try (Tape tape = backend.newTape(TRAINING)) {
            Ops ops = tape.ops();
            Tensor x = tape.variable(input);
            Tensor y = ops.add(ops.convolution(x, kernel, bias, ONE, ONE, 2), x);
            Tensor found = tape.gradients(scope, y, cotangent, List.of(x)).get(0);

            Ops plain = backend.ops(scope, TRAINING);
            Tensor dx = plain.convolutionInputGradient(cotangent, kernel, new long[] {3, 3, 3}, ONE, ONE, 2);
            assertSame(found, plain.add(dx, cotangent));
        }
    }

    @Test
    void resizingKeepsManyChannelsLastAndEqualsTheOtherLayout() {
        Ops ops = backend.ops(scope, Pass.INFERENCE);
        Tensor tokens = random(2, 2 * 3 * 4, 16);
        Tensor last = ops.reshape(ops.permute(tokens, 0, 2, 1), 2, 16, 2, 3, 4);
        Tensor first = scope.tensor(last.toHost());
        for (boolean corners : new boolean[] {false, true}) {
            Tensor resized = ops.resize(last, new long[] {5, 6, 7}, corners);
            assertThat(Functional.isChannelsLast(LibtorchTensor.unwrap(backend, resized)))
                    .isTrue();
            assertSame(resized, ops.resize(first, new long[] {5, 6, 7}, corners));
        }
    }
}

package org.segformer3d.backend.libtorch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.BackendOptions.Implementation;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.training.LossGradient;
import org.segformer3d.api.training.LossSpec;
import org.segformer3d.api.training.LossSpec.Activation;
import org.segformer3d.api.training.LossSpec.Kind;

/** Losses whose gradients are written out against autograd, over volumes that take several parts, the last one smaller. */
class TrainedLossTests {
    private static final long[] SHAPE = {2, 3, 23, 61, 47};

    static List<LossSpec> losses() {
        List<LossSpec> all = new ArrayList<>();
        for (Kind kind : Kind.values()) {
            for (Activation activation : Activation.values()) {
                all.add(LossSpec.of(kind, activation));
                all.add(new LossSpec(kind, activation, false, true, true, 0.5, 0.25, 0.7, 1.9, 1.5));
            }
        }
        return all;
    }

    private static final HostTensor LOGITS = logits();
    private static final HostTensor TARGET = target();
    private static final Optional<HostTensor> MASK = Optional.of(mask());

    /** Some so large that a softmax or sigmoid is 0 or 1 to the last digit. */
    private static HostTensor logits() {
        Random random = new Random(71);
        float[] values = new float[count()];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (random.nextGaussian() * (random.nextInt(50) == 0 ? 60 : 2));
        }
        return HostTensor.of(values, SHAPE);
    }

    /** Shares that need not add up to 1. */
    private static HostTensor target() {
        Random random = new Random(72);
        float[] values = new float[count()];
        for (int i = 0; i < values.length; i++) {
            values[i] = random.nextInt(3) == 0 ? random.nextFloat() : random.nextInt(2);
        }
        return HostTensor.of(values, SHAPE);
    }

    /** A third of the voxels counts, and none of the second sample's first slices. */
    private static HostTensor mask() {
        Random random = new Random(73);
        byte[] values = new byte[count() / 3];
        for (int i = 0; i < values.length; i++) {
            boolean none = i >= values.length / 2 && i < values.length * 3 / 4;
            values[i] = (byte) (!none && random.nextInt(3) == 0 ? 1 : 0);
        }
        return HostTensor.of(values, SHAPE[0], 1, SHAPE[2], SHAPE[3], SHAPE[4]);
    }

    private static int count() {
        int count = 1;
        for (long n : SHAPE) {
            count *= (int) n;
        }
        return count;
    }

    private static LossGradient compute(LossSpec loss, Implementation implementation, DType type, int threads) {
        return compute(loss, implementation, type, threads, Optional.empty());
    }

    private static LossGradient compute(
            LossSpec loss, Implementation implementation, DType type, int threads, Optional<HostTensor> mask) {
        BackendOptions options =
                BackendOptions.defaults().with(implementation).in(type).withThreads(threads);
        try (Backend backend = new LibtorchProvider().open(options)) {
            return backend.loss(loss, LOGITS, TARGET, mask);
        }
    }

    private static double distance(double[] a, double[] b) {
        double sum = 0;
        double norm = 0;
        for (int i = 0; i < a.length; i++) {
            sum += (a[i] - b[i]) * (a[i] - b[i]);
            norm += b[i] * b[i];
        }
        return Math.sqrt(sum / norm);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("losses")
    void areThoseOfAutograd(LossSpec loss) {
        LossGradient expected = compute(loss, Implementation.PLAIN, DType.FLOAT64, 2);
        LossGradient exact = compute(loss, Implementation.AUTO, DType.FLOAT64, 2);
        assertThat(exact.loss()).isCloseTo(expected.loss(), within(1e-12 * Math.abs(expected.loss())));
        assertThat(distance(exact.gradient().toDoubles(), expected.gradient().toDoubles()))
                .isLessThan(1e-12);
        LossGradient single = compute(loss, Implementation.AUTO, DType.FLOAT32, 2);
        assertThat(single.loss()).isCloseTo(expected.loss(), within(1e-6 * Math.abs(expected.loss())));
        assertThat(distance(single.gradient().toDoubles(), expected.gradient().toDoubles()))
                .isLessThan(2e-6);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("losses")
    void areThoseOfAutogradWhereSomeVoxelsDoNotCount(LossSpec loss) {
        LossGradient expected = compute(loss, Implementation.PLAIN, DType.FLOAT64, 2, MASK);
        LossGradient exact = compute(loss, Implementation.AUTO, DType.FLOAT64, 2, MASK);
        assertThat(exact.loss()).isCloseTo(expected.loss(), within(1e-12 * Math.abs(expected.loss())));
        assertThat(distance(exact.gradient().toDoubles(), expected.gradient().toDoubles()))
                .isLessThan(1e-12);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("losses")
    void doNotDependOnTheNumberOfThreads(LossSpec loss) {
        LossGradient one = compute(loss, Implementation.AUTO, DType.FLOAT32, 1);
        LossGradient three = compute(loss, Implementation.AUTO, DType.FLOAT32, 3);
        assertThat(three.loss()).isEqualTo(one.loss());
        assertThat(three.gradient().equals(one.gradient())).isTrue();
    }
}

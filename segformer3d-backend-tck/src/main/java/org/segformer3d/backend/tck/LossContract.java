package org.segformer3d.backend.tck;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.segformer3d.backend.tck.Comparison.distance;
import static org.segformer3d.backend.tck.Comparison.norm;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.DifferentiableBackend;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.ops.Pass;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.api.training.LossGradient;
import org.segformer3d.api.training.LossSpec;
import org.segformer3d.api.training.LossSpec.Activation;
import org.segformer3d.api.training.LossSpec.Kind;
import org.segformer3d.api.training.Losses;

/** Losses over the backend's operations against losses that are written out voxel by voxel. */
@ExtendWith(OnlyIf.Differentiable.class)
abstract class LossContract extends Contract {
    LossContract(BackendContract subject) {
        super(subject);
    }

    private static LossGradient gradient(
            Backend backend, LossSpec loss, HostTensor logits, HostTensor target, Optional<HostTensor> mask) {
        return Losses.gradient((DifferentiableBackend) backend, loss, logits, target, mask);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("losses")
    void lossesAndTheirGradients(LossSpec loss, int channels) {
        compareLoss(loss, channels, false);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("losses")
    void lossesLeaveOutVoxelsThatDoNotCount(LossSpec loss, int channels) {
        compareLoss(loss, channels, true);
    }

    @Test
    void aLossOfVoxelsThatDoNotCountIsNothingAtAll() {
        long[] shape = {2, 2, 3, 4, 5};
        Samples samples = new Samples(46);
        HostTensor logits = samples.normal(shape);
        HostTensor target = targets(samples, true, shape);
        Optional<HostTensor> none = Optional.of(HostTensor.zeros(DType.UINT8, 2, 1, 3, 4, 5));
        for (Kind kind : Kind.values()) {
            // without smoothing a Dice of nothing would be 0/0
            LossSpec loss = new LossSpec(kind, Activation.SOFTMAX, true, false, false, 0, 0, 1, 1, 2);
            LossGradient found = gradient(backend(), loss, logits, target, none);
            assertThat(found.loss()).as(kind.name()).isZero();
            assertThat(norm(found.gradient().toDoubles())).as(kind.name()).isZero();
        }
    }

    @Test
    void refusesAMaskOfAnotherShape() {
        HostTensor ones = HostTensor.zeros(DType.FLOAT32, 1, 2, 2, 2, 2);
        LossSpec loss = LossSpec.of(Kind.DICE, Activation.SIGMOID);
        assertThatThrownBy(() -> gradient(backend(), loss, ones, ones, Optional.of(ones)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("mask");
    }

    private void compareLoss(LossSpec loss, int channels, boolean masked) {
        Samples samples = new Samples(44);
        long[] shape = {3, channels, 3, 4, 5};
        HostTensor logits = samples.normal(shape).toFloat64();
        HostTensor target = targets(samples, loss.activation() == Activation.SOFTMAX, shape);
        boolean[] counted = new boolean[3 * 3 * 4 * 5];
        byte[] ofMask = new byte[counted.length];
        for (int v = 0; v < counted.length; v++) {
            // the first sample has no voxel that counts, the others about half
            counted[v] = !masked || v >= 3 * 4 * 5 && samples.between(0, 1) == 0;
            ofMask[v] = (byte) (counted[v] ? 1 : 0);
        }
        Optional<HostTensor> mask = masked ? Optional.of(HostTensor.of(ofMask, 3, 1, 3, 4, 5)) : Optional.empty();
        Function<double[], Double> expected = x -> WrittenLosses.value(loss, x, target.toDoubles(), counted, shape);
        LossGradient precise;
        LossGradient single;
        try (Backend backend = open(DType.FLOAT64)) {
            precise = gradient(backend, loss, logits, target, mask);
        }
        try (Backend backend = open(DType.FLOAT32)) {
            single = gradient(backend, loss, logits, target, mask);
        }
        double value = expected.apply(logits.toDoubles());
        assertThat(precise.loss()).isCloseTo(value, within(1e-12 * Math.max(1, Math.abs(value))));
        assertThat(single.loss()).isCloseTo(value, within(1e-6 * Math.max(1, Math.abs(value))));
        double[] gradient = precise.gradient().toDoubles();
        double[] differences = new double[gradient.length];
        for (int i = 0; i < differences.length; i++) {
            double[] direction = new double[gradient.length];
            direction[i] = 1;
            differences[i] = Finite.derivative(expected::apply, logits.toDoubles(), direction);
        }
        assertThat(distance(gradient, differences) / norm(differences)).isLessThanOrEqualTo(1e-6);
        assertThat(distance(single.gradient().toDoubles(), gradient) / norm(gradient))
                .isLessThanOrEqualTo(1e-5);
    }

    @Test
    void coarserLogitsSeeTheNearestVoxelsOfTheTargetAndCountHalfAsMuch() {
        Samples samples = new Samples(47);
        LossSpec loss = LossSpec.of(Kind.DICE, Activation.SIGMOID);
        HostTensor target = targets(samples, false, new long[] {2, 2, 4, 6, 5});
        HostTensor fine = samples.normal(2, 2, 4, 6, 5);
        HostTensor coarse = samples.normal(2, 2, 2, 3, 2);
        byte[] seen = new byte[2 * 2 * 2 * 3 * 2];
        // the centres of 2 in 4 lie at 1 and 3, those of 3 in 6 at 1, 3 and 5, those of 2 in 5 at 1.25 and 3.75
        int[] depth = {1, 3};
        int[] height = {1, 3, 5};
        int[] width = {1, 3};
        for (int i = 0; i < seen.length; i++) {
            int map = i / 12;
            int source = ((map * 4 + depth[i / 6 % 2]) * 6 + height[i / 2 % 3]) * 5 + width[i % 2];
            seen[i] = (byte) target.get(source);
        }
        double expected = (2 * WrittenLosses.value(loss, fine.toDoubles(), target.toDoubles(), fine.shape())
                        + WrittenLosses.value(
                                loss,
                                coarse.toDoubles(),
                                HostTensor.of(seen, coarse.shape()).toDoubles(),
                                coarse.shape()))
                / 3;
        try (Scope scope = backend().newScope()) {
            Ops ops = backend().ops(scope, Pass.INFERENCE);
            Tensor found =
                    Losses.of(loss, ops, List.of(ops.constant(fine), ops.constant(coarse)), ops.constant(target), null);
            assertThat(found.shape()).isEmpty();
            assertThat(found.toHost().get(0)).isCloseTo(expected, within(1e-6));
        }
    }

    @Test
    void refusesATargetOfAnotherShape() {
        HostTensor ones = HostTensor.zeros(DType.FLOAT32, 1, 2, 2, 2, 2);
        HostTensor other = HostTensor.zeros(DType.UINT8, 1, 1, 2, 2, 2);
        LossSpec loss = LossSpec.of(Kind.DICE, Activation.SIGMOID);
        assertThatThrownBy(() -> Losses.value(backend(), loss, ones, other, Optional.empty()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContainingAll("found logits 1×2×2×2×2", "expected equal shapes");
    }

    static List<Arguments> losses() {
        List<Arguments> cases = new ArrayList<>();
        for (Kind kind : Kind.values()) {
            for (Activation activation : Activation.values()) {
                LossSpec loss = LossSpec.of(kind, activation);
                cases.add(Arguments.of(loss, 3));
                cases.add(Arguments.of(loss.withoutBackground(), 3));
                cases.add(Arguments.of(loss.with(true, false), 4));
                cases.add(Arguments.of(loss.with(true, true), 2));
                cases.add(Arguments.of(loss.with(false, true), 3));
                if (activation == Activation.SIGMOID && kind != Kind.CROSS_ENTROPY) {
                    cases.add(Arguments.of(loss, 1));
                    cases.add(Arguments.of(loss.withoutBackground(), 1));
                }
                cases.add(
                        Arguments.of(new LossSpec(kind, activation, true, false, false, 0.5, 0.25, 0.7, 1.9, 1.5), 3));
            }
        }
        return cases;
    }

    /** Returns targets of which one channel of one sample is empty; one-hot for exclusive classes. */
    private static HostTensor targets(Samples samples, boolean exclusive, long[] shape) {
        byte[] target = new byte[(int) Shapes.elements(shape)];
        int channels = (int) shape[1];
        int voxels = target.length / (int) shape[0] / channels;
        for (int b = 0; b < shape[0]; b++) {
            for (int v = 0; v < voxels; v++) {
                // class 1 never occurs in sample 0
                int only = samples.between(0, channels - 1);
                int label = b == 0 && only == 1 ? 0 : only;
                for (int k = 0; k < channels; k++) {
                    boolean on = exclusive ? k == label : samples.between(0, 2) == 0 && !(b == 0 && k == 1);
                    target[(b * channels + k) * voxels + v] = (byte) (on ? 1 : 0);
                }
            }
        }
        return HostTensor.of(target, shape);
    }
}

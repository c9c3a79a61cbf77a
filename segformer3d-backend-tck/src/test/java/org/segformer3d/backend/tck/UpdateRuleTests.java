package org.segformer3d.backend.tck;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.segformer3d.api.training.OptimizerSpec;

/** Expected values: PyTorch 2.x's optimizers in float64, weights 0.5 and −2, gradients (1, −3), (0.25, 0), (−2, 1), rate 0.1. */
class UpdateRuleTests {
    private static final List<double[]> GRADIENTS =
            List.of(new double[] {1, -3}, new double[] {0.25, 0}, new double[] {-2, 1});

    private static double[] after(OptimizerSpec spec) {
        UpdateRule rule = new UpdateRule(spec, 2);
        double[] weight = {0.5, -2};
        for (double[] gradient : GRADIENTS) {
            weight = rule.step(weight, gradient, 0.1);
        }
        return weight;
    }

    @Test
    void adamW() {
        assertEqual(after(OptimizerSpec.adamW(0.02)), 0.34191554962062504, -1.7926382347287457);
    }

    @Test
    void adam() {
        assertEqual(after(OptimizerSpec.adam(0.02)), 0.343447288410398, -1.8013294475096029);
    }

    @Test
    void sgd() {
        assertEqual(after(OptimizerSpec.sgd(0.02, 0, false)), 0.572455596, -1.789222784);
    }

    @Test
    void sgdWithMomentum() {
        assertEqual(after(OptimizerSpec.sgd(0.02, 0.9, false)), 0.3767091959999999, -1.2668771839999997);
    }

    @Test
    void sgdWithNesterovsMomentum() {
        assertEqual(after(OptimizerSpec.sgd(0.02, 0.9, true)), 0.46256614496399995, -1.1323857234559997);
    }

    private static void assertEqual(double[] actual, double... expected) {
        assertThat(actual).usingComparatorWithPrecision(1e-14).containsExactly(expected);
    }
}

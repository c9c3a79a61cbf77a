package org.segformer3d.bench;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.profile.ModelProfile;
import org.segformer3d.api.weights.WeightInitializer;

/** The published network stays as small as it is: what the paper is about. */
class BudgetTests {
    private final ModelProfile profile = ModelProfile.of(SegFormer3DConfig.defaults(), RandomTensors.cube(128));

    @Test
    void parametersAreThePublishedModels() {
        assertThat(profile.parameters()).isEqualTo(4_525_251);
    }

    @Test
    void theArithmeticCountsWhatIsReallyThere() {
        long elements = WeightInitializer.initialize(ModelLayout.of(SegFormer3DConfig.defaults()), 1)
                .elements();
        assertThat(profile.parameters() + profile.buffers()).isEqualTo(elements);
    }

    @Test
    void multiplyAccumulatesStayBelowThePapersFigure() {
        assertThat(profile.macs() / 1e9).isBetween(15.4, ModelProfile.PAPER_GFLOPS);
        assertThat(profile.encoderMacs() / 1e9).isBetween(6.5, 6.7);
    }
}

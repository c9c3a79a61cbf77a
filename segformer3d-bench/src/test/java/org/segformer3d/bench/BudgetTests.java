package org.segformer3d.bench;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.network.SegFormer3DNetwork;
import org.segformer3d.api.profile.ModelProfile;
import org.segformer3d.api.weights.WeightInitializer;

/** The published network stays as small as it is: what the paper is about. */
class BudgetTests {
    private final ModelProfile profile =
            ModelProfile.of(SegFormer3DNetwork.of(SegFormer3DConfig.defaults()), RandomTensors.cube(128));

    @Test
    void parametersAreThePublishedModels() {
        assertThat(profile.parameters()).isEqualTo(4_525_251);
    }

    @Test
    void theArithmeticCountsWhatIsReallyThere() {
        long elements = WeightInitializer.initialize(
                        ModelLayout.of(SegFormer3DConfig.defaults()).parameters(), 1)
                .elements();
        assertThat(profile.parameters() + profile.buffers()).isEqualTo(elements);
    }

    @Test
    void multiplyAccumulatesAreTheComputedOnes() {
        assertThat(profile.encoderMacs()).isEqualTo(6_571_163_648L);
        assertThat(profile.macs()).isEqualTo(15_546_974_208L).isLessThan((long) (ModelProfile.PAPER_GFLOPS * 1e9));
    }

    @ParameterizedTest
    @ValueSource(strings = {"1-2-2-2", "2-2-2-3"})
    void noOtherDepthStaysWithinTheBudget(String depths) {
        ModelProfile other = ModelProfile.of(SegFormer3DNetwork.of(Sizes.withDepths(depths)), RandomTensors.cube(128));

        assertThat(other.parameters()).isNotEqualTo(profile.parameters());
        assertThat(other.macs()).isNotEqualTo(profile.macs());
    }
}

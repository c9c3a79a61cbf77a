package org.segformer3d.api.profile;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.SegFormer3DConfig;

class ModelProfileTests {
    private final ModelProfile published = ModelProfile.of(SegFormer3DConfig.defaults(), new Grid(128, 128, 128));

    @Test
    void thePublishedModelHasItsParameters() {
        assertThat(published.parameters()).isEqualTo(4_525_251);
    }

    @Test
    void thePublishedModelCostsWhatTheDesignSays() {
        assertThat(published.macs() / 1e9).isBetween(15.4, 15.7);
        assertThat(published.encoderMacs() / 1e9).isBetween(6.5, 6.7);
    }
}

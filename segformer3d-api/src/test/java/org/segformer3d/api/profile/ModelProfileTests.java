package org.segformer3d.api.profile;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.network.SegFormer3DNetwork;

class ModelProfileTests {
    private static ModelProfile.Row row(ModelProfile profile, String name) {
        return profile.rows().stream()
                .filter(row -> row.name().equals(name))
                .findFirst()
                .orElseThrow();
    }

    @Nested
    class ThePublishedModel {
        private final ModelProfile profile =
                ModelProfile.of(SegFormer3DNetwork.of(SegFormer3DConfig.defaults()), new Grid(128, 128, 128));

        @Test
        void hasItsParameters() {
            assertThat(profile.parameters()).isEqualTo(4_525_251);
        }

        @Test
        void costsWhatTheFormulasGive() {
            assertThat(profile.macs()).isEqualTo(15_546_974_208L);
            assertThat(profile.encoderMacs()).isEqualTo(6_571_163_648L);
        }

        @Test
        void countsTheFirstEmbeddingByHand() {
            // 32³ outputs, each a product with 4 × 7³ inputs for 32 channels
            assertThat(row(profile, "segformer_encoder.embed_1").macs()).isEqualTo(32L * 32 * 32 * 4 * 343 * 32);
            assertThat(row(profile, "segformer_encoder.embed_1").parameters()).isEqualTo(4 * 343 * 32 + 32 + 32 + 32);
            assertThat(row(profile, "segformer_encoder.embed_1").output()).isEqualTo("32×32×32×32");
        }

        @Test
        void countsAnAttentionWithReductionByHand() {
            long n = 32 * 32 * 32;
            long m = 8 * 8 * 8;
            assertThat(row(profile, "segformer_encoder.tf_block1.0.attention").macs())
                    .isEqualTo(n * 32 * 32 + m * 32 * 32 * 64 + m * 32 * 64 + n * m * 32 * 2 + n * 32 * 32);
        }
    }

    @Test
    void macsGrowWithTheInputAndParametersDoNot() {
        ModelProfile small = ModelProfile.of(SegFormer3DNetwork.of(SegFormer3DConfig.defaults()), new Grid(64, 64, 64));
        ModelProfile box = ModelProfile.of(SegFormer3DNetwork.of(SegFormer3DConfig.defaults()), new Grid(64, 64, 128));
        assertThat(small.parameters()).isEqualTo(box.parameters());
        assertThat(box.macs()).isGreaterThan(2 * small.macs());
    }
}

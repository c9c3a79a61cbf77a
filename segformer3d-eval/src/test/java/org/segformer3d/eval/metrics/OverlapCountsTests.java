package org.segformer3d.eval.metrics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.Map;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.eval.SharedReference;

class OverlapCountsTests {
    private static final double TOLERANCE = 1e-6;

    private static OverlapCounts counts(String predicted, String truth) {
        return OverlapCounts.of(mask(predicted), mask(truth));
    }

    private static HostTensor mask(String digits) {
        byte[] values = new byte[digits.length()];
        for (int n = 0; n < values.length; n++) {
            values[n] = (byte) (digits.charAt(n) - '0');
        }
        return HostTensor.of(values, values.length);
    }

    @Nested
    class AgainstMonai {
        @Test
        void gives_the_reference_values_on_every_mask() throws IOException {
            JsonNode expected = SharedReference.json("reference/pipeline/metrics.json");
            Map<String, HostTensor> masks = SharedReference.tensors("reference/pipeline/metrics.safetensors");
            int checked = 0;
            for (Map.Entry<String, JsonNode> entry : expected.properties()) {
                if (entry.getKey().equals("batch")) {
                    continue;
                }
                String name = entry.getKey();
                OverlapCounts counts = OverlapCounts.of(masks.get(name + ".pred"), masks.get(name + ".truth"));
                same(name + " dice", counts.dice(), entry.getValue().get("dice"));
                same(name + " iou", counts.iou(), entry.getValue().get("iou"));
                same(
                        name + " sensitivity",
                        counts.sensitivity(),
                        entry.getValue().get("sensitivity"));
                same(
                        name + " specificity",
                        counts.specificity(),
                        entry.getValue().get("specificity"));
                same(name + " precision", counts.precision(), entry.getValue().get("precision"));
                checked++;
            }
            assertThat(checked).isGreaterThanOrEqualTo(14);
        }

        private void same(String what, double found, JsonNode expected) {
            if (Double.isNaN(expected.asDouble())) {
                assertThat(found).as(what).isNaN();
            } else {
                assertThat(found).as(what).isEqualTo(expected.asDouble(), within(TOLERANCE));
            }
        }
    }

    @Test
    void follow_their_definitions() {
        OverlapCounts counts = counts("1110000000", "0111100000");
        assertThat(counts).isEqualTo(new OverlapCounts(2, 1, 2, 5));
        assertThat(counts.dice()).isEqualTo(4.0 / 7);
        assertThat(counts.iou()).isEqualTo(2.0 / 5);
        assertThat(counts.sensitivity()).isEqualTo(0.5);
        assertThat(counts.specificity()).isEqualTo(5.0 / 6);
        assertThat(counts.precision()).isEqualTo(2.0 / 3);
        assertThat(counts.relativeVolumeDifference()).isEqualTo(-0.25);
        assertThat(counts.predicted()).isEqualTo(3);
        assertThat(counts.truth()).isEqualTo(4);
    }

    @Test
    void have_no_dice_where_the_truth_is_empty() {
        assertThat(counts("0000", "0000").dice()).isNaN();
        assertThat(counts("0000", "0000").bothEmpty()).isTrue();
        assertThat(counts("0000", "0000").diceCountingEmpty()).isEqualTo(1);
        assertThat(counts("0100", "0000").diceCountingEmpty()).isZero();
        assertThat(counts("0100", "0110").diceCountingEmpty()).isEqualTo(2 / 3.0);
        assertThat(counts("0100", "0000").dice()).isNaN();
        assertThat(counts("0100", "0000").bothEmpty()).isFalse();
        assertThat(counts("0000", "0100").dice()).isZero();
    }

    @Test
    void take_any_non_zero_byte_as_inside() {
        assertThat(counts("0923", "0190").truePositives()).isEqualTo(2);
    }

    @Test
    void refuse_masks_that_do_not_match() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> counts("000", "0000"))
                .withMessageContaining("UINT8 3")
                .withMessageContaining("UINT8 4");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> OverlapCounts.of(HostTensor.of(new float[2], 2), HostTensor.of(new float[2], 2)))
                .withMessageContaining("one byte a voxel");
    }
}

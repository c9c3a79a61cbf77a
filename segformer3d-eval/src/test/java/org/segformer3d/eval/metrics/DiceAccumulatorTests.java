package org.segformer3d.eval.metrics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.eval.SharedReference;

class DiceAccumulatorTests {
    private static final OverlapCounts HALF = new OverlapCounts(1, 1, 1, 5);
    private static final OverlapCounts PERFECT = new OverlapCounts(2, 0, 0, 6);
    private static final OverlapCounts ABSENT = new OverlapCounts(0, 0, 0, 8);
    private static final OverlapCounts INVENTED = new OverlapCounts(0, 3, 0, 5);

    @Test
    void reduces_a_batch_as_monai_does() throws IOException {
        JsonNode expected =
                SharedReference.json("reference/pipeline/metrics.json").get("batch");
        Map<String, HostTensor> masks = SharedReference.tensors("reference/pipeline/metrics.safetensors");
        HostTensor predicted = masks.get("batch.pred");
        HostTensor truth = masks.get("batch.truth");
        DiceAccumulator dice = new DiceAccumulator(List.of("a", "b", "c"));
        for (int n = 0; n < 4; n++) {
            double[] found = dice.add("case" + n, sample(predicted, n), sample(truth, n));
            JsonNode row = expected.get("none|ignore_empty=True").get(n);
            for (int c = 0; c < 3; c++) {
                if (Double.isNaN(row.get(c).asDouble())) {
                    assertThat(found[c]).isNaN();
                } else {
                    assertThat(found[c]).isEqualTo(row.get(c).asDouble(), within(1e-6));
                }
            }
        }
        JsonNode means = expected.get("mean_batch|ignore_empty=True");
        double sum = 0;
        for (int c = 0; c < 3; c++) {
            assertThat(dice.meanBatch()[c]).isEqualTo(means.get(c).asDouble(), within(1e-6));
            sum += means.get(c).asDouble();
        }
        // MONAI counts the channel that no truth has as 0; the mean here leaves it out.
        assertThat(Arrays.stream(dice.meanBatch()).sum() / 3).isEqualTo(sum / 3, within(1e-6));
        long present = dice.spreads().stream().filter(one -> one.counted() > 0).count();
        assertThat(dice.mean()).isEqualTo(sum / present, within(1e-6));
    }

    private static HostTensor sample(HostTensor batch, int n) {
        int bytes = 3 * 8 * 8 * 8;
        return HostTensor.wrap(DType.UINT8, batch.bytes().slice(n * bytes, bytes), 3, 8, 8, 8);
    }

    @Test
    void leaves_channels_that_no_truth_has_out_of_the_mean_where_monai_counts_zero() {
        DiceAccumulator dice = new DiceAccumulator(List.of("a", "nowhere"));
        dice.add("1", HALF, ABSENT);
        dice.add("2", HALF, INVENTED);

        assertThat(dice.meanBatch()).containsExactly(0.5, 0);
        assertThat(dice.mean()).isEqualTo(0.5);
        assertThat(new DiceAccumulator(List.of("a")).mean()).isNaN();
    }

    @Test
    void leaves_cases_with_empty_truth_out_of_the_means() {
        DiceAccumulator dice = new DiceAccumulator(List.of("a", "b"));
        dice.add("1", HALF, ABSENT);
        dice.add("2", PERFECT, INVENTED);
        dice.add("3", ABSENT, PERFECT);
        assertThat(dice.meanBatch()).containsExactly(0.75, 1);
        assertThat(dice.mean()).isEqualTo(0.875);
        assertThat(dice.spreads().get(0)).isEqualTo(new Spread(0.75, 0.25, 0.75, 2, 1));
        assertThat(dice.bothEmpty(0)).isEqualTo(1);
        assertThat(dice.bothEmpty(1)).isEqualTo(1);
    }

    @Test
    void gives_zero_as_monai_does_for_a_channel_that_is_never_there() {
        DiceAccumulator dice = new DiceAccumulator(List.of("a", "b"));
        dice.add("1", PERFECT, ABSENT);
        assertThat(dice.meanBatch()).containsExactly(1, 0);
        assertThat(dice.spreads().get(1).mean()).isNaN();
    }

    @Test
    void refuses_a_case_twice_and_other_channels() {
        DiceAccumulator dice = new DiceAccumulator(List.of("a"));
        dice.add("case7", HALF);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> dice.add("case7", HALF))
                .withMessageContaining("case7");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> dice.add("case8", HALF, HALF))
                .withMessageContaining("found 2 channels, expected 1");
        HostTensor two = HostTensor.zeros(DType.UINT8, 2, 3, 3, 3);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> dice.add("case9", two, two))
                .withMessage("case case9: found a prediction 2×3×3×3 and a truth 2×3×3×3, expected both (1,D,H,W)");
        assertThat(dice.cases()).containsOnlyKeys("case7");
    }

    @Test
    void takes_the_median_of_an_even_number_between_the_middle_two() {
        assertThat(Spread.of(4, 1, Double.NaN, 2, 10)).isEqualTo(new Spread(4.25, Math.sqrt(12.1875), 3, 4, 1));
        assertThat(Spread.of(Double.NaN).mean()).isNaN();
    }
}

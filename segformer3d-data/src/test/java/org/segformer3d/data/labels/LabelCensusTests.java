package org.segformer3d.data.labels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.entry;

import java.util.Random;
import java.util.function.IntUnaryOperator;
import org.junit.jupiter.api.Test;
import org.segformer3d.api.block.Grid;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;

class LabelCensusTests {
    private static final int EDGE = 24;
    private static final Geometry PLACE = Geometry.of(new Grid(EDGE, EDGE, EDGE), Affine.IDENTITY);

    private static Volume volume(IntUnaryOperator valueAt) {
        float[] values = new float[EDGE * EDGE * EDGE];
        for (int n = 0; n < values.length; n++) {
            values[n] = valueAt.applyAsInt(n);
        }
        return Volume.of(values, 1, PLACE);
    }

    @Test
    void countsTheVoxelsOfEachValue() {
        LabelCensus census = LabelCensus.of(volume(n -> n < 5 ? 7 : n < 8 ? -1 : 0));

        assertThat(census.counts())
                .containsExactly(entry(-1, 3L), entry(0, (long) EDGE * EDGE * EDGE - 8), entry(7, 5L));
        assertThat(census.foreground()).isEqualTo(8);
        assertThat(census.looksLikeImage()).isEmpty();
    }

    @Test
    void anEmptyMapIsALabelMap() {
        LabelCensus census = LabelCensus.of(volume(n -> 0));

        assertThat(census.foreground()).isZero();
        assertThat(census.looksLikeImage()).isEmpty();
    }

    @Test
    void anAtlasOfManyRegionsIsALabelMap() {
        // Blocks of 4×4×4 voxels: 216 regions.
        Volume atlas = volume(n -> 1 + n / (EDGE * EDGE) / 4 * 36 + n / EDGE % EDGE / 4 * 6 + n % EDGE / 4);

        LabelCensus census = LabelCensus.of(atlas);

        assertThat(census.counts()).hasSize(216);
        assertThat(census.looksLikeImage()).isEmpty();
    }

    @Test
    void aScanIsNoneHoweverMuchAirThereIsAroundIt() {
        Random random = new Random(5);
        Volume scan = volume(n -> n % EDGE < 16 ? 0 : 100 + random.nextInt(60));

        assertThat(LabelCensus.of(scan).looksLikeImage())
                .hasValueSatisfying(why -> assertThat(why).contains("looks like an image", "61 values from 0 to 159"));
    }

    @Test
    void hundredsOfValuesAreAScansHoweverTheyLie() {
        Volume steps = volume(n -> n / EDGE);

        assertThat(LabelCensus.of(steps).looksLikeImage())
                .hasValueSatisfying(why -> assertThat(why).contains("576 values"));
    }

    @Test
    void valuesThatAreNotWholeAreAScans() {
        float[] values = new float[EDGE * EDGE * EDGE];
        values[9] = 0.5f;
        assertThat(LabelCensus.of(Volume.of(values.clone(), 1, PLACE)).looksLikeImage())
                .hasValueSatisfying(why -> assertThat(why).contains("0.5"));
        values[9] = Float.NaN;
        assertThat(LabelCensus.of(Volume.of(values, 1, PLACE)).fraction())
                .hasValueSatisfying(v -> assertThat(v).isNaN());
    }

    @Test
    void neighboursAreCountedWithinARowOnly() {
        // The last voxel of every row and the first of the next have one value; nothing else equals its neighbour.
        Volume rows = volume(n -> n % EDGE == 0 || n % EDGE == EDGE - 1 ? 1000 + (n + 1) / EDGE : 1 + n % 2);

        assertThat(LabelCensus.of(rows).alike()).isZero();
    }
}

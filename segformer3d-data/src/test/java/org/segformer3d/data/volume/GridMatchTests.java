package org.segformer3d.data.volume;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.segformer3d.api.block.Grid;

class GridMatchTests {
    private static final Grid SIZE = new Grid(101, 20, 11);
    private static final Geometry PLACE = Geometry.of(SIZE, Affine.scaling(0.5, 2, 5));

    private static GridMatch moved(double voxels, int axis) {
        double[] by = new double[3];
        by[axis] = voxels;
        return new GridMatch(Geometry.of(SIZE, PLACE.affine().translatedVoxels(by[0], by[1], by[2])), PLACE);
    }

    @Nested
    class Distances {
        @ParameterizedTest
        @CsvSource({"0.04, 0", "-0.2, 1", "0.4, 2", "7, 2"})
        void areCountedInVoxelsAlongTheirAxis(double voxels, int axis) {
            assertThat(moved(voxels, axis).voxelsApart()).isCloseTo(Math.abs(voxels), within(1e-9));
        }

        @Test
        void areThoseOfTheFarthestCorner() {
            Geometry stretched = Geometry.of(SIZE, Affine.scaling(0.5 * 1.001, 2, 5));

            assertThat(new GridMatch(stretched, PLACE).voxelsApart()).isCloseTo(0.1, within(1e-9));
        }

        @Test
        void thatAreNoNumbersMatchNothing() {
            Geometry strange = Geometry.of(SIZE, Affine.ofRows(0.5, 0, 0, Double.NaN, 0, 2, 0, 0, 0, 0, 5, 0));

            assertThat(new GridMatch(strange, PLACE).matches()).isFalse();
        }
    }

    @Nested
    class Rule {
        @Test
        void takesWhatRoundingExplainsWithoutAWord() {
            assertThat(moved(0.049, 0).take("b.nii.gz", "a.nii.gz", false)).isEmpty();
        }

        @Test
        void takesLessThanHalfAVoxelWithTheDistance() {
            assertThat(moved(0.051, 1).take("b.nii.gz", "a.nii.gz", false).orElseThrow())
                    .startsWith("b.nii.gz: ")
                    .contains("0.051 voxels", "a.nii.gz");
            assertThat(moved(0.49, 2).take("b.nii.gz", "a.nii.gz", false)).isPresent();
        }

        @Test
        void refusesMoreWithBothGeometries() {
            assertThatThrownBy(() -> moved(0.51, 2).take("b.nii.gz", "a.nii.gz", false))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContainingAll(
                            "found origin [0.0 0.0 2.55]", "expected [0.0 0.0 0.0]", "a.nii.gz", "0.51");
        }

        @Test
        void takesAnyPlaceWhereTheGeometryIsToBeIgnoredButNoOtherSize() {
            assertThat(moved(40, 0).take("b.nii.gz", "a.nii.gz", true).orElseThrow())
                    .contains("40 voxels", "to be ignored");
            Geometry small = Geometry.of(new Grid(100, 20, 11), PLACE.affine());
            assertThatThrownBy(() -> new GridMatch(small, PLACE).take("b", "a", true))
                    .hasMessageContainingAll("100×20×11", "101×20×11");
        }
    }

    @Nested
    class Overlap {
        @Test
        void isSeenAlsoAtASingleVoxelAndNotSeenBeyondTheLast() {
            assertThat(moved(100, 0).overlaps()).isTrue();
            assertThat(moved(102, 0).overlaps()).isFalse();
            assertThat(moved(-12, 2).overlaps()).isFalse();
        }
    }
}

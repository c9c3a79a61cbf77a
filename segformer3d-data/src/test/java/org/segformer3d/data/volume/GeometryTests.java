package org.segformer3d.data.volume;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.segformer3d.api.block.Grid;

class GeometryTests {
    private static final Affine OBLIQUE =
            Affine.ofRows(1.9, 0.3, -0.2, -80.25, -0.4, 2.1, 0.1, 11.5, 0.35, -0.1, 3.2, 42.125);

    @Nested
    class AnAffine {
        @Test
        void isUndoneByItsInverse() {
            double[] mm = OBLIQUE.apply(3, -4, 5.5);

            double[] index = OBLIQUE.inverse().apply(mm[0], mm[1], mm[2]);

            assertThat(index).containsExactly(new double[] {3, -4, 5.5}, within(1e-12));
            assertThat(OBLIQUE.multiply(OBLIQUE.inverse()).isCloseTo(Affine.IDENTITY, 1e-12))
                    .isTrue();
        }

        @Test
        void composesInnerFirst() {
            Affine shift = Affine.ofRows(1, 0, 0, 10, 0, 1, 0, 20, 0, 0, 1, 30);

            assertThat(Affine.scaling(2, 3, 4).multiply(shift).apply(1, 1, 1)).containsExactly(22, 63, 124);
        }

        @Test
        void knowsItsVoxels() {
            Affine affine = Affine.ofRows(0, -3, 0, 1, 2, 0, 0, 2, 0, 0, -4, 3);

            assertThat(affine.determinant()).isEqualTo(-24);
            assertThat(new double[] {affine.spacing(0), affine.spacing(1), affine.spacing(2)})
                    .containsExactly(2, 3, 4);
        }

        @Test
        void thatIsSingularHasNoInverse() {
            assertThatThrownBy(() -> Affine.scaling(1, 0, 1).inverse())
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("singular");
        }

        @Test
        void needsTwelveOrSixteenNumbers() {
            assertThat(Affine.ofRows(OBLIQUE.toArray())).isEqualTo(OBLIQUE).hasSameHashCodeAs(OBLIQUE);
            assertThatThrownBy(() -> Affine.ofRows(1, 2, 3)).isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> Affine.ofRows(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1))
                    .isInstanceOf(IllegalArgumentException.class);
        }
    }

    @Test
    void croppingMovesTheFirstVoxel() {
        Geometry geometry = Geometry.of(new Grid(10, 20, 30), OBLIQUE);

        Geometry box = geometry.cropped(2, -3, 4, new Grid(5, 40, 6));

        assertThat(box.size()).isEqualTo(new Grid(5, 40, 6));
        assertThat(box.affine().apply(1, 1, 1)).containsExactly(OBLIQUE.apply(3, -2, 5), within(1e-12));
    }

    @Test
    void resamplingKeepsTheOuterEdges() {
        Geometry geometry = Geometry.of(new Grid(10, 20, 30), OBLIQUE);

        Geometry finer = geometry.resampled(new Grid(20, 10, 45));

        assertThat(finer.affine().apply(-0.5, -0.5, -0.5))
                .containsExactly(OBLIQUE.apply(-0.5, -0.5, -0.5), within(1e-10));
        assertThat(finer.affine().apply(19.5, 9.5, 44.5))
                .containsExactly(OBLIQUE.apply(9.5, 19.5, 29.5), within(1e-10));
        assertThat(finer.spacing()[0]).isCloseTo(geometry.spacing()[0] / 2, within(1e-12));
    }

    @Test
    void anAxisWithoutLengthCountsOneMillimetre() {
        assertThat(Geometry.of(new Grid(1, 1, 1), Affine.scaling(2, 3, 0)).spacing())
                .containsExactly(2, 3, 1);
    }
}

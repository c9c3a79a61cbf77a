package org.segformer3d.data.volume;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.segformer3d.api.block.Grid;

class OrientationTests {
    private static final Grid SIZE = new Grid(3, 4, 50);
    private static final Affine OBLIQUE =
            Affine.ofRows(1.9, 0.3, -0.2, -80.25, -0.4, 2.1, 0.1, 11.5, 0.35, -0.1, 3.2, 42.125);

    static List<Orientation> all() {
        return Orientations.all();
    }

    private static Volume counting(int channels, Affine affine) {
        float[] values = new float[channels * SIZE.tokens()];
        for (int n = 0; n < values.length; n++) {
            values[n] = n;
        }
        return Volume.of(values, channels, Geometry.of(SIZE, affine));
    }

    /** Each voxel of one volume must be found in the other at the same place in millimetres. */
    private static void assertSamePlaces(Volume a, Volume b) {
        Affine toB = b.geometry().affine().inverse();
        Grid size = a.geometry().size();
        for (int c = 0; c < a.channels(); c++) {
            for (int i = 0; i < size.depth(); i++) {
                for (int j = 0; j < size.height(); j++) {
                    for (int k = 0; k < size.width(); k++) {
                        double[] mm = a.geometry().affine().apply(i, j, k);
                        double[] at = toB.apply(mm[0], mm[1], mm[2]);
                        float other =
                                b.get(c, (int) Math.round(at[0]), (int) Math.round(at[1]), (int) Math.round(at[2]));
                        if (other != a.get(c, i, j, k)) {
                            assertThat(other).isEqualTo(a.get(c, i, j, k));
                        }
                    }
                }
            }
        }
    }

    @Nested
    class InPlace {
        @ParameterizedTest
        @MethodSource("org.segformer3d.data.volume.OrientationTests#all")
        void reversesAsACopyDoesAndRefusesToExchangeAxes(Orientation orientation) {
            Grid size = new Grid(3, 4, 5);
            float[] values = new float[2 * size.tokens()];
            for (int n = 0; n < values.length; n++) {
                values[n] = n;
            }
            if (!orientation.isFlip()) {
                assertThatThrownBy(() -> orientation.flip(values, 0, size))
                        .isInstanceOf(IllegalStateException.class)
                        .hasMessageContaining("exchanges axes");
                return;
            }
            float[] expected = orientation.apply(values, 2, size);
            orientation.flip(values, 0, size);
            orientation.flip(values, size.tokens(), size);
            assertThat(values).containsExactly(expected);
        }
    }

    @Nested
    class OfThe48 {
        @ParameterizedTest
        @MethodSource("org.segformer3d.data.volume.OrientationTests#all")
        void eachKeepsValuesAtTheirPlaces(Orientation orientation) {
            Volume volume = counting(2, OBLIQUE);

            Volume turned = orientation.apply(volume);

            assertThat(turned.geometry().size()).isEqualTo(orientation.apply(SIZE));
            assertSamePlaces(volume, turned);
        }

        @ParameterizedTest
        @MethodSource("org.segformer3d.data.volume.OrientationTests#all")
        void eachIsUndoneByItsInverse(Orientation orientation) {
            Volume volume = counting(2, OBLIQUE);

            Volume back = orientation.inverse().apply(orientation.apply(volume));

            assertThat(back.values()).isEqualTo(volume.values());
            assertThat(back.geometry().affine().isCloseTo(OBLIQUE, 1e-12)).isTrue();
            assertThat(back.withGeometry(volume.geometry()).geometry()).isSameAs(volume.geometry());
        }

        @ParameterizedTest
        @MethodSource("org.segformer3d.data.volume.OrientationTests#all")
        void eachIsTurnedToRasAndBack(Orientation orientation) {
            Volume scan = orientation.apply(counting(1, OBLIQUE));
            Orientation toRas = Orientation.toRas(scan.geometry().affine());

            Volume ras = toRas.apply(scan);

            assertThat(ras.geometry().orientationCodes()).isEqualTo("RAS");
            assertThat(ras.values()).isEqualTo(counting(1, OBLIQUE).values());
            assertThat(toRas.inverse().apply(ras).values()).isEqualTo(scan.values());
        }
    }

    /** Expected codes are those of nibabel's aff2axcodes. */
    @ParameterizedTest
    @CsvSource({
        "'1 0 0  0 1 0  0 0 1', RAS",
        "'-1 0 0  0 -1 0  0 0 1', LPS",
        "'0 0 2.4  2.4 0 0  0 -2.4 0', AIR",
        "'-1.9 0.3 -0.2  -0.4 -2.1 0.1  0.35 -0.1 3.2', LPS",
        "'0.1 0.9 0.2  0.8 -0.2 0.1  0.1 0.2 -0.9', ARI",
        "'1 0.9 0.8  0 1 0.9  0 0 1', RAS",
        "'-0.0000000692 -0.0016480 0.99999863  -0.99174750 0.12820645 0.00021122  0.12820661 0.99174613 0.00163442', PSR"
    })
    void codesAreThoseOfNibabel(String matrix, String codes) {
        String[] numbers = matrix.split(" +");
        double[] rows = new double[12];
        for (int n = 0; n < 9; n++) {
            rows[n / 3 * 4 + n % 3] = Double.parseDouble(numbers[n]);
        }

        assertThat(Orientation.codes(Affine.ofRows(rows))).isEqualTo(codes);
    }

    @Test
    void anAxisWithoutLengthTakesWhatIsLeft() {
        Affine flat = Affine.ofRows(0, 0, -2, 0, 3, 0, 0, 0, 0, 0, 0, 0);

        Orientation toRas = Orientation.toRas(flat);

        assertThat(Orientation.codes(flat)).isEqualTo("ASL");
        assertThat(toRas).isEqualTo(Orientation.of(new int[] {2, 0, 1}, new boolean[] {true, false, false}));
    }

    @Test
    void nothingToDoGivesTheSameVolume() {
        Volume volume = counting(1, Affine.IDENTITY);

        assertThat(Orientation.toRas(Affine.IDENTITY).apply(volume)).isSameAs(volume);
    }

    @Test
    void whatIsNoPermutationIsRefused() {
        assertThatThrownBy(() -> Orientation.of(new int[] {0, 0, 2}, new boolean[3]))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("[0, 0, 2]");
        assertThatThrownBy(() -> Orientation.toRas(Affine.scaling(Double.NaN, 1, 1)))
                .isInstanceOf(IllegalArgumentException.class);
    }
}

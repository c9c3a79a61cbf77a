package org.segformer3d.data.volume;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.HostTensor;

class VolumeTests {
    private static final Geometry PLACE = Geometry.of(new Grid(1, 2, 3), Affine.IDENTITY);

    private static Volume of(float... values) {
        return Volume.of(values, values.length / 6, PLACE);
    }

    @Test
    void becomesATensorAndBack() {
        Volume volume = of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);

        HostTensor tensor = volume.toTensor();

        assertThat(tensor.shape()).containsExactly(2, 1, 2, 3);
        assertThat(Volume.of(tensor, PLACE).values()).isEqualTo(volume.values());
        assertThat(volume.get(1, 0, 1, 0)).isEqualTo(10);
        assertThat(Volume.of(HostTensor.of(new long[] {1, 2, 3, 4, 5, 6}, 1, 2, 3), PLACE)
                        .get(0, 0, 1, 2))
                .isEqualTo(6);
    }

    @Test
    void refusesATensorOfAnotherShape() {
        assertThatThrownBy(() -> Volume.of(HostTensor.of(new float[6], 1, 3, 2), PLACE))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContainingAll("1×2×3", "1×3×2");
    }

    @Test
    void consistsOfItsChannels() {
        Volume volume = of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);

        assertThat(volume.channel(1).values()).containsExactly(7, 8, 9, 10, 11, 12);
        assertThat(Volume.stack(List.of(volume.channel(0), volume.channel(1))).values())
                .isEqualTo(volume.values());
    }

    @Test
    void isNotStackedWithOneFromAnotherPlace() {
        Volume moved = Volume.of(
                new float[6], 1, Geometry.of(PLACE.size(), Affine.ofRows(1, 0, 0, 2, 0, 1, 0, 0, 0, 0, 1, 0)));

        assertThatThrownBy(() -> Volume.stack(List.of(of(new float[6]), moved)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("channel file 2");
    }

    @Test
    void isALabelImageWhenItsNumbersAreWhole() {
        assertThat(of(0, 1, 2.0004f, -3, 16777216, 4).toLabels()).containsExactly(0, 1, 2, -3, 16777216, 4);
        assertThat(Volume.ofLabels(new int[] {1, 2, 3, 4, 5, 6}, PLACE).values())
                .containsExactly(1, 2, 3, 4, 5, 6);
    }

    @ParameterizedTest
    @ValueSource(floats = {0.5f, 1.01f, Float.NaN, Float.POSITIVE_INFINITY, 1e9f, -1e30f})
    void isNoLabelImageOtherwise(float value) {
        assertThatThrownBy(() -> of(0, 0, 0, 0, value, 0).toLabels())
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("(0, 1, 1)");
    }

    @Test
    void refusesALengthThatDoesNotFit() {
        assertThatThrownBy(() -> Volume.of(new float[7], 1, PLACE)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> of(new float[6]).withGeometry(Geometry.of(new Grid(2, 1, 3), Affine.IDENTITY)))
                .isInstanceOf(IllegalArgumentException.class);
    }
}

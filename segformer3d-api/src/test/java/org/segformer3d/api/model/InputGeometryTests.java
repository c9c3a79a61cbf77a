package org.segformer3d.api.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.SegFormer3DConfig;

class InputGeometryTests {
    private final SegFormer3DConfig config = SegFormer3DConfig.defaults();

    @Test
    void aCubeHalvesFromStageToStage() {
        InputGeometry geometry = InputGeometry.of(config, new Grid(128, 128, 128));
        assertThat(geometry.isPadded()).isFalse();
        assertThat(geometry.stages())
                .isEqualTo(List.of(new Grid(32, 32, 32), new Grid(16, 16, 16), new Grid(8, 8, 8), new Grid(4, 4, 4)));
    }

    @Test
    void multiplesOfTheFirstStrideNeedNoPadding() {
        InputGeometry geometry = InputGeometry.of(config, new Grid(40, 32, 96));
        assertThat(geometry.isPadded()).isFalse();
        assertThat(geometry.stages().get(3)).isEqualTo(new Grid(2, 1, 3));
    }

    @Test
    void otherSizesArePaddedToOne() {
        InputGeometry geometry = InputGeometry.of(config, new Grid(37, 50, 35));
        assertThat(geometry.padded()).isEqualTo(new Grid(40, 52, 36));
        assertThat(geometry.input()).isEqualTo(new Grid(37, 50, 35));
    }

    @Test
    void eachAxisHasItsOwnStride() {
        SegFormer3DConfig axes = SegFormer3DConfig.fromMap(Map.of(
                "patch_kernel_size", List.of(List.of(3, 7, 7), 3, 3, 3),
                "patch_stride", List.of(List.of(2, 4, 4), 2, 2, 2),
                "patch_padding", List.of(List.of(1, 3, 3), 1, 1, 1)));
        InputGeometry geometry = InputGeometry.of(axes, new Grid(17, 33, 64));
        assertThat(geometry.padded()).isEqualTo(new Grid(18, 36, 64));
        assertThat(geometry.stages().get(0)).isEqualTo(new Grid(9, 9, 16));
        assertThat(InputGeometry.smallest(axes)).isEqualTo(new Grid(8, 16, 16));
    }

    @Test
    void tinyInputsArePaddedUntilEveryReductionHasItsTokens() {
        assertThat(InputGeometry.smallest(config)).isEqualTo(new Grid(16, 16, 16));
        assertThat(InputGeometry.of(config, new Grid(1, 5, 64)).padded()).isEqualTo(new Grid(16, 16, 64));
    }
}

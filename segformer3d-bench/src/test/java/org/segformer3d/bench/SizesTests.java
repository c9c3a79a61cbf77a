package org.segformer3d.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.segformer3d.api.block.Grid;

class SizesTests {
    @Test
    void areCubesAndBoxes() {
        assertThat(Sizes.grid("96")).isEqualTo(new Grid(96, 96, 96));
        assertThat(Sizes.grid("80x96x64")).isEqualTo(new Grid(80, 96, 64));
        assertThatThrownBy(() -> Sizes.grid("80x96")).hasMessageContaining("found 80x96");
    }

    @Test
    void ofStagesAreTheirDepths() {
        assertThat(Sizes.withDepths("2-2-6-2").depths()).containsExactly(2, 2, 6, 2);
    }
}

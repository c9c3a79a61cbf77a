package org.segformer3d.eval.postprocessing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayDeque;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;

class PostprocessingStepTests {
    /** 1 × 5 × 8 voxels of 2 mm³: a large piece and a small one of label 1, touching corners, a ring of label 2. */
    private static final int[] MAP = {
        1, 1, 0, 0, 0, 0, 0, 1,
        0, 0, 1, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0,
        2, 2, 2, 0, 0, 0, 1, 1,
        2, 0, 2, 0, 0, 0, 0, 0,
    };

    @Test
    void keepsTheLargestComponent() {
        assertThat(apply("keep_largest@1"))
                .containsExactly(
                        1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2, 0, 0, 0, 0, 0,
                        2, 0, 2, 0, 0, 0, 0, 0);
    }

    @Test
    void removesWhatIsSmallerThanAVolume() {
        // 1 voxel is 2 mm³, 2 are 4 mm³
        assertThat(apply("remove_small=4")).isEqualTo(replaced(7, 0));
        assertThat(apply("remove_small=2")).isEqualTo(MAP);
        assertThat(apply("remove_small=1000")).containsOnly(0);
        assertThat(apply("remove_small=1000@2")).isEqualTo(apply("keep_largest@3", without(2)));
    }

    @Test
    void fillsHolesThatDoNotReachTheEdge() {
        int[] cube = new int[125];
        for (int d = 1; d < 4; d++) {
            for (int h = 1; h < 4; h++) {
                for (int w = 1; w < 4; w++) {
                    cube[(d * 5 + h) * 5 + w] = 3;
                }
            }
        }
        int[] hollow = cube.clone();
        hollow[62] = 0;
        assertThat(apply("fill_holes", hollow, new Grid(5, 5, 5))).isEqualTo(cube);
        // something else within stays, and a hole with a way out is none
        hollow[62] = 7;
        assertThat(apply("fill_holes", hollow, new Grid(5, 5, 5))).isEqualTo(hollow);
        hollow[62] = 0;
        hollow[37] = 0;
        assertThat(apply("fill_holes", hollow, new Grid(5, 5, 5))).isEqualTo(hollow);
        // in a single slice everything lies at the edge
        assertThat(apply("fill_holes")).isEqualTo(MAP);
    }

    @Test
    void leavesTheMapItWasGivenAlone() {
        Volume volume = volume(MAP, new Grid(1, 5, 8));
        PostprocessingStep.parse("keep_largest").apply(volume);
        assertThat(volume.toLabels()).isEqualTo(MAP);
        assertThat(PostprocessingStep.parse("keep_largest")
                        .apply(volume)
                        .geometry()
                        .affine())
                .isEqualTo(volume.geometry().affine());
    }

    /** The same components as a flood fill finds. */
    @ParameterizedTest
    @ValueSource(doubles = {0.1, 0.3, 0.5, 0.8})
    void findsTheComponentsThatAFloodFillFinds(double density) {
        Grid size = new Grid(7, 9, 11);
        Random random = new Random(5);
        boolean[] member = new boolean[size.tokens()];
        for (int n = 0; n < member.length; n++) {
            member[n] = random.nextDouble() < density;
        }
        for (Components.Neighbours neighbours : Components.Neighbours.values()) {
            Components found = Components.of(size, n -> member[n], neighbours);
            int[] expected = flood(size, member, neighbours == Components.Neighbours.FACES ? 1 : 3);
            int[] count = new int[found.count()];
            for (int n = 0; n < member.length; n++) {
                assertThat(found.of(n)).isEqualTo(expected[n]);
                if (expected[n] >= 0) {
                    count[expected[n]]++;
                }
            }
            for (int c = 0; c < count.length; c++) {
                assertThat(found.size(c)).isEqualTo(count[c]);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"keep_largest", "keep_largest@1+2", "remove_small=50.0@3", "fill_holes"})
    void isReadFromTextAndFromAMap(String text) {
        PostprocessingStep step = PostprocessingStep.parse(text);
        assertThat(step).hasToString(text);
        assertThat(PostprocessingStep.fromMap(step.toMap())).isEqualTo(step);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "keep_smallest",
                "remove_small",
                "remove_small=0",
                "remove_small=x",
                "keep_largest=3",
                "fill_holes@0",
                "fill_holes@a"
            })
    void refusesOtherTexts(String text) {
        assertThatThrownBy(() -> PostprocessingStep.parse(text))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("postprocessing");
        assertThatThrownBy(() -> PostprocessingStep.fromMap(Map.of("type", "fill_holes", "label", List.of(1))))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("labels");
    }

    private static int[] flood(Grid size, boolean[] member, int most) {
        int[] component = new int[member.length];
        java.util.Arrays.fill(component, -1);
        int count = 0;
        for (int start = 0; start < member.length; start++) {
            if (!member[start] || component[start] >= 0) {
                continue;
            }
            ArrayDeque<Integer> open = new ArrayDeque<>(List.of(start));
            component[start] = count;
            while (!open.isEmpty()) {
                int n = open.remove();
                int w = n % size.width();
                int h = n / size.width() % size.height();
                int d = n / size.width() / size.height();
                for (int z = Math.max(0, d - 1); z <= Math.min(size.depth() - 1, d + 1); z++) {
                    for (int y = Math.max(0, h - 1); y <= Math.min(size.height() - 1, h + 1); y++) {
                        for (int x = Math.max(0, w - 1); x <= Math.min(size.width() - 1, w + 1); x++) {
                            int other = (z * size.height() + y) * size.width() + x;
                            boolean near = Math.abs(z - d) + Math.abs(y - h) + Math.abs(x - w) <= most;
                            if (near && member[other] && component[other] < 0) {
                                component[other] = count;
                                open.add(other);
                            }
                        }
                    }
                }
            }
            count++;
        }
        return component;
    }

    private static int[] replaced(int at, int value) {
        int[] map = MAP.clone();
        map[at] = value;
        return map;
    }

    private static int[] without(int label) {
        return java.util.Arrays.stream(MAP)
                .map(value -> value == label ? 0 : value)
                .toArray();
    }

    private static int[] apply(String step) {
        return apply(step, MAP);
    }

    private static int[] apply(String step, int[] map) {
        return apply(step, map, new Grid(1, 5, 8));
    }

    private static int[] apply(String step, int[] map, Grid size) {
        return PostprocessingStep.parse(step).apply(volume(map, size)).toLabels();
    }

    private static Volume volume(int[] labels, Grid size) {
        return Volume.ofLabels(labels.clone(), Geometry.of(size, Affine.scaling(1, 2, 1)));
    }
}

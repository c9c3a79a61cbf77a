package org.segformer3d.eval.report;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.geom.Area;
import java.awt.geom.Path2D;
import java.util.SplittableRandom;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

class ContoursTests {
    private static String path(String... rows) {
        int width = rows[0].length();
        boolean[] mask = new boolean[width * rows.length];
        for (int n = 0; n < mask.length; n++) {
            mask[n] = rows[n / width].charAt(n % width) == '#';
        }
        return Contours.path(mask, width, rows.length, 1, 1);
    }

    @Test
    void ofNothingIsNothing() {
        assertThat(path("..", "..")).isEmpty();
    }

    @Test
    void goesThroughTheMiddleOfAPixelsEdges() {
        assertThat(path("...", ".#.", "...")).isEqualTo("M1.5 1L2 1.5L1.5 2L1 1.5Z");
    }

    @Test
    void leavesOutPointsAmidAStraightEdge() {
        assertThat(path("####", "####")).isEqualTo("M0.5 0L3.5 0L4 0.5L4 1.5L3.5 2L0.5 2L0 1.5L0 0.5Z");
    }

    @Test
    void keepsPixelsApartThatTouchAtACorner() {
        assertThat(path("#.", ".#")).isEqualTo("M0.5 0L1 0.5L0.5 1L0 0.5ZM1.5 1L2 1.5L1.5 2L1 1.5Z");
    }

    @Test
    void outlinesHolesToo() {
        assertThat(path("###", "#.#", "###").split("Z")).hasSize(2);
    }

    @Test
    void isInTheUnitsOfTheDrawing() {
        assertThat(Contours.path(new boolean[] {true}, 1, 1, 2, 0.5)).isEqualTo("M1 0L2 0.25L1 0.5L0 0.25Z");
    }

    /** Every pixel's centre lies inside of the outline exactly when the pixel belongs to the mask. */
    @Test
    void enclosesWhatBelongsToTheMask() {
        SplittableRandom random = new SplittableRandom(7);
        for (int round = 0; round < 50; round++) {
            int width = 1 + random.nextInt(9);
            int height = 1 + random.nextInt(9);
            boolean[] mask = new boolean[width * height];
            for (int n = 0; n < mask.length; n++) {
                mask[n] = random.nextInt(100) < 60;
            }
            Path2D shape = new Path2D.Double(Path2D.WIND_EVEN_ODD);
            shape.moveTo(-1, -1);
            Matcher points =
                    Pattern.compile("([ML])([0-9.]+) ([0-9.]+)|Z").matcher(Contours.path(mask, width, height, 1, 1));
            while (points.find()) {
                if (points.group(1) == null) {
                    shape.closePath();
                } else if (points.group(1).equals("M")) {
                    shape.moveTo(Double.parseDouble(points.group(2)), Double.parseDouble(points.group(3)));
                } else {
                    shape.lineTo(Double.parseDouble(points.group(2)), Double.parseDouble(points.group(3)));
                }
            }
            Area area = new Area(shape);
            for (int n = 0; n < mask.length; n++) {
                assertThat(area.contains(n % width + 0.5, n / width + 0.5))
                        .as("round %d, pixel %d", round, n)
                        .isEqualTo(mask[n]);
            }
        }
    }
}

package org.segformer3d.eval.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.api.block.Grid;
import org.segformer3d.data.dataset.LabelClass;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.eval.TinyModel;

class OverlayTests {
    private static final Geometry GEOMETRY = Geometry.of(new Grid(20, 24, 10), Affine.scaling(1, 1, 3));
    private static final List<LabelClass> CLASSES = List.of(LabelClass.of(1, "organ"), LabelClass.of(2, "lesion"));
    /** Colours of the first two classes. */
    private static final int RED = 0xff4b4b;

    private static final int BLUE = 0x41c8ff;

    @TempDir
    private Path folder;

    /** Returns a box of a value. */
    private static Volume box(int value, int from, int to) {
        int[] labels = new int[20 * 24 * 10];
        for (int i = from; i < to; i++) {
            for (int j = from; j < to; j++) {
                for (int k = 3; k < 6; k++) {
                    labels[(i * 24 + j) * 10 + k] = value;
                }
            }
        }
        return Volume.ofLabels(labels, GEOMETRY);
    }

    private static Set<Integer> colours(BufferedImage picture, int fromY, int toY) {
        Set<Integer> colours = new TreeSet<>();
        for (int y = fromY; y < toY; y++) {
            for (int x = 0; x < picture.getWidth(); x++) {
                colours.add(picture.getRGB(x, y) & 0xffffff);
            }
        }
        return colours;
    }

    private static BufferedImage draw(Volume truth, Volume prediction) {
        return new Overlay(
                        "case 7",
                        TinyModel.scan(1, GEOMETRY),
                        Optional.ofNullable(truth),
                        Optional.ofNullable(prediction),
                        CLASSES)
                .draw();
    }

    @Test
    void is_a_png_file_that_can_be_read() throws IOException {
        Path file = folder.resolve("case.png");
        Overlay overlay = new Overlay(
                "case 7: Dice 0.85",
                TinyModel.scan(1, GEOMETRY),
                Optional.of(box(1, 5, 15)),
                Optional.of(box(1, 6, 16)),
                CLASSES);
        overlay.write(file);
        BufferedImage read = ImageIO.read(file.toFile());
        BufferedImage drawn = overlay.draw();
        assertThat(read.getWidth()).isEqualTo(drawn.getWidth());
        for (int y = 0; y < read.getHeight(); y++) {
            for (int x = 0; x < read.getWidth(); x++) {
                assertThat(read.getRGB(x, y)).isEqualTo(drawn.getRGB(x, y));
            }
        }
    }

    @Test
    void outlines_the_truth_in_the_colour_of_its_class() {
        assertThat(planes(draw(box(1, 5, 15), null))).contains(RED).doesNotContain(BLUE);
        assertThat(planes(draw(box(2, 5, 15), null))).contains(BLUE).doesNotContain(RED);
        assertThat(planes(draw(null, box(1, 5, 15)))).doesNotContain(RED, BLUE);
    }

    @Test
    void fills_the_prediction_with_a_tint_of_its_class() {
        long reddish = planes(draw(null, box(1, 5, 15))).stream()
                .filter(OverlayTests::isReddish)
                .count();
        assertThat(reddish).isGreaterThan(5);
        assertThat(planes(draw(null, box(0, 0, 0)))).noneMatch(OverlayTests::isReddish);
    }

    private static boolean isReddish(int rgb) {
        return (rgb >> 16 & 0xff) > (rgb & 0xff) + 30;
    }

    /** Returns the colours between the title and the legend. */
    private static Set<Integer> planes(BufferedImage picture) {
        return colours(picture, 40, picture.getHeight() - 80);
    }

    @Test
    void keeps_the_patients_proportions_whatever_the_order_of_the_axes() {
        BufferedImage straight = draw(null, null);
        Geometry turned = Geometry.of(new Grid(10, 20, 24), Affine.ofRows(0, -1, 0, 0, 0, 0, 1, 0, -3, 0, 0, 0));
        BufferedImage other =
                new Overlay("case 7", TinyModel.scan(1, turned), Optional.empty(), Optional.empty(), CLASSES).draw();
        // 20×24×30 mm; the longest edge has 360 pixels
        assertThat(straight.getWidth()).isEqualTo(240 + 240 + 288 + 4 * 12);
        assertThat(other.getWidth()).isEqualTo(straight.getWidth());
        assertThat(other.getHeight()).isEqualTo(straight.getHeight());
    }

    @Test
    void shows_the_patients_right_on_the_left_and_anterior_up() {
        float[] values = new float[20 * 24 * 10];
        int[] labels = new int[values.length];
        // right, anterior: large i and j in RAS
        for (int k = 0; k < 10; k++) {
            labels[(18 * 24 + 22) * 10 + k] = 1;
        }
        BufferedImage picture = new Overlay(
                        "x",
                        Volume.of(values, 1, GEOMETRY),
                        Optional.of(Volume.ofLabels(labels, GEOMETRY)),
                        Optional.empty(),
                        CLASSES)
                .draw();
        // the axial plane is 240×288 pixels with its upper left corner at (12, 52): voxels of 12 pixels
        assertThat(picture.getRGB(12 + 12, 52 + 12) & 0xffffff).isEqualTo(RED);
        assertThat(picture.getRGB(12 + 240 - 13, 52 + 12) & 0xffffff).isNotEqualTo(RED);
        assertThat(picture.getRGB(12 + 12, 52 + 288 - 13) & 0xffffff).isNotEqualTo(RED);
    }

    @Test
    void copes_with_a_constant_scan_of_one_slice() {
        Geometry flat = Geometry.of(new Grid(30, 1, 40), Affine.scaling(1, 4, 1));
        BufferedImage picture = new Overlay(
                        "flat", Volume.of(new float[1200], 1, flat), Optional.empty(), Optional.empty(), List.of())
                .draw();
        assertThat(picture.getWidth()).isPositive();
    }

    @Test
    void refuses_labels_of_another_size() {
        Volume other = Volume.ofLabels(new int[8], Geometry.of(new Grid(2, 2, 2), Affine.IDENTITY));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> draw(other, null))
                .withMessage("truth: found a volume of 1×2×2×2, expected one channel of 20×24×10 as the image has");
    }
}

package org.segformer3d.eval.report;

import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import javax.imageio.ImageIO;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.data.dataset.LabelClass;
import org.segformer3d.data.io.AtomicFiles;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Orientation;
import org.segformer3d.data.volume.Volume;

/**
 * A picture of a scan in grey with the prediction as coloured areas and the truth as outlines of the same colours.
 *
 * <p>Three planes (axial, coronal, sagittal), each through the slice with most foreground, in the patient's proportions; anterior or
 * superior is up, the patient's right is on the left. Needs neither a display nor fonts.
 *
 * @param title one line above the picture, ASCII
 * @param image the scan, whose first channel is shown
 * @param truth true labels of the same size, if known
 * @param prediction predicted labels of the same size, if there are any
 * @param classes what the label values mean, without background; where classes share a value the one of fewest values is shown
 */
public record Overlay(
        String title, Volume image, Optional<Volume> truth, Optional<Volume> prediction, List<LabelClass> classes) {
    /** Longest edge of a plane in pixels. */
    private static final int EDGE = 360;

    private static final int MARGIN = 12;
    private static final int TEXT = 2;
    private static final int BACKGROUND = 0x101014;
    private static final int FOREGROUND = 0xe8e8e8;
    private static final double FILL = 0.45;
    private static final List<Plane> PLANES =
            List.of(new Plane("axial", 2, 0, 1), new Plane("coronal", 1, 0, 2), new Plane("sagittal", 0, 1, 2));

    /** A cut perpendicular to an axis of an RAS volume, with the axes that run across and up the picture. */
    private record Plane(String name, int axis, int across, int up) {}

    /** Checks the sizes. */
    public Overlay {
        Objects.requireNonNull(title, "title");
        classes = List.copyOf(classes);
        requireSize("truth", image, truth);
        requireSize("prediction", image, prediction);
    }

    private static void requireSize(String what, Volume image, Optional<Volume> labels) {
        labels.ifPresent(volume -> {
            if (!volume.geometry().size().equals(image.geometry().size()) || volume.channels() != 1) {
                throw new IllegalArgumentException(what + ": found a volume of " + Shapes.text(volume.shape())
                        + ", expected one channel of " + image.geometry().size() + " as the image has");
            }
        });
    }

    /**
     * Writes the picture as PNG, atomically.
     *
     * @param file replaced when it exists; its folder must exist
     * @throws IOException when writing fails
     */
    public void write(Path file) throws IOException {
        ByteArrayOutputStream png = new ByteArrayOutputStream();
        // The memory cache, because ImageIO's default is a file in the temporary folder.
        ImageIO.setUseCache(false);
        if (!ImageIO.write(draw(), "png", png)) {
            throw new IOException(file + ": this Java runtime can't write PNG; use a full JDK 17");
        }
        AtomicFiles.write(file, png::writeTo);
    }

    /** Returns the picture. */
    public BufferedImage draw() {
        Geometry geometry = image.geometry();
        Orientation toRas = Orientation.toRas(geometry.affine());
        Volume scan = toRas.apply(image.channel(0));
        Map<Integer, Integer> classOf = classOf();
        int[] predicted =
                prediction.map(volume -> classes(toRas.apply(volume), classOf)).orElse(null);
        int[] real = truth.map(volume -> classes(toRas.apply(volume), classOf)).orElse(null);
        Grid size = scan.geometry().size();
        double[] spacing = scan.geometry().spacing();
        double longest = 0;
        for (int axis = 0; axis < 3; axis++) {
            longest = Math.max(longest, size.size(axis) * spacing[axis]);
        }
        double scale = EDGE / longest;
        int[] pixels = new int[3];
        for (int axis = 0; axis < 3; axis++) {
            pixels[axis] = (int) Math.max(1, Math.round(size.size(axis) * spacing[axis] * scale));
        }
        int line = PixelFont.lineHeight(TEXT);
        int planesWidth = PLANES.stream().mapToInt(p -> pixels[p.across]).sum() + MARGIN * (PLANES.size() + 1);
        int planesHeight = PLANES.stream().mapToInt(p -> pixels[p.up]).max().orElseThrow();
        int width = Math.max(planesWidth, 2 * MARGIN + Math.max(legendWidth(), PixelFont.width(title, TEXT)));
        int legendLines = classes.size() + 1;
        int height = MARGIN + 2 * line + planesHeight + MARGIN + legendLines * line + MARGIN;
        BufferedImage picture = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        PixelFont.fill(picture, 0, 0, width, height, BACKGROUND);
        PixelFont.draw(picture, MARGIN, MARGIN, title, FOREGROUND, TEXT);
        float[] window = window(scan.values());
        int x = MARGIN;
        int top = MARGIN + 2 * line;
        for (Plane plane : PLANES) {
            int slice = fullest(real, predicted, size, plane.axis);
            PixelFont.draw(picture, x, MARGIN + line, plane.name, FOREGROUND, 1);
            paint(picture, x, top, plane, slice, scan, window, predicted, real, pixels);
            x += pixels[plane.across] + MARGIN;
        }
        legend(picture, top + planesHeight + MARGIN);
        return picture;
    }

    private Map<Integer, Integer> classOf() {
        Map<Integer, Integer> classOf = new HashMap<>();
        for (int c = 0; c < classes.size(); c++) {
            for (int value : classes.get(c).values()) {
                Integer other = classOf.get(value);
                if (other == null
                        || classes.get(c).values().size()
                                < classes.get(other).values().size()) {
                    classOf.put(value, c);
                }
            }
        }
        return classOf;
    }

    /** Returns each voxel's class, or −1. */
    private static int[] classes(Volume labels, Map<Integer, Integer> classOf) {
        float[] values = labels.values();
        int[] result = new int[values.length];
        for (int n = 0; n < result.length; n++) {
            result[n] = values[n] == 0 ? -1 : classOf.getOrDefault(Math.round(values[n]), -1);
        }
        return result;
    }

    /** Returns the grey window: the 1st and the 99th percentile of the values. */
    private static float[] window(float[] values) {
        // Every so many values are enough for percentiles, and sorting all of a large scan takes seconds.
        int step = Math.max(1, values.length / 200_000);
        float[] sample = new float[(values.length + step - 1) / step];
        for (int n = 0; n < sample.length; n++) {
            sample[n] = values[n * step];
        }
        Arrays.sort(sample);
        float low = sample[(int) (0.01 * (sample.length - 1))];
        float high = sample[(int) (0.99 * (sample.length - 1))];
        return new float[] {low, high > low ? high : Math.max(low + 1e-6f, sample[sample.length - 1])};
    }

    private static int fullest(int[] real, int[] predicted, Grid size, int axis) {
        int[] best = {size.size(axis) / 2, 0};
        for (int[] labels : new int[][] {real, predicted}) {
            if (labels == null || best[1] > 0) {
                continue;
            }
            int[] counts = new int[size.size(axis)];
            int n = 0;
            for (int d = 0; d < size.depth(); d++) {
                for (int h = 0; h < size.height(); h++) {
                    for (int w = 0; w < size.width(); w++, n++) {
                        if (labels[n] >= 0) {
                            counts[axis == 0 ? d : axis == 1 ? h : w]++;
                        }
                    }
                }
            }
            for (int slice = 0; slice < counts.length; slice++) {
                if (counts[slice] > best[1]) {
                    best = new int[] {slice, counts[slice]};
                }
            }
        }
        return best[0];
    }

    private static void paint(
            BufferedImage picture,
            int left,
            int top,
            Plane plane,
            int slice,
            Volume scan,
            float[] window,
            int[] predicted,
            int[] real,
            int[] pixels) {
        Grid size = scan.geometry().size();
        int width = pixels[plane.across];
        int height = pixels[plane.up];
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                double grey = sample(scan.values(), size, plane, slice, x, y, width, height);
                int level =
                        (int) Math.round(255 * Math.min(1, Math.max(0, (grey - window[0]) / (window[1] - window[0]))));
                int rgb = level << 16 | level << 8 | level;
                int area = predicted == null ? -1 : label(predicted, size, plane, slice, x, y, width, height);
                if (area >= 0) {
                    rgb = mix(rgb, Palette.colour(area));
                }
                int inside = real == null ? -1 : label(real, size, plane, slice, x, y, width, height);
                if (inside >= 0 && isEdge(real, size, plane, slice, x, y, width, height, inside)) {
                    rgb = Palette.colour(inside);
                }
                picture.setRGB(left + x, top + y, rgb);
            }
        }
    }

    private static boolean isEdge(
            int[] labels, Grid size, Plane plane, int slice, int x, int y, int width, int height, int inside) {
        for (int step = -2; step <= 2; step++) {
            if (step != 0
                    && (label(labels, size, plane, slice, x + step, y, width, height) != inside
                            || label(labels, size, plane, slice, x, y + step, width, height) != inside)) {
                return true;
            }
        }
        return false;
    }

    /** Returns the class at a pixel, −1 beyond the picture. */
    private static int label(int[] labels, Grid size, Plane plane, int slice, int x, int y, int width, int height) {
        if (x < 0 || y < 0 || x >= width || y >= height) {
            return -1;
        }
        // The first axis grows to the patient's right, which is shown on the left; the others grow downwards.
        int a = (width - 1 - x) * size.size(plane.across) / width;
        int u = (height - 1 - y) * size.size(plane.up) / height;
        return labels[index(size, plane, slice, a, u)];
    }

    /** Returns the scan's value at a pixel, interpolated between four voxels. */
    private static double sample(
            float[] values, Grid size, Plane plane, int slice, int x, int y, int width, int height) {
        double a = (width - 0.5 - x) * size.size(plane.across) / width - 0.5;
        double u = (height - 0.5 - y) * size.size(plane.up) / height - 0.5;
        int a0 = (int) Math.floor(a);
        int u0 = (int) Math.floor(u);
        double sum = 0;
        for (int da = 0; da <= 1; da++) {
            for (int du = 0; du <= 1; du++) {
                double weight = (da == 0 ? 1 - (a - a0) : a - a0) * (du == 0 ? 1 - (u - u0) : u - u0);
                int ia = Math.min(size.size(plane.across) - 1, Math.max(0, a0 + da));
                int iu = Math.min(size.size(plane.up) - 1, Math.max(0, u0 + du));
                sum += weight * values[index(size, plane, slice, ia, iu)];
            }
        }
        return sum;
    }

    private static int index(Grid size, Plane plane, int slice, int across, int up) {
        int[] at = new int[3];
        at[plane.axis] = slice;
        at[plane.across] = across;
        at[plane.up] = up;
        return (at[0] * size.height() + at[1]) * size.width() + at[2];
    }

    private static int mix(int grey, int colour) {
        int rgb = 0;
        for (int shift = 0; shift <= 16; shift += 8) {
            double part = (1 - FILL) * (grey >> shift & 0xff) + FILL * (colour >> shift & 0xff);
            rgb |= (int) Math.round(part) << shift;
        }
        return rgb;
    }

    private String key() {
        if (truth.isPresent() && prediction.isPresent()) {
            return "area: prediction, outline: truth";
        }
        return prediction.isPresent() ? "area: prediction" : truth.isPresent() ? "outline: truth" : "image only";
    }

    private int legendWidth() {
        int width = PixelFont.width(key(), TEXT);
        int swatch = PixelFont.lineHeight(TEXT) * 2;
        for (LabelClass one : classes) {
            width = Math.max(width, swatch + PixelFont.width(one.name(), TEXT));
        }
        return width;
    }

    private void legend(BufferedImage picture, int top) {
        int line = PixelFont.lineHeight(TEXT);
        PixelFont.draw(picture, MARGIN, top, key(), FOREGROUND, TEXT);
        for (int c = 0; c < classes.size(); c++) {
            int y = top + (c + 1) * line;
            int colour = Palette.colour(c);
            int box = PixelFont.lineHeight(TEXT) - 3 * TEXT;
            PixelFont.fill(picture, MARGIN, y, 2 * box, box, colour);
            PixelFont.fill(picture, MARGIN + 2, y + 2, 2 * box - 4, box - 4, mix(0x606060, colour));
            PixelFont.draw(picture, MARGIN + 2 * line, y, classes.get(c).name(), FOREGROUND, TEXT);
        }
    }
}

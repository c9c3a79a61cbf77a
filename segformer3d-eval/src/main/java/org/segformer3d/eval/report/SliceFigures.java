package org.segformer3d.eval.report;

import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.Base64;
import java.util.List;
import javax.imageio.ImageIO;
import org.segformer3d.api.block.Grid;
import org.segformer3d.data.dataset.LabelClass;
import org.segformer3d.data.volume.Orientation;
import org.segformer3d.data.volume.Volume;

/**
 * A case's slices in three planes as drawings: the scan in grey, truth and prediction as outlines.
 *
 * <p>Each plane goes through the slice with most of the truth, all at the same scale, cut to the surroundings of the labels. Anterior or
 * superior is up, the patient's right is on the left.
 */
final class SliceFigures {
    private static final List<Plane> PLANES = List.of(
            new Plane("Axial", 2, 0, 1, "R", "L"),
            new Plane("Coronal", 1, 0, 2, "R", "L"),
            new Plane("Sagittal", 0, 1, 2, "A", "P"));

    /** How much of the surroundings is shown, in extents of the labels, and at least in mm. */
    private static final double SURROUNDINGS = 1.7;

    private static final double LEAST_MM = 40;

    private final List<LabelClass> classes;
    private final Volume image;
    private final boolean hasImage;
    private final float[] truth;
    private final float[] prediction;
    private final Grid size;
    private final double[] spacing;
    private final int[] slices = new int[3];
    private final int[] from = new int[3];
    private final int[] to = new int[3];

    /** A cut perpendicular to an axis of an RAS volume, with the axes that run across and up the picture and what lies left and right. */
    private record Plane(String name, int axis, int across, int up, String left, String right) {}

    SliceFigures(CaseVolumes volumes, List<LabelClass> classes) {
        this.classes = classes;
        Orientation toRas = Orientation.toRas(volumes.truth().geometry().affine());
        Volume ras = toRas.apply(volumes.truth());
        truth = ras.values();
        prediction = toRas.apply(volumes.prediction()).values();
        hasImage = volumes.image().isPresent();
        image = volumes.image().map(toRas::apply).orElse(ras);
        size = ras.geometry().size();
        spacing = ras.geometry().spacing();
        look();
    }

    /** Finds the slices and what is around the labels. */
    private void look() {
        int[][] counts = new int[3][];
        int[][] predicted = new int[3][];
        for (int axis = 0; axis < 3; axis++) {
            counts[axis] = new int[size.size(axis)];
            predicted[axis] = new int[size.size(axis)];
            from[axis] = size.size(axis);
        }
        int n = 0;
        for (int d = 0; d < size.depth(); d++) {
            for (int h = 0; h < size.height(); h++) {
                for (int w = 0; w < size.width(); w++, n++) {
                    boolean t = isScored(truth[n]);
                    boolean p = isScored(prediction[n]);
                    int[] at = {d, h, w};
                    for (int axis = 0; axis < 3 && (t || p); axis++) {
                        counts[axis][at[axis]] += t ? 1 : 0;
                        predicted[axis][at[axis]] += p ? 1 : 0;
                        from[axis] = Math.min(from[axis], at[axis]);
                        to[axis] = Math.max(to[axis], at[axis] + 1);
                    }
                }
            }
        }
        double side = 0;
        for (int axis = 0; axis < 3; axis++) {
            int full = fullest(counts[axis]);
            slices[axis] = full >= 0 ? full : Math.max(fullest(predicted[axis]), 0);
            side = Math.max(side, (to[axis] - from[axis]) * spacing[axis]);
        }
        if (to[0] == 0) {
            for (int axis = 0; axis < 3; axis++) {
                slices[axis] = size.size(axis) / 2;
                from[axis] = 0;
                to[axis] = size.size(axis);
            }
            return;
        }
        side = Math.max(LEAST_MM, side * SURROUNDINGS);
        for (int axis = 0; axis < 3; axis++) {
            double centre = (from[axis] + to[axis]) / 2.0;
            double half = side / 2 / spacing[axis];
            from[axis] = (int) Math.max(0, Math.floor(centre - half));
            to[axis] = (int) Math.min(size.size(axis), Math.ceil(centre + half));
        }
    }

    private boolean isScored(float value) {
        if (value == 0) {
            return false;
        }
        for (LabelClass one : classes) {
            if (one.values().contains(Math.round(value))) {
                return true;
            }
        }
        return false;
    }

    private static int fullest(int... counts) {
        int best = -1;
        int most = 0;
        for (int slice = 0; slice < counts.length; slice++) {
            if (counts[slice] > most) {
                most = counts[slice];
                best = slice;
            }
        }
        return best;
    }

    /** Returns where the three slices cross, as shares of the axes to the right, to the front and up. */
    double[] crossing() {
        double[] shares = new double[3];
        for (int axis = 0; axis < 3; axis++) {
            shares[axis] = (slices[axis] + 0.5) / size.size(axis);
        }
        return shares;
    }

    /** Returns the figures. */
    String html() throws IOException {
        float[] window = CaseVolumes.window(image.values(), 0.01, 0.99);
        StringBuilder html = new StringBuilder("<div class=\"planes\">");
        for (Plane plane : PLANES) {
            int across = to[plane.across] - from[plane.across];
            int up = to[plane.up] - from[plane.up];
            double width = across * spacing[plane.across];
            double height = up * spacing[plane.up];
            String w = Html.coordinate(width);
            String h = Html.coordinate(height);
            html.append(
                    "<figure style=\"flex-grow:%s\"><svg viewBox=\"0 0 %s %s\" role=\"img\" aria-label=\"%s slice\">"
                            .formatted(w, w, h, plane.name));
            if (hasImage) {
                html.append(
                        "<image width=\"%s\" height=\"%s\" preserveAspectRatio=\"none\" href=\"data:image/png;base64,%s\"/>"
                                .formatted(w, h, png(plane, window)));
            }
            for (int c = 0; c < classes.size(); c++) {
                outline(html, "truth", truth, plane, c);
            }
            for (int c = 0; c < classes.size(); c++) {
                outline(html, "prediction", prediction, plane, c);
            }
            html.append("</svg><figcaption>%s, slice %d of %d, %s on the left</figcaption></figure>"
                    .formatted(
                            plane.name,
                            slices[plane.axis] + 1,
                            size.size(plane.axis),
                            plane.left.equals("R") ? "right" : "anterior"));
        }
        return html.append("</div>").toString();
    }

    private void outline(StringBuilder html, String kind, float[] labels, Plane plane, int classIndex) {
        LabelClass one = classes.get(classIndex);
        int across = to[plane.across] - from[plane.across];
        int up = to[plane.up] - from[plane.up];
        boolean[] mask = new boolean[across * up];
        for (int y = 0; y < up; y++) {
            for (int x = 0; x < across; x++) {
                mask[y * across + x] = one.values().contains(Math.round(labels[index(plane, x, y)]));
            }
        }
        String path = Contours.path(mask, across, up, spacing[plane.across], spacing[plane.up]);
        if (!path.isEmpty()) {
            html.append("<path class=\"contour %s\" d=\"%s\"><title>%s: %s</title></path>"
                    .formatted(kind, path, kind, Html.escape(one.name())));
        }
    }

    /** Returns the voxel at a pixel: the first axis grows to the patient's right, which is on the left, the others grow downwards. */
    private int index(Plane plane, int x, int y) {
        int[] at = new int[3];
        at[plane.axis] = slices[plane.axis];
        at[plane.across] = to[plane.across] - 1 - x;
        at[plane.up] = to[plane.up] - 1 - y;
        return (at[0] * size.height() + at[1]) * size.width() + at[2];
    }

    private String png(Plane plane, float... window) throws IOException {
        int across = to[plane.across] - from[plane.across];
        int up = to[plane.up] - from[plane.up];
        BufferedImage picture = new BufferedImage(across, up, BufferedImage.TYPE_BYTE_GRAY);
        for (int y = 0; y < up; y++) {
            for (int x = 0; x < across; x++) {
                picture.getRaster().setSample(x, y, 0, CaseVolumes.grey(image.values()[index(plane, x, y)], window));
            }
        }
        ByteArrayOutputStream png = new ByteArrayOutputStream();
        // The memory cache, because ImageIO's default is a file in the temporary folder.
        ImageIO.setUseCache(false);
        if (!ImageIO.write(picture, "png", png)) {
            throw new IOException("this Java runtime can't write PNG; use a full JDK 17");
        }
        return Base64.getEncoder().encodeToString(png.toByteArray());
    }
}

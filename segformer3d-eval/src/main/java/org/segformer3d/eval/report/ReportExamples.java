package org.segformer3d.eval.report;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import org.segformer3d.data.dataset.LabelClass;
import org.segformer3d.eval.metrics.CaseScores;
import org.segformer3d.eval.metrics.EvaluationSummary;
import org.segformer3d.eval.metrics.Measure;
import org.segformer3d.eval.metrics.SurfaceMeasure;

/**
 * The cases that a report shows: the worst, the median and the best one, as slices and in an interactive viewer.
 *
 * @param cases files of the cases, those that may be shown
 * @param channels names of the scans' channels, empty where they have none
 */
record ReportExamples(List<ReportCase> cases, List<String> channels) {
    /** Adds the slices and the viewer of some cases, and returns whether there is a viewer. */
    boolean write(StringBuilder page, EvaluationSummary scores) throws IOException {
        Map<String, CaseScores> chosen = chosen(scores);
        if (chosen.isEmpty()) {
            return false;
        }
        Map<String, ReportCase> files = byId();
        page.append("<section>\n<h2>Worst, median and best case</h2>\n<ul class=\"legend\">")
                .append(line("truth", "truth"))
                .append(line("prediction", "prediction"))
                .append("</ul>\n");
        StringBuilder data = new StringBuilder();
        List<Map<String, Object>> viewed = new ArrayList<>();
        TreeSet<Integer> values = new TreeSet<>();
        String reduced = null;
        for (Map.Entry<String, CaseScores> entry : chosen.entrySet()) {
            CaseScores one = entry.getValue();
            page.append("<div class=\"case\"><h3>%s <span class=\"rank\">%s</span></h3><p class=\"quiet\">%s</p>"
                    .formatted(Html.escape(one.id()), entry.getKey(), Html.escape(line(scores, one))));
            try {
                CaseVolumes volumes = CaseVolumes.read(files.get(one.id()));
                SliceFigures slices = new SliceFigures(volumes, scores.classes());
                page.append(slices.html());
                int count = volumes.channels().size();
                if (count == 0) {
                    page.append("<p class=\"quiet\">The scan itself isn't at hand (see evaluate's --images).</p>");
                } else if (count > 1) {
                    page.append(
                            "<p class=\"quiet\">The slices show the first of %d channels, %s; the viewer has all.</p>"
                                    .formatted(count, Html.escape(channel(0, count))));
                }
                ViewerVolume small = new ViewerVolume(volumes.truth().geometry(), count);
                if (small.isReduced()) {
                    reduced = small.size() + " of " + volumes.truth().geometry().size() + " voxels";
                }
                viewed.add(viewed(data, entry.getKey(), one, volumes, small, slices.crossing(), viewed.size()));
                for (float value : volumes.truth().values()) {
                    values.add((int) value);
                }
                for (float value : volumes.prediction().values()) {
                    values.add((int) value);
                }
            } catch (IOException | IllegalStateException | IllegalArgumentException e) {
                page.append("<p>This case can't be shown: ")
                        .append(Html.escape(e.getMessage()))
                        .append("</p>");
            }
            page.append("</div>\n");
        }
        page.append("</section>\n");
        Optional<byte[]> library = Viewer.library();
        if (viewed.isEmpty()) {
            return false;
        }
        page.append("<section class=\"interactive\">\n<h2>Viewer</h2>\n");
        if (library.isEmpty()) {
            page.append(
                    "<p>This program was built without npm and so without the interactive viewer.</p>\n</section>\n");
            return false;
        }
        page.append(
                        "<p class=\"quiet\">Click or drag to move through the scan, scroll to change the slice, turn the 3D view by dragging. ")
                .append("To keep this page small it holds the scans in 256 grey levels")
                .append(reduced == null ? ", in full resolution" : " and reduced (" + reduced + ")")
                .append(
                        ".</p>\n<div class=\"viewer\" id=\"viewer\"><noscript>The viewer needs JavaScript.</noscript></div>\n</section>\n");
        Map<String, Object> specification = new LinkedHashMap<>();
        specification.put("library", Map.of("element", "viewer-library"));
        specification.put("cases", viewed);
        specification.put("labels", Viewer.labels(names(scores.classes(), values)));
        page.append(data)
                .append("<script type=\"text/plain\" id=\"viewer-library\">")
                .append(Viewer.packed(library.get()))
                .append("</script>\n<script type=\"application/json\" id=\"viewer-specification\">")
                .append(Viewer.json(specification))
                .append("</script>\n");
        return true;
    }

    /** Returns the worst, the median and the best of the cases whose files are at hand, each once. */
    private Map<String, CaseScores> chosen(EvaluationSummary scores) {
        Map<String, ReportCase> files = byId();
        List<CaseScores> ordered = scores.worstFirst().stream()
                .filter(one -> files.containsKey(one.id()) && !Double.isNaN(one.mean(Measure.DICE)))
                .toList();
        Map<String, CaseScores> chosen = new LinkedHashMap<>();
        if (ordered.isEmpty()) {
            return chosen;
        }
        chosen.put("worst", ordered.get(0));
        if (ordered.size() > 2) {
            chosen.put("median", ordered.get((ordered.size() - 1) / 2));
        }
        if (ordered.size() > 1) {
            chosen.put("best", ordered.get(ordered.size() - 1));
        }
        return chosen;
    }

    private Map<String, ReportCase> byId() {
        Map<String, ReportCase> files = new HashMap<>();
        cases.forEach(one -> files.put(one.id(), one));
        return files;
    }

    private static String line(String kind, String name) {
        return "<li><svg viewBox=\"0 0 24 12\" aria-hidden=\"true\"><path class=\"contour %s\" d=\"M1 6H23\"/></svg>%s</li>"
                .formatted(kind, name);
    }

    /** Returns a case's scores in one line. */
    private static String line(EvaluationSummary scores, CaseScores one) {
        List<String> parts = new ArrayList<>();
        for (int c = 0; c < scores.classes().size(); c++) {
            parts.add(scores.classes().get(c).name() + " Dice " + Html.number(one.get(Measure.DICE, c), 3) + ", HD95 "
                    + Html.number(one.get(SurfaceMeasure.HD95_MM, c), 1) + " mm");
        }
        return String.join(" · ", parts);
    }

    /** Returns what a channel is called. */
    private String channel(int number, int count) {
        return channels.size() == count ? channels.get(number) : "Channel " + (number + 1);
    }

    private Map<String, Object> viewed(
            StringBuilder data,
            String rank,
            CaseScores one,
            CaseVolumes volumes,
            ViewerVolume small,
            double[] start,
            int number)
            throws IOException {
        List<Map<String, Object>> layers = new ArrayList<>();
        List<Map<String, Object>> images = new ArrayList<>();
        int count = volumes.channels().size();
        for (int c = 0; c < count; c++) {
            images.add(source(
                    data,
                    channel(c, count),
                    "v" + number + "i" + c,
                    small.image(volumes.channels().get(c))));
        }
        if (count == 0) {
            // Without the scan, the viewer still needs a volume to draw on.
            images.add(source(data, "none", "v" + number + "i", small.labels(volumes.truth())));
        }
        layers.add(Viewer.scan(images, count > 0));
        layers.add(layer(data, "Truth", "v" + number + "t", small.labels(volumes.truth())));
        layers.add(layer(data, "Prediction", "v" + number + "p", small.labels(volumes.prediction())));
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("name", one.id() + " (" + rank + ")");
        map.put("start", Arrays.stream(start).boxed().toList());
        map.put("layers", layers);
        return map;
    }

    private static Map<String, Object> layer(StringBuilder data, String name, String id, String base64) {
        return Viewer.labelLayer(source(data, name, id, base64));
    }

    private static Map<String, Object> source(StringBuilder data, String name, String id, String base64) {
        data.append("<script type=\"text/plain\" id=\"%s\">%s</script>\n".formatted(id, base64));
        return Viewer.source(name, Map.of("element", id), id + ".nii.gz");
    }

    /** Returns what label values are called: by the class of fewest values, with the value where it is one of several. */
    private static Map<Integer, String> names(List<LabelClass> classes, TreeSet<Integer> occurring) {
        Map<Integer, String> names = new TreeMap<>();
        for (LabelClass one : classes.stream()
                .sorted((a, b) -> Integer.compare(a.values().size(), b.values().size()))
                .toList()) {
            for (int value : one.values()) {
                if (occurring.contains(value)) {
                    names.putIfAbsent(value, one.isRegion() ? one.name() + " (" + value + ")" : one.name());
                }
            }
        }
        names.remove(0);
        return names;
    }
}

package org.segformer3d.eval.report;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.zip.GZIPOutputStream;
import org.segformer3d.eval.result.Json;

/** What the interactive viewer consists of: NiiVue, which the build fetches, our controls around it, and the pages' style. */
public final class Viewer {
    private static final String LIBRARY = "niivue.umd.js";

    private Viewer() {}

    /** Returns NiiVue's script, empty when this was built without npm. */
    public static Optional<byte[]> library() throws IOException {
        try (InputStream in = Viewer.class.getResourceAsStream(LIBRARY)) {
            return in == null ? Optional.empty() : Optional.of(in.readAllBytes());
        }
    }

    /** Returns the script that defines {@code segformerViewer(element, specification)}; it says itself what a specification is. */
    public static String script() throws IOException {
        return text("viewer.js");
    }

    /** Returns the style sheet of reports and viewer. */
    public static String style() throws IOException {
        return text("report.css");
    }

    /** Returns NiiVue's licence, which has to be where its script is. */
    public static String licence() throws IOException {
        return text("niivue-license.txt");
    }

    /** Returns what the viewer shows for label values: their names and colours. */
    public static List<Map<String, Object>> labels(Map<Integer, String> names) {
        List<Map<String, Object>> labels = new ArrayList<>();
        names.forEach((value, name) -> {
            Map<String, Object> one = new LinkedHashMap<>();
            one.put("value", value);
            one.put("name", name);
            one.put("color", Palette.channels(labels.size()));
            labels.add(one);
        });
        return labels;
    }

    /**
     * Returns a file of a specification.
     *
     * @param name what it is called
     * @param source {@code element}: the script with its base64, or {@code url}
     * @param file a file name, for its ending
     */
    public static Map<String, Object> source(String name, Map<String, String> source, String file) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("name", name);
        map.put("source", source);
        map.put("file", file);
        return map;
    }

    /**
     * Returns the layer of a scan, of which the viewer shows one channel at a time.
     *
     * @param channels at least one, see {@link #source}
     * @param on whether it is shown at first
     */
    public static Map<String, Object> scan(List<Map<String, Object>> channels, boolean on) {
        return layer("Scan", "image", channels, on);
    }

    /** Returns the layer of a label volume, see {@link #source}. */
    public static Map<String, Object> labelLayer(Map<String, Object> source) {
        return layer(source.get("name"), "labels", List.of(source), true);
    }

    private static Map<String, Object> layer(Object name, String kind, List<Map<String, Object>> channels, boolean on) {
        Map<String, Object> layer = new LinkedHashMap<>();
        layer.put("name", name);
        layer.put("kind", kind);
        layer.put("channels", List.copyOf(channels));
        layer.put("on", on);
        return layer;
    }

    /** Returns a specification as it may stand in a script element. */
    public static String json(Map<String, ?> specification) {
        return Json.pretty(specification).replace("<", "\\u003c");
    }

    /** Returns bytes as the base64 of their gzip form. */
    static String packed(byte[] bytes) throws IOException {
        ByteArrayOutputStream packed = new ByteArrayOutputStream();
        try (GZIPOutputStream out = new GZIPOutputStream(packed)) {
            out.write(bytes);
        }
        return Base64.getEncoder().encodeToString(packed.toByteArray());
    }

    private static String text(String resource) throws IOException {
        try (InputStream in = Viewer.class.getResourceAsStream(resource)) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }
}

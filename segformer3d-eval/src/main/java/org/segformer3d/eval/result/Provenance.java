package org.segformer3d.eval.result;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import org.segformer3d.api.backend.Backend;

/** What a result must say about itself so that it can be repeated. */
public final class Provenance {
    private Provenance() {}

    /** Returns the version of SegFormer3D for Java, for example {@code 0.1.0}. */
    public static String version() {
        try (InputStream in = Provenance.class.getResourceAsStream("version.properties")) {
            Properties properties = new Properties();
            properties.load(in);
            return properties.getProperty("version");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Returns what made a result without a backend: {@code software}, {@code version}, {@code java}, {@code platform}, {@code created}. */
    public static Map<String, Object> ofSoftware() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("software", "SegFormer3D for Java");
        map.put("version", version());
        map.put("java", System.getProperty("java.version"));
        map.put("platform", System.getProperty("os.name") + " " + System.getProperty("os.arch"));
        map.put("created", Instant.now().truncatedTo(ChronoUnit.SECONDS).toString());
        return map;
    }

    /**
     * Returns what made a result with a backend: all of {@link #ofSoftware()} and {@code backend}, {@code backend_versions},
     * {@code device}, {@code compute_type}, {@code threads}.
     */
    public static Map<String, Object> of(Backend backend) {
        Map<String, Object> map = ofSoftware();
        map.put("backend", backend.name());
        map.put("backend_versions", new TreeMap<>(backend.versions()));
        map.put("device", backend.device().toString());
        map.put("compute_type", backend.options().computeType().toString());
        map.put("threads", backend.options().threads());
        return map;
    }
}

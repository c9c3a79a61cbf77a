package org.segformer3d.api.export;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import org.segformer3d.api.config.ConfigException;

/** Finds exporters by the name of their format. */
public final class NetworkExporters {
    private static final Map<String, String> KNOWN_ARTIFACTS = Map.of(
            "onnx", "org.segformer3d:segformer3d-onnx",
            "torchscript", "org.segformer3d:segformer3d-backend-libtorch");

    private NetworkExporters() {}

    /** Returns every exporter on the class path or module path, by name. */
    public static List<NetworkExporter> all() {
        List<NetworkExporter> found = new ArrayList<>();
        ServiceLoader.load(NetworkExporter.class).forEach(found::add);
        found.sort(Comparator.comparing(NetworkExporter::format));
        return List.copyOf(found);
    }

    /**
     * Returns the exporter of a format.
     *
     * @throws ConfigException when there is none; the message lists the formats there are, and the artifact to add where it is known
     */
    public static NetworkExporter of(String format) {
        List<NetworkExporter> all = all();
        for (NetworkExporter exporter : all) {
            if (exporter.format().equals(format)) {
                return exporter;
            }
        }
        List<String> formats = all.stream().map(NetworkExporter::format).toList();
        throw ConfigException.of(
                "format",
                "'" + format + "'",
                (formats.isEmpty() ? "an exporter on the class path" : String.join(" or ", formats))
                        + (KNOWN_ARTIFACTS.containsKey(format)
                                ? "; add the artifact " + KNOWN_ARTIFACTS.get(format) + " to the class path"
                                : ""));
    }
}

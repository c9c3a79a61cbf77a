package org.segformer3d.api.network;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.TreeMap;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.config.Suggestions;

/** Finds architectures by {@code model_name}. */
public final class Architectures {
    /** The architecture where none is named. */
    public static final String DEFAULT = SegFormer3D.NAME;

    private Architectures() {}

    /** Returns every architecture on the class path or module path by its name, {@value #DEFAULT} first. */
    public static Map<String, Architecture> all() {
        Map<String, Architecture> found = new TreeMap<>();
        ServiceLoader.load(Architecture.class).forEach(architecture -> found.put(architecture.name(), architecture));
        Map<String, Architecture> ordered = new LinkedHashMap<>();
        ordered.put(DEFAULT, new SegFormer3D());
        ordered.putAll(found);
        return ordered;
    }

    /**
     * Returns the architecture of that name.
     *
     * @throws ConfigException when there is none; the message lists the names there are
     */
    public static Architecture of(String name) {
        Map<String, Architecture> all = all();
        Architecture architecture = all.get(name);
        if (architecture == null) {
            throw ConfigException.of(
                    "model_name",
                    "'" + name + "'",
                    "one of the architectures on the class path " + all.keySet()
                            + Suggestions.nearest(name, all.keySet())
                                    .map(near -> "; did you mean '" + near + "'?")
                                    .orElse(""));
        }
        return architecture;
    }

    /**
     * Returns a network.
     *
     * @param name the section {@code model_name}
     * @param parameters the section {@code model_parameters}
     * @throws ConfigException when there is no such architecture or a parameter doesn't fit it
     */
    public static Network network(String name, Map<String, ?> parameters) {
        return of(name).configure(parameters);
    }
}

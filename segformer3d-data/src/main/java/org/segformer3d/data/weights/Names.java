package org.segformer3d.data.weights;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.segformer3d.data.io.CorruptFileException;

/** Names of weights: what training wrappers put before them, and how they are listed in messages. */
final class Names {
    private static final int LISTED = 8;

    /** What DistributedDataParallel, Lightning modules, Accelerate and averaged models put before every name. */
    private static final List<String> PREFIXES = List.of("module.", "model.", "net.", "network.");

    /** {@code torch.compile} puts this before the names of whatever it wraps, also inside a name. */
    private static final String COMPILED = "_orig_mod.";

    /** The only entry that {@code AveragedModel} adds beside its {@code module.} names. */
    private static final String AVERAGED = "n_averaged";

    private Names() {}

    /** Returns at most eight of the names, for a message. */
    static String list(Collection<?> names) {
        return names.isEmpty()
                ? "nothing"
                : names.stream().limit(LISTED).map(String::valueOf).collect(Collectors.joining(", "))
                        + (names.size() > LISTED ? " and " + (names.size() - LISTED) + " more" : "");
    }

    /**
     * Returns the entries under the names they have in the bare network: wrappers' prefixes are dropped when every name has them.
     *
     * @param file named in the message when two names become one
     */
    static <V> Map<String, V> withoutPrefixes(Map<String, V> entries, String file) throws CorruptFileException {
        Map<String, V> current = new LinkedHashMap<>();
        for (Map.Entry<String, V> entry : entries.entrySet()) {
            put(current, entry.getKey().replace(COMPILED, ""), entry.getValue(), file);
        }
        for (boolean changed = true; changed; ) {
            changed = false;
            for (String prefix : PREFIXES) {
                boolean all = !current.isEmpty()
                        && current.keySet().stream()
                                .allMatch(name ->
                                        name.startsWith(prefix) || prefix.equals("module.") && name.equals(AVERAGED))
                        && current.keySet().stream().anyMatch(name -> name.startsWith(prefix));
                if (all) {
                    Map<String, V> shorter = new LinkedHashMap<>();
                    current.remove(AVERAGED);
                    for (Map.Entry<String, V> entry : current.entrySet()) {
                        put(shorter, entry.getKey().substring(prefix.length()), entry.getValue(), file);
                    }
                    current = shorter;
                    changed = true;
                }
            }
        }
        return current;
    }

    private static <V> void put(Map<String, V> map, String name, V value, String file) throws CorruptFileException {
        if (map.put(name, value) != null) {
            throw new CorruptFileException(
                    file, "two entries are named '" + name + "' once wrappers' prefixes are dropped");
        }
    }
}

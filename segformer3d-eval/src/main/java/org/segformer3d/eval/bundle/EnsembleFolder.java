package org.segformer3d.eval.bundle;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.data.io.AtomicFiles;
import org.segformer3d.eval.result.Json;

/**
 * A folder of bundles that predict together.
 *
 * <pre>
 * ensemble.json   format "segformer3d-ensemble", version, and the names of the members' folders in order
 * fold-0/ …       the members, bundles by themselves
 * </pre>
 */
public final class EnsembleFolder {
    private static final String FORMAT = "segformer3d-ensemble";
    private static final int VERSION = 1;
    private static final String DESCRIPTION = "ensemble.json";

    private EnsembleFolder() {}

    /** Returns whether a path is such a folder. */
    public static boolean isEnsemble(Path path) {
        return Files.isRegularFile(path.resolve(DESCRIPTION));
    }

    /**
     * Writes bundles atomically; an older ensemble there is replaced.
     *
     * @param target the folder, never {@code null}
     * @param members at least one
     * @param prefix of the members' folders, whose names end in their number from 0
     * @throws IOException when writing fails; what was there stays
     */
    public static void write(Path target, List<ModelBundle> members, String prefix) throws IOException {
        List<String> names = new ArrayList<>();
        for (int m = 0; m < members.size(); m++) {
            names.add(prefix + m);
        }
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("format", FORMAT);
        map.put("version", VERSION);
        map.put("members", names);
        AtomicFiles.replaceDirectory(target, folder -> {
            for (int m = 0; m < members.size(); m++) {
                members.get(m).write(folder.resolve(names.get(m)));
            }
            Files.writeString(folder.resolve(DESCRIPTION), Json.pretty(map));
        });
    }

    /**
     * Returns the members' folders.
     *
     * @throws ConfigException when the description is something else
     * @throws IOException when it can't be read
     */
    public static List<Path> members(Path folder) throws IOException {
        Path file = folder.resolve(DESCRIPTION);
        Map<String, Object> map;
        try {
            map = Json.parse(Files.readString(file));
        } catch (IOException e) {
            throw new IOException(file + ": can't be read as JSON (" + e.getMessage() + ")", e);
        }
        if (!FORMAT.equals(map.get("format"))) {
            throw ConfigException.of(file + ": format", map.get("format"), FORMAT);
        }
        if (!Integer.valueOf(VERSION).equals(map.get("version"))) {
            throw ConfigException.of(
                    file + ": version", map.get("version"), VERSION + "; a newer version of this software may read it");
        }
        List<Path> members = new ArrayList<>();
        if (map.get("members") instanceof List<?> names) {
            for (Object name : names) {
                // A name, not a path: an ensemble refers to nothing outside its folder.
                if (!(name instanceof String text) || !text.matches("[A-Za-z0-9][A-Za-z0-9._-]*")) {
                    throw ConfigException.of(file + ": members", name, "names of folders beside it");
                }
                members.add(folder.resolve(text));
            }
        }
        if (members.isEmpty()) {
            throw ConfigException.of(file + ": members", map.get("members"), "a list of names of folders beside it");
        }
        return members;
    }
}

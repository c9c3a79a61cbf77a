package org.segformer3d.train.run;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.segformer3d.data.io.AtomicFiles;
import org.segformer3d.data.io.Sha256;
import org.segformer3d.eval.result.Json;

/**
 * What a run was made of, in its folder's provenance.json: for every start and resumption the software, backend and device; the seed,
 * the configuration's hash, and the content of the data.
 */
final class RunProvenance {
    private static final String RUNS = "runs";
    private static final String FILES = "files";

    private final Path file;
    private final List<Object> runs = new ArrayList<>();
    private final Map<String, Map<String, Object>> known = new LinkedHashMap<>();

    private RunProvenance(Path file) {
        this.file = file;
    }

    /**
     * Opens what earlier parts of the run wrote; nothing is written yet.
     *
     * @param resumes whether there is a checkpoint, so that the data must be what they were
     */
    static RunProvenance open(Path file, boolean resumes) throws IOException {
        RunProvenance provenance = new RunProvenance(file);
        if (Files.isRegularFile(file)) {
            try {
                Map<String, Object> map = Json.parse(Files.readString(file));
                if (map.get(RUNS) instanceof List<?> list) {
                    provenance.runs.addAll(list);
                }
                if (resumes && map.get(FILES) instanceof List<?> list) {
                    for (Object one : list) {
                        Map<String, Object> entry = new LinkedHashMap<>();
                        ((Map<?, ?>) one).forEach((key, value) -> entry.put(String.valueOf(key), value));
                        provenance.known.put(String.valueOf(entry.get("file")), entry);
                    }
                }
            } catch (com.fasterxml.jackson.core.JsonProcessingException | ClassCastException e) {
                throw new RunFolderException(
                        file, "not readable (" + e.getClass().getSimpleName() + "); delete it to go on without it");
            }
        }
        return provenance;
    }

    /**
     * Writes the file with one more run in it.
     *
     * @param run what runs now
     * @param general what holds for all of them
     * @param data files of the data
     * @param hashes whether their content is hashed
     * @throws RunFolderException when a file's content isn't what an earlier part of the run was trained on; nothing is written then
     */
    void write(Map<String, Object> run, Map<String, Object> general, List<Path> data, boolean hashes)
            throws IOException {
        List<Object> all = new ArrayList<>(runs);
        all.add(run);
        Map<String, Object> map = new LinkedHashMap<>(general);
        map.put(RUNS, all);
        if (hashes) {
            map.put(FILES, hashed(data));
        }
        AtomicFiles.writeString(file, Json.pretty(map));
    }

    private List<Map<String, Object>> hashed(List<Path> data) throws IOException {
        List<Path> files = new ArrayList<>(new TreeSet<>(data));
        try {
            // Hashing takes a processor's whole attention, so all take part.
            return files.parallelStream().map(this::entry).toList();
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
    }

    private Map<String, Object> entry(Path path) {
        try {
            long bytes = Files.size(path);
            String modified = Files.getLastModifiedTime(path).toString();
            Map<String, Object> before = known.get(path.toString());
            if (before != null
                    && modified.equals(before.get("modified"))
                    && before.get("bytes") instanceof Number size
                    && size.longValue() == bytes) {
                return before;
            }
            Map<String, Object> entry = new LinkedHashMap<>();
            entry.put("file", path.toString());
            entry.put("bytes", bytes);
            entry.put("modified", modified);
            entry.put("sha256", Sha256.of(path));
            if (before != null && !entry.get("sha256").equals(before.get("sha256"))) {
                throw new RunFolderException(
                        file.getParent(),
                        "can't go on from the checkpoint: the data set has changed (" + path
                                + " has another content); put it back, or start a new run in another folder");
            }
            return entry;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}

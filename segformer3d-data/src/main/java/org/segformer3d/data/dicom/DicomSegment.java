package org.segformer3d.data.dicom;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.TreeSet;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.data.labels.Region;

/**
 * A segment of a DICOM-SEG.
 *
 * @param name its label
 * @param values the values that its voxels have in a label map, none of them 0
 * @param category what kind of thing it is
 * @param type what it is
 */
public record DicomSegment(String name, Collection<Integer> values, DicomCode category, DicomCode type) {
    private static final Map<String, Meaning> KNOWN = read();

    private record Meaning(DicomCode category, DicomCode type) {}

    /** Copies the values. */
    public DicomSegment {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(category, "category");
        Objects.requireNonNull(type, "type");
        values = List.copyOf(new TreeSet<>(values));
    }

    /**
     * Returns the segments of label maps: one a region, the background left out.
     *
     * @param labels what the maps' values mean
     * @param codes what regions are, by name: {@code SCHEME:VALUE:MEANING}, or two of them separated by {@code /}, the category first;
     *     the others' codes follow from their names where those are well known, and are those of tissue otherwise
     * @throws ConfigException when a code is written otherwise or is that of no region
     */
    public static List<DicomSegment> of(LabelSpec labels, Map<String, String> codes) {
        Map<String, Meaning> given = new HashMap<>();
        codes.forEach((name, text) -> {
            if (!labels.names().contains(name)) {
                throw ConfigException.of("code of a class", "'" + name + "'", "one of " + labels.names());
            }
            int split = text.indexOf('/');
            given.put(
                    name,
                    split < 0
                            ? new Meaning(DicomCode.ANATOMY, DicomCode.parse(text))
                            : new Meaning(
                                    DicomCode.parse(text.substring(0, split)),
                                    DicomCode.parse(text.substring(split + 1))));
        });
        List<DicomSegment> segments = new ArrayList<>();
        for (Region region : labels.regions()) {
            TreeSet<Integer> values = new TreeSet<>(region.values());
            values.add(region.write());
            if (values.contains(0)) {
                continue;
            }
            Meaning meaning = given.getOrDefault(
                    region.name(),
                    KNOWN.getOrDefault(
                            region.name()
                                    .toLowerCase(Locale.ROOT)
                                    .replace('_', ' ')
                                    .replace('-', ' '),
                            new Meaning(DicomCode.TISSUE, DicomCode.TISSUE)));
            segments.add(new DicomSegment(region.name(), values, meaning.category(), meaning.type()));
        }
        return List.copyOf(segments);
    }

    private static Map<String, Meaning> read() {
        Map<String, Meaning> known = new HashMap<>();
        try (InputStream in = DicomSegment.class.getResourceAsStream("segment-codes.tsv");
                BufferedReader lines = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                if (line.startsWith("#")) {
                    continue;
                }
                String[] cells = line.split("\t");
                DicomCode category = cells[0].equals("anatomy") ? DicomCode.ANATOMY : DicomCode.ABNORMAL;
                for (String name : cells[3].split(", ")) {
                    known.put(name, new Meaning(category, new DicomCode("SCT", cells[1], cells[2])));
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return Map.copyOf(known);
    }
}

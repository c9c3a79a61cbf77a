package org.segformer3d.data.check;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.IntConsumer;
import org.segformer3d.api.block.Grid;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.data.dataset.CaseReader;
import org.segformer3d.data.dataset.DatasetException;
import org.segformer3d.data.dataset.IncompleteCases;
import org.segformer3d.data.dataset.LabelClass;
import org.segformer3d.data.dataset.SegmentationDataset;
import org.segformer3d.data.format.VolumeFiles;
import org.segformer3d.data.io.Sha256;
import org.segformer3d.data.labels.LabelCensus;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;

/**
 * Looks at a data set.
 *
 * @param dataset its cases, labelled and unlabelled ones
 * @param values the label values that are known, empty where nobody says what is segmented
 */
public record DatasetCheck(SegmentationDataset dataset, Set<Integer> values) {
    /** Label maps are looked into as long as they have so many voxels together; of more, evenly spread ones are. */
    private static final long QUICK_VOXELS = 1L << 30;

    private static final int NAMED = 20;

    /** Copies. */
    public DatasetCheck {
        Objects.requireNonNull(dataset, "dataset");
        values = Set.copyOf(values);
    }

    /** Looks at a data set whose label values are those that it names itself. */
    public DatasetCheck(SegmentationDataset dataset) {
        this(dataset, named(dataset.labels()));
    }

    private static Set<Integer> named(List<LabelClass> labels) {
        Set<Integer> values = new TreeSet<>();
        labels.forEach(label -> values.addAll(label.values()));
        if (!values.isEmpty()) {
            values.add(0);
        }
        return values;
    }

    /**
     * Opens every file of every case.
     *
     * @param incomplete cases that lack a file, which are problems
     * @param parts what each labelled case is for, by id: training, validation or test; empty where nobody said
     * @param done called with the number of cases looked at so far
     * @return what was found; reading a case never throws
     */
    public CheckReport full(IncompleteCases incomplete, Map<String, String> parts, IntConsumer done) {
        List<CaseCheck> checks = new ArrayList<>();
        incomplete.reasons().forEach((id, reasons) -> checks.add(CaseCheck.incomplete(id, reasons)));
        int looked = 0;
        for (List<Case> cases : List.of(dataset.cases(), dataset.unlabelled())) {
            for (Case one : cases) {
                checks.add(look(one));
                done.accept(++looked);
            }
        }
        return new CheckReport(dataset, checks, parts);
    }

    private CaseCheck look(Case one) {
        List<String> problems = new ArrayList<>();
        List<String> remarks = new ArrayList<>();
        Optional<Geometry> geometry = Optional.empty();
        Optional<String> imageHash = Optional.empty();
        Optional<String> labelHash = Optional.empty();
        TreeMap<Integer, Long> counts = new TreeMap<>();
        try {
            Volume image = CaseReader.readImage(one, dataset.channels().size());
            geometry = Optional.of(image.geometry());
            imageHash = Optional.of(hash(image));
            for (int c = 0; c < image.channels(); c++) {
                look(image.channel(c).values(), dataset.channels().get(c), problems, remarks);
            }
        } catch (IOException | RuntimeException e) {
            problems.add(text(e));
        }
        if (one.label().isPresent()) {
            try {
                Path file = one.label().get();
                Volume label = CaseReader.read(file);
                LabelCensus census = LabelCensus.of(label);
                counts.putAll(census.counts());
                Optional<String> wrong = wrong(census);
                if (wrong.isPresent()) {
                    problems.add(file.getFileName() + " " + wrong.get());
                } else if (geometry.isPresent()) {
                    // What a census can't tell: another number of channels or voxels, another place.
                    CaseReader.readLabel(one, geometry.get());
                }
                if (wrong.isEmpty() && census.foreground() == 0) {
                    remarks.add(file.getFileName() + " is empty: nothing is labelled");
                }
                labelHash = census.foreground() > 0 ? Optional.of(hash(label)) : Optional.empty();
            } catch (IOException | RuntimeException e) {
                problems.add(text(e));
            }
        }
        return new CaseCheck(one.id(), geometry, counts, imageHash, labelHash, problems, remarks);
    }

    private static String text(Exception e) {
        return e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
    }

    private static void look(float[] values, String channel, List<String> problems, List<String> remarks) {
        int strange = 0;
        float least = Float.POSITIVE_INFINITY;
        float most = Float.NEGATIVE_INFINITY;
        for (float value : values) {
            if (!Float.isFinite(value)) {
                strange++;
            } else {
                least = Math.min(least, value);
                most = Math.max(most, value);
            }
        }
        if (strange > 0) {
            problems.add("channel '" + channel + "' has " + strange + " of " + values.length
                    + " voxels that are NaN or infinite");
        }
        if (least == most) {
            remarks.add("channel '" + channel + "' is " + least + " everywhere");
        }
    }

    /** Returns what is wrong with the values of a label map, as a clause that follows the file's name. */
    private Optional<String> wrong(LabelCensus census) {
        if (census.fraction().isEmpty() && values.containsAll(census.counts().keySet())) {
            return Optional.empty();
        }
        Optional<String> image = census.looksLikeImage();
        if (image.isPresent() || values.isEmpty()) {
            return image;
        }
        List<String> unknown = census.counts().keySet().stream()
                .filter(value -> !values.contains(value))
                .map(String::valueOf)
                .toList();
        return Optional.of("has the value" + (unknown.size() == 1 ? " " : "s ") + String.join(", ", unknown)
                + ", expected only "
                + String.join(
                        ", ",
                        new TreeSet<>(values).stream().map(String::valueOf).toList()));
    }

    /** Returns the hash of an image's values: files of one image may differ in their headers, and by when they were compressed. */
    private static String hash(Volume volume) {
        Grid size = volume.geometry().size();
        return Sha256.of(volume.channels() + "×" + size + ":" + Sha256.of(volume.values()));
    }

    /**
     * Looks at what shows quickly: sizes, places and channels as headers state them, and whether label maps look like scans. Of very large
     * data sets only some label maps are looked into, evenly spread.
     *
     * @throws DatasetException when cases can't be used; all of them are named
     * @throws IOException when a file can't be read
     */
    public void quick() throws IOException {
        Map<String, IOException> unusable = new LinkedHashMap<>();
        long voxels = 0;
        for (Case one : dataset.cases()) {
            try {
                CaseReader.requireOneSize(one);
                voxels += VolumeFiles.readHeader(one.images().get(0))
                        .geometry()
                        .size()
                        .tokens();
            } catch (IOException e) {
                unusable.put(one.id(), e);
            }
        }
        int step = (int) Math.max(1, (voxels + QUICK_VOXELS - 1) / QUICK_VOXELS);
        for (int n = 0; n < dataset.cases().size(); n += step) {
            Case one = dataset.cases().get(n);
            if (one.label().isPresent() && !unusable.containsKey(one.id())) {
                Path file = one.label().get();
                try {
                    LabelCensus census = LabelCensus.of(CaseReader.read(file));
                    if (census.fraction().isPresent()
                            || !values.containsAll(census.counts().keySet())) {
                        census.looksLikeImage()
                                .ifPresent(why -> unusable.put(one.id(), new DatasetException(file, why)));
                    }
                } catch (IOException e) {
                    unusable.put(one.id(), e);
                }
            }
        }
        if (unusable.size() == 1) {
            throw unusable.values().iterator().next();
        }
        if (!unusable.isEmpty()) {
            List<String> named = unusable.entrySet().stream()
                    .map(entry ->
                            "'" + entry.getKey() + "' (" + entry.getValue().getMessage() + ")")
                    .toList();
            throw new DatasetException(
                    dataset.root(),
                    unusable.size() + " cases can't be used: "
                            + String.join(", ", named.subList(0, Math.min(NAMED, named.size())))
                            + (named.size() > NAMED ? " and " + (named.size() - NAMED) + " more" : "")
                            + "; segformer3d check looks at everything");
        }
    }
}

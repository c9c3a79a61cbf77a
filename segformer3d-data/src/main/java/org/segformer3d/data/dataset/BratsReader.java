package org.segformer3d.data.dataset;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Finds raw BraTS scans under the names that they are published under, the four modalities always in the order FLAIR, T1, T1 with
 * contrast agent, T2.
 *
 * <pre>
 * imagesTr/BRATS_001_0000.nii.gz … _0003, labelsTr/BRATS_001.nii.gz      the Decathlon's Task01, also as one 4-D image a case
 * NAME/NAME_flair.nii.gz, _t1, _t1ce, _t2, _seg                          the challenge up to 2021
 * NAME/NAME_t2f.nii.gz, _t1n, _t1c, _t2w, _seg                           the challenge from 2023
 * </pre>
 *
 * <p>The Decathlon's folders lie in the folder itself or in {@code train} inside it, those of cases up to three levels deep, such as
 * {@code train/NAME} or {@code HGG/NAME}; all cases' files may also lie in one folder. Hyphens do as well as underscores, letters may be
 * large or small, and in a folder of its own further words may follow the modality, and a single other image is the segmentation where
 * none is called {@code seg}.
 */
public final class BratsReader {
    private static final Logger LOG = LoggerFactory.getLogger(BratsReader.class);

    /** What the channels are, in order. */
    private enum Modality {
        FLAIR("flair", "fla", "t2f"),
        T1("t1", "t1n", "t1w"),
        T1_CONTRAST("t1ce", "t1c", "t1gd"),
        T2("t2", "t2w");

        private final Set<String> words;

        Modality(String... words) {
            this.words = Set.of(words);
        }
    }

    private static final String SEPARATORS = "[-_. ]+";
    private static final String SEGMENTATION = "seg";
    private static final int DEPTH = 3;

    /** Names of the four channels in order. */
    public static final List<String> CHANNELS = List.of("FLAIR", "T1", "T1 contrast", "T2");

    private BratsReader() {}

    /**
     * The scans in a folder.
     *
     * @param dataset who the cases are, channels in the order of this reader
     * @param decathlon whether they come in the Decathlon's layout, whose label values mean something else
     */
    public record BratsScans(SegmentationDataset dataset, boolean decathlon) {}

    /** The files of one case. */
    private record Group(String id, Path place, List<Path> files, boolean alone) {}

    /** Returns whether a folder looks as if it held raw BraTS scans. */
    public static boolean isPresent(Path root) throws IOException {
        return Files.isDirectory(root)
                && (Files.isDirectory(root.resolve("imagesTr"))
                        || Files.isDirectory(root.resolve("train").resolve("imagesTr"))
                        || !groups(root).isEmpty());
    }

    /**
     * Finds the scans, all of which must be complete.
     *
     * @param root the folder, never {@code null}
     * @throws DatasetException when there are none, or a case has no four modalities
     * @throws IOException when reading fails
     */
    public static BratsScans read(Path root) throws IOException {
        IncompleteCases incomplete = new IncompleteCases();
        BratsScans scans = read(root, incomplete);
        incomplete.requireNone(root);
        return scans;
    }

    /**
     * Finds the scans and leaves incomplete ones out, which are warned of.
     *
     * @param root the folder, never {@code null}
     * @throws DatasetException when there are none, or none is complete
     * @throws IOException when reading fails
     */
    public static BratsScans readComplete(Path root) throws IOException {
        IncompleteCases incomplete = new IncompleteCases();
        BratsScans scans = read(root, incomplete);
        if (scans.dataset().cases().isEmpty()) {
            incomplete.requireNone(root);
        }
        incomplete.warn(root);
        return scans;
    }

    /**
     * Finds the scans.
     *
     * @param root the folder, never {@code null}
     * @param incomplete takes the cases that lack a file, which aren't among the scans; never {@code null}
     * @throws DatasetException when there are none
     * @throws IOException when reading fails
     */
    public static BratsScans read(Path root, IncompleteCases incomplete) throws IOException {
        Objects.requireNonNull(root, "root");
        if (!Files.isDirectory(root)) {
            throw new DatasetException(root, "no such folder, expected BraTS scans");
        }
        for (Path folder : List.of(root, root.resolve("train"))) {
            if (Files.isDirectory(folder.resolve("imagesTr"))) {
                return new BratsScans(decathlon(DatasetReader.read(folder, incomplete)), true);
            }
        }
        List<Group> groups = groups(root);
        if (groups.isEmpty()) {
            throw new DatasetException(
                    root,
                    "found no BraTS scans, expected imagesTr and labelsTr, here or in a folder train, or for each case NAME_flair,"
                            + " NAME_t1, NAME_t1ce, NAME_t2 (or _t2f, _t1n, _t1c, _t2w) and NAME_seg");
        }
        return new BratsScans(challenge(root, groups, incomplete), false);
    }

    private static SegmentationDataset decathlon(SegmentationDataset found) throws DatasetException {
        int channels = found.channels().size();
        // One image of all channels tells how many there are only when it is read.
        boolean whole = found.cases().isEmpty() || found.cases().get(0).images().size() == 1;
        if (channels != CHANNELS.size() && !(whole && channels == 1)) {
            throw new DatasetException(
                    found.root(), "its cases have " + channels + " channels, expected the four of BraTS: " + CHANNELS);
        }
        return new SegmentationDataset(
                found.name(), found.root(), CHANNELS, found.labels(), found.cases(), found.unlabelled());
    }

    private static SegmentationDataset challenge(Path root, List<Group> groups, IncompleteCases incomplete)
            throws IOException {
        List<Case> labelled = new ArrayList<>();
        List<Case> unlabelled = new ArrayList<>();
        Map<String, Path> places = new HashMap<>();
        for (Group group : groups) {
            Path other = places.put(group.id(), group.place());
            if (other != null) {
                throw new DatasetException(group.place(), "case '" + group.id() + "' is there twice, also in " + other);
            }
            Optional<Case> whole = oneCase(group, incomplete);
            if (whole.isEmpty()) {
                continue;
            }
            Case one = whole.get();
            (one.label().isPresent() ? labelled : unlabelled).add(one);
        }
        if (!unlabelled.isEmpty()) {
            LOG.warn(
                    "{}: {} no segmentation: {}",
                    root,
                    unlabelled.size() == 1 ? "a case has" : unlabelled.size() + " cases have",
                    CaseFiles.some(unlabelled.stream().map(Case::id).toList()));
        }
        labelled.sort(Comparator.comparing(Case::id));
        if (labelled.isEmpty() && incomplete.isEmpty()) {
            throw new DatasetException(root, "no case has a segmentation NAME_seg");
        }
        return new SegmentationDataset(
                root.toAbsolutePath().normalize().getFileName().toString(),
                root,
                CHANNELS,
                List.of(),
                labelled,
                unlabelled);
    }

    /** Returns the case of some files, nothing for one that can't be used. */
    private static Optional<Case> oneCase(Group group, IncompleteCases incomplete) throws IOException {
        Map<Modality, Path> found = new EnumMap<>(Modality.class);
        List<Path> others = new ArrayList<>();
        for (Path file : group.files()) {
            Optional<Modality> modality = modality(file, group.id());
            if (modality.isEmpty()) {
                others.add(file);
            } else if (found.putIfAbsent(modality.get(), file) != null) {
                throw new DatasetException(
                        file,
                        "its case has " + modality.get() + " twice, also as "
                                + found.get(modality.get()).getFileName());
            }
        }
        List<Path> images = new ArrayList<>();
        for (Modality modality : Modality.values()) {
            Path file = found.get(modality);
            if (file == null) {
                incomplete.add(
                        group.id(),
                        "has no " + modality + " in " + group.place() + ", expected a file whose name ends in one of "
                                + modality.words.stream().sorted().toList());
            } else {
                images.add(file);
            }
        }
        List<Path> segmentations = others.stream()
                .filter(file -> words(file).contains(SEGMENTATION))
                .toList();
        if (segmentations.isEmpty() && others.size() == 1 && group.alone()) {
            segmentations = others;
        }
        if (segmentations.size() > 1) {
            throw new DatasetException(
                    group.place(),
                    "case '" + group.id() + "' has several segmentations: "
                            + segmentations.stream().map(Path::getFileName).toList());
        }
        List<Path> files = new ArrayList<>(images);
        files.addAll(segmentations);
        for (Path file : files) {
            CaseFiles.trouble(file).ifPresent(why -> incomplete.add(group.id(), CaseFiles.shown(file) + " " + why));
        }
        return incomplete.contains(group.id())
                ? Optional.empty()
                : Optional.of(
                        new Case(group.id(), images, segmentations.stream().findFirst()));
    }

    /** The modality of a file is its last word that names one, but none that belongs to the case's own name. */
    private static Optional<Modality> modality(Path file, String id) {
        List<String> words = words(file);
        boolean named = ImageNames.stem(file).toLowerCase(Locale.ROOT).startsWith(id.toLowerCase(Locale.ROOT));
        int own = named ? id.split(SEPARATORS).length : 0;
        for (int n = words.size() - 1; n >= own; n--) {
            Optional<Modality> modality = modality(words.get(n));
            if (modality.isPresent()) {
                return modality;
            }
        }
        return Optional.empty();
    }

    private static Optional<Modality> modality(String word) {
        return Arrays.stream(Modality.values())
                .filter(modality -> modality.words.contains(word))
                .findFirst();
    }

    private static List<String> words(Path file) {
        return List.of(ImageNames.stem(file).toLowerCase(Locale.ROOT).split(SEPARATORS));
    }

    /** Returns what belongs together: the files of folders that hold one case, or those of the same name before the modality. */
    private static List<Group> groups(Path root) throws IOException {
        List<Path> folders;
        try (Stream<Path> found = Files.walk(root, DEPTH)) {
            folders = found.filter(Files::isDirectory)
                    .filter(folder -> folder.equals(root)
                            || !folder.getFileName().toString().startsWith("."))
                    .sorted()
                    .toList();
        }
        List<Group> groups = new ArrayList<>();
        for (Path folder : folders) {
            List<Path> files = CaseFiles.list(folder);
            Map<String, List<Path>> byName = new TreeMap<>();
            for (Path file : files) {
                String stem = ImageNames.stem(file);
                int cut = Math.max(stem.lastIndexOf('_'), stem.lastIndexOf('-'));
                String last = stem.substring(cut + 1).toLowerCase(Locale.ROOT);
                if (cut > 0 && (modality(last).isPresent() || last.equals(SEGMENTATION))) {
                    byName.computeIfAbsent(stem.substring(0, cut), id -> new ArrayList<>())
                            .add(file);
                }
            }
            byName.values().removeIf(group -> group.size() == 1);
            if (byName.size() > 1 || folder.equals(root) && !byName.isEmpty()) {
                byName.forEach((id, group) -> groups.add(new Group(id, folder, group, false)));
            } else if (!folder.equals(root)) {
                String id = folder.getFileName().toString();
                if (files.stream().anyMatch(file -> modality(file, id).isPresent())) {
                    groups.add(new Group(id, folder, files, true));
                }
            }
        }
        return groups;
    }
}

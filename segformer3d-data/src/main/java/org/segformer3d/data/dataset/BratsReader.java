package org.segformer3d.data.dataset;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
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
 * <p>Either lies in the folder itself or in a folder {@code train} inside it. In folders of cases, hyphens do as well as underscores,
 * letters may be large or small, further words may follow the modality, and a single other image is the segmentation where none is
 * called {@code seg}.
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

    private static final List<String> CHANNELS = List.of("FLAIR", "T1", "T1 contrast", "T2");

    private BratsReader() {}

    /**
     * The scans in a folder.
     *
     * @param dataset who the cases are, channels in the order of this reader
     * @param decathlon whether they come in the Decathlon's layout, whose label values mean something else
     */
    public record BratsScans(SegmentationDataset dataset, boolean decathlon) {}

    /** Returns whether a folder looks as if it held raw BraTS scans. */
    public static boolean isPresent(Path root) throws IOException {
        for (Path folder : List.of(root, root.resolve("train"))) {
            if (Files.isDirectory(folder.resolve("imagesTr"))
                    || !subfolders(folder).isEmpty() && !caseFolders(folder).isEmpty()) {
                return true;
            }
        }
        return false;
    }

    /**
     * Finds the scans.
     *
     * @param root the folder, never {@code null}
     * @throws DatasetException when there are none, or a case has no four modalities
     * @throws IOException when reading fails
     */
    public static BratsScans read(Path root) throws IOException {
        Objects.requireNonNull(root, "root");
        if (!Files.isDirectory(root)) {
            throw new DatasetException(root, "no such folder, expected BraTS scans");
        }
        for (Path folder : List.of(root, root.resolve("train"))) {
            if (Files.isDirectory(folder.resolve("imagesTr"))) {
                return new BratsScans(decathlon(DatasetReader.read(folder)), true);
            }
            List<Path> cases = caseFolders(folder);
            if (!cases.isEmpty()) {
                return new BratsScans(challenge(root, cases), false);
            }
        }
        throw new DatasetException(
                root,
                "found no BraTS scans, expected imagesTr and labelsTr, or a folder for each case with NAME_flair, NAME_t1, NAME_t1ce,"
                        + " NAME_t2 (or _t2f, _t1n, _t1c, _t2w) and NAME_seg, here or in a folder train");
    }

    private static SegmentationDataset decathlon(SegmentationDataset found) throws DatasetException {
        int channels = found.channels().size();
        // One image of all channels tells how many there are only when it is read.
        boolean whole = found.cases().get(0).images().size() == 1;
        if (channels != CHANNELS.size() && !(whole && channels == 1)) {
            throw new DatasetException(
                    found.root(), "its cases have " + channels + " channels, expected the four of BraTS: " + CHANNELS);
        }
        return new SegmentationDataset(
                found.name(), found.root(), CHANNELS, found.labels(), found.cases(), found.unlabelled());
    }

    private static SegmentationDataset challenge(Path root, List<Path> folders) throws IOException {
        List<Case> labelled = new ArrayList<>();
        List<Case> unlabelled = new ArrayList<>();
        for (Path folder : folders) {
            Case one = oneCase(folder);
            (one.label().isPresent() ? labelled : unlabelled).add(one);
        }
        if (!unlabelled.isEmpty()) {
            LOG.warn(
                    "{}: {} cases have no segmentation, the first being {}",
                    root,
                    unlabelled.size(),
                    unlabelled.get(0).id());
        }
        if (labelled.isEmpty()) {
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

    private static Case oneCase(Path folder) throws IOException {
        Map<Modality, Path> found = new EnumMap<>(Modality.class);
        List<Path> others = new ArrayList<>();
        for (Path file : ImageNames.list(folder)) {
            Optional<Modality> modality = modality(file, folder);
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
                throw new DatasetException(
                        folder,
                        "this case has no " + modality + ", expected a file whose name ends in one of "
                                + modality.words.stream().sorted().toList());
            }
            images.add(file);
        }
        List<Path> segmentations =
                others.stream().filter(file -> words(file).contains("seg")).toList();
        if (segmentations.isEmpty() && others.size() == 1) {
            segmentations = others;
        }
        if (segmentations.size() > 1) {
            throw new DatasetException(
                    folder,
                    "this case has several segmentations: "
                            + segmentations.stream().map(Path::getFileName).toList());
        }
        return new Case(
                folder.getFileName().toString(), images, segmentations.stream().findFirst());
    }

    /** The modality of a file is its last word that names one, but none that the case's own name has as well. */
    private static Optional<Modality> modality(Path file, Path folder) {
        List<String> words = words(file);
        int caseWords = ImageNames.stem(file)
                        .toLowerCase(Locale.ROOT)
                        .startsWith(folder.getFileName().toString().toLowerCase(Locale.ROOT))
                ? folder.getFileName().toString().split("[-_. ]+").length
                : 0;
        for (int n = words.size() - 1; n >= Math.min(caseWords, words.size() - 1); n--) {
            for (Modality modality : Modality.values()) {
                if (modality.words.contains(words.get(n))) {
                    return Optional.of(modality);
                }
            }
        }
        return Optional.empty();
    }

    private static List<String> words(Path file) {
        return List.of(ImageNames.stem(file).toLowerCase(Locale.ROOT).split("[-_. ]+"));
    }

    /** Returns the folders that hold at least one image named after a modality. */
    private static List<Path> caseFolders(Path parent) throws IOException {
        List<Path> cases = new ArrayList<>();
        for (Path folder : subfolders(parent)) {
            for (Path file : ImageNames.list(folder)) {
                if (modality(file, folder).isPresent()) {
                    cases.add(folder);
                    break;
                }
            }
        }
        return cases;
    }

    private static List<Path> subfolders(Path parent) throws IOException {
        if (!Files.isDirectory(parent)) {
            return List.of();
        }
        try (Stream<Path> entries = Files.list(parent)) {
            return entries.filter(Files::isDirectory)
                    .filter(folder -> !folder.getFileName().toString().startsWith("."))
                    .sorted(Comparator.comparing(folder -> folder.getFileName().toString()))
                    .toList();
        }
    }
}

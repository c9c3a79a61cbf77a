package org.segformer3d.data.dataset;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * Reads which files make up Synapse's abdominal CT, "Multi-Atlas Labeling Beyond the Cranial Vault" (BTCV).
 *
 * <pre>
 * img/img0001.nii.gz       CT
 * label/label0001.nii.gz   0 background, 1…13 organs
 * </pre>
 *
 * <p>The two folders lie in the root or in {@code Training} or {@code RawData/Training} below it. A case is named as its image; images
 * without a label are unlabelled, and so are those in {@code Testing/img} beside {@code Training}. The label preset {@code btcv13} means
 * all organs, {@code synapse8} the eight that TransUNet and nnFormer report.
 */
public final class SynapseReader {
    /** Names of the labels 0…13. */
    public static final List<String> ORGANS = List.of(
            "background",
            "spleen",
            "right_kidney",
            "left_kidney",
            "gallbladder",
            "esophagus",
            "liver",
            "stomach",
            "aorta",
            "inferior_vena_cava",
            "portal_and_splenic_vein",
            "pancreas",
            "right_adrenal_gland",
            "left_adrenal_gland");

    private static final List<String> PLACES = List.of("", "Training", "RawData/Training");

    private SynapseReader() {}

    /**
     * Reads a data set of complete cases.
     *
     * @param root its folder, never {@code null}
     * @throws DatasetException when there are no {@code img} and {@code label}, no image has a label, or a label has no image
     * @throws IOException when reading fails
     */
    public static SegmentationDataset read(Path root) throws IOException {
        return DatasetLayout.SYNAPSE.read(root);
    }

    static SegmentationDataset read(Path root, IncompleteCases incomplete) throws IOException {
        Objects.requireNonNull(root, "root");
        if (!Files.isDirectory(root)) {
            throw new DatasetException(root, "no such folder, expected Synapse's CT with the folders img and label");
        }
        Path folder = folder(root)
                .orElseThrow(
                        () -> new DatasetException(
                                root,
                                "found no folders img and label, expected Synapse's CT (also in Training or RawData/Training)"));
        Path labels = folder.resolve("label");
        List<Case> cases = new ArrayList<>();
        List<Case> unlabelled = new ArrayList<>();
        IncompleteCases unusable = new IncompleteCases();
        Map<String, Path> byNumber = new TreeMap<>();
        CaseFiles.byName(labels).forEach((name, label) -> byNumber.put(number(name), label));
        for (Path image : CaseFiles.list(folder.resolve("img"))) {
            String id = ImageNames.stem(image);
            Optional<Path> label = Optional.ofNullable(byNumber.remove(number(id)));
            List<Path> files = new ArrayList<>(List.of(image));
            label.ifPresent(files::add);
            boolean usable = true;
            for (Path file : files) {
                Optional<String> trouble = CaseFiles.trouble(file);
                trouble.ifPresent(
                        why -> (label.isEmpty() ? unusable : incomplete).add(id, CaseFiles.shown(file) + " " + why));
                usable &= trouble.isEmpty();
            }
            if (usable) {
                (label.isEmpty() ? unlabelled : cases).add(new Case(id, List.of(image), label));
            }
        }
        byNumber.forEach((number, label) -> incomplete.add(
                "img" + number,
                CaseFiles.shown(label) + " has no image, expected img" + number + " in " + folder.resolve("img")));
        if (cases.isEmpty() && incomplete.isEmpty()) {
            throw new DatasetException(
                    folder,
                    "no image has a label, expected pairs such as img/img0001.nii.gz and label/label0001.nii.gz");
        }
        Path testing = folder.resolveSibling("Testing").resolve("img");
        if (!folder.equals(root) && Files.isDirectory(testing)) {
            for (Path image : CaseFiles.list(testing)) {
                String id = ImageNames.stem(image);
                Optional<String> trouble = CaseFiles.trouble(image);
                trouble.ifPresent(why -> unusable.add(id, CaseFiles.shown(image) + " " + why));
                if (trouble.isEmpty()) {
                    unlabelled.add(new Case(id, List.of(image), Optional.empty()));
                }
            }
        }
        unusable.warn(root);
        List<LabelClass> classes = new ArrayList<>();
        for (int value = 0; value < ORGANS.size(); value++) {
            classes.add(LabelClass.of(value, ORGANS.get(value)));
        }
        return new SegmentationDataset("Synapse", root, List.of("CT"), classes, cases, unlabelled);
    }

    /** Returns the folder that holds img and label. */
    static Optional<Path> folder(Path root) {
        try (Stream<String> places = PLACES.stream()) {
            return places.map(root::resolve)
                    .filter(folder ->
                            Files.isDirectory(folder.resolve("img")) && Files.isDirectory(folder.resolve("label")))
                    .findFirst();
        }
    }

    /** Returns what follows "img" or "label" in a name. */
    static String number(String stem) {
        return stem.replaceFirst("^(img|label|case)", "");
    }
}

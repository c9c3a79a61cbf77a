package org.segformer3d.data.dataset;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.segformer3d.data.format.VolumeFiles;

/**
 * Reads which files make up a data set laid out as by the Medical Segmentation Decathlon or nnU-Net (version 1 or 2).
 *
 * <pre>
 * dataset.json   channels ("modality" or "channel_names"), "labels", cases ("training", "test", or nnU-Net's "dataset")
 * imagesTr/      case.nii.gz (one channel, or all along the fourth dimension) or case_0000.nii.gz, case_0001.nii.gz, …
 * labelsTr/      case.nii.gz
 * imagesTs/      images without labels, optional
 * </pre>
 *
 * <p>Where {@code dataset.json} lists no cases, or isn't there at all, the folders are searched. "labels" may map values to names or
 * names to values, the latter also to lists of values (regions).
 */
public final class DatasetReader {
    private final Path root;
    private final Path json;
    private final DatasetDescription description;
    private final Optional<String> ending;
    private final IncompleteCases incomplete;
    private List<String> channels = List.of();
    private CaseFiles.Naming naming = CaseFiles.Naming.UNKNOWN;

    private DatasetReader(Path root, Path json, DatasetDescription description, IncompleteCases incomplete) {
        this.root = root;
        this.json = json;
        this.description = description;
        this.ending = Optional.ofNullable(description.at("file_ending").textValue());
        this.incomplete = incomplete;
    }

    /**
     * Returns what a {@code dataset.json} says is segmented, whether or not its cases are there.
     *
     * @throws DatasetException when it isn't one, or contradicts itself
     * @throws IOException when reading fails
     */
    public static List<LabelClass> labels(Path json) throws IOException {
        return DatasetDescription.read(json).labels();
    }

    /**
     * Reads a data set of complete cases.
     *
     * @param path its folder or its {@code dataset.json}, never {@code null}
     * @throws DatasetException when there is none, it has no cases, it is inconsistent, or files of labelled cases are missing (they
     *     are named); files of unlabelled cases may be missing, which is logged
     * @throws IOException when reading fails
     */
    public static SegmentationDataset read(Path path) throws IOException {
        return DatasetLayout.FOLDERS.read(path);
    }

    /**
     * Reads a data set and leaves out the cases that lack a file.
     *
     * @param path its folder or its {@code dataset.json}, never {@code null}
     * @param incomplete takes the labelled cases that are left out, never {@code null}
     * @throws DatasetException when there is none, it has no cases or it is inconsistent
     * @throws IOException when reading fails
     */
    static SegmentationDataset read(Path path, IncompleteCases incomplete) throws IOException {
        Objects.requireNonNull(path, "path");
        if (!Files.exists(path)) {
            throw new DatasetException(
                    path, "no such folder, expected a data set with dataset.json, or imagesTr and labelsTr");
        }
        boolean isJson = Files.isRegularFile(path);
        if (isJson && !path.getFileName().toString().endsWith(".json")) {
            throw new DatasetException(path, "expected a data set's folder or its dataset.json");
        }
        Path json = isJson ? path : path.resolve("dataset.json");
        Path root = isJson ? path.toAbsolutePath().getParent() : path;
        if (Files.isRegularFile(json)) {
            return new DatasetReader(root, json, DatasetDescription.read(json), incomplete).readDescribed();
        }
        if (Files.isDirectory(root.resolve("imagesTr"))) {
            DatasetReader reader = new DatasetReader(root, json, DatasetDescription.empty(json), incomplete);
            return reader.dataset(reader.search());
        }
        throw new DatasetException(path, "no data set here: found neither dataset.json nor imagesTr");
    }

    private SegmentationDataset readDescribed() throws IOException {
        List<Case> cases;
        if (description.at("dataset").isObject()) {
            cases = explicitCases(description.at("dataset"));
        } else if (description.at("training").isArray()
                && !description.at("training").isEmpty()) {
            cases = listedCases(description.at("training"));
        } else if (Files.isDirectory(root.resolve("imagesTr"))) {
            cases = search();
        } else {
            throw new DatasetException(
                    json, "lists no training cases, and " + root.resolve("imagesTr") + " doesn't exist");
        }
        return dataset(cases);
    }

    private SegmentationDataset dataset(List<Case> cases) throws IOException {
        if (cases.isEmpty() && incomplete.isEmpty()) {
            throw new DatasetException(
                    root.resolve("imagesTr"),
                    "no images found, expected files named " + VolumeFiles.endingsText()
                            + ", one case or channel each");
        }
        cases.sort(Comparator.comparing(Case::id));
        description.checkCount(cases.size() + incomplete.reasons().size());
        List<Case> unlabelled = unlabelled();
        channels = description.channels();
        if (channels.isEmpty()) {
            int count = cases.isEmpty() ? 1 : cases.get(0).images().size();
            List<String> numbered = new ArrayList<>();
            for (int n = 0; n < count; n++) {
                numbered.add("channel " + n);
            }
            channels = numbered;
        }
        refuseOtherChannels(cases);
        IncompleteCases unusable = new IncompleteCases();
        cases = withAllChannels(cases, incomplete);
        unlabelled = withAllChannels(unlabelled, unusable);
        unusable.warn(root);
        Set<String> ids = new HashSet<>();
        for (Case one : cases) {
            if (!ids.add(one.id())) {
                throw new DatasetException(json, "two training cases have the name '" + one.id() + "'");
            }
        }
        String name = description.name();
        Path folder = root.toAbsolutePath().normalize().getFileName();
        return new SegmentationDataset(
                name.isEmpty() && folder != null ? folder.toString() : name,
                root,
                channels,
                description.labels(),
                cases,
                unlabelled,
                Map.of(),
                ending);
    }

    /** Refuses a data set all of whose cases have another number of channels than it says. */
    private void refuseOtherChannels(List<Case> cases) throws DatasetException {
        Set<Integer> counts = new HashSet<>();
        cases.forEach(one -> counts.add(one.images().size()));
        if (cases.size() > 1 && counts.size() == 1 && lacksChannels(cases.get(0))) {
            throw new DatasetException(
                    cases.get(0).images().get(0),
                    "case '" + cases.get(0).id() + "' " + channelsText(cases.get(0))
                            + ", and so does every other case");
        }
    }

    private List<Case> withAllChannels(List<Case> cases, IncompleteCases others) {
        List<Case> complete = new ArrayList<>();
        for (Case one : cases) {
            if (lacksChannels(one)) {
                others.add(one.id(), channelsText(one));
            } else {
                complete.add(one);
            }
        }
        return complete;
    }

    /** One file may hold all channels, which only its header tells; several must be one per channel. */
    private boolean lacksChannels(Case one) {
        int files = one.images().size();
        // A file whose suffix isn't part of the id holds one channel only.
        boolean whole = files == 1 && !ImageNames.stem(one.images().get(0)).equals(one.id() + "_0000");
        return !whole && files != channels.size();
    }

    private String channelsText(Case one) {
        int files = one.images().size();
        return "has " + files + (files == 1 ? " channel file" : " channel files") + ", expected " + channels.size()
                + " (" + String.join(", ", channels) + ")";
    }

    /** nnU-Net's explicit form: {"case": {"images": [one per channel], "label": file}}. */
    private List<Case> explicitCases(JsonNode node) throws IOException {
        List<Case> cases = new ArrayList<>();
        for (Map.Entry<String, JsonNode> entry : node.properties()) {
            String id = entry.getKey();
            JsonNode images = entry.getValue().path("images");
            JsonNode label = entry.getValue().path("label");
            if (images.isEmpty() || !label.isTextual()) {
                throw new DatasetException(json, "case '" + id + "' in dataset needs a list of images and a label");
            }
            add(id, files(images), resolve(label.asText()), cases);
        }
        return cases;
    }

    private List<Path> files(JsonNode list) throws DatasetException {
        List<Path> files = new ArrayList<>();
        for (JsonNode name : list) {
            files.add(resolve(name.asText()));
        }
        return files;
    }

    /** Adds a labelled case to those that can be used, or to those that can't. */
    private void add(String id, List<Path> images, Path label, List<Case> cases) throws IOException {
        List<String> problems = new ArrayList<>();
        for (Path image : images) {
            CaseFiles.trouble(image).ifPresent(why -> problems.add(CaseFiles.shown(image) + " " + why));
        }
        CaseFiles.trouble(label).ifPresent(why -> problems.add(CaseFiles.shown(label) + " " + why));
        if (problems.isEmpty()) {
            cases.add(new Case(id, images, Optional.of(label)));
        } else {
            problems.forEach(problem -> incomplete.add(id, problem));
        }
    }

    private List<Case> listedCases(JsonNode list) throws IOException {
        List<Case> cases = new ArrayList<>();
        Set<Path> used = new HashSet<>();
        Set<CaseFiles.Naming> namings = new HashSet<>();
        for (JsonNode entry : list) {
            JsonNode image = entry.path("image");
            if (!entry.isObject()
                    || !image.isTextual() && !image.isArray()
                    || !entry.path("label").isTextual()) {
                throw new DatasetException(
                        json, "found " + entry + " in training, expected an object with image and label");
            }
            Path label = resolve(entry.get("label").asText());
            Case one = image(image, Optional.of(ImageNames.stem(label)), CaseFiles.Naming.UNKNOWN);
            used.addAll(one.images());
            used.add(label);
            namings.add(
                    one.id().equals(ImageNames.stem(one.images().get(0)))
                            ? CaseFiles.Naming.WHOLE
                            : CaseFiles.Naming.CHANNELS);
            add(one.id(), one.images(), label, cases);
        }
        naming = namings.size() == 1 ? namings.iterator().next() : CaseFiles.Naming.UNKNOWN;
        warnOfUnlisted(used);
        return cases;
    }

    /** A file beside those that are listed may have been left out on purpose, or forgotten. */
    private void warnOfUnlisted(Set<Path> used) throws IOException {
        List<String> unlisted = new ArrayList<>();
        for (String name : List.of("imagesTr", "labelsTr")) {
            Path folder = root.resolve(name).normalize();
            if (Files.isDirectory(folder)) {
                CaseFiles.list(folder, ending).stream()
                        .filter(file -> !used.contains(file))
                        .forEach(file -> unlisted.add(CaseFiles.shown(file)));
            }
        }
        if (!unlisted.isEmpty()) {
            description.warn((unlisted.size() == 1 ? "a file is" : unlisted.size() + " files are")
                    + " not listed in training and left out: " + CaseFiles.some(unlisted));
        }
    }

    private Path resolve(String name) throws DatasetException {
        try {
            return root.resolve(name).normalize();
        } catch (InvalidPathException e) {
            throw new DatasetException(json, "found '" + name + "', expected the name of a file", e);
        }
    }

    /**
     * Finds the files behind an "image": itself, or with nnU-Net's channel suffixes, which its dataset.json leaves out. Files may be missing.
     *
     * @param label what the case's label is called, which says whether a suffix is part of its name
     * @param others what suffixes are in the names of other cases
     */
    private Case image(JsonNode node, Optional<String> label, CaseFiles.Naming others) throws DatasetException {
        if (node.isArray() && !node.isEmpty()) {
            List<Path> files = files(node);
            String name = ImageNames.stem(files.get(0));
            boolean whole = label.equals(Optional.of(name));
            return new Case(whole ? name : ImageNames.caseOf(name), files, Optional.empty());
        }
        Path file = resolve(node.asText());
        if (file.getFileName() == null || node.asText().isEmpty()) {
            throw new DatasetException(json, "found '" + node.asText() + "' as an image, expected the name of a file");
        }
        String name = ImageNames.stem(file);
        boolean exists = isThere(file);
        boolean whole =
                ImageNames.channelOf(name) != 0 || label.map(name::equals).orElse(others == CaseFiles.Naming.WHOLE);
        if (exists && whole) {
            return new Case(name, List.of(file), Optional.empty());
        }
        String id = exists ? ImageNames.caseOf(name) : name;
        List<Path> files = new ArrayList<>();
        for (int n = 0; n < 10000; n++) {
            Path channel = file.resolveSibling(id + String.format("_%04d", n) + ImageNames.extension(file));
            if (!isThere(channel)) {
                break;
            }
            files.add(channel);
        }
        return new Case(id, files.isEmpty() ? List.of(file) : files, Optional.empty());
    }

    /** Returns whether a folder has an entry of that name, also a link that leads nowhere. */
    private static boolean isThere(Path file) {
        return Files.exists(file, LinkOption.NOFOLLOW_LINKS);
    }

    /** Finds the cases in imagesTr and labelsTr. */
    private List<Case> search() throws IOException {
        Path labels = root.resolve("labelsTr");
        Path images = root.resolve("imagesTr");
        if (!Files.isDirectory(labels)) {
            throw new DatasetException(root, "found imagesTr, but no labelsTr beside it");
        }
        Map<String, Path> byName = CaseFiles.byName(CaseFiles.list(labels, ending));
        CaseFiles.Grouped grouped =
                CaseFiles.group(CaseFiles.list(images, ending), CaseFiles.Known.of(byName.keySet()));
        naming = grouped.naming();
        List<Case> cases = new ArrayList<>();
        for (CaseFiles.Group group : grouped.groups()) {
            List<String> problems = group.problems();
            Path label = byName.remove(group.id());
            if (label == null) {
                problems.add("no label, expected labelsTr/" + group.id()
                        + ImageNames.extension(group.files().get(0)));
            } else {
                CaseFiles.trouble(label).ifPresent(why -> problems.add(CaseFiles.shown(label) + " " + why));
            }
            problems.forEach(problem -> incomplete.add(group.id(), problem));
            if (problems.isEmpty()) {
                cases.add(new Case(group.id(), group.files(), Optional.of(label)));
            }
        }
        byName.forEach((id, label) -> incomplete.add(
                id,
                CaseFiles.shown(label) + " has no image, expected imagesTr/" + id
                        + (naming == CaseFiles.Naming.WHOLE ? "" : "_0000") + ImageNames.extension(label)));
        return cases;
    }

    private List<Case> unlabelled() throws IOException {
        IncompleteCases unusable = new IncompleteCases();
        Map<String, Case> cases = new TreeMap<>();
        if (description.at("test").isArray() && !description.at("test").isEmpty()) {
            for (JsonNode entry : description.at("test")) {
                Case one = image(entry.isObject() ? entry.path("image") : entry, Optional.empty(), naming);
                List<String> problems = new ArrayList<>();
                for (Path image : one.images()) {
                    CaseFiles.trouble(image).ifPresent(why -> problems.add(CaseFiles.shown(image) + " " + why));
                }
                problems.forEach(problem -> unusable.add(one.id(), problem));
                if (problems.isEmpty()) {
                    cases.putIfAbsent(one.id(), one);
                }
            }
        } else if (Files.isDirectory(root.resolve("imagesTs"))) {
            CaseFiles.Known known = new CaseFiles.Known(Set.of(), naming);
            for (CaseFiles.Group group : CaseFiles.group(CaseFiles.list(root.resolve("imagesTs"), ending), known)
                    .groups()) {
                List<String> problems = group.problems();
                problems.forEach(problem -> unusable.add(group.id(), problem));
                if (problems.isEmpty()) {
                    cases.put(group.id(), new Case(group.id(), group.files(), Optional.empty()));
                }
            }
        }
        unusable.warn(root);
        return List.copyOf(cases.values());
    }
}

package org.segformer3d.data.dataset;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
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
    private static final int NAMED = 5;

    private final Path root;
    private final Path json;
    private final List<String> missing = new ArrayList<>();
    private final DatasetDescription description;

    private DatasetReader(Path root, Path json, DatasetDescription description) {
        this.root = root;
        this.json = json;
        this.description = description;
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
     * Reads a data set.
     *
     * @param path its folder or its {@code dataset.json}, never {@code null}
     * @throws DatasetException when there is none, it has no cases, it is inconsistent, or files of labelled cases are missing (they
     *     are named); files of unlabelled cases may be missing, which is logged
     * @throws IOException when reading fails
     */
    public static SegmentationDataset read(Path path) throws IOException {
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
            return new DatasetReader(root, json, DatasetDescription.read(json)).readDescribed();
        }
        if (Files.isDirectory(root.resolve("imagesTr"))) {
            DatasetReader reader = new DatasetReader(root, json, DatasetDescription.empty(json));
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
        if (!missing.isEmpty()) {
            throw new DatasetException(
                    Files.isRegularFile(json) ? json : root,
                    missing.size()
                            + (missing.size() == 1 ? " file is missing: " : " files are missing: ")
                            + String.join(", ", missing.subList(0, Math.min(NAMED, missing.size())))
                            + (missing.size() > NAMED ? ", …" : ""));
        }
        if (cases.isEmpty()) {
            throw new DatasetException(
                    root.resolve("imagesTr"),
                    "no images found, expected files named " + VolumeFiles.endingsText()
                            + ", one case or channel each");
        }
        cases.sort(Comparator.comparing(Case::id));
        description.checkCount(cases.size());
        List<Case> unlabelled = unlabelled();
        List<String> channels = description.channels();
        if (channels.isEmpty()) {
            int count = cases.get(0).images().size();
            List<String> numbered = new ArrayList<>();
            for (int n = 0; n < count; n++) {
                numbered.add("channel " + n);
            }
            channels = numbered;
        }
        checkChannels(cases, channels);
        checkChannels(unlabelled, channels);
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
                Optional.ofNullable(description.at("file_ending").textValue()));
    }

    /** One file may hold all channels, which only its header tells; several must be one per channel. */
    private static void checkChannels(List<Case> cases, List<String> channels) throws DatasetException {
        for (Case one : cases) {
            int files = one.images().size();
            // A file whose suffix isn't part of the id holds one channel only.
            boolean whole = files == 1 && !ImageNames.stem(one.images().get(0)).equals(one.id() + "_0000");
            if (!whole && files != channels.size()) {
                throw new DatasetException(
                        one.images().get(0),
                        "case '" + one.id() + "' has " + files + " channel files, expected " + channels.size() + " ("
                                + String.join(", ", channels) + ")");
            }
        }
    }

    /** nnU-Net's explicit form: {"case": {"images": [one per channel], "label": file}}. */
    private List<Case> explicitCases(JsonNode node) throws DatasetException {
        List<Case> cases = new ArrayList<>();
        for (Map.Entry<String, JsonNode> entry : node.properties()) {
            List<Path> images = files(entry.getValue().path("images"));
            Optional<Path> label = label(entry.getValue());
            if (images.isEmpty() || label.isEmpty()) {
                if (missing.isEmpty()) {
                    throw new DatasetException(
                            json, "case '" + entry.getKey() + "' in dataset needs a list of images and a label");
                }
                continue;
            }
            cases.add(new Case(entry.getKey(), images, label));
        }
        return cases;
    }

    private List<Path> files(JsonNode list) throws DatasetException {
        List<Path> files = new ArrayList<>();
        for (JsonNode name : list) {
            Path file = resolve(name.asText());
            if (Files.isRegularFile(file)) {
                files.add(file);
            } else {
                missing.add(name.asText());
            }
        }
        return files;
    }

    private List<Case> listedCases(JsonNode list) throws DatasetException {
        List<Case> cases = new ArrayList<>();
        for (JsonNode entry : list) {
            JsonNode image = entry.path("image");
            if (!entry.isObject()
                    || !image.isTextual() && !image.isArray()
                    || !entry.path("label").isTextual()) {
                throw new DatasetException(
                        json, "found " + entry + " in training, expected an object with image and label");
            }
            Optional<Case> one = image(image);
            Optional<Path> label = label(entry);
            if (one.isPresent() && label.isPresent()) {
                cases.add(new Case(one.get().id(), one.get().images(), label));
            } else if (one.isEmpty()) {
                missing.add(image.isTextual() ? image.asText() : image.toString());
            }
        }
        return cases;
    }

    private Optional<Path> label(JsonNode entry) throws DatasetException {
        if (!entry.path("label").isTextual()) {
            return Optional.empty();
        }
        Path file = resolve(entry.get("label").asText());
        if (!Files.isRegularFile(file)) {
            missing.add(entry.get("label").asText());
            return Optional.empty();
        }
        return Optional.of(file);
    }

    private Path resolve(String name) throws DatasetException {
        try {
            return root.resolve(name).normalize();
        } catch (InvalidPathException e) {
            throw new DatasetException(json, "found '" + name + "', expected the name of a file", e);
        }
    }

    /** Finds the files behind an "image": itself, or with nnU-Net's channel suffixes, which its dataset.json leaves out. */
    private Optional<Case> image(JsonNode node) throws DatasetException {
        if (node.isArray()) {
            List<Path> files = new ArrayList<>();
            for (JsonNode name : node) {
                Path file = resolve(name.asText());
                if (!Files.isRegularFile(file)) {
                    return Optional.empty();
                }
                files.add(file);
            }
            return files.isEmpty()
                    ? Optional.empty()
                    : Optional.of(new Case(ImageNames.caseOf(ImageNames.stem(files.get(0))), files, Optional.empty()));
        }
        Path file = resolve(node.asText());
        if (file.getFileName() == null) {
            return Optional.empty();
        }
        String stem = ImageNames.stem(file);
        boolean exists = Files.isRegularFile(file);
        if (exists && ImageNames.channelOf(stem) != 0) {
            return Optional.of(new Case(stem, List.of(file), Optional.empty()));
        }
        String id = exists ? ImageNames.caseOf(stem) : stem;
        List<Path> files = new ArrayList<>();
        for (int n = 0; n < 10000; n++) {
            Path channel = file.resolveSibling(id + String.format("_%04d", n) + ImageNames.extension(file));
            if (!Files.isRegularFile(channel)) {
                break;
            }
            files.add(channel);
        }
        return files.isEmpty() ? Optional.empty() : Optional.of(new Case(id, files, Optional.empty()));
    }

    /** Finds the cases in imagesTr and labelsTr. */
    private List<Case> search() throws IOException {
        Path labels = root.resolve("labelsTr");
        Path images = root.resolve("imagesTr");
        if (!Files.isDirectory(labels)) {
            throw new DatasetException(root, "found imagesTr, but no labelsTr beside it");
        }
        List<Case> cases = new ArrayList<>();
        for (Case one : group(ImageNames.list(images), labels)) {
            Path label = ImageNames.find(labels, one.id());
            if (label == null) {
                missing.add("labelsTr/" + one.id()
                        + ImageNames.extension(one.images().get(0)));
            } else {
                cases.add(new Case(one.id(), one.images(), Optional.of(label)));
            }
        }
        return cases;
    }

    /** Joins channel files into cases; a file whose whole name is that of a label is a case of its own. */
    private static List<Case> group(List<Path> files, Path labels) throws DatasetException {
        Map<String, TreeMap<Integer, Path>> groups = new TreeMap<>();
        List<Case> cases = new ArrayList<>();
        for (Path file : files) {
            String stem = ImageNames.stem(file);
            int channel = ImageNames.channelOf(stem);
            if (channel < 0 || labels != null && ImageNames.find(labels, stem) != null) {
                cases.add(new Case(stem, List.of(file), Optional.empty()));
            } else if (groups.computeIfAbsent(ImageNames.caseOf(stem), id -> new TreeMap<>())
                            .put(channel, file)
                    != null) {
                throw new DatasetException(file, "channel " + channel + " of this case is there twice");
            }
        }
        for (Map.Entry<String, TreeMap<Integer, Path>> group : groups.entrySet()) {
            cases.add(new Case(group.getKey(), complete(group.getValue()), Optional.empty()));
        }
        cases.sort(Comparator.comparing(Case::id));
        return cases;
    }

    /** Returns the files of one case in order, after checking that none is missing in between. */
    static List<Path> complete(TreeMap<Integer, Path> byChannel) throws DatasetException {
        if (byChannel.lastKey() != byChannel.size() - 1) {
            int absent = 0;
            while (byChannel.containsKey(absent)) {
                absent++;
            }
            throw new DatasetException(
                    byChannel.lastEntry().getValue(),
                    String.format("its case has no file of channel _%04d beside it", absent));
        }
        return List.copyOf(byChannel.values());
    }

    private List<Case> unlabelled() throws IOException {
        List<Case> cases = new ArrayList<>();
        if (description.at("test").isArray() && !description.at("test").isEmpty()) {
            List<String> absent = new ArrayList<>();
            for (JsonNode entry : description.at("test")) {
                JsonNode image = entry.isObject() ? entry.path("image") : entry;
                image(image).ifPresentOrElse(cases::add, () -> absent.add(image.asText()));
            }
            if (!absent.isEmpty()) {
                description.warn(absent.size() + " test images are missing, the first being " + absent.get(0));
            }
        } else if (Files.isDirectory(root.resolve("imagesTs"))) {
            cases.addAll(group(ImageNames.list(root.resolve("imagesTs")), null));
        }
        Map<String, Case> unique = new HashMap<>();
        cases.forEach(one -> unique.putIfAbsent(one.id(), one));
        return unique.values().stream().sorted(Comparator.comparing(Case::id)).toList();
    }
}

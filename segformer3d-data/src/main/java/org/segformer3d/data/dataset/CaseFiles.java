package org.segformer3d.data.dataset;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.segformer3d.data.format.VolumeFiles;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Decides which image files there are and to which case each belongs, for training, prediction and evaluation alike.
 *
 * <ul>
 *   <li>Hidden files are nobody's. Where {@code dataset.json}, in the folder or beside it, states a {@code file_ending}, images with
 *       another one count only if none has that; otherwise arrays ({@code .npz}, {@code .npy}) count only where there are no other images,
 *       for they lie beside a case's image as its probabilities. What isn't counted and isn't of a counted image's name is warned of.
 *   <li>A name such as {@code img_0003} is channel 3 of case {@code img}, or a case of that name. It is the former where {@code img} is
 *       known as a case and the latter where {@code img_0003} is: from labels of these names or a list in {@code dataset.json}. Where
 *       neither is known it is what the names beside it are, and where nothing is known of any, a channel if there is an
 *       {@code img_0000}.
 *   <li>Links that lead nowhere and stand-ins of git-annex and Git LFS are images that can't be read, not images that aren't there.
 * </ul>
 */
public final class CaseFiles {
    private static final Logger LOG = LoggerFactory.getLogger(CaseFiles.class);
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String DESCRIPTION = "dataset.json";
    private static final String IMAGES = "images";
    private static final int NAMED = 20;

    private CaseFiles() {}

    /** What a suffix of four digits is, as far as the names of a folder's cases tell. */
    enum Naming {
        /** Part of a case's name. */
        WHOLE,
        /** The number of a channel. */
        CHANNELS,
        /** Nothing tells. */
        UNKNOWN
    }

    /**
     * What is known of a folder's cases before its own names are looked at.
     *
     * @param ids names of cases
     * @param naming what the names of other images of the data set are
     */
    record Known(Set<String> ids, Naming naming) {
        static final Known NOTHING = new Known(Set.of(), Naming.UNKNOWN);

        static Known of(Set<String> ids) {
            return new Known(ids, Naming.UNKNOWN);
        }
    }

    /**
     * The images of one case.
     *
     * @param id its name
     * @param byChannel its files by the number in their names; a file without one is channel 0
     * @param numbered whether the files' names hold the number of a channel
     */
    record Group(String id, TreeMap<Integer, Path> byChannel, boolean numbered) {
        List<Path> files() {
            return List.copyOf(byChannel.values());
        }

        /** Returns what is wrong with the numbers or the files, for a message; empty for a case whose files can all be opened. */
        List<String> problems() throws IOException {
            List<String> problems = new ArrayList<>();
            if (byChannel.lastKey() != byChannel.size() - 1) {
                int absent = 0;
                while (byChannel.containsKey(absent)) {
                    absent++;
                }
                problems.add(String.format(
                        "there is %s, but no file of channel _%04d beside it",
                        byChannel.lastEntry().getValue().getFileName(), absent));
            }
            for (Path file : byChannel.values()) {
                trouble(file).ifPresent(why -> problems.add(shown(file) + " " + why));
            }
            return problems;
        }
    }

    /**
     * The cases of a folder.
     *
     * @param groups in order of name
     * @param naming what a suffix of four digits is in it
     */
    record Grouped(List<Group> groups, Naming naming) {}

    /** Returns a file with its folder, which is enough to find it in a data set. */
    static String shown(Path file) {
        Path folder = file.toAbsolutePath().normalize().getParent();
        return folder == null || folder.getFileName() == null
                ? file.getFileName().toString()
                : folder.getFileName() + "/" + file.getFileName();
    }

    /**
     * Returns the images directly in a folder in order of name, those that can't be read included.
     *
     * @param folder never {@code null}
     * @throws IOException when it can't be listed
     */
    public static List<Path> list(Path folder) throws IOException {
        return list(folder, statedEnding(folder));
    }

    /** Returns the images directly in a folder whose data set states an ending, or doesn't. */
    static List<Path> list(Path folder, Optional<String> ending) throws IOException {
        List<Path> images;
        try (Stream<Path> entries = Files.list(folder)) {
            images = entries.filter(file -> !file.getFileName().toString().startsWith("."))
                    .filter(file -> !ImageNames.extension(file).isEmpty())
                    .sorted(Comparator.comparing(file -> file.getFileName().toString()))
                    .toList();
        }
        List<Path> counted = images.stream()
                .filter(file -> ending.isPresent() && hasEnding(file, ending.get()))
                .toList();
        if (counted.isEmpty()) {
            counted = images.stream().filter(file -> !VolumeFiles.isArray(file)).toList();
        }
        if (counted.isEmpty() || counted.size() == images.size()) {
            return images;
        }
        Set<String> names = new HashSet<>();
        counted.forEach(file -> names.add(ImageNames.stem(file)));
        List<String> others = images.stream()
                .filter(file -> !names.contains(ImageNames.stem(file)))
                .map(file -> file.getFileName().toString())
                .toList();
        if (!others.isEmpty()) {
            LOG.warn(
                    "{}: {} of other kinds than {} aren't taken: {}",
                    folder,
                    others.size() == 1 ? "a file" : others.size() + " files",
                    ImageNames.extension(counted.get(0)),
                    some(others));
        }
        return counted;
    }

    private static boolean hasEnding(Path file, String ending) {
        return file.getFileName().toString().toLowerCase(Locale.ROOT).endsWith(ending.toLowerCase(Locale.ROOT));
    }

    /** Returns names for a message, not too many of them. */
    static String some(List<String> names) {
        return String.join(", ", names.subList(0, Math.min(NAMED, names.size())))
                + (names.size() > NAMED ? " and " + (names.size() - NAMED) + " more" : "");
    }

    /**
     * Returns the images of a folder in which each is a case of its own, such as label maps, by case.
     *
     * @param folder never {@code null}
     * @throws DatasetException when two are of one name
     * @throws IOException when it can't be listed
     */
    public static Map<String, Path> byName(Path folder) throws IOException {
        return byName(list(folder));
    }

    static Map<String, Path> byName(List<Path> files) throws DatasetException {
        Map<String, Path> byName = new TreeMap<>();
        for (Path file : files) {
            Path other = byName.put(ImageNames.stem(file), file);
            if (other != null) {
                throw new DatasetException(file, "is of the same case as " + other + ", expected one file a case");
            }
        }
        return byName;
    }

    /** Returns the image of a folder with the given name without ending. */
    static Optional<Path> find(Path folder, String name) throws IOException {
        List<Path> files = list(folder).stream()
                .filter(file -> ImageNames.stem(file).equals(name))
                .toList();
        return Optional.ofNullable(byName(files).get(name));
    }

    /**
     * Returns why an image can't be read, as far as that shows without reading it: a clause that follows the file's name, such as "is a
     * link to …, which isn't there"; empty for a file of its own.
     *
     * @throws IOException when the file system doesn't answer
     */
    public static Optional<String> trouble(Path file) throws IOException {
        if (Files.isRegularFile(file)) {
            return VolumeFiles.standIn(file);
        }
        if (Files.isSymbolicLink(file)) {
            Path target = Files.readSymbolicLink(file);
            String fetch = target.toString().contains("annex") ? "; get it with git annex get or datalad get" : "";
            return Optional.of("is a link to " + target + ", which "
                    + (Files.exists(file) ? "isn't a file" : "isn't there") + fetch);
        }
        return Optional.of(Files.isDirectory(file) ? "is a folder, expected a file" : "is missing");
    }

    /**
     * Joins images to cases.
     *
     * @param files of one folder
     * @param known what is known of the cases
     * @throws DatasetException when two files are the same channel of a case
     */
    static Grouped group(List<Path> files, Known known) throws DatasetException {
        Set<String> names = new HashSet<>();
        files.forEach(file -> names.add(ImageNames.stem(file)));
        Map<Path, Naming> decided = new HashMap<>();
        Set<Naming> found = new HashSet<>();
        for (Path file : files) {
            Naming naming = decide(ImageNames.stem(file), names, known.ids());
            decided.put(file, naming);
            found.add(naming);
        }
        found.remove(Naming.UNKNOWN);
        Naming others = known.naming() != Naming.UNKNOWN
                ? known.naming()
                : found.size() == 1 ? found.iterator().next() : Naming.UNKNOWN;
        Map<String, Group> groups = new TreeMap<>();
        for (Path file : files) {
            String name = ImageNames.stem(file);
            Naming naming = decided.get(file) == Naming.UNKNOWN ? others : decided.get(file);
            boolean first = names.contains(ImageNames.caseOf(name) + "_0000");
            boolean numbered =
                    ImageNames.channelOf(name) >= 0 && (naming == Naming.CHANNELS || naming == Naming.UNKNOWN && first);
            String id = numbered ? ImageNames.caseOf(name) : name;
            Group group = groups.computeIfAbsent(id, any -> new Group(id, new TreeMap<>(), numbered));
            Path other = group.byChannel().put(numbered ? ImageNames.channelOf(name) : 0, file);
            if (other != null) {
                throw new DatasetException(
                        file, "is the same channel of case '" + id + "' as " + other + ", expected one file a channel");
            }
        }
        return new Grouped(List.copyOf(groups.values()), others);
    }

    /**
     * Returns the images of cases of known names that lie in a folder, each case's in the order of its channels; a case without images is
     * left out.
     *
     * @throws DatasetException when two files are the same channel of a case
     * @throws IOException when the folder can't be listed
     */
    public static Map<String, List<Path>> imagesOf(Set<String> ids, Path folder) throws IOException {
        Map<String, List<Path>> images = new TreeMap<>();
        group(list(folder), Known.of(ids)).groups().stream()
                .filter(group -> ids.contains(group.id()))
                .forEach(group -> images.put(group.id(), group.files()));
        return images;
    }

    private static Naming decide(String name, Set<String> names, Set<String> ids) {
        boolean whole = ids.contains(name);
        boolean channel = ImageNames.channelOf(name) >= 0 && ids.contains(ImageNames.caseOf(name));
        if (whole && channel) {
            // "a" and "a_0000" are both cases: the latter has files of its own, or this is its file.
            return names.contains(name + "_0000") ? Naming.CHANNELS : Naming.WHOLE;
        }
        return whole ? Naming.WHOLE : channel ? Naming.CHANNELS : Naming.UNKNOWN;
    }

    /** Returns what labels and {@code dataset.json} beside a folder of images say about its cases. */
    static Known knownBeside(Path folder) throws IOException {
        Path place = folder.toAbsolutePath().normalize();
        Path root = place.getParent();
        String name = String.valueOf(place.getFileName());
        if (root == null || !name.startsWith(IMAGES)) {
            return Known.NOTHING;
        }
        Set<String> ids = new TreeSet<>(listed(root));
        addNames(root.resolve("labels" + name.substring(IMAGES.length())), ids);
        Path training = root.resolve("imagesTr");
        if (place.equals(training) || !Files.isDirectory(training)) {
            return Known.of(ids);
        }
        Set<String> trained = new TreeSet<>(listed(root));
        addNames(root.resolve("labelsTr"), trained);
        return new Known(ids, group(list(training), Known.of(trained)).naming());
    }

    private static void addNames(Path folder, Set<String> ids) throws IOException {
        if (Files.isDirectory(folder)) {
            list(folder).forEach(file -> ids.add(ImageNames.stem(file)));
        }
    }

    private static JsonNode description(Path folder) throws IOException {
        Path json = folder.resolve(DESCRIPTION);
        if (Files.isRegularFile(json)) {
            try {
                return JSON.readTree(Files.readAllBytes(json));
            } catch (JsonProcessingException e) {
                // Whoever reads the data set will say what is wrong with it; here it merely tells nothing.
                return JSON.missingNode();
            }
        }
        return JSON.missingNode();
    }

    private static Optional<String> statedEnding(Path folder) throws IOException {
        Path parent = folder.toAbsolutePath().normalize().getParent();
        for (Path place : parent == null ? List.of(folder) : List.of(folder, parent)) {
            String ending = description(place).path("file_ending").asText();
            if (!ending.isEmpty()) {
                return Optional.of(ending);
            }
        }
        return Optional.empty();
    }

    /** Returns the names of the cases that a data set lists: those of its labels, and of the test images, which have none. */
    private static Set<String> listed(Path root) throws IOException {
        JsonNode description = description(root);
        Set<String> ids = new TreeSet<>();
        for (JsonNode entry : description.path("training")) {
            addStem(entry.path("label"), ids);
        }
        for (JsonNode entry : description.path("test")) {
            addStem(entry.isObject() ? entry.path("image") : entry, ids);
        }
        description.path("dataset").fieldNames().forEachRemaining(ids::add);
        return ids;
    }

    private static void addStem(JsonNode name, Set<String> ids) {
        String text = name.asText();
        String last = text.substring(text.lastIndexOf('/') + 1);
        if (!last.isEmpty() && last.indexOf('\0') < 0) {
            ids.add(ImageNames.stem(Path.of(last)));
        }
    }
}

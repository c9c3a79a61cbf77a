package org.segformer3d.data.dataset;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.segformer3d.data.dataset.CaseFiles.Group;
import org.segformer3d.data.dataset.CaseFiles.Grouped;
import org.segformer3d.data.dataset.CaseFiles.Known;
import org.segformer3d.data.dataset.CaseFiles.Naming;
import org.segformer3d.data.format.VolumeFiles;

/** Finds the cases among files and folders that someone wants predicted. */
public final class PredictionInputs {
    private static final String DOUBT =
            "; if they are cases of their own, give --whole-names, and otherwise a model of as many channels";

    private final int channels;
    private final List<Case> cases = new ArrayList<>();
    private final Map<String, IOException> refused = new LinkedHashMap<>();
    private final IncompleteCases incomplete = new IncompleteCases();

    private PredictionInputs(int channels) {
        this.channels = channels;
    }

    /**
     * What was found among the inputs.
     *
     * @param cases what can be predicted, as far as names and headers tell
     * @param refused the other cases by name, each with the reason
     * @param incomplete cases that lack files or have too many
     */
    public record Found(List<Case> cases, Map<String, IOException> refused, IncompleteCases incomplete) {
        /** Copies the lists. */
        public Found {
            cases = List.copyOf(cases);
            refused = Collections.unmodifiableMap(new LinkedHashMap<>(refused));
            Objects.requireNonNull(incomplete, "incomplete");
        }
    }

    /**
     * Returns the cases behind some paths, all of them or none.
     *
     * @param inputs files or folders, at least one, never {@code null}
     * @param channels how many channels the model takes, ≥ 1
     * @throws DatasetException when a path doesn't exist, a folder holds no image, a case lacks channels or files, or two cases have one
     *     name
     * @throws IOException when reading a header fails
     * @see #search
     */
    public static List<Case> find(List<Path> inputs, int channels) throws IOException {
        Found found = search(inputs, channels, false);
        found.incomplete().requireNone(inputs.get(0));
        if (!found.refused().isEmpty()) {
            throw found.refused().values().iterator().next();
        }
        return found.cases();
    }

    /**
     * Returns the cases behind some paths and sets those aside that can't be predicted.
     *
     * <ul>
     *   <li>A folder stands for all images directly in it.
     *   <li>Files named {@code case_0000}, {@code case_0001}, … are the channels of one case, unless labels or {@code dataset.json} beside
     *       their folder, or each file's own channels, show that these are names of cases; see {@link CaseFiles}.
     *   <li>As many other files as there are channels, given one by one, are the channels of one case in the given order.
     *   <li>Any other file is a case of its own and must hold all channels.
     * </ul>
     *
     * @param inputs files or folders, at least one, never {@code null}
     * @param channels how many channels the model takes, ≥ 1
     * @param wholeNames whether every file is a case of its own, whatever its name ends in
     * @return cases; those refused, which have an unreadable header or another number of channels in one file; and incomplete ones, of
     *     which a file is missing, leads nowhere or is too many
     * @throws DatasetException when a path doesn't exist, a folder holds no image, no file holds all channels, or two cases have one name
     * @throws IOException when a folder can't be listed
     */
    public static Found search(List<Path> inputs, int channels, boolean wholeNames) throws IOException {
        Objects.requireNonNull(inputs, "inputs");
        if (inputs.isEmpty() || channels < 1) {
            throw new IllegalArgumentException(
                    "expected inputs and channels, found " + inputs.size() + " inputs and " + channels + " channels");
        }
        return new PredictionInputs(channels).search(inputs, wholeNames);
    }

    private Found search(List<Path> inputs, boolean wholeNames) throws IOException {
        Map<Path, List<Path>> byFolder = new LinkedHashMap<>();
        boolean oneByOne = true;
        for (Path input : inputs) {
            if (Files.isDirectory(input)) {
                List<Path> found = CaseFiles.list(input);
                if (found.isEmpty()) {
                    throw new DatasetException(
                            input, "no images in this folder, expected files named " + VolumeFiles.endingsText());
                }
                files(byFolder, input).addAll(found);
                oneByOne = false;
            } else if (Files.exists(input, LinkOption.NOFOLLOW_LINKS)) {
                files(byFolder, input.toAbsolutePath().getParent()).add(input);
            } else {
                throw new DatasetException(input, "no such file or folder, expected an image or a folder of images");
            }
        }
        List<Path> single = new ArrayList<>();
        for (Map.Entry<Path, List<Path>> folder : byFolder.entrySet()) {
            Known known = wholeNames ? new Known(Set.of(), Naming.WHOLE) : CaseFiles.knownBeside(folder.getKey());
            Grouped grouped = CaseFiles.group(folder.getValue(), known);
            for (Group group : grouped.groups()) {
                List<String> problems = group.problems();
                if (!group.numbered()) {
                    problems.forEach(problem -> incomplete.add(group.id(), problem));
                    if (problems.isEmpty()) {
                        single.addAll(group.files());
                    }
                } else if (grouped.naming() == Naming.UNKNOWN && channels > 1 && eachHoldsAll(group.files())) {
                    single.addAll(group.files());
                } else {
                    addNumbered(group, problems, grouped.naming() == Naming.UNKNOWN);
                }
            }
        }
        // In the given order, which is the channels' where they are one case.
        List<Path> given = new ArrayList<>();
        byFolder.values()
                .forEach(files -> files.stream().filter(single::contains).forEach(given::add));
        if (channels > 1 && oneByOne && given.size() == channels && !eachHoldsAll(given)) {
            cases.add(new Case(commonName(given), given, Optional.empty()));
        } else {
            addSingle(given);
        }
        checkNames();
        return new Found(cases, refused, incomplete);
    }

    private static List<Path> files(Map<Path, List<Path>> byFolder, Path folder) {
        return byFolder.computeIfAbsent(folder.toAbsolutePath().normalize(), any -> new ArrayList<>());
    }

    /** Adds a case whose files are named by their channels. */
    private void addNumbered(Group group, List<String> problems, boolean doubtful) {
        int files = group.byChannel().size();
        boolean oneForAll = files == 1 && group.byChannel().firstKey() == 0 && channels > 1;
        try {
            if (problems.isEmpty()
                    && files != channels
                    && !(oneForAll && holdsAll(group.files().get(0)))) {
                problems.add("has " + files + (files == 1 ? " channel file" : " channel files") + ", "
                        + CaseFiles.some(group.files().stream()
                                .map(file -> file.getFileName().toString())
                                .toList())
                        + ", expected " + channels + (doubtful && files > 1 ? DOUBT : ""));
            }
        } catch (IOException e) {
            refused.put(group.id(), e);
            return;
        }
        problems.forEach(problem -> incomplete.add(group.id(), problem));
        if (problems.isEmpty()) {
            cases.add(new Case(group.id(), group.files(), Optional.empty()));
        }
    }

    /** Adds files that are a case each. */
    private void addSingle(List<Path> single) throws DatasetException {
        int lacking = 0;
        for (Path file : single) {
            String id = ImageNames.stem(file);
            try {
                long found = channels == 1 ? 1 : CaseReader.channels(file);
                if (found == channels) {
                    cases.add(new Case(id, List.of(file), Optional.empty()));
                } else {
                    lacking++;
                    refused.put(
                            id,
                            new DatasetException(
                                    file,
                                    CaseReader.otherChannels(
                                            found, List.of(file.getFileName().toString()), String.valueOf(channels))));
                }
            } catch (IOException e) {
                refused.put(id, e);
            }
        }
        if (lacking > 0 && lacking == single.size()) {
            throw new DatasetException(
                    single.get(0),
                    "found " + lacking + (lacking == 1 ? " file" : " files")
                            + " without all channels in each, expected " + channels
                            + " channels: give one file per channel in channel order, files named case_0000, case_0001, …,"
                            + " or 4D files");
        }
    }

    private boolean holdsAll(Path file) throws IOException {
        return CaseReader.channels(file) == channels;
    }

    private boolean eachHoldsAll(List<Path> files) {
        for (Path file : files) {
            try {
                if (!holdsAll(file)) {
                    return false;
                }
            } catch (IOException e) {
                // Whoever reads the file will say what is wrong with it.
                return false;
            }
        }
        return true;
    }

    /** Returns what the names of one case's files have in common, without a separator at the end. */
    private static String commonName(List<Path> files) {
        String common = ImageNames.stem(files.get(0));
        for (Path file : files) {
            String stem = ImageNames.stem(file);
            int length = 0;
            while (length < Math.min(common.length(), stem.length()) && common.charAt(length) == stem.charAt(length)) {
                length++;
            }
            common = common.substring(0, length);
        }
        int separator = Math.max(common.lastIndexOf('_'), Math.max(common.lastIndexOf('-'), common.lastIndexOf('.')));
        // "scan_t1" and "scan_t2" share "scan_t", which is cut back to the last separator.
        common = separator > 0 ? common.substring(0, separator) : common;
        return common.isEmpty() ? ImageNames.stem(files.get(0)) : common;
    }

    private void checkNames() throws DatasetException {
        Map<String, Case> byId = new HashMap<>();
        for (Case one : cases) {
            Case other = byId.put(one.id(), one);
            if (other != null) {
                throw new DatasetException(
                        one.images().get(0),
                        "has the same name as " + other.images().get(0)
                                + ", so that their results would overwrite each other");
            }
        }
    }
}

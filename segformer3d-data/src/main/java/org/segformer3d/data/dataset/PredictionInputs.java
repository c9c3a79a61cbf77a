package org.segformer3d.data.dataset;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import org.segformer3d.data.format.VolumeFiles;

/** Finds the cases among files and folders that someone wants predicted. */
public final class PredictionInputs {
    private PredictionInputs() {}

    /**
     * What was found among the inputs.
     *
     * @param cases what can be predicted, as far as names and headers tell
     * @param refused the other cases by name, each with the reason
     */
    public record Found(List<Case> cases, Map<String, IOException> refused) {
        /** Copies the lists. */
        public Found {
            cases = List.copyOf(cases);
            refused = Collections.unmodifiableMap(new LinkedHashMap<>(refused));
        }
    }

    /**
     * Returns the cases behind some paths, all of them or none.
     *
     * @param inputs files or folders, at least one, never {@code null}
     * @param channels how many channels the model takes, ≥ 1
     * @throws DatasetException when a path doesn't exist, a folder holds no image, a case lacks channels, or two cases have one name
     * @throws IOException when reading a header fails
     * @see #search
     */
    public static List<Case> find(List<Path> inputs, int channels) throws IOException {
        Found found = search(inputs, channels);
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
     *   <li>Files named {@code case_0000}, {@code case_0001}, … are the channels of one case.
     *   <li>As many other files as there are channels, given one by one, are the channels of one case in the given order.
     *   <li>Any other file is a case of its own and must hold all channels.
     * </ul>
     *
     * @param inputs files or folders, at least one, never {@code null}
     * @param channels how many channels the model takes, ≥ 1
     * @return cases and refusals: a case that lacks channels or has an unreadable header
     * @throws DatasetException when a path doesn't exist, a folder holds no image, no file holds all channels, or two cases have one name
     * @throws IOException when a folder can't be listed
     */
    public static Found search(List<Path> inputs, int channels) throws IOException {
        Objects.requireNonNull(inputs, "inputs");
        if (inputs.isEmpty() || channels < 1) {
            throw new IllegalArgumentException(
                    "expected inputs and channels, found " + inputs.size() + " inputs and " + channels + " channels");
        }
        List<Path> files = new ArrayList<>();
        boolean oneByOne = true;
        for (Path input : inputs) {
            if (Files.isDirectory(input)) {
                List<Path> found = ImageNames.list(input);
                if (found.isEmpty()) {
                    throw new DatasetException(
                            input, "no images in this folder, expected files named " + VolumeFiles.endingsText());
                }
                files.addAll(found);
                oneByOne = false;
            } else if (Files.isRegularFile(input)) {
                files.add(input);
            } else {
                throw new DatasetException(input, "no such file or folder, expected an image or a folder of images");
            }
        }
        Map<String, TreeMap<Integer, Path>> groups = new TreeMap<>();
        List<Path> single = new ArrayList<>();
        group(files, channels, groups, single);
        List<Case> cases = new ArrayList<>();
        Map<String, IOException> refused = new LinkedHashMap<>();
        for (Map.Entry<String, TreeMap<Integer, Path>> group : groups.entrySet()) {
            try {
                List<Path> images = DatasetReader.complete(group.getValue());
                if (images.size() != channels
                        && !(images.size() == 1 && CaseReader.channels(images.get(0)) == channels)) {
                    throw new DatasetException(
                            images.get(0),
                            "case '" + group.getKey() + "' has " + images.size() + " channel files, expected "
                                    + channels);
                }
                cases.add(new Case(group.getKey(), images, Optional.empty()));
            } catch (IOException e) {
                refused.put(group.getKey(), e);
            }
        }
        if (channels > 1 && oneByOne && single.size() == channels && !eachHoldsAll(single, channels)) {
            cases.add(new Case(commonName(single), single, Optional.empty()));
        } else {
            addSingle(single, channels, cases, refused);
        }
        checkNames(cases);
        return new Found(cases, refused);
    }

    /** Adds files that are a case each. */
    private static void addSingle(List<Path> single, int channels, List<Case> cases, Map<String, IOException> refused)
            throws DatasetException {
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
                                    "found " + found + (found == 1 ? " channel" : " channels") + ", expected "
                                            + channels));
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

    private static void group(
            List<Path> files, int channels, Map<String, TreeMap<Integer, Path>> groups, List<Path> single)
            throws DatasetException {
        // Names that merely end in four digits aren't channels: a case's first channel is always _0000.
        Map<Path, Boolean> first = new HashMap<>();
        for (Path file : files) {
            if (ImageNames.channelOf(ImageNames.stem(file)) == 0) {
                first.put(caseKey(file), true);
            }
        }
        for (Path file : files) {
            String stem = ImageNames.stem(file);
            int channel = ImageNames.channelOf(stem);
            if (channel < 0 || !first.containsKey(caseKey(file)) || channels == 1 && channel > 0) {
                single.add(file);
            } else if (groups.computeIfAbsent(ImageNames.caseOf(stem), id -> new TreeMap<>())
                            .put(channel, file)
                    != null) {
                throw new DatasetException(
                        file, "channel " + channel + " of case '" + ImageNames.caseOf(stem) + "' is there twice");
            }
        }
    }

    private static Path caseKey(Path file) {
        return file.toAbsolutePath().resolveSibling(ImageNames.caseOf(ImageNames.stem(file)));
    }

    private static boolean eachHoldsAll(List<Path> files, int channels) {
        for (Path file : files) {
            try {
                if (CaseReader.channels(file) != channels) {
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

    private static void checkNames(List<Case> cases) throws DatasetException {
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

package org.segformer3d.eval.bundle;

import java.io.EOFException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipException;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.network.Architectures;
import org.segformer3d.api.network.Network;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.api.weights.StateDictMismatchException;
import org.segformer3d.api.weights.WeightInitializer;
import org.segformer3d.data.format.VolumeFiles;
import org.segformer3d.data.io.AtomicFiles;
import org.segformer3d.data.io.CorruptFileException;
import org.segformer3d.data.io.Sha256;
import org.segformer3d.data.io.TooNewFileException;
import org.segformer3d.data.io.TooOldFileException;
import org.segformer3d.data.io.UnsupportedFileException;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.data.preprocessing.PreprocessingSpec;
import org.segformer3d.data.weights.Safetensors;
import org.segformer3d.eval.inference.InferenceSpec;
import org.segformer3d.eval.result.Json;
import org.segformer3d.eval.result.Provenance;
import org.segformer3d.eval.result.SealedDescription;

/**
 * A trained network with all that is needed to predict: configuration, weights, preprocessing, labels, inference settings, and where
 * it came from. Immutable.
 *
 * <p>On disk it is a folder, or a zip file of it:
 *
 * <pre>
 * bundle.json          format "segformer3d-bundle", version, SHA-256 of the weights and of itself, everything but the weights
 * weights.safetensors  the state dict under the official names
 * README.md            the same for people
 * </pre>
 *
 * @param name what it calls itself, not blank
 * @param network what is computed
 * @param weights fitting the network
 * @param preprocessing what is done to a scan before the network sees it
 * @param labels what the network's channels mean
 * @param inference the window and how it moves
 * @param provenance where it came from: texts, numbers, booleans, lists and maps of these
 */
public record ModelBundle(
        String name,
        Network network,
        StateDict weights,
        PreprocessingSpec preprocessing,
        LabelSpec labels,
        InferenceSpec inference,
        Map<String, Object> provenance) {
    /** Name of the format, in every bundle.json. */
    public static final String FORMAT = "segformer3d-bundle";

    /** Version that is written, and the newest that is read. */
    public static final int VERSION = 1;

    /** Key of the provenance under which the names of a scan's channels stand. */
    public static final String CHANNELS = "channels";

    /** Key of the provenance under which the ending stands that the data it was trained on gives its files. */
    public static final String FILE_ENDING = "file_ending";

    /** Key of the provenance under which the axes stand that its training mirrored, out of 0, 1, 2; an empty list for none. */
    public static final String MIRRORED_AXES = "mirrored_axes";

    private static final int OLDEST_VERSION = 1;
    private static final SealedDescription SEALED = new SealedDescription(FORMAT, "bundle", OLDEST_VERSION, VERSION);
    private static final String DESCRIPTION = "bundle.json";
    private static final String WEIGHTS = "weights.safetensors";
    private static final String README = "README.md";
    private static final List<String> FILES = List.of(DESCRIPTION, WEIGHTS, README);
    private static final long MOST_DESCRIPTION_BYTES = 16 << 20;

    /** Checks that the parts fit together. */
    public ModelBundle {
        Objects.requireNonNull(weights, "weights");
        Objects.requireNonNull(preprocessing, "preprocessing");
        Objects.requireNonNull(inference, "inference");
        if (name.isBlank()) {
            throw ConfigException.of("name", "'" + name + "'", "a name");
        }
        if (labels.channels() != network.numClasses()) {
            throw ConfigException.of(
                    "model_parameters.num_classes",
                    network.numClasses(),
                    labels.channels() + ", one for each of the labels " + String.join(", ", labels.names()));
        }
        preprocessing.normalization().requireFor(network.inChannels());
        weights.require(network.parameters());
        provenance = Collections.unmodifiableMap(new LinkedHashMap<>(provenance));
    }

    /**
     * Returns a bundle with random weights, for trying things out.
     *
     * @param seed equal seeds give equal weights
     */
    public static ModelBundle random(
            Network network, PreprocessingSpec preprocessing, LabelSpec labels, InferenceSpec inference, long seed) {
        Map<String, Object> provenance = Provenance.ofSoftware();
        provenance.put("origin", "random weights, not trained");
        provenance.put("seed", seed);
        return new ModelBundle(
                "random-" + seed,
                network,
                WeightInitializer.initialize(network.parameters(), seed),
                preprocessing,
                labels,
                inference,
                provenance);
    }

    /** Returns what the data that it was trained on calls the channels of a scan, empty when that isn't known. */
    public List<String> channelNames() {
        return provenance.get(CHANNELS) instanceof List<?> names && names.size() == network.inChannels()
                ? names.stream().map(String::valueOf).toList()
                : List.of();
    }

    /** Returns this bundle with other inference settings. */
    public ModelBundle withInference(InferenceSpec other) {
        return new ModelBundle(name, network, weights, preprocessing, labels, other, provenance);
    }

    /** Returns the ending that results are written under where nobody asks for another: that of the data it was trained on. */
    public String resultEnding() {
        return VolumeFiles.resultEnding(
                provenance.get(FILE_ENDING) instanceof String ending ? ending : VolumeFiles.USUAL_ENDING);
    }

    /** Returns the spatial axes that its training mirrored, none for an empty list; empty when the bundle doesn't say. */
    public Optional<List<Integer>> mirroredAxes() {
        return provenance.get(MIRRORED_AXES) instanceof List<?> axes
                        && axes.stream().allMatch(axis -> axis instanceof Number)
                ? Optional.of(
                        axes.stream().map(axis -> ((Number) axis).intValue()).toList())
                : Optional.empty();
    }

    /** Returns this bundle with an entry of its provenance added or replaced. */
    public ModelBundle withProvenance(String key, Object value) {
        Map<String, Object> changed = new LinkedHashMap<>(provenance);
        changed.put(key, value);
        return new ModelBundle(name, network, weights, preprocessing, labels, inference, changed);
    }

    /** Returns the SHA-256 of what determines a prediction besides the weights: network, preprocessing, labels, inference. */
    public String configurationHash() {
        return Json.hash(configuration());
    }

    private Map<String, Object> configuration() {
        Map<String, Object> map = new LinkedHashMap<>();
        if (!network.architecture().equals(Architectures.DEFAULT)) {
            map.put("model_name", network.architecture());
        }
        map.put("model_parameters", network.toMap());
        map.put("preprocessing", preprocessing.toMap());
        map.put("labels", labels.toMap());
        map.put("inference", inference.toMap());
        return map;
    }

    /**
     * Writes the bundle atomically: as a zip file where the name ends in {@code .zip}, else as a folder. An older bundle there is
     * replaced.
     *
     * @param target folder or zip file, never {@code null}; folders above it are made where they are missing
     * @throws IOException when the target is a folder with anything but a bundle in it, or writing fails; what was there stays
     */
    public void write(Path target) throws IOException {
        Path absolute = target.toAbsolutePath().normalize();
        if (absolute.getParent() != null) {
            Files.createDirectories(absolute.getParent());
        }
        if (isZipName(absolute)) {
            writeZip(absolute);
            return;
        }
        refuseForeignFolder(target);
        AtomicFiles.replaceDirectory(absolute, this::fill);
    }

    private void fill(Path folder) throws IOException {
        Path file = folder.resolve(WEIGHTS);
        Safetensors.write(file, weights.tensors(), Map.of("format", "pt"));
        Files.writeString(folder.resolve(DESCRIPTION), description(Sha256.of(file), Files.size(file)));
        Files.writeString(folder.resolve(README), readme());
    }

    private void writeZip(Path target) throws IOException {
        Path folder = Files.createTempDirectory("segformer3d-bundle");
        try {
            fill(folder);
            AtomicFiles.write(target, out -> zip(folder, out));
        } finally {
            deleteFilesIn(folder);
        }
    }

    private static void zip(Path folder, OutputStream out) throws IOException {
        ZipOutputStream zip = new ZipOutputStream(out);
        for (String name : FILES) {
            Path file = folder.resolve(name);
            ZipEntry entry = new ZipEntry(name);
            // A fixed time, so that equal bundles are equal files; weights don't compress, so they are stored.
            entry.setTimeLocal(java.time.LocalDateTime.of(1980, 1, 1, 0, 0));
            if (name.equals(WEIGHTS)) {
                entry.setMethod(ZipEntry.STORED);
                entry.setSize(Files.size(file));
                entry.setCrc(crc(file));
            }
            zip.putNextEntry(entry);
            Files.copy(file, zip);
            zip.closeEntry();
        }
        zip.finish();
    }

    private static long crc(Path file) throws IOException {
        CRC32 crc = new CRC32();
        byte[] buffer = new byte[1 << 16];
        try (InputStream in = Files.newInputStream(file)) {
            for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
                crc.update(buffer, 0, n);
            }
        }
        return crc.getValue();
    }

    private static void refuseForeignFolder(Path target) throws IOException {
        if (!Files.isDirectory(target)) {
            return;
        }
        try (Stream<Path> entries = Files.list(target)) {
            List<String> foreign = entries.map(entry -> entry.getFileName().toString())
                    .filter(entry -> !FILES.contains(entry))
                    .sorted()
                    .toList();
            if (!foreign.isEmpty()) {
                throw new IOException(target + ": found a folder with '" + foreign.get(0)
                        + "' in it, expected a bundle or nothing; choose another name");
            }
        }
    }

    private String description(String weightsHash, long weightsBytes) {
        Map<String, Object> file = new LinkedHashMap<>();
        file.put("file", WEIGHTS);
        file.put("bytes", weightsBytes);
        file.put("sha256", weightsHash);
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("name", name);
        map.put("weights", file);
        map.putAll(configuration());
        map.put("provenance", provenance);
        return SEALED.write(map);
    }

    private String readme() {
        StringBuilder text = new StringBuilder();
        text.append("# ")
                .append(name)
                .append("\n\nA SegFormer3D model bundle, version ")
                .append(VERSION);
        text.append(
                ". It needs nothing else to predict:\n\n    ./segformer3d predict --model THIS_FOLDER --input SCAN");
        text.append(" --output FOLDER\n\n- input: ").append(network.inChannels());
        text.append(network.inChannels() == 1 ? " channel" : " channels, one file each or one 4D file");
        text.append("\n- labels (")
                .append(labels.mode().name().toLowerCase(Locale.ROOT))
                .append("):\n");
        labels.regions()
                .forEach(region -> text.append("  - ")
                        .append(region.name())
                        .append(": values ")
                        .append(region.values())
                        .append(", written as ")
                        .append(region.write())
                        .append('\n'));
        text.append("- window: ")
                .append(inference.roi())
                .append(" voxels, overlap ")
                .append(inference.overlap());
        text.append(", ").append(inference.blend().key()).append(" weights\n- preprocessing: ");
        text.append(preprocessing.toMap())
                .append("\n- weights: ")
                .append(weights.elements())
                .append(" numbers\n");
        text.append("\nWhere it came from:\n\n");
        provenance.forEach((key, value) ->
                text.append("- ").append(key).append(": ").append(value).append('\n'));
        text.append("\nNot a medical device: results must not be used for diagnosis or treatment.\n");
        return text.toString();
    }

    /**
     * Reads a bundle.
     *
     * @param source folder or zip file, never {@code null}; a zip file may hold the folder as its only top-level entry
     * @throws FileNotFoundException when there is nothing
     * @throws CorruptFileException when it is damaged, incomplete or edited
     * @throws TooOldFileException when its version is no longer read
     * @throws TooNewFileException when a later release wrote it
     * @throws UnsupportedFileException when it isn't a bundle
     * @throws IOException when reading fails
     */
    public static ModelBundle read(Path source) throws IOException {
        Objects.requireNonNull(source, "source");
        AtomicFiles.recoverDirectory(source);
        if (Files.isDirectory(source)) {
            return readFolder(source);
        }
        if (!Files.exists(source)) {
            throw new FileNotFoundException(source + ": no such file or folder, expected a model bundle");
        }
        return readZip(source);
    }

    private static ModelBundle readFolder(Path folder) throws IOException {
        Path description = folder.resolve(DESCRIPTION);
        if (!Files.isRegularFile(description)) {
            throw new UnsupportedFileException(
                    folder, "found no " + DESCRIPTION + " in this folder, expected a model bundle");
        }
        if (Files.size(description) > MOST_DESCRIPTION_BYTES) {
            throw tooLong(description, Files.size(description));
        }
        Description parsed = Description.parse(description, Files.readAllBytes(description));
        Path weights = folder.resolve(WEIGHTS);
        if (!Files.isRegularFile(weights)) {
            throw new CorruptFileException(weights, "no such file, expected the bundle's weights");
        }
        return parsed.complete(weights, weights);
    }

    private static ModelBundle readZip(Path file) throws IOException {
        Path temporary = null;
        try (ZipFile zip = new ZipFile(file.toFile())) {
            ZipEntry description = entry(file, zip);
            if (description.getSize() > MOST_DESCRIPTION_BYTES) {
                throw tooLong(file.resolve(description.getName()), description.getSize());
            }
            byte[] bytes;
            try (InputStream in = zip.getInputStream(description)) {
                bytes = in.readNBytes((int) MOST_DESCRIPTION_BYTES);
            }
            Description parsed = Description.parse(file.resolve(description.getName()), bytes);
            String prefix =
                    description.getName().substring(0, description.getName().length() - DESCRIPTION.length());
            Path shown = file.resolve(prefix + WEIGHTS);
            ZipEntry weights = zip.getEntry(prefix + WEIGHTS);
            if (weights == null) {
                throw new CorruptFileException(shown, "no such entry, expected the bundle's weights");
            }
            temporary = Files.createTempFile("segformer3d-weights", ".safetensors");
            try (InputStream in = zip.getInputStream(weights);
                    OutputStream out = Files.newOutputStream(temporary)) {
                // Never more than is announced, so that a crafted archive can't fill the disk; the size is checked
                // below.
                copy(in, out, parsed.weightsBytes + 1);
            }
            return parsed.complete(shown, temporary);
        } catch (ZipException | EOFException | IllegalArgumentException e) {
            // Java's reader reports damage in all these ways, the last one for entry names that aren't UTF-8.
            throw new CorruptFileException(
                    file,
                    "not a readable zip file" + (e.getMessage() == null ? "" : " (" + e.getMessage() + ")")
                            + ", expected a model bundle",
                    e);
        } finally {
            if (temporary != null) {
                Files.deleteIfExists(temporary);
            }
        }
    }

    private static ZipEntry entry(Path file, ZipFile zip) throws IOException {
        List<ZipEntry> found = new ArrayList<>();
        zip.stream()
                .filter(entry ->
                        entry.getName().equals(DESCRIPTION) || entry.getName().matches("[^/]+/bundle\\.json"))
                .forEach(found::add);
        if (found.size() != 1) {
            throw new UnsupportedFileException(
                    file,
                    "found " + (found.isEmpty() ? "no " : found.size() + " times ") + DESCRIPTION
                            + " in this zip file, expected a model bundle");
        }
        return found.get(0);
    }

    private static CorruptFileException tooLong(Path file, long bytes) {
        return new CorruptFileException(file, "found " + bytes + " bytes, expected at most " + MOST_DESCRIPTION_BYTES);
    }

    private static void copy(InputStream in, OutputStream out, long most) throws IOException {
        byte[] buffer = new byte[1 << 16];
        long left = most;
        for (int n = in.read(buffer); n >= 0 && left > 0; n = in.read(buffer)) {
            out.write(buffer, 0, (int) Math.min(n, left));
            left -= n;
        }
    }

    private static boolean isZipName(Path path) {
        return path.getFileName() != null
                && path.getFileName().toString().toLowerCase(Locale.ROOT).endsWith(".zip");
    }

    private static void deleteFilesIn(Path folder) throws IOException {
        for (String name : FILES) {
            Files.deleteIfExists(folder.resolve(name));
        }
        if (Files.isDirectory(folder, LinkOption.NOFOLLOW_LINKS)) {
            Files.delete(folder);
        }
    }

    /** A bundle.json whose version and checksum are right. */
    private record Description(Path file, Map<String, Object> map, String weightsHash, long weightsBytes) {
        static Description parse(Path file, byte[] bytes) throws IOException {
            Map<String, Object> map = SEALED.read(file, bytes);
            if (!(map.get("weights") instanceof Map<?, ?> weights)
                    || !(weights.get("sha256") instanceof String hash)
                    || !(weights.get("bytes") instanceof Number size)) {
                throw new CorruptFileException(
                        file, "found weights " + map.get("weights") + ", expected {file, bytes, sha256}");
            }
            return new Description(file, map, hash, size.longValue());
        }

        /**
         * Checks and reads the weights.
         *
         * @param shown the weights' name for messages
         * @param weights the file with the weights
         */
        ModelBundle complete(Path shown, Path weights) throws IOException {
            if (Files.size(weights) != weightsBytes) {
                throw new CorruptFileException(
                        shown,
                        "found " + (Files.size(weights) > weightsBytes ? "at least " : "") + Files.size(weights)
                                + " bytes, expected " + weightsBytes + "; copy the bundle again");
            }
            String actual = Sha256.of(weights);
            if (!actual.equals(weightsHash)) {
                throw new CorruptFileException(
                        shown, "found SHA-256 " + actual + ", expected " + weightsHash + "; copy the bundle again");
            }
            try {
                return new ModelBundle(
                        String.valueOf(map.get("name")),
                        Architectures.network(
                                String.valueOf(map.getOrDefault("model_name", Architectures.DEFAULT)),
                                section("model_parameters")),
                        Safetensors.readStateDict(weights),
                        PreprocessingSpec.fromMap(section("preprocessing")),
                        LabelSpec.fromMap(section("labels")),
                        InferenceSpec.fromMap(section("inference")),
                        section("provenance"));
            } catch (ConfigException | StateDictMismatchException e) {
                throw new CorruptFileException(file, e.getMessage(), e);
            }
        }

        private Map<String, Object> section(String key) throws CorruptFileException {
            return SealedDescription.section(file, map, key);
        }
    }
}

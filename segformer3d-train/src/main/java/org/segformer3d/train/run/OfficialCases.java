package org.segformer3d.train.run;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.data.cache.CacheKey;
import org.segformer3d.data.dataset.BratsReader;
import org.segformer3d.data.dataset.BratsReader.BratsScans;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.data.dataset.CaseReader;
import org.segformer3d.data.dataset.CaseTable;
import org.segformer3d.data.dataset.CaseTable.Row;
import org.segformer3d.data.dataset.DatasetException;
import org.segformer3d.data.dataset.IncompleteCases;
import org.segformer3d.data.dataset.OfficialPairs;
import org.segformer3d.data.io.CorruptFileException;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.data.labels.Region;
import org.segformer3d.data.loading.CaseSource;
import org.segformer3d.data.preprocessing.BratsPreprocessing;
import org.segformer3d.data.preprocessing.BratsPreprocessing.Coding;
import org.segformer3d.data.preprocessing.BratsPreprocessing.Pair;
import org.segformer3d.data.preprocessing.PreparedCase;
import org.segformer3d.data.preprocessing.Restoration;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.weights.PyTorchFile;
import org.segformer3d.train.config.DatasetSettings;

/**
 * Cases as the official run trains on them: pairs that its script wrote, {@code NAME_modalities.pt} (C,D,H,W) and
 * {@code NAME_label.pt}, three masks (TC, WT, ET) of the same voxels, listed in a CSV file; or raw BraTS scans, to which the same is
 * done when they are loaded.
 */
final class OfficialCases implements CaseSource {
    private final List<Entry> entries;
    private final LabelSpec labels;
    /** How many channels the network takes, where that is known. */
    private final OptionalInt channels;

    private interface Entry {
        String id();

        List<Path> files();

        Pair load() throws IOException;

        /** What makes the pair besides the files. */
        String coding();
    }

    /** A pair of files. */
    private record Prepared(String id, Path image, Path label) implements Entry {
        @Override
        public List<Path> files() {
            return List.of(image, label);
        }

        @Override
        public String coding() {
            return "prepared";
        }

        @Override
        public Pair load() throws IOException {
            return new Pair(PyTorchFile.readTensor(image), PyTorchFile.readTensor(label));
        }
    }

    /** A raw scan. */
    private record Raw(Case scan, Coding values) implements Entry {
        @Override
        public String coding() {
            return values.name();
        }

        @Override
        public String id() {
            return scan.id();
        }

        @Override
        public List<Path> files() {
            List<Path> files = new ArrayList<>(scan.images());
            scan.label().ifPresent(files::add);
            return files;
        }

        @Override
        public Pair load() throws IOException {
            return BratsPreprocessing.prepare(
                    scan.images().get(0).toString(),
                    List.of(CaseReader.readImage(scan, 0)),
                    CaseReader.read(scan.label().orElseThrow()),
                    values);
        }
    }

    private OfficialCases(List<Entry> entries, LabelSpec labels, OptionalInt channels) {
        this.entries = List.copyOf(entries);
        this.labels = labels;
        this.channels = channels;
    }

    /**
     * Reads a list, or finds the raw scans in a folder without one.
     *
     * @param part {@code train} or {@code val}, for messages
     * @param skipsIncomplete whether cases that lack a file are left out instead of being refused
     * @throws ConfigException when no root is named, or a fold of raw scans is asked for
     * @throws DatasetException when there are neither a list nor scans, or a case's file is missing
     */
    static OfficialCases read(
            DatasetSettings.CaseList list, String part, DatasetSettings.Type type, boolean skipsIncomplete)
            throws IOException {
        String key = "dataset_parameters." + part + "_dataset_args.";
        Path root = list.root()
                .orElseThrow(() -> ConfigException.of(key + "root", "null", "the folder with " + list.fileName()));
        LabelSpec labels = LabelSpec.preset(type == DatasetSettings.Type.BRATS2017_SEG ? "brats2017" : "brats2021");
        Path csv = root.resolve(list.fileName());
        if (Files.isRegularFile(csv)) {
            List<Entry> entries = new ArrayList<>();
            IncompleteCases incomplete = new IncompleteCases();
            for (Row row : CaseTable.read(csv).rows()) {
                entry(csv, root, row, incomplete).ifPresent(entries::add);
            }
            if (!skipsIncomplete || entries.isEmpty()) {
                incomplete.requireNone(csv);
            }
            incomplete.warn(csv);
            return new OfficialCases(entries, labels, OptionalInt.empty());
        }
        if (!BratsReader.isPresent(root)) {
            throw new DatasetException(
                    csv,
                    "no such file, expected the official list of cases with the columns data_path, case_name, or raw BraTS scans ("
                            + key + "root)");
        }
        if (list.fold().isPresent()) {
            throw ConfigException.of(
                    key + "fold_id",
                    list.fold().getAsInt(),
                    "null, as " + root + " has raw scans and no " + list.fileName()
                            + "; write lists with preprocess and split --folds");
        }
        BratsScans scans = skipsIncomplete ? BratsReader.readComplete(root) : BratsReader.read(root);
        Coding coding =
                scans.decathlon() && type == DatasetSettings.Type.BRATS2017_SEG ? Coding.DECATHLON : Coding.CHALLENGE;
        List<Entry> entries = new ArrayList<>();
        scans.dataset().cases().forEach(scan -> entries.add(new Raw(scan, coding)));
        return new OfficialCases(entries, labels, OptionalInt.empty());
    }

    /**
     * The lists hold paths as the official script saw them, so that their last parts are also tried in the list's own folder: lists
     * stay valid where the whole folder has moved.
     */
    private static Optional<Entry> entry(Path csv, Path root, Row row, IncompleteCases incomplete)
            throws DatasetException {
        Path written;
        try {
            written = Path.of(row.dataPath());
        } catch (InvalidPathException e) {
            throw new DatasetException(csv, "found the path '" + row.dataPath() + "', expected a folder", e);
        }
        List<Path> folders =
                new ArrayList<>(List.of(written, root.resolve(written).normalize()));
        for (int n = 0; n < written.getNameCount(); n++) {
            Path end = written.subpath(n, written.getNameCount());
            if (!end.startsWith("..")) {
                folders.add(root.resolve(end));
            }
        }
        folders.add(root.resolve(row.caseName()));
        for (Path folder : folders) {
            if (OfficialPairs.isPresent(folder, row.caseName())) {
                return Optional.of(new Prepared(
                        row.caseName(),
                        OfficialPairs.image(folder, row.caseName()),
                        OfficialPairs.label(folder, row.caseName())));
            }
        }
        incomplete.add(
                row.caseName(),
                "found no " + row.caseName() + "_modalities.pt with " + row.caseName() + "_label.pt in " + written
                        + " or below " + root);
        return Optional.empty();
    }

    /** Returns whether these are raw scans, of which no list says who trains. */
    boolean isRaw() {
        return entries.get(0) instanceof Raw;
    }

    /** Returns the cases with the given ids, in their order. */
    OfficialCases select(List<String> ids) {
        List<Entry> selected = new ArrayList<>();
        for (String id : ids) {
            selected.add(entries.stream()
                    .filter(entry -> entry.id().equals(id))
                    .findFirst()
                    .orElseThrow(() -> new ConfigException(
                            "dataset_parameters.split.file: there is no case '" + id + "' among the scans")));
        }
        return new OfficialCases(selected, labels, channels);
    }

    /** Returns these cases for a network that takes so many channels: one with others is refused. */
    OfficialCases expecting(int newChannels) {
        return new OfficialCases(entries, labels, OptionalInt.of(newChannels));
    }

    /** Returns the coding in which the masks are handed on as labels. */
    LabelSpec labels() {
        return labels;
    }

    /** Returns all files. */
    List<Path> files() {
        return entries.stream().flatMap(entry -> entry.files().stream()).toList();
    }

    @Override
    public int size() {
        return entries.size();
    }

    @Override
    public String id(int index) {
        return entries.get(index).id();
    }

    /**
     * Returns what makes a case.
     *
     * @throws IOException when a file is missing or can't be read
     */
    CacheKey key(int index) throws IOException {
        Entry entry = entries.get(index);
        CacheKey key = CacheKey.of("official case", BratsPreprocessing.VERSION)
                .with("coding", entry.coding())
                .with("labels", labels.toMap());
        for (Path file : entry.files()) {
            key = key.withFile("file", file);
        }
        return key;
    }

    @Override
    public PreparedCase load(int index) throws IOException {
        Entry entry = entries.get(index);
        Pair pair = entry.load();
        HostTensor image = pair.image();
        HostTensor masks = pair.masks();
        if (image.rank() != 4) {
            throw new CorruptFileException(
                    entry.files().get(0), "found shape " + Shapes.text(image.shape()) + ", expected (C,D,H,W)");
        }
        if (channels.isPresent() && image.size(0) != channels.getAsInt()) {
            throw new CorruptFileException(
                    entry.files().get(0),
                    "found " + image.size(0) + " channels, expected " + channels.getAsInt()
                            + " as model_parameters.in_channels says");
        }
        checkFinite(entry.files().get(0), image);
        Grid size = new Grid((int) image.size(1), (int) image.size(2), (int) image.size(3));
        long[] expected = {labels.channels(), size.depth(), size.height(), size.width()};
        if (!java.util.Arrays.equals(masks.shape(), expected)) {
            throw new CorruptFileException(
                    entry.files().get(1),
                    "found shape " + Shapes.text(masks.shape()) + ", expected " + Shapes.text(expected)
                            + " (TC, WT, ET on the image's voxels)");
        }
        Restoration restoration = Restoration.identity(Geometry.of(size, Affine.IDENTITY));
        return new PreparedCase(image, Optional.of(labels(entry, masks, size)), restoration);
    }

    private static void checkFinite(Path file, HostTensor image) throws CorruptFileException {
        int n = Math.toIntExact(image.elements());
        for (int i = 0; i < n; i++) {
            if (!Double.isFinite(image.get(i))) {
                throw new CorruptFileException(
                        file, "found " + image.get(i) + " among its values, expected finite numbers; replace them");
            }
        }
    }

    /** Returns the labels whose encoding is the masks: each voxel the value that all its masks and no other share. */
    private HostTensor labels(Entry entry, HostTensor masks, Grid size) throws CorruptFileException {
        int channels = labels.channels();
        byte[] valueOf = new byte[1 << channels];
        java.util.Arrays.fill(valueOf, (byte) -1);
        valueOf[0] = 0;
        for (int value : labels.knownValues()) {
            int pattern = 0;
            for (int c = 0; c < channels; c++) {
                Region region = labels.regions().get(c);
                pattern |= region.values().contains(value) ? 1 << c : 0;
            }
            valueOf[pattern] = (byte) value;
        }
        int voxels = size.tokens();
        HostTensor result = HostTensor.zeros(DType.UINT8, size.depth(), size.height(), size.width());
        ByteBuffer target = result.bytes();
        for (int v = 0; v < voxels; v++) {
            int pattern = 0;
            for (int c = 0; c < channels; c++) {
                double mask = masks.get(c * voxels + v);
                if (mask != 0 && mask != 1) {
                    throw new CorruptFileException(
                            entry.files().get(1), "found the mask value " + mask + ", expected 0 or 1");
                }
                pattern |= mask != 0 ? 1 << c : 0;
            }
            if (valueOf[pattern] < 0) {
                throw new CorruptFileException(
                        entry.files().get(1), "found a voxel that is in ET but not in TC, or in TC but not in WT");
            }
            target.put(v, valueOf[pattern]);
        }
        return result;
    }
}

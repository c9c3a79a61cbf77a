package org.segformer3d.train.run;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.data.dataset.DatasetException;
import org.segformer3d.data.io.CorruptFileException;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.data.labels.Region;
import org.segformer3d.data.loading.CaseSource;
import org.segformer3d.data.preprocessing.PreparedCase;
import org.segformer3d.data.preprocessing.Restoration;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.weights.PyTorchFile;
import org.segformer3d.train.config.DatasetSettings;

/**
 * The official preprocessed cases: a CSV list with the columns {@code data_path} and {@code case_name}, and for each case
 * {@code NAME_modalities.pt} (C,D,H,W) and {@code NAME_label.pt}, three masks (TC, WT, ET) of the same voxels.
 */
final class OfficialCases implements CaseSource {
    private final List<Entry> entries;
    private final LabelSpec labels;

    /** One line of the list. */
    private record Entry(String id, Path image, Path label) {}

    private OfficialCases(List<Entry> entries, LabelSpec labels) {
        this.entries = entries;
        this.labels = labels;
    }

    /**
     * Reads a list.
     *
     * @param part {@code train} or {@code val}, for messages
     * @throws ConfigException when no root is named
     * @throws DatasetException when the list or a case's file is missing
     */
    static OfficialCases read(DatasetSettings.CaseList list, String part, DatasetSettings.Type type)
            throws IOException {
        String key = "dataset_parameters." + part + "_dataset_args.root";
        Path root =
                list.root().orElseThrow(() -> ConfigException.of(key, "null", "the folder with " + list.fileName()));
        Path csv = root.resolve(list.fileName());
        if (!Files.isRegularFile(csv)) {
            throw new DatasetException(
                    csv,
                    "no such file, expected the official list of cases with the columns data_path, case_name (" + key
                            + ")");
        }
        List<String> lines = Files.readAllLines(csv);
        List<String> header = lines.isEmpty() ? List.of() : fields(lines.get(0));
        int pathColumn = header.indexOf("data_path");
        int nameColumn = header.indexOf("case_name");
        if (pathColumn < 0 || nameColumn < 0) {
            throw new DatasetException(csv, "found the columns " + header + ", expected data_path and case_name");
        }
        List<Entry> entries = new ArrayList<>();
        Set<String> names = new HashSet<>();
        for (int n = 1; n < lines.size(); n++) {
            if (lines.get(n).isBlank()) {
                continue;
            }
            List<String> line = fields(lines.get(n));
            if (line.size() <= Math.max(pathColumn, nameColumn)) {
                throw new DatasetException(
                        csv, "line " + (n + 1) + " has " + line.size() + " fields, expected " + header.size());
            }
            String name = line.get(nameColumn);
            if (!names.add(name)) {
                throw new DatasetException(csv, "line " + (n + 1) + ": case '" + name + "' is there twice");
            }
            entries.add(entry(csv, root, line.get(pathColumn), name));
        }
        if (entries.isEmpty()) {
            throw new DatasetException(csv, "lists no cases");
        }
        return new OfficialCases(
                entries, LabelSpec.preset(type == DatasetSettings.Type.BRATS2017_SEG ? "brats2017" : "brats2021"));
    }

    /** The lists hold paths as the official script saw them, so they are also tried relative to the list's own folder. */
    private static Entry entry(Path csv, Path root, String dataPath, String name) throws DatasetException {
        List<Path> folders = List.of(Path.of(dataPath), root.resolve(dataPath).normalize(), root.resolve(name));
        for (Path folder : folders) {
            Path image = folder.resolve(name + "_modalities.pt");
            Path label = folder.resolve(name + "_label.pt");
            if (Files.isRegularFile(image) && Files.isRegularFile(label)) {
                return new Entry(name, image, label);
            }
        }
        throw new DatasetException(
                csv, "found no " + name + "_modalities.pt with " + name + "_label.pt in any of " + folders);
    }

    private static List<String> fields(String line) {
        List<String> fields = new ArrayList<>();
        for (String field : line.split(",", -1)) {
            String text = field.strip();
            boolean quoted = text.length() > 1 && text.startsWith("\"") && text.endsWith("\"");
            fields.add(quoted ? text.substring(1, text.length() - 1) : text);
        }
        return fields;
    }

    /** Returns the coding in which the masks are handed on as labels. */
    LabelSpec labels() {
        return labels;
    }

    /** Returns all files. */
    List<Path> files() {
        List<Path> files = new ArrayList<>();
        entries.forEach(entry -> {
            files.add(entry.image());
            files.add(entry.label());
        });
        return files;
    }

    @Override
    public int size() {
        return entries.size();
    }

    @Override
    public String id(int index) {
        return entries.get(index).id();
    }

    @Override
    public PreparedCase load(int index) throws IOException {
        Entry entry = entries.get(index);
        HostTensor image = PyTorchFile.readTensor(entry.image());
        HostTensor masks = PyTorchFile.readTensor(entry.label());
        if (image.rank() != 4) {
            throw new CorruptFileException(
                    entry.image(), "found shape " + Shapes.text(image.shape()) + ", expected (C,D,H,W)");
        }
        Grid size = new Grid((int) image.size(1), (int) image.size(2), (int) image.size(3));
        long[] expected = {labels.channels(), size.depth(), size.height(), size.width()};
        if (!java.util.Arrays.equals(masks.shape(), expected)) {
            throw new CorruptFileException(
                    entry.label(),
                    "found shape " + Shapes.text(masks.shape()) + ", expected " + Shapes.text(expected)
                            + " (TC, WT, ET on the image's voxels)");
        }
        Restoration restoration = Restoration.identity(Geometry.of(size, Affine.IDENTITY));
        return new PreparedCase(image, Optional.of(labels(entry, masks, size)), restoration);
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
                pattern |= masks.get(c * voxels + v) != 0 ? 1 << c : 0;
            }
            if (valueOf[pattern] < 0) {
                throw new CorruptFileException(
                        entry.label(), "found a voxel that is in ET but not in TC, or in TC but not in WT");
            }
            target.put(v, valueOf[pattern]);
        }
        return result;
    }
}

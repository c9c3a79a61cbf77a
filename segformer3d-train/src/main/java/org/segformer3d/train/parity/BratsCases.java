package org.segformer3d.train.parity;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.data.dataset.BratsReader;
import org.segformer3d.data.dataset.BratsReader.BratsScans;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.data.dataset.CaseReader;
import org.segformer3d.data.dataset.OfficialPairs;
import org.segformer3d.data.preprocessing.BratsPreprocessing;
import org.segformer3d.data.preprocessing.BratsPreprocessing.Coding;
import org.segformer3d.data.preprocessing.BratsPreprocessing.Pair;
import org.segformer3d.data.weights.PyTorchFile;
import org.segformer3d.train.parity.Parity.ParityCase;

/**
 * BraTS data: {@code pipeline/brats_preprocess.safetensors}, what the official script makes of the scans in {@code pipeline/brats_raw},
 * and {@code pipeline/brats_preprocessed}, files as it saves them.
 */
final class BratsCases {
    private static final String MODULE = "brats";
    private static final double TOLERANCE = 1e-6;
    private static final String IMAGE = "_modalities.pt";

    private BratsCases() {}

    static List<ParityCase> in(ReferenceFolder folder) {
        List<ParityCase> cases = new ArrayList<>();
        for (Path file : folder.named("brats_preprocess.*\\.safetensors")) {
            Path raw = file.resolveSibling("brats_raw");
            folder.use(file, raw);
            cases.add(new Preprocessed(folder.title(file, ".safetensors"), raw, file));
        }
        for (Path expected : folder.named("expected\\.safetensors")) {
            folder.use(expected);
            Path pairs = expected.getParent();
            for (Path image : folder.named(".+" + IMAGE)) {
                if (image.getParent().equals(pairs)) {
                    String id = image.getFileName().toString();
                    id = id.substring(0, id.length() - IMAGE.length());
                    folder.use(image, OfficialPairs.label(pairs, id));
                    cases.add(new Saved(folder.title(image, IMAGE), id, expected));
                }
            }
        }
        return cases;
    }

    /** What the script makes of raw scans; the names before the dots say whose. */
    private record Preprocessed(String name, Path raw, Path file) implements ParityCase {
        @Override
        public String module() {
            return MODULE;
        }

        @Override
        public void run(Consumer<ParityLine> sink) throws IOException {
            Map<String, Map<String, HostTensor>> scans = new TreeMap<>();
            ReferenceFolder.tensors(file).forEach((key, tensor) -> {
                int dot = key.lastIndexOf('.');
                scans.computeIfAbsent(key.substring(0, Math.max(0, dot)), id -> new LinkedHashMap<>())
                        .put(key.substring(dot + 1), tensor);
            });
            if (!Files.isDirectory(raw)) {
                sink.accept(ParityLine.skipped(name, MODULE, "there is no folder " + raw + " with the scans"));
                return;
            }
            BratsScans found = BratsReader.read(raw);
            Map<String, Case> byId = new TreeMap<>();
            found.dataset().cases().forEach(one -> byId.put(one.id(), one));
            Coding coding = found.decathlon() ? Coding.DECATHLON : Coding.CHALLENGE;
            for (Map.Entry<String, Map<String, HostTensor>> scan : scans.entrySet()) {
                String title = name + " " + scan.getKey();
                Case one = byId.get(scan.getKey());
                if (one == null) {
                    sink.accept(ParityLine.failed(
                            title, MODULE, "there is no scan of that name in " + raw + ", only " + byId.keySet()));
                    continue;
                }
                try {
                    Pair pair = BratsPreprocessing.prepare(
                            one.id(),
                            List.of(CaseReader.readImage(one, 0)),
                            CaseReader.read(one.label().orElseThrow()),
                            coding);
                    compare(title, pair, scan.getValue(), sink);
                } catch (IOException | IllegalArgumentException e) {
                    sink.accept(ParityLine.failed(title, MODULE, String.valueOf(e.getMessage())));
                }
            }
        }

        private static void compare(
                String title, Pair pair, Map<String, HostTensor> expected, Consumer<ParityLine> sink) {
            HostTensor shape = expected.get("shape");
            long[] sizes = new long[Math.toIntExact(shape.elements())];
            for (int n = 0; n < sizes.length; n++) {
                sizes[n] = (long) shape.get(n);
            }
            if (!java.util.Arrays.equals(sizes, pair.image().shape())) {
                sink.accept(ParityLine.failed(
                        title,
                        MODULE,
                        "computed shape " + Shapes.text(pair.image().shape()) + ", reference shape "
                                + Shapes.text(sizes)));
                return;
            }
            for (String key : new TreeSet<>(expected.keySet())) {
                String line = title + " " + key;
                switch (key) {
                    case "shape" -> sink.accept(ParityLine.compared(line, MODULE, 0, 0));
                    case "modalities_at_index" ->
                        sink.accept(ParityLine.compared(
                                line,
                                MODULE,
                                Differences.largest(picked(pair.image(), expected.get("index")), expected.get(key)),
                                TOLERANCE));
                    case "label_packed" ->
                        sink.accept(
                                ParityLine.compared(line, MODULE, differentBits(pair.masks(), expected.get(key)), 0));
                    case "channel_sums" ->
                        sink.accept(ParityLine.compared(
                                line, MODULE, Differences.largest(sums(pair.image()), expected.get(key)), TOLERANCE));
                    case "index" -> {
                        // says where modalities_at_index lie
                    }
                    default -> sink.accept(ParityLine.skipped(line, MODULE, "this value isn't known here"));
                }
            }
        }

        private static HostTensor picked(HostTensor image, HostTensor index) {
            double[] values = new double[Math.toIntExact(index.elements())];
            for (int n = 0; n < values.length; n++) {
                values[n] = image.get(Math.toIntExact((long) index.get(n)));
            }
            return HostTensor.of(values, values.length);
        }

        private static HostTensor sums(HostTensor image) {
            double[] sums = new double[Math.toIntExact(image.size(0))];
            int voxels = Math.toIntExact(image.elements() / sums.length);
            for (int n = 0; n < image.elements(); n++) {
                sums[n / voxels] += image.get(n);
            }
            return HostTensor.of(sums, sums.length);
        }

        /** Returns the share of bits that differ from bytes that hold eight voxels each, the first in the highest bit. */
        private static double differentBits(HostTensor masks, HostTensor packed) {
            int voxels = Math.toIntExact(masks.elements());
            if (packed.elements() != (voxels + 7) / 8) {
                throw new IllegalArgumentException("computed " + voxels + " mask voxels, the reference packs them in "
                        + packed.elements() + " bytes");
            }
            int different = 0;
            for (int n = 0; n < voxels; n++) {
                int bit = (int) packed.get(n / 8) >> 7 - n % 8 & 1;
                different += (masks.get(n) != 0 ? 1 : 0) != bit ? 1 : 0;
            }
            return (double) different / voxels;
        }
    }

    /** A pair of files as the script saves it, beside {@code expected.safetensors} with what it holds. */
    private record Saved(String name, String id, Path values) implements ParityCase {
        @Override
        public String module() {
            return MODULE;
        }

        @Override
        public void run(Consumer<ParityLine> sink) throws IOException {
            Map<String, HostTensor> expected = ReferenceFolder.tensors(values);
            Map<String, Path> files = new LinkedHashMap<>();
            files.put("modalities", OfficialPairs.image(values.getParent(), id));
            files.put("label", OfficialPairs.label(values.getParent(), id));
            for (Map.Entry<String, Path> part : files.entrySet()) {
                String line = name + " " + part.getKey();
                HostTensor value = expected.get(part.getKey());
                if (value == null) {
                    sink.accept(ParityLine.skipped(line, MODULE, "there is no " + part.getKey() + " in " + values));
                } else {
                    sink.accept(ParityLine.compared(
                            line, MODULE, Differences.largest(PyTorchFile.readTensor(part.getValue()), value), 0));
                }
            }
        }
    }
}

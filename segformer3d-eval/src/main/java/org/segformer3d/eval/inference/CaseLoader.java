package org.segformer3d.eval.inference;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.data.dataset.CaseReader;
import org.segformer3d.data.dataset.DatasetException;
import org.segformer3d.data.io.Sha256;
import org.segformer3d.data.preprocessing.PreparedScan;
import org.segformer3d.data.preprocessing.PreprocessingSpec;
import org.segformer3d.data.preprocessing.Preprocessor;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.eval.bundle.ModelBundle;
import org.segformer3d.eval.inference.SegmentationResult.Phase;

/** Reads and prepares cases for a model; needs the model's description only, so that it can work while weights and natives are loaded. */
final class CaseLoader {
    private final ModelBundle bundle;
    private final Preprocessor preprocessor;

    CaseLoader(ModelBundle bundle) {
        this.bundle = bundle;
        this.preprocessor = new Preprocessor(bundle.preprocessing());
    }

    /** A file that was read, or why it couldn't be. */
    private record Read(Path file, Volume volume, String sha256, IOException failure) {
        static Read of(Path file) {
            try {
                return new Read(file, CaseReader.read(file), Sha256.of(file), null);
            } catch (IOException e) {
                return new Read(file, null, null, e);
            }
        }
    }

    /**
     * Reads and prepares a case, its files by several threads.
     *
     * @throws DatasetException when the files don't have the channels the model takes or don't lie in the same place
     * @throws org.segformer3d.data.preprocessing.InvalidCaseException when values aren't finite
     * @throws IOException when a file can't be read
     */
    LoadedCase load(Case input) throws IOException {
        long start = System.nanoTime();
        List<Read> reads = input.images().parallelStream().map(Read::of).toList();
        List<Volume> channels = new ArrayList<>();
        List<Map<String, Object>> files = new ArrayList<>();
        int found = 0;
        for (Read read : reads) {
            if (read.failure() != null) {
                throw read.failure();
            }
            found += read.volume().channels();
            channels.add(read.volume());
            files.add(Map.of("file", read.file().toAbsolutePath().normalize().toString(), "sha256", read.sha256()));
        }
        int expected = bundle.network().inChannels();
        if (found != expected) {
            throw new DatasetException(
                    input.images().get(0),
                    "case '" + input.id() + "': "
                            + CaseReader.otherChannels(
                                    found,
                                    input.images().stream().map(Path::toString).toList(),
                                    expected + " as the model '" + bundle.name() + "' takes")
                            + (expected == 1
                                    ? "; give the one that is meant in a file of its own"
                                    : "; give one file per channel in channel order, or one 4D file"));
        }
        Map<Phase, Duration> timings = new EnumMap<>(Phase.class);
        timings.put(Phase.READ, Duration.ofNanos(System.nanoTime() - start));
        return prepare(input.id(), CaseReader.onOneGrid(input, channels), timings, files);
    }

    /**
     * Prepares volumes, which stay as they are.
     *
     * @throws org.segformer3d.data.preprocessing.InvalidCaseException when the volumes don't fit together or values aren't finite
     * @throws IllegalArgumentException when there are other channels than the model takes
     */
    LoadedCase load(String caseId, List<Volume> channels) {
        int found = channels.stream().mapToInt(Volume::channels).sum();
        if (found != bundle.network().inChannels()) {
            throw new IllegalArgumentException(caseId + ": found " + found + " channels, expected "
                    + bundle.network().inChannels() + " as the model '" + bundle.name() + "' takes");
        }
        List<Volume> copies = channels.stream()
                .map(volume -> Volume.of(volume.values().clone(), volume.channels(), volume.geometry()))
                .toList();
        return prepare(caseId, copies, new EnumMap<>(Phase.class), List.of());
    }

    /**
     * Returns how many bytes reading and preparing a case takes at most, as far as its headers tell.
     *
     * @param other a case to judge by where they don't
     */
    long estimatedBytes(Case input, LoadedCase other) {
        int channels = bundle.network().inChannels();
        Geometry place = other.scan().restoration().inputGeometry();
        try {
            place = CaseReader.readGeometry(input.images().get(0)).orElse(place);
        } catch (IOException e) {
            // Whoever reads the file will say what is wrong with it.
            return 0;
        }
        long voxels = place.size().tokens();
        long prepared = preprocessor.sizeUncropped(place).tokens();
        long bytes = channels * voxels * Float.BYTES;
        boolean inPlace = voxels == prepared && bundle.preprocessing().cropping() == PreprocessingSpec.Cropping.NONE;
        // Resampling an axis after the other has two more volumes a channel on the way, and several channels are
        // prepared at once.
        int together = Math.min(channels, Runtime.getRuntime().availableProcessors());
        return inPlace ? bytes + voxels * Float.BYTES : bytes + (channels + 2L * together) * prepared * Float.BYTES;
    }

    private LoadedCase prepare(
            String caseId, List<Volume> channels, Map<Phase, Duration> timings, List<Map<String, Object>> files) {
        long start = System.nanoTime();
        PreparedScan scan = preprocessor.prepareInPlace(caseId, channels);
        timings.put(Phase.PREPARE, Duration.ofNanos(System.nanoTime() - start));
        return new LoadedCase(caseId, scan, timings, files);
    }
}

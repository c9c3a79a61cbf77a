package org.segformer3d.cli.command;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ObjLongConsumer;
import org.segformer3d.data.dataset.BratsReader;
import org.segformer3d.data.dataset.BratsReader.BratsScans;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.data.dataset.CaseReader;
import org.segformer3d.data.dataset.OfficialPairs;
import org.segformer3d.data.dataset.SegmentationDataset;
import org.segformer3d.data.io.AtomicFiles;
import org.segformer3d.data.preprocessing.BratsPreprocessing;
import org.segformer3d.data.preprocessing.BratsPreprocessing.Coding;
import org.segformer3d.data.preprocessing.BratsPreprocessing.Pair;
import org.segformer3d.data.weights.PyTorchFile;
import org.segformer3d.eval.result.Json;
import org.segformer3d.eval.result.Provenance;

/** Raw BraTS scans on their way to the files that the official script writes. */
final class BratsPairs {
    /** The releases by name. */
    enum Dataset {
        /** The Decathlon's Task01, or the challenge of that year in folders of cases. */
        BRATS2017("BraTS2017_Training_Data"),
        /** The challenge up to 2021. */
        BRATS2021("BraTS2021_Training_Data"),
        /** The challenge from 2023. */
        BRATS2023("BraTS2023_Training_Data");

        private final String folder;

        Dataset(String folder) {
            this.folder = folder;
        }
    }

    private final SegmentationDataset scans;
    private final Dataset name;
    private final Coding coding;

    private BratsPairs(SegmentationDataset scans, Dataset name, Coding coding) {
        this.scans = scans;
        this.name = name;
        this.coding = coding;
    }

    static BratsPairs find(Path root, Dataset name, boolean skipsIncomplete) throws IOException {
        BratsScans scans = skipsIncomplete ? BratsReader.readComplete(root) : BratsReader.read(root);
        boolean decathlon = scans.decathlon() && name == Dataset.BRATS2017;
        return new BratsPairs(scans.dataset(), name, decathlon ? Coding.DECATHLON : Coding.CHALLENGE);
    }

    int count() {
        return scans.cases().size();
    }

    /** Returns how many scans have no segmentation, so that nothing is written for them. */
    int leftOut() {
        return scans.unlabelled().size();
    }

    List<String> ids() {
        return scans.ids();
    }

    /**
     * Writes every case's pair and what made them into a folder.
     *
     * @param listener told how many cases are done and which one was the last
     */
    void write(Path folder, ObjLongConsumer<String> listener) throws IOException {
        for (int n = 0; n < scans.cases().size(); n++) {
            Case one = scans.cases().get(n);
            Pair pair = BratsPreprocessing.prepare(
                    one.images().get(0).getParent() + ": case '" + one.id() + "'",
                    List.of(CaseReader.readImage(one, scans.channels().size())),
                    CaseReader.read(one.label().orElseThrow()),
                    coding);
            Path target = Files.createDirectories(folder.resolve(name.folder).resolve(one.id()));
            PyTorchFile.writeArray(OfficialPairs.image(target, one.id()), pair.image());
            PyTorchFile.writeArray(OfficialPairs.label(target, one.id()), pair.masks());
            listener.accept(one.id(), n + 1L);
        }
        Map<String, Object> made = new LinkedHashMap<>();
        made.put("preprocessing", "official " + name.name().toLowerCase(java.util.Locale.ROOT));
        made.put("label_coding", coding.name().toLowerCase(java.util.Locale.ROOT));
        made.put("source", scans.root().toAbsolutePath().normalize().toString());
        made.put("provenance", Provenance.ofSoftware());
        AtomicFiles.writeString(folder.resolve("preprocessing.json"), Json.pretty(made));
    }
}

package org.segformer3d.data.dataset;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/** How the files of a data set are laid out. */
public enum DatasetLayout {
    /** {@code dataset.json}, {@code imagesTr}, {@code labelsTr} of the Medical Segmentation Decathlon or nnU-Net. */
    FOLDERS {
        @Override
        public SegmentationDataset read(Path root, IncompleteCases incomplete) throws IOException {
            return DatasetReader.read(root, incomplete);
        }
    },
    /** A folder for each patient of the Automated Cardiac Diagnosis Challenge, see {@link AcdcReader}. */
    ACDC {
        @Override
        public SegmentationDataset read(Path root, IncompleteCases incomplete) throws IOException {
            return AcdcReader.read(root, incomplete);
        }
    },
    /** {@code img} and {@code label} of Synapse's "Beyond the Cranial Vault", see {@link SynapseReader}. */
    SYNAPSE {
        @Override
        public SegmentationDataset read(Path root, IncompleteCases incomplete) throws IOException {
            return SynapseReader.read(root, incomplete);
        }
    };

    /**
     * Reads which files make up a data set of this layout, all of whose labelled cases must be complete.
     *
     * @param root its folder, never {@code null}
     * @throws DatasetException when there is none, or files are missing; every case that lacks one is named
     * @throws IOException when reading fails
     */
    public SegmentationDataset read(Path root) throws IOException {
        IncompleteCases incomplete = new IncompleteCases();
        SegmentationDataset dataset = read(root, incomplete);
        incomplete.requireNone(root);
        return dataset;
    }

    /**
     * Reads which files make up a data set of this layout and leaves incomplete cases out, which are warned of.
     *
     * @param root its folder, never {@code null}
     * @throws DatasetException when there is none, or no case is complete
     * @throws IOException when reading fails
     */
    public SegmentationDataset readComplete(Path root) throws IOException {
        IncompleteCases incomplete = new IncompleteCases();
        SegmentationDataset dataset = read(root, incomplete);
        if (dataset.cases().isEmpty()) {
            incomplete.requireNone(root);
        }
        incomplete.warn(root);
        return dataset;
    }

    /**
     * Reads which files make up a data set of this layout.
     *
     * @param root its folder, never {@code null}
     * @param incomplete takes the labelled cases that lack a file, which the data set then doesn't hold; never {@code null}
     * @throws DatasetException when there is none, or it is inconsistent
     * @throws IOException when reading fails
     */
    public abstract SegmentationDataset read(Path root, IncompleteCases incomplete) throws IOException;

    /**
     * Returns the layout of a folder; {@link #FOLDERS} when it is none of these, or a file, for a {@code dataset.json} may be named itself.
     *
     * @throws IOException when the folder can't be listed
     */
    public static DatasetLayout of(Path root) throws IOException {
        return Files.isDirectory(root) ? detect(root).orElse(FOLDERS) : FOLDERS;
    }

    /**
     * Returns the layout of a folder, empty when it is none of these.
     *
     * @throws IOException when the folder can't be listed
     */
    public static Optional<DatasetLayout> detect(Path root) throws IOException {
        Objects.requireNonNull(root, "root");
        if (!AcdcReader.patients(root).isEmpty()) {
            return Optional.of(ACDC);
        }
        if (SynapseReader.folder(root).isPresent()) {
            return Optional.of(SYNAPSE);
        }
        for (String name : List.of("dataset.json", "imagesTr")) {
            if (root.resolve(name).toFile().exists()) {
                return Optional.of(FOLDERS);
            }
        }
        return Optional.empty();
    }
}

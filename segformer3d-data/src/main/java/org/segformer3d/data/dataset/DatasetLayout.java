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
        public SegmentationDataset read(Path root) throws IOException {
            return DatasetReader.read(root);
        }
    },
    /** A folder for each patient of the Automated Cardiac Diagnosis Challenge, see {@link AcdcReader}. */
    ACDC {
        @Override
        public SegmentationDataset read(Path root) throws IOException {
            return AcdcReader.read(root);
        }
    },
    /** {@code img} and {@code label} of Synapse's "Beyond the Cranial Vault", see {@link SynapseReader}. */
    SYNAPSE {
        @Override
        public SegmentationDataset read(Path root) throws IOException {
            return SynapseReader.read(root);
        }
    };

    /**
     * Reads which files make up a data set of this layout.
     *
     * @param root its folder, never {@code null}
     * @throws DatasetException when there is none, or files are missing
     * @throws IOException when reading fails
     */
    public abstract SegmentationDataset read(Path root) throws IOException;

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

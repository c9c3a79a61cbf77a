package org.segformer3d.train.demo;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.segformer3d.data.format.VolumeFiles;
import org.segformer3d.data.io.AtomicFiles;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.train.config.ExperimentConfig;

/**
 * A synthetic data set in the Decathlon's layout: noisy scans of an organ with a lesion in it, stored in varying orientations.
 *
 * <p>Labels: 0 background, 1 organ, 2 lesion.
 *
 * @param cases number of labelled cases, at least 5
 * @param seed equal seeds write equal voxels
 */
public record PhantomDataset(int cases, long seed) {
    /** Checks the number of cases. */
    public PhantomDataset {
        if (cases < 5 || cases > 999) {
            throw new IllegalArgumentException("cases: found " + cases + ", expected 5 to 999");
        }
    }

    /** Returns the data set of the demonstration: 24 cases. */
    public static PhantomDataset demo() {
        return new PhantomDataset(24, 7);
    }

    /**
     * Writes the data set.
     *
     * @param folder to be made; an existing one must be empty; folders above it are made where they are missing
     * @throws IOException when it isn't empty, or writing fails; nothing is left then
     */
    public void write(Path folder) throws IOException {
        Objects.requireNonNull(folder, "folder");
        Path target = folder.toAbsolutePath().normalize();
        if (Files.isDirectory(target)) {
            try (Stream<Path> inside = Files.list(target)) {
                if (inside.findAny().isPresent()) {
                    throw new FileAlreadyExistsException(
                            folder.toString(), null, "the folder isn't empty; choose another one or remove it");
                }
            }
        }
        Files.createDirectories(Objects.requireNonNull(target.getParent(), "parent"));
        AtomicFiles.replaceDirectory(target, this::fill);
    }

    private void fill(Path folder) throws IOException {
        Path images = Files.createDirectory(folder.resolve("imagesTr"));
        Path labels = Files.createDirectory(folder.resolve("labelsTr"));
        List<Map<String, String>> training = new ArrayList<>();
        SplittableRandom random = new SplittableRandom(seed);
        for (int n = 0; n < cases; n++) {
            Phantom phantom = Phantom.draw(random.split());
            String name = "phantom_%03d.nii.gz".formatted(n + 1);
            Volume image = phantom.image();
            VolumeFiles.write(images.resolve(name), image);
            VolumeFiles.writeLabels(labels.resolve(name), phantom.label());
            training.add(Map.of("image", "./imagesTr/" + name, "label", "./labelsTr/" + name));
        }
        Map<String, Object> description = new LinkedHashMap<>();
        description.put("name", "Phantom");
        description.put("description", "Synthetic organ with a lesion, made from seed " + seed);
        description.put("licence", "CC0");
        description.put("tensorImageSize", "3D");
        description.put("modality", Map.of("0", "synthetic"));
        description.put("labels", ordered("0", "background", "1", "organ", "2", "lesion"));
        description.put("numTraining", cases);
        description.put("numTest", 0);
        description.put("training", training);
        description.put("test", List.of());
        String json =
                new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT).writeValueAsString(description);
        Files.writeString(folder.resolve("dataset.json"), json + "\n");
    }

    /**
     * Returns an experiment that trains a small network on this data set within minutes.
     *
     * @param data folder it was written to
     * @param runFolder folder for the run
     */
    public ExperimentConfig experiment(Path data, Path runFolder) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("project", "demo");
        map.put(
                "model_parameters",
                ordered(
                        "in_channels",
                        1,
                        "num_classes",
                        3,
                        "embed_dims",
                        List.of(16, 32, 48, 64),
                        "num_heads",
                        List.of(1, 2, 3, 4),
                        "depths",
                        List.of(1, 1, 1, 1),
                        "decoder_head_embedding_dim",
                        64));
        // Separate sigmoids tend to settle with the organ's channel covering the lesion as well; competing classes
        // don't.
        map.put("loss_fn", Map.of("loss_type", "diceCE"));
        map.put(
                "optimizer",
                ordered("optimizer_type", "adamw", "optimizer_args", ordered("lr", 3e-3, "weight_decay", 0.01)));
        map.put("warmup_scheduler", ordered("enabled", true, "warmup_epochs", 2, "mode", "linear"));
        map.put(
                "train_scheduler",
                ordered("scheduler_type", "cosine_annealing_wr", "scheduler_args", Map.of("min_lr", 1e-5)));
        map.put("sliding_window_inference", ordered("roi", List.of(32, 32, 32), "sw_batch_size", 4));
        map.put("training_parameters", ordered("num_epochs", 30, "seed", seed));
        map.put(
                "dataset_parameters",
                ordered(
                        "dataset_type", "decathlon",
                        "root", data.toAbsolutePath().toString(),
                        "labels", Map.of("mode", "softmax"),
                        "split", ordered("test_fraction", 0.2, "validation_fraction", 0.15, "seed", seed),
                        "samples_per_case", 4,
                        "foreground_fraction", 0.7,
                        "train_dataloader_args", ordered("batch_size", 4, "num_workers", 1)));
        map.put("validation", ordered("every", 3, "blend", "gaussian"));
        map.put("output", Map.of("run_dir", runFolder.toAbsolutePath().toString()));
        return ExperimentConfig.of(map, Path.of("").toAbsolutePath());
    }

    private static Map<String, Object> ordered(Object... entries) {
        Map<String, Object> map = new LinkedHashMap<>();
        for (int n = 0; n < entries.length; n += 2) {
            map.put((String) entries[n], entries[n + 1]);
        }
        return map;
    }
}

package org.segformer3d.train.run;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalDouble;
import org.segformer3d.api.training.TrainingSession.TrainingState;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.data.io.AtomicFiles;
import org.segformer3d.data.io.CorruptFileException;
import org.segformer3d.data.io.Sha256;
import org.segformer3d.data.io.TooNewFileException;
import org.segformer3d.data.io.TooOldFileException;
import org.segformer3d.data.io.UnsupportedFileException;
import org.segformer3d.data.weights.Safetensors;
import org.segformer3d.eval.result.SealedDescription;
import org.segformer3d.train.tracking.EpochRecord;

/**
 * Everything that a run needs to go on exactly from where it was.
 *
 * <p>On disk it is a folder, replaced as a whole:
 *
 * <pre>
 * checkpoint.json         format, version, position, history, configuration, provenance; SHA-256 of the other files and of itself
 * weights.safetensors     weights and running statistics under the official names
 * optimizer.safetensors   the optimizer's own values
 * averaged.safetensors    averaged weights, where there are any
 * </pre>
 *
 * Random numbers need no state: they are derived from seed, epoch and case.
 *
 * @param state what the backend trains
 * @param position where in the run it is
 * @param history finished epochs
 * @param configuration the experiment, all keys
 * @param provenance what wrote it: software, backend, device, data
 */
public record Checkpoint(
        TrainingState state,
        Position position,
        List<EpochRecord> history,
        Map<String, Object> configuration,
        Map<String, Object> provenance) {
    /** Name of the format, in every checkpoint.json. */
    public static final String FORMAT = "segformer3d-checkpoint";

    /** Version that is written, and the newest that is read. */
    public static final int VERSION = 1;

    private static final int OLDEST_VERSION = 1;
    private static final SealedDescription SEALED =
            new SealedDescription(FORMAT, "checkpoint", OLDEST_VERSION, VERSION);
    private static final String DESCRIPTION = "checkpoint.json";
    private static final String WEIGHTS = "weights.safetensors";
    private static final String OPTIMIZER = "optimizer.safetensors";
    private static final String AVERAGED = "averaged.safetensors";

    /**
     * A place in a run.
     *
     * @param epoch the epoch that is under way, from 0; equal to the number of epochs at the end
     * @param batches batches of it that are done
     * @param lossSum sum of their losses
     * @param steps steps since the beginning of the run
     * @param best best validation Dice so far, empty before the first validation
     * @param bestEpoch the epoch it belongs to, −1 before the first validation
     */
    public record Position(int epoch, int batches, double lossSum, long steps, OptionalDouble best, int bestEpoch) {
        /** The beginning of a run. */
        public static final Position START = new Position(0, 0, 0, 0, OptionalDouble.empty(), -1);
    }

    /** Copies the list. */
    public Checkpoint {
        Objects.requireNonNull(state, "state");
        Objects.requireNonNull(position, "position");
        history = List.copyOf(history);
    }

    /**
     * Writes the checkpoint, replacing an older one only when the new one is complete.
     *
     * @param folder the folder; its parent must exist
     * @throws IOException when writing fails; an older checkpoint there stays as it was
     */
    public void write(Path folder) throws IOException {
        AtomicFiles.replaceDirectory(folder, this::fill);
    }

    private void fill(Path folder) throws IOException {
        Map<String, Object> files = new LinkedHashMap<>();
        put(folder, WEIGHTS, state.weights(), files);
        put(folder, OPTIMIZER, state.optimizer(), files);
        if (state.averaged().isPresent()) {
            put(folder, AVERAGED, state.averaged().get(), files);
        }
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("epoch", position.epoch());
        map.put("batches", position.batches());
        map.put("loss_sum", position.lossSum());
        map.put("steps", position.steps());
        map.put("updates", state.updates());
        map.put("best_dice", position.best().isPresent() ? position.best().getAsDouble() : null);
        map.put("best_epoch", position.bestEpoch());
        map.put("files", files);
        map.put("history", history.stream().map(EpochRecord::toMap).toList());
        map.put("configuration", configuration);
        map.put("provenance", provenance);
        Files.writeString(folder.resolve(DESCRIPTION), SEALED.write(map));
    }

    private static void put(Path folder, String name, StateDict tensors, Map<String, Object> files) throws IOException {
        Path file = folder.resolve(name);
        Safetensors.write(file, tensors.tensors(), Map.of("format", "pt"));
        files.put(name, Map.of("bytes", Files.size(file), "sha256", Sha256.of(file)));
    }

    /** Returns whether there is a checkpoint, or one whose replacement was interrupted. */
    public static boolean exists(Path folder) throws IOException {
        AtomicFiles.recoverDirectory(folder);
        return Files.isRegularFile(folder.resolve(DESCRIPTION));
    }

    /**
     * Reads a checkpoint.
     *
     * @param folder never {@code null}
     * @throws FileNotFoundException when there is none
     * @throws CorruptFileException when a file is damaged, missing or edited
     * @throws TooOldFileException when its version is no longer read
     * @throws TooNewFileException when a later release wrote it
     * @throws UnsupportedFileException when it is something else
     * @throws IOException when reading fails
     */
    public static Checkpoint read(Path folder) throws IOException {
        Objects.requireNonNull(folder, "folder");
        if (!exists(folder)) {
            throw new FileNotFoundException(folder + ": found no " + DESCRIPTION + ", expected a checkpoint folder");
        }
        Path file = folder.resolve(DESCRIPTION);
        Map<String, Object> map = SEALED.read(file, Files.readAllBytes(file));
        try {
            Map<String, Object> files = SealedDescription.section(file, map, "files");
            TrainingState state = new TrainingState(
                    tensors(folder, WEIGHTS, files),
                    tensors(folder, OPTIMIZER, files),
                    files.containsKey(AVERAGED) ? Optional.of(tensors(folder, AVERAGED, files)) : Optional.empty(),
                    number(map, "updates").longValue());
            List<EpochRecord> history = new ArrayList<>();
            for (Object one : (List<?>) map.get("history")) {
                history.add(EpochRecord.fromMap((Map<?, ?>) one));
            }
            Position position = new Position(
                    number(map, "epoch").intValue(),
                    number(map, "batches").intValue(),
                    number(map, "loss_sum").doubleValue(),
                    number(map, "steps").longValue(),
                    map.get("best_dice") == null
                            ? OptionalDouble.empty()
                            : OptionalDouble.of(number(map, "best_dice").doubleValue()),
                    number(map, "best_epoch").intValue());
            return new Checkpoint(
                    state,
                    position,
                    history,
                    SealedDescription.section(file, map, "configuration"),
                    SealedDescription.section(file, map, "provenance"));
        } catch (ClassCastException | IllegalArgumentException e) {
            throw new CorruptFileException(file, "not a checkpoint's description: " + e.getMessage(), e);
        }
    }

    private static StateDict tensors(Path folder, String name, Map<String, Object> files) throws IOException {
        Path file = folder.resolve(name);
        if (!(files.get(name) instanceof Map<?, ?> entry)) {
            throw new CorruptFileException(folder.resolve(DESCRIPTION), "lists no " + name);
        }
        if (!Files.isRegularFile(file)) {
            throw new CorruptFileException(file, "no such file, expected a part of the checkpoint");
        }
        String actual = Sha256.of(file);
        if (!actual.equals(entry.get("sha256"))) {
            throw new CorruptFileException(
                    file,
                    "found SHA-256 " + actual + ", expected " + entry.get("sha256") + "; it was damaged or replaced");
        }
        return Safetensors.readStateDict(file);
    }

    private static Number number(Map<String, Object> map, String key) {
        Object value = map.get(key);
        if (value instanceof Number number) {
            return number;
        }
        throw new IllegalArgumentException(key + ": found " + value + ", expected a number");
    }
}

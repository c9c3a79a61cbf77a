package org.segformer3d.train.tracking;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.segformer3d.data.io.AtomicFiles;
import org.segformer3d.data.io.CorruptFileException;

/**
 * The history as a table (CSV) and as one JSON object per line.
 *
 * <p>Files are written anew after every epoch: they are small, never half written, and after a resumption hold each epoch once.
 */
public final class HistoryFiles {
    private static final ObjectMapper JSON = new ObjectMapper();

    private HistoryFiles() {}

    /** Returns a tracker that keeps a CSV file. */
    public static Tracker csv(Path file) {
        return tracker(file, HistoryFiles::toCsv);
    }

    /** Returns a tracker that keeps a file of JSON lines. */
    public static Tracker jsonLines(Path file) {
        return tracker(file, HistoryFiles::toJsonLines);
    }

    private static Tracker tracker(Path file, java.util.function.Function<List<EpochRecord>, String> text) {
        return new Tracker() {
            @Override
            public void start(List<EpochRecord> history, long steps) throws IOException {
                AtomicFiles.writeString(file, text.apply(history));
            }

            @Override
            public void epoch(List<EpochRecord> history) throws IOException {
                AtomicFiles.writeString(file, text.apply(history));
            }
        };
    }

    /** Returns the history as CSV with a header line; values that weren't measured are empty. */
    static String toCsv(List<EpochRecord> history) {
        Set<String> classes = new LinkedHashSet<>();
        history.forEach(record -> classes.addAll(record.dicePerClass().keySet()));
        boolean plain =
                history.stream().anyMatch(record -> record.validationLoss().isPresent());
        StringBuilder csv =
                new StringBuilder("epoch,steps,learning_rate,loss" + (plain ? ",validation_loss" : "") + ",dice");
        classes.forEach(name -> csv.append(',').append(quoted("dice_" + name)));
        csv.append(",averaged,best,seconds,wait_share\n");
        for (EpochRecord record : history) {
            List<Object> row =
                    new ArrayList<>(List.of(record.epoch(), record.steps(), record.learningRate(), record.loss()));
            if (plain) {
                row.add(
                        record.validationLoss().isPresent()
                                ? record.validationLoss().getAsDouble()
                                : "");
            }
            row.add(record.dice().isPresent() ? record.dice().getAsDouble() : "");
            classes.forEach(name -> {
                Double value = record.dicePerClass().get(name);
                row.add(value == null ? "" : value);
            });
            row.addAll(List.of(record.averaged(), record.best(), record.seconds(), record.waitShare()));
            csv.append(String.join(",", row.stream().map(String::valueOf).toList()))
                    .append('\n');
        }
        return csv.toString();
    }

    /**
     * Reads a file of JSON lines.
     *
     * @throws CorruptFileException when a line isn't a record of an epoch
     * @throws IOException when reading fails
     */
    public static List<EpochRecord> readJsonLines(Path file) throws IOException {
        List<EpochRecord> history = new ArrayList<>();
        for (String line : Files.readAllLines(file)) {
            if (!line.isBlank()) {
                try {
                    history.add(EpochRecord.fromMap(JSON.readValue(line, Map.class)));
                } catch (JsonProcessingException | IllegalArgumentException e) {
                    throw new CorruptFileException(
                            file, "line " + (history.size() + 1) + " isn't the record of an epoch", e);
                }
            }
        }
        return history;
    }

    /** Returns the history with one JSON object per line. */
    static String toJsonLines(List<EpochRecord> history) {
        StringBuilder lines = new StringBuilder();
        for (EpochRecord record : history) {
            Map<String, Object> map = record.toMap();
            try {
                lines.append(JSON.writeValueAsString(map)).append('\n');
            } catch (JsonProcessingException e) {
                throw new IllegalStateException("a record holds only text and numbers", e);
            }
        }
        return lines.toString();
    }

    private static String quoted(String field) {
        return field.matches("[^,\"\\r\\n]*") ? field : '"' + field.replace("\"", "\"\"") + '"';
    }
}

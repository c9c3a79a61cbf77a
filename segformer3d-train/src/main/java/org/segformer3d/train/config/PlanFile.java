package org.segformer3d.train.config;

import java.io.IOException;
import java.nio.charset.MalformedInputException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.data.io.AtomicFiles;
import org.segformer3d.data.planning.Plan;

/** Plans as YAML files that people read and edit. */
public final class PlanFile {
    private static final String COMMENT = """
            # How this data set is prepared. Edit it: training with dataset_parameters.plan uses what stands here.
            # The keys of preprocessing are explained in docs/configuration.md; reasons and fingerprint are notes.
            """;

    private PlanFile() {}

    /** Returns a plan as YAML. */
    public static String toYaml(Plan plan) {
        return COMMENT + YamlText.write(plan.toMap());
    }

    /**
     * Writes a plan.
     *
     * @throws IOException when writing fails; nothing is changed then
     */
    public static void write(Path file, Plan plan) throws IOException {
        AtomicFiles.writeString(file, toYaml(plan));
    }

    /**
     * Reads a plan.
     *
     * @throws ConfigException when it is missing, isn't a plan, or a key is unknown or has a wrong value
     * @throws IOException when reading fails
     */
    public static Plan read(Path file) throws IOException {
        Objects.requireNonNull(file, "file");
        String text;
        try {
            text = Files.readString(file);
        } catch (NoSuchFileException e) {
            throw new ConfigException(
                    file + ": no such file, expected a plan; make it with `segformer3d plan --config … --output " + file
                            + "`");
        } catch (MalformedInputException e) {
            throw new ConfigException(file + ": not UTF-8 text, expected a plan in YAML");
        }
        Object found = YamlText.read(text, file.toString());
        if (!(found instanceof Map<?, ?> map)) {
            throw new ConfigException(
                    file + ": expected a plan with plan_version, preprocessing, patch_size and batch_size");
        }
        try {
            return Plan.fromMap(ConfigKey.stringKeys(map));
        } catch (IllegalArgumentException e) {
            throw new ConfigException(file + ": " + e.getMessage());
        }
    }
}

package org.segformer3d.backend.kernels;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.data.weights.Safetensors;
import org.segformer3d.data.weights.WeightFiles;

/** The values the official implementation and MONAI computed; tests that ask for them are skipped where they are absent. */
final class ReferenceFiles {
    private static final ObjectMapper JSON = new ObjectMapper();

    private ReferenceFiles() {}

    static Path path(String name) {
        Path path = Path.of(System.getProperty("segformer3d.shared", "../shared"), "reference", name);
        assumeTrue(Files.exists(path), () -> "no reference values at " + path);
        return path;
    }

    static Map<String, HostTensor> tensors(String name) {
        try {
            return Safetensors.read(path(name)).tensors();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static StateDict weights(String name) {
        try {
            return WeightFiles.read(path(name));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static JsonNode json(String name) {
        try {
            return JSON.readTree(path(name).toFile());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @SuppressWarnings("unchecked")
    static SegFormer3DConfig config(String name) {
        return SegFormer3DConfig.fromMap(JSON.convertValue(json(name).get("model_parameters"), Map.class));
    }

    /** Returns the largest difference relative to the largest magnitude expected. */
    static double largestDifference(HostTensor found, HostTensor expected) {
        double[] a = found.toDoubles();
        double[] b = expected.toDoubles();
        double difference = 0;
        double magnitude = 0;
        for (int i = 0; i < b.length; i++) {
            difference = Math.max(difference, Math.abs(a[i] - b[i]));
            magnitude = Math.max(magnitude, Math.abs(b[i]));
            if (Double.isNaN(a[i])) {
                return Double.NaN;
            }
        }
        return difference / magnitude;
    }

    static double norm(HostTensor values) {
        double sum = 0;
        for (double x : values.toDoubles()) {
            sum += x * x;
        }
        return Math.sqrt(sum);
    }

    static double distance(HostTensor found, HostTensor expected) {
        double[] a = found.toDoubles();
        double[] b = expected.toDoubles();
        double sum = 0;
        for (int i = 0; i < b.length; i++) {
            sum += (a[i] - b[i]) * (a[i] - b[i]);
        }
        return Math.sqrt(sum);
    }
}

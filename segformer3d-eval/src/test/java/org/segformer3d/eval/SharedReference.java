package org.segformer3d.eval;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;

/** The shared folder of reference values and scans; tests that ask for something absent are skipped. */
public final class SharedReference {
    private SharedReference() {}

    /** Returns a file or folder below the shared folder. */
    public static Path path(String relative) {
        Path path = Path.of(System.getProperty("segformer3d.shared", "../shared"), relative);
        assumeTrue(Files.exists(path), () -> path + " is absent");
        return path;
    }

    /** Returns the content of a JSON file. */
    public static JsonNode json(String relative) throws IOException {
        // The reference writes NaN and Infinity as Python does.
        return new ObjectMapper()
                .enable(com.fasterxml.jackson.core.json.JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS.mappedFeature())
                .readTree(path(relative).toFile());
    }

    /** Returns the tensors of a safetensors file, read without the code under test. */
    public static Map<String, HostTensor> tensors(String relative) throws IOException {
        ByteBuffer file = ByteBuffer.wrap(Files.readAllBytes(path(relative))).order(ByteOrder.LITTLE_ENDIAN);
        byte[] header = new byte[Math.toIntExact(file.getLong())];
        file.get(header);
        ByteBuffer data = file.slice();
        Map<String, HostTensor> tensors = new HashMap<>();
        JsonNode entries = new ObjectMapper().readTree(new String(header, StandardCharsets.UTF_8));
        entries.properties().forEach(entry -> {
            JsonNode value = entry.getValue();
            if (value.has("dtype")) {
                int from = value.get("data_offsets").get(0).asInt();
                int to = value.get("data_offsets").get(1).asInt();
                long[] shape = new long[value.get("shape").size()];
                for (int n = 0; n < shape.length; n++) {
                    shape[n] = value.get("shape").get(n).asLong();
                }
                DType type = value.get("dtype").asText().equals("F32") ? DType.FLOAT32 : DType.UINT8;
                tensors.put(entry.getKey(), HostTensor.wrap(type, data.slice(from, to - from), shape));
            }
        });
        return tensors;
    }
}

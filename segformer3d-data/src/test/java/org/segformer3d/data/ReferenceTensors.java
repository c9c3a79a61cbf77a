package org.segformer3d.data;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Assumptions;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;

/** The tensors of one reference file, read without the code under test. */
public final class ReferenceTensors {
    private final ByteBuffer bytes;
    private final JsonNode header;
    private final int data;

    private ReferenceTensors(ByteBuffer bytes, JsonNode header, int data) {
        this.bytes = bytes;
        this.header = header;
        this.data = data;
    }

    /** Opens a file below the shared reference folder; the test is skipped where there is none. */
    public static ReferenceTensors open(String name) throws IOException {
        Path file = Path.of(System.getProperty("segformer3d.shared", "../shared"), "reference", name);
        Assumptions.assumeTrue(Files.isRegularFile(file), "no reference values at " + file);
        ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        int length = Math.toIntExact(bytes.getLong(0));
        byte[] json = new byte[length];
        bytes.get(8, json);
        return new ReferenceTensors(bytes, new ObjectMapper().readTree(json), 8 + length);
    }

    /** Returns a tensor by name. */
    public HostTensor get(String key) {
        JsonNode entry = header.path(key);
        DType dtype = switch (entry.path("dtype").asText()) {
            case "F32" -> DType.FLOAT32;
            case "F64" -> DType.FLOAT64;
            case "I64" -> DType.INT64;
            case "U8" -> DType.UINT8;
            default -> throw new IllegalArgumentException(key + ": " + entry);
        };
        long[] shape = new long[entry.path("shape").size()];
        for (int axis = 0; axis < shape.length; axis++) {
            shape[axis] = entry.path("shape").get(axis).asLong();
        }
        int start = data + entry.path("data_offsets").get(0).asInt();
        int end = data + entry.path("data_offsets").get(1).asInt();
        return HostTensor.wrap(dtype, bytes.slice(start, end - start), shape);
    }
}

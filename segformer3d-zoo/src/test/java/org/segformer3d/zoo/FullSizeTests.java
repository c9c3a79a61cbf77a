package org.segformer3d.zoo;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.network.Architectures;
import org.segformer3d.api.network.Network;
import org.segformer3d.api.ops.CountingOps;
import org.segformer3d.api.ops.Pass;
import org.segformer3d.api.tensor.Tensor;

class FullSizeTests {
    private static final Path FILE =
            Path.of(System.getProperty("segformer3d.shared", "../shared"), "zoo/full_size.json");

    @TestFactory
    List<DynamicTest> parametersAndProductsAreThoseOfTheOriginals() throws IOException {
        List<DynamicTest> tests = new ArrayList<>();
        if (!Files.exists(FILE)) {
            return tests;
        }
        ObjectMapper json = new ObjectMapper();
        JsonNode all = json.readTree(FILE.toFile());
        for (String section : List.of("full_size", "small")) {
            for (Map.Entry<String, JsonNode> entry : all.path(section).properties()) {
                JsonNode node = entry.getValue();
                JsonNode network = node.has("model_name")
                        ? node
                        : json.readTree(
                                FILE.resolveSibling(entry.getKey() + ".json").toFile());
                String name = network.path("model_name").asText();
                if (name.equals("segformer3d")) {
                    continue;
                }
                tests.add(DynamicTest.dynamicTest(entry.getKey(), () -> {
                    @SuppressWarnings("unchecked")
                    Map<String, Object> keys = json.convertValue(network.path("model_parameters"), Map.class);
                    Network made = Architectures.network(name, keys);
                    assertThat(made.parameters().stream()
                                    .filter(p -> p.role().isTrained())
                                    .mapToLong(p -> p.elements())
                                    .sum())
                            .isEqualTo(node.path("parameters").asLong());
                    List<Long> sizes = new ArrayList<>();
                    node.path("input").forEach(size -> sizes.add(size.asLong()));
                    if (sizes.size() == 4) {
                        sizes.add(2, 1L);
                    }
                    long[] input = sizes.stream().mapToLong(Long::longValue).toArray();
                    CountingOps ops = new CountingOps(Pass.INFERENCE);
                    Map<String, Tensor> shapes = new HashMap<>();
                    made.parameters().forEach(p -> shapes.put(p.name(), CountingOps.shaped(p.dims())));
                    made.forward(ops, new BlockParameters(shapes, ""), CountingOps.shaped(input));
                    assertThat(ops.macs().total()).isEqualTo(node.path("macs").asLong());
                }));
            }
        }
        return tests;
    }
}

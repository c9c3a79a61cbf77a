package org.segformer3d.backend.tck.example;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.BlockSpec.SelfAttentionSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.network.SegFormer3D;
import org.segformer3d.api.ops.Pass;
import org.segformer3d.api.profile.ModelProfile;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.backend.reference.ReferenceProvider;

class PooledAttentionTests {
    private final PooledAttention layer = new PooledAttention();
    private final Backend backend =
            new ReferenceProvider().open(BackendOptions.defaults().withThreads(1));
    private final Scope scope = backend.newScope();

    @AfterEach
    void close() {
        scope.close();
        backend.close();
    }

    private double[] attend(SelfAttentionSpec spec, Map<String, double[]> values, Tensor x, Grid grid) {
        Map<String, Tensor> weights = new LinkedHashMap<>();
        for (ParameterSpec p : layer.parameters(spec)) {
            double[] zeros = new double[(int) p.elements()];
            weights.put(p.name(), scope.tensor(HostTensor.of(values.getOrDefault(p.name(), zeros), p.dims())));
        }
        return layer.forward(backend.ops(scope, Pass.INFERENCE), spec, new BlockParameters(weights, ""), x, grid)
                .toHost()
                .toDoubles();
    }

    @Test
    void averagesWindowsAlsoWhereTheyAreCutOff() {
        // queries are zero, so every token gets the mean of the normalised window averages
        Map<String, double[]> values = Map.of(
                "key_value.weight", new double[] {0, 0, 0, 0, 1, 0, 0, 1},
                "pool_norm.weight", new double[] {1, 1},
                "pool_norm.bias", new double[] {0, 10},
                "proj.weight", new double[] {1, 0, 0, 1});
        // windows along W: tokens 0 and 1, then token 2 alone; averages (2,4) and (9,3)
        Tensor x = scope.tensor(HostTensor.of(new double[] {1, 4, 3, 4, 9, 3}, 1, 3, 2));
        double[] y = attend(new SelfAttentionSpec(2, 1, 2), values, x, new Grid(1, 1, 3));
        double first = 1 / Math.sqrt(1 + 1e-5);
        double second = 3 / Math.sqrt(9 + 1e-5);
        for (int n = 0; n < 3; n++) {
            assertThat(y[2 * n]).isCloseTo((-first + second) / 2, within(1e-12));
            assertThat(y[2 * n + 1]).isCloseTo(10 + (first - second) / 2, within(1e-12));
        }
    }

    @Test
    void refusesTokensThatDoNotFit() {
        Tensor x = scope.tensor(HostTensor.of(new double[6], 1, 3, 2));
        assertThatThrownBy(() -> attend(new SelfAttentionSpec(2, 1, 2), Map.of(), x, new Grid(1, 2, 2)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("tokens: found shape 1×3×2, expected (B,4,2) on the grid 1×2×2");
    }

    @Test
    void isAClassOfSixtyLines() throws IOException {
        Path source = Path.of("src/main/java/org/segformer3d/backend/tck/example/PooledAttention.java");
        try (Stream<String> lines = Files.lines(source)) {
            assertThat(lines.dropWhile(line -> !line.startsWith("/**")).count()).isLessThanOrEqualTo(60);
        }
    }

    @Test
    void standsInTheProfileOfANetworkThatNamesIt() {
        Map<String, Object> map =
                new LinkedHashMap<>(SegFormer3DConfig.defaults().toMap());
        map.put("layers", Map.of("self_attention", layer.name()));
        ModelProfile profile = ModelProfile.of(new SegFormer3D().configure(map), new Grid(128, 128, 128));
        assertThat(profile.rows()).anySatisfy(row -> {
            assertThat(row.name()).isEqualTo("segformer_encoder.tf_block1.0.attention");
            assertThat(row.parameters()).isEqualTo(2 * 32 * 32 + 32 + 64 * 32 + 2 * 32);
            long n = 32 * 32 * 32;
            long m = 8 * 8 * 8;
            // Linear layers and both products of the attention; pooling comes before the first of its weights
            assertThat(row.macs()).isEqualTo(2 * n * 32 * 32 + 2 * m * 32 * 32 + 2 * n * m * 32);
        });
    }
}

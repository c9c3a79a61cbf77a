package org.segformer3d.backend.tck.example;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.BlockSpec.SelfAttentionSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.Layers;
import org.segformer3d.api.block.Mode;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.block.SelfAttention;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.profile.ModelProfile;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.backend.reference.ReferenceProvider;

class PooledAttentionTests {
    private final PooledAttentionProvider provider = new PooledAttentionProvider();
    private final Backend backend =
            new ReferenceProvider().open(BackendOptions.defaults().withThreads(1));
    private final Scope scope = backend.newScope();

    @AfterEach
    void close() {
        scope.close();
        backend.close();
    }

    private SelfAttention attention(SelfAttentionSpec spec, Map<String, double[]> values) {
        Map<String, Tensor> weights = new LinkedHashMap<>();
        for (ParameterSpec p : provider.parameters(spec)) {
            double[] zeros = new double[(int) p.elements()];
            weights.put(p.name(), scope.tensor(HostTensor.of(values.getOrDefault(p.name(), zeros), p.dims())));
        }
        return provider.selfAttention(backend.context(Mode.INFERENCE), spec, new BlockParameters(weights, ""));
    }

    @Test
    void averagesWindowsAlsoWhereTheyAreCutOff() {
        // queries are zero, so every token gets the mean of the normalised window averages
        SelfAttention attention = attention(
                new SelfAttentionSpec(2, 1, 2),
                Map.of(
                        "key_value.weight", new double[] {0, 0, 0, 0, 1, 0, 0, 1},
                        "pool_norm.weight", new double[] {1, 1},
                        "pool_norm.bias", new double[] {0, 10},
                        "proj.weight", new double[] {1, 0, 0, 1}));
        // windows along W: tokens 0 and 1, then token 2 alone; averages (2,4) and (9,3)
        Tensor x = scope.tensor(HostTensor.of(new double[] {1, 4, 3, 4, 9, 3}, 1, 3, 2));
        double[] y = attention.forward(scope, x, new Grid(1, 1, 3)).toHost().toDoubles();
        double first = 1 / Math.sqrt(1 + 1e-5);
        double second = 3 / Math.sqrt(9 + 1e-5);
        for (int n = 0; n < 3; n++) {
            assertThat(y[2 * n]).isCloseTo((-first + second) / 2, within(1e-12));
            assertThat(y[2 * n + 1]).isCloseTo(10 + (first - second) / 2, within(1e-12));
        }
    }

    @Test
    void refusesTokensThatDoNotFit() {
        SelfAttention attention = attention(new SelfAttentionSpec(2, 1, 2), Map.of());
        Tensor x = scope.tensor(HostTensor.of(new double[6], 1, 3, 2));
        assertThatThrownBy(() -> attention.forward(scope, x, new Grid(1, 2, 2)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("tokens: found shape 1×3×2, expected (B,4,2) on the grid 1×2×2");
    }

    @Test
    void countsItsOwnParametersAndProducts() {
        SelfAttentionSpec spec = new SelfAttentionSpec(8, 2, 2);
        long parameters = provider.parameters(spec).stream()
                .mapToLong(ParameterSpec::elements)
                .sum();
        assertThat(parameters).isEqualTo(64 + 8 + 128 + 16 + 8 + 8 + 64 + 8);
        // 27 tokens, 8 windows
        assertThat(provider.macs(spec, List.of(new Grid(3, 3, 3))))
                .isEqualTo(2 * 27 * 64 + 2 * 8 * 64 + 2 * 27 * 8 * 8);
    }

    @Test
    void standsInTheProfileOfANetworkThatNamesIt() {
        Map<String, Object> map =
                new LinkedHashMap<>(SegFormer3DConfig.defaults().toMap());
        map.put("layers", Map.of("self_attention", provider.name()));
        SegFormer3DConfig config = SegFormer3DConfig.fromMap(map);
        ModelProfile profile =
                ModelProfile.of(config, Layers.resolve(config, backend.layers()), new Grid(128, 128, 128));
        SelfAttentionSpec first = new SelfAttentionSpec(32, 1, 4);
        assertThat(profile.rows()).anySatisfy(row -> {
            assertThat(row.name()).isEqualTo("segformer_encoder.tf_block1.0.attention");
            assertThat(row.parameters()).isEqualTo(2 * (32 * 32 + 32) + 64 * 32 + 64 + 2 * 32);
            assertThat(row.macs()).isEqualTo(provider.macs(first, List.of(new Grid(32, 32, 32))));
        });
    }
}

package org.segformer3d.backend.tck;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.block.BlockSpec.DecoderSpec;
import org.segformer3d.api.block.BlockSpec.PatchEmbeddingSpec;
import org.segformer3d.api.block.BlockSpec.SelfAttentionSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.LayerKind;
import org.segformer3d.api.block.Mode;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.backend.reference.ReferenceProvider;

abstract class ErrorContract extends Contract {
    ErrorContract(BackendContract subject) {
        super(subject);
    }

    /** Runs one block with other inputs than it was made for, and then as it should be. */
    private void assertRefused(Blocks.Case good, Grid grid, HostTensor... bad) {
        HostTensor expected = Blocks.forward(backend(), Mode.INFERENCE, good);
        try (Scope scope = backend().newScope()) {
            Map<String, Tensor> weights = new LinkedHashMap<>();
            good.weights().tensors().forEach((name, host) -> weights.put(name, scope.tensor(host)));
            try (var block = Blocks.make(backend(), Mode.INFERENCE, good.spec(), weights)) {
                List<Tensor> inputs = List.of(bad).stream().map(scope::tensor).toList();
                assertThatThrownBy(() -> block.apply(scope, inputs, grid))
                        .as(good.spec() + " on " + List.of(bad) + ", grid " + grid)
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessageContaining("found");
                List<Tensor> right = good.inputs().stream().map(scope::tensor).toList();
                assertThat(block.apply(scope, right, good.grid()).toHost()).isEqualTo(expected);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = LayerKind.class,
            names = {"SELF_ATTENTION", "MIX_FEED_FORWARD", "TRANSFORMER_BLOCK", "STAGE_NORM"})
    void tokenBlocksRefuseShapesThatDoNotFit(LayerKind kind) {
        Samples samples = new Samples(1);
        Blocks.Case good = BlockContract.random(samples, kind);
        Grid grid = good.grid();
        long batch = good.inputs().get(0).size(0);
        long width = good.inputs().get(0).size(2);
        assertRefused(good, grid, samples.normal(batch, grid.tokens(), width + 1));
        assertRefused(good, grid, samples.normal(batch, grid.tokens() + 1, width));
        assertRefused(good, grid, samples.normal(grid.tokens(), width));
        assertRefused(good, grid, samples.normal(batch, width, grid.depth(), grid.height(), grid.width()));
        assertRefused(
                good,
                new Grid(grid.depth() + 1, grid.height(), grid.width()),
                good.inputs().get(0));
    }

    @Test
    void attentionRefusesAGridSmallerThanItsRatio() {
        Samples samples = new Samples(2);
        Blocks.Case good = BlockContract.tokens(samples, new SelfAttentionSpec(8, 2, 4), 8, new Grid(4, 4, 5), 1);
        Grid flat = new Grid(3, 9, 9);
        try (Scope scope = backend().newScope()) {
            Map<String, Tensor> weights = new LinkedHashMap<>();
            good.weights().tensors().forEach((name, host) -> weights.put(name, scope.tensor(host)));
            try (var block = Blocks.make(backend(), Mode.INFERENCE, good.spec(), weights)) {
                List<Tensor> inputs = List.of(scope.tensor(samples.normal(1, flat.tokens(), 8)));
                assertThatThrownBy(() -> block.apply(scope, inputs, flat)).isInstanceOf(IllegalArgumentException.class);
            }
        }
    }

    @Test
    void patchEmbeddingsRefuseShapesThatDoNotFit() {
        Samples samples = new Samples(3);
        PatchEmbeddingSpec spec = new PatchEmbeddingSpec(2, 8, 7, 4, 1);
        Grid grid = new Grid(8, 8, 9);
        Blocks.Case good = new Blocks.Case(spec, samples.weights(spec), List.of(samples.normal(1, 2, 8, 8, 9)), grid);
        assertRefused(good, grid, samples.normal(1, 3, 8, 8, 9));
        assertRefused(good, grid, samples.normal(2, 8, 8, 9));
        assertRefused(good, grid, samples.normal(1, 2, 8, 8, 9, 1));
        try (Scope scope = backend().newScope()) {
            Map<String, Tensor> weights = new LinkedHashMap<>();
            good.weights().tensors().forEach((name, host) -> weights.put(name, scope.tensor(host)));
            try (var block = Blocks.make(backend(), Mode.INFERENCE, spec, weights)) {
                List<Tensor> small = List.of(scope.tensor(samples.normal(1, 2, 8, 4, 9)));
                assertThatThrownBy(() -> block.apply(scope, small, grid))
                        .as("smaller than the kernel")
                        .isInstanceOf(IllegalArgumentException.class);
            }
        }
    }

    @Test
    void decodersRefuseShapesThatDoNotFit() {
        Samples samples = new Samples(4);
        DecoderSpec spec = new DecoderSpec(List.of(8, 9, 10, 11), 12, 3, 0, 2);
        Blocks.Case good = BlockContract.features(samples, spec, BlockContract.grids(4, 5, 6), 2);
        List<HostTensor> x = good.inputs();
        assertRefused(good, good.grid(), x.get(0), x.get(1), x.get(2));
        assertRefused(good, good.grid(), x.get(0), x.get(1), x.get(2), samples.normal(2, 12, 1, 1, 1));
        assertRefused(good, good.grid(), x.get(0), x.get(1), samples.normal(1, 10, 1, 2, 2), x.get(3));
        assertRefused(good, good.grid(), samples.normal(2, 4 * 5 * 6, 8), x.get(1), x.get(2), x.get(3));
    }

    @Test
    void blocksRefuseClosedTensorsAndScopes() {
        Samples samples = new Samples(5);
        for (LayerKind kind : LayerKind.values()) {
            Blocks.Case given = BlockContract.random(samples, kind);
            try (Scope scope = backend().newScope()) {
                Map<String, Tensor> weights = new LinkedHashMap<>();
                given.weights().tensors().forEach((name, host) -> weights.put(name, scope.tensor(host)));
                try (var block = Blocks.make(backend(), Mode.INFERENCE, given.spec(), weights)) {
                    List<Tensor> inputs =
                            given.inputs().stream().map(scope::tensor).toList();
                    Scope closed = backend().newScope();
                    closed.close();
                    assertThatThrownBy(() -> block.apply(closed, inputs, given.grid()))
                            .as(kind + " with a closed scope")
                            .isInstanceOf(IllegalStateException.class);
                    inputs.get(inputs.size() - 1).close();
                    assertThatThrownBy(() -> block.apply(scope, inputs, given.grid()))
                            .as(kind + " with a closed tensor")
                            .isInstanceOf(IllegalStateException.class);
                }
            }
        }
    }

    @Test
    void blocksRefuseTensorsOfAnotherBackend() {
        Samples samples = new Samples(6);
        Backend foreignBackend =
                new ReferenceProvider().open(BackendOptions.defaults().withThreads(1));
        try (foreignBackend;
                Scope scope = backend().newScope();
                Scope foreign = foreignBackend.newScope()) {
            for (LayerKind kind : LayerKind.values()) {
                Blocks.Case given = BlockContract.random(samples, kind);
                Map<String, Tensor> weights = new LinkedHashMap<>();
                given.weights().tensors().forEach((name, host) -> weights.put(name, scope.tensor(host)));
                try (var block = Blocks.make(backend(), Mode.INFERENCE, given.spec(), weights)) {
                    List<Tensor> inputs =
                            given.inputs().stream().map(foreign::tensor).toList();
                    assertThatThrownBy(() -> block.apply(scope, inputs, given.grid()))
                            .as(kind.toString())
                            .isInstanceOf(IllegalArgumentException.class);
                }
            }
        }
    }

    @Test
    void modelsRefuseShapesThatDoNotFitAndGoOn() {
        Samples samples = new Samples(7);
        SegFormer3DConfig config = samples.config();
        int channels = config.inChannels();
        HostTensor good = samples.normal(1, channels, 16, 16, 16);
        try (SegmentationModel model = backend().load(config, samples.weights(config))) {
            HostTensor expected = model.predict(good);
            for (HostTensor bad : List.of(
                    samples.normal(1, channels + 1, 16, 16, 16),
                    samples.normal(channels, 16, 16, 16),
                    samples.normal(1, channels, 16, 16, 16, 1),
                    samples.normal(1, 16, 16, 16, channels + 17))) {
                assertThatThrownBy(() -> model.predict(bad))
                        .as(bad.toString())
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessageContaining("found")
                        .hasMessageContaining("expected");
            }
            assertThat(model.predict(good)).isEqualTo(expected);
        }
    }
}

package org.segformer3d.backend.tck;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.segformer3d.backend.tck.Comparison.assertClose;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendException;
import org.segformer3d.api.backend.BackendOptions.Implementation;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.InputGeometry;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.api.weights.StateDictMismatchException;

abstract class ModelContract extends Contract {
    ModelContract(BackendContract subject) {
        super(subject);
    }

    static List<Arguments> sizes() {
        List<Arguments> cases = new ArrayList<>();
        for (Implementation form : Implementation.values()) {
            cases.add(Arguments.of(form, 1, new Grid(32, 32, 32), 2)); // a cube
            cases.add(Arguments.of(form, 2, new Grid(16, 48, 32), 1)); // a box
            cases.add(Arguments.of(form, 3, new Grid(33, 18, 29), 2)); // no multiple of any stride
            cases.add(Arguments.of(form, 4, new Grid(5, 40, 3), 1)); // smaller than the smallest edge
            cases.add(Arguments.of(form, 5, new Grid(1, 1, 1), 3));
            cases.add(Arguments.of(form, 6, new Grid(64, 20, 24), 1));
            cases.add(Arguments.of(form, 7, new Grid(17, 31, 47), 1));
            cases.add(Arguments.of(form, 8, new Grid(24, 24, 24), 3));
        }
        return cases;
    }

    @ParameterizedTest(name = "{0}, network {1}, {2}, batch {3}")
    @MethodSource("sizes")
    void logitsAndFeatureMapsAreTheReferencesOnes(Implementation form, long seed, Grid size, int batch) {
        Samples samples = new Samples(seed);
        SegFormer3DConfig config = samples.config();
        StateDict weights = samples.weights(config);
        HostTensor input = samples.normal(batch, config.inChannels(), size.depth(), size.height(), size.width());
        try (Backend backend = openOrSkip(form);
                SegmentationModel model = backend.load(config, weights);
                SegmentationModel expected = oracle().load(config, weights);
                Scope scope = backend.newScope();
                Scope oracleScope = oracle().newScope()) {
            double tolerance = subject().tolerance(backend.computeType());
            HostTensor logits = model.predict(input);
            assertThat(logits.dtype()).isEqualTo(backend.computeType());
            assertThat(logits.shape())
                    .containsExactly(batch, config.numClasses(), size.depth(), size.height(), size.width());
            assertClose("logits", logits, expected.predict(input), tolerance);

            List<Tensor> features = model.encode(scope, scope.tensor(input));
            List<Tensor> expectedFeatures = expected.encode(oracleScope, oracleScope.tensor(input));
            List<Grid> grids = InputGeometry.of(config, size).stages();
            assertThat(features).hasSize(SegFormer3DConfig.STAGES);
            for (int i = 0; i < features.size(); i++) {
                assertThat(Grid.of(features.get(i).shape())).isEqualTo(grids.get(i));
                assertClose(
                        "c" + (i + 1),
                        features.get(i).toHost(),
                        expectedFeatures.get(i).toHost(),
                        tolerance);
            }
        }
    }

    @Test
    void kernelsAndStridesMayDifferBetweenAxes() {
        Samples samples = new Samples(11);
        SegFormer3DConfig config = SegFormer3DConfig.fromMap(Map.ofEntries(
                Map.entry("in_channels", 2),
                Map.entry("num_classes", 3),
                Map.entry("embed_dims", List.of(8, 8, 16, 16)),
                Map.entry("num_heads", List.of(1, 2, 1, 2)),
                Map.entry("depths", List.of(1, 1, 1, 1)),
                Map.entry("decoder_head_embedding_dim", 12),
                Map.entry("patch_kernel_size", List.of(List.of(3, 7, 7), 3, 3, 3)),
                Map.entry("patch_stride", List.of(List.of(2, 4, 4), 2, 2, 2)),
                Map.entry("patch_padding", List.of(List.of(1, 3, 3), 1, 1, 1)),
                Map.entry("sr_ratios", List.of(List.of(2, 4, 4), 2, 1, 1))));
        StateDict weights = samples.weights(config);
        HostTensor input = samples.normal(2, 2, 9, 35, 32);
        try (SegmentationModel model = backend().load(config, weights);
                SegmentationModel expected = oracle().load(config, weights)) {
            assertClose(
                    "logits",
                    model.predict(input),
                    expected.predict(input),
                    subject().tolerance(backend().computeType()));
        }
    }

    private Backend openOrSkip(Implementation form) {
        try {
            return subject().provider().open(subject().options().with(form));
        } catch (BackendException e) {
            Assumptions.assumeTrue(form == Implementation.AUTO, e.getMessage()); // a backend may have only one form
            throw e;
        }
    }

    @Test
    void saysWhatItIs() {
        SegFormer3DConfig config = new Samples(10).config();
        try (SegmentationModel model = backend().load(config, new Samples(10).weights(config))) {
            assertThat(model.config()).isEqualTo(config);
            assertThat(model.backend()).isSameAs(backend());
            assertThat(model.implementation()).isNotBlank();
        }
        try (Backend plain = openOrSkip(Implementation.PLAIN);
                SegmentationModel model = plain.load(config, new Samples(10).weights(config))) {
            assertThat(model.implementation()).isEqualTo("plain");
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"FLOAT64", "FLOAT16", "BFLOAT16"})
    void takesWeightsOfAnyFloatingType(DType type) {
        Samples samples = new Samples(11);
        SegFormer3DConfig config = samples.config();
        Map<String, HostTensor> converted = new LinkedHashMap<>();
        samples.weights(config)
                .tensors()
                .forEach((name, host) ->
                        converted.put(name, host.dtype().isFloating() ? HalfPrecision.convert(host, type) : host));
        HostTensor input = samples.normal(1, config.inChannels(), 16, 16, 16);
        try (SegmentationModel model = backend().load(config, StateDict.of(converted));
                SegmentationModel expected = oracle().load(config, StateDict.of(converted))) {
            assertClose("logits", model.predict(input), expected.predict(input), tolerance());
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"FLOAT64", "FLOAT16", "INT64", "INT16", "UINT8"})
    void takesInputsOfAnyType(DType type) {
        Samples samples = new Samples(12);
        SegFormer3DConfig config = samples.config();
        StateDict weights = samples.weights(config);
        HostTensor typed = samples.typed(type, 1, config.inChannels(), 16, 16, 16);
        HostTensor same = HostTensor.of(typed.toFloats(), typed.shape());
        try (SegmentationModel model = backend().load(config, weights)) {
            assertClose("logits", model.predict(typed), model.predict(same), tolerance());
        }
    }

    @Test
    void doesWithoutTheNumberOfBatchesTracked() {
        Samples samples = new Samples(13);
        SegFormer3DConfig config = samples.config();
        StateDict weights = samples.weights(config);
        Map<String, HostTensor> fewer = new LinkedHashMap<>(weights.tensors());
        fewer.keySet().removeIf(name -> name.endsWith("num_batches_tracked"));
        assertThat(fewer).hasSizeLessThan(weights.tensors().size());
        HostTensor input = samples.normal(1, config.inChannels(), 16, 16, 16);
        try (SegmentationModel model = backend().load(config, weights);
                SegmentationModel same = backend().load(config, StateDict.of(fewer))) {
            assertThat(same.predict(input)).isEqualTo(model.predict(input));
        }
    }

    @Test
    void namesEveryWeightThatDoesNotFit() {
        Samples samples = new Samples(14);
        SegFormer3DConfig config = samples.config();
        Map<String, HostTensor> wrong =
                new LinkedHashMap<>(samples.weights(config).tensors());
        wrong.remove("segformer_decoder.linear_pred.bias");
        wrong.put("head.weight", samples.normal(2, 2));
        wrong.put("segformer_encoder.norm1.weight", samples.normal(3));
        assertThatThrownBy(() -> backend().load(config, StateDict.of(wrong)))
                .isInstanceOf(StateDictMismatchException.class)
                .hasMessageContaining("segformer_decoder.linear_pred.bias")
                .hasMessageContaining("head.weight")
                .hasMessageContaining("segformer_encoder.norm1.weight");
    }

    @Test
    void givesTheSameBitsForTheSameInput() {
        Samples samples = new Samples(15);
        SegFormer3DConfig config = samples.config();
        HostTensor input = samples.normal(2, config.inChannels(), 20, 24, 16);
        try (SegmentationModel model = backend().load(config, samples.weights(config))) {
            HostTensor first = model.predict(input);
            model.predict(samples.normal(1, config.inChannels(), 32, 16, 16));
            assertThat(model.predict(input)).isEqualTo(first);
        }
    }

    @Test
    void refusesUseAfterClose() {
        Samples samples = new Samples(17);
        SegFormer3DConfig config = samples.config();
        HostTensor host = samples.normal(1, config.inChannels(), 16, 16, 16);
        SegmentationModel model = backend().load(config, samples.weights(config));
        try (Scope scope = backend().newScope()) {
            Tensor input = scope.tensor(host);
            Tensor logits = model.forward(scope, input);
            HostTensor before = logits.toHost();
            assertThat(model.isClosed()).isFalse();
            model.close();
            model.close();
            assertThat(model.isClosed()).isTrue();
            assertThatThrownBy(() -> model.forward(scope, input)).isInstanceOf(IllegalStateException.class);
            assertThatThrownBy(() -> model.encode(scope, input)).isInstanceOf(IllegalStateException.class);
            assertThatThrownBy(() -> model.predict(host)).isInstanceOf(IllegalStateException.class);
            assertThat(logits.toHost())
                    .as("a result belongs to its scope, not to the model")
                    .isEqualTo(before);
        }
    }

    @Test
    void refusesAClosedInputAndAClosedScope() {
        Samples samples = new Samples(18);
        SegFormer3DConfig config = samples.config();
        try (SegmentationModel model = backend().load(config, samples.weights(config));
                Scope scope = backend().newScope()) {
            Tensor input = scope.tensor(samples.normal(1, config.inChannels(), 16, 16, 16));
            Scope closed = backend().newScope();
            closed.close();
            assertThatThrownBy(() -> model.forward(closed, input)).isInstanceOf(IllegalStateException.class);
            assertThatThrownBy(() -> model.encode(closed, input)).isInstanceOf(IllegalStateException.class);
            HostTensor logits = model.forward(scope, input).toHost();
            assertThat(logits.rank()).isEqualTo(5);
            input.close();
            assertThatThrownBy(() -> model.forward(scope, input)).isInstanceOf(IllegalStateException.class);
            assertThatThrownBy(() -> model.encode(scope, input)).isInstanceOf(IllegalStateException.class);
        }
    }
}

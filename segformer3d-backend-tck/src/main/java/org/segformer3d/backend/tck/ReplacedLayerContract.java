package org.segformer3d.backend.tck;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.segformer3d.backend.tck.Comparison.assertClose;
import static org.segformer3d.backend.tck.Comparison.relativeToLargest;

import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.segformer3d.api.block.BlockContext;
import org.segformer3d.api.block.Layers;
import org.segformer3d.api.block.Mode;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.api.weights.StateDictMismatchException;

abstract class ReplacedLayerContract extends Contract {
    private final SegFormer3DConfig paper = new Samples(1).config();
    private final SegFormer3DConfig pooled = replaced("pooled-attention");

    ReplacedLayerContract(BackendContract subject) {
        super(subject);
    }

    private SegFormer3DConfig replaced(String attention) {
        Map<String, Object> map = new LinkedHashMap<>(paper.toMap());
        map.put("layers", Map.of("self_attention", attention));
        return SegFormer3DConfig.fromMap(map);
    }

    private StateDict weights(SegFormer3DConfig config) {
        Layers layers = Layers.resolve(config, backend().layers());
        return new Samples(2).weights(ModelLayout.of(config, layers).parameters());
    }

    @Test
    void aNamedAttentionIsUsedWithItsOwnParameters() {
        StateDict weights = weights(pooled);
        assertThat(weights.names())
                .contains("segformer_encoder.tf_block1.0.attention.pool_norm.weight")
                .doesNotContain("segformer_encoder.tf_block1.0.attention.sr.weight");
        HostTensor input = new Samples(3).normal(2, pooled.inChannels(), 18, 16, 30);
        try (SegmentationModel model = backend().load(pooled, weights);
                SegmentationModel expected = oracle().load(pooled, weights);
                SegmentationModel other = backend().load(paper, weights(paper))) {
            HostTensor logits = model.predict(input);
            assertClose("logits with pooled attention", logits, expected.predict(input), tolerance());
            assertThat(relativeToLargest(
                            logits.toDoubles(), other.predict(input).toDoubles()))
                    .as("distance from the paper's attention")
                    .isGreaterThan(1e-3);
        }
    }

    @Test
    void theAttentionsWeightsReachTheLogits() {
        StateDict weights = weights(pooled);
        Map<String, HostTensor> changed = new LinkedHashMap<>(weights.tensors());
        String name = "segformer_encoder.tf_block1.0.attention.pool_norm.weight";
        changed.put(name, new Samples(4).normal(weights.get(name).shape()));
        HostTensor input = new Samples(3).normal(1, pooled.inChannels(), 16, 16, 16);
        try (SegmentationModel model = backend().load(pooled, weights);
                SegmentationModel other = backend().load(pooled, StateDict.of(changed))) {
            assertThat(relativeToLargest(
                            model.predict(input).toDoubles(),
                            other.predict(input).toDoubles()))
                    .isGreaterThan(1e-4);
        }
    }

    @Test
    void thePapersWeightsDoNotFitAReplacedLayer() {
        StateDict weights = weights(paper);
        assertThatThrownBy(() -> backend().load(pooled, weights))
                .isInstanceOf(StateDictMismatchException.class)
                .hasMessageContaining("attention.pool_norm.weight")
                .hasMessageContaining("attention.sr.weight");
    }

    @Test
    void aLayerThatCannotBeTrainedIsRefusedInTraining() {
        Layers layers = Layers.resolve(pooled, backend().layers());
        BlockContext training = backend().context(Mode.TRAINING);
        assertThatThrownBy(() -> layers.check(training))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("layers.self_attention")
                .hasMessageContaining("pooled-attention");
    }

    @Test
    void anUnknownNameListsTheNamesThereAre() {
        SegFormer3DConfig unknown = replaced("pooled-atention");
        assertThatThrownBy(() -> backend().load(unknown, weights(paper)))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("pooled-atention")
                .hasMessageContaining("did you mean 'pooled-attention'");
    }
}

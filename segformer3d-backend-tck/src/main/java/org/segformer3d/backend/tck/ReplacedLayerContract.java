package org.segformer3d.backend.tck;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.segformer3d.backend.tck.Comparison.assertClose;
import static org.segformer3d.backend.tck.Comparison.relativeToLargest;

import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.network.Network;
import org.segformer3d.api.network.SegFormer3D;
import org.segformer3d.api.network.SegFormer3DNetwork;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.api.weights.StateDictMismatchException;

@ExtendWith(OnlyIf.Operations.class)
abstract class ReplacedLayerContract extends Contract {
    private final Network paper = SegFormer3DNetwork.of(new Samples(1).config());
    private final Network pooled = replaced("pooled-attention");

    ReplacedLayerContract(BackendContract subject) {
        super(subject);
    }

    private Network replaced(String attention) {
        Map<String, Object> map = new LinkedHashMap<>(paper.toMap());
        map.put("layers", Map.of("self_attention", attention));
        return new SegFormer3D().configure(map);
    }

    private static StateDict weights(Network network) {
        return new Samples(2).weights(network.parameters());
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
    void anUnknownNameListsTheNamesThereAre() {
        assertThatThrownBy(() -> replaced("pooled-atention"))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("pooled-atention")
                .hasMessageContaining("did you mean 'pooled-attention'");
    }
}

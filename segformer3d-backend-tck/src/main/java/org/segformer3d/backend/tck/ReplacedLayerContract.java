package org.segformer3d.backend.tck;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.withinPercentage;
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
import org.segformer3d.api.training.LossSpec;
import org.segformer3d.api.training.OptimizerSpec;
import org.segformer3d.api.training.TrainingBackend;
import org.segformer3d.api.training.TrainingBatch;
import org.segformer3d.api.training.TrainingSession;
import org.segformer3d.api.training.TrainingSpec;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.api.weights.StateDictMismatchException;

@ExtendWith(OnlyIf.Operations.class)
abstract class ReplacedLayerContract extends Contract {
    private static final LossSpec LOSS = LossSpec.of(LossSpec.Kind.DICE, LossSpec.Activation.SIGMOID);

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
    @ExtendWith(OnlyIf.Training.class)
    void aReplacedLayerIsTrained() {
        TrainingSpec spec = TrainingSpec.of(pooled, weights(pooled), LOSS, OptimizerSpec.adamW(0));
        TrainingBatch batch = batch();
        try (TrainingSession session = ((TrainingBackend) backend()).train(spec)) {
            double first = session.accumulate(batch, 1);
            double last = first;
            for (int step = 0; step < 15; step++) {
                session.update(0.01);
                last = session.accumulate(batch, 1);
            }
            assertThat(last).as("loss after fifteen steps").isLessThan(0.9 * first);
        }
    }

    /** Along a random direction of all weights of the replaced attentions, against the reference's loss in float64. */
    @Test
    @ExtendWith(OnlyIf.Training.class)
    void itsGradientsAreFiniteDifferences() {
        StateDict weights = weights(pooled);
        Map<String, HostTensor> direction = new LinkedHashMap<>();
        Samples samples = new Samples(5);
        weights.tensors().forEach((name, tensor) -> {
            if (name.contains(".attention.")) {
                direction.put(name, samples.normal(tensor.shape()));
            }
        });
        double step = 1e-5;
        double difference =
                (loss(moved(weights, direction, step)) - loss(moved(weights, direction, -step))) / (2 * step);
        double along = 0;
        try (TrainingSession session =
                ((TrainingBackend) backend()).train(TrainingSpec.of(pooled, weights, LOSS, OptimizerSpec.adamW(0)))) {
            StateDict gradients = session.pass(batch()).gradients();
            for (Map.Entry<String, HostTensor> entry : direction.entrySet()) {
                double[] gradient = gradients.get(entry.getKey()).toDoubles();
                double[] moved = entry.getValue().toDoubles();
                for (int i = 0; i < gradient.length; i++) {
                    along += gradient[i] * moved[i];
                }
            }
        }
        assertThat(Math.abs(difference)).isGreaterThan(1e-4);
        assertThat(along).isCloseTo(difference, withinPercentage(1));
    }

    private double loss(StateDict weights) {
        try (TrainingSession session =
                ((TrainingBackend) oracle()).train(TrainingSpec.of(pooled, weights, LOSS, OptimizerSpec.adamW(0)))) {
            return session.pass(batch()).loss();
        }
    }

    private static StateDict moved(StateDict weights, Map<String, HostTensor> direction, double step) {
        Map<String, HostTensor> moved = new LinkedHashMap<>(weights.tensors());
        direction.forEach((name, along) -> {
            double[] values = weights.get(name).toDoubles();
            double[] d = along.toDoubles();
            for (int i = 0; i < values.length; i++) {
                values[i] += step * d[i];
            }
            moved.put(name, HostTensor.of(values, along.shape()));
        });
        return StateDict.of(moved);
    }

    private TrainingBatch batch() {
        Samples samples = new Samples(6);
        HostTensor input = samples.normal(2, pooled.inChannels(), 16, 18, 16);
        double[] target = samples.normal(2, pooled.numClasses(), 16, 18, 16).toDoubles();
        for (int i = 0; i < target.length; i++) {
            target[i] = target[i] > 0.5 ? 1 : 0;
        }
        return new TrainingBatch(input, HostTensor.of(target, 2, pooled.numClasses(), 16, 18, 16), 1);
    }

    @Test
    void anUnknownNameListsTheNamesThereAre() {
        assertThatThrownBy(() -> replaced("pooled-atention"))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("pooled-atention")
                .hasMessageContaining("did you mean 'pooled-attention'");
    }
}

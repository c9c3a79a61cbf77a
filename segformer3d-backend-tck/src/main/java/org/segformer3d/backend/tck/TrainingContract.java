package org.segformer3d.backend.tck;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.segformer3d.backend.tck.Comparison.assertClose;
import static org.segformer3d.backend.tck.Comparison.distance;
import static org.segformer3d.backend.tck.Comparison.dot;
import static org.segformer3d.backend.tck.Comparison.norm;
import static org.segformer3d.backend.tck.Comparison.relativeToLargest;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.Mode;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.network.SegFormer3DNetwork;
import org.segformer3d.api.ops.Pass;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.Device;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.api.training.LossSpec;
import org.segformer3d.api.training.LossSpec.Activation;
import org.segformer3d.api.training.LossSpec.Kind;
import org.segformer3d.api.training.OptimizerSpec;
import org.segformer3d.api.training.TrainingBackend;
import org.segformer3d.api.training.TrainingBatch;
import org.segformer3d.api.training.TrainingSession;
import org.segformer3d.api.training.TrainingSession.TrainingPass;
import org.segformer3d.api.training.TrainingSession.TrainingState;
import org.segformer3d.api.training.TrainingSpec;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.api.weights.StateDictMismatchException;

@ExtendWith(OnlyIf.Training.class)
abstract class TrainingContract extends Contract {
    private static final LossSpec DICE = LossSpec.of(Kind.DICE, Activation.SIGMOID);

    private final SegFormer3DConfig config = config(0);
    private final StateDict initial = new Samples(51).weights(config);
    private final List<ParameterSpec> entries = ModelLayout.of(config).parameters();

    TrainingContract(BackendContract subject) {
        super(subject);
    }

    /** One thread: for a network this small a second one costs more than it brings, much more on a busy machine. */
    @Override
    BackendOptions options() {
        return super.options().withThreads(1);
    }

    /** Returns a network whose stages have grids of 8, 4, 2 and 2 at an input edge of 16. */
    private static SegFormer3DConfig config(double dropout) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("in_channels", 2);
        map.put("num_classes", 3);
        map.put("embed_dims", List.of(8, 8, 12, 16));
        map.put("num_heads", List.of(1, 2, 3, 4));
        map.put("sr_ratios", List.of(2, 2, 1, 1));
        map.put("depths", List.of(1, 1, 2, 1));
        map.put("mlp_ratios", List.of(2, 2, 2, 2));
        map.put("patch_kernel_size", List.of(3, 3, 3, 3));
        map.put("patch_stride", List.of(2, 2, 2, 1));
        map.put("patch_padding", List.of(1, 1, 1, 1));
        map.put("decoder_head_embedding_dim", 12);
        map.put("decoder_dropout", dropout);
        return SegFormer3DConfig.fromMap(map);
    }

    private TrainingSpec spec(OptimizerSpec optimizer) {
        return TrainingSpec.of(config, initial, DICE, optimizer);
    }

    private TrainingSpec spec(OptimizerSpec optimizer, OptionalDouble clip, OptionalDouble average) {
        return new TrainingSpec(SegFormer3DNetwork.of(config), initial, DICE, optimizer, clip, average);
    }

    /** Returns a batch of two with overlapping target channels; a box, the first axis no multiple of the stride. */
    private static TrainingBatch batch(long seed) {
        Samples samples = new Samples(100 + seed);
        byte[] target = new byte[2 * 3 * 15 * 16 * 18];
        for (int i = 0; i < target.length; i++) {
            target[i] = (byte) (samples.between(0, 3) == 0 ? 1 : 0);
        }
        return new TrainingBatch(samples.normal(2, 2, 15, 16, 18), HostTensor.of(target, 2, 3, 15, 16, 18), seed);
    }

    private List<String> trained() {
        return entries.stream()
                .filter(p -> p.role().isTrained())
                .map(ParameterSpec::name)
                .toList();
    }

    private void assertTrainedWeights(StateDict actual, Map<String, double[]> expected, double tolerance) {
        expected.forEach(
                (name, values) -> assertThat(relativeToLargest(actual.get(name).toDoubles(), values))
                        .as(name)
                        .isLessThanOrEqualTo(tolerance));
    }

    private Map<String, double[]> trainedValues(StateDict weights) {
        Map<String, double[]> values = new LinkedHashMap<>();
        trained().forEach(name -> values.put(name, weights.get(name).toDoubles()));
        return values;
    }

    private static double total(StateDict gradients) {
        return Math.sqrt(gradients.tensors().values().stream()
                .mapToDouble(g -> norm(g.toDoubles()) * norm(g.toDoubles()))
                .sum());
    }

    /** Runs the reference forward with batch statistics; returns logits and leaves the running statistics in {@code after}. */
    private HostTensor oracleForward(StateDict weights, HostTensor input, Map<String, HostTensor> after) {
        try (Scope scope = oracle().newScope()) {
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            weights.tensors().forEach((name, host) -> tensors.put(name, scope.tensor(host)));
            HostTensor logits = SegFormer3DNetwork.of(config)
                    .forward(
                            oracle().ops(scope, new Pass(Mode.TRAINING, 0, 0)),
                            new BlockParameters(tensors, ""),
                            scope.tensor(input))
                    .get(0)
                    .toHost();
            tensors.forEach((name, tensor) -> after.put(name, tensor.toHost()));
            return logits;
        }
    }

    private double oracleLoss(StateDict weights, TrainingBatch batch, HostTensor input) {
        HostTensor logits = oracleForward(weights, input, new LinkedHashMap<>());
        return WrittenLosses.value(DICE, logits.toDoubles(), batch.target().toDoubles(), logits.shape());
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"FLOAT32", "FLOAT64"})
    void aPassLeavesTheWeightsAndMovesTheRunningStatistics(DType type) {
        TrainingBatch batch = batch(1);
        Map<String, HostTensor> after = new LinkedHashMap<>();
        HostTensor logits = oracleForward(initial, batch.input(), after);
        double tolerance = type == DType.FLOAT64 ? 1e-10 : 1e-4;
        try (Backend backend = open(type);
                TrainingSession session = backend.train(spec(OptimizerSpec.adamW(0.01)))) {
            assertThat(session.weights().names()).containsExactlyInAnyOrderElementsOf(initial.names());
            TrainingPass pass = session.pass(batch);
            assertClose("logits in training", pass.logits(), logits, tolerance);
            double loss =
                    WrittenLosses.value(DICE, logits.toDoubles(), batch.target().toDoubles(), logits.shape());
            assertThat(pass.loss()).isCloseTo(loss, within(type == DType.FLOAT64 ? 1e-11 : 1e-6));
            assertThat(pass.gradients().names()).containsExactlyInAnyOrderElementsOf(trained());
            assertThat(pass.inputGradient().shape()).isEqualTo(batch.input().shape());
            StateDict weights = session.weights();
            for (ParameterSpec entry : entries) {
                HostTensor now = weights.get(entry.name());
                assertThat(now.shape()).as(entry.name()).isEqualTo(entry.dims());
                switch (entry.role()) {
                    case RUNNING_MEAN, RUNNING_VARIANCE ->
                        assertClose(entry.name(), now, after.get(entry.name()), tolerance);
                    case BATCHES_TRACKED ->
                        assertThat(now.get(0))
                                .as(entry.name())
                                .isEqualTo(initial.get(entry.name()).get(0) + 1);
                    default ->
                        assertThat(now.toDoubles())
                                .as(entry.name())
                                .isEqualTo(initial.get(entry.name()).toDoubles());
                }
            }
        }
    }

    @Test
    void whatTheTargetHoldsWhereNoVoxelCountsMakesNoDifference() {
        TrainingBatch batch = batch(1);
        byte[] mask = new byte[2 * 15 * 16 * 18];
        boolean[] counted = new boolean[mask.length];
        double[] other = batch.target().toDoubles();
        for (int v = 0; v < mask.length; v++) {
            counted[v] = v % 3 != 0;
            mask[v] = (byte) (counted[v] ? 1 : 0);
            for (int k = 0; k < 3 && !counted[v]; k++) {
                other[(v / (15 * 16 * 18) * 3 + k) * (15 * 16 * 18) + v % (15 * 16 * 18)] = 1;
            }
        }
        Optional<HostTensor> given = Optional.of(HostTensor.of(mask, 2, 1, 15, 16, 18));
        try (Backend precise = open(DType.FLOAT64);
                TrainingSession session = precise.train(spec(OptimizerSpec.adamW(0)))) {
            TrainingPass pass = session.pass(new TrainingBatch(batch.input(), batch.target(), given, 1, 0));
            double loss = WrittenLosses.value(
                    DICE,
                    pass.logits().toDoubles(),
                    batch.target().toDoubles(),
                    counted,
                    pass.logits().shape());
            assertThat(pass.loss()).isCloseTo(loss, within(1e-11));
            HostTensor changed = HostTensor.of(other, batch.target().shape());
            TrainingPass same = session.pass(new TrainingBatch(batch.input(), changed, given, 1, 0));
            assertThat(same.loss()).isEqualTo(pass.loss());
            trained()
                    .forEach(name -> assertThat(same.gradients().get(name).toDoubles())
                            .as(name)
                            .isEqualTo(pass.gradients().get(name).toDoubles()));
            assertThat(session.pass(batch).loss()).isNotCloseTo(loss, within(1e-4));
        }
    }

    @Test
    void gradientsOfTheWholeNetworkInFloat64EqualDifferencesOfTheReference() {
        TrainingBatch batch = batch(2);
        TrainingPass pass;
        try (Backend precise = open(DType.FLOAT64);
                TrainingSession session = precise.train(spec(OptimizerSpec.adamW(0)))) {
            pass = session.pass(batch);
        }
        double total = total(pass.gradients());
        Samples directions = new Samples(52);
        for (String name : trained()) {
            double[] gradient = pass.gradients().get(name).toDoubles();
            double[] direction = directions.normals(gradient.length);
            double difference = Finite.derivative(
                    x -> {
                        Map<String, HostTensor> weights = new LinkedHashMap<>(initial.tensors());
                        weights.put(name, HostTensor.of(x, initial.get(name).shape()));
                        return oracleLoss(StateDict.of(weights), batch, batch.input());
                    },
                    initial.get(name).toDoubles(),
                    direction);
            assertThat(dot(gradient, direction))
                    .as("derivative along a direction of " + name)
                    .isCloseTo(difference, within(1e-5 * norm(gradient) + 1e-7 * total));
        }
        double[] inputGradient = pass.inputGradient().toDoubles();
        double[] direction = directions.normals(inputGradient.length);
        double difference = Finite.derivative(
                x -> oracleLoss(initial, batch, HostTensor.of(x, batch.input().shape())),
                batch.input().toDoubles(),
                direction);
        assertThat(dot(inputGradient, direction)).isCloseTo(difference, within(1e-5 * norm(inputGradient)));
    }

    @Test
    void gradientsOfTheWholeNetworkInFloat32AreThoseInFloat64() {
        TrainingBatch batch = batch(3);
        TrainingPass expected;
        TrainingPass actual;
        try (Backend precise = open(DType.FLOAT64);
                TrainingSession session = precise.train(spec(OptimizerSpec.adamW(0)))) {
            expected = session.pass(batch);
        }
        try (Backend single = open(DType.FLOAT32);
                TrainingSession session = single.train(spec(OptimizerSpec.adamW(0)))) {
            actual = session.pass(batch);
        }
        double total = total(expected.gradients());
        assertThat(actual.loss()).isCloseTo(expected.loss(), within(1e-6));
        trained().forEach(name -> {
            double[] gradient = expected.gradients().get(name).toDoubles();
            double error = distance(actual.gradients().get(name).toDoubles(), gradient);
            assertThat(error).as(name).isLessThanOrEqualTo(1e-3 * norm(gradient) + 1e-5 * total);
        });
    }

    /** Every kind of loss, each with one of its options or more. */
    static List<LossSpec> losses() {
        List<LossSpec> losses = new ArrayList<>();
        for (Kind kind : Kind.values()) {
            losses.add(LossSpec.of(kind, Activation.SIGMOID).with(true, false));
            losses.add(LossSpec.of(kind, Activation.SOFTMAX).withoutBackground());
            losses.add(new LossSpec(kind, Activation.SIGMOID, true, false, true, 0.5, 0.25, 0.7, 1.9, 1.5));
        }
        return losses;
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("losses")
    void everyLossHasTheReferencesGradients(LossSpec loss) {
        assertPassIsTheReferencesOne(TrainingSpec.of(config, initial, loss, OptimizerSpec.adamW(0)), batch(4));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("losses")
    void everyLossLeavesOutVoxelsThatDoNotCount(LossSpec loss) {
        TrainingBatch all = batch(5);
        byte[] counts = new byte[2 * 15 * 16 * 18];
        Samples samples = new Samples(56);
        for (int i = 0; i < counts.length; i++) {
            counts[i] = (byte) samples.between(0, 1);
        }
        TrainingBatch some = new TrainingBatch(
                all.input(), all.target(), Optional.of(HostTensor.of(counts, 2, 1, 15, 16, 18)), all.seed(), 0);
        assertPassIsTheReferencesOne(TrainingSpec.of(config, initial, loss, OptimizerSpec.adamW(0)), some);
    }

    @Test
    void dropoutDropsWhatTheReferenceDrops() {
        TrainingBatch batch = batch(6);
        TrainingSpec spec = TrainingSpec.of(config(0.5), initial, DICE, OptimizerSpec.adamW(0));
        assertPassIsTheReferencesOne(
                spec, new TrainingBatch(batch.input(), batch.target(), Optional.empty(), batch.seed(), 7));
    }

    /** Compares loss, logits and gradients in float64 with the reference's. */
    private void assertPassIsTheReferencesOne(TrainingSpec spec, TrainingBatch batch) {
        TrainingPass expected;
        try (TrainingSession session = ((TrainingBackend) oracle()).train(spec)) {
            expected = session.pass(batch);
        }
        try (Backend precise = open(DType.FLOAT64);
                TrainingSession session = precise.train(spec)) {
            TrainingPass actual = session.pass(batch);
            assertThat(actual.loss()).isCloseTo(expected.loss(), within(1e-11));
            assertClose("logits", actual.logits(), expected.logits(), 1e-10);
            double total = total(expected.gradients());
            expected.gradients()
                    .tensors()
                    .forEach((name, gradient) -> assertThat(
                                    distance(actual.gradients().get(name).toDoubles(), gradient.toDoubles()))
                            .as("distance of the gradient of " + name)
                            .isLessThanOrEqualTo(1e-8 * norm(gradient.toDoubles()) + 1e-10 * total));
            assertThat(distance(
                            actual.inputGradient().toDoubles(),
                            expected.inputGradient().toDoubles()))
                    .as("distance of the input's gradient")
                    .isLessThanOrEqualTo(1e-8 * norm(expected.inputGradient().toDoubles()));
        }
    }

    static List<OptimizerSpec> optimizers() {
        return List.of(
                OptimizerSpec.adamW(0.02),
                OptimizerSpec.adam(0.02),
                new OptimizerSpec(OptimizerSpec.Kind.ADAMW, 0, 0.8, 0.95, 1e-4, 0, false),
                OptimizerSpec.sgd(0, 0, false),
                OptimizerSpec.sgd(0.02, 0.9, false),
                OptimizerSpec.sgd(0.02, 0.9, true));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("optimizers")
    void weightsFollowTheOptimizersRule(OptimizerSpec optimizer) {
        Map<String, double[]> expected = trainedValues(initial);
        Map<String, UpdateRule> rules = new LinkedHashMap<>();
        expected.forEach((name, values) -> rules.put(name, new UpdateRule(optimizer, values.length)));
        try (Backend precise = open(DType.FLOAT64);
                TrainingSession session = precise.train(spec(optimizer))) {
            for (int step = 0; step < 3; step++) {
                double rate = 0.01 / (1 + step);
                TrainingBatch batch = batch(step);
                TrainingPass pass = session.pass(batch);
                assertThat(session.accumulate(batch, 1)).isCloseTo(pass.loss(), within(1e-12));
                assertThat(session.update(rate))
                        .isCloseTo(total(pass.gradients()), within(1e-9 * total(pass.gradients())));
                expected.replaceAll((name, values) ->
                        rules.get(name).step(values, pass.gradients().get(name).toDoubles(), rate));
                assertTrainedWeights(session.weights(), expected, 1e-8);
            }
            assertThat(session.state().updates()).isEqualTo(3);
        }
    }

    @Test
    void gradientsOfSeveralBatchesAddUpByTheirWeights() {
        try (Backend precise = open(DType.FLOAT64);
                TrainingSession session = precise.train(spec(OptimizerSpec.sgd(0, 0, false)))) {
            TrainingPass first = session.pass(batch(1));
            TrainingPass second = session.pass(batch(2));
            assertThat(session.accumulate(batch(1), 0.25)).isCloseTo(first.loss(), within(1e-12));
            assertThat(session.accumulate(batch(2), 0.75)).isCloseTo(second.loss(), within(1e-12));
            session.update(0.5);
            Map<String, double[]> expected = trainedValues(initial);
            expected.replaceAll((name, values) -> Finite.moved(
                    Finite.moved(values, first.gradients().get(name).toDoubles(), -0.5 * 0.25),
                    second.gradients().get(name).toDoubles(),
                    -0.5 * 0.75));
            assertTrainedWeights(session.weights(), expected, 1e-9);
            // the gradients are forgotten after an update
            session.accumulate(batch(1), 1);
            assertThat(session.update(0)).isPositive();
            assertTrainedWeights(session.weights(), expected, 1e-9);
        }
    }

    @Test
    void largeGradientsAreScaledDownToTheLargestNorm() {
        TrainingPass pass;
        try (Backend precise = open(DType.FLOAT64);
                TrainingSession session = precise.train(spec(OptimizerSpec.sgd(0, 0, false)))) {
            pass = session.pass(batch(1));
        }
        double norm = total(pass.gradients());
        for (double clip : new double[] {norm / 7, norm * 7}) {
            TrainingSpec spec = spec(OptimizerSpec.sgd(0, 0, false), OptionalDouble.of(clip), OptionalDouble.empty());
            try (Backend precise = open(DType.FLOAT64);
                    TrainingSession session = precise.train(spec)) {
                session.accumulate(batch(1), 1);
                assertThat(session.update(1)).as("norm before clipping").isCloseTo(norm, within(1e-9 * norm));
                double factor = Math.min(1, clip / norm);
                Map<String, double[]> moved = trainedValues(session.weights());
                trained().forEach(name -> {
                    double[] step =
                            Finite.moved(moved.get(name), initial.get(name).toDoubles(), -1);
                    double[] expected = Finite.moved(
                            new double[step.length], pass.gradients().get(name).toDoubles(), -factor);
                    // PyTorch divides by norm + 1e-6, others by the norm: both are scaled down to it
                    assertThat(distance(step, expected))
                            .as(name)
                            .isLessThanOrEqualTo(1e-4 * norm(expected) + 1e-9 * norm);
                });
            }
        }
    }

    @Test
    void averagedWeightsFollowTheWeights() {
        TrainingSpec spec = spec(OptimizerSpec.adamW(0.01), OptionalDouble.empty(), OptionalDouble.of(0.8));
        try (Backend precise = open(DType.FLOAT64);
                TrainingSession session = precise.train(spec)) {
            session.accumulate(batch(1), 1);
            session.update(0.01);
            for (int step = 2; step < 5; step++) {
                Map<String, double[]> before =
                        trainedValues(session.averagedWeights().orElseThrow());
                session.accumulate(batch(step), 1);
                session.update(0.01);
                Map<String, double[]> weights = trainedValues(session.weights());
                before.replaceAll((name, average) -> {
                    double[] next = new double[average.length];
                    for (int i = 0; i < next.length; i++) {
                        next[i] = 0.8 * average[i] + 0.2 * weights.get(name)[i];
                    }
                    return next;
                });
                assertTrainedWeights(session.averagedWeights().orElseThrow(), before, 1e-10);
            }
        }
        try (TrainingSession session = backend().train(spec(OptimizerSpec.adamW(0.01)))) {
            assertThat(session.averagedWeights()).isEmpty();
        }
    }

    static List<OptimizerSpec> someOptimizers() {
        return List.of(OptimizerSpec.adamW(0.01), OptimizerSpec.adam(0), OptimizerSpec.sgd(0.01, 0.9, true));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("someOptimizers")
    void aRestoredSessionGoesOnBitForBit(OptimizerSpec optimizer) {
        assumeCpu();
        TrainingSpec spec = spec(optimizer, OptionalDouble.of(0.5), OptionalDouble.of(0.9));
        TrainingState middle;
        TrainingState end;
        try (TrainingSession session = backend().train(spec)) {
            steps(session, 0, 2);
            middle = session.state();
            assertThat(middle.updates()).isEqualTo(2);
            steps(session, 2, 4);
            end = session.state();
            assertThat(end.weights()).isNotEqualTo(middle.weights());

            session.restore(middle);
            assertThat(session.state()).isEqualTo(middle);
            steps(session, 2, 4);
            assertThat(session.state()).as("the same session again").isEqualTo(end);
        }
        try (TrainingSession session = backend().train(spec)) {
            steps(session, 7, 8);
            session.restore(middle);
            steps(session, 2, 4);
            assertThat(session.state()).as("another session").isEqualTo(end);
        }
    }

    @Test
    void equalSessionsGiveEqualBits() {
        assumeCpu();
        List<StateDict> results = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            // as many threads as the backend is tested with: the order of sums mustn't depend on who is first
            try (Backend backend = subject().provider().open(subject().options());
                    TrainingSession session = backend.train(spec(OptimizerSpec.adamW(0.01)))) {
                steps(session, 0, 1);
                results.add(session.weights());
            }
        }
        assertThat(results.get(1)).isEqualTo(results.get(0));
    }

    private static void steps(TrainingSession session, int from, int to) {
        for (int step = from; step < to; step++) {
            session.accumulate(batch(step), 0.5);
            session.accumulate(batch(step + 20), 0.5);
            session.update(0.01);
        }
    }

    private void assumeCpu() {
        Assumptions.assumeTrue(backend().device().type() == Device.Type.CPU, "equal bits are promised on the CPU only");
    }

    @Test
    void aStateOfAnotherNetworkIsRefused() {
        SegFormer3DConfig other = config.withChannels(1, 3);
        StateDict weights = new Samples(53).weights(other);
        TrainingState foreign;
        try (TrainingSession session = backend().train(TrainingSpec.of(other, weights, DICE, OptimizerSpec.adamW(0)))) {
            foreign = session.state();
        }
        try (TrainingSession session = backend().train(spec(OptimizerSpec.adamW(0)))) {
            TrainingState before = session.state();
            assertThatThrownBy(() -> session.restore(foreign)).isInstanceOf(IllegalArgumentException.class);
            assertThat(session.state()).isEqualTo(before);
        }
    }

    @Test
    void aSnapshotPredictsWithTheWeightsOfItsMoment() {
        TrainingSpec spec = spec(OptimizerSpec.adamW(0.01), OptionalDouble.empty(), OptionalDouble.of(0.5));
        HostTensor input = batch(9).input();
        try (TrainingSession session = backend().train(spec)) {
            steps(session, 0, 2);
            SegmentationModel current = session.snapshot(false);
            SegmentationModel averaged = session.snapshot(true);
            HostTensor before = current.predict(input);
            HostTensor beforeAveraged = averaged.predict(input);
            try (SegmentationModel loaded = oracle().load(config, session.weights());
                    SegmentationModel loadedAveraged =
                            oracle().load(config, session.averagedWeights().orElseThrow())) {
                assertClose("logits", before, loaded.predict(input), tolerance());
                assertClose("logits of the average", beforeAveraged, loadedAveraged.predict(input), tolerance());
            }
            steps(session, 2, 4);
            assertThat(current.predict(input)).isEqualTo(before);
            assertThat(averaged.predict(input)).isEqualTo(beforeAveraged);
            current.close();
            averaged.close();
            steps(session, 4, 5);
            assertThat(session.state().updates()).isEqualTo(5);
        }
    }

    @Test
    void copiesOfWeightsAreNotAffectedByLaterUpdates() {
        try (TrainingSession session = backend().train(spec(OptimizerSpec.adamW(0.01)))) {
            StateDict weights = session.weights();
            TrainingState state = session.state();
            String hash = weights.hash();
            String stateHash = state.weights().hash() + state.optimizer().hash();
            steps(session, 0, 2);
            assertThat(weights.hash()).isEqualTo(hash);
            assertThat(state.weights().hash() + state.optimizer().hash()).isEqualTo(stateHash);
        }
    }

    @Test
    void gradientsThatAreNotFiniteLeaveTheWeightsAsTheyWere() {
        TrainingBatch good = batch(1);
        float[] values = good.input().toFloats();
        values[values.length / 2] = Float.NaN;
        TrainingBatch bad = new TrainingBatch(HostTensor.of(values, good.input().shape()), good.target(), good.seed());
        TrainingSpec spec = spec(OptimizerSpec.adamW(0.01), OptionalDouble.of(1), OptionalDouble.of(0.9));
        try (TrainingSession session = backend().train(spec)) {
            steps(session, 0, 2);
            Map<String, double[]> weights = trainedValues(session.weights());
            Map<String, double[]> averaged =
                    trainedValues(session.averagedWeights().orElseThrow());
            StateDict optimizer = session.state().optimizer();
            session.accumulate(bad, 1);
            assertThat(session.update(0.01)).isNotFinite();
            assertTrainedWeights(session.weights(), weights, 0);
            assertTrainedWeights(session.averagedWeights().orElseThrow(), averaged, 0);
            assertThat(session.state().optimizer()).isEqualTo(optimizer);
            session.accumulate(good, 1);
            assertThat(session.update(0.01))
                    .as("the bad gradients are forgotten")
                    .isFinite();
        }
    }

    @Test
    void dropoutFollowsTheBatchsSeed() {
        SegFormer3DConfig dropping = config(0.5);
        TrainingSpec spec = TrainingSpec.of(dropping, initial, DICE, OptimizerSpec.adamW(0));
        TrainingBatch one = batch(1);
        TrainingBatch two = new TrainingBatch(one.input(), one.target(), 99);
        try (TrainingSession session = backend().train(spec)) {
            TrainingPass first = session.pass(one);
            TrainingPass other = session.pass(two);
            TrainingPass again = session.pass(one);
            assertThat(relativeToLargest(
                            again.logits().toDoubles(), first.logits().toDoubles()))
                    .isLessThanOrEqualTo(1e-5);
            assertThat(relativeToLargest(
                            other.logits().toDoubles(), first.logits().toDoubles()))
                    .isGreaterThan(1e-3);
            try (TrainingSession plain = backend().train(spec(OptimizerSpec.adamW(0)))) {
                assertThat(relativeToLargest(
                                first.logits().toDoubles(),
                                plain.pass(one).logits().toDoubles()))
                        .as("distance from the pass without dropout")
                        .isGreaterThan(1e-3);
            }
            // off when predicting
            try (SegmentationModel model = session.snapshot(false);
                    SegmentationModel expected = oracle().load(config, session.weights())) {
                assertClose("logits", model.predict(one.input()), expected.predict(one.input()), tolerance());
            }
        }
    }

    @Test
    void trainingLowersTheLoss() {
        TrainingBatch batch = batch(1);
        try (TrainingSession session = backend().train(spec(OptimizerSpec.adamW(0)))) {
            double first = session.accumulate(batch, 1);
            session.update(0.01);
            double last = first;
            for (int step = 0; step < 30; step++) {
                last = session.accumulate(batch, 1);
                session.update(0.01);
            }
            assertThat(last).isLessThan(0.95 * first);
        }
    }

    @Test
    void targetsMayHaveAnyType() {
        TrainingBatch bytes = batch(1);
        TrainingBatch floats = new TrainingBatch(bytes.input(), bytes.target().toFloat32(), 1);
        try (TrainingSession session = backend().train(spec(OptimizerSpec.adamW(0)))) {
            assertThat(session.pass(floats).loss())
                    .isEqualTo(session.pass(bytes).loss());
        }
    }

    @Test
    void batchesThatDoNotFitAreRefusedAndTrainingGoesOn() {
        TrainingBatch good = batch(1);
        Samples samples = new Samples(54);
        TrainingBatch channels = new TrainingBatch(samples.normal(2, 3, 15, 16, 18), good.target(), 1);
        TrainingBatch classes = new TrainingBatch(good.input(), samples.normal(2, 2, 15, 16, 18), 1);
        try (TrainingSession session = backend().train(spec(OptimizerSpec.adamW(0)))) {
            for (TrainingBatch bad : List.of(channels, classes)) {
                assertThatThrownBy(() -> session.accumulate(bad, 1))
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessageContaining("found");
                assertThatThrownBy(() -> session.pass(bad)).isInstanceOf(IllegalArgumentException.class);
            }
            session.accumulate(good, 1);
            assertThat(session.update(0.01)).isFinite().isPositive();
        }
    }

    @Test
    void weightsThatDoNotFitAreRefused() {
        Map<String, HostTensor> fewer = new LinkedHashMap<>(initial.tensors());
        fewer.remove("segformer_decoder.linear_pred.bias");
        TrainingSpec missing = TrainingSpec.of(config, StateDict.of(fewer), DICE, OptimizerSpec.adamW(0));
        assertThatThrownBy(() -> backend().train(missing))
                .isInstanceOf(StateDictMismatchException.class)
                .hasMessageContaining("segformer_decoder.linear_pred.bias");
    }

    @Test
    void useAfterCloseIsRefused() {
        TrainingSession session = backend().train(spec(OptimizerSpec.adamW(0)));
        TrainingState state = session.state();
        SegmentationModel snapshot = session.snapshot(false);
        HostTensor before = snapshot.predict(batch(1).input());
        session.close();
        session.close();
        assertThatThrownBy(() -> session.accumulate(batch(1), 1)).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> session.update(0.1)).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> session.pass(batch(1))).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(session::weights).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(session::averagedWeights).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(session::state).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> session.restore(state)).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> session.snapshot(false)).isInstanceOf(IllegalStateException.class);
        assertThat(snapshot.predict(batch(1).input())).isEqualTo(before);
        snapshot.close();
    }
}

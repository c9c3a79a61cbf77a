package org.segformer3d.train.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.BackendOptions.Implementation;
import org.segformer3d.api.backend.Backends;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.network.SegFormer3DNetwork;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.training.DataParallel;
import org.segformer3d.api.training.LossSpec;
import org.segformer3d.api.training.LossSpec.Activation;
import org.segformer3d.api.training.LossSpec.Kind;
import org.segformer3d.api.training.OptimizerSpec;
import org.segformer3d.api.training.TrainingBatch;
import org.segformer3d.api.training.TrainingSession;
import org.segformer3d.api.training.TrainingSpec;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.api.weights.WeightInitializer;
import org.segformer3d.train.parallel.ProcessTeam;
import org.segformer3d.train.parallel.Rendezvous;

/**
 * Sessions that train together, as threads of this process, each with a backend and a connection of its own. Processes of their own are
 * in {@link SeveralProcessesTests}.
 */
@EnabledOnOs(OS.LINUX)
@Timeout(value = 5, unit = TimeUnit.MINUTES, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class DataParallelTests {
    private static final int EDGE = 16;
    private static final int CLASSES = 3;
    private static final int STEPS = 20;
    /** Reached after a warm-up, as in real runs: Adam's first step takes every gradient for ±1, one of float32's rounding too. */
    private static final double RATE = 3e-3;

    /**
     * Strides that leave every stage more than one voxel: on one alone more gradients vanish, of keys and of fc1's biases. And few
     * voxels for the decoder's ReLU: one whose input is within float32's rounding of zero goes either way, which no tolerance covers.
     */
    private static final SegFormer3DConfig CONFIG = SegFormer3DConfig.fromMap(Map.of(
            "in_channels",
            1,
            "num_classes",
            CLASSES,
            "embed_dims",
            List.of(8, 8, 8, 8),
            "num_heads",
            List.of(1, 1, 1, 1),
            "depths",
            List.of(1, 1, 1, 1),
            "patch_stride",
            List.of(4, 1, 1, 1),
            "sr_ratios",
            List.of(2, 2, 1, 1),
            "decoder_head_embedding_dim",
            8,
            "decoder_dropout",
            0.1));

    private static TrainingSpec spec() {
        return new TrainingSpec(
                SegFormer3DNetwork.of(CONFIG),
                WeightInitializer.initialize(ModelLayout.of(CONFIG).parameters(), 5),
                LossSpec.of(Kind.DICE_CROSS_ENTROPY, Activation.SOFTMAX),
                OptimizerSpec.adamW(0.01),
                OptionalDouble.of(0.5),
                OptionalDouble.of(0.9));
    }

    /** Balls with a core in noise: samples from…to−1 of a batch. */
    private static TrainingBatch batch(int number, int from, int to) {
        int voxels = EDGE * EDGE * EDGE;
        float[] input = new float[(to - from) * voxels];
        byte[] target = new byte[CLASSES * (to - from) * voxels];
        for (int b = 0; b < to - from; b++) {
            SplittableRandom random = new SplittableRandom(1000L * number + from + b);
            double[] centre = random.doubles(3, 4, EDGE - 4.0).toArray();
            double radius = random.nextDouble(2, 5);
            for (int v = 0; v < voxels; v++) {
                double z = v / EDGE / EDGE - centre[0];
                double y = v / EDGE % EDGE - centre[1];
                double x = v % EDGE - centre[2];
                double distance = Math.sqrt(z * z + y * y + x * x);
                int label = distance < radius / 2 ? 2 : distance < radius ? 1 : 0;
                input[b * voxels + v] = (float) (label + 0.5 * random.nextGaussian());
                target[(b * CLASSES + label) * voxels + v] = 1;
            }
        }
        return new TrainingBatch(
                HostTensor.of(input, to - from, 1, EDGE, EDGE, EDGE),
                HostTensor.of(target, to - from, CLASSES, EDGE, EDGE, EDGE),
                77 + number,
                from);
    }

    /** How a test trains. */
    private record Plan(
            BackendOptions options, int accumulated, int[] samples, boolean sharesBatchNorm, boolean hasSlowRank) {
        static Plan of(Implementation form, DType type) {
            return new Plan(
                    BackendOptions.defaults().in(type).with(form).withThreads(1), 1, new int[] {4}, true, false);
        }

        /** Takes batches of these sizes in turn. */
        Plan withBatches(int... sizes) {
            return new Plan(options, accumulated, sizes, sharesBatchNorm, hasSlowRank);
        }

        Plan accumulating(int batches) {
            return new Plan(options, batches, samples, sharesBatchNorm, hasSlowRank);
        }

        Plan withThreads(int threads) {
            return new Plan(options.withThreads(threads), accumulated, samples, sharesBatchNorm, hasSlowRank);
        }

        Plan withBatchNormApart() {
            return new Plan(options, accumulated, samples, false, hasSlowRank);
        }

        /** Lets the last rank take longer for a step than it may be silent. */
        Plan withSlowRank() {
            return new Plan(options, accumulated, samples, sharesBatchNorm, true);
        }

        Duration timeout() {
            return Duration.ofSeconds(hasSlowRank ? 2 : 60);
        }
    }

    private record Trained(StateDict weights, StateDict averaged, List<Double> losses) {}

    private static Trained train(Plan plan, int steps, ProcessTeam team) throws Exception {
        List<Double> losses = new ArrayList<>();
        try (Backend backend = Backends.provider("libtorch").open(plan.options());
                TrainingSession session = backend.train(spec(), new DataParallel(team, plan.sharesBatchNorm()))) {
            session.share();
            for (int step = 0; step < steps; step++) {
                if (plan.hasSlowRank() && team.rank() == team.size() - 1 && step == 1) {
                    Thread.sleep(2 * plan.timeout().toMillis());
                }
                for (int n = 0; n < plan.accumulated(); n++) {
                    int number = step * plan.accumulated() + n;
                    int samples = plan.samples()[number % plan.samples().length];
                    int from = samples * team.rank() / team.size();
                    int to = samples * (team.rank() + 1) / team.size();
                    double share = (to - from) / (double) samples;
                    // Who has no part takes the first sample, as PatchLoader does.
                    TrainingBatch part = to == from ? batch(number, 0, 1) : batch(number, from, to);
                    double loss = session.accumulate(part, share / plan.accumulated());
                    losses.add(team.sum(share == 0 ? 0 : share * loss));
                }
                session.update(RATE * Math.min(1, (step + 1) / 10.0));
            }
            return new Trained(session.weights(), session.averagedWeights().orElseThrow(), losses);
        }
    }

    private static Trained alone(Plan plan, int steps) throws Exception {
        try (ProcessTeam team = ProcessTeam.alone()) {
            return train(plan, steps, team);
        }
    }

    private static Trained together(int ranks, Plan plan, int steps) throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(ranks);
        List<ProcessTeam> teams = new ArrayList<>();
        try {
            for (int rank = 0; rank < ranks; rank++) {
                int port = rank == 0 ? 0 : teams.get(0).place().port();
                teams.add(ProcessTeam.join(new Rendezvous("127.0.0.1", port, rank, ranks, plan.timeout())));
            }
            List<Future<Trained>> all = new ArrayList<>();
            for (ProcessTeam team : teams) {
                all.add(threads.submit(() -> {
                    try (team) {
                        return train(plan, steps, team);
                    } catch (Exception | Error e) {
                        team.fail("rank " + team.rank() + " failed: " + e);
                        throw e;
                    }
                }));
            }
            Trained first = all.get(0).get();
            for (Future<Trained> one : all) {
                assertThat(one.get().weights().hash()).isEqualTo(first.weights().hash());
                assertThat(one.get().losses()).isEqualTo(first.losses());
            }
            return first;
        } finally {
            threads.shutdownNow();
        }
    }

    private static void assertSame(DType type, Trained found, Trained expected) {
        new Agreement(type).check(found.weights(), expected.weights());
        new Agreement(type).check(found.averaged(), expected.averaged());
        for (int n = 0; n < expected.losses().size(); n++) {
            assertThat(found.losses().get(n))
                    .isCloseTo(expected.losses().get(n), within(type == DType.FLOAT32 ? 1e-5 : 1e-9));
        }
    }

    /** Every fifth batch has a single sample, as an epoch's last one may: rank 0 has no part of it. */
    @ParameterizedTest
    @CsvSource({"PLAIN, FLOAT32", "PLAIN, FLOAT64", "FUSED, FLOAT32", "FUSED, FLOAT64"})
    void takeTheStepsThatOneTakesWithTheWholeBatch(Implementation form, DType type) throws Exception {
        Plan plan = Plan.of(form, type).withBatches(4, 4, 4, 4, 1);
        assertSame(type, together(2, plan, STEPS), alone(plan, STEPS));
    }

    @ParameterizedTest
    @EnumSource(names = {"PLAIN", "FUSED"})
    void accumulateWhatOneAccumulates(Implementation form) throws Exception {
        Plan plan = Plan.of(form, DType.FLOAT64).withBatches(3, 2, 1).accumulating(2);
        assertSame(DType.FLOAT64, together(2, plan, 5), alone(plan, 5));
    }

    /** The rule of {@link Agreement}, by the gradients themselves: in float64 those that are zero are unlike all others. */
    @ParameterizedTest
    @EnumSource(names = {"PLAIN", "FUSED"})
    void haveNoGradientExactlyWhereAgreementLeavesWeightsOut(Implementation form) {
        Map<String, HostTensor> gradients;
        try (Backend backend = Backends.provider("libtorch")
                        .open(BackendOptions.defaults().in(DType.FLOAT64).with(form));
                TrainingSession session = backend.train(spec())) {
            gradients = session.pass(batch(0, 0, 4)).gradients().tensors();
        }
        double largest = gradients.values().stream()
                .flatMapToDouble(gradient -> Arrays.stream(gradient.toDoubles()))
                .map(Math::abs)
                .max()
                .orElseThrow();
        gradients.forEach((name, gradient) -> {
            double[] values = gradient.toDoubles();
            int zeros = Agreement.withoutGradient(name, values.length);
            for (int n = 0; n < values.length; n++) {
                if (n < zeros) {
                    assertThat(Math.abs(values[n])).as(name).isLessThan(1e-14 * largest);
                }
            }
            if (zeros < values.length) {
                double other = Arrays.stream(values, zeros, values.length)
                        .map(Math::abs)
                        .max()
                        .orElseThrow();
                assertThat(other).as(name).isGreaterThan(1e-8 * largest);
            }
        });
    }

    /** All processors for each: who waits for another rank must leave them to it. */
    @Test
    void canBeMoreThanThereAreProcessors() throws Exception {
        Plan plan = Plan.of(Implementation.FUSED, DType.FLOAT64).withThreads(0);
        assertSame(DType.FLOAT64, together(4, plan, 2), alone(plan, 2));
    }

    @Test
    void waitForOneThatIsSlowerThanTheTimeoutButAlive() throws Exception {
        Plan plan = Plan.of(Implementation.FUSED, DType.FLOAT64);
        assertSame(DType.FLOAT64, together(2, plan.withSlowRank(), 2), alone(plan, 2));
    }

    /** With one sample for two ranks, the one that has it does what a process alone does, and the other one follows. */
    @ParameterizedTest
    @EnumSource(names = {"PLAIN", "FUSED"})
    void followTheOthersWhereTheyHaveNoPartAndBatchNormIsntShared(Implementation form) throws Exception {
        Plan plan = Plan.of(form, DType.FLOAT64).withBatches(1).withBatchNormApart();
        assertSame(DType.FLOAT64, together(2, plan, 3), alone(plan, 3));
    }
}

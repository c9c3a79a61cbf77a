package org.segformer3d.backend.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.InputGeometry;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.backend.reference.ReferenceProvider;

class NetworkForwardTests {
    @BeforeAll
    static void loadKernels() {
        assertThat(KernelLibrary.problem()).isEmpty();
    }

    /** A configuration from lists of four, everything else the published model's. */
    private static SegFormer3DConfig config(
            int in,
            int classes,
            int decoder,
            List<?> dims,
            List<?> heads,
            List<?> sr,
            List<?> kernels,
            List<?> strides,
            List<?> paddings) {
        Map<String, Object> map =
                new LinkedHashMap<>(SegFormer3DConfig.defaults().toMap());
        map.put("in_channels", in);
        map.put("num_classes", classes);
        map.put("decoder_head_embedding_dim", decoder);
        map.put("embed_dims", dims);
        map.put("num_heads", heads);
        map.put("sr_ratios", sr);
        map.put("patch_kernel_size", kernels);
        map.put("patch_stride", strides);
        map.put("patch_padding", paddings);
        map.put("mlp_ratios", List.of(2, 3, 1, 2));
        map.put("depths", List.of(2, 1, 1, 1));
        return SegFormer3DConfig.fromMap(map);
    }

    private static StateDict weights(SegFormer3DConfig config, long seed) {
        Random random = new Random(seed);
        Map<String, HostTensor> weights = new LinkedHashMap<>();
        for (ParameterSpec spec : ModelLayout.of(config).parameters()) {
            if (spec.role() == ParameterSpec.Role.BATCHES_TRACKED) {
                continue;
            }
            float[] values = new float[Math.toIntExact(Shapes.elements(spec.dims()))];
            long fan = values.length / Math.max(1, spec.dims()[0]);
            for (int n = 0; n < values.length; n++) {
                double x = random.nextGaussian();
                values[n] = (float)
                        (spec.dims().length > 1
                                ? x / Math.sqrt(fan)
                                : spec.name().endsWith("running_var")
                                                || spec.name().endsWith("weight")
                                        ? 0.5 + random.nextDouble()
                                        : 0.3 * x);
            }
            weights.put(spec.name(), HostTensor.of(values, spec.dims()));
        }
        return StateDict.of(weights);
    }

    private static HostTensor normal(long seed, long... shape) {
        Random random = new Random(seed);
        float[] values = new float[Math.toIntExact(Shapes.elements(shape))];
        for (int n = 0; n < values.length; n++) {
            values[n] = (float) random.nextGaussian();
        }
        return HostTensor.of(values, shape);
    }

    private static HostTensor logits(NetworkForward network, SegFormer3DConfig config, HostTensor input) {
        long[] shape = input.shape();
        InputGeometry geometry = InputGeometry.of(config, Grid.of(shape));
        HostTensor logits =
                HostTensor.zeros(DType.FLOAT32, shape[0], config.numClasses(), shape[2], shape[3], shape[4]);
        network.logits(shape[0], geometry, Kernels.address(input.bytes()), Kernels.address(logits.bytes()));
        return logits;
    }

    @Nested
    class OfficialValues {
        @ParameterizedTest
        @CsvSource({"default,1", "tiny,1", "tiny_box,1", "default,2", "tiny,3", "tiny_box,2"})
        void areMatchedInLogitsAndFeatureMaps(String name, int threads) {
            SegFormer3DConfig config = ReferenceFiles.config("models/" + name + ".json");
            Map<String, HostTensor> values = ReferenceFiles.tensors("models/" + name + ".eval.safetensors");
            HostTensor input = values.get("input").toFloat32().copy();
            InputGeometry geometry = InputGeometry.of(config, Grid.of(input.shape()));
            try (Pool pool = new Pool(threads);
                    NetworkForward network =
                            new NetworkForward(config, ReferenceFiles.weights("models/" + name + ".pt"), pool)) {
                List<HostTensor> maps = new ArrayList<>();
                for (int stage = 1; stage <= 4; stage++) {
                    maps.add(HostTensor.zeros(
                            DType.FLOAT32, values.get("stage" + stage).shape()));
                }
                network.features(
                        input.size(0),
                        geometry,
                        Kernels.address(input.bytes()),
                        maps.stream().map(map -> Kernels.address(map.bytes())).toList());
                for (int stage = 1; stage <= 4; stage++) {
                    assertThat(ReferenceFiles.largestDifference(maps.get(stage - 1), values.get("stage" + stage)))
                            .as("stage %d", stage)
                            .isLessThan(5e-6);
                }
                assertThat(ReferenceFiles.largestDifference(logits(network, config, input), values.get("logits")))
                        .isLessThan(5e-6);
            }
        }
    }

    /** The reference backend, in float64, is the scalar twin of the whole. */
    @Nested
    class UnusualNetworks {
        static Stream<Arguments> networks() {
            return Stream.of(
                    // a number for each axis, as for scans of thick slices
                    Arguments.of(
                            config(
                                    2,
                                    3,
                                    40,
                                    List.of(32, 24, 40, 16),
                                    List.of(1, 2, 5, 2),
                                    List.of(List.of(2, 4, 4), List.of(1, 2, 2), 1, List.of(1, 1, 1)),
                                    List.of(List.of(3, 7, 7), List.of(1, 3, 3), 3, 3),
                                    List.of(List.of(1, 4, 4), List.of(1, 2, 2), 2, List.of(1, 2, 2)),
                                    List.of(List.of(1, 3, 3), List.of(0, 1, 1), 1, 1)),
                            new Grid(10, 66, 61)),
                    Arguments.of(
                            config(
                                    1,
                                    2,
                                    32,
                                    List.of(16, 32, 16, 8),
                                    List.of(1, 1, 2, 1),
                                    List.of(List.of(4, 2, 3), List.of(2, 1, 1), 1, 1),
                                    List.of(List.of(5, 3, 2), 3, 3, 3),
                                    List.of(List.of(2, 3, 1), 2, 2, 2),
                                    List.of(List.of(2, 0, 1), 1, 1, 1)),
                            new Grid(25, 38, 19)),
                    // many tokens in two stages, widths that fill no panel, wide heads, more classes than four
                    Arguments.of(
                            config(
                                    3,
                                    6,
                                    40,
                                    List.of(24, 80, 20, 36),
                                    List.of(1, 2, 5, 4),
                                    List.of(3, 2, 1, 1),
                                    List.of(3, 3, 3, 3),
                                    List.of(2, 1, 2, 2),
                                    List.of(1, 1, 1, 1)),
                            new Grid(28, 27, 30)),
                    // no reduction among many tokens, several heads at once, a kernel as in accurate runs on small
                    // crops
                    Arguments.of(
                            config(
                                    1,
                                    1,
                                    32,
                                    List.of(12, 32, 16, 8),
                                    List.of(3, 1, 1, 8),
                                    List.of(1, 1, 2, 1),
                                    List.of(5, 3, 3, 3),
                                    List.of(2, 2, 2, 2),
                                    List.of(2, 1, 1, 1)),
                            new Grid(26, 26, 28)),
                    // kernels that overlap nothing or a lot, padding of more than a stride
                    Arguments.of(
                            config(
                                    2,
                                    3,
                                    70,
                                    List.of(40, 33, 64, 10),
                                    List.of(2, 3, 1, 1),
                                    List.of(2, 1, 1, 1),
                                    List.of(2, 4, 1, 5),
                                    List.of(2, 3, 1, 2),
                                    List.of(0, 3, 0, 4)),
                            new Grid(30, 31, 33)),
                    Arguments.of(
                            config(
                                    4,
                                    2,
                                    16,
                                    List.of(32, 32, 32, 32),
                                    List.of(1, 1, 1, 1),
                                    List.of(4, 2, 1, 1),
                                    List.of(7, 3, 3, 3),
                                    List.of(3, 2, 2, 2),
                                    List.of(3, 1, 1, 1)),
                            new Grid(41, 9, 65)));
        }

        @ParameterizedTest
        @MethodSource("networks")
        void equalTheReference(SegFormer3DConfig config, Grid size) {
            StateDict weights = weights(config, 7);
            HostTensor input = normal(8, 1, config.inChannels(), size.depth(), size.height(), size.width());
            try (Backend reference = new ReferenceProvider()
                            .open(BackendOptions.defaults().withThreads(2));
                    SegmentationModel expected = reference.load(config, weights);
                    Pool pool = new Pool(2);
                    NetworkForward network = new NetworkForward(config, weights, pool)) {
                assertThat(ReferenceFiles.largestDifference(logits(network, config, input), expected.predict(input)))
                        .isLessThan(1e-5);
            }
        }
    }

    @Nested
    class Bits {
        private static final SegFormer3DConfig CONFIG = config(
                2,
                3,
                48,
                List.of(32, 48, 40, 64),
                List.of(1, 2, 5, 8),
                List.of(4, 2, 1, 1),
                List.of(7, 3, 3, 3),
                List.of(2, 2, 2, 2),
                List.of(3, 1, 1, 1));

        @Test
        void areEqualForAnyNumberOfThreads() {
            HostTensor input = normal(1, 2, 2, 30, 32, 29);
            StateDict weights = weights(CONFIG, 2);
            HostTensor first = null;
            for (int threads : new int[] {1, 2, 3, 5}) {
                try (Pool pool = new Pool(threads);
                        NetworkForward network = new NetworkForward(CONFIG, weights, pool)) {
                    for (int round = 0; round < 3; round++) {
                        HostTensor found = logits(network, CONFIG, input);
                        first = first == null ? found : first;
                        assertThat(found).as("%d threads", threads).isEqualTo(first);
                    }
                }
            }
        }

        @Test
        void areEqualForCallersSideBySideWithOtherSizes() throws Exception {
            List<HostTensor> inputs =
                    List.of(normal(1, 1, 2, 16, 18, 20), normal(2, 1, 2, 33, 20, 24), normal(3, 3, 2, 8, 8, 8));
            ExecutorService callers = Executors.newFixedThreadPool(6);
            try (Pool pool = new Pool(2);
                    NetworkForward network = new NetworkForward(CONFIG, weights(CONFIG, 2), pool)) {
                List<HostTensor> expected =
                        inputs.stream().map(x -> logits(network, CONFIG, x)).toList();
                List<Future<?>> running = new ArrayList<>();
                for (int caller = 0; caller < 6; caller++) {
                    int shift = caller;
                    running.add(callers.submit(() -> {
                        for (int round = 0; round < 9; round++) {
                            int n = (round + shift) % inputs.size();
                            assertThat(logits(network, CONFIG, inputs.get(n))).isEqualTo(expected.get(n));
                        }
                    }));
                }
                for (Future<?> call : running) {
                    call.get();
                }
            } finally {
                callers.shutdownNow();
            }
        }

        @ParameterizedTest
        @ValueSource(ints = {1, 2})
        void sayNotANumberEverywhereWhereAVoxelIsNone(int threads) {
            HostTensor input = normal(1, 1, 2, 16, 16, 16);
            input.floatBuffer().put(1234, Float.NaN);
            try (Pool pool = new Pool(threads);
                    NetworkForward network = new NetworkForward(CONFIG, weights(CONFIG, 2), pool)) {
                for (float logit : logits(network, CONFIG, input).toFloats()) {
                    assertThat(logit).isNaN();
                }
            }
        }
    }

    /** A page that isn't there follows every buffer and precedes it: a single access outside ends the process. */
    @Nested
    class Bounds {
        private static final int PAGE = 4096;

        /** Memory of exactly this many bytes at the end of a mapping, the page after it given back. */
        private record Guarded(long mapping, long bytes, long address) implements AutoCloseable {
            static Guarded of(long bytes, int alignment) {
                long pages = (bytes + alignment + PAGE - 1) / PAGE;
                long mapping = Kernels.allocate((pages + 2) * PAGE);
                Kernels.release(mapping, PAGE);
                Kernels.release(mapping + (pages + 1) * PAGE, PAGE);
                long end = mapping + (pages + 1) * PAGE;
                return new Guarded(mapping + PAGE, pages * PAGE, (end - bytes) / alignment * alignment);
            }

            @Override
            public void close() {
                Kernels.release(mapping, bytes);
            }
        }

        @ParameterizedTest
        @CsvSource({"1,1,1", "5,7,9", "16,16,16", "17,23,31", "32,32,32", "33,12,45", "8,64,11", "40,41,42"})
        void areKept(int d, int h, int w) {
            SegFormer3DConfig config = Bits.CONFIG;
            InputGeometry geometry = InputGeometry.of(config, new Grid(d, h, w));
            Grid padded = geometry.padded();
            HostTensor input = normal(d, 1, config.inChannels(), d, h, w);
            long voxels = (long) d * h * w;
            int threads = 2;
            try (Pool pool = new Pool(threads);
                    PackedNetwork network = PackedNetwork.of(config, weights(config, 3));
                    Guarded volume = Guarded.of(4 * config.inChannels() * voxels, 4);
                    Guarded logits = Guarded.of(4 * config.numClasses() * voxels, 4);
                    Guarded workspace = Guarded.of(
                            Kernels.forwardBytes(
                                    network.address(),
                                    d,
                                    h,
                                    w,
                                    padded.depth(),
                                    padded.height(),
                                    padded.width(),
                                    threads),
                            64)) {
                Kernels.buffer(volume.address(), 4 * config.inChannels() * voxels)
                        .put(input.bytes());
                pool.call((address, slot) -> Kernels.forward(
                        network.address(),
                        address,
                        slot,
                        workspace.address(),
                        1,
                        d,
                        h,
                        w,
                        padded.depth(),
                        padded.height(),
                        padded.width(),
                        volume.address(),
                        logits.address(),
                        0));
                byte[] found = new byte[Math.toIntExact(4 * config.numClasses() * voxels)];
                Kernels.buffer(logits.address(), found.length).get(found);
                try (NetworkForward same = new NetworkForward(config, weights(config, 3), pool)) {
                    byte[] expected = new byte[found.length];
                    logits(same, config, input).bytes().get(expected);
                    assertThat(Arrays.equals(found, expected))
                            .as("the same bits wherever the memory lies")
                            .isTrue();
                }
            }
        }
    }
}

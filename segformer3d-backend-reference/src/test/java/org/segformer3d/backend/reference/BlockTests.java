package org.segformer3d.backend.reference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.DoubleStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendException;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.BlockSpec;
import org.segformer3d.api.block.BlockSpec.DecoderSpec;
import org.segformer3d.api.block.BlockSpec.MixFeedForwardSpec;
import org.segformer3d.api.block.BlockSpec.PatchEmbeddingSpec;
import org.segformer3d.api.block.BlockSpec.SelfAttentionSpec;
import org.segformer3d.api.block.BlockSpec.StageNormSpec;
import org.segformer3d.api.block.BlockSpec.TransformerBlockSpec;
import org.segformer3d.api.block.Decoder;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.MixFeedForward;
import org.segformer3d.api.block.Mode;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.block.SelfAttention;
import org.segformer3d.api.block.Tokens;
import org.segformer3d.api.block.TransformerBlock;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;

/** Blocks with weights so simple that their outputs can be worked out by hand. */
class BlockTests {
    private final Backend backend =
            new ReferenceProvider().open(BackendOptions.defaults().withThreads(2));
    private final Scope scope = backend.newScope();
    private final Map<String, Tensor> weights = new LinkedHashMap<>();

    @AfterEach
    void close() {
        scope.close();
        backend.close();
    }

    /** Fills in weights that change nothing: zeros, norms of 1 and 0, running statistics 0 and 1. */
    private BlockParameters neutral(BlockSpec spec) {
        for (ParameterSpec p : spec.parameters()) {
            boolean one = p.role() == ParameterSpec.Role.NORM_WEIGHT || p.role() == ParameterSpec.Role.RUNNING_VARIANCE;
            put(
                    p.name(),
                    p.dims(),
                    DoubleStream.generate(() -> one ? 1 : 0).limit(p.elements()).toArray());
        }
        return new BlockParameters(weights, "");
    }

    private BlockParameters with(BlockSpec spec, Map<String, double[]> values) {
        neutral(spec);
        values.forEach((name, v) -> put(name, weights.get(name).shape(), v));
        return new BlockParameters(weights, "");
    }

    private void put(String name, long[] shape, double... values) {
        weights.put(name, scope.tensor(HostTensor.of(values, shape)));
    }

    private Tensor tensor(long[] shape, double... values) {
        return scope.tensor(HostTensor.of(values, shape));
    }

    private static double[] identity(int n) {
        double[] matrix = new double[n * n];
        for (int i = 0; i < n; i++) {
            matrix[i * n + i] = 1;
        }
        return matrix;
    }

    private static long[] shape(long... sizes) {
        return sizes;
    }

    @Nested
    class PatchEmbeddings {
        @Test
        void normalizeTheConvolutionOfEachPatch() {
            PatchEmbeddingSpec spec = new PatchEmbeddingSpec(1, 2, 2, 2, 0);
            double[] weight = new double[16];
            weight[0] = 1; // first output: the patch's first voxel
            weight[15] = 1; // second: its last
            BlockParameters parameters = with(
                    spec,
                    Map.of(
                            "patch_embeddings.weight", weight,
                            "norm.weight", new double[] {3, 5},
                            "norm.bias", new double[] {100, 200}));
            double[] x = new double[16];
            for (int i = 0; i < 16; i++) {
                x[i] = i;
            }
            // (2,2,4): the patches hold first voxels 0 and 2, last voxels 13 and 15
            Tokens tokens = backend.layers()
                    .patchEmbedding(backend.context(Mode.INFERENCE), spec, parameters)
                    .forward(scope, tensor(shape(1, 1, 2, 2, 4), x));
            assertThat(tokens.grid()).isEqualTo(new Grid(1, 1, 2));
            double unit = 6.5 / Math.sqrt(6.5 * 6.5 + 1e-5);
            assertThat(tokens.tensor().toHost().toDoubles())
                    .usingComparatorWithPrecision(1e-12)
                    .containsExactly(100 - 3 * unit, 200 + 5 * unit, 100 - 3 * unit, 200 + 5 * unit);
        }
    }

    @Nested
    class SelfAttentions {
        private SelfAttention attention(SelfAttentionSpec spec, Map<String, double[]> values) {
            return backend.layers().selfAttention(backend.context(Mode.INFERENCE), spec, with(spec, values));
        }

        @Test
        void averageTheValuesWhenQueriesAreZero() {
            SelfAttention attention = attention(
                    new SelfAttentionSpec(2, 1, 1),
                    Map.of(
                            "key_value.weight", new double[] {9, 9, 9, 9, 1, 0, 0, 1}, // values = tokens
                            "proj.weight", new double[] {0, 1, 1, 0}, // swaps the two columns
                            "proj.bias", new double[] {0, 1000}));
            Tensor y = attention.forward(scope, tensor(shape(1, 3, 2), 1, 10, 2, 20, 6, 60), new Grid(1, 1, 3));
            assertThat(y.toHost().toDoubles())
                    .usingComparatorWithPrecision(1e-12)
                    .containsExactly(30, 1003, 30, 1003, 30, 1003);
        }

        @Test
        void weighByTheExponentialOfScaledScoresPerHead() {
            // two heads of width 1: q = k = v = x, scores x·y / √1
            double[] both = {1, 0, 0, 1, 1, 0, 0, 1};
            SelfAttention attention = attention(
                    new SelfAttentionSpec(2, 2, 1),
                    Map.of("query.weight", identity(2), "key_value.weight", both, "proj.weight", identity(2)));
            double[] y = attention
                    .forward(scope, tensor(shape(1, 2, 2), 1, 0.5, 2, -1), new Grid(1, 2, 1))
                    .toHost()
                    .toDoubles();
            assertThat(y[0]).isCloseTo((Math.exp(1) + 2 * Math.exp(2)) / (Math.exp(1) + Math.exp(2)), within(1e-14));
            assertThat(y[1])
                    .isCloseTo(
                            (0.5 * Math.exp(0.25) - Math.exp(-0.5)) / (Math.exp(0.25) + Math.exp(-0.5)), within(1e-14));
            assertThat(y[2]).isCloseTo((Math.exp(2) + 2 * Math.exp(4)) / (Math.exp(2) + Math.exp(4)), within(1e-14));
        }

        @Test
        void divideScoresByTheRootOfTheHeadsWidth() {
            double[] both = new double[32];
            System.arraycopy(identity(4), 0, both, 0, 16);
            System.arraycopy(identity(4), 0, both, 16, 16);
            SelfAttention attention = attention(
                    new SelfAttentionSpec(4, 1, 1),
                    Map.of("query.weight", identity(4), "key_value.weight", both, "proj.weight", identity(4)));
            double[] y = attention
                    .forward(scope, tensor(shape(1, 2, 4), 2, 0, 0, 0, 0, 0, 0, 0), new Grid(2, 1, 1))
                    .toHost()
                    .toDoubles();
            double share = Math.exp(4 / 2.0) / (Math.exp(4 / 2.0) + 1);
            assertThat(y[0]).isCloseTo(2 * share, within(1e-14));
            assertThat(y[4]).isCloseTo(1, within(1e-14));
        }

        @Test
        void attendToAReducedSequence() {
            // the reduction sums the 8 tokens of a window per channel; a LayerNorm of two channels gives ±1 / √(1+ε')
            double[] sum = new double[2 * 2 * 8];
            for (int i = 0; i < 8; i++) {
                sum[i] = 1;
                sum[24 + i] = 1;
            }
            SelfAttention attention = attention(
                    new SelfAttentionSpec(2, 1, 2),
                    Map.of(
                            "sr.weight",
                            sum,
                            "sr_norm.bias",
                            new double[] {5, 7},
                            "key_value.weight",
                            new double[] {0, 0, 0, 0, 1, 0, 0, 1},
                            "proj.weight",
                            identity(2)));
            double[] x = new double[2 * 2 * 3 * 2];
            for (int n = 0; n < 12; n++) {
                x[2 * n] = n % 3 == 2 ? 1e6 : 1; // the last column along W is outside of every window
                x[2 * n + 1] = 2;
            }
            double[] y = attention
                    .forward(scope, tensor(shape(1, 12, 2), x), new Grid(2, 2, 3))
                    .toHost()
                    .toDoubles();
            double unit = 4 / Math.sqrt(16 + 1e-5); // sums 8 and 16
            for (int n = 0; n < 12; n++) {
                assertThat(y[2 * n]).isCloseTo(5 - unit, within(1e-12));
                assertThat(y[2 * n + 1]).isCloseTo(7 + unit, within(1e-12));
            }
        }
    }

    @Nested
    class MixFeedForwards {
        private final MixFeedForwardSpec spec = new MixFeedForwardSpec(1, 2);

        @Test
        void applyTheKernelTheNormAndGelu() {
            double[] kernel = new double[54];
            kernel[13] = 1; // first hidden channel: the token itself
            kernel[27 + 14] = 1; // second: its neighbour along W
            MixFeedForward mlp = backend.layers()
                    .mixFeedForward(
                            backend.context(Mode.INFERENCE),
                            spec,
                            with(
                                    spec,
                                    Map.of(
                                            "fc1.weight", new double[] {1, 1},
                                            "dwconv.dwconv.weight", kernel,
                                            "dwconv.dwconv.bias", new double[] {0, 0.5},
                                            "dwconv.bn.running_mean", new double[] {0, 1},
                                            "dwconv.bn.running_var", new double[] {1, 4},
                                            "dwconv.bn.weight", new double[] {1, 3},
                                            "fc2.weight", new double[] {1, 100},
                                            "fc2.bias", new double[] {1000})));
            double[] y = mlp.forward(scope, tensor(shape(1, 2, 1), 2, 3), new Grid(1, 1, 2))
                    .toHost()
                    .toDoubles();
            double first = 1 / Math.sqrt(1 + 1e-5);
            double second = 3 / Math.sqrt(4 + 1e-5);
            assertThat(y[0]).isCloseTo(1000 + gelu(2 * first) + 100 * gelu((3 + 0.5 - 1) * second), within(1e-10));
            assertThat(y[1]).isCloseTo(1000 + gelu(3 * first) + 100 * gelu((0 + 0.5 - 1) * second), within(1e-10));
        }

        private double gelu(double x) {
            return ErrorFunction.gelu(x);
        }

        @Test
        void useTheBatchsStatisticsInTrainingAndMoveTheRunningOnes() {
            double[] kernel = new double[54];
            kernel[13] = 1;
            kernel[27 + 13] = 2;
            MixFeedForward mlp = backend.layers()
                    .mixFeedForward(
                            backend.context(Mode.TRAINING),
                            spec,
                            with(
                                    spec,
                                    Map.of(
                                            "fc1.weight", new double[] {1, 1},
                                            "dwconv.dwconv.weight", kernel,
                                            "dwconv.bn.running_mean", new double[] {10, 20},
                                            "fc2.weight", new double[] {1, 0})));
            // values 1, 2, 3, 6: mean 3, biased variance 3.5, unbiased 14/3
            double[] y = mlp.forward(scope, tensor(shape(2, 2, 1), 1, 2, 3, 6), new Grid(1, 1, 2))
                    .toHost()
                    .toDoubles();
            double factor = 1 / Math.sqrt(3.5 + 1e-5);
            assertThat(y)
                    .usingComparatorWithPrecision(1e-12)
                    .containsExactly(gelu(-2 * factor), gelu(-factor), gelu(0), gelu(3 * factor));
            assertThat(values("dwconv.bn.running_mean"))
                    .usingComparatorWithPrecision(1e-12)
                    .containsExactly(9 + 0.3, 18 + 0.6);
            assertThat(values("dwconv.bn.running_var"))
                    .usingComparatorWithPrecision(1e-12)
                    .containsExactly(0.9 + 0.1 * 14 / 3, 0.9 + 0.4 * 14 / 3);
            assertThat(values("dwconv.bn.num_batches_tracked")).containsExactly(1);
        }

        private double[] values(String name) {
            return weights.get(name).toHost().toDoubles();
        }

        @Test
        void refuseASingleValuePerChannelInTraining() {
            MixFeedForward mlp = backend.layers().mixFeedForward(backend.context(Mode.TRAINING), spec, neutral(spec));
            Tensor one = tensor(shape(1, 1, 1), 5);
            assertThatThrownBy(() -> mlp.forward(scope, one, new Grid(1, 1, 1)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("more than one value per channel");
        }
    }

    @Nested
    class TransformerBlocks {
        private final TransformerBlockSpec spec =
                new TransformerBlockSpec(new SelfAttentionSpec(2, 1, 1), new MixFeedForwardSpec(2, 2));
        private int closed;

        /** An attention from elsewhere: multiplies by 10. */
        private final SelfAttention tenfold = new SelfAttention() {
            @Override
            public SelfAttentionSpec spec() {
                return spec.attention();
            }

            @Override
            public Tensor forward(Scope owner, Tensor x, Grid grid) {
                return owner.tensor(HostTensor.of(
                        DoubleStream.of(x.toHost().toDoubles()).map(v -> 10 * v).toArray(), x.shape()));
            }

            @Override
            public void close() {
                closed++;
            }
        };

        /** A Mix-FFN from elsewhere: adds 1000. */
        private final MixFeedForward thousand = new MixFeedForward() {
            @Override
            public MixFeedForwardSpec spec() {
                return spec.feedForward();
            }

            @Override
            public Tensor forward(Scope owner, Tensor x, Grid grid) {
                return owner.tensor(HostTensor.of(
                        DoubleStream.of(x.toHost().toDoubles())
                                .map(v -> 1000 + v)
                                .toArray(),
                        x.shape()));
            }

            @Override
            public void close() {
                closed++;
            }
        };

        @Test
        void addWhatTheirPartsMakeOfNormalizedTokens() {
            BlockParameters parameters = with(spec, Map.of("norm2.bias", new double[] {0.5, 0.5}));
            TransformerBlock block = backend.layers()
                    .transformerBlock(backend.context(Mode.INFERENCE), spec, parameters, tenfold, thousand);
            double[] y = block.forward(scope, tensor(shape(1, 1, 2), 3, 7), new Grid(1, 1, 1))
                    .toHost()
                    .toDoubles();
            double unit = 2 / Math.sqrt(4 + 1e-5);
            double left = 3 - 10 * unit;
            double right = 7 + 10 * unit;
            double half = (right - left) / 2;
            double unit2 = half / Math.sqrt(half * half + 1e-5);
            assertThat(y[0]).isCloseTo(left + 1000.5 - unit2, within(1e-10));
            assertThat(y[1]).isCloseTo(right + 1000.5 + unit2, within(1e-10));
            block.close();
            assertThat(closed).isEqualTo(2);
        }
    }

    @Nested
    class StageNorms {
        @Test
        void putChannelsFirst() {
            StageNormSpec spec = new StageNormSpec(2);
            Tensor y = backend.layers()
                    .stageNorm(backend.context(Mode.INFERENCE), spec, with(spec, Map.of("bias", new double[] {10, 20})))
                    .forward(scope, tensor(shape(1, 3, 2), 0, 2, 5, 3, 4, 4), new Grid(3, 1, 1));
            assertThat(y.shape()).containsExactly(1, 2, 3, 1, 1);
            double unit = 1 / Math.sqrt(1 + 1e-5);
            assertThat(y.toHost().toDoubles())
                    .usingComparatorWithPrecision(1e-12)
                    .containsExactly(10 - unit, 10 + unit, 10, 20 + unit, 20 - unit, 20);
        }
    }

    @Nested
    class Decoders {
        private final DecoderSpec spec = new DecoderSpec(List.of(1, 1, 1, 1), 2, 1, 0, 2);

        private List<Tensor> features() {
            return List.of(
                    tensor(shape(1, 1, 1, 1, 2), 1, 2),
                    tensor(shape(1, 1, 1, 1, 1), 3),
                    tensor(shape(1, 1, 1, 1, 1), 4),
                    tensor(shape(1, 1, 1, 1, 1), 5));
        }

        private Map<String, double[]> values() {
            Map<String, double[]> values = new LinkedHashMap<>();
            // LayerNorm of (x, −x) is (s, −s); scales tell the stages apart
            for (int i = 1; i <= 4; i++) {
                values.put("linear_c" + i + ".proj.weight", new double[] {1, -1});
                values.put("linear_c" + i + ".bn.weight", new double[] {Math.pow(10, i), 1});
            }
            // first fused channel: the first channel of c4, c3, c2, c1 times 1, 2, 3, 4; second: minus 1e9 (cut off by
            // ReLU)
            values.put("linear_fuse.0.weight", new double[] {1, 0, 2, 0, 3, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0});
            values.put("linear_fuse.1.bias", new double[] {0, -1e9});
            values.put("linear_fuse.1.running_mean", new double[] {1, 0});
            values.put("linear_pred.weight", new double[] {2, 7});
            values.put("linear_pred.bias", new double[] {0.25});
            return values;
        }

        @Test
        void concatenateCoarsestFirstAndCutNegativesOff() {
            Decoder decoder = backend.layers().decoder(backend.context(Mode.INFERENCE), spec, with(spec, values()));
            Tensor logits = decoder.forward(scope, features());
            assertThat(logits.shape()).containsExactly(1, 1, 2, 2, 4);
            double[] s = new double[6];
            for (int x = 1; x <= 5; x++) {
                s[x] = x / Math.sqrt(x * x + 1e-5);
            }
            double common = 1e4 * s[5] + 2 * 1e3 * s[4] + 3 * 1e2 * s[3];
            double norm = 1 / Math.sqrt(1 + 1e-5);
            double left = 2 * (common + 40 * s[1] - 1) * norm + 0.25;
            double right = 2 * (common + 40 * s[2] - 1) * norm + 0.25;
            double[] line = {left, 0.75 * left + 0.25 * right, 0.25 * left + 0.75 * right, right};
            double[] y = logits.toHost().toDoubles();
            for (int i = 0; i < y.length; i++) {
                assertThat(y[i]).isCloseTo(line[i % 4], within(1e-9));
            }
        }

        @Test
        void refuseDropoutInTraining() {
            DecoderSpec dropping = new DecoderSpec(List.of(1, 1, 1, 1), 2, 1, 0.1, 2);
            BlockParameters parameters = neutral(dropping);
            assertThatThrownBy(() -> backend.layers().decoder(backend.context(Mode.TRAINING), dropping, parameters))
                    .isInstanceOf(BackendException.class)
                    .hasMessageContaining("decoder_dropout 0.1");
        }
    }

    @Nested
    class Parameters {
        @Test
        void ofAnotherShapeAreRefusedByName() {
            StageNormSpec spec = new StageNormSpec(2);
            neutral(spec);
            put("bias", shape(3), 0, 0, 0);
            BlockParameters parameters = new BlockParameters(weights, "");
            assertThatThrownBy(() -> backend.layers().stageNorm(backend.context(Mode.INFERENCE), spec, parameters))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("parameter bias: found shape 3, expected 2");
        }
    }
}

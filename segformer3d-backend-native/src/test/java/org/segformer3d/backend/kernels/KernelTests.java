package org.segformer3d.backend.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.data.Offset.offset;

import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Single kernels against the same sums written out in float64. */
class KernelTests {
    private final List<Memory> memories = new ArrayList<>();

    @BeforeAll
    static void loadKernels() {
        assertThat(KernelLibrary.problem()).isEmpty();
    }

    @AfterEach
    void giveMemoryBack() {
        memories.forEach(Memory::close);
    }

    private Memory floats(long count) {
        Memory memory = Memory.floats(count + 64);
        memories.add(memory);
        return memory;
    }

    private Memory of(float[] values) {
        Memory memory = floats(values.length);
        memory.asFloats().put(values);
        return memory;
    }

    private static float[] normal(Random random, int count) {
        float[] values = new float[count];
        for (int n = 0; n < count; n++) {
            values[n] = (float) random.nextGaussian();
        }
        return values;
    }

    private static float[] read(Memory memory, int count) {
        float[] values = new float[count];
        memory.asFloats().get(values);
        return values;
    }

    private static int pad(int width) {
        return (width + 31) / 32 * 32;
    }

    @Nested
    class Products {
        @ParameterizedTest
        @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
        void equalSumsInDoubleForRandomShapes(long seed) {
            Random random = new Random(seed);
            int m = 1 + random.nextInt(70);
            int k = 1 + random.nextInt(seed % 3 == 0 ? 900 : 100);
            int n = 1 + random.nextInt(100);
            int lda = k + random.nextInt(5);
            boolean add = random.nextBoolean();
            boolean transposed = random.nextBoolean();
            float[] a = normal(random, m * lda);
            float[] b = normal(random, k * n);
            float[] bias = random.nextBoolean() ? normal(random, pad(n)) : null;
            float[] before = normal(random, m * pad(n));
            Memory c = of(before);
            Memory panels = floats((long) pad(n) * k);
            if (transposed) {
                Kernels.packTransposed(of(turned(b, k, n)).address(), k, k, n, panels.address());
            } else {
                Kernels.pack(of(b).address(), n, k, n, panels.address());
            }
            long biasAddress = bias == null ? 0 : of(bias).address();
            Kernels.gemm(
                    m, n, k, of(a).address(), lda, panels.address(), biasAddress, c.address(), pad(n), add ? 1 : 0);
            float[] found = read(c, m * pad(n));
            for (int i = 0; i < m; i++) {
                for (int j = 0; j < n; j++) {
                    double sum = (bias == null ? 0 : bias[j]) + (add ? before[i * pad(n) + j] : 0);
                    for (int x = 0; x < k; x++) {
                        sum += (double) a[i * lda + x] * b[x * n + j];
                    }
                    assertThat((double) found[i * pad(n) + j])
                            .as("%d×%d×%d at %d, %d", m, k, n, i, j)
                            .isCloseTo(sum, offset(2e-6 * k + 1e-5));
                }
            }
        }

        private float[] turned(float[] b, int rows, int columns) {
            float[] turned = new float[b.length];
            for (int i = 0; i < rows; i++) {
                for (int j = 0; j < columns; j++) {
                    turned[j * rows + i] = b[i * columns + j];
                }
            }
            return turned;
        }

        @Test
        void giveARowTheSameBitsWhereverItStands() {
            Random random = new Random(5);
            int k = 301;
            float[] row = normal(random, k);
            Memory panels = floats(32L * k);
            Kernels.pack(of(normal(random, 32 * k)).address(), 32, k, 32, panels.address());
            float[] expected = null;
            for (int m : new int[] {13, 1, 2, 5, 12, 16, 29}) {
                float[] a = new float[m * k];
                for (int i = 0; i < m; i++) {
                    System.arraycopy(row, 0, a, i * k, k);
                }
                Memory c = floats(32L * m);
                Kernels.gemm(m, 32, k, of(a).address(), k, panels.address(), 0, c.address(), 32, 0);
                float[] found = read(c, 32 * m);
                for (int i = 0; i < m; i++) {
                    float[] part = Arrays.copyOfRange(found, 32 * i, 32 * i + 32);
                    expected = expected == null ? part : expected;
                    assertThat(part).as("row %d of %d", i, m).isEqualTo(expected);
                }
            }
        }
    }

    @Nested
    class Functions {
        private float[] map(float[] x, boolean exponential) {
            Memory in = of(x);
            Memory out = floats(x.length);
            if (exponential) {
                Kernels.exp2(x.length, in.address(), out.address());
            } else {
                Kernels.gelu(x.length, in.address(), out.address());
            }
            return read(out, x.length);
        }

        @Test
        void exponentialIsExactToSevenDigits() {
            float[] x = new float[16 * 4096];
            for (int n = 0; n < x.length; n++) {
                x[n] = -125.9f + 250.8f * n / x.length;
            }
            float[] y = map(x, true);
            for (int n = 0; n < x.length; n++) {
                double expected = Math.pow(2, x[n]);
                assertThat(Math.abs(y[n] - expected) / expected)
                        .as("2^%f", x[n])
                        .isLessThan(4e-7);
            }
        }

        @Test
        void exponentialOfWhatLiesFarBelowIsNextToNothing() {
            float[] x = new float[16];
            Arrays.fill(x, -1e30f);
            x[1] = -200;
            x[2] = Float.NEGATIVE_INFINITY;
            for (float y : map(x, true)) {
                assertThat(y).isBetween(0f, 1.2e-38f);
            }
        }

        @Test
        void geluIsExactToSixDigitsOfOne() {
            float[] x = new float[16 * 2048];
            for (int n = 0; n < x.length; n++) {
                x[n] = -12f + 24f * n / x.length;
            }
            float[] y = map(x, false);
            for (int n = 0; n < x.length; n++) {
                double expected = 0.5 * x[n] * (1 + erf(x[n] / Math.sqrt(2)));
                assertThat(Math.abs(y[n] - expected))
                        .as("gelu(%f)", x[n])
                        .isLessThan(1e-6 * Math.max(1, Math.abs(x[n])));
            }
        }

        /** e^{-x²}·2/√π·Σ 2ⁿx²ⁿ⁺¹/(2n+1)!!, which has no cancellation. */
        private static double erf(double x) {
            if (Math.abs(x) > 6) {
                return Math.signum(x);
            }
            double term = x;
            double sum = x;
            for (int n = 1; n < 300; n++) {
                term *= 2 * x * x / (2 * n + 1);
                sum += term;
            }
            return 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * sum;
        }

        @ParameterizedTest
        @ValueSource(booleans = {true, false})
        void passNaNOn(boolean exponential) {
            float[] x = new float[16];
            x[3] = Float.NaN;
            float[] y = map(x, exponential);
            for (int n = 0; n < 16; n++) {
                assertThat(Float.isNaN(y[n])).isEqualTo(n == 3);
            }
        }
    }

    @Nested
    class Norms {
        @ParameterizedTest
        @CsvSource({"32,9", "64,4", "160,7", "256,3", "96,5", "1,6", "7,5", "20,4", "33,1", "47,9", "300,3"})
        void equalTheFormulaAndKeepPaddingZero(int width, int rows) {
            Random random = new Random(width);
            int stride = pad(width);
            float[] x = new float[rows * stride];
            for (int r = 0; r < rows; r++) {
                for (int j = 0; j < width; j++) {
                    x[r * stride + j] = (float) (3 + random.nextGaussian() * 2);
                }
            }
            float[] factors = Arrays.copyOf(normal(random, width), stride);
            float[] shifts = Arrays.copyOf(normal(random, width), stride);
            Memory y = floats(x.length);
            Kernels.norm(
                    width,
                    rows,
                    of(x).address(),
                    y.address(),
                    of(factors).address(),
                    of(shifts).address());
            Memory plain = floats(x.length);
            Kernels.norm(width, rows, of(x).address(), plain.address(), 0, 0);
            float[] found = read(y, x.length);
            float[] foundPlain = read(plain, x.length);
            for (int r = 0; r < rows; r++) {
                double mean = 0;
                double variance = 0;
                for (int j = 0; j < width; j++) {
                    mean += x[r * stride + j] / (double) width;
                }
                for (int j = 0; j < width; j++) {
                    variance += Math.pow(x[r * stride + j] - mean, 2) / width;
                }
                for (int j = 0; j < stride; j++) {
                    double normed = j < width ? (x[r * stride + j] - mean) / Math.sqrt(variance + 1e-5) : 0;
                    double tolerance = width == 1 ? 1e-3 : 4e-6; // of one value the variance is nothing but rounding
                    assertThat((double) foundPlain[r * stride + j]).isCloseTo(normed, offset(tolerance));
                    assertThat((double) found[r * stride + j])
                            .isCloseTo(normed * factors[j] + shifts[j], offset(4 * tolerance));
                }
            }
        }
    }

    @Nested
    class Attention {
        private float[] attend(int n, int d, int m, float[] q, float[] k, float[] v, float longest) {
            int dp = pad(d);
            Memory results = floats((long) n * dp);
            Memory work = floats(Kernels.attentionFloats(d, m));
            Kernels.attention(
                    n,
                    d,
                    m,
                    of(wide(q, n, d)).address(),
                    of(wide(k, m, d)).address(),
                    of(wide(v, m, d)).address(),
                    longest,
                    results.address(),
                    work.address());
            float[] all = read(results, n * dp);
            float[] found = new float[n * d];
            for (int i = 0; i < n; i++) {
                System.arraycopy(all, i * dp, found, i * d, d);
            }
            return found;
        }

        private float[] wide(float[] rows, int count, int d) {
            float[] wide = new float[count * pad(d)];
            for (int i = 0; i < count; i++) {
                System.arraycopy(rows, i * d, wide, i * pad(d), d);
            }
            return wide;
        }

        private double[] expected(int n, int d, int m, float[] q, float[] k, float[] v) {
            double[] results = new double[n * d];
            double[] scores = new double[m];
            for (int i = 0; i < n; i++) {
                double greatest = Double.NEGATIVE_INFINITY;
                for (int j = 0; j < m; j++) {
                    scores[j] = 0;
                    for (int x = 0; x < d; x++) {
                        scores[j] += (double) q[i * d + x] * k[j * d + x];
                    }
                    greatest = Math.max(greatest, scores[j]);
                }
                double sum = 0;
                for (int j = 0; j < m; j++) {
                    double weight = Math.pow(2, scores[j] - greatest);
                    sum += weight;
                    for (int x = 0; x < d; x++) {
                        results[i * d + x] += weight * v[j * d + x];
                    }
                }
                for (int x = 0; x < d; x++) {
                    results[i * d + x] /= sum;
                }
            }
            return results;
        }

        @ParameterizedTest
        @CsvSource({
            "1,1,1,1",
            "5,4,3,1",
            "48,32,128,1",
            "50,32,200,1",
            "17,8,33,1",
            "13,40,65,1",
            "100,64,31,1",
            "7,70,129,1",
            "49,32,300,20",
            "12,32,128,1000",
            "30,16,77,1000",
            "3,5,40,30000"
        })
        void equalsTheFormulaHoweverLargeTheScores(int n, int d, int m, float scale) {
            Random random = new Random(n * 1000L + d);
            float[] q = normal(random, n * d);
            float[] k = normal(random, m * d);
            float[] v = normal(random, m * d);
            double greatest = 0;
            for (int x = 0; x < q.length; x++) {
                q[x] *= scale / (float) Math.sqrt(d);
            }
            for (float x : q) {
                greatest = Math.max(greatest, Math.abs(x));
            }
            float[] found = attend(n, d, m, q, k, v, 1e30f);
            double[] expected = expected(n, d, m, q, k, v);
            // a score's own rounding is what remains: half a unit of its sum's last place
            double tolerance = 2e-6 + 4e-7 * greatest * d;
            for (int x = 0; x < found.length; x++) {
                assertThat((double) found[x]).as("%d", x).isCloseTo(expected[x], offset(tolerance));
            }
        }

        @Test
        void findsTrueMaximaWhereTheBoundLiesFarAboveTheScores() {
            // long queries across long keys: |q|·|k| is 10⁶, every score is 0 or far below
            int d = 32;
            int m = 40;
            float[] q = new float[2 * d];
            float[] k = new float[m * d];
            q[0] = 1000;
            q[d] = 1000;
            for (int j = 0; j < m; j++) {
                k[j * d] = -j;
                k[j * d + 1] = 1000;
            }
            float[] v = normal(new Random(3), m * d);
            float[] found = attend(2, d, m, q, k, v, 1e30f);
            for (int x = 0; x < d; x++) {
                assertThat(found[x]).isCloseTo(v[x], offset(1e-6f));
            }
        }

        @Test
        void passesNaNOnWhereItMustAndNowhereElse() {
            int d = 32;
            int m = 70;
            Random random = new Random(4);
            float[] q = normal(random, 14 * d);
            float[] k = normal(random, m * d);
            float[] v = normal(random, m * d);
            float[] clean = attend(14, d, m, q, k, v, 1e30f);
            q[3 * d + 7] = Float.NaN;
            float[] found = attend(14, d, m, q, k, v, 1e30f);
            for (int i = 0; i < 14; i++) {
                for (int x = 0; x < d; x++) {
                    if (i == 3) {
                        assertThat(found[i * d + x]).isNaN();
                    } else {
                        assertThat(found[i * d + x]).isCloseTo(clean[i * d + x], offset(1e-5f));
                    }
                }
            }
            q[3 * d + 7] = 0;
            k[69 * d] = Float.NaN;
            for (float value : attend(14, d, m, q, k, v, 1e30f)) {
                assertThat(value).isNaN();
            }
        }

        @Test
        void takesSubnormalNumbersAsZero() {
            int d = 32;
            float[] q = new float[d];
            float[] k = new float[3 * d];
            Arrays.fill(q, 1e-40f);
            Arrays.fill(k, 1e-40f);
            float[] v = new float[3 * d];
            v[0] = 3;
            v[d] = 6;
            assertThat(attend(1, d, 3, q, k, v, 1e30f)[0]).isCloseTo(3f, offset(1e-6f));
        }

        @Test
        void leavesTheCallersRoundingModeAsItWas() {
            float[] zeros = new float[32];
            attend(1, 32, 1, zeros, zeros, zeros, 1e30f);
            float tiny = 1e-39f;
            assertThat(tiny * 0.5f).as("subnormal numbers still exist").isGreaterThan(0f);
            FloatBuffer buffer = floats(1).asFloats();
            buffer.put(0, tiny);
            assertThat(buffer.get(0) / 2).isGreaterThan(0f);
        }
    }
}

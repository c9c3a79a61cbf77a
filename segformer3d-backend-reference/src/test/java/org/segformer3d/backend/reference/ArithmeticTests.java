package org.segformer3d.backend.reference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.segformer3d.api.block.Grid;

/** The parts that blocks are made of, against values worked out by hand or written as plain sums. */
class ArithmeticTests {
    private final ParallelLoops loops = new ParallelLoops(3);

    @AfterEach
    void close() {
        loops.close();
    }

    @Nested
    class Linears {
        @Test
        void multiplyAndAddTheBias() {
            Linear linear = new Linear(new double[] {1, 2, 3, 4, 5, 6}, new double[] {10, 20}, 3, 2);
            // rows (1,0,-1) and (2,1,0)
            assertThat(linear.apply(loops, new double[] {1, 0, -1, 2, 1, 0}, 2)).containsExactly(8, 18, 14, 33);
        }

        @Test
        void mayHaveNoBias() {
            Linear linear = new Linear(new double[] {1, 2, 3, 4}, null, 2, 2);
            assertThat(linear.apply(loops, new double[] {1, 1}, 1)).containsExactly(3, 7);
        }

        @ParameterizedTest
        @CsvSource({"1, 1, 1", "2, 3, 4", "3, 7, 5", "5, 8, 9", "33, 9, 2", "64, 5, 17", "100, 13, 6"})
        void addUpEveryColumn(int rows, int in, int out) {
            SplittableRandom random = new SplittableRandom(rows);
            double[] weight = random.doubles((long) in * out).toArray();
            double[] x = random.doubles((long) rows * in).toArray();
            double[] y = new Linear(weight, null, in, out).apply(loops, x, rows);
            for (int r = 0; r < rows; r++) {
                for (int o = 0; o < out; o++) {
                    double sum = 0;
                    for (int i = 0; i < in; i++) {
                        sum += x[r * in + i] * weight[o * in + i];
                    }
                    assertThat(y[r * out + o]).isCloseTo(sum, within(1e-13));
                }
            }
        }
    }

    @Nested
    class Convolutions {
        @Test
        void sumTheirNeighbourhood() {
            double[] ones = new double[27];
            Arrays.fill(ones, 1);
            Convolution sum = new Convolution(ones, new double[] {100}, 1, 1, 3, 1, 1);
            double[] x = {1, 2, 3, 4, 5, 6, 7, 8};
            double[] y = sum.apply(loops, x, 1, new Grid(2, 2, 2));
            assertThat(y).containsOnly(136).hasSize(8); // every neighbourhood holds the whole cube
        }

        @Test
        void stepByTheirStrideAndPadWithZeros() {
            // a kernel that looks only at its own middle line along the last axis: weights 1, 10, 100
            double[] weight = new double[27];
            weight[12] = 1;
            weight[13] = 10;
            weight[14] = 100;
            Convolution line = new Convolution(weight, new double[] {0}, 1, 1, 3, 2, 1);
            Grid grid = new Grid(1, 1, 5);
            assertThat(line.grid(grid)).isEqualTo(new Grid(1, 1, 3));
            assertThat(line.apply(loops, new double[] {1, 2, 3, 4, 5}, 1, grid)).containsExactly(210, 432, 54);
        }

        @ParameterizedTest
        @CsvSource({"7, 4, 3, 9, 5, 6", "3, 2, 1, 4, 5, 3", "2, 2, 0, 5, 4, 7", "4, 4, 0, 8, 5, 11", "5, 1, 4, 1, 2, 3"
        })
        void areTheSumOverTapsAndChannels(int k, int stride, int padding, int d, int h, int w) {
            SplittableRandom random = new SplittableRandom(k);
            Grid grid = new Grid(d, h, w);
            double[] weight = random.doubles(3L * 2 * k * k * k).toArray();
            double[] x = random.doubles(2L * 2 * grid.tokens()).toArray();
            Convolution convolution = new Convolution(weight, new double[] {1, 2, 3}, 2, 3, k, stride, padding);
            Grid to = convolution.grid(grid);
            double[] y = convolution.apply(loops, x, 2, grid);
            for (int i = 0; i < y.length; i++) {
                int out = i % 3;
                int n = i / 3 % to.tokens();
                int b = i / 3 / to.tokens();
                double sum = out + 1;
                for (int j = 0; j < 2 * k * k * k; j++) {
                    int c = j / (k * k * k);
                    int sd = n / to.width() / to.height() * stride - padding + j / k / k % k;
                    int sh = n / to.width() % to.height() * stride - padding + j / k % k;
                    int sw = n % to.width() * stride - padding + j % k;
                    if (sd >= 0 && sd < d && sh >= 0 && sh < h && sw >= 0 && sw < w) {
                        sum += weight[out * 2 * k * k * k + j] * x[(((b * 2 + c) * d + sd) * h + sh) * w + sw];
                    }
                }
                assertThat(y[i]).isCloseTo(sum, within(1e-11));
            }
        }
    }

    @Nested
    class LayerNorms {
        @Test
        void bringEachRowToItsScaleAndShift() {
            LayerNorm norm = new LayerNorm(new double[] {1, 2}, new double[] {0, 10});
            double[] y = norm.apply(loops, new double[] {1, 3, -5, -5});
            double unit = 1 / Math.sqrt(1 + 1e-5); // mean 2, variance 1
            assertThat(y[0]).isCloseTo(-unit, within(1e-15));
            assertThat(y[1]).isCloseTo(10 + 2 * unit, within(1e-14));
            assertThat(y[2]).isZero();
            assertThat(y[3]).isEqualTo(10);
        }
    }

    @Nested
    class Interpolations {
        private double[] line(double[] x, int to) {
            Interpolation resize = Interpolation.of(new Grid(1, 1, x.length), new Grid(1, 1, to));
            double[] y = new double[to];
            for (int w = 0; w < to; w++) {
                resize.row(x, 0, 0, 0, w, 1, y, w);
            }
            return y;
        }

        @Test
        void holdTheEndsAndGoStraightBetween() {
            assertThat(line(new double[] {0, 8}, 4)).containsExactly(0, 2, 6, 8);
            assertThat(line(new double[] {0, 8}, 8)).containsExactly(0, 0, 1, 3, 5, 7, 8, 8);
        }

        @Test
        void averageNeighboursWhenHalving() {
            assertThat(line(new double[] {1, 3, 10, 20}, 2)).containsExactly(2, 15);
        }

        @Test
        void keepWhatHasTheSameSizeAndSpreadASingleValue() {
            assertThat(line(new double[] {1, 4, 9}, 3)).containsExactly(1, 4, 9);
            assertThat(line(new double[] {7}, 3)).containsExactly(7, 7, 7);
        }

        @Test
        void treatTheAxesAlikeAndByThemselves() {
            Grid from = new Grid(2, 3, 2);
            Grid to = new Grid(5, 4, 7);
            double[] x = new double[from.tokens()];
            double[] a = {1, 5};
            double[] b = {2, 3, -1};
            double[] c = {4, -2};
            for (int i = 0; i < x.length; i++) {
                x[i] = a[i / 6] * b[i / 2 % 3] * c[i % 2]; // a product stays one
            }
            double[] da = line(a, 5);
            double[] db = line(b, 4);
            double[] dc = line(c, 7);
            Interpolation resize = Interpolation.of(from, to);
            double[] y = new double[1];
            for (int d = 0; d < 5; d++) {
                for (int h = 0; h < 4; h++) {
                    for (int w = 0; w < 7; w++) {
                        resize.row(x, 0, d, h, w, 1, y, 0);
                        assertThat(y[0]).isCloseTo(da[d] * db[h] * dc[w], within(1e-12));
                    }
                }
            }
        }
    }

    @Nested
    class Layouts {
        @Test
        void goThereAndBack() {
            double[] maps = {0, 1, 2, 10, 11, 12, 100, 101, 102, 110, 111, 112}; // (2,2,3)
            double[] tokens = Layout.toTokens(maps, 2, 2, 3);
            assertThat(tokens).containsExactly(0, 10, 1, 11, 2, 12, 100, 110, 101, 111, 102, 112);
            assertThat(Layout.toMaps(tokens, 2, 2, 3)).isEqualTo(maps);
        }
    }

    @Nested
    class Loops {
        @ParameterizedTest
        @CsvSource({"0, 5", "1, 5", "5, 5", "6, 5", "1000, 7", "64, 1"})
        void visitEveryItemOnce(int count, int size) {
            AtomicIntegerArray visits = new AtomicIntegerArray(Math.max(1, count));
            loops.run(count, size, (from, to) -> {
                assertThat(to - from).isBetween(1, size);
                for (int i = from; i < to; i++) {
                    visits.incrementAndGet(i);
                }
            });
            for (int i = 0; i < count; i++) {
                assertThat(visits.get(i)).isEqualTo(1);
            }
        }

        @Test
        void passOnWhatABodyThrowsAndGoOn() {
            assertThatThrownBy(() -> loops.run(100, 1, (from, to) -> {
                        if (from == 57) {
                            throw new IllegalStateException("at 57");
                        }
                    }))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage("at 57");
            visitEveryItemOnce(100, 3);
        }

        @Test
        void finishInAThreadThatIsInterrupted() {
            Thread.currentThread().interrupt();
            visitEveryItemOnce(1000, 1);
            assertThat(Thread.interrupted()).isTrue();
        }

        @Test
        void finishInTheCallersThreadAfterTheClose() {
            loops.close();
            visitEveryItemOnce(100, 3);
        }

        @Test
        void mayRunWithinLoops() {
            AtomicIntegerArray visits = new AtomicIntegerArray(400);
            loops.run(20, 1, (i, after) -> loops.run(20, 1, (j, last) -> visits.incrementAndGet(i * 20 + j)));
            for (int i = 0; i < 400; i++) {
                assertThat(visits.get(i)).isEqualTo(1);
            }
        }
    }
}

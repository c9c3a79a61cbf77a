package org.segformer3d.backend.kernels;

import java.nio.FloatBuffer;
import java.util.Locale;
import java.util.Optional;
import java.util.Random;

/** Small problems whose results are known, tried before anything relies on the kernels, and how fast they are, for the command doctor. */
final class SelfTest {
    private static final int ROWS = 17;
    private static final int DEPTH = 37;
    private static final int WIDTH = 45;

    private SelfTest() {}

    /** Returns what came out wrong; empty when nothing did. Takes about a millisecond. */
    static Optional<String> run() {
        return product().or(SelfTest::functions);
    }

    private static Optional<String> product() {
        Random random = new Random(1);
        int padded = 64;
        try (Memory a = Memory.floats(ROWS * DEPTH);
                Memory b = Memory.floats(DEPTH * WIDTH);
                Memory panels = Memory.floats(padded * DEPTH);
                Memory c = Memory.floats(ROWS * padded)) {
            float[] left = fill(a, ROWS * DEPTH, random);
            float[] right = fill(b, DEPTH * WIDTH, random);
            Kernels.pack(b.address(), WIDTH, DEPTH, WIDTH, panels.address());
            Kernels.gemm(ROWS, WIDTH, DEPTH, a.address(), DEPTH, panels.address(), 0, c.address(), padded, 0);
            FloatBuffer product = c.asFloats();
            for (int i = 0; i < ROWS; i++) {
                for (int j = 0; j < WIDTH; j++) {
                    double sum = 0;
                    for (int k = 0; k < DEPTH; k++) {
                        sum += (double) left[i * DEPTH + k] * right[k * WIDTH + j];
                    }
                    float found = product.get(i * padded + j);
                    if (!(Math.abs(found - sum) < 1e-4)) {
                        return wrong("a product", found, sum);
                    }
                }
            }
            return Optional.empty();
        }
    }

    private static Optional<String> functions() {
        try (Memory x = Memory.floats(16);
                Memory y = Memory.floats(16)) {
            FloatBuffer in = x.asFloats();
            for (int n = 0; n < 16; n++) {
                in.put(n, n * 1.7f - 11.3f);
            }
            Kernels.exp2(16, x.address(), y.address());
            for (int n = 0; n < 16; n++) {
                double expected = Math.pow(2, in.get(n));
                float found = y.asFloats().get(n);
                if (!(Math.abs(found - expected) < 1e-6 * expected)) {
                    return wrong("2^" + in.get(n), found, expected);
                }
            }
            return Optional.empty();
        }
    }

    private static float[] fill(Memory memory, int count, Random random) {
        float[] values = new float[count];
        for (int n = 0; n < count; n++) {
            values[n] = random.nextFloat() - 0.5f;
        }
        memory.asFloats().put(values);
        return values;
    }

    private static Optional<String> wrong(String what, float found, double expected) {
        return Optional.of(String.format(Locale.ROOT, "%s: found %g, expected %g", what, found, expected));
    }

    /** Returns the billions of floating-point operations a second that one thread reaches in registers; takes about 30 ms. */
    static double peakGigaflops() {
        try (Memory out = Memory.floats(64)) {
            double best = 0;
            for (int round = 0; round < 8; round++) {
                long start = System.nanoTime();
                long operations = Kernels.peak(200_000, out.address());
                best = Math.max(best, (double) operations / (System.nanoTime() - start));
            }
            return best;
        }
    }

    /** Returns the billions of floating-point operations a second of products as the network has them, on one thread. */
    static double productGigaflops() {
        int m = 480;
        int n = 128;
        int k = 256;
        try (Memory a = Memory.floats((long) m * k);
                Memory b = Memory.floats((long) n * k);
                Memory c = Memory.floats((long) m * n)) {
            // zeros would draw less power and be multiplied at a clock that no network sees
            Random random = new Random(1);
            fill(a, m * k, random);
            fill(b, n * k, random);
            double best = 0;
            for (int round = 0; round < 100; round++) {
                long start = System.nanoTime();
                Kernels.gemm(m, n, k, a.address(), k, b.address(), 0, c.address(), n, 0);
                best = Math.max(best, 2.0 * m * n * k / (System.nanoTime() - start));
            }
            return best;
        }
    }
}

package org.segformer3d.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.weights.WeightInitializer;

/**
 * How several callers of one loaded model fare against a single one: calls a second, alternating, and the process's memory.
 *
 * <p>Arguments, all optional: edge of the input (64), callers (4), calls of each side in a round (100), rounds (5), form ({@code native}). Memory is
 * read after every round, to see whether it grows. {@code ResourceContract} checks that all get the same
 * bits.
 */
public final class ConcurrentCallers {
    private final SegmentationModel model;
    private final HostTensor input;

    private ConcurrentCallers(SegmentationModel model, HostTensor input) {
        this.model = model;
        this.input = input;
    }

    /** Runs and prints. */
    public static void main(String[] arguments) throws Exception {
        int edge = number(arguments, 0, 64);
        int callers = number(arguments, 1, 4);
        int calls = number(arguments, 2, 100);
        int rounds = number(arguments, 3, 5);
        SegFormer3DConfig config = SegFormer3DConfig.defaults();
        try (Backend backend = Forms.open(arguments.length > 4 ? arguments[4] : Forms.NATIVE, 0);
                SegmentationModel model = backend.load(
                        config,
                        WeightInitializer.initialize(ModelLayout.of(config).parameters(), 1))) {
            ConcurrentCallers run =
                    new ConcurrentCallers(model, RandomTensors.normal(2, 1, config.inChannels(), edge, edge, edge));
            run.rate(callers, calls);
            run.rate(1, calls);
            List<Double> ratios = new ArrayList<>();
            long before = residentKilobytes();
            for (int n = 0; n < rounds; n++) {
                double one = run.rate(1, calls);
                double all = run.rate(callers, calls);
                ratios.add(all / one);
                System.out.printf(
                        Locale.ROOT,
                        "%d³ %s: 1 caller %.2f calls/s, %d callers %.2f calls/s, ratio %.3f, resident %d MiB%n",
                        edge,
                        model.implementation(),
                        one,
                        callers,
                        all,
                        all / one,
                        residentKilobytes() / 1024);
            }
            ratios.sort(null);
            System.out.printf(
                    Locale.ROOT,
                    "median ratio %.3f; resident memory %+d KiB over %d calls%n",
                    ratios.get(rounds / 2),
                    residentKilobytes() - before,
                    2 * rounds * calls);
        }
        System.exit(0); // native threads must not keep it alive
    }

    private static int number(String[] arguments, int index, int otherwise) {
        return arguments.length > index ? Integer.parseInt(arguments[index]) : otherwise;
    }

    /** Returns calls a second. */
    private double rate(int callers, int calls) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(callers);
        AtomicInteger left = new AtomicInteger(calls);
        try {
            long start = System.nanoTime();
            List<Future<?>> all = new ArrayList<>();
            for (int n = 0; n < callers; n++) {
                all.add(pool.submit(() -> {
                    while (left.getAndDecrement() > 0) {
                        model.predict(input);
                    }
                }));
            }
            for (Future<?> caller : all) {
                caller.get();
            }
            return calls / ((System.nanoTime() - start) / 1e9);
        } finally {
            pool.shutdown();
        }
    }

    /** Returns the process's memory without what the collector would free, buffers outside the heap among it. */
    private static long residentKilobytes() throws IOException, InterruptedException {
        for (int n = 0; n < 3; n++) {
            System.gc();
            Thread.sleep(100);
        }
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("VmRSS:")) {
                return Long.parseLong(line.replaceAll("\\D", ""));
            }
        }
        return 0;
    }
}

package org.segformer3d.backend.libtorch;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.api.weights.WeightInitializer;

/**
 * What stays in the process after many calls. Logits have 0.4 MiB here, so one such tensor kept too long in every call is hundreds of
 * MiB in the end; what the C library keeps of its heaps moves the figures by a few dozen either way.
 */
@EnabledOnOs(OS.LINUX)
class MemoryTests {
    private static final long ALLOWED_MIB = 128;
    private static final SegFormer3DConfig CONFIG = SegFormer3DConfig.fromMap(Map.of(
            "embed_dims",
            List.of(8, 8, 16, 16),
            "num_heads",
            List.of(1, 1, 2, 2),
            "depths",
            List.of(1, 1, 1, 1),
            "decoder_head_embedding_dim",
            16));
    private static final StateDict WEIGHTS =
            WeightInitializer.initialize(ModelLayout.of(CONFIG).parameters(), 3);

    private static long residentMib() throws IOException {
        System.gc();
        return Files.readAllLines(Path.of("/proc/self/status")).stream()
                .filter(line -> line.startsWith("VmRSS"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) / 1024)
                .findFirst()
                .orElseThrow();
    }

    @Test
    void doesNotGrowOverAThousandCallsOfFourThreads() throws Exception {
        HostTensor input = HostTensor.zeros(DType.FLOAT32, 1, 4, 32, 32, 32);
        ExecutorService callers = Executors.newFixedThreadPool(4);
        try (Backend backend = new LibtorchProvider().open(BackendOptions.defaults());
                SegmentationModel model = backend.load(CONFIG, WEIGHTS)) {
            call(callers, 200, () -> model.predict(input));
            long before = residentMib();
            call(callers, 1000, () -> model.predict(input));
            assertThat(residentMib() - before).isLessThan(ALLOWED_MIB);
        } finally {
            callers.shutdown();
        }
    }

    /** Nothing that an action returns is held on to. */
    private static void call(ExecutorService callers, int times, Runnable action) throws Exception {
        List<Future<?>> running = new ArrayList<>();
        for (int i = 0; i < times; i++) {
            running.add(callers.submit(action));
        }
        for (Future<?> call : running) {
            call.get();
        }
    }
}

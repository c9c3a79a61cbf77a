package org.segformer3d.backend.tck;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.management.JMException;
import javax.management.ObjectName;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.tensor.HostTensor;

abstract class ResourceContract extends Contract {
    private static final Path MAPPINGS = Path.of("/proc/self/smaps");
    private static final Pattern MAPPING = Pattern.compile("([0-9a-f]+)-[0-9a-f]+ ");
    private static final Pattern RANGE = Pattern.compile("\\[0x([0-9a-f]+), (?:0x[0-9a-f]+, )*0x([0-9a-f]+)\\)");
    private static final int CALLERS = 8;
    private static final int ROUNDS = 5;
    private static final int LOOKS = 20;

    ResourceContract(BackendContract subject) {
        super(subject);
    }

    @Test
    void eightThreadsOnOneModelGetTheBitsThatOneGets() throws Exception {
        Samples samples = new Samples(1);
        SegFormer3DConfig config = samples.config();
        List<HostTensor> inputs = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            inputs.add(samples.normal(1 + i % 2, config.inChannels(), 16 + 4 * i, 20, 18 + i));
        }
        ExecutorService callers = Executors.newFixedThreadPool(CALLERS);
        try (SegmentationModel model = backend().load(config, samples.weights(config))) {
            List<HostTensor> expected = inputs.stream().map(model::predict).toList();
            CountDownLatch start = new CountDownLatch(1);
            List<Future<List<HostTensor>>> answers = new ArrayList<>();
            for (int caller = 0; caller < CALLERS; caller++) {
                int first = caller;
                answers.add(callers.submit(() -> {
                    start.await();
                    List<HostTensor> results = new ArrayList<>();
                    for (int i = 0; i < inputs.size(); i++) {
                        results.add(model.predict(inputs.get((first + i) % inputs.size())));
                    }
                    return results;
                }));
            }
            start.countDown();
            for (int caller = 0; caller < CALLERS; caller++) {
                List<HostTensor> results = answers.get(caller).get();
                for (int i = 0; i < results.size(); i++) {
                    assertThat(results.get(i)).isEqualTo(expected.get((caller + i) % inputs.size()));
                }
            }
        } finally {
            callers.shutdownNow();
        }
    }

    @Test
    void closingAModelLetsCallsThatRunFinish() throws Exception {
        Samples samples = new Samples(3);
        SegFormer3DConfig config = samples.config();
        HostTensor input = samples.normal(1, config.inChannels(), 18, 20, 22);
        ExecutorService callers = Executors.newFixedThreadPool(CALLERS);
        try {
            for (int round = 0; round < ROUNDS; round++) {
                SegmentationModel model = backend().load(config, samples.weights(config));
                HostTensor expected = model.predict(input);
                CountDownLatch running = new CountDownLatch(CALLERS);
                List<Future<?>> answers = new ArrayList<>();
                for (int caller = 0; caller < CALLERS; caller++) {
                    answers.add(callers.submit(() -> {
                        try {
                            assertThat(model.predict(input)).isEqualTo(expected);
                        } finally {
                            running.countDown();
                        }
                        assertThatThrownBy(() -> {
                                    while (true) {
                                        assertThat(model.predict(input)).isEqualTo(expected);
                                    }
                                })
                                .isInstanceOf(IllegalStateException.class)
                                .hasMessageContaining("the model is closed");
                    }));
                }
                running.await();
                model.close();
                for (Future<?> answer : answers) {
                    answer.get();
                }
            }
        } finally {
            callers.shutdownNow();
        }
    }

    @Test
    void memoryStaysFlatOverAThousandForwardsOfChangingShapes() throws Exception {
        Assumptions.assumeTrue(Files.isReadable(MAPPINGS), "this system doesn't report resident memory in " + MAPPINGS);
        Samples samples = new Samples(2);
        SegFormer3DConfig config = samples.config();
        List<HostTensor> inputs = new ArrayList<>();
        for (int i = 0; i < 25; i++) {
            var grid = samples.grid(8, 28);
            inputs.add(samples.normal(1, config.inChannels(), grid.depth(), grid.height(), grid.width()));
        }
        // one thread: for a network this small a second one costs more than it brings, much more on a busy machine
        try (Backend single = subject().provider().open(options().withThreads(1));
                SegmentationModel model = single.load(config, samples.weights(config))) {
            forwards(model, inputs, 200); // code, pools and caches take their memory once
            long before = inUse(0);
            forwards(model, inputs, 1000);
            long bound = before + subject().memoryBound();
            assertThat(inUse(bound))
                    .as("bytes in use after 1,000 forwards, " + before + " before them")
                    .isLessThanOrEqualTo(bound);
        }
    }

    private static void forwards(SegmentationModel model, List<HostTensor> inputs, int count) {
        for (int i = 0; i < count; i++) {
            assertThat(model.predict(inputs.get(i * 7 % inputs.size())).rank()).isEqualTo(5);
        }
    }

    /**
     * Returns the memory in use: what is resident outside the Java heap, plus the live objects on it.
     *
     * <p>Buffers outside the heap go back when a collector has run and cleaners have, so a higher value than expected is looked at again.
     *
     * @param expected what is good enough to return at once; 0 to wait until it has settled
     */
    private static long inUse(long expected) throws IOException, InterruptedException {
        long found = Long.MAX_VALUE;
        for (int look = 0; look < LOOKS && found > expected; look++) {
            System.gc();
            Thread.sleep(look * 10L);
            Runtime runtime = Runtime.getRuntime();
            found = Math.min(found, residentOutsideTheHeap() + runtime.totalMemory() - runtime.freeMemory());
        }
        return found;
    }

    /** Returns the resident bytes of all mappings that aren't the heap's: free heap is resident or not as it happens. */
    private static long residentOutsideTheHeap() throws IOException {
        List<long[]> heap = heap();
        long sum = 0;
        boolean counts = false;
        for (String line : Files.readAllLines(MAPPINGS, StandardCharsets.ISO_8859_1)) {
            Matcher mapping = MAPPING.matcher(line);
            if (mapping.lookingAt()) {
                long start = Long.parseUnsignedLong(mapping.group(1), 16);
                counts = heap.stream().noneMatch(range -> start >= range[0] && start < range[1]);
            } else if (counts && line.startsWith("Rss:")) {
                sum += Long.parseLong(line.replaceAll("\\D", "")) * 1024;
            }
        }
        return sum;
    }

    /** Returns the heap's address ranges, as the virtual machine's own report of it gives them. */
    private static List<long[]> heap() {
        String report;
        try {
            report = (String) ManagementFactory.getPlatformMBeanServer()
                    .invoke(
                            new ObjectName("com.sun.management:type=DiagnosticCommand"),
                            "gcHeapInfo",
                            new Object[] {null},
                            new String[] {String[].class.getName()});
        } catch (JMException e) {
            return Assumptions.abort("this virtual machine doesn't report on its heap: " + e.getMessage());
        }
        List<long[]> ranges = new ArrayList<>();
        Matcher range = RANGE.matcher(report);
        while (range.find()) {
            ranges.add(
                    new long[] {Long.parseUnsignedLong(range.group(1), 16), Long.parseUnsignedLong(range.group(2), 16)
                    });
        }
        Assumptions.assumeFalse(ranges.isEmpty(), "this collector doesn't say where its heap is");
        return ranges;
    }
}

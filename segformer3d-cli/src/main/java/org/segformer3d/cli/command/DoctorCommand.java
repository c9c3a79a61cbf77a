package org.segformer3d.cli.command;

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.io.PrintWriter;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendException;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.BackendProvider;
import org.segformer3d.api.backend.Backends;
import org.segformer3d.api.backend.Need;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.network.SegFormer3DNetwork;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.Device;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.api.weights.WeightInitializer;
import org.segformer3d.cli.console.Quantity;
import org.segformer3d.eval.result.Json;
import org.segformer3d.eval.result.Provenance;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Says what there is on this machine, what can be used and what can't and why, and tests it. */
@Command(
        name = "doctor",
        description =
                "Say what is here: Java, memory, backends, devices, versions, and why a backend can't be used; test each.")
public final class DoctorCommand implements Callable<Integer> {
    /** Float32 against float64, of the largest logit; the network is small. */
    private static final double TOLERANCE = 2e-5;

    private static final Device CUDA = new Device(Device.Type.CUDA, 0);

    @Spec
    private CommandSpec spec;

    @Option(names = "--json", description = "Print JSON.")
    private boolean json;

    @Override
    public Integer call() {
        PrintWriter out = spec.commandLine().getOut();
        Map<String, Object> machine = machine();
        List<Report> reports = new ArrayList<>();
        if (!json) {
            machine.forEach((key, value) -> out.printf("%-14s %s%n", key, value));
        }
        SelfTest test = new SelfTest();
        List<BackendProvider> providers = new ArrayList<>(Backends.providers());
        // The oracle first, so that the others can be compared with it.
        providers.sort(
                (a, b) -> Boolean.compare(a.name().equals("reference"), b.name().equals("reference")) * -1);
        for (BackendProvider provider : providers) {
            Report report = examine(provider, test);
            reports.add(report);
            if (!json) {
                print(report, out);
            }
        }
        boolean usable =
                reports.stream().anyMatch(report -> report.unavailable().isEmpty());
        boolean right = reports.stream().flatMap(r -> r.tests().stream()).allMatch(TestResult::ok);
        boolean healthy = usable && right;
        if (json) {
            Map<String, Object> all = new LinkedHashMap<>(machine);
            all.put("backends", reports.stream().map(DoctorCommand::map).toList());
            all.put("ok", healthy);
            out.print(Json.pretty(all));
        } else {
            out.println();
            out.println(
                    healthy
                            ? "ok: '" + chosenFor(Need.prediction(SegFormer3DNetwork.of(SegFormer3DConfig.defaults())))
                                    + "' predicts and '"
                                    + chosenFor(Need.training(SegFormer3DNetwork.of(SegFormer3DConfig.defaults())))
                                    + "' trains unless another backend is named"
                            : usable ? "FAIL: a self-test failed" : "FAIL: no backend can be used here");
        }
        return healthy ? 0 : 1;
    }

    private static String chosenFor(Need need) {
        try {
            return Backends.choose(Optional.empty(), BackendOptions.defaults(), need)
                    .provider()
                    .name();
        } catch (BackendException e) {
            return "none";
        }
    }

    private static Map<String, Object> machine() {
        Map<String, Object> machine = new LinkedHashMap<>();
        machine.put("segformer3d", Provenance.version());
        machine.put(
                "java",
                System.getProperty("java.version") + " (" + System.getProperty("java.vendor") + ", "
                        + System.getProperty("java.vm.name") + ") at " + System.getProperty("java.home"));
        machine.put(
                "platform",
                System.getProperty("os.name") + " " + System.getProperty("os.version") + " "
                        + System.getProperty("os.arch"));
        machine.put("processors", Runtime.getRuntime().availableProcessors());
        String memory = "heap at most " + Quantity.bytes(Runtime.getRuntime().maxMemory());
        if (ManagementFactory.getOperatingSystemMXBean() instanceof OperatingSystemMXBean system) {
            memory = Quantity.bytes(system.getTotalMemorySize()) + ", " + Quantity.bytes(system.getFreeMemorySize())
                    + " free; " + memory;
        }
        machine.put("memory", memory);
        machine.put("nvidia driver", nvidia().orElse("none found (no /proc/driver/nvidia, no nvidia-smi)"));
        machine.put("native cache", nativeCache());
        return machine;
    }

    private static Optional<String> nvidia() {
        try {
            Process process = new ProcessBuilder(
                            "nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader")
                    .redirectErrorStream(true)
                    .start();
            if (process.waitFor(10, TimeUnit.SECONDS)) {
                String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8)
                        .strip()
                        .replaceAll("\\R+", "; ");
                return Optional.of(process.exitValue() == 0 ? text : "nvidia-smi fails: " + text);
            }
            process.destroyForcibly();
            return Optional.of("nvidia-smi doesn't answer");
        } catch (IOException e) {
            return Files.exists(Path.of("/proc/driver/nvidia/version"))
                    ? Optional.of("loaded, but nvidia-smi isn't on PATH")
                    : Optional.empty();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return Optional.empty();
        }
    }

    private static String nativeCache() {
        String property = System.getProperty("org.bytedeco.javacpp.cachedir");
        Path folder =
                property != null ? Path.of(property) : Path.of(System.getProperty("user.home"), ".javacpp", "cache");
        if (!Files.isDirectory(folder)) {
            return folder + " (not there yet: the first start of a native backend fills it)";
        }
        try (Stream<Path> files = Files.walk(folder)) {
            long bytes = files.filter(Files::isRegularFile)
                    .mapToLong(file -> file.toFile().length())
                    .sum();
            return folder + " (" + Quantity.bytes(bytes) + ")";
        } catch (IOException e) {
            return folder + " (cannot be read: " + e.getMessage() + ")";
        }
    }

    private static Report examine(BackendProvider provider, SelfTest test) {
        Optional<String> unavailable = provider.whyUnavailable();
        if (unavailable.isPresent()) {
            return new Report(provider, unavailable, List.of(), Optional.empty(), 0, Map.of(), Map.of(), List.of());
        }
        List<Device> devices = provider.devices();
        Optional<String> noCuda = devices.contains(CUDA) ? Optional.empty() : provider.whyUnavailable(CUDA);
        List<TestResult> results = new ArrayList<>();
        Map<String, String> versions = Map.of();
        int threads = 0;
        for (Device device : devices) {
            try (Backend backend = provider.open(BackendOptions.defaults().on(device))) {
                versions = backend.versions();
                threads = backend.options().threads();
                results.add(test.run(backend));
            } catch (RuntimeException | LinkageError e) {
                results.add(new TestResult(device, false, "failed: " + e, Double.NaN, Duration.ZERO));
            }
        }
        return new Report(
                provider, Optional.empty(), devices, noCuda, threads, versions, provider.measurements(), results);
    }

    private static void print(Report report, PrintWriter out) {
        out.println();
        out.println("backend '" + report.provider().name() + "' (rank "
                + report.provider().rank() + "): " + report.provider().description());
        if (report.unavailable().isPresent()) {
            out.println("  not usable   " + report.unavailable().get());
            return;
        }
        out.println("  devices      " + report.devices());
        report.noCuda().ifPresent(why -> out.println("  no CUDA      " + why));
        out.println("  threads      " + report.threads());
        report.versions().forEach((name, version) -> out.printf("  %-12s %s%n", name, version));
        report.measurements().forEach((name, value) -> out.printf("  %-12s %s%n", name, value));
        for (TestResult result : report.tests()) {
            out.printf("  self-test    %s on %s: %s%n", result.ok() ? "ok" : "FAIL", result.device(), result.message());
        }
    }

    private static Map<String, Object> map(Report report) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("name", report.provider().name());
        map.put("rank", report.provider().rank());
        map.put("description", report.provider().description());
        map.put("usable", report.unavailable().isEmpty());
        map.put("why_not", report.unavailable().orElse(null));
        map.put("devices", report.devices().stream().map(Device::toString).toList());
        map.put("why_no_cuda", report.noCuda().orElse(null));
        map.put("threads", report.threads());
        map.put("versions", report.versions());
        map.put("measurements", report.measurements());
        List<Map<String, Object>> tests = new ArrayList<>();
        for (TestResult result : report.tests()) {
            Map<String, Object> test = new LinkedHashMap<>();
            test.put("device", result.device().toString());
            test.put("ok", result.ok());
            test.put("message", result.message());
            test.put("relative_difference", Double.isNaN(result.difference()) ? null : result.difference());
            test.put("milliseconds", result.time().toMillis());
            tests.add(test);
        }
        map.put("self_tests", tests);
        return map;
    }

    private record Report(
            BackendProvider provider,
            Optional<String> unavailable,
            List<Device> devices,
            Optional<String> noCuda,
            int threads,
            Map<String, String> versions,
            Map<String, String> measurements,
            List<TestResult> tests) {}

    private record TestResult(Device device, boolean ok, String message, double difference, Duration time) {}

    /** A small network with random weights on a box; the first backend's logits are what the others' are compared with. */
    private static final class SelfTest {
        private final SegFormer3DConfig config = SegFormer3DConfig.fromMap(Map.of(
                "in_channels", 2,
                "num_classes", 3,
                "embed_dims", List.of(8, 16, 20, 32),
                "depths", List.of(1, 1, 1, 1),
                "decoder_head_embedding_dim", 24));
        private final StateDict weights =
                WeightInitializer.initialize(ModelLayout.of(config).parameters(), 1);
        private final HostTensor input = input();
        private String oracle;
        private double[] expected;

        TestResult run(Backend backend) {
            long start = System.nanoTime();
            double[] logits;
            DType type;
            try (SegmentationModel model = backend.load(config, weights)) {
                HostTensor output = model.predict(input);
                type = output.dtype();
                logits = output.toDoubles();
            }
            Duration time = Duration.ofNanos(System.nanoTime() - start);
            for (double logit : logits) {
                if (!Double.isFinite(logit)) {
                    return new TestResult(backend.device(), false, "logits aren't finite", Double.NaN, time);
                }
            }
            String ran =
                    "a small network in " + type.name().toLowerCase(Locale.ROOT) + " took " + Quantity.duration(time);
            if (expected == null) {
                expected = logits;
                oracle = backend.name();
                return new TestResult(backend.device(), true, ran, Double.NaN, time);
            }
            double largest = 0;
            double difference = 0;
            for (int i = 0; i < logits.length; i++) {
                largest = Math.max(largest, Math.abs(expected[i]));
                difference = Math.max(difference, Math.abs(logits[i] - expected[i]));
            }
            double relative = difference / largest;
            return new TestResult(
                    backend.device(),
                    relative <= TOLERANCE,
                    String.format(
                            Locale.ROOT,
                            "%s, differs from '%s' by %.1e of the largest logit (tolerance %.0e)",
                            ran,
                            oracle,
                            relative,
                            TOLERANCE),
                    relative,
                    time);
        }

        private HostTensor input() {
            SplittableRandom random = new SplittableRandom(2);
            float[] values = new float[2 * 24 * 32 * 28];
            for (int i = 0; i < values.length; i++) {
                values[i] = (float) random.nextGaussian();
            }
            return HostTensor.of(values, 1, 2, 24, 32, 28);
        }
    }
}

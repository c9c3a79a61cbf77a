package org.segformer3d.eval.result;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;

/** What this machine is, as far as a result should say. */
public final class Hardware {
    private static final Path CPU_INFO = Path.of("/proc/cpuinfo");
    private static final Path GPU_FOLDER = Path.of("/proc/driver/nvidia/gpus");

    private Hardware() {}

    /** Returns {@code processor} and {@code gpu} where they can be found out, {@code cores}, {@code memory}, {@code system}, {@code java}. */
    public static Map<String, Object> describe() {
        Map<String, Object> map = new LinkedHashMap<>();
        String processor = firstValue(CPU_INFO, "model name");
        if (processor != null) {
            map.put("processor", processor);
        }
        map.put("cores", Runtime.getRuntime().availableProcessors());
        if (ManagementFactory.getOperatingSystemMXBean() instanceof com.sun.management.OperatingSystemMXBean system) {
            map.put("memory", String.format(Locale.ROOT, "%.1f GiB", system.getTotalMemorySize() / (double) (1 << 30)));
        }
        String gpu = gpu();
        if (gpu != null) {
            map.put("gpu", gpu);
        }
        map.put(
                "system",
                System.getProperty("os.name") + " " + System.getProperty("os.version") + ", "
                        + System.getProperty("os.arch"));
        map.put("java", System.getProperty("java.vm.name") + " " + System.getProperty("java.version"));
        return map;
    }

    private static String gpu() {
        if (!Files.isDirectory(GPU_FOLDER)) {
            return null;
        }
        try (Stream<Path> gpus = Files.list(GPU_FOLDER)) {
            return gpus.sorted()
                    .map(folder -> firstValue(folder.resolve("information"), "Model"))
                    .filter(name -> name != null)
                    .reduce((a, b) -> a + ", " + b)
                    .orElse(null);
        } catch (IOException e) {
            return null;
        }
    }

    /** Returns what follows a key and a colon in a file of the system, {@code null} when there is no such thing. */
    private static String firstValue(Path file, String key) {
        try (Stream<String> lines = Files.lines(file, StandardCharsets.ISO_8859_1)) {
            return lines.filter(line -> line.startsWith(key) && line.contains(":"))
                    .map(line -> line.substring(line.indexOf(':') + 1).strip())
                    .findFirst()
                    .orElse(null);
        } catch (IOException | java.io.UncheckedIOException e) {
            return null;
        }
    }
}

package org.segformer3d.eval.inference;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalLong;

/** How much memory this process has used, and how much it may. Read from Linux's {@code /proc} and {@code /sys}. */
public final class ProcessMemory {
    private static final Path STATUS = Path.of("/proc/self/status");
    private static final Path SYSTEM = Path.of("/proc/meminfo");
    private static final Path CGROUP = Path.of("/proc/self/cgroup");
    private static final Path CGROUPS = Path.of("/sys/fs/cgroup");

    private ProcessMemory() {}

    /**
     * Returns the largest resident set the process has had so far, native memory included, in bytes; empty where the system doesn't
     * tell.
     */
    public static OptionalLong peakBytes() {
        return kibibytes(lines(STATUS), "VmHWM:");
    }

    /** Returns the process's resident set, native memory included, in bytes; empty where the system doesn't tell. */
    public static OptionalLong residentBytes() {
        return kibibytes(lines(STATUS), "VmRSS:");
    }

    /**
     * Returns how large the process may become in bytes, what it takes already included: what the machine has available, or what the
     * limits of its control groups (a container's, a batch system's) leave where that is less; empty where the system doesn't tell.
     */
    public static OptionalLong attainableBytes() {
        OptionalLong resident = residentBytes();
        OptionalLong available = kibibytes(lines(SYSTEM), "MemAvailable:");
        if (resident.isEmpty() || available.isEmpty()) {
            return OptionalLong.empty();
        }
        long left = available.getAsLong();
        for (String line : lines(CGROUP)) {
            // ID:controllers:path, the second version's with 0 and no controllers.
            String[] parts = line.split(":", 3);
            if (parts.length == 3 && parts[1].isEmpty()) {
                left = Math.min(left, left(CGROUPS, parts[2], "memory.max", "memory.current", "inactive_file"));
            } else if (parts.length == 3 && List.of(parts[1].split(",")).contains("memory")) {
                left = Math.min(
                        left,
                        left(
                                CGROUPS.resolve("memory"),
                                parts[2],
                                "memory.limit_in_bytes",
                                "memory.usage_in_bytes",
                                "total_inactive_file"));
            }
        }
        return OptionalLong.of(resident.getAsLong() + Math.max(0, left));
    }

    /** Returns what the limits of a control group and those above it leave. */
    static long left(Path root, String group, String limitFile, String usageFile, String reclaimable) {
        long least = Long.MAX_VALUE;
        // Inside a container the path may be the host's, which isn't there; the root is the container's own then.
        Path inside = root.resolve(group.replaceFirst("^/+", "")).normalize();
        for (Path folder = inside; folder != null && folder.startsWith(root); folder = folder.getParent()) {
            OptionalLong limit = number(lines(folder.resolve(limitFile)));
            OptionalLong usage = number(lines(folder.resolve(usageFile)));
            if (limit.isPresent() && usage.isPresent()) {
                long cache = 0;
                for (String line : lines(folder.resolve("memory.stat"))) {
                    if (line.startsWith(reclaimable + " ")) {
                        cache = number(List.of(line.substring(reclaimable.length() + 1)))
                                .orElse(0);
                    }
                }
                least = Math.min(least, limit.getAsLong() - Math.max(0, usage.getAsLong() - cache));
            }
        }
        return least;
    }

    private static OptionalLong kibibytes(List<String> lines, String key) {
        for (String line : lines) {
            if (line.startsWith(key)) {
                OptionalLong value = number(List.of(line.substring(key.length()).replace("kB", "")));
                return value.isPresent() ? OptionalLong.of(value.getAsLong() * 1024) : value;
            }
        }
        return OptionalLong.empty();
    }

    /** Returns the number a file consists of; empty where it is no number, for example {@code max}. */
    private static OptionalLong number(List<String> lines) {
        try {
            return lines.isEmpty()
                    ? OptionalLong.empty()
                    : OptionalLong.of(Long.parseLong(lines.get(0).strip()));
        } catch (NumberFormatException e) {
            return OptionalLong.empty();
        }
    }

    private static List<String> lines(Path file) {
        try {
            return Files.isReadable(file) ? Files.readAllLines(file) : List.of();
        } catch (IOException e) {
            // Only a report or a limit lacks a number then.
            return List.of();
        }
    }
}

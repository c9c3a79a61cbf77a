package org.segformer3d.eval.inference;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;

/** How much memory this process has used. */
public final class ProcessMemory {
    private static final Path STATUS = Path.of("/proc/self/status");
    private static final String PEAK = "VmHWM:";

    private ProcessMemory() {}

    /**
     * Returns the largest resident set the process has had so far, native memory included, in bytes; empty where the system doesn't
     * tell (it is read from Linux's {@code /proc}).
     */
    public static OptionalLong peakBytes() {
        if (!Files.isReadable(STATUS)) {
            return OptionalLong.empty();
        }
        try {
            for (String line : Files.readAllLines(STATUS)) {
                if (line.startsWith(PEAK)) {
                    return OptionalLong.of(Long.parseLong(line.substring(PEAK.length())
                                    .replace("kB", "")
                                    .strip())
                            * 1024);
                }
            }
        } catch (IOException | NumberFormatException e) {
            // Only a report lacks a number then.
            return OptionalLong.empty();
        }
        return OptionalLong.empty();
    }
}

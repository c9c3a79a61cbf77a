package org.segformer3d.backend.libtorch;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.Device;

/** Where computing in bfloat16 or float16 is worth it: on GPUs, and bfloat16 on processors with instructions for it. */
final class ReducedPrecision {
    private static final Path CPU_FLAGS = Path.of("/proc/cpuinfo");
    private static final List<String> BFLOAT16_FLAGS = List.of("avx512_bf16", "amx_bf16");

    private ReducedPrecision() {}

    /** Returns why a backend can't be opened with these options, or nothing where it can. */
    static Optional<String> whyUnavailable(BackendOptions options) {
        return whyUnavailable(options, CPU_FLAGS);
    }

    /** The same with another file of the form of Linux's {@code /proc/cpuinfo}. */
    static Optional<String> whyUnavailable(BackendOptions options, Path cpuFlags) {
        if (!options.isReducedPrecision() || options.device().type() != Device.Type.CPU) {
            return Optional.empty();
        }
        if (options.computeType() == DType.FLOAT16) {
            return Optional.of("float16 is for GPUs; ask for float32, or for bfloat16 where the processor has it");
        }
        return hasBfloat16(cpuFlags)
                ? Optional.empty()
                : Optional.of("this processor has no instructions for bfloat16 (found neither "
                        + String.join(" nor ", BFLOAT16_FLAGS) + " in " + cpuFlags
                        + "), so it would only be slower; ask for float32");
    }

    private static boolean hasBfloat16(Path cpuFlags) {
        try {
            return Files.readAllLines(cpuFlags, StandardCharsets.ISO_8859_1).stream()
                    .filter(line -> line.startsWith("flags"))
                    .flatMap(line -> Arrays.stream(line.split("\\s+")))
                    .anyMatch(BFLOAT16_FLAGS::contains);
        } catch (IOException e) {
            // no Linux: nobody says what the processor has
            return false;
        }
    }
}

package org.segformer3d.backend.onnxruntime;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendException;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.BackendOptions.Implementation;
import org.segformer3d.api.backend.BackendProvider;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.Device;

/** Offers the backend {@code onnxruntime}: ONNX Runtime on the CPU in float32, for prediction. */
public final class OnnxRuntimeProvider implements BackendProvider {
    static final String NAME = "onnxruntime";

    /** Measured with 1.29.0 on Linux: 3967 bytes were well, 4017 ended the process. */
    private static final int LONGEST_COMMAND_LINE = 3900;

    private static final Path COMMAND_LINE = Path.of("/proc/self/cmdline");

    /** Creates the provider; called by {@link java.util.ServiceLoader}. */
    public OnnxRuntimeProvider() {}

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public int rank() {
        return 50;
    }

    @Override
    public String description() {
        return "ONNX Runtime, float32, CPU; a small native library; no training";
    }

    /**
     * Looks for the native library without loading it: a process may hold another backend's natives, and beside those only what is really
     * used is to be loaded.
     */
    @Override
    public Optional<String> whyUnavailable() {
        if (commandLineBytes() > LONGEST_COMMAND_LINE) {
            return Optional.of("ONNX Runtime crashes in processes whose command line is longer than "
                    + LONGEST_COMMAND_LINE + " bytes, found " + commandLineBytes()
                    + "; give the class path by the variable CLASSPATH");
        }
        String library = folder() + System.mapLibraryName("onnxruntime");
        return ai.onnxruntime.OrtEnvironment.class.getResource(library) != null
                ? Optional.empty()
                : Optional.of("com.microsoft.onnxruntime:onnxruntime has no " + library
                        + " for this machine; choose another backend");
    }

    private static int commandLineBytes() {
        try {
            return Files.isReadable(COMMAND_LINE) ? Files.readAllBytes(COMMAND_LINE).length : 0;
        } catch (IOException e) {
            return 0;
        }
    }

    private static String folder() {
        String system = System.getProperty("os.name").toLowerCase(Locale.ROOT);
        String machine = System.getProperty("os.arch").toLowerCase(Locale.ROOT);
        return "/ai/onnxruntime/native/"
                + (system.startsWith("mac") ? "osx" : system.startsWith("win") ? "win" : "linux")
                + (machine.equals("aarch64") || machine.equals("arm64") ? "-aarch64/" : "-x64/");
    }

    @Override
    public List<Device> devices() {
        return whyUnavailable().isEmpty() ? List.of(Device.CPU) : List.of();
    }

    @Override
    public List<DType> computeTypes() {
        return List.of(DType.FLOAT32);
    }

    @Override
    public Backend open(BackendOptions options) {
        Objects.requireNonNull(options, "options");
        whyUnavailable(options.device()).ifPresent(reason -> {
            throw new BackendException(reason);
        });
        if (options.implementation() == Implementation.FUSED) {
            throw new BackendException(
                    "backend '" + NAME + "' has no fused implementation; ask for auto, plain or folded");
        }
        if (options.computeType() != DType.FLOAT32) {
            throw new BackendException(
                    "backend '" + NAME + "' computes in float32 only, found " + options.computeType());
        }
        int threads = options.threads() == 0 ? Runtime.getRuntime().availableProcessors() : options.threads();
        return new OnnxRuntimeBackend(options.withThreads(threads));
    }
}

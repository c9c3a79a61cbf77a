package org.segformer3d.cli.option;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendException;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.BackendOptions.Implementation;
import org.segformer3d.api.backend.BackendProvider;
import org.segformer3d.api.backend.Backends;
import org.segformer3d.api.backend.Need;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.Device;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.Spec.Target;
import picocli.CommandLine.TypeConversionException;

/** Which backend computes, and how. */
public final class BackendSelection {
    @Spec(Target.MIXEE)
    private CommandSpec spec;

    @Option(
            names = "--backend",
            paramLabel = "NAME",
            description =
                    "Backend, for example native, libtorch or reference (default: $SEGFORMER3D_BACKEND, else the best one here).")
    private Optional<String> backend = Optional.empty();

    @Option(
            names = "--device",
            paramLabel = "DEVICE",
            converter = DeviceConverter.class,
            description = "cpu, cuda or cuda:N (default: cpu).")
    private Optional<Device> device = Optional.empty();

    private int threads;

    @Option(
            names = "--precision",
            paramLabel = "TYPE",
            converter = PrecisionConverter.class,
            description =
                    "float32 or float64; for prediction also bfloat16 or float16, where the device has them (default: float32).")
    private Optional<DType> precision = Optional.empty();

    @Option(
            names = "--implementation",
            paramLabel = "FORM",
            converter = ImplementationConverter.class,
            description =
                    "Form of the network: auto, plain (the paper's operations one by one), folded (those with the constant ones"
                            + " folded) or fused (default: auto).")
    private Optional<Implementation> implementation = Optional.empty();

    @Option(
            names = "--threads",
            paramLabel = "N",
            description = "Threads that compute on the CPU (default: as many as there are processors).")
    void setThreads(int value) {
        if (value < 1) {
            throw new ParameterException(
                    spec.commandLine(),
                    "Invalid value for option '--threads': found " + value + ", expected 1 or more");
        }
        threads = value;
    }

    /**
     * Returns what was given as assignments that an experiment takes.
     *
     * @throws ParameterException when {@code --backend} names none
     */
    public List<String> overrides() {
        List<String> assignments = new ArrayList<>();
        named().ifPresent(provider -> assignments.add("backend.name='" + provider.name() + "'"));
        device.ifPresent(d -> assignments.add("backend.device='" + d + "'"));
        precision.ifPresent(
                type -> assignments.add("backend.precision=" + type.name().toLowerCase(Locale.ROOT)));
        implementation.ifPresent(form -> assignments.add("backend.implementation=" + form));
        if (threads > 0) {
            assignments.add("backend.threads=" + threads);
        }
        return assignments;
    }

    /** Returns the options for opening the backend. */
    public BackendOptions options() {
        BackendOptions options = BackendOptions.defaults()
                .withThreads(threads)
                .in(precision.orElse(DType.FLOAT32))
                .with(implementation.orElse(Implementation.AUTO));
        return options.on(device.orElse(Device.CPU));
    }

    /** Returns the named provider; empty when none is named. */
    private Optional<BackendProvider> named() {
        try {
            return backend.map(Backends::provider);
        } catch (BackendException e) {
            throw new ParameterException(spec.commandLine(), e.getMessage(), e);
        }
    }

    /**
     * Opens the named backend, else the best one for a purpose, which is told where a better one can't do what is wanted; the caller
     * closes it.
     *
     * @throws ParameterException when {@code --backend} names none
     * @throws BackendException when no backend can be used here
     */
    public Backend open(Need need) {
        Optional<BackendProvider> named = named();
        if (named.isPresent()) {
            return named.get().open(options());
        }
        Backends.Choice choice = Backends.choose(Optional.empty(), options(), need);
        choice.passedOver().forEach(line -> spec.commandLine().getErr().println("segformer3d: " + line));
        return choice.provider().open(options());
    }

    /** Reads a device. */
    public static final class DeviceConverter implements ITypeConverter<Device> {
        @Override
        public Device convert(String text) {
            try {
                return Device.parse(text);
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException(e.getMessage());
            }
        }
    }

    /** Reads a form of the network. */
    static final class ImplementationConverter implements ITypeConverter<Implementation> {
        @Override
        public Implementation convert(String text) {
            try {
                return Implementation.parse(text);
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException(e.getMessage());
            }
        }
    }

    /** Reads a compute type. */
    static final class PrecisionConverter implements ITypeConverter<DType> {
        @Override
        public DType convert(String text) {
            return switch (text) {
                case "float32" -> DType.FLOAT32;
                case "float64" -> DType.FLOAT64;
                case "bfloat16" -> DType.BFLOAT16;
                case "float16" -> DType.FLOAT16;
                default ->
                    throw new TypeConversionException(
                            "found '" + text + "', expected float32, float64, bfloat16 or float16");
            };
        }
    }
}

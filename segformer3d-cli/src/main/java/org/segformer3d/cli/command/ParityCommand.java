package org.segformer3d.cli.command;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.segformer3d.api.tensor.Device;
import org.segformer3d.cli.option.BackendSelection.DeviceConverter;
import org.segformer3d.train.parity.Parity;
import org.segformer3d.train.parity.ParityOptions;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Compares this build on this machine with reference values. */
@Command(
        name = "parity",
        description =
                "Compare this build on this machine with reference files: one tab-separated line per case (name, backend,"
                        + " largest relative difference, tolerance, ok, FAIL or skipped). Exits with 1 when a case fails or none ran.")
public final class ParityCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Parameters(paramLabel = "DIR", description = "Folder with models/ and pipeline/ (either may be missing).")
    private Path folder;

    @Option(
            names = "--backend",
            paramLabel = "NAME",
            description = "Check this backend only; may be repeated (default: all that are here).")
    private List<String> backends = new ArrayList<>();

    @Option(
            names = "--device",
            paramLabel = "DEVICE",
            converter = DeviceConverter.class,
            defaultValue = "cpu",
            description = "cpu, cuda or cuda:N (default: ${DEFAULT-VALUE}).")
    private Device device;

    @Option(
            names = "--threads",
            paramLabel = "N",
            defaultValue = "0",
            description = "Threads (default: the processors).")
    private int threads;

    @Option(
            names = "--only",
            paramLabel = "TEXT",
            defaultValue = "",
            description = "Only cases whose name contains this.")
    private String only;

    @Override
    public Integer call() throws IOException {
        PrintWriter out = spec.commandLine().getOut();
        Parity.Summary summary = Parity.run(folder, new ParityOptions(backends, device, threads, only), line -> {
            out.println(line.text());
            out.flush();
        });
        spec.commandLine()
                .getErr()
                .println(summary.ok() + " ok, " + summary.failed() + " failed, " + summary.skipped() + " skipped");
        return summary.passed() ? 0 : 1;
    }
}

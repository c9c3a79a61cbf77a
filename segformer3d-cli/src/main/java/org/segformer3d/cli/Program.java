package org.segformer3d.cli;

import java.io.PrintWriter;
import java.nio.file.Path;
import org.segformer3d.cli.command.BundleCommand;
import org.segformer3d.cli.command.CheckCommand;
import org.segformer3d.cli.command.ConvertCommand;
import org.segformer3d.cli.command.CrossValidateCommand;
import org.segformer3d.cli.command.DemoCommand;
import org.segformer3d.cli.command.DicomCommand;
import org.segformer3d.cli.command.DoctorCommand;
import org.segformer3d.cli.command.EvaluateCommand;
import org.segformer3d.cli.command.ExportCommand;
import org.segformer3d.cli.command.ForwardCommand;
import org.segformer3d.cli.command.ParityCommand;
import org.segformer3d.cli.command.PlanCommand;
import org.segformer3d.cli.command.PostprocessCommand;
import org.segformer3d.cli.command.PredictCommand;
import org.segformer3d.cli.command.PreprocessCommand;
import org.segformer3d.cli.command.ProfileCommand;
import org.segformer3d.cli.command.ServeCommand;
import org.segformer3d.cli.command.SplitCommand;
import org.segformer3d.cli.command.TrainCommand;
import org.segformer3d.cli.command.ViewCommand;
import org.segformer3d.data.io.HomeFolder;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.HelpCommand;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;

/** The top command: holds the subcommands and turns what they throw into one line and an exit code. */
@Command(
        name = "segformer3d",
        description = "3D medical image segmentation around SegFormer3D.",
        versionProvider = Version.class,
        mixinStandardHelpOptions = true,
        scope = ScopeType.INHERIT,
        synopsisSubcommandLabel = "COMMAND",
        sortOptions = false,
        usageHelpAutoWidth = true,
        footer = {
            "",
            "Exit codes: 0 done, 1 failed, 2 wrong use (command line or configuration).",
            "Environment: SEGFORMER3D_BACKEND (backend when none is named), SEGFORMER3D_JAVA_OPTS (for example -Xmx8g)."
        },
        subcommands = {
            DemoCommand.class,
            TrainCommand.class,
            CrossValidateCommand.class,
            PredictCommand.class,
            PostprocessCommand.class,
            EvaluateCommand.class,
            ServeCommand.class,
            BundleCommand.class,
            ForwardCommand.class,
            ConvertCommand.class,
            ExportCommand.class,
            CheckCommand.class,
            PlanCommand.class,
            PreprocessCommand.class,
            ViewCommand.class,
            SplitCommand.class,
            DicomCommand.class,
            ProfileCommand.class,
            ParityCommand.class,
            DoctorCommand.class,
            HelpCommand.class
        })
public final class Program implements Runnable {
    @Spec
    private CommandSpec spec;

    @Option(names = "--verbose", scope = ScopeType.INHERIT, description = "Print the stack trace when something fails.")
    private boolean verbose;

    private Program() {}

    /**
     * Runs one command.
     *
     * @param out where results go
     * @param err where messages go
     * @param arguments subcommand, options and parameters
     * @return 0 done, 1 failed, 2 wrong use
     */
    public static int run(PrintWriter out, PrintWriter err, String... arguments) {
        CommandLine line = commandLine().setOut(out).setErr(err);
        Program program = line.getCommand();
        line.setParameterExceptionHandler((exception, args) -> Failures.report(exception, program.verbose))
                .setExecutionExceptionHandler(
                        (exception, command, result) -> Failures.report(exception, err, program.verbose));
        try {
            return line.execute(arguments);
        } catch (OutOfMemoryError | StackOverflowError | LinkageError e) {
            // Not an Exception, so picocli passes it on.
            return Failures.report(e, err, program.verbose);
        }
    }

    /** Returns the commands and their options. */
    static CommandLine commandLine() {
        return new CommandLine(new Program())
                .setCaseInsensitiveEnumValuesAllowed(true)
                .registerConverter(Path.class, HomeFolder::expand);
    }

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "Missing required subcommand");
    }
}

package org.segformer3d.cli.command;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.segformer3d.cli.console.Progress;
import org.segformer3d.data.planning.Plan;
import org.segformer3d.eval.result.Json;
import org.segformer3d.train.config.ExperimentConfig;
import org.segformer3d.train.config.PlanFile;
import org.segformer3d.train.run.Planning;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Makes the plan of a data set. */
@Command(
        name = "plan",
        description =
                "Look at an experiment's training cases and plan how they are prepared: axes, target spacing, resampling,"
                        + " normalisation, patch and batch. Prints the plan; edit it and name it in dataset_parameters.plan.")
public final class PlanCommand implements Callable<Integer> {
    private static final double GIB = 1L << 30;

    @Spec
    private CommandSpec spec;

    @Option(names = "--config", paramLabel = "FILE", required = true, description = "The experiment, in YAML.")
    private Path config;

    @Option(
            names = "--set",
            paramLabel = "KEY=VALUE",
            description = "Use another value for a key, for example dataset_parameters.root=DIR; may be repeated.")
    private List<String> assignments = new ArrayList<>();

    @Option(
            names = "--skip-incomplete",
            description =
                    "Leave cases out, naming them, that lack a file; the same as --set dataset_parameters.skip_incomplete=true.")
    private boolean skipIncomplete;

    @Option(
            names = "--memory",
            paramLabel = "GIB",
            description =
                    "Memory that a training step may take, in GiB (default: the experiment's dataset_parameters.plan_memory).")
    private Optional<Double> memory = Optional.empty();

    @Option(
            names = "--output",
            paramLabel = "FILE",
            description = "Write the plan to this file, in YAML, instead of printing it.")
    private Optional<Path> output = Optional.empty();

    @Option(names = "--quiet", description = "Show no progress.")
    private boolean quiet;

    @Option(names = "--json", description = "Print the plan as JSON.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        if (memory.isPresent() && !(memory.get() > 0 && memory.get() < 1e6)) {
            throw new ParameterException(
                    spec.commandLine(),
                    "Invalid value for option '--memory': found " + memory.get()
                            + ", expected a positive number of GiB");
        }
        List<String> changes = new ArrayList<>(assignments);
        if (skipIncomplete) {
            changes.add("dataset_parameters.skip_incomplete=true");
        }
        ExperimentConfig experiment = ExperimentConfig.read(config).withOverrides(changes);
        long bytes = memory.map(gib -> (long) (gib * GIB))
                .orElse(experiment.dataset().planMemory());
        PrintWriter err = spec.commandLine().getErr();
        Plan plan;
        try (Progress progress = Progress.start(
                quiet ? Progress.Kind.NONE : Progress.Kind.detect(),
                err,
                "looking at cases",
                Planning.cases(experiment))) {
            plan = Planning.make(experiment, bytes, done -> progress.at(done, ""));
        }
        PrintWriter out = spec.commandLine().getOut();
        if (output.isPresent()) {
            PlanFile.write(output.get(), plan);
        }
        if (json) {
            out.print(Json.pretty(plan.toMap()));
        } else if (output.isEmpty()) {
            out.print(PlanFile.toYaml(plan));
        } else {
            out.println(output.get());
        }
        return 0;
    }
}

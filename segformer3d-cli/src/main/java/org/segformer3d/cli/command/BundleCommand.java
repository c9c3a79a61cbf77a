package org.segformer3d.cli.command;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.api.weights.StateDictMismatchException;
import org.segformer3d.api.weights.WeightInitializer;
import org.segformer3d.cli.option.ModelSource;
import org.segformer3d.data.weights.WeightFiles;
import org.segformer3d.eval.bundle.ModelBundle;
import org.segformer3d.eval.result.Json;
import org.segformer3d.eval.result.Provenance;
import org.segformer3d.train.config.ExperimentConfig;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Makes a model bundle. */
@Command(
        name = "bundle",
        description = "Make a model bundle from an experiment file and weights, so that predict needs nothing else.")
public final class BundleCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Option(names = "--config", paramLabel = "FILE", required = true, description = "The experiment, in YAML.")
    private Path config;

    @Option(
            names = "--weights",
            paramLabel = "PATH",
            description = "Weights: .safetensors, .pt, .pth, .bin or a checkpoint folder.")
    private Optional<Path> weights = Optional.empty();

    @Option(names = "--random", paramLabel = "SEED", description = "Random weights instead, for trying things out.")
    private Optional<Long> random = Optional.empty();

    @Option(
            names = "--output",
            paramLabel = "PATH",
            required = true,
            description =
                    "Folder to write, or a zip file where the name ends in .zip; an older bundle there is replaced.")
    private Path output;

    @Option(names = "--json", description = "Print what was written as JSON.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        if (weights.isPresent() == random.isPresent()) {
            throw new ParameterException(spec.commandLine(), "expected either --weights PATH or --random SEED");
        }
        ExperimentConfig experiment = ExperimentConfig.read(config);
        Map<String, Object> provenance = new LinkedHashMap<>(Provenance.ofSoftware());
        StateDict stateDict;
        if (weights.isPresent()) {
            stateDict = WeightFiles.read(weights.get(), experiment.network());
            provenance.put("origin", "weights " + weights.get() + " with experiment " + config);
        } else {
            stateDict = WeightInitializer.initialize(experiment.network().parameters(), random.get());
            provenance.put("origin", "random weights, not trained");
            provenance.put("seed", random.get());
        }
        ModelBundle bundle;
        try {
            bundle = ModelSource.bundle(experiment, stateDict, provenance);
        } catch (StateDictMismatchException e) {
            throw e.in(weights.orElseThrow());
        }
        bundle.write(output);
        String hash = stateDict.hash();
        if (json) {
            Map<String, Object> report = new LinkedHashMap<>();
            report.put("output", output.toString());
            report.put("name", bundle.name());
            report.put("labels", bundle.labels().names());
            report.put("weights_hash", hash);
            spec.commandLine().getOut().print(Json.pretty(report));
        } else {
            spec.commandLine()
                    .getOut()
                    .println(output + ": bundle '" + bundle.name() + "', labels "
                            + bundle.labels().names() + ", weights hash " + hash);
        }
        return 0;
    }
}

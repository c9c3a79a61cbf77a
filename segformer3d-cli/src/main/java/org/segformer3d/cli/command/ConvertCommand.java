package org.segformer3d.cli.command;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.cli.console.Quantity;
import org.segformer3d.cli.option.ModelConfigFile;
import org.segformer3d.cli.option.Outputs;
import org.segformer3d.data.weights.WeightFiles;
import org.segformer3d.eval.result.Json;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Writes weights in another format. */
@Command(
        name = "convert",
        description = "Read weights in any supported format and write them as safetensors or as a file for PyTorch.")
public final class ConvertCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Parameters(
            paramLabel = "WEIGHTS",
            description =
                    "Weights: .safetensors, .pt, .pth, .bin, an index of shards (.index.json) or a checkpoint folder.")
    private Path weights;

    @Option(
            names = "--to",
            paramLabel = "FILE",
            required = true,
            description = "File to write: .safetensors, or .pt for torch.load(weights_only=True).")
    private Path to;

    @Option(
            names = "--config",
            paramLabel = "FILE",
            description = "Check first that the weights fit this experiment or these model parameters.")
    private Optional<Path> config = Optional.empty();

    @Option(names = "--json", description = "Print what was written as JSON.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        Outputs.checkFile(to, List.of(weights));
        StateDict stateDict = WeightFiles.read(weights);
        if (config.isPresent()) {
            stateDict.require(ModelConfigFile.read(config.get()).network().parameters());
        }
        WeightFiles.write(stateDict, to);
        String hash = stateDict.hash();
        if (json) {
            Map<String, Object> report = new LinkedHashMap<>();
            report.put("output", to.toString());
            report.put("entries", stateDict.tensors().size());
            report.put("elements", stateDict.elements());
            report.put("weights_sha256", hash);
            spec.commandLine().getOut().print(Json.pretty(report));
        } else {
            spec.commandLine()
                    .getOut()
                    .println(to + ": " + stateDict.tensors().size() + " entries, "
                            + Quantity.count(stateDict.elements()) + " elements, weights hash " + hash);
        }
        return 0;
    }
}

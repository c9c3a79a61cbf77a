package org.segformer3d.cli.command;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.Need;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.network.Network;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.api.weights.StateDictMismatchException;
import org.segformer3d.cli.console.Quantity;
import org.segformer3d.cli.option.BackendSelection;
import org.segformer3d.cli.option.ModelConfigFile;
import org.segformer3d.cli.option.Outputs;
import org.segformer3d.data.io.CorruptFileException;
import org.segformer3d.data.io.FileFormatException;
import org.segformer3d.data.io.UnsupportedFileException;
import org.segformer3d.data.weights.Safetensors;
import org.segformer3d.data.weights.TensorFile;
import org.segformer3d.data.weights.WeightFiles;
import org.segformer3d.eval.result.Json;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Runs the network on a tensor. */
@Command(
        name = "forward",
        description =
                "Run the network on the tensor 'input' (B,C,D,H,W) of a safetensors file and write 'logits' (B,K,D,H,W).")
public final class ForwardCommand implements Callable<Integer> {
    private static final String INPUT = "input";
    private static final String LOGITS = "logits";

    @Spec
    private CommandSpec spec;

    @Option(
            names = "--config",
            paramLabel = "FILE",
            required = true,
            description = "Experiment (YAML) or model parameters (YAML, JSON).")
    private Path config;

    @Option(
            names = "--weights",
            paramLabel = "PATH",
            required = true,
            description = "Weights: .safetensors, .pt, .pth, .bin or a checkpoint folder.")
    private Path weights;

    @Option(names = "--input", paramLabel = "FILE", required = true, description = "File with the tensor 'input'.")
    private Path input;

    @Option(names = "--output", paramLabel = "FILE", required = true, description = "File to write, .safetensors.")
    private Path output;

    @Option(names = "--stages", description = "Also write the encoder's feature maps as 'stage1' … 'stage4'.")
    private boolean stages;

    @Option(names = "--json", description = "Print what was done as JSON.")
    private boolean json;

    @Mixin
    private BackendSelection selection;

    @Override
    public Integer call() throws IOException {
        if (!output.toString().endsWith(".safetensors")) {
            throw new ParameterException(
                    spec.commandLine(),
                    "Invalid value for option '--output': found '" + output
                            + "', expected a name that ends in .safetensors");
        }
        Network architecture = ModelConfigFile.read(config).network();
        Outputs.checkFile(output, List.of(input, weights, config));
        HostTensor tensor = read(architecture);
        StateDict stateDict = WeightFiles.read(weights, architecture);
        Map<String, HostTensor> results = new LinkedHashMap<>();
        Map<String, Object> report = new LinkedHashMap<>();
        long nanos;
        try (Backend backend = selection.open(Need.prediction(architecture));
                SegmentationModel network = backend.load(architecture, stateDict);
                Scope scope = backend.newScope()) {
            long start = System.nanoTime();
            Tensor x = scope.tensor(tensor);
            HostTensor logits = network.forward(scope, x).toHost();
            nanos = System.nanoTime() - start;
            results.put(
                    LOGITS,
                    isForSlices(architecture)
                            ? logits.reshape(logits.size(0), logits.size(1), logits.size(3), logits.size(4))
                            : logits);
            if (stages) {
                List<Tensor> features = network.encode(scope, x);
                for (int stage = 0; stage < features.size(); stage++) {
                    results.put("stage" + (stage + 1), features.get(stage).toHost());
                }
            }
            report.put("backend", backend.name());
            report.put("device", backend.device().toString());
            report.put("implementation", network.implementation());
            report.put("threads", backend.options().threads());
        } catch (StateDictMismatchException e) {
            throw e.in(weights);
        }
        Safetensors.write(output, results);
        if (json) {
            report.put("milliseconds", nanos / 1e6);
            Map<String, Object> written = new LinkedHashMap<>();
            results.forEach((name, result) -> written.put(name, result.shape()));
            report.put("tensors", written);
            report.put("output", output.toString());
            spec.commandLine().getOut().print(Json.pretty(report));
        } else {
            results.forEach((name, result) -> spec.commandLine().getOut().println(name + "  " + result));
            spec.commandLine()
                    .getOut()
                    .println(output + " written; " + report.get("backend") + " (" + report.get("implementation")
                            + ") on " + report.get("device") + " took " + Quantity.duration(Duration.ofNanos(nanos)));
        }
        return 0;
    }

    private HostTensor read(Network network) throws IOException {
        TensorFile file = Safetensors.read(input);
        HostTensor tensor = file.tensors().get(INPUT);
        if (tensor == null) {
            throw new UnsupportedFileException(
                    input,
                    "has no tensor '" + INPUT + "'; its tensors are "
                            + file.tensors().keySet());
        }
        if (tensor.rank() == 4 && isForSlices(network)) {
            tensor = tensor.reshape(tensor.size(0), tensor.size(1), 1, tensor.size(2), tensor.size(3));
        }
        if (tensor.rank() != 5 || tensor.elements() == 0 || tensor.size(1) != network.inChannels()) {
            throw unfit(tensor, network);
        }
        return tensor;
    }

    /** Returns whether the network takes volumes of depth one only; for it a slice (B,C,H,W) does as well. */
    private static boolean isForSlices(Network network) {
        return network.inputRule().exact().filter(size -> size.depth() == 1).isPresent();
    }

    private FileFormatException unfit(HostTensor tensor, Network network) {
        return new CorruptFileException(
                input,
                "found '" + INPUT + "' of shape " + Shapes.text(tensor.shape()) + ", expected (B,"
                        + network.inChannels() + ",D,H,W) because in_channels is " + network.inChannels());
    }
}

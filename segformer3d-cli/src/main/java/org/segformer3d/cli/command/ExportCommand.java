package org.segformer3d.cli.command;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.export.NetworkExport;
import org.segformer3d.api.export.NetworkExporter;
import org.segformer3d.api.export.NetworkExporters;
import org.segformer3d.cli.console.Quantity;
import org.segformer3d.cli.option.ModelSource;
import org.segformer3d.cli.option.Outputs;
import org.segformer3d.data.io.AtomicFiles;
import org.segformer3d.eval.bundle.ModelBundle;
import org.segformer3d.eval.result.Json;
import org.segformer3d.eval.result.Provenance;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/** Writes a network for runtimes outside the JVM. */
@Command(
        name = "export",
        description =
                "Write the network as an ONNX or TorchScript file that takes inputs of any size; see docs/export.md for what goes"
                        + " around it.")
public final class ExportCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Mixin
    private ModelSource source;

    @Option(
            names = "--format",
            paramLabel = "FORMAT",
            required = true,
            converter = FormatConverter.class,
            description = "onnx (ONNX Runtime, OpenVINO, …) or torchscript (PyTorch without this software).")
    private NetworkExporter exporter;

    /** The forms of a network. */
    enum Form {
        /** The paper's operations. */
        PLAIN,
        /** Fewer operations with other weights and the same logits up to rounding. */
        FOLDED;

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    @Option(
            names = "--form",
            paramLabel = "FORM",
            defaultValue = "plain",
            description =
                    "plain: the operations of the paper, the weights under their own names; folded: fewer operations with other weights"
                            + " and the same logits up to rounding (default: ${DEFAULT-VALUE}).")
    private Form form;

    @Option(names = "--output", paramLabel = "FILE", required = true, description = "File to write.")
    private Path output;

    @Option(names = "--json", description = "Print what was written as JSON.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        Outputs.checkFile(output, List.of());
        ModelBundle bundle = source.read();
        NetworkExport plain = new NetworkExport(
                bundle.network(),
                Optional.of(bundle.inference().roi()),
                bundle.weights(),
                Provenance.version(),
                metadata(bundle));
        NetworkExport network = form == Form.FOLDED ? plain.folded() : plain;
        AtomicFiles.write(output, out -> exporter.write(network, out));
        long bytes = Files.size(output);
        if (json) {
            Map<String, Object> map = new LinkedHashMap<>();
            map.put("output", output.toString());
            map.put("format", exporter.format());
            map.put("bytes", bytes);
            map.put("input", NetworkExporter.INPUT);
            map.put("output_name", NetworkExporter.LOGITS);
            map.put("weights_hash", bundle.weights().hash());
            spec.commandLine().getOut().print(Json.pretty(map));
        } else {
            spec.commandLine()
                    .getOut()
                    .println(output + ": " + Quantity.bytes(bytes) + ", " + NetworkExporter.INPUT + " (batch, "
                            + bundle.network().inChannels() + ", depth, height, width) to " + NetworkExporter.LOGITS
                            + " (batch, " + bundle.network().numClasses() + ", depth, height, width)");
        }
        return 0;
    }

    /** What a user of the file has to know and do around the network. */
    private static Map<String, String> metadata(ModelBundle bundle) {
        Map<String, String> map = new LinkedHashMap<>();
        map.put("name", bundle.name());
        map.put("model_parameters", Json.pretty(bundle.network().toMap()).strip());
        map.put("preprocessing", Json.pretty(bundle.preprocessing().toMap()).strip());
        map.put("labels", Json.pretty(bundle.labels().toMap()).strip());
        map.put("inference", Json.pretty(bundle.inference().toMap()).strip());
        map.put("weights_hash", bundle.weights().hash());
        map.put("notice", "Not a medical device: results must not be used for diagnosis or treatment.");
        return map;
    }

    /** Reads a format. */
    static final class FormatConverter implements ITypeConverter<NetworkExporter> {
        @Override
        public NetworkExporter convert(String text) {
            try {
                return NetworkExporters.of(text);
            } catch (ConfigException e) {
                throw new TypeConversionException(e.getMessage());
            }
        }
    }
}

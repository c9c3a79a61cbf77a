package org.segformer3d.cli.command;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.InputGeometry;
import org.segformer3d.api.network.Network;
import org.segformer3d.api.network.SegFormer3DNetwork;
import org.segformer3d.api.profile.ModelProfile;
import org.segformer3d.cli.console.Quantity;
import org.segformer3d.cli.console.Table;
import org.segformer3d.cli.option.GridConverter;
import org.segformer3d.cli.option.ModelConfigFile;
import org.segformer3d.eval.result.Json;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Prints parameters and multiply-accumulates of every layer. */
@Command(
        name = "profile",
        description = "Print parameters and multiply-accumulates of every layer, counted on shapes; nothing is run.")
public final class ProfileCommand implements Callable<Integer> {
    private static final Grid PAPER_INPUT = new Grid(128, 128, 128);

    @Spec
    private CommandSpec spec;

    @Option(
            names = "--config",
            paramLabel = "FILE",
            description = "Experiment (YAML) or model parameters (YAML, JSON); default: the published model.")
    private Optional<Path> config = Optional.empty();

    @Option(
            names = "--input-size",
            paramLabel = "D,H,W",
            converter = GridConverter.class,
            description =
                    "Spatial size of the input (default: the sliding window of the configuration, else 128,128,128).")
    private Optional<Grid> inputSize = Optional.empty();

    @Option(names = "--json", description = "Print JSON.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        Network network = SegFormer3DNetwork.of(SegFormer3DConfig.defaults());
        Grid input = PAPER_INPUT;
        if (config.isPresent()) {
            ModelConfigFile file = ModelConfigFile.read(config.get());
            network = file.network();
            input = file.region().orElse(input);
        }
        ModelProfile profile = ModelProfile.of(network, inputSize.orElse(input));
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            out.print(Json.pretty(map(profile)));
        } else {
            print(profile, out);
        }
        return 0;
    }

    private static void print(ModelProfile profile, PrintWriter out) {
        Table table = new Table("layer", "kind", "output", ">parameters", ">buffers", ">MACs");
        for (ModelProfile.Row row : profile.rows()) {
            table.row(
                    row.name(),
                    row.kind(),
                    row.output(),
                    Quantity.count(row.parameters()),
                    Quantity.count(row.buffers()),
                    Quantity.count(row.macs()));
        }
        table.row(
                "total",
                "",
                "",
                Quantity.count(profile.parameters()),
                Quantity.count(profile.buffers()),
                Quantity.count(profile.macs()));
        table.lines().forEach(out::println);
        out.println();
        out.printf(
                Locale.ROOT,
                "This model: %s parameters (%.2f M); %.2f GMAC for one input of %d×%s%s",
                Quantity.count(profile.parameters()),
                profile.parameters() / 1e6,
                profile.macs() / 1e9,
                profile.network().inChannels(),
                profile.input(),
                segformer(profile)
                        .map(network -> InputGeometry.of(network.config(), profile.input()))
                        .filter(InputGeometry::isPadded)
                        .map(geometry -> " (padded to " + geometry.padded() + ")")
                        .orElse(""));
        if (segformer(profile).isPresent()) {
            out.printf(
                    Locale.ROOT,
                    ": encoder %.2f, decoder %.2f.%nThe paper states %.2f M parameters and %.1f GFLOPs for its model at 4×%s.%n",
                    profile.encoderMacs() / 1e9,
                    (profile.macs() - profile.encoderMacs()) / 1e9,
                    ModelProfile.PAPER_MILLION_PARAMETERS,
                    ModelProfile.PAPER_GFLOPS,
                    PAPER_INPUT);
        } else {
            out.println(".");
        }
        out.println(ModelProfile.COUNTING_RULE);
    }

    private static Map<String, Object> map(ModelProfile profile) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("model_name", profile.network().architecture());
        map.put("model_parameters", profile.network().toMap());
        map.put("input", sizes(profile.input()));
        segformer(profile).ifPresent(network -> {
            InputGeometry geometry = InputGeometry.of(network.config(), profile.input());
            map.put("padded_input", sizes(geometry.padded()));
            map.put(
                    "stages",
                    geometry.stages().stream().map(ProfileCommand::sizes).toList());
        });
        map.put("parameters", profile.parameters());
        map.put("buffers", profile.buffers());
        map.put("macs", profile.macs());
        if (segformer(profile).isPresent()) {
            map.put("encoder_macs", profile.encoderMacs());
            map.put("decoder_macs", profile.macs() - profile.encoderMacs());
            map.put(
                    "paper",
                    Map.of(
                            "million_parameters", ModelProfile.PAPER_MILLION_PARAMETERS,
                            "gflops", ModelProfile.PAPER_GFLOPS,
                            "input", sizes(PAPER_INPUT)));
        }
        map.put("counting_rule", ModelProfile.COUNTING_RULE);
        List<Map<String, Object>> layers = new ArrayList<>();
        for (ModelProfile.Row row : profile.rows()) {
            Map<String, Object> layer = new LinkedHashMap<>();
            layer.put("name", row.name());
            layer.put("kind", row.kind());
            layer.put("output", row.output());
            layer.put("parameters", row.parameters());
            layer.put("buffers", row.buffers());
            layer.put("macs", row.macs());
            layers.add(layer);
        }
        map.put("layers", layers);
        return map;
    }

    /** Returns the network where it is what the paper's numbers are about. */
    private static Optional<SegFormer3DNetwork> segformer(ModelProfile profile) {
        return profile.network() instanceof SegFormer3DNetwork network ? Optional.of(network) : Optional.empty();
    }

    private static List<Integer> sizes(Grid grid) {
        return List.of(grid.depth(), grid.height(), grid.width());
    }
}

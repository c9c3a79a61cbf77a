package org.segformer3d.api.profile;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.network.Network;
import org.segformer3d.api.ops.CountingOps;
import org.segformer3d.api.ops.Pass;

/**
 * Parameters and multiply-accumulates of every part of a network, counted by running it on shapes: nothing is computed.
 *
 * @param network what is profiled
 * @param input spatial size of the input
 * @param rows one per part in the order of computation
 */
public record ModelProfile(Network network, Grid input, List<Row> rows) {
    /** Parameters that the paper's abstract states, in millions. */
    public static final double PAPER_MILLION_PARAMETERS = 4.51;

    /** What the paper states as GFLOPs for 4×128×128×128. */
    public static final double PAPER_GFLOPS = 17.5;

    /** How this profile counts, for printing beside the numbers. */
    public static final String COUNTING_RULE =
            "Parameters: trained weights (running statistics excluded). MACs: products of Linear, Conv3d and the two "
                    + "attention products for a batch of one (1 MAC = 1 multiply + 1 add); norms, activations, softmax, sums and resizing "
                    + "not counted.";

    /**
     * One block.
     *
     * @param name prefix of its parameters without the final dot
     * @param kind its kind, as configuration key
     * @param output shape of its output for a batch of one, for example {@code 32×32×32×32}
     * @param parameters trained parameters
     * @param buffers elements that aren't trained
     * @param macs multiply-accumulates for a batch of one
     */
    public record Row(String name, String kind, String output, long parameters, long buffers, long macs) {}

    /**
     * Returns the profile of a network.
     *
     * @param input spatial size of the input
     * @throws IllegalArgumentException when the network doesn't take that size; the message says which it takes
     */
    public static ModelProfile of(Network network, Grid input) {
        network.inputRule().check(network.architecture(), input);
        List<Network.Part> parts = network.parts(input);
        Map<String, ParameterSpec> parameters = new HashMap<>();
        Map<Network.Part, long[]> counts = new LinkedHashMap<>();
        parts.forEach(part -> counts.put(part, new long[3]));
        for (ParameterSpec parameter : network.parameters()) {
            parameters.put(parameter.name(), parameter);
            counts.get(part(parts, parameter.name()))[parameter.role().isTrained() ? 0 : 1] += parameter.elements();
        }
        Attribution attribution = new Attribution();
        network.forward(
                attribution.ops,
                new BlockParameters(name -> {
                    ParameterSpec parameter = parameters.get(name);
                    if (parameter == null) {
                        return null;
                    }
                    attribution.to(counts.get(part(parts, name)));
                    return CountingOps.shaped(parameter.dims());
                }),
                CountingOps.shaped(1, network.inChannels(), input.depth(), input.height(), input.width()));
        attribution.to(null);
        List<Row> rows = new ArrayList<>();
        counts.forEach((part, count) ->
                rows.add(new Row(part.name(), part.kind(), part.output(), count[0], count[1], count[2])));
        return new ModelProfile(network, input, List.copyOf(rows));
    }

    /** Products belong to the part whose weight was asked for last: a layer asks for its weights just before it uses them. */
    private static final class Attribution {
        private final CountingOps ops = new CountingOps(Pass.INFERENCE);
        private CountingOps.Macs before = ops.macs();
        private long[] current;

        void to(long[] next) {
            CountingOps.Macs now = ops.macs();
            if (current != null) {
                current[2] += now.since(before).total();
            }
            before = now;
            current = next;
        }
    }

    private static Network.Part part(List<Network.Part> parts, String parameter) {
        return parts.stream()
                .filter(part -> parameter.startsWith(part.name() + ".") || parameter.equals(part.name()))
                .max(Comparator.comparingInt(part -> part.name().length()))
                .orElseThrow(() -> new IllegalStateException(parameter + " belongs to no part of its network"));
    }

    /** Returns the number of trained parameters. */
    public long parameters() {
        return rows.stream().mapToLong(Row::parameters).sum();
    }

    /** Returns the number of elements in buffers (running statistics and batch counters). */
    public long buffers() {
        return rows.stream().mapToLong(Row::buffers).sum();
    }

    /** Returns the multiply-accumulates for a batch of one. */
    public long macs() {
        return rows.stream().mapToLong(Row::macs).sum();
    }

    /** Returns the encoder's multiply-accumulates for a batch of one. */
    public long encoderMacs() {
        return rows.stream()
                .filter(row -> !row.kind().equals("decoder"))
                .mapToLong(Row::macs)
                .sum();
    }
}

package org.segformer3d.api.profile;

import java.util.ArrayList;
import java.util.List;
import org.segformer3d.api.block.BlockSpec;
import org.segformer3d.api.block.BlockSpec.DecoderSpec;
import org.segformer3d.api.block.BlockSpec.PatchEmbeddingSpec;
import org.segformer3d.api.block.BlockSpec.SelfAttentionSpec;
import org.segformer3d.api.block.BlockSpec.TransformerBlockSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.LayerProvider;
import org.segformer3d.api.block.Layers;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.InputGeometry;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.model.ModelLayout.PlacedBlock;

/**
 * Parameters and multiply-accumulates of every block, computed from configuration and input size by arithmetic: nothing is run.
 *
 * @param config the network
 * @param geometry input, padded input and stage grids
 * @param rows one per block in the order of computation
 */
public record ModelProfile(SegFormer3DConfig config, InputGeometry geometry, List<Row> rows) {
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

    /** Returns the profile of a network whose layers are all the paper's. */
    public static ModelProfile of(SegFormer3DConfig config, Grid input) {
        return of(config, Layers.paper(), input);
    }

    /**
     * Returns the profile of a network.
     *
     * @param layers who supplies each kind of layer
     * @param input spatial size of the input
     */
    public static ModelProfile of(SegFormer3DConfig config, Layers layers, Grid input) {
        InputGeometry geometry = InputGeometry.of(config, input);
        List<Row> rows = new ArrayList<>();
        for (PlacedBlock block : ModelLayout.of(config, layers).blocks()) {
            BlockSpec spec = block.spec();
            LayerProvider provider = layers.of(spec.kind());
            long parameters = 0;
            long buffers = 0;
            for (ParameterSpec parameter : provider.parameters(spec)) {
                if (parameter.role().isTrained()) {
                    parameters += parameter.elements();
                } else {
                    buffers += parameter.elements();
                }
            }
            // The block's parts have rows of their own.
            long macs = spec instanceof TransformerBlockSpec ? 0 : provider.macs(spec, inputGrids(geometry, block));
            rows.add(new Row(
                    block.prefix().substring(0, block.prefix().length() - 1),
                    spec.kind().key(),
                    output(geometry, block),
                    parameters,
                    buffers,
                    macs));
        }
        return new ModelProfile(config, geometry, List.copyOf(rows));
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

    private static List<Grid> inputGrids(InputGeometry geometry, PlacedBlock block) {
        if (block.spec() instanceof DecoderSpec) {
            return geometry.stages();
        }
        if (block.spec() instanceof PatchEmbeddingSpec) {
            return List.of(
                    block.stage() == 0 ? geometry.padded() : geometry.stages().get(block.stage() - 1));
        }
        return List.of(geometry.stages().get(block.stage()));
    }

    private static String output(InputGeometry geometry, PlacedBlock block) {
        if (block.spec() instanceof DecoderSpec decoder) {
            return decoder.classes() + "×" + geometry.input();
        }
        Grid grid = geometry.stages().get(block.stage());
        int width = switch (block.spec().kind()) {
            case PATCH_EMBEDDING -> ((PatchEmbeddingSpec) block.spec()).embedDim();
            case SELF_ATTENTION -> ((SelfAttentionSpec) block.spec()).dim();
            case MIX_FEED_FORWARD -> ((BlockSpec.MixFeedForwardSpec) block.spec()).dim();
            case TRANSFORMER_BLOCK -> ((TransformerBlockSpec) block.spec()).dim();
            default -> ((BlockSpec.StageNormSpec) block.spec()).dim();
        };
        return width + "×" + grid;
    }
}

package org.segformer3d.data.planning;

import java.util.List;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.InputGeometry;
import org.segformer3d.api.network.SegFormer3DNetwork;

/**
 * How much memory a training step takes, by counting what the backward pass needs: an estimate for planning, not a bound.
 *
 * <p>Kept in float32 for each sample: input, target and five maps of logits' size; in each stage the embedding, and for each of its
 * blocks eleven maps of the stage's width, four of the hidden width of its Mix-FFN, the attention matrix twice and keys and values; in
 * the decoder the four projected stages and the three maps of the finest stage's size that fusing makes. Weights count four times: they,
 * their gradients and the optimizer's two moments. Half as much again as the kept maps is added for the gradients and temporary results
 * that live beside them; with that, two patches of 4×96³ come to 1.1 GB, which is what a step was measured to add to the process.
 */
public final class TrainingMemory {
    private static final int FLOAT = 4;
    private static final int MAPS_OF_LOGITS = 5;
    private static final int MAPS_OF_WIDTH = 11;
    private static final int MAPS_OF_HIDDEN = 4;
    private static final int MAPS_FUSED = 3;
    private static final int COPIES_OF_WEIGHTS = 4;
    private static final double WITH_TEMPORARIES = 1.5;

    private TrainingMemory() {}

    /**
     * Returns the bytes of a step.
     *
     * @param config the network
     * @param patch size of the samples
     * @param batch samples in a step, ≥ 1
     */
    public static long bytes(SegFormer3DConfig config, Grid patch, int batch) {
        if (batch < 1) {
            throw new IllegalArgumentException("batch: found " + batch + ", expected at least 1");
        }
        InputGeometry geometry = InputGeometry.of(config, patch);
        double voxels = geometry.padded().tokens();
        double floats = voxels * (config.inChannels() + config.numClasses() * (1.0 + MAPS_OF_LOGITS));
        List<Grid> stages = geometry.stages();
        double finest = stages.get(0).tokens();
        double fused = config.decoderHeadEmbeddingDim();
        for (int stage = 0; stage < stages.size(); stage++) {
            double tokens = stages.get(stage).tokens();
            double width = config.embedDims().get(stage);
            double reduced = tokens / config.srRatios().get(stage).product();
            double block = tokens * width * MAPS_OF_WIDTH
                    + tokens * width * config.mlpRatios().get(stage) * MAPS_OF_HIDDEN
                    + 2 * config.numHeads().get(stage) * tokens * reduced
                    + 4 * reduced * width;
            floats += 2 * tokens * width + config.depths().get(stage) * block + 2 * tokens * fused;
        }
        floats += MAPS_FUSED * finest * fused;
        double weights = SegFormer3DNetwork.of(config).parameters().stream()
                        .filter(parameter -> parameter.role().isTrained())
                        .mapToLong(ParameterSpec::elements)
                        .sum()
                * (double) COPIES_OF_WEIGHTS;
        return (long) (FLOAT * (WITH_TEMPORARIES * floats * batch + weights));
    }
}

package org.segformer3d.api.network;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.segformer3d.api.block.BlockSpec;
import org.segformer3d.api.block.BlockSpec.DecoderSpec;
import org.segformer3d.api.block.BlockSpec.MixFeedForwardSpec;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.weights.StateDict;

/**
 * SegFormer3D's folded form for inference: another network of fewer operations with other weights, whose logits are the same up to
 * rounding.
 *
 * <p>What is constant between two nonlinear steps becomes one product: BatchNorms go into the convolutions before them, and in the decoder
 * Linear, LayerNorm and the 1³ convolution of the concatenation become one product for each stage, at the stage's own resolution, since a
 * 1³ convolution commutes with trilinear resizing. Folding is done in float64. Blocks that a configuration replaces stay as they are.
 */
public final class FoldedSegFormer3D {
    private FoldedSegFormer3D() {}

    /** Returns the folded form of a network: itself where the blocks in question are replaced. */
    public static SegFormer3DNetwork network(SegFormer3DNetwork plain) {
        Layers layers = plain.layers();
        return plain.with(new Layers(
                layers.patchEmbedding(),
                layers.selfAttention(),
                foldsFeedForward(layers) ? new FoldedFeedForward() : layers.feedForward(),
                layers.transformerBlock(),
                layers.stageNorm(),
                foldsDecoder(layers) ? new FoldedDecoder() : layers.decoder()));
    }

    private static boolean foldsFeedForward(Layers layers) {
        return layers.feedForward() == Layers.PAPER.feedForward();
    }

    private static boolean foldsDecoder(Layers layers) {
        return layers.decoder() == Layers.PAPER.decoder();
    }

    /**
     * Returns the folded network's weights, those that changed in float64.
     *
     * @param plain the network before folding
     * @param weights fitting it
     * @throws org.segformer3d.api.weights.StateDictMismatchException when the weights don't fit
     */
    public static StateDict weights(SegFormer3DNetwork plain, StateDict weights) {
        weights.require(plain.parameters());
        Map<String, HostTensor> folded = new LinkedHashMap<>(weights.tensors());
        for (ModelLayout.PlacedBlock block : ModelLayout.of(plain.config()).blocks()) {
            Map<String, HostTensor> own = null;
            if (block.spec() instanceof MixFeedForwardSpec spec && foldsFeedForward(plain.layers())) {
                own = feedForward(spec, weights.at(block.prefix()));
            } else if (block.spec() instanceof DecoderSpec spec && foldsDecoder(plain.layers())) {
                own = decoder(spec, weights.at(block.prefix()));
            }
            if (own != null) {
                folded.keySet().removeIf(name -> name.startsWith(block.prefix()));
                own.forEach((name, tensor) -> folded.put(block.prefix() + name, tensor));
            }
        }
        return StateDict.of(folded);
    }

    private static Map<String, HostTensor> feedForward(MixFeedForwardSpec spec, StateDict weights) {
        double[][] norm = scaleAndShift(weights.at("dwconv.bn."));
        double[] weight = weights.get("dwconv.dwconv.weight").toDoubles();
        double[] bias = weights.get("dwconv.dwconv.bias").toDoubles();
        int taps = weight.length / bias.length;
        for (int i = 0; i < weight.length; i++) {
            weight[i] *= norm[0][i / taps];
        }
        for (int c = 0; c < bias.length; c++) {
            bias[c] = bias[c] * norm[0][c] + norm[1][c];
        }
        Map<String, HostTensor> folded = new LinkedHashMap<>();
        for (String kept : List.of("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias")) {
            folded.put(kept, weights.get(kept));
        }
        folded.put("dwconv.dwconv.weight", HostTensor.of(weight, spec.hidden(), 1, 3, 3, 3));
        folded.put("dwconv.dwconv.bias", HostTensor.of(bias, spec.hidden()));
        return folded;
    }

    /** Returns what a BatchNorm multiplies each channel by and what it adds. */
    private static double[][] scaleAndShift(StateDict norm) {
        double[] scale = norm.get("weight").toDoubles();
        double[] shift = norm.get("bias").toDoubles();
        double[] mean = norm.get("running_mean").toDoubles();
        double[] variance = norm.get("running_var").toDoubles();
        for (int c = 0; c < scale.length; c++) {
            scale[c] /= Math.sqrt(variance[c] + BlockSpec.NORM_EPSILON);
            shift[c] -= mean[c] * scale[c];
        }
        return new double[][] {scale, shift};
    }

    /**
     * With W_c, b_c a stage's Linear centred over its outputs, LayerNorm(Wx + b) = (W_c x + b_c)/σ · γ + β and
     * σ² = ‖W_c x + b_c‖²/E + ε, a quadratic form of x. S is the stage's slice of the 1³ convolution times the BatchNorm's scale.
     */
    private static Map<String, HostTensor> decoder(DecoderSpec spec, StateDict weights) {
        int dim = spec.dim();
        int stages = spec.featureDims().size();
        double[][] norm = scaleAndShift(weights.at("linear_fuse.1."));
        double[] fuse = weights.get("linear_fuse.0.weight").toDoubles();
        double[] constant = norm[1].clone();
        Map<String, HostTensor> folded = new LinkedHashMap<>();
        for (int i = stages - 1; i >= 0; i--) {
            StateDict own = weights.at("linear_c" + (i + 1) + ".");
            double[] slice = new double[dim * dim];
            for (int out = 0; out < dim; out++) {
                for (int in = 0; in < dim; in++) {
                    // the concatenation has the coarsest stage first
                    slice[out * dim + in] = fuse[(out * stages + stages - 1 - i) * dim + in] * norm[0][out];
                }
            }
            stage(folded, "linear_c" + (i + 1) + ".", dim, spec.featureDims().get(i), own, slice);
            // a constant stays the same under resizing
            double[] beta = own.get("bn.bias").toDoubles();
            for (int out = 0; out < dim; out++) {
                for (int in = 0; in < dim; in++) {
                    constant[out] += slice[out * dim + in] * beta[in];
                }
            }
        }
        folded.put("bias", HostTensor.of(constant, dim, 1));
        folded.put("linear_pred.weight", weights.get("linear_pred.weight").reshape(spec.classes(), dim));
        folded.put("linear_pred.bias", weights.get("linear_pred.bias").reshape(spec.classes(), 1));
        return folded;
    }

    private static void stage(
            Map<String, HostTensor> folded, String name, int dim, int width, StateDict own, double[] slice) {
        double[][] rows = centred(dim, width, own);
        double[] gamma = own.get("bn.weight").toDoubles();
        double[] weight = new double[dim * width];
        double[] bias = new double[dim];
        for (int out = 0; out < dim; out++) {
            for (int in = 0; in < dim; in++) {
                double factor = slice[out * dim + in] * gamma[in];
                for (int c = 0; c < width; c++) {
                    weight[out * width + c] += factor * rows[in][c];
                }
                bias[out] += factor * rows[in][width];
            }
        }
        double[] gram = new double[width * width];
        double[] linear = new double[width];
        double variance = BlockSpec.NORM_EPSILON;
        for (double[] row : rows) {
            for (int a = 0; a < width; a++) {
                for (int b = 0; b < width; b++) {
                    gram[a * width + b] += row[a] * row[b] / dim;
                }
                linear[a] += 2 * row[a] * row[width] / dim;
            }
            variance += row[width] * row[width] / dim;
        }
        folded.put(name + "weight", HostTensor.of(weight, dim, width));
        folded.put(name + "bias", HostTensor.of(bias, dim, 1));
        folded.put(name + "gram.weight", HostTensor.of(gram, width, width));
        folded.put(name + "gram.bias", HostTensor.of(linear, width));
        folded.put(name + "variance", HostTensor.of(new double[] {variance}, 1));
    }

    /** Returns the rows (W_c, b_c) of a stage's Linear, which have no mean over outputs: LayerNorm's mean is gone. */
    private static double[][] centred(int dim, int width, StateDict own) {
        double[] weight = own.get("proj.weight").toDoubles();
        double[] bias = own.get("proj.bias").toDoubles();
        double[][] rows = new double[dim][];
        double[] mean = new double[width + 1];
        for (int out = 0; out < dim; out++) {
            rows[out] = Arrays.copyOfRange(weight, out * width, out * width + width + 1);
            rows[out][width] = bias[out];
            for (int c = 0; c <= width; c++) {
                mean[c] += rows[out][c] / dim;
            }
        }
        for (double[] row : rows) {
            for (int c = 0; c <= width; c++) {
                row[c] -= mean[c];
            }
        }
        return rows;
    }
}

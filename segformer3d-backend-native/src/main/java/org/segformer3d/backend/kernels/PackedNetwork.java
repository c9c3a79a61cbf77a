package org.segformer3d.backend.kernels;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.weights.StateDict;

/**
 * A network's weights folded for inference and packed as the kernels read them; what network.h declares.
 *
 * <p>Folded in float64: γ and β of every norm that a Linear or convolution follows into it; the softmax's scale and log₂e into the queries;
 * with one head, queries into keys and the projection into values; the depth-wise BatchNorm into its convolution; the decoder's Linear, norm and fuse
 * convolution with its BatchNorm into one matrix a stage, whose norm's variance is a quadratic form of the token.
 */
final class PackedNetwork implements AutoCloseable {
    private static final double EPSILON = 1e-5;
    private static final int PANEL = 32;
    /** Hidden channels that the Mix-FFN computes at once; GROUP in network.h. */
    private static final int GROUP = 64;

    private static final int BLOCK_FIELDS = 14;
    private static final int STAGE_FIELDS = 30;
    private static final int NETWORK_FIELDS = 7 + SegFormer3DConfig.STAGES * STAGE_FIELDS;

    private final Memory memory;

    private PackedNetwork(Memory memory) {
        this.memory = memory;
    }

    /** Returns the address of the structure {@code Network}. */
    long address() {
        return memory.address();
    }

    /** Returns the bytes it takes. */
    long bytes() {
        return memory.bytes();
    }

    @Override
    public void close() {
        memory.close();
    }

    /**
     * Folds and packs.
     *
     * @param config the network, with the paper's layers
     * @param weights that fit it
     */
    static PackedNetwork of(SegFormer3DConfig config, StateDict weights) {
        return new Packer(config, weights).pack();
    }

    /** Collects arrays and the structures that point at them. */
    private static final class Packer {
        private final SegFormer3DConfig config;
        private final StateDict weights;
        private final List<float[]> arrays = new ArrayList<>();
        private final int decoderWidth;
        private double[] constant;

        Packer(SegFormer3DConfig config, StateDict weights) {
            this.config = config;
            this.weights = weights;
            this.decoderWidth = config.decoderHeadEmbeddingDim();
        }

        // --- what is put in memory: arrays first to last, each on 64 bytes; a field refers to one by its number + 1, 0
        // being none

        private long put(float[] array) {
            arrays.add(array);
            return arrays.size();
        }

        private long put(double[] values, int padded) {
            float[] array = new float[padded];
            for (int n = 0; n < values.length; n++) {
                array[n] = (float) values[n];
            }
            return put(array);
        }

        /** A bias or a norm's factors, zeros up to the padded width. */
        private long put(double[] values) {
            return put(values, pad(values.length));
        }

        /** A Linear's weight (outputs, inputs) as panels [outputs/32][inputs][32]. */
        private long panels(Matrix weight) {
            return panels(weight, weight.columns());
        }

        /** The same with zeros for inputs past the weight's. */
        private long panels(Matrix weight, int inputs) {
            int panels = pad(weight.rows()) / PANEL;
            float[] array = new float[panels * inputs * PANEL];
            for (int row = 0; row < weight.rows(); row++) {
                int to = row / PANEL * inputs * PANEL + row % PANEL;
                int from = row * weight.columns();
                for (int k = 0; k < weight.columns(); k++) {
                    array[to + k * PANEL] = (float) weight.values()[from + k];
                }
            }
            return put(array);
        }

        private Matrix matrix(String name) {
            return Matrix.of(weights.get(name));
        }

        private double[] vector(String name) {
            return weights.get(name).toDoubles();
        }

        PackedNetwork pack() {
            long size = 8L * (NETWORK_FIELDS * 1_000_000L + STAGE_FIELDS * 1_000L + BLOCK_FIELDS);
            if (Kernels.networkSize() != size) {
                throw new IllegalStateException(
                        "network.h and PackedNetwork disagree: " + Kernels.networkSize() + ", " + size);
            }
            long[] network = new long[NETWORK_FIELDS];
            boolean[] refers = new boolean[NETWORK_FIELDS];
            List<long[]> blockFields = new ArrayList<>();
            prepareDecoder();
            long[][] stageFields = new long[SegFormer3DConfig.STAGES][];
            for (int stage = 0; stage < SegFormer3DConfig.STAGES; stage++) {
                for (int block = 0; block < config.depths().get(stage); block++) {
                    blockFields.add(block(stage, block));
                }
                stageFields[stage] = stage(stage);
            }
            Matrix prediction = matrix(ModelLayout.decoderPrefix() + "linear_pred.weight");
            float[] rows = new float[prediction.rows() * pad(decoderWidth)];
            for (int k = 0; k < prediction.rows(); k++) {
                for (int j = 0; j < decoderWidth; j++) {
                    rows[k * pad(decoderWidth) + j] = (float) prediction.at(k, j);
                }
            }
            network[0] = config.inChannels();
            network[1] = config.numClasses();
            network[2] = decoderWidth;
            network[3] = pad(decoderWidth);
            network[4] = put(constant);
            network[5] = put(rows);
            network[6] = put(vector(ModelLayout.decoderPrefix() + "linear_pred.bias"));
            Arrays.fill(refers, 4, 7, true);

            long at = 8L * (NETWORK_FIELDS + (long) blockFields.size() * BLOCK_FIELDS);
            long[] offsets = new long[arrays.size()];
            for (int n = 0; n < offsets.length; n++) {
                at = (at + 63) / 64 * 64;
                offsets[n] = at;
                at += 4L * arrays.get(n).length;
            }
            Memory memory = new Memory(at + 64); // vectors may be read past the end
            ByteBuffer bytes = memory.asBytes();
            for (int n = 0; n < offsets.length; n++) {
                FloatBuffer target = bytes.duplicate()
                        .order(bytes.order())
                        .position(Math.toIntExact(offsets[n]))
                        .slice()
                        .order(bytes.order())
                        .asFloatBuffer();
                target.put(arrays.get(n));
            }
            int word = 0;
            for (int n = 0; n < 7; n++) {
                bytes.putLong(8 * word++, refers[n] ? memory.address() + offsets[(int) network[n] - 1] : network[n]);
            }
            long blocks = memory.address() + 8L * NETWORK_FIELDS;
            for (int stage = 0; stage < SegFormer3DConfig.STAGES; stage++) {
                for (int n = 0; n < STAGE_FIELDS - 1; n++) {
                    long field = stageFields[stage][n];
                    bytes.putLong(8 * word++, n < 19 ? field : memory.address() + offsets[(int) field - 1]);
                }
                bytes.putLong(8 * word++, blocks);
                blocks += 8L * BLOCK_FIELDS * config.depths().get(stage);
            }
            for (long[] block : blockFields) {
                for (long field : block) {
                    bytes.putLong(8 * word++, field == 0 ? 0 : memory.address() + offsets[(int) field - 1]);
                }
            }
            return new PackedNetwork(memory);
        }

        // --- the encoder

        private long[] stage(int stage) {
            int width = config.embedDims().get(stage);
            int heads = config.numHeads().get(stage);
            int perHead = width / heads;
            long[] fields = new long[STAGE_FIELDS - 1];
            fields[0] = width;
            fields[1] = pad(width);
            fields[2] = heads;
            fields[3] = perHead;
            fields[4] = pad(perHead);
            fields[5] = (long) width * config.mlpRatios().get(stage);
            fields[6] = config.depths().get(stage);
            for (int axis = 0; axis < 3; axis++) {
                fields[7 + axis] = config.patchKernelSize().get(stage).get(axis);
                fields[10 + axis] = config.patchStride().get(stage).get(axis);
                fields[13 + axis] = config.patchPadding().get(stage).get(axis);
                fields[16 + axis] = config.srRatios().get(stage).get(axis);
            }
            String prefix = ModelLayout.embeddingPrefix(stage);
            Matrix weight = matrix(prefix + "patch_embeddings.weight");
            int inputs = stage == 0 ? config.inChannels() : config.embedDims().get(stage - 1);
            fields[19] = panels(stage == 0 ? weight : channelsLast(weight, inputs));
            fields[20] = put(vector(prefix + "patch_embeddings.bias"));
            fields[21] = put(vector(prefix + "norm.weight"));
            fields[22] = put(vector(prefix + "norm.bias"));
            fields[23] = put(vector(ModelLayout.stageNormPrefix(stage) + "weight"));
            fields[24] = put(vector(ModelLayout.stageNormPrefix(stage) + "bias"));
            decoderStage(stage, fields);
            return fields;
        }

        /** A convolution's weight (out, in·taps) with the taps before the channels. */
        private static Matrix channelsLast(Matrix weight, int inputs) {
            int taps = weight.columns() / inputs;
            Matrix turned = Matrix.zeros(weight.rows(), weight.columns());
            for (int out = 0; out < weight.rows(); out++) {
                int row = out * weight.columns();
                for (int channel = 0; channel < inputs; channel++) {
                    for (int tap = 0; tap < taps; tap++) {
                        turned.values()[row + tap * inputs + channel] = weight.values()[row + channel * taps + tap];
                    }
                }
            }
            return turned;
        }

        private long[] block(int stage, int block) {
            int width = config.embedDims().get(stage);
            int heads = config.numHeads().get(stage);
            int perHead = width / heads;
            String prefix = ModelLayout.blockPrefix(stage, block);
            String attention = prefix + "attention.";
            String mlp = prefix + "mlp.";
            long[] fields = new long[BLOCK_FIELDS];

            double[] gamma = vector(prefix + "norm1.weight");
            double[] beta = vector(prefix + "norm1.bias");
            double scale = 1 / (Math.log(2) * Math.sqrt(perHead)); // base-2 exponentials
            Matrix query = matrix(attention + "query.weight");
            double[] queryBias = sum(query.times(beta), vector(attention + "query.bias"), scale);
            query = query.scaleColumns(gamma).scale(scale);

            double[] keyGamma = gamma;
            double[] keyBeta = beta;
            if (config.srRatios().get(stage).product() > 1) {
                Matrix reduction = channelsLast(matrix(attention + "sr.weight"), width);
                int taps = reduction.columns() / width;
                double[] repeatedGamma = repeat(gamma, taps);
                fields[3] = put(sum(reduction.times(repeat(beta, taps)), vector(attention + "sr.bias"), 1));
                fields[2] = panels(reduction.scaleColumns(repeatedGamma));
                keyGamma = vector(attention + "sr_norm.weight");
                keyBeta = vector(attention + "sr_norm.bias");
            }
            Matrix keyValue = matrix(attention + "key_value.weight");
            double[] keyValueBias = sum(keyValue.times(keyBeta), vector(attention + "key_value.bias"), 1);
            keyValue = keyValue.scaleColumns(keyGamma);
            Matrix key = keyValue.rowsFrom(0, width);
            Matrix value = keyValue.rowsFrom(width, width);
            double[] keyBias = Arrays.copyOfRange(keyValueBias, 0, width);
            double[] valueBias = Arrays.copyOfRange(keyValueBias, width, 2 * width);
            Matrix projection = matrix(attention + "proj.weight");
            fields[7] = put(vector(attention + "proj.bias"));
            if (heads == 1) {
                int padded = pad(width);
                Matrix all = Matrix.zeros(2 * padded + PANEL, width);
                double[] bias = new double[2 * padded + PANEL];
                Matrix queryTurned = query.transposed();
                insert(all, 0, queryTurned.times(key));
                insert(bias, 0, queryTurned.times(keyBias));
                insert(all, padded, projection.times(value));
                insert(bias, padded, projection.times(valueBias));
                insert(all, 2 * padded, new Matrix(1, width, queryBias).times(key));
                for (int n = 0; n < width; n++) {
                    bias[2 * padded] += queryBias[n] * keyBias[n];
                }
                fields[4] = panels(all);
                fields[5] = put(bias);
            } else {
                fields[0] = panels(spread(query, heads, perHead));
                fields[1] = put(spread(queryBias, heads, perHead));
                int wide = heads * pad(perHead);
                Matrix all = Matrix.zeros(2 * wide, width);
                double[] bias = new double[2 * wide];
                insert(all, 0, spread(key, heads, perHead));
                insert(all, wide, spread(value, heads, perHead));
                insert(bias, 0, spread(keyBias, heads, perHead));
                insert(bias, wide, spread(valueBias, heads, perHead));
                fields[4] = panels(all);
                fields[5] = put(bias);
                fields[6] =
                        panels(spread(projection.transposed(), heads, perHead).transposed());
            }

            Matrix expand = matrix(mlp + "fc1.weight");
            int hidden = expand.rows();
            int wide = (hidden + GROUP - 1) / GROUP * GROUP;
            double[] expandBias = sum(expand.times(vector(prefix + "norm2.bias")), vector(mlp + "fc1.bias"), 1);
            expand = expand.scaleColumns(vector(prefix + "norm2.weight"));
            Matrix expandPadded = Matrix.zeros(wide, width);
            insert(expandPadded, 0, expand);
            fields[8] = panels(expandPadded);
            fields[9] = put(expandBias, wide);
            String norm = mlp + "dwconv.bn.";
            double[] factor = batchNormFactor(norm);
            Matrix kernel = matrix(mlp + "dwconv.dwconv.weight").scaleRows(factor);
            double[] mean = vector(norm + "running_mean");
            double[] shift = vector(norm + "bias");
            double[] kernelBias = vector(mlp + "dwconv.dwconv.bias");
            float[] taps = new float[wide * 27];
            for (int channel = 0; channel < hidden; channel++) {
                for (int tap = 0; tap < 27; tap++) {
                    taps[(channel / 16 * 27 + tap) * 16 + channel % 16] = (float) kernel.at(channel, tap);
                }
                kernelBias[channel] = (kernelBias[channel] - mean[channel]) * factor[channel] + shift[channel];
            }
            fields[10] = put(taps);
            fields[11] = put(kernelBias, wide);
            fields[12] = panels(matrix(mlp + "fc2.weight"), wide);
            fields[13] = put(vector(mlp + "fc2.bias"));
            return fields;
        }

        private double[] batchNormFactor(String prefix) {
            double[] factor = vector(prefix + "weight");
            double[] variance = vector(prefix + "running_var");
            for (int n = 0; n < factor.length; n++) {
                factor[n] /= Math.sqrt(variance[n] + EPSILON);
            }
            return factor;
        }

        // --- the decoder

        private double[] fuseFactor;
        private Matrix fuse;

        private void prepareDecoder() {
            String norm = ModelLayout.decoderPrefix() + "linear_fuse.1.";
            fuseFactor = batchNormFactor(norm);
            fuse = matrix(ModelLayout.decoderPrefix() + "linear_fuse.0.weight");
            double[] mean = vector(norm + "running_mean");
            constant = vector(norm + "bias");
            for (int n = 0; n < decoderWidth; n++) {
                constant[n] -= mean[n] * fuseFactor[n];
            }
        }

        private void decoderStage(int stage, long[] fields) {
            String prefix = ModelLayout.decoderPrefix() + "linear_c" + (stage + 1) + ".";
            Matrix weight = matrix(prefix + "proj.weight");
            double[] bias = vector(prefix + "proj.bias");
            int width = weight.columns();
            int slot = SegFormer3DConfig.STAGES - 1 - stage; // the concatenation runs from the coarsest to the finest
            Matrix slice = fuse.columnsFrom(slot * decoderWidth, decoderWidth).scaleRows(fuseFactor);
            Matrix centred = Matrix.zeros(decoderWidth, width + 1);
            insert(centred, 0, weight, bias);
            for (int column = 0; column <= width; column++) {
                double mean = 0;
                for (int row = 0; row < decoderWidth; row++) {
                    mean += centred.at(row, column);
                }
                mean /= decoderWidth;
                for (int row = 0; row < decoderWidth; row++) {
                    centred.set(row, column, centred.at(row, column) - mean);
                }
            }
            Matrix gram = centred.transposed().times(centred).scale(1.0 / decoderWidth);
            double[] linear = new double[width];
            Matrix square = Matrix.zeros(width, width);
            for (int i = 0; i < width; i++) {
                linear[i] = 2 * gram.at(width, i);
                for (int j = 0; j < width; j++) {
                    square.set(i, j, gram.at(i, j));
                }
            }
            Matrix combined = slice.times(centred.scaleRows(vector(prefix + "bn.weight")));
            double[] shift = slice.times(vector(prefix + "bn.bias"));
            for (int n = 0; n < decoderWidth; n++) {
                constant[n] += shift[n];
            }
            fields[25] = panels(square);
            fields[26] = put(linear);
            fields[27] = put(new double[] {gram.at(width, width) + EPSILON});
            fields[28] = panels(combined);
        }

        // --- small things

        private static int pad(int width) {
            return (width + PANEL - 1) / PANEL * PANEL;
        }

        private static double[] sum(double[] a, double[] b, double factor) {
            double[] sum = new double[a.length];
            for (int n = 0; n < sum.length; n++) {
                sum[n] = (a[n] + b[n]) * factor;
            }
            return sum;
        }

        private static double[] repeat(double[] values, int times) {
            double[] repeated = new double[values.length * times];
            for (int n = 0; n < times; n++) {
                System.arraycopy(values, 0, repeated, n * values.length, values.length);
            }
            return repeated;
        }

        private static void insert(Matrix target, int row, Matrix part) {
            System.arraycopy(part.values(), 0, target.values(), row * target.columns(), part.values().length);
        }

        /** A weight and its bias as one more column. */
        private static void insert(Matrix target, int row, Matrix part, double[] lastColumn) {
            for (int i = 0; i < part.rows(); i++) {
                System.arraycopy(
                        part.values(),
                        i * part.columns(),
                        target.values(),
                        (row + i) * target.columns(),
                        part.columns());
                target.set(row + i, part.columns(), lastColumn[i]);
            }
        }

        private static void insert(double[] target, int at, double[] part) {
            System.arraycopy(part, 0, target, at, part.length);
        }

        /** Rows of each head apart, zeros between, so that a head begins at a panel. */
        private static Matrix spread(Matrix rows, int heads, int perHead) {
            Matrix spread = Matrix.zeros(heads * pad(perHead), rows.columns());
            for (int head = 0; head < heads; head++) {
                insert(spread, head * pad(perHead), rows.rowsFrom(head * perHead, perHead));
            }
            return spread;
        }

        private static double[] spread(double[] values, int heads, int perHead) {
            double[] spread = new double[heads * pad(perHead)];
            for (int head = 0; head < heads; head++) {
                System.arraycopy(values, head * perHead, spread, head * pad(perHead), perHead);
            }
            return spread;
        }
    }
}

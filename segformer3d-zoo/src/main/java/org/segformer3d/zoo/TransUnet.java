package org.segformer3d.zoo;

import static org.segformer3d.api.block.ParameterSpec.Role.CONV_BIAS;
import static org.segformer3d.api.block.ParameterSpec.Role.CONV_WEIGHT;
import static org.segformer3d.api.block.ParameterSpec.Role.LINEAR_BIAS;
import static org.segformer3d.api.block.ParameterSpec.Role.LINEAR_WEIGHT;

import java.util.List;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.Initialization;
import org.segformer3d.api.network.InputRule;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.tensor.Tensor;

/**
 * TransUNet (arXiv 2102.04306): a residual network, a vision transformer and a decoder with skips, for slices. A slice is a volume of
 * depth one here; the weights keep their two-dimensional shapes.
 */
final class TransUnet extends ZooNetwork {
    private static final double FINE = 1e-6;
    private static final double EPSILON = 1e-5;
    private static final double DROPOUT = 0.1;
    private static final int GROUPS = 32;
    private static final int BLOCKS = 4;
    private static final int MORE = 512;

    private final int size;
    private final int out;
    private final int hidden;
    private final int mlp;
    private final int heads;
    private final int layers;
    private final int[] units;
    private final int width;
    private final int[] decoder;
    private final int skips;

    TransUnet(Keys keys) {
        super("transunet", Start.PYTORCH, keys);
        size = keys.integer("img_size", null, 16);
        out = keys.integer("num_classes", null, 1);
        hidden = keys.integer("hidden_size", 768, 1);
        mlp = keys.integer("mlp_dim", 3072, 1);
        heads = keys.integer("num_heads", 12, 1);
        layers = keys.integer("num_layers", 12, 1);
        units = keys.integers("resnet_num_layers", List.of(3, 4, 9), 3, 1);
        double factor = keys.number("resnet_width_factor", 1);
        width = (int) (64 * factor);
        decoder = keys.integers("decoder_channels", List.of(256, 128, 64, 16), BLOCKS, 1);
        int[] skip = keys.integers("skip_channels", List.of(8 * width, 4 * width, width, 0), BLOCKS, 0);
        skips = keys.integer("n_skip", 3, 0);
        keys.refuseOthers();
        if (size % 16 != 0) {
            throw Keys.refused("img_size", size, "a multiple of 16");
        }
        if (width % GROUPS != 0) {
            throw Keys.refused("resnet_width_factor", factor, "a multiple of 0.5: norms have 32 groups");
        }
        if (hidden % heads != 0) {
            throw Keys.refused("hidden_size", hidden, "a multiple of num_heads = " + heads);
        }
        if (skips > 3) {
            throw Keys.refused("n_skip", skips, "at most 3");
        }
        int[] made = {8 * width, 4 * width, width};
        for (int i = 0; i < skips; i++) {
            if (skip[i] != made[i]) {
                throw Keys.refused("skip_channels[" + i + "]", skip[i], made[i] + ", what the encoder makes");
            }
        }
    }

    @Override
    public int inChannels() {
        return 3;
    }

    @Override
    boolean accepts(long channels) {
        // one channel is repeated
        return channels == 1 || channels == 3;
    }

    @Override
    public int numClasses() {
        return out;
    }

    @Override
    boolean isFlat() {
        return true;
    }

    @Override
    public InputRule inputRule() {
        return InputRule.exactly(new Grid(1, size, size));
    }

    @Override
    List<Tensor> forward(Cursor part, Tensor image) {
        Tensor colours = image.shape()[1] == 1 ? part.ops().concat(1, image, image, image) : image;
        Cursor embeddings = part.at("transformer.embeddings");
        Tensor[] features = new Tensor[3];
        Tensor trunk = residual(embeddings.at("hybrid_model"), colours, features);
        Tensor x = tokens(embeddings, trunk);
        for (int i = 0; i < layers; i++) {
            x = transformer(part.at("transformer.encoder.layer." + i), x);
        }
        x = part.at("transformer.encoder").layerNorm(x, "encoder_norm", FINE);
        return List.of(decode(part, part.map(x, 1, size / 16, size / 16), features));
    }

    /** Fills the features at a half, a quarter and an eighth of the size, and returns the last block's output. */
    private Tensor residual(Cursor part, Tensor image, Tensor[] features) {
        Cursor root = part.at("root");
        Tensor x = root.ops().relu(root.groupNorm(standardised(root, image, "conv", width, 7, 2), "gn", GROUPS, FINE));
        features[0] = x;
        x = root.ops().maxPool(x, new int[] {1, 3, 3}, new int[] {1, 2, 2});
        for (int b = 0; b < 3; b++) {
            for (int u = 0; u < units[b]; u++) {
                int stride = b > 0 && u == 0 ? 2 : 1;
                x = unit(part.at("body.block" + (b + 1) + ".unit" + (u + 1)), x, width << b, stride);
            }
            if (b < 2) {
                features[b + 1] = padded(part.ops(), x, size / (4L << b));
            }
        }
        return x;
    }

    /** Pooling without padding leaves features a line short; the trunk goes on as it is. */
    private static Tensor padded(Ops ops, Tensor x, long edge) {
        long missing = edge - x.shape()[3];
        return missing == 0 ? x : ops.pad(ops.pad(x, 3, 0, missing), 4, 0, missing);
    }

    private static Tensor unit(Cursor part, Tensor x, int middle, int stride) {
        return part.within(p -> {
            Ops ops = p.ops();
            long wide = 4L * middle;
            Tensor y = ops.relu(p.groupNorm(standardised(p, x, "conv1", middle, 1, 1), "gn1", GROUPS, FINE));
            y = ops.relu(p.groupNorm(standardised(p, y, "conv2", middle, 3, stride), "gn2", GROUPS, FINE));
            y = p.groupNorm(standardised(p, y, "conv3", wide, 1, 1), "gn3", GROUPS, FINE);
            Tensor rest = x;
            if (stride != 1 || x.shape()[1] != wide) {
                Tensor down = standardised(p, x, "downsample", wide, 1, stride);
                rest = p.groupNorm(down, "gn_proj", Math.toIntExact(wide), EPSILON);
            }
            return ops.relu(ops.add(y, rest));
        });
    }

    /** A convolution without bias whose kernels are brought to mean 0 and variance 1 at every use. */
    private static Tensor standardised(Cursor part, Tensor x, String name, long channels, int edge, int stride) {
        long in = x.shape()[1];
        long values = in * edge * edge;
        return part.within(p -> {
            Ops ops = p.ops();
            Tensor given = p.weight(name + ".weight", CONV_WEIGHT, p.start().weight(values), channels, in, edge, edge);
            Tensor rows = ops.layerNorm(ops.reshape(given, channels, values), null, null, EPSILON);
            return ops.convolution(
                    x,
                    ops.reshape(rows, channels, in, 1, edge, edge),
                    null,
                    new int[] {1, stride, stride},
                    new int[] {0, (edge - 1) / 2, (edge - 1) / 2},
                    1);
        });
    }

    private Tensor tokens(Cursor p, Tensor trunk) {
        long in = trunk.shape()[1];
        Tensor weight =
                p.weight("patch_embeddings.weight", CONV_WEIGHT, p.start().weight(in), hidden, in, 1, 1);
        Tensor bias = p.weight("patch_embeddings.bias", CONV_BIAS, p.start().bias(in), hidden);
        Tensor patches = p.ops().linear(p.tokens(trunk), p.ops().reshape(weight, hidden, in), bias);
        Tensor positions =
                p.weight("position_embeddings", LINEAR_WEIGHT, Initialization.ZERO, 1, patches.shape()[1], hidden);
        return p.dropout(p.ops().add(patches, positions), DROPOUT);
    }

    private Tensor transformer(Cursor part, Tensor x) {
        Tensor attended = part.within(p -> {
            Tensor y = p.layerNorm(x, "attention_norm", FINE);
            Tensor q = Attention.heads(p.ops(), p.linear(y, "attn.query", hidden, true), heads);
            Tensor k = Attention.heads(p.ops(), p.linear(y, "attn.key", hidden, true), heads);
            Tensor v = Attention.heads(p.ops(), p.linear(y, "attn.value", hidden, true), heads);
            Tensor mixed = Attention.attend(p.ops(), q, k, v, null, 0);
            return p.ops().add(x, p.linear(mixed, "attn.out", hidden, true));
        });
        return part.within(p -> {
            Tensor y = p.layerNorm(attended, "ffn_norm", FINE);
            Tensor inner = p.dropout(p.ops().gelu(xavier(p, y, "ffn.fc1", mlp)), DROPOUT);
            return p.ops().add(attended, p.dropout(xavier(p, inner, "ffn.fc2", hidden), DROPOUT));
        });
    }

    private static Tensor xavier(Cursor p, Tensor x, String name, long to) {
        long from = x.shape()[2];
        Initialization weight = new Initialization.Uniform(Math.sqrt(6.0 / (from + to)));
        return p.ops()
                .linear(
                        x,
                        p.weight(name + ".weight", LINEAR_WEIGHT, weight, to, from),
                        p.weight(name + ".bias", LINEAR_BIAS, new Initialization.Normal(FINE), to));
    }

    private Tensor decode(Cursor part, Tensor map, Tensor[] features) {
        Tensor x = convolved(part.at("decoder"), map, "conv_more", MORE);
        for (int j = 0; j < BLOCKS; j++) {
            Tensor coarse = x;
            int block = j;
            x = part.at("decoder.blocks." + j).within(p -> {
                long[] s = coarse.shape();
                Tensor y = p.ops().resize(coarse, new long[] {1, 2 * s[3], 2 * s[4]}, true);
                if (block < skips) {
                    y = p.ops().concat(1, y, features[2 - block]);
                }
                return convolved(p, convolved(p, y, "conv1", decoder[block]), "conv2", decoder[block]);
            });
        }
        return flat(part, x, "segmentation_head.0", out, true);
    }

    /** Convolution 3² without bias, BatchNorm, ReLU. */
    private static Tensor convolved(Cursor p, Tensor x, String name, long channels) {
        return p.ops().relu(p.batchNorm(flat(p, x, name + ".0", channels, false), name + ".1"));
    }

    private static Tensor flat(Cursor p, Tensor x, String name, long channels, boolean bias) {
        long in = x.shape()[1];
        Tensor weight = p.weight(name + ".weight", CONV_WEIGHT, p.start().weight(9 * in), channels, in, 3, 3);
        return p.ops()
                .convolution(
                        x,
                        p.ops().reshape(weight, channels, in, 1, 3, 3),
                        bias ? p.weight(name + ".bias", CONV_BIAS, p.start().bias(9 * in), channels) : null,
                        Cursor.cube(1),
                        new int[] {0, 1, 1},
                        1);
    }
}

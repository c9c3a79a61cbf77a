package org.segformer3d.zoo;

import static org.segformer3d.api.block.ParameterSpec.Role.LINEAR_BIAS;
import static org.segformer3d.api.block.ParameterSpec.Role.LINEAR_WEIGHT;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.Initialization;
import org.segformer3d.api.network.InputRule;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Tensor;

/**
 * UNETR (arXiv 2103.10504): a vision transformer of twelve blocks on 16³ patches, whose outputs at four depths a convolutional decoder
 * joins. The table of positions ties it to one input size.
 */
final class Unetr extends ZooNetwork {
    private static final int PATCH = 16;
    private static final int BLOCKS = 12;
    private static final Initialization NORMAL = new Initialization.Normal(0.02);
    private static final int[] NO_PADDING = new int[3];

    private final int in;
    private final int out;
    private final int[] size;
    private final int feature;
    private final int hidden;
    private final int mlp;
    private final int heads;
    private final boolean perceptron;
    private final boolean convBlock;
    private final double dropout;
    private final boolean qkvBias;
    private final ConvolutionBlock block;

    Unetr(Keys keys) {
        super("unetr", Start.PYTORCH, keys);
        in = keys.integer("in_channels", null, 1);
        out = keys.integer("out_channels", null, 1);
        size = keys.axes("img_size", null);
        feature = keys.integer("feature_size", 16, 1);
        hidden = keys.integer("hidden_size", 768, 1);
        mlp = keys.integer("mlp_dim", 3072, 1);
        heads = keys.integer("num_heads", 12, 1);
        perceptron = keys.choice("proj_type", "conv", "conv", "perceptron").equals("perceptron");
        boolean batch =
                keys.choice("norm_name", "instance", "instance", "batch").equals("batch");
        convBlock = keys.flag("conv_block", true);
        block = new ConvolutionBlock(batch, keys.flag("res_block", true));
        dropout = keys.fraction("dropout_rate", 0);
        qkvBias = keys.flag("qkv_bias", false);
        keys.refuseOthers();
        for (int axis = 0; axis < 3; axis++) {
            if (size[axis] % PATCH != 0) {
                throw Keys.refused("img_size[" + axis + "]", size[axis], "a multiple of " + PATCH);
            }
        }
        if (hidden % heads != 0) {
            throw Keys.refused("hidden_size", hidden, "a multiple of num_heads = " + heads);
        }
    }

    @Override
    public int inChannels() {
        return in;
    }

    @Override
    public int numClasses() {
        return out;
    }

    /** Files of MONAI 1.4 and 1.5 hold an attention that nothing uses. */
    @Override
    boolean isRedundant(String name) {
        return name.contains(".cross_attn.");
    }

    /** Files of MONAI 0.9 lack a norm that nothing uses. */
    @Override
    Map<String, HostTensor> missing(Set<String> present) {
        Map<String, HostTensor> missing = new LinkedHashMap<>();
        for (int i = 0; i < BLOCKS; i++) {
            String name = "vit.blocks." + i + ".norm_cross_attn.";
            if (!present.contains(name + "weight") && !present.contains(name + "bias")) {
                float[] ones = new float[hidden];
                Arrays.fill(ones, 1);
                missing.put(name + "weight", HostTensor.of(ones, hidden));
                missing.put(name + "bias", HostTensor.of(new float[hidden], hidden));
            }
        }
        return missing;
    }

    @Override
    public InputRule inputRule() {
        return InputRule.exactly(new Grid(size[0], size[1], size[2]));
    }

    @Override
    List<Tensor> forward(Cursor part, Tensor image) {
        Cursor vit = part.at("vit");
        Tensor x = embed(vit.at("patch_embedding"), image);
        Tensor[] outputs = new Tensor[BLOCKS];
        for (int i = 0; i < BLOCKS; i++) {
            x = transformer(vit.at("blocks." + i), x);
            outputs[i] = x;
        }
        Tensor end = map(part, vit.layerNorm(x, "norm"));
        Tensor e1 = block.forward(part.at("encoder1.layer"), image, feature);
        // the fourth, seventh and tenth block's, as they leave the block
        Tensor e2 = widen(part.at("encoder2"), map(part, outputs[3]), 2 * feature, 2);
        Tensor e3 = widen(part.at("encoder3"), map(part, outputs[6]), 4 * feature, 1);
        Tensor e4 = widen(part.at("encoder4"), map(part, outputs[9]), 8 * feature, 0);
        Tensor d5 = block.up(part.at("decoder5"), end, e4, 8L * feature);
        Tensor d4 = block.up(part.at("decoder4"), d5, e3, 4L * feature);
        Tensor d3 = block.up(part.at("decoder3"), d4, e2, 2L * feature);
        Tensor d2 = block.up(part.at("decoder2"), d3, e1, feature);
        return List.of(part.convolution(d2, "out.conv.conv", out, Cursor.cube(1), Cursor.cube(1), true));
    }

    private Tensor embed(Cursor p, Tensor image) {
        long tokens = 1;
        for (int axis = 0; axis < 3; axis++) {
            tokens *= size[axis] / PATCH;
        }
        Tensor patches = perceptron
                ? project(p, cubes(p.ops(), image))
                : p.tokens(p.convolution(
                        image, "patch_embeddings", hidden, Cursor.cube(PATCH), Cursor.cube(PATCH), NO_PADDING, true));
        Tensor positions = p.weight("position_embeddings", LINEAR_WEIGHT, NORMAL, 1, tokens, hidden);
        return p.dropout(p.ops().add(patches, positions), dropout);
    }

    private Tensor project(Cursor p, Tensor cubes) {
        long values = cubes.shape()[2];
        return p.ops()
                .linear(
                        cubes,
                        p.weight("patch_embeddings.1.weight", LINEAR_WEIGHT, NORMAL, hidden, values),
                        p.weight("patch_embeddings.1.bias", LINEAR_BIAS, Initialization.ZERO, hidden));
    }

    /** Each 16³ cube as one vector ordered d, h, w, channel. */
    private Tensor cubes(Ops ops, Tensor image) {
        long batch = image.shape()[0];
        long d = size[0] / PATCH;
        long h = size[1] / PATCH;
        long w = size[2] / PATCH;
        Tensor cut = ops.reshape(image, batch, in, d, PATCH, h, PATCH, w, PATCH);
        return ops.reshape(
                ops.permute(cut, 0, 2, 4, 6, 3, 5, 7, 1), batch, d * h * w, (long) PATCH * PATCH * PATCH * in);
    }

    private Tensor transformer(Cursor part, Tensor x) {
        // it exists in the files, is counted and takes no part
        part.scale("norm_cross_attn", hidden);
        part.shift("norm_cross_attn", hidden);
        Tensor attended = part.within(p -> p.ops().add(x, attention(p.at("attn"), p.layerNorm(x, "norm1"))));
        return part.within(p -> {
            Tensor inner = p.ops().gelu(p.linear(p.layerNorm(attended, "norm2"), "mlp.linear1", mlp, true));
            Tensor outer = p.linear(p.dropout(inner, dropout), "mlp.linear2", hidden, true);
            return p.ops().add(attended, p.dropout(outer, dropout));
        });
    }

    private Tensor attention(Cursor p, Tensor x) {
        Tensor[] qkv = Attention.split(p.ops(), p.linear(x, "qkv", 3L * hidden, qkvBias), 3, heads);
        Tensor attended = Attention.attend(p.ops(), qkv[0], qkv[1], qkv[2], null, dropout);
        return p.dropout(p.linear(attended, "out_proj", hidden, true), dropout);
    }

    private Tensor map(Cursor p, Tensor tokens) {
        return p.map(tokens, size[0] / PATCH, size[1] / PATCH, size[2] / PATCH);
    }

    /** Doubles a map of tokens once, and as often again as there are further steps. */
    private Tensor widen(Cursor part, Tensor tokens, long channels, int steps) {
        Tensor x = part.up(tokens, "transp_conv_init.conv", channels, Cursor.cube(2), NO_PADDING, false);
        for (int j = 0; j < steps; j++) {
            String name = "blocks." + j;
            if (convBlock) {
                Tensor wide = part.up(x, name + ".0.conv", channels, Cursor.cube(2), NO_PADDING, false);
                x = block.forward(part.at(name + ".1"), wide, channels);
            } else {
                x = part.up(x, name + ".conv", channels, Cursor.cube(2), NO_PADDING, false);
            }
        }
        return x;
    }
}

package org.segformer3d.zoo;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.segformer3d.api.block.Initialization;
import org.segformer3d.api.block.PerAxis;
import org.segformer3d.api.network.InputRule;
import org.segformer3d.api.tensor.Tensor;

/**
 * nnU-Net's networks (doi 10.1038/s41592-020-01008-z, arXiv 2404.09556): a U-Net of plain convolutions, and the one whose encoder has
 * residual blocks. The configuration is a plan's {@code arch_kwargs} with the numbers of channels and classes.
 */
final class UNet extends ZooNetwork {
    private static final int[] ONE = Cursor.cube(1);

    private final boolean residual;
    private final int in;
    private final int out;
    private final boolean supervised;
    private final int stages;
    private final int[] features;
    private final int[][] kernels;
    private final int[][] strides;
    private final int[] encoder;
    private final int[] decoder;
    private final boolean bias;
    private final double epsilon;
    private final double slope;
    private final double dropout;

    UNet(String name, boolean residual, Keys keys) {
        super(name, Start.HE, keys);
        this.residual = residual;
        in = keys.integer("input_channels", null, 1);
        out = keys.integer("num_classes", null, 1);
        supervised = keys.flag("deep_supervision", false);
        stages = keys.integer("n_stages", null, 2);
        features = keys.repeated("features_per_stage", usualFeatures(stages), stages, 1);
        kernels = keys.axesOfEach("kernel_sizes", null, stages);
        strides = keys.axesOfEach("strides", null, stages);
        encoder = keys.repeated(residual ? "n_blocks_per_stage" : "n_conv_per_stage", residual ? null : 2, stages, 1);
        decoder = keys.repeated("n_conv_per_stage_decoder", residual ? 1 : 2, stages - 1, 1);
        bias = keys.flag("conv_bias", true);
        named(keys, "conv_op", "Conv3d");
        named(keys, "norm_op", "InstanceNorm3d");
        named(keys, "nonlin", "LeakyReLU");
        epsilon = argument(keys, "norm_op_kwargs", "eps", 1e-5, List.of("eps", "affine"));
        slope = argument(keys, "nonlin_kwargs", "negative_slope", 0.01, List.of("negative_slope", "inplace"));
        named(keys, "dropout_op", "Dropout3d");
        dropout = keys.read().get("dropout_op") == null
                ? 0
                : argument(keys, "dropout_op_kwargs", "p", 0, List.of("p", "inplace"));
        keys.any("dropout_op_kwargs");
        if (residual) {
            named(keys, "block", "BasicBlockD");
            named(keys, "stem_channels", "");
            named(keys, "bottleneck_channels", "");
        }
        keys.refuseOthers();
        for (int s = 0; s < stages; s++) {
            for (int axis = 0; axis < 3; axis++) {
                if (kernels[s][axis] % 2 == 0) {
                    throw Keys.refused("kernel_sizes[" + s + "]", List.of(kernels[s]), "odd numbers");
                }
            }
        }
    }

    private static List<Integer> usualFeatures(int stages) {
        List<Integer> features = new ArrayList<>();
        for (int s = 0; s < stages; s++) {
            features.add(Math.min(32 << s, 320));
        }
        return features;
    }

    /** Accepts a key that names a class of PyTorch's (or is absent), of which there is one kind here. */
    private static void named(Keys keys, String key, String only) {
        Object value = keys.any(key);
        if (value != null && !(value instanceof String text && !only.isEmpty() && text.endsWith("." + only))) {
            throw Keys.refused(key, value, only.isEmpty() ? "nothing" : "a class named " + only + ", or nothing");
        }
    }

    private static double argument(Keys keys, String key, String name, double otherwise, List<String> known) {
        Object value = keys.any(key);
        if (value == null) {
            return otherwise;
        }
        if (!(value instanceof Map<?, ?> map)) {
            throw Keys.refused(key, value, "named arguments");
        }
        for (Object found : map.keySet()) {
            if (!known.contains(found)) {
                throw Keys.refused(key + "." + found, map.get(found), "only " + String.join(", ", known));
            }
        }
        if (Boolean.FALSE.equals(map.get("affine"))) {
            throw Keys.refused(key + ".affine", false, "true");
        }
        Object argument = map.get(name);
        if (argument == null) {
            return otherwise;
        }
        if (!(argument instanceof Number number)) {
            throw Keys.refused(key + "." + name, argument, "a number");
        }
        return number.doubleValue();
    }

    @Override
    public int inChannels() {
        return in;
    }

    @Override
    public int numClasses() {
        return out;
    }

    /** Each unit's convolution and norm stand in a file twice, and the whole encoder once more below the decoder. */
    @Override
    boolean isRedundant(String name) {
        return name.contains(".all_modules.") || name.startsWith("decoder.encoder.");
    }

    @Override
    public InputRule inputRule() {
        int[] multiple = {1, 1, 1};
        for (int[] stride : strides) {
            for (int axis = 0; axis < 3; axis++) {
                multiple[axis] *= stride[axis];
            }
        }
        return InputRule.multiplesOf(new PerAxis(multiple[0], multiple[1], multiple[2]));
    }

    @Override
    List<Tensor> forward(Cursor part, Tensor image) {
        List<Tensor> skips = encode(part.at("encoder"), image);
        Cursor p = part.at("decoder");
        List<Tensor> heads = new ArrayList<>();
        Tensor x = skips.get(stages - 1);
        for (int s = 0; s < stages - 1; s++) {
            int fine = stages - 2 - s;
            Tensor skip = skips.get(fine);
            Tensor coarse = x;
            int step = s;
            x = p.within(q -> {
                Tensor up = q.up(coarse, "transpconvs." + step, features[fine], strides[fine + 1], new int[3], bias);
                Tensor y = q.ops().concat(1, up, skip);
                for (int i = 0; i < decoder[step]; i++) {
                    y = unit(q.at("stages." + step + ".convs." + i), y, features[fine], kernels[fine], ONE);
                }
                return y;
            });
            boolean used = supervised || fine == 0;
            Tensor head = head(p, x, "seg_layers." + s, features[fine], used);
            if (used) {
                // finest first
                heads.add(0, head);
            }
        }
        return heads;
    }

    /** Every head is in the files and counted, but only those whose logits are asked for are computed. */
    private Tensor head(Cursor p, Tensor x, String name, long channels, boolean used) {
        if (used) {
            return p.convolution(x, name, out, ONE, ONE, true);
        }
        p.weight(
                name + ".weight",
                org.segformer3d.api.block.ParameterSpec.Role.CONV_WEIGHT,
                Start.HE.weight(channels),
                out,
                channels,
                1,
                1,
                1);
        p.weight(name + ".bias", org.segformer3d.api.block.ParameterSpec.Role.CONV_BIAS, Start.HE.bias(channels), out);
        return null;
    }

    private List<Tensor> encode(Cursor part, Tensor image) {
        List<Tensor> skips = new ArrayList<>();
        Tensor x = residual ? unit(part.at("stem.convs.0"), image, features[0], kernels[0], ONE) : image;
        for (int s = 0; s < stages; s++) {
            for (int i = 0; i < encoder[s]; i++) {
                int[] stride = i == 0 ? strides[s] : ONE;
                x = residual
                        ? block(part.at("stages." + s + ".blocks." + i), x, features[s], kernels[s], stride)
                        : unit(part.at("stages." + s + ".0.convs." + i), x, features[s], kernels[s], stride);
            }
            skips.add(x);
        }
        return skips;
    }

    /** Convolution, norm, leaky ReLU. */
    private Tensor unit(Cursor part, Tensor x, int channels, int[] kernel, int[] stride) {
        return part.within(
                p -> p.ops().leakyRelu(normed(p, x, channels, kernel, stride, bias, Initialization.ONE), slope));
    }

    private Tensor normed(
            Cursor p, Tensor x, int channels, int[] kernel, int[] stride, boolean biased, Initialization scale) {
        Tensor y = p.convolution(x, "conv", channels, kernel, stride, biased);
        return p.instanceNorm(dropped(p, y), "norm", scale, epsilon);
    }

    /** Drops whole channels. */
    private Tensor dropped(Cursor p, Tensor x) {
        if (dropout == 0 || !p.ops().pass().training()) {
            return x;
        }
        long[] shape = x.shape();
        Tensor ones = p.ops()
                .affine(
                        p.ops()
                                .reshape(
                                        p.ops().slice(p.ops().slice(p.ops().slice(x, 2, 0, 1), 3, 0, 1), 4, 0, 1),
                                        shape[0],
                                        shape[1]),
                        0,
                        1);
        return p.ops().multiply(x, p.ops().reshape(p.ops().dropout(ones, dropout), shape[0], shape[1], 1, 1, 1));
    }

    /** act(norm(conv2 act(norm(conv1 x))) + r); where the stride isn't 1, r is pooled first. */
    private Tensor block(Cursor part, Tensor x, int channels, int[] kernel, int[] stride) {
        return part.within(p -> {
            Tensor first = unit(p.at("conv1"), x, channels, kernel, stride);
            // starts at 0, so that a block begins as its skip
            Tensor second = normed(p.at("conv2"), first, channels, kernel, ONE, bias, Initialization.ZERO);
            boolean pools = stride[0] * stride[1] * stride[2] != 1;
            Tensor rest = pools ? pooled(p, x, stride) : x;
            if (x.shape()[1] != channels) {
                rest = normed(p.at(pools ? "skip.1" : "skip.0"), rest, channels, ONE, ONE, false, Initialization.ONE);
            }
            return p.ops().leakyRelu(p.ops().add(second, rest), slope);
        });
    }

    private static Tensor pooled(Cursor p, Tensor x, int[] s) {
        long[] n = x.shape();
        long d = n[2] / s[0];
        long h = n[3] / s[1];
        long w = n[4] / s[2];
        Tensor windows = p.ops().reshape(x, n[0], n[1], d, s[0], h, s[1], w, s[2]);
        return p.ops().reshape(p.ops().mean(windows, 3, 5, 7), n[0], n[1], d, h, w);
    }
}

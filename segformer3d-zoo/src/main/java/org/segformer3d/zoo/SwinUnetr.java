package org.segformer3d.zoo;

import java.util.ArrayList;
import java.util.List;
import org.segformer3d.api.block.PerAxis;
import org.segformer3d.api.network.InputRule;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.tensor.Tensor;

/** Swin UNETR (arXiv 2201.01266) and its second version: a Swin transformer of four stages with a convolutional decoder. */
final class SwinUnetr extends ZooNetwork {
    private static final int STAGES = 4;
    private static final double EPSILON = 1e-5;
    /** Offsets of the eight sub-grids that merging joins, by the order's name. */
    private static final java.util.Map<String, String> ORDERS = java.util.Map.of(
            "merging", "000 100 010 001 110 101 011 111",
            "mergingv2", "000 001 010 011 100 101 110 111",
            // two corners twice and two never, as MONAI had it up to 1.4.0: weights of that time need it
            "merging_legacy", "000 100 010 001 101 010 001 111");

    private final int in;
    private final int out;
    private final int patch;
    private final int[] depths;
    private final int[] heads;
    private final int[] window;
    private final boolean qkvBias;
    private final double mlpRatio;
    private final int feature;
    private final double dropout;
    private final double attentionDropout;
    private final double dropPath;
    private final boolean normalize;
    private final boolean patchNorm;
    private final String[] order;
    private final boolean second;
    private final ConvolutionBlock block;

    SwinUnetr(Keys keys) {
        super("swin_unetr", Start.PYTORCH, keys);
        in = keys.integer("in_channels", null, 1);
        out = keys.integer("out_channels", null, 1);
        patch = keys.integer("patch_size", 2, 2);
        depths = keys.integers("depths", List.of(2, 2, 2, 2), STAGES, 1);
        heads = keys.integers("num_heads", List.of(3, 6, 12, 24), STAGES, 1);
        window = keys.axes("window_size", 7);
        qkvBias = keys.flag("qkv_bias", true);
        mlpRatio = keys.number("mlp_ratio", 4.0);
        feature = keys.integer("feature_size", 24, 1);
        block = new ConvolutionBlock(
                keys.choice("norm_name", "instance", "instance", "batch").equals("batch"), true);
        dropout = keys.fraction("drop_rate", 0);
        attentionDropout = keys.fraction("attn_drop_rate", 0);
        dropPath = keys.fraction("dropout_path_rate", 0);
        normalize = keys.flag("normalize", true);
        patchNorm = keys.flag("patch_norm", false);
        order = ORDERS.get(keys.choice("downsample", "merging", "merging", "mergingv2", "merging_legacy"))
                .split(" ");
        second = keys.flag("use_v2", false);
        keys.refuseOthers();
        if (patch != 2) {
            throw Keys.refused("patch_size", patch, "2: the decoder doubles the finest stage once");
        }
        for (int i = 0; i < STAGES; i++) {
            if ((feature << i) % heads[i] != 0) {
                throw Keys.refused(
                        "feature_size", feature, "num_heads[" + i + "] = " + heads[i] + " to divide 2^" + i + " of it");
            }
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

    /** Windows are cut and masked otherwise at another size. */
    @Override
    public boolean hasSameStepsForAllSizes() {
        return false;
    }

    /** Which row of the table a pair of tokens has follows from the window. */
    @Override
    boolean isRedundant(String name) {
        return name.endsWith(".relative_position_index");
    }

    @Override
    public InputRule inputRule() {
        return InputRule.multiplesOf(PerAxis.of(32)).withMoreThan(32L * 32 * 32);
    }

    @Override
    List<Tensor> forward(Cursor part, Tensor image) {
        List<Tensor> h = encode(part.at("swinViT"), image);
        Tensor e0 = block.forward(part.at("encoder1.layer"), image, feature);
        Tensor e1 = block.forward(part.at("encoder2.layer"), h.get(0), feature);
        Tensor e2 = block.forward(part.at("encoder3.layer"), h.get(1), 2L * feature);
        Tensor e3 = block.forward(part.at("encoder4.layer"), h.get(2), 4L * feature);
        Tensor x = block.forward(part.at("encoder10.layer"), h.get(4), 16L * feature);
        x = block.up(part.at("decoder5"), x, h.get(3), 8L * feature);
        x = block.up(part.at("decoder4"), x, e3, 4L * feature);
        x = block.up(part.at("decoder3"), x, e2, 2L * feature);
        x = block.up(part.at("decoder2"), x, e1, feature);
        x = block.up(part.at("decoder1"), x, e0, feature);
        return List.of(part.convolution(x, "out.conv.conv", out, Cursor.cube(1), Cursor.cube(1), true));
    }

    /** Returns the five hidden states, finest first, (B,C,D,H,W). */
    private List<Tensor> encode(Cursor part, Tensor image) {
        int[] stride = Cursor.cube(patch);
        Tensor x = part.convolution(image, "patch_embed.proj", feature, stride, stride, new int[3], true);
        if (patchNorm) {
            x = part.channelsFirst(part.layerNorm(part.channelsLast(x), "patch_embed.norm"));
        }
        x = part.dropout(x, dropout);
        List<Tensor> hidden = new ArrayList<>(List.of(normalized(part.ops(), x)));
        int total = java.util.Arrays.stream(depths).sum();
        int before = 0;
        for (int i = 0; i < STAGES; i++) {
            if (second) {
                Cursor stem = part.at("layers" + (i + 1) + "c.0.layer");
                x = new ConvolutionBlock(false, true).forward(stem, x, (long) feature << i);
            }
            Cursor stage = part.at("layers" + (i + 1) + ".0");
            Tensor tokens = part.channelsLast(x);
            for (int b = 0; b < depths[i]; b++) {
                double rate = total == 1 ? 0 : dropPath * (before + b) / (total - 1);
                tokens = block(stage.at("blocks." + b), tokens, i, b % 2 == 1, rate);
            }
            before += depths[i];
            x = part.channelsFirst(merge(stage.at("downsample"), tokens));
            // only the copy is normalised: the trunk goes on as it is
            hidden.add(normalized(part.ops(), x));
        }
        return hidden;
    }

    private Tensor normalized(Ops ops, Tensor x) {
        return normalize
                ? ops.permute(ops.layerNorm(ops.permute(x, 0, 2, 3, 4, 1), null, null, EPSILON), 0, 4, 1, 2, 3)
                : x;
    }

    private Tensor block(Cursor part, Tensor x, int stage, boolean shifts, double rate) {
        WindowAttention attention = attention(x.shape(), stage, shifts);
        Tensor attended = part.within(p -> {
            Tensor y = attention.forward(p.at("attn"), p.layerNorm(x, "norm1"), qkvBias);
            return p.ops().add(x, p.dropPath(y, rate));
        });
        long c = x.shape()[4];
        return part.within(p -> {
            Tensor inner =
                    p.ops().gelu(p.linear(p.layerNorm(attended, "norm2"), "mlp.linear1", (long) (c * mlpRatio), true));
            Tensor outer = p.dropout(p.linear(p.dropout(inner, dropout), "mlp.linear2", c, true), dropout);
            return p.ops().add(attended, p.dropPath(outer, rate));
        });
    }

    private WindowAttention attention(long[] shape, int stage, boolean shifts) {
        int[] used = new int[3];
        int[] shift = new int[3];
        for (int axis = 0; axis < 3; axis++) {
            boolean whole = shape[axis + 1] <= window[axis];
            used[axis] = whole ? (int) shape[axis + 1] : window[axis];
            shift[axis] = whole || !shifts ? 0 : window[axis] / 2;
        }
        int[] strides = {(2 * window[1] - 1) * (2 * window[2] - 1), 2 * window[2] - 1, 1};
        Windows windows = new Windows(new long[] {shape[1], shape[2], shape[3]}, used, shift);
        return new WindowAttention(windows, window, strides, heads[stage], true, attentionDropout, dropout);
    }

    /** Joins eight interleaved sub-grids and halves their channels: (B,D,H,W,C) → (B,D/2,H/2,W/2,2C). */
    private Tensor merge(Cursor part, Tensor tokens) {
        return part.within(p -> {
            Ops ops = p.ops();
            Tensor x = tokens;
            for (int axis = 1; axis <= 3; axis++) {
                if (x.shape()[axis] % 2 == 1) {
                    x = ops.pad(x, axis, 0, 1);
                }
            }
            long[] s = x.shape();
            long c = s[4];
            Tensor cut = ops.reshape(x, s[0], s[1] / 2, 2, s[2] / 2, 2, s[3] / 2, 2, c);
            Tensor[] parts = new Tensor[order.length];
            for (int i = 0; i < parts.length; i++) {
                Tensor y = cut;
                for (int axis = 0; axis < 3; axis++) {
                    int offset = order[i].charAt(axis) - '0';
                    y = ops.slice(y, 2 + 2 * axis, offset, offset + 1);
                }
                parts[i] = ops.reshape(y, s[0], s[1] / 2, s[2] / 2, s[3] / 2, c);
            }
            return p.linear(p.layerNorm(ops.concat(4, parts), "norm"), "reduction", 2 * c, false);
        });
    }
}

package org.segformer3d.zoo;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.network.InputRule;
import org.segformer3d.api.tensor.Tensor;

/** nnFormer (arXiv 2109.03201) in the forms of its three files: one for tumours, one for Synapse, one for ACDC. */
final class NnFormer extends ZooNetwork {
    private static final int STAGES = 4;

    private enum Variant {
        TUMOR,
        SYNAPSE,
        ACDC
    }

    private final Variant variant;
    private final int[] crop;
    private final int in;
    private final int out;
    private final int width;
    private final int[] depths;
    private final int[] heads;
    private final int[] patch;
    private final int[][] window;
    private final boolean supervised;
    private final int[][] stageSize = new int[STAGES][];
    private final int[] firstStride;
    private final int[] secondStride;
    private final double dropPath;
    private final double dropout;
    private final double attentionDropout;

    NnFormer(Keys keys) {
        super("nnformer", Start.PYTORCH, keys);
        variant = Variant.valueOf(
                keys.choice("variant", null, "tumor", "synapse", "acdc").toUpperCase(java.util.Locale.ROOT));
        boolean acdc = variant == Variant.ACDC;
        crop = keys.axes("crop_size", null);
        in = keys.integer("input_channels", null, 1);
        out = keys.integer("num_classes", null, 1);
        width = keys.integer("embedding_dim", acdc ? 96 : 192, 2);
        depths = keys.integers("depths", List.of(2, 2, 2, 2), STAGES, 1);
        heads = keys.integers("num_heads", acdc ? List.of(3, 6, 12, 24) : List.of(6, 12, 24, 48), STAGES, 1);
        patch = keys.axes(
                "patch_size",
                switch (variant) {
                    case TUMOR -> List.of(4, 4, 4);
                    case SYNAPSE -> List.of(2, 4, 4);
                    case ACDC -> List.of(1, 4, 4);
                });
        window = keys.axesOfEach(
                "window_size",
                acdc
                        ? List.of(List.of(3, 5, 5), List.of(3, 5, 5), List.of(7, 10, 10), List.of(3, 5, 5))
                        : List.of(4, 4, 8, 4),
                STAGES);
        supervised = keys.flag("deep_supervision", false);
        int[][] down = acdc
                ? keys.axesOfEach(
                        "down_stride",
                        List.of(List.of(1, 4, 4), List.of(1, 8, 8), List.of(2, 16, 16), List.of(4, 32, 32)),
                        STAGES)
                : null;
        dropout = keys.fraction("drop_rate", 0);
        attentionDropout = keys.fraction("attn_drop_rate", 0);
        // the original trains with 0.2, but says so nowhere in its configuration
        dropPath = keys.fraction("drop_path_rate", 0);
        keys.refuseOthers();
        firstStride = patch.clone();
        secondStride = new int[3];
        for (int axis = 0; axis < 3; axis++) {
            boolean first = axis == 0 && variant != Variant.TUMOR;
            int half = Math.max(1, patch[axis] / 2);
            firstStride[axis] = first ? (acdc ? 1 : patch[axis]) : half;
            secondStride[axis] = first && acdc ? 1 : half;
            if (firstStride[axis] * secondStride[axis] != patch[axis]) {
                throw Keys.refused(
                        "patch_size[" + axis + "]",
                        patch[axis],
                        "" + (first ? (acdc ? 1 : 2) : 4) + ", which is what the embedding's two strides make");
            }
        }
        if (width % 2 != 0) {
            throw Keys.refused("embedding_dim", width, "an even number");
        }
        for (int i = 0; i < STAGES; i++) {
            stageSize[i] = new int[3];
            for (int axis = 0; axis < 3; axis++) {
                int padded = (crop[axis] + patch[axis] - 1) / patch[axis] * patch[axis];
                int divisor = acdc ? down[i][axis] : patch[axis] << i;
                stageSize[i][axis] = (acdc ? crop[axis] : padded) / divisor;
                if (stageSize[i][axis] < 1 || !acdc && padded / patch[axis] % 8 != 0) {
                    throw Keys.refused(
                            "crop_size[" + axis + "]",
                            crop[axis],
                            acdc ? "at least " + divisor : "a multiple of " + 8 * patch[axis]);
                }
            }
            requireRows(i);
        }
    }

    /** The original's rows of relative positions collide, and can lie beyond the table, which its own code would only find when it runs. */
    private void requireRows(int stage) {
        int[] w = windows(stage, stageSize[stage], false).window();
        int most = (2 * w[0] - 2) * (3 * w[1] - 1) + (2 * w[1] - 2) * (2 * w[1] - 1) + 2 * w[2] - 2;
        if (most >= Windows.relativePositions(w)) {
            throw Keys.refused(
                    "window_size[" + stage + "]",
                    Arrays.toString(w),
                    "a window whose relative positions fit nnFormer's table (row " + most + " of "
                            + Windows.relativePositions(w) + ")");
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

    /** Which row of the table a pair of tokens has follows from the window. */
    @Override
    boolean isRedundant(String name) {
        return name.endsWith(".relative_position_index");
    }

    @Override
    public InputRule inputRule() {
        return InputRule.exactly(new Grid(crop[0], crop[1], crop[2]));
    }

    @Override
    List<Tensor> forward(Cursor part, Tensor image) {
        List<Tensor> skips = encode(part.at("model_down"), image);
        List<Tensor> logits = new ArrayList<>();
        Tensor x = skips.get(STAGES - 1);
        int total = depths[0] + depths[1] + depths[2];
        int before = 0;
        for (int i = STAGES - 2; i >= 0; i--) {
            x = decode(part.at("decoder.layers." + i), x, skips.get(i), i, before, total);
            before += depths[i];
            if (supervised || i == 0) {
                Tensor map = part.channelsFirst(x);
                logits.add(0, part.up(map, "final." + i + ".up", out, patch, new int[3], true));
            }
        }
        return logits;
    }

    /** Returns the normalised outputs of all stages, (B,D,H,W,C). */
    private List<Tensor> encode(Cursor part, Tensor image) {
        Tensor x = embed(part.at("patch_embed"), image);
        List<Tensor> skips = new ArrayList<>();
        int total = Arrays.stream(depths).sum();
        int before = 0;
        for (int i = 0; i < STAGES; i++) {
            Cursor stage = part.at("layers." + i);
            for (int b = 0; b < depths[i]; b++) {
                x = block(stage.at("blocks." + b), x, i, heads[i], b % 2 == 1, rate(before + b, total));
            }
            before += depths[i];
            skips.add(part.layerNorm(x, "norm" + i));
            if (i < STAGES - 1) {
                x = reduce(stage.at("downsample"), x, i);
            }
        }
        return skips;
    }

    private double rate(int block, int total) {
        return total == 1 ? 0 : dropPath * block / (total - 1);
    }

    private Tensor embed(Cursor part, Tensor image) {
        return part.within(p -> {
            Tensor x = image;
            for (int axis = 0; axis < 3; axis++) {
                long missing = (patch[axis] - crop[axis] % patch[axis]) % patch[axis];
                if (missing > 0) {
                    x = p.ops().pad(x, axis + 2, 0, missing);
                }
            }
            x = step(p.at("proj1"), x, "conv1", "norm1", width / 2, firstStride);
            x = step(p.at("proj1"), x, "conv2", "norm2", width / 2, Cursor.cube(1));
            x = step(p.at("proj2"), x, "conv1", "norm1", width, secondStride);
            x = p.at("proj2").convolution(x, "conv2", width, Cursor.cube(3), Cursor.cube(1), true);
            return p.dropout(p.layerNorm(p.channelsLast(x), "norm"), dropout);
        });
    }

    /** Convolution 3³, GELU, LayerNorm over channels. */
    private static Tensor step(Cursor p, Tensor x, String conv, String norm, int channels, int[] stride) {
        Tensor y = p.ops().gelu(p.convolution(x, conv, channels, Cursor.cube(3), stride, true));
        return p.channelsFirst(p.layerNorm(p.channelsLast(y), norm));
    }

    private Tensor reduce(Cursor part, Tensor x, int stage) {
        boolean acdc = variant == Variant.ACDC;
        int[] kernel = acdc && stage == 0 ? new int[] {1, 3, 3} : Cursor.cube(3);
        int[] stride = acdc && stage == 0 ? new int[] {1, 2, 2} : Cursor.cube(2);
        int[] padding = acdc && stage != 1 ? new int[] {0, 1, 1} : Cursor.cube(1);
        return part.within(p -> {
            Tensor normed = p.channelsFirst(p.layerNorm(p.ops().gelu(x), "norm"));
            return p.channelsLast(
                    p.convolution(normed, "reduction", 2 * normed.shape()[1], kernel, stride, padding, true));
        });
    }

    private Tensor decode(Cursor part, Tensor coarse, Tensor skip, int stage, int before, int total) {
        int[] up = variant == Variant.ACDC && stage == 0 ? new int[] {1, 2, 2} : Cursor.cube(2);
        int[] extra = variant == Variant.ACDC && stage == 2 ? new int[] {1, 0, 0} : new int[3];
        int own = variant == Variant.TUMOR ? heads[stage + 1] : heads[stage];
        Tensor wide = part.within(p -> {
            Tensor map = p.channelsFirst(p.layerNorm(coarse, "Upsample.norm"));
            return p.channelsLast(p.up(map, "Upsample.up", skip.shape()[4], up, extra, true));
        });
        Tensor x = join(part.at("blocks.0"), wide, skip, stage, own, rate(before, total));
        for (int b = 1; b < depths[stage]; b++) {
            x = block(part.at("blocks." + b), x, stage, own, true, rate(before + b, total));
        }
        return x;
    }

    /** A decoder stage's first block: queries from the upsampled map, keys and values from the skip. */
    private Tensor join(Cursor part, Tensor wide, Tensor skip, int stage, int own, double rate) {
        WindowAttention attention = attention(skip.shape(), stage, own, false);
        Tensor attended = part.within(p -> {
            Tensor x = p.ops().add(wide, skip);
            Tensor y = attention.forward(p.at("attn"), p.layerNorm(wide, "norm1"), p.layerNorm(skip, "norm1"));
            return p.ops().add(x, p.dropPath(y, rate));
        });
        return mlp(part, attended, rate);
    }

    private Tensor block(Cursor part, Tensor x, int stage, int own, boolean shifts, double rate) {
        WindowAttention attention = attention(x.shape(), stage, own, shifts);
        Tensor attended = part.within(p ->
                p.ops().add(x, p.dropPath(attention.forward(p.at("attn"), p.layerNorm(x, "norm1"), true), rate)));
        return mlp(part, attended, rate);
    }

    private Tensor mlp(Cursor part, Tensor x, double rate) {
        long c = x.shape()[4];
        return part.within(p -> {
            Tensor inner = p.ops().gelu(p.linear(p.layerNorm(x, "norm2"), "mlp.fc1", 4 * c, true));
            Tensor outer = p.dropout(p.linear(p.dropout(inner, dropout), "mlp.fc2", c, true), dropout);
            return p.ops().add(x, p.dropPath(outer, rate));
        });
    }

    private WindowAttention attention(long[] shape, int stage, int own, boolean shifts) {
        Windows windows = windows(stage, new int[] {(int) shape[1], (int) shape[2], (int) shape[3]}, shifts);
        int[] w = windows.window();
        // 3·w_h where 2·w_w is meant: a slip of the original that its weights depend on
        int[] strides = {3 * w[1] - 1, 2 * w[1] - 1, 1};
        return new WindowAttention(windows, w, strides, own, variant != Variant.ACDC, attentionDropout, dropout);
    }

    private Windows windows(int stage, int[] size, boolean shifts) {
        int[] r = stageSize[stage];
        int[] w = window[stage].clone();
        boolean shifted = shifts;
        if (variant == Variant.ACDC) {
            shifted &= !Arrays.equals(r, w) && Arrays.stream(w).allMatch(edge -> edge / 2 > 0);
        } else {
            int smallest = Arrays.stream(r).min().orElseThrow();
            if (smallest <= w[0]) {
                w = Cursor.cube(smallest);
                shifted = false;
            }
        }
        int[] shift = new int[3];
        for (int axis = 0; axis < 3; axis++) {
            shift[axis] = shifted ? w[axis] / 2 : 0;
        }
        return new Windows(new long[] {size[0], size[1], size[2]}, w, shift);
    }
}

package org.segformer3d.zoo;

import static org.segformer3d.api.block.ParameterSpec.Role.LINEAR_WEIGHT;

import org.segformer3d.api.block.Initialization;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Tensor;

/**
 * Attention within windows, with a learned bias for every relative position.
 *
 * @param windows how the map is cut
 * @param table the window whose relative positions the bias's table has
 * @param strides what a step along each axis adds to the table's row
 * @param heads number of heads
 * @param masked whether tokens of different regions of a rolled map don't see each other
 * @param attentionDropout probability of dropping an attention weight
 * @param dropout probability of dropping a value after the projection
 */
record WindowAttention(
        Windows windows,
        int[] table,
        int[] strides,
        int heads,
        boolean masked,
        double attentionDropout,
        double dropout) {

    /** Attends within (B,D,H,W,C): qkv, attention, proj. */
    Tensor forward(Cursor part, Tensor x, boolean qkvBias) {
        return part.within(p -> {
            Tensor cut = windows.cut(p.ops(), x);
            Tensor[] qkv = Attention.split(p.ops(), p.linear(cut, "qkv", 3 * x.shape()[4], qkvBias), 3, heads);
            return attend(p, qkv[0], qkv[1], qkv[2]);
        });
    }

    /** Attends from one map to another, both (B,D,H,W,C): the queries are the first one's tokens themselves. */
    Tensor forward(Cursor part, Tensor queries, Tensor x) {
        return part.within(p -> {
            Tensor q = Attention.heads(p.ops(), windows.cut(p.ops(), queries), heads);
            Tensor[] kv =
                    Attention.split(p.ops(), p.linear(windows.cut(p.ops(), x), "kv", 2 * x.shape()[4], true), 2, heads);
            return attend(p, q, kv[0], kv[1]);
        });
    }

    private Tensor attend(Cursor p, Tensor q, Tensor k, Tensor v) {
        Tensor attended = Attention.attend(p.ops(), q, k, v, bias(p, q.shape()), attentionDropout);
        long c = attended.shape()[3];
        return windows.join(p.ops(), p.dropout(p.linear(attended, "proj", c, true), dropout));
    }

    /** Returns what is added to the scores, broadcast to (B,windows,heads,tokens,tokens). */
    private Tensor bias(Cursor p, long[] query) {
        Ops ops = p.ops();
        long n = query[3];
        Tensor rows = p.weight(
                "relative_position_bias_table",
                LINEAR_WEIGHT,
                new Initialization.Normal(0.02),
                Windows.relativePositions(table),
                heads);
        int[] indices = Windows.relativeRows(Math.toIntExact(n), table, strides);
        Tensor bias = ops.permute(ops.reshape(ops.gather(rows, 0, indices), n, n, heads), 2, 0, 1);
        if (!masked || !windows.shifted()) {
            return bias;
        }
        HostTensor mask = windows.mask();
        return ops.add(ops.reshape(bias, 1, heads, n, n), ops.constant(mask));
    }
}

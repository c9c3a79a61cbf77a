package org.segformer3d.zoo;

import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.tensor.Tensor;

/** Multi-head attention on tokens (…,N,C) whose heads lie side by side in C; the scale is (C/heads)^−½. */
final class Attention {
    private Attention() {}

    /**
     * Cuts a fused Linear's (…,N,parts·C) into its parts and heads.
     *
     * @return (…,heads,N,C/heads) for each part
     */
    static Tensor[] split(Ops ops, Tensor fused, int parts, int heads) {
        long[] shape = fused.shape();
        int last = shape.length - 1;
        long width = shape[last] / parts;
        Tensor[] result = new Tensor[parts];
        for (int i = 0; i < parts; i++) {
            result[i] = heads(ops, ops.slice(fused, last, i * width, (i + 1) * width), heads);
        }
        return result;
    }

    /** (…,N,C) → (…,heads,N,C/heads). */
    static Tensor heads(Ops ops, Tensor x, int heads) {
        long[] s = x.shape();
        int n = s.length;
        long[] cut = java.util.Arrays.copyOf(s, n + 1);
        cut[n - 1] = heads;
        cut[n] = s[n - 1] / heads;
        return swapped(ops, ops.reshape(x, cut));
    }

    /** softmax(q kᵀ/√d + bias) v for (…,heads,N,d), heads side by side again: (…,N,C). */
    static Tensor attend(Ops ops, Tensor q, Tensor k, Tensor v, Tensor bias, double dropout) {
        long[] s = q.shape();
        int n = s.length;
        Tensor attended = ops.attention(q, k, v, 1 / Math.sqrt(s[n - 1]), bias, dropout);
        long[] merged = java.util.Arrays.copyOf(s, n - 1);
        merged[n - 3] = s[n - 2];
        merged[n - 2] = s[n - 3] * s[n - 1];
        return ops.reshape(swapped(ops, attended), merged);
    }

    /** Exchanges the third and the second axis from the end. */
    private static Tensor swapped(Ops ops, Tensor x) {
        int n = x.shape().length;
        int[] axes = new int[n];
        for (int i = 0; i < n; i++) {
            axes[i] = i;
        }
        axes[n - 3] = n - 2;
        axes[n - 2] = n - 3;
        return ops.permute(x, axes);
    }
}

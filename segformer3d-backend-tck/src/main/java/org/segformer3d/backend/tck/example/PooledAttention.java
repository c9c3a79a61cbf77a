package org.segformer3d.backend.tck.example;

import static org.segformer3d.api.block.ParameterSpec.Role.*;

import java.util.List;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.BlockSpec;
import org.segformer3d.api.block.BlockSpec.SelfAttentionSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.block.PerAxis;
import org.segformer3d.api.network.SelfAttention;
import org.segformer3d.api.network.Tokens;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Tensor;

/** Attention whose keys and values come from averaged windows of tokens: pooling has no weights, unlike the paper's convolution. */
public final class PooledAttention implements SelfAttention {
    /** Creates the layer; called by {@link java.util.ServiceLoader}. */
    public PooledAttention() {}

    @Override
    public String name() {
        return "pooled-attention";
    }

    @Override
    public List<ParameterSpec> parameters(BlockSpec spec) {
        long dim = ((SelfAttentionSpec) spec).dim();
        return List.of(
                ParameterSpec.of("query.weight", LINEAR_WEIGHT, dim, dim),
                ParameterSpec.of("key_value.weight", LINEAR_WEIGHT, 2 * dim, dim),
                ParameterSpec.of("pool_norm.weight", NORM_WEIGHT, dim),
                ParameterSpec.of("pool_norm.bias", NORM_BIAS, dim),
                ParameterSpec.of("proj.weight", LINEAR_WEIGHT, dim, dim),
                ParameterSpec.of("proj.bias", LINEAR_BIAS, dim));
    }

    @Override
    public Tensor forward(Ops ops, SelfAttentionSpec spec, BlockParameters p, Tensor x, Grid grid) {
        Tokens.require(x, spec.dim(), grid);
        return ops.part(o -> {
            Tensor count = pool(
                    o, o.affine(o.slice(x, 2, 0, 1), 0, 1), spec.srRatio(), grid); // windows at the end are smaller
            Tensor means = o.divide(pool(o, x, spec.srRatio(), grid), count);
            Tensor y = o.layerNorm(means, p.get("pool_norm.weight"), p.get("pool_norm.bias"), BlockSpec.NORM_EPSILON);
            Tensor kv = o.linear(y, p.get("key_value.weight"), null);
            Tensor q = heads(o, o.linear(x, p.get("query.weight"), null), spec);
            Tensor k = heads(o, o.slice(kv, 2, 0, spec.dim()), spec);
            Tensor v = heads(o, o.slice(kv, 2, spec.dim(), 2L * spec.dim()), spec);
            Tensor attended = o.attention(q, k, v, Math.sqrt((double) spec.heads() / spec.dim()), null, 0);
            Tensor joined = o.reshape(o.permute(attended, 0, 2, 1, 3), x.shape());
            return o.linear(joined, p.get("proj.weight"), p.get("proj.bias"));
        });
    }

    /** (B,N,C) to (B,heads,N,d). */
    private static Tensor heads(Ops o, Tensor x, SelfAttentionSpec spec) {
        long[] shape = x.shape();
        long width = spec.dim() / spec.heads();
        return o.permute(o.reshape(x, shape[0], shape[1], spec.heads(), width), 0, 2, 1, 3);
    }

    /** Returns the sums over windows of sr ratio tokens along each axis, (B,M,C): a convolution with ones. */
    private static Tensor pool(Ops o, Tensor x, PerAxis ratio, Grid grid) {
        Tensor y = Tokens.map(o, x, grid);
        for (int axis = 0; axis < 3; axis++) {
            y = o.pad(y, axis + 2, 0, Math.floorMod(-grid.size(axis), ratio.get(axis)));
        }
        int channels = Math.toIntExact(x.shape()[2]);
        Tensor one = o.constant(HostTensor.of(new float[] {1}, 1, 1, 1, 1, 1));
        Tensor windows = o.broadcast(one, channels, 1, ratio.depth(), ratio.height(), ratio.width());
        return Tokens.of(o, o.convolution(y, windows, null, ratio.toArray(), new int[3], channels));
    }
}

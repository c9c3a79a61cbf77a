package org.segformer3d.backend.tck.example;

import static org.segformer3d.api.block.ParameterSpec.Role.LINEAR_BIAS;
import static org.segformer3d.api.block.ParameterSpec.Role.LINEAR_WEIGHT;
import static org.segformer3d.api.block.ParameterSpec.Role.NORM_BIAS;
import static org.segformer3d.api.block.ParameterSpec.Role.NORM_WEIGHT;

import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.segformer3d.api.block.BlockContext;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.BlockSpec;
import org.segformer3d.api.block.BlockSpec.SelfAttentionSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.LayerKind;
import org.segformer3d.api.block.LayerProvider;
import org.segformer3d.api.block.Mode;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.block.SelfAttention;

/** Supplies {@link PooledAttention} under the name {@code pooled-attention}. */
public final class PooledAttentionProvider implements LayerProvider {
    /** Creates the provider; called by {@link java.util.ServiceLoader}. */
    public PooledAttentionProvider() {}

    @Override
    public String name() {
        return "pooled-attention";
    }

    @Override
    public Set<LayerKind> kinds() {
        return EnumSet.of(LayerKind.SELF_ATTENTION);
    }

    /** It copies tensors out and in, so it works on every backend, but no gradient flows through it. */
    @Override
    public boolean supports(BlockContext context) {
        return context.mode() == Mode.INFERENCE;
    }

    @Override
    public List<ParameterSpec> parameters(BlockSpec spec) {
        int dim = ((SelfAttentionSpec) spec).dim();
        return List.of(
                ParameterSpec.of("query.weight", LINEAR_WEIGHT, dim, dim),
                ParameterSpec.of("query.bias", LINEAR_BIAS, dim),
                ParameterSpec.of("key_value.weight", LINEAR_WEIGHT, 2L * dim, dim),
                ParameterSpec.of("key_value.bias", LINEAR_BIAS, 2L * dim),
                ParameterSpec.of("pool_norm.weight", NORM_WEIGHT, dim),
                ParameterSpec.of("pool_norm.bias", NORM_BIAS, dim),
                ParameterSpec.of("proj.weight", LINEAR_WEIGHT, dim, dim),
                ParameterSpec.of("proj.bias", LINEAR_BIAS, dim));
    }

    @Override
    public long macs(BlockSpec spec, List<Grid> input) {
        SelfAttentionSpec s = (SelfAttentionSpec) spec;
        long n = input.get(0).tokens();
        long m = PooledAttention.pooled(input.get(0), s.srRatio()).tokens();
        long c = s.dim();
        return 2 * n * c * c + 2 * m * c * c + 2 * n * m * c;
    }

    @Override
    public SelfAttention selfAttention(BlockContext context, SelfAttentionSpec spec, BlockParameters parameters) {
        return new PooledAttention(spec, parameters);
    }
}

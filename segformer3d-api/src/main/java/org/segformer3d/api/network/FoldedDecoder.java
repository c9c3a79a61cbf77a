package org.segformer3d.api.network;

import static org.segformer3d.api.block.ParameterSpec.Role.LINEAR_BIAS;
import static org.segformer3d.api.block.ParameterSpec.Role.LINEAR_WEIGHT;

import java.util.ArrayList;
import java.util.List;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.BlockSpec;
import org.segformer3d.api.block.BlockSpec.DecoderSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.tensor.Tensor;

/**
 * The decoder with one product for each stage: relu(Σ_i resize((A_i x + a_i)/σ_i) + b) goes through Conv3d 1³ (E→classes) and is resized,
 * where σ_i² = xᵀ G_i x + g_i x + v_i. See {@link FoldedSegFormer3D}.
 *
 * <p>Products give channels first, (B,E,N), which costs nothing, so that resizing needs no transposes.
 */
final class FoldedDecoder extends FoldedLayer implements Decoder {
    @Override
    public List<ParameterSpec> parameters(BlockSpec block) {
        DecoderSpec spec = (DecoderSpec) block;
        long dim = spec.dim();
        List<ParameterSpec> list = new ArrayList<>();
        for (int i = spec.featureDims().size(); i >= 1; i--) {
            long width = spec.featureDims().get(i - 1);
            String name = "linear_c" + i + ".";
            list.add(ParameterSpec.of(name + "weight", LINEAR_WEIGHT, dim, width));
            list.add(ParameterSpec.of(name + "bias", LINEAR_BIAS, dim, 1));
            list.add(ParameterSpec.of(name + "gram.weight", LINEAR_WEIGHT, width, width));
            list.add(ParameterSpec.of(name + "gram.bias", LINEAR_BIAS, width));
            list.add(ParameterSpec.of(name + "variance", LINEAR_BIAS, 1));
        }
        list.add(ParameterSpec.of("bias", LINEAR_BIAS, dim, 1));
        list.add(ParameterSpec.of("linear_pred.weight", LINEAR_WEIGHT, spec.classes(), dim));
        list.add(ParameterSpec.of("linear_pred.bias", LINEAR_BIAS, spec.classes(), 1));
        return list;
    }

    @Override
    public Tensor forward(Ops ops, DecoderSpec spec, BlockParameters parameters, List<Tensor> features) {
        AllMlpDecoder.require(spec, features);
        long batch = features.get(0).shape()[0];
        Grid finest = Grid.of(features.get(0).shape());
        return ops.part(inner -> {
            Tensor fused = inner.part(deeper ->
                    deeper.relu(deeper.add(sum(deeper, parameters, features, finest), parameters.get("bias"))));
            Tensor logits = inner.part(deeper -> deeper.add(
                    deeper.matmul(parameters.get("linear_pred.weight"), fused, false, false),
                    parameters.get("linear_pred.bias")));
            Tensor map = inner.reshape(logits, batch, spec.classes(), finest.depth(), finest.height(), finest.width());
            return inner.resize(map, finest.times(spec.upsampling()).toLongs(), false);
        });
    }

    /** Returns Σ_i resize((A_i x + a_i)/σ_i), (B,E,N). */
    private static Tensor sum(Ops ops, BlockParameters parameters, List<Tensor> features, Grid finest) {
        Tensor sum = null;
        for (int i = 0; i < features.size(); i++) {
            Tensor map = features.get(i);
            BlockParameters own = parameters.at("linear_c" + (i + 1) + ".");
            Tensor before = sum;
            Tensor next = ops.part(inner -> {
                Tensor product = stage(inner, own, map);
                Tensor resized = resized(inner, product, Grid.of(map.shape()), finest);
                return before == null ? resized : inner.add(before, resized);
            });
            if (sum != null) {
                sum.close();
            }
            sum = next;
        }
        return sum;
    }

    private static Tensor resized(Ops ops, Tensor x, Grid from, Grid to) {
        if (from.equals(to)) {
            return x;
        }
        long[] shape = x.shape();
        Tensor map = ops.reshape(x, shape[0], shape[1], from.depth(), from.height(), from.width());
        return ops.reshape(ops.resize(map, to.toLongs(), false), shape[0], shape[1], to.tokens());
    }

    private static Tensor stage(Ops ops, BlockParameters parameters, Tensor map) {
        long[] shape = map.shape();
        Tensor x = Tokens.of(ops, map);
        return ops.part(inner -> {
            Tensor form = inner.sum(
                    inner.multiply(inner.linear(x, parameters.get("gram.weight"), parameters.get("gram.bias")), x), 2);
            Tensor variance = inner.reshape(
                    inner.add(form, parameters.get("variance")), shape[0], 1, shape[2] * shape[3] * shape[4]);
            Tensor product = inner.add(inner.matmul(parameters.get("weight"), x, false, true), parameters.get("bias"));
            return inner.multiply(product, inner.power(variance, -0.5));
        });
    }
}

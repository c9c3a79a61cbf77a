package org.segformer3d.backend.libtorch;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.segformer3d.api.block.BlockContext;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.BlockSpec;
import org.segformer3d.api.block.BlockSpec.DecoderSpec;
import org.segformer3d.api.block.BlockSpec.MixFeedForwardSpec;
import org.segformer3d.api.block.BlockSpec.PatchEmbeddingSpec;
import org.segformer3d.api.block.BlockSpec.SelfAttentionSpec;
import org.segformer3d.api.block.BlockSpec.StageNormSpec;
import org.segformer3d.api.block.BlockSpec.TransformerBlockSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.LayerProvider;
import org.segformer3d.api.block.Mode;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.api.training.BlockGradients;
import org.segformer3d.api.weights.StateDict;

/** One block in training mode with its vector–Jacobian products. */
final class GradientCheck {
    private final LibtorchBackend backend;
    private final BlockSpec spec;
    private final StateDict parameters;

    GradientCheck(LibtorchBackend backend, BlockSpec spec, StateDict parameters) {
        this.backend = backend;
        this.spec = spec;
        this.parameters = parameters;
    }

    BlockGradients run(List<HostTensor> inputs, Grid grid, HostTensor cotangent) {
        try (Scope scope = backend.newScope()) {
            Map<String, Tensor> weights = new LinkedHashMap<>();
            for (ParameterSpec parameter : specs()) {
                HostTensor host = parameters.names().contains(parameter.name())
                                || parameter.role() != ParameterSpec.Role.BATCHES_TRACKED
                        ? parameters.get(parameter.name())
                        : HostTensor.of(new long[1]);
                weights.put(parameter.name(), parameter.role().isTrained() ? leaf(scope, host) : scope.tensor(host));
            }
            List<Tensor> leaves = new ArrayList<>();
            inputs.forEach(input -> leaves.add(leaf(scope, input)));
            Tensor output = forward(scope, new BlockParameters(weights, ""), leaves, grid);
            if (!java.util.Arrays.equals(output.shape(), cotangent.shape())) {
                throw new IllegalArgumentException("cotangent: found shape " + Shapes.text(cotangent.shape())
                        + ", expected " + Shapes.text(output.shape()));
            }
            Tensor direction = scope.tensor(cotangent);
            LibtorchBackend.scoped(() -> {
                LibtorchTensor.unwrap(backend, output)
                        .mul(LibtorchTensor.unwrap(backend, direction))
                        .sum()
                        .backward();
                return null;
            });
            Map<String, HostTensor> gradients = new LinkedHashMap<>();
            for (ParameterSpec parameter : specs()) {
                if (parameter.role().isTrained()) {
                    gradients.put(parameter.name(), gradient(weights.get(parameter.name())));
                }
            }
            return new BlockGradients(
                    output.toHost(), leaves.stream().map(this::gradient).toList(), StateDict.of(gradients));
        }
    }

    private List<ParameterSpec> specs() {
        if (!(spec instanceof TransformerBlockSpec block)) {
            return spec.parameters();
        }
        List<ParameterSpec> all = new ArrayList<>(block.parameters());
        block.attention().parameters().forEach(p -> all.add(p.prefixed("attention.")));
        block.feedForward().parameters().forEach(p -> all.add(p.prefixed("mlp.")));
        return all;
    }

    private Tensor leaf(Scope scope, HostTensor host) {
        Tensor tensor = scope.tensor(host);
        LibtorchTensor.unwrap(backend, tensor).set_requires_grad(true);
        return tensor;
    }

    private HostTensor gradient(Tensor leaf) {
        return LibtorchBackend.scoped(() -> {
            org.bytedeco.pytorch.Tensor gradient =
                    LibtorchTensor.unwrap(backend, leaf).grad();
            return gradient.defined() ? backend.copyOut(gradient) : HostTensor.zeros(leaf.dtype(), leaf.shape());
        });
    }

    private Tensor forward(Scope scope, BlockParameters weights, List<Tensor> inputs, Grid grid) {
        BlockContext context = backend.context(Mode.TRAINING);
        LayerProvider layers = backend.layers();
        Tensor x = inputs.get(0);
        if (spec instanceof PatchEmbeddingSpec s) {
            return layers.patchEmbedding(context, s, weights).forward(scope, x).tensor();
        }
        if (spec instanceof SelfAttentionSpec s) {
            return layers.selfAttention(context, s, weights).forward(scope, x, grid);
        }
        if (spec instanceof MixFeedForwardSpec s) {
            return layers.mixFeedForward(context, s, weights).forward(scope, x, grid);
        }
        if (spec instanceof StageNormSpec s) {
            return layers.stageNorm(context, s, weights).forward(scope, x, grid);
        }
        if (spec instanceof DecoderSpec s) {
            return layers.decoder(context, s, weights).forward(scope, inputs);
        }
        TransformerBlockSpec s = (TransformerBlockSpec) spec;
        return layers.transformerBlock(
                        context,
                        s,
                        weights,
                        layers.selfAttention(context, s.attention(), weights.at("attention.")),
                        layers.mixFeedForward(context, s.feedForward(), weights.at("mlp.")))
                .forward(scope, x, grid);
    }
}

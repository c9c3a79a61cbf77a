package org.segformer3d.backend.libtorch;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.InputGeometry;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.model.RunningCalls;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.network.SegFormer3DNetwork;
import org.segformer3d.api.tensor.Device;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.weights.StateDict;

/**
 * The whole network for inference, in a form that is equal up to rounding and several times faster than the plain one.
 *
 * <ul>
 *   <li>Tokens stay channels-last: a token matrix is a view of its feature map, so nothing is transposed between Linear and Conv3d.
 *   <li>The depth-wise BatchNorm is folded into its convolution, the decoder's into its products.
 *   <li>The decoder's Linear → LayerNorm → fuse collapses into one product a token at each stage's own resolution: see
 *       {@link FusedDecoder}.
 *   <li>Attention never has its matrix of weights in memory.
 * </ul>
 *
 * <p>The samples of a batch are computed one after the other, so that a sample's logits don't depend on its batch.
 */
final class FusedModel implements SegmentationModel {
    private final LibtorchBackend backend;
    private final SegFormer3DConfig config;
    private final FusedEncoder encoder;
    private final FusedDecoder decoder;
    private final RunningCalls calls;

    private FusedModel(
            LibtorchBackend backend, SegFormer3DConfig config, PreparedWeights encoder, PreparedWeights decoder) {
        this.backend = backend;
        this.config = config;
        this.calls = new RunningCalls(() -> {
            encoder.close();
            decoder.close();
        });
        Team team = new Team(backend.threads());
        this.encoder = new FusedEncoder(backend, config, encoder, team);
        this.decoder =
                new FusedDecoder(backend, team, ModelLayout.decoder(config), decoder, ModelLayout.decoderPrefix());
    }

    /**
     * Prepares the weights.
     *
     * @throws org.segformer3d.api.weights.StateDictMismatchException when they don't fit
     */
    static FusedModel load(LibtorchBackend backend, SegFormer3DConfig config, StateDict weights) {
        weights.require(ModelLayout.of(config).parameters());
        // in a reduced precision the decoder stays in float32: its variances are quadratic forms, and it is a small
        // part of the whole
        PreparedWeights encoder = new PreparedWeights(
                backend, weights, DTypes.of(backend.options().computeType()));
        PreparedWeights decoder = new PreparedWeights(backend, weights, DTypes.of(backend.computeType()));
        try {
            return backend.on(
                    false, () -> LibtorchBackend.scoped(() -> new FusedModel(backend, config, encoder, decoder)));
        } catch (RuntimeException e) {
            encoder.close();
            decoder.close();
            throw e;
        }
    }

    @Override
    public SegFormer3DConfig config() {
        return config;
    }

    @Override
    public Backend backend() {
        return backend;
    }

    @Override
    public String implementation() {
        return "fused";
    }

    @Override
    public org.segformer3d.api.tensor.Tensor forward(Scope scope, org.segformer3d.api.tensor.Tensor input) {
        return calls.run(() -> {
            InputGeometry geometry = SegFormer3DNetwork.of(config).geometry(input.shape());
            Tensor volumes = LibtorchTensor.unwrap(backend, input);
            return backend.compute(scope, false, () -> {
                Tensor logits = torch.empty(
                        shape(volumes.size(0), geometry.input()), backend.floating(), new MemoryFormatOptional());
                compute(volumes, geometry, logits);
                return logits;
            });
        });
    }

    /** Computes in the caller's memory where that is possible, which saves copying the input and the logits. */
    @Override
    public HostTensor predict(HostTensor input) {
        if (backend.device().type() != Device.Type.CPU
                || input.dtype() != backend.computeType()
                || !input.bytes().isDirect()) {
            return SegmentationModel.super.predict(input);
        }
        return calls.run(() -> {
            InputGeometry geometry = SegFormer3DNetwork.of(config).geometry(input.shape());
            HostTensor logits = HostTensor.zeros(input.dtype(), shape(input.size(0), geometry.input()));
            return backend.on(
                    false,
                    () -> LibtorchBackend.scoped(() -> {
                        compute(backend.view(input), geometry, backend.view(logits));
                        return logits;
                    }));
        });
    }

    private long[] shape(long batch, Grid size) {
        return new long[] {batch, config.numClasses(), size.depth(), size.height(), size.width()};
    }

    /** Computes the logits of every volume into a contiguous tensor. */
    private void compute(Tensor volumes, InputGeometry geometry, Tensor logits) {
        for (int b = 0; b < volumes.size(0); b++) {
            Tensor volume = volumes.narrow(0, b, 1);
            Tensor target = logits.narrow(0, b, 1);
            LibtorchBackend.scoped(() -> {
                List<Tensor> features = encoder.forward(volume, geometry);
                if (geometry.isPadded()) {
                    Grid padded = geometry.padded();
                    Tensor all = torch.empty(shape(1, padded), backend.floating(), new MemoryFormatOptional());
                    decoder.forward(features, geometry.stages(), all);
                    return target.copy_(Functional.canvas(all, geometry.input()));
                }
                decoder.forward(features, geometry.stages(), target);
                return target;
            });
        }
    }

    @Override
    public List<org.segformer3d.api.tensor.Tensor> encode(Scope scope, org.segformer3d.api.tensor.Tensor input) {
        return calls.run(() -> {
            InputGeometry geometry = SegFormer3DNetwork.of(config).geometry(input.shape());
            Tensor volumes = LibtorchTensor.unwrap(backend, input);
            List<org.segformer3d.api.tensor.Tensor> features = new ArrayList<>();
            backend.on(
                    false,
                    () -> LibtorchBackend.scoped(() -> {
                        List<List<Tensor>> samples = new ArrayList<>();
                        for (int b = 0; b < volumes.size(0); b++) {
                            samples.add(encoder.forward(volumes.narrow(0, b, 1), geometry));
                        }
                        for (int i = 0; i < SegFormer3DConfig.STAGES; i++) {
                            int stage = i;
                            Grid grid = geometry.stages().get(i);
                            features.add(backend.compute(scope, false, () -> {
                                Tensor[] maps = samples.stream()
                                        .map(sample -> Functional.map(
                                                        sample.get(stage).unsqueeze(0), grid)
                                                .contiguous())
                                        .toArray(Tensor[]::new);
                                return Functional.cat(0, maps);
                            }));
                        }
                        return null;
                    }));
            return List.copyOf(features);
        });
    }

    /** Runs a part of the computation in a scope of its own, so that what it needs on the way is released at once. */
    @SuppressWarnings("try") // the scope works by being open
    static Tensor step(Supplier<Tensor> work) {
        PointerScope outer = PointerScope.getInnerScope();
        try (PointerScope inner = new PointerScope()) {
            Tensor result = work.get();
            outer.attach(result);
            return result;
        }
    }

    /** Gives an intermediate's memory back before its scope ends. */
    static void release(Tensor x) {
        PointerScope.getInnerScope().detach(x);
        x.close();
    }

    @Override
    public boolean isClosed() {
        return calls.isClosed();
    }

    @Override
    public void close() {
        calls.close();
    }
}

package org.segformer3d.backend.tck;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.BackendProvider;
import org.segformer3d.api.block.BlockContext;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.BlockSpec.DecoderSpec;
import org.segformer3d.api.block.BlockSpec.MixFeedForwardSpec;
import org.segformer3d.api.block.BlockSpec.PatchEmbeddingSpec;
import org.segformer3d.api.block.BlockSpec.SelfAttentionSpec;
import org.segformer3d.api.block.BlockSpec.StageNormSpec;
import org.segformer3d.api.block.BlockSpec.TransformerBlockSpec;
import org.segformer3d.api.block.Decoder;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.LayerKind;
import org.segformer3d.api.block.LayerProvider;
import org.segformer3d.api.block.MixFeedForward;
import org.segformer3d.api.block.PatchEmbedding;
import org.segformer3d.api.block.SelfAttention;
import org.segformer3d.api.block.StageNorm;
import org.segformer3d.api.block.TransformerBlock;
import org.segformer3d.api.tensor.Device;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.backend.reference.ReferenceProvider;

/** The contract of the reference backend with one fault; run by {@link ContractTests}, not by itself. */
class FaultyContract extends BackendContract {
    /** What is wrong. */
    enum Fault {
        /** Nothing. */
        NONE,
        /** A stage norm's output is 0.01 % too large. */
        NUMBERS,
        /** A stage norm closes its input. */
        CLOSES_INPUT,
        /** A stage norm throws something else than IllegalArgumentException. */
        WRONG_EXCEPTION,
        /** Another thread than the one that opened the backend gets other bits. */
        THREADS,
        /** Each stage norm leaves 100 kB of native memory behind. */
        LEAK,
        /** The canvas of the same size is the input itself. */
        SHARED_CANVAS
    }

    /** The fault of the backends opened next. */
    static Fault fault = Fault.NONE;

    @Override
    protected BackendProvider provider() {
        return new FaultyProvider(fault);
    }

    private record FaultyProvider(Fault fault) implements BackendProvider {
        private static final BackendProvider GOOD = new ReferenceProvider();

        @Override
        public String name() {
            return GOOD.name();
        }

        @Override
        public int rank() {
            return GOOD.rank();
        }

        @Override
        public String description() {
            return GOOD.description();
        }

        @Override
        public Optional<String> whyUnavailable() {
            return GOOD.whyUnavailable();
        }

        @Override
        public List<Device> devices() {
            return GOOD.devices();
        }

        @Override
        public Backend open(BackendOptions options) {
            return new FaultyBackend(GOOD.open(options), fault, Thread.currentThread(), new ArrayList<>());
        }
    }

    private record FaultyBackend(Backend good, Fault fault, Thread opener, List<ByteBuffer> leaked) implements Backend {
        @Override
        public String name() {
            return good.name();
        }

        @Override
        public BackendOptions options() {
            return good.options();
        }

        @Override
        public Map<String, String> versions() {
            return good.versions();
        }

        @Override
        public Scope newScope() {
            return good.newScope();
        }

        @Override
        public LayerProvider layers() {
            return new FaultyLayers(this, good.layers());
        }

        @Override
        public Tensor resizeCanvas(Scope scope, Tensor x, Grid size) {
            return fault == Fault.SHARED_CANVAS && Grid.of(x.shape()).equals(size)
                    ? x
                    : good.resizeCanvas(scope, x, size);
        }

        @Override
        public boolean isClosed() {
            return good.isClosed();
        }

        @Override
        public void close() {
            good.close();
        }
    }

    /** The reference's layers, except for the stage norm. */
    private record FaultyLayers(FaultyBackend backend, LayerProvider good) implements LayerProvider {
        @Override
        public String name() {
            return good.name();
        }

        @Override
        public Set<LayerKind> kinds() {
            return good.kinds();
        }

        private BlockContext inner(BlockContext context) {
            return backend.good().context(context.mode());
        }

        @Override
        public PatchEmbedding patchEmbedding(
                BlockContext context, PatchEmbeddingSpec spec, BlockParameters parameters) {
            return good.patchEmbedding(inner(context), spec, parameters);
        }

        @Override
        public SelfAttention selfAttention(BlockContext context, SelfAttentionSpec spec, BlockParameters parameters) {
            return good.selfAttention(inner(context), spec, parameters);
        }

        @Override
        public MixFeedForward mixFeedForward(
                BlockContext context, MixFeedForwardSpec spec, BlockParameters parameters) {
            return good.mixFeedForward(inner(context), spec, parameters);
        }

        @Override
        public TransformerBlock transformerBlock(
                BlockContext context,
                TransformerBlockSpec spec,
                BlockParameters parameters,
                SelfAttention attention,
                MixFeedForward feedForward) {
            return good.transformerBlock(inner(context), spec, parameters, attention, feedForward);
        }

        @Override
        public Decoder decoder(BlockContext context, DecoderSpec spec, BlockParameters parameters) {
            return good.decoder(inner(context), spec, parameters);
        }

        @Override
        public StageNorm stageNorm(BlockContext context, StageNormSpec spec, BlockParameters parameters) {
            return new FaultyStageNorm(backend, good.stageNorm(inner(context), spec, parameters));
        }
    }

    private record FaultyStageNorm(FaultyBackend backend, StageNorm good) implements StageNorm {
        @Override
        public StageNormSpec spec() {
            return good.spec();
        }

        @Override
        public Tensor forward(Scope scope, Tensor x, Grid grid) {
            switch (backend.fault()) {
                case NUMBERS -> {
                    return scaled(scope, good.forward(scope, x, grid), 1.0001);
                }
                case CLOSES_INPUT -> {
                    Tensor result = good.forward(scope, x, grid);
                    x.close();
                    return result;
                }
                case WRONG_EXCEPTION -> {
                    try {
                        return good.forward(scope, x, grid);
                    } catch (IllegalArgumentException e) {
                        throw new UnsupportedOperationException(e);
                    }
                }
                case THREADS -> {
                    boolean same = Thread.currentThread() == backend.opener();
                    return scaled(scope, good.forward(scope, x, grid), same ? 1 : 1 + 1e-15);
                }
                case LEAK -> {
                    ByteBuffer leak = ByteBuffer.allocateDirect(100_000);
                    synchronized (backend.leaked()) {
                        backend.leaked().add(leak);
                    }
                    return good.forward(scope, x, grid);
                }
                default -> {
                    return good.forward(scope, x, grid);
                }
            }
        }

        private static Tensor scaled(Scope scope, Tensor x, double factor) {
            double[] values = x.toHost().toDoubles();
            for (int i = 0; i < values.length; i++) {
                values[i] *= factor;
            }
            return scope.tensor(HostTensor.of(values, x.shape()));
        }
    }
}

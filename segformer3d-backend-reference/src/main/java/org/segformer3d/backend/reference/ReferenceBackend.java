package org.segformer3d.backend.reference;

import java.util.Map;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.LayerProvider;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.api.weights.StateDict;

/** The open reference backend: a pool of threads and the blocks that use it. */
final class ReferenceBackend implements Backend {
    private final BackendOptions options;
    private final ParallelLoops loops;
    private final ReferenceLayers layers = new ReferenceLayers();
    private volatile boolean closed;

    /** Opens the backend; the options name float64 and the resolved number of threads. */
    ReferenceBackend(BackendOptions options) {
        this.options = options;
        this.loops = new ParallelLoops(options.threads());
    }

    @Override
    public String name() {
        return "reference";
    }

    @Override
    public BackendOptions options() {
        return options;
    }

    @Override
    public Map<String, String> versions() {
        return Map.of("java", Runtime.version().toString(), "java.vm", System.getProperty("java.vm.name", "unknown"));
    }

    @Override
    public Scope newScope() {
        requireOpen();
        return new ReferenceScope(this);
    }

    @Override
    public LayerProvider layers() {
        requireOpen();
        return layers;
    }

    @Override
    public SegmentationModel load(SegFormer3DConfig config, StateDict weights) {
        requireOpen();
        return Backend.super.load(config, weights);
    }

    @Override
    public Tensor resizeCanvas(Scope scope, Tensor x, Grid size) {
        ReferenceScope owner = scope(scope);
        ReferenceTensor input = tensor(x);
        long[] shape = input.shape();
        Grid from = Grid.of(shape);
        int maps = Math.toIntExact(shape[0] * shape[1]);
        double[] source = input.data();
        double[] target = new double[Math.multiplyExact(maps, size.tokens())];
        int depth = Math.min(from.depth(), size.depth());
        int height = Math.min(from.height(), size.height());
        int width = Math.min(from.width(), size.width());
        for (int map = 0; map < maps; map++) {
            for (int d = 0; d < depth; d++) {
                for (int h = 0; h < height; h++) {
                    System.arraycopy(
                            source,
                            ((map * from.depth() + d) * from.height() + h) * from.width(),
                            target,
                            ((map * size.depth() + d) * size.height() + h) * size.width(),
                            width);
                }
            }
        }
        return owner.own(target, shape[0], shape[1], size.depth(), size.height(), size.width());
    }

    @Override
    public boolean isClosed() {
        return closed;
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            loops.close();
        }
    }

    /** Returns the loops that the blocks run in. */
    ParallelLoops loops() {
        return loops;
    }

    /** Throws {@link IllegalStateException} when the backend was closed. */
    void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the backend is closed");
        }
    }

    /** Returns an open scope of this backend. */
    ReferenceScope scope(Scope scope) {
        if (scope instanceof ReferenceScope own && own.backend() == this) {
            own.requireOpen();
            return own;
        }
        throw new IllegalArgumentException("the scope belongs to another backend");
    }

    /** Returns an open tensor of this backend. */
    ReferenceTensor tensor(Tensor tensor) {
        if (tensor instanceof ReferenceTensor own && own.backend() == this) {
            own.data();
            return own;
        }
        throw new IllegalArgumentException("the tensor belongs to another backend");
    }
}

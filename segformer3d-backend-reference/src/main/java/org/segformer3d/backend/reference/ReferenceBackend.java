package org.segformer3d.backend.reference;

import java.util.Map;
import org.segformer3d.api.backend.BackendException;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.DifferentiableBackend;
import org.segformer3d.api.backend.heap.HeapBackend;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.ops.Autodiff;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.ops.Pass;
import org.segformer3d.api.ops.Tape;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.api.training.DataParallel;
import org.segformer3d.api.training.OpsTrainingSession;
import org.segformer3d.api.training.TrainingBackend;
import org.segformer3d.api.training.TrainingSession;
import org.segformer3d.api.training.TrainingSpec;

/** The open reference backend: a pool of threads and the blocks that use it. */
final class ReferenceBackend extends HeapBackend<ReferenceScope, ReferenceTensor>
        implements DifferentiableBackend, TrainingBackend {
    private final ParallelLoops loops;

    /** Opens the backend; the options name float64 and the resolved number of threads. */
    ReferenceBackend(BackendOptions options) {
        super(options, ReferenceScope.class, ReferenceTensor.class);
        this.loops = new ParallelLoops(options.threads());
    }

    @Override
    public String name() {
        return "reference";
    }

    @Override
    public Map<String, String> versions() {
        return Map.of("java", Runtime.version().toString(), "java.vm", System.getProperty("java.vm.name", "unknown"));
    }

    @Override
    public ReferenceScope newScope() {
        requireOpen();
        return new ReferenceScope(this);
    }

    @Override
    public Ops ops(Scope scope, Pass pass) {
        return new ReferenceOps(this, scope, pass);
    }

    @Override
    public Tape newTape(Pass pass) {
        try (Scope none = newScope()) {
            return new Autodiff(ops(none, pass));
        }
    }

    @Override
    public boolean supportsTraining() {
        return true;
    }

    @Override
    public TrainingSession train(TrainingSpec spec) {
        requireOpen();
        if (spec.recomputes() || spec.mixed()) {
            throw new BackendException("backend 'reference' "
                    + (spec.recomputes()
                            ? "keeps activations; set training_parameters.recompute_activations to false"
                            : "computes in float64 only; set training_parameters.amp to false"));
        }
        return new OpsTrainingSession(this, spec.network(), spec);
    }

    @Override
    public TrainingSession train(TrainingSpec spec, DataParallel parallel) {
        if (parallel.group().size() > 1) {
            throw new BackendException("backend 'reference' trains in one process; found "
                    + parallel.group().size() + " of them");
        }
        return train(spec);
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
    public void close() {
        super.close();
        loops.close();
    }

    /** Returns the loops that the blocks run in. */
    ParallelLoops loops() {
        return loops;
    }
}

package org.segformer3d.backend.tck;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.BackendProvider;
import org.segformer3d.api.backend.DifferentiableBackend;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.network.SegFormer3DNetwork;
import org.segformer3d.api.ops.Autodiff;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.ops.Pass;
import org.segformer3d.api.ops.Tape;
import org.segformer3d.api.tensor.Device;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.api.training.DataParallel;
import org.segformer3d.api.training.OpsTrainingSession;
import org.segformer3d.api.training.OptimizerSpec;
import org.segformer3d.api.training.TrainingBackend;
import org.segformer3d.api.training.TrainingSession;
import org.segformer3d.api.training.TrainingSession.TrainingState;
import org.segformer3d.api.training.TrainingSpec;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.backend.reference.ReferenceProvider;

/** The contract of the reference backend with one fault; run by {@link ContractTests}, not by itself. */
class FaultyContract extends BackendContract {
    /** What is wrong. */
    enum Fault {
        /** Nothing. */
        NONE,
        /** A LayerNorm's output is 0.01 % too large. */
        NUMBERS,
        /** σ(x) is 1e-4 too large. */
        SIGMOID,
        /** A ReLU closes its argument. */
        CLOSES_ARGUMENT,
        /** A reshaped tensor is the argument itself. */
        RETURNS_ARGUMENT,
        /** A matrix product throws something else than IllegalArgumentException. */
        WRONG_EXCEPTION,
        /** Dropout draws the masks of another seed. */
        OTHER_MASKS,
        /** A recorded BatchNorm moves its statistics twice. */
        MOVES_TWICE,
        /** Gradients are 0.1 % too large. */
        GRADIENTS,
        /** Another thread than the one that opened the backend gets other bits. */
        THREADS,
        /** Each LayerNorm leaves 10 kB of native memory behind. */
        LEAK,
        /** The canvas of the same size is the input itself. */
        SHARED_CANVAS,
        /** A session doesn't decay weights. */
        NO_DECAY,
        /** A session doesn't clip. */
        NO_CLIPPING,
        /** A session doesn't weigh batches. */
        NO_WEIGHTS,
        /** A session's averages are the weights themselves. */
        NO_AVERAGES,
        /** A restored session keeps its own moments. */
        OWN_MOMENTS
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

    private record FaultyBackend(Backend good, Fault fault, Thread opener, List<ByteBuffer> leaked)
            implements DifferentiableBackend, TrainingBackend {
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
        public Ops ops(Scope scope, Pass pass) {
            return FaultyOps.of(this, good.ops(scope, pass));
        }

        @Override
        public Tape newTape(Pass pass) {
            try (Scope none = newScope()) {
                Tape tape = new Autodiff(ops(none, pass));
                return fault == Fault.GRADIENTS || fault == Fault.MOVES_TWICE ? faulty(tape) : tape;
            }
        }

        private Tape faulty(Tape good) {
            return proxy(Tape.class, (proxy, method, arguments) -> {
                if (fault == Fault.MOVES_TWICE && method.getName().equals("ops")) {
                    return proxy(Ops.class, new MovesTwice(good.ops()));
                }
                Object result = call(good, method, arguments);
                if (fault == Fault.GRADIENTS && result instanceof List<?> gradients) {
                    Ops ops = ops((Scope) arguments[0], Pass.INFERENCE);
                    return gradients.stream()
                            .map(g -> ops.affine((Tensor) g, 1.001, 0))
                            .toList();
                }
                return result;
            });
        }

        @Override
        public SegmentationModel load(SegFormer3DConfig config, StateDict weights) {
            return load(SegFormer3DNetwork.of(config), weights);
        }

        @Override
        public boolean supportsTraining() {
            return true;
        }

        @Override
        public TrainingSession train(TrainingSpec spec) {
            OptimizerSpec o = spec.optimizer();
            TrainingSpec faulty = switch (fault) {
                case NO_DECAY ->
                    with(
                            spec,
                            new OptimizerSpec(
                                    o.kind(), 0, o.beta1(), o.beta2(), o.epsilon(), o.momentum(), o.nesterov()),
                            spec.clipNorm());
                case NO_CLIPPING -> with(spec, o, OptionalDouble.empty());
                default -> spec;
            };
            TrainingSession session = new OpsTrainingSession(this, SegFormer3DNetwork.of(spec.config()), faulty);
            return proxy(TrainingSession.class, (proxy, method, arguments) -> {
                switch (method.getName()) {
                    case "accumulate" -> {
                        if (fault == Fault.NO_WEIGHTS) {
                            arguments[1] = 1.0;
                        }
                    }
                    case "averagedWeights" -> {
                        if (fault == Fault.NO_AVERAGES && spec.emaDecay().isPresent()) {
                            return Optional.of(session.weights());
                        }
                    }
                    case "restore" -> {
                        if (fault == Fault.OWN_MOMENTS) {
                            TrainingState state = (TrainingState) arguments[0];
                            arguments[0] = new TrainingState(
                                    state.weights(), session.state().optimizer(), state.averaged(), state.updates());
                        }
                    }
                    default -> {
                        // without a fault
                    }
                }
                return call(session, method, arguments);
            });
        }

        private static TrainingSpec with(TrainingSpec spec, OptimizerSpec optimizer, OptionalDouble clip) {
            return new TrainingSpec(
                    spec.network(), spec.initialWeights(), spec.loss(), optimizer, clip, spec.emaDecay());
        }

        @Override
        public TrainingSession train(TrainingSpec spec, DataParallel parallel) {
            return ((TrainingBackend) good).train(spec, parallel);
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

    private static <T> T proxy(Class<T> type, InvocationHandler handler) {
        return type.cast(Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, handler));
    }

    private static Object call(Object target, Method method, Object[] arguments) throws Throwable {
        try {
            return method.invoke(target, arguments);
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
    }

    /** Passes on all calls but those with a fault; default methods are run on the faulty operations, so that their parts have it too. */
    private abstract static class Decorated implements InvocationHandler {
        private final Ops good;

        Decorated(Ops good) {
            this.good = good;
        }

        Ops good() {
            return good;
        }

        abstract Ops decorate(Ops other);

        /** Returns the result of a call that has a fault, or {@code null} where it has none. */
        abstract Object faulty(String operation, Object... arguments);

        @Override
        public Object invoke(Object proxy, Method method, Object[] arguments) throws Throwable {
            switch (method.getName()) {
                case "in" -> {
                    return decorate(good.in((Scope) arguments[0]));
                }
                case "part" -> {
                    return InvocationHandler.invokeDefault(proxy, method, arguments);
                }
                default -> {
                    Object wrong = faulty(method.getName(), arguments);
                    return wrong == null ? call(good, method, arguments) : wrong;
                }
            }
        }
    }

    private static final class FaultyOps extends Decorated {
        private final FaultyBackend backend;

        private FaultyOps(FaultyBackend backend, Ops good) {
            super(good);
            this.backend = backend;
        }

        static Ops of(FaultyBackend backend, Ops good) {
            return proxy(Ops.class, new FaultyOps(backend, good));
        }

        @Override
        Ops decorate(Ops other) {
            return of(backend, other);
        }

        @Override
        Object faulty(String operation, Object... x) {
            return switch (backend.fault() + " " + operation) {
                case "NUMBERS layerNorm" -> good().affine(layerNorm(x), 1.0001, 0);
                case "SIGMOID sigmoid" -> good().affine(good().sigmoid((Tensor) x[0]), 1, 1e-4);
                case "THREADS layerNorm" ->
                    Thread.currentThread() == backend.opener() ? null : good().affine(layerNorm(x), 1 + 1e-15, 0);
                case "CLOSES_ARGUMENT relu" -> {
                    Tensor result = good().relu((Tensor) x[0]);
                    ((Tensor) x[0]).close();
                    yield result;
                }
                case "RETURNS_ARGUMENT reshape" -> {
                    good().reshape((Tensor) x[0], (long[]) x[1]).close();
                    yield java.util.Arrays.equals(((Tensor) x[0]).shape(), (long[]) x[1]) ? x[0] : null;
                }
                case "WRONG_EXCEPTION matmul" -> {
                    try {
                        yield good().matmul((Tensor) x[0], (Tensor) x[1], (boolean) x[2], (boolean) x[3]);
                    } catch (IllegalArgumentException e) {
                        throw new UnsupportedOperationException(e);
                    }
                }
                case "OTHER_MASKS dropout" -> {
                    Pass pass = good().pass();
                    yield backend.good()
                            .ops(good().scope(), new Pass(pass.mode(), pass.seed() + 1, pass.first()))
                            .dropout((Tensor) x[0], (double) x[1]);
                }
                case "LEAK layerNorm" -> {
                    ByteBuffer leak = ByteBuffer.allocateDirect(10_000);
                    synchronized (backend.leaked()) {
                        backend.leaked().add(leak);
                    }
                    yield null;
                }
                default -> null;
            };
        }

        private Tensor layerNorm(Object... x) {
            return good().layerNorm((Tensor) x[0], (Tensor) x[1], (Tensor) x[2], (double) x[3]);
        }
    }

    private static final class MovesTwice extends Decorated {
        MovesTwice(Ops good) {
            super(good);
        }

        @Override
        Ops decorate(Ops other) {
            return proxy(Ops.class, new MovesTwice(other));
        }

        @Override
        Object faulty(String operation, Object... x) {
            if (operation.equals("batchNorm")) {
                good().batchNorm((Tensor) x[0], (org.segformer3d.api.ops.BatchNormState) x[1], (double) x[2], (double)
                        x[3]);
            }
            return null;
        }
    }
}

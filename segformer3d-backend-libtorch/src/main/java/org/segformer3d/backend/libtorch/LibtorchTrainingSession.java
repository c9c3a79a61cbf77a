package org.segformer3d.backend.libtorch;

import java.lang.ref.Reference;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.global.torch;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.Mode;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.model.InputGeometry;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.network.Network;
import org.segformer3d.api.network.SegFormer3DNetwork;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.ops.Pass;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.api.training.TrainingBatch;
import org.segformer3d.api.training.TrainingSession;
import org.segformer3d.api.training.TrainingSpec;
import org.segformer3d.api.weights.StateDict;

/**
 * Training by autograd. Weights, gradients, the optimizer's state and the averages are one vector each (see {@link FlatTensors}); the
 * network's parameters are views of the first, their gradients views of the second.
 */
final class LibtorchTrainingSession implements TrainingSession {
    private final LibtorchBackend backend;
    private final TrainingSpec spec;
    private final Network network;
    private final List<ParameterSpec> entries;
    private Recording recording;
    private final Collective collective;
    private final SharedBatchNorm shared;
    private final FlatTensors weights;
    private final FlatTensors gradients;
    private final FlatTensors statistics;
    private final Optimizer optimizer;
    private final FlatTensors averagedWeights;
    private final FlatTensors averagedStatistics;
    private final Scope handles;
    private final Map<String, Tensor> tensors = new LinkedHashMap<>();
    private final TrainedNetwork fused;
    private final TrainedLoss loss;
    private long updates;
    /** Whether samples of this process counted since the last update. */
    private boolean counted;

    private boolean closed;

    /** Makes the session of a process alone. */
    LibtorchTrainingSession(LibtorchBackend backend, TrainingSpec spec, boolean fused) {
        this(backend, spec, fused, null, false);
    }

    /**
     * @param collective the processes that train together, closed with the session; {@code null} for one alone
     * @param sharesBatchNorm whether their BatchNorm takes its statistics from all of them
     */
    LibtorchTrainingSession(
            LibtorchBackend backend, TrainingSpec spec, boolean fused, Collective collective, boolean sharesBatchNorm) {
        this.backend = backend;
        this.spec = spec;
        this.collective = collective;
        this.shared = sharesBatchNorm && collective != null ? new SharedBatchNorm(backend, collective) : null;
        this.network = spec.network();
        this.entries = network.parameters();
        spec.initialWeights().require(entries);
        List<ParameterSpec> trained = trained();
        List<ParameterSpec> running = entries.stream()
                .filter(p ->
                        p.role() == ParameterSpec.Role.RUNNING_MEAN || p.role() == ParameterSpec.Role.RUNNING_VARIANCE)
                .toList();
        List<AutoCloseable> made = new ArrayList<>();
        try {
            this.weights = keep(made, new FlatTensors(backend, trained));
            this.gradients = keep(made, new FlatTensors(backend, trained));
            this.statistics = keep(made, new FlatTensors(backend, running));
            this.optimizer = keep(made, new Optimizer(backend, spec.optimizer(), trained));
            boolean averages = spec.emaDecay().isPresent();
            this.averagedWeights = averages ? keep(made, new FlatTensors(backend, trained)) : null;
            this.averagedStatistics = averages ? keep(made, new FlatTensors(backend, running)) : null;
            this.handles = keep(made, backend.newScope());
            connect();
            load(spec.initialWeights());
            if (averages) {
                averagedWeights.copyFrom(weights);
                averagedStatistics.copyFrom(statistics);
            }
            this.fused = fused
                    ? new TrainedNetwork(
                            backend,
                            spec.config(),
                            weights,
                            new Gradients(backend, trained, gradients),
                            statistics,
                            shared,
                            spec.recomputes(),
                            spec.mixed())
                    : null;
            this.loss = fused ? new TrainedLoss(backend, spec.loss(), this.fused.workers()) : null;
        } catch (RuntimeException e) {
            closeAll(made);
            throw e;
        }
    }

    private static <T extends AutoCloseable> T keep(List<AutoCloseable> made, T resource) {
        made.add(resource);
        return resource;
    }

    /** Makes the handles the network computes with, and ties every weight's gradient to its place in the gradients' vector. */
    private void connect() {
        for (ParameterSpec parameter : entries) {
            String name = parameter.name();
            tensors.put(name, backend.compute(handles, false, () -> switch (parameter.role()) {
                case RUNNING_MEAN, RUNNING_VARIANCE -> statistics.view(name).detach();
                case BATCHES_TRACKED -> backend.copyIn(HostTensor.of(new long[1]));
                default -> {
                    org.bytedeco.pytorch.Tensor leaf = weights.view(name).detach();
                    leaf.set_requires_grad(true);
                    leaf.mutable_grad().put(gradients.view(name));
                    yield leaf;
                }
            }));
        }
    }

    private void load(StateDict source) {
        backend.on(false, () -> {
            weights.copyFrom(source, "");
            statistics.copyFrom(source, "");
            LibtorchBackend.scoped(() -> {
                forEachCounter((name, counter) -> {
                    if (source.names().contains(name)) {
                        counter.copy_(backend.copyIn(source.get(name)));
                    } else {
                        counter.zero_();
                    }
                });
                return null;
            });
            return null;
        });
    }

    private void forEachCounter(java.util.function.BiConsumer<String, org.bytedeco.pytorch.Tensor> action) {
        for (ParameterSpec parameter : entries) {
            if (parameter.role() == ParameterSpec.Role.BATCHES_TRACKED) {
                action.accept(parameter.name(), LibtorchTensor.unwrap(backend, tensors.get(parameter.name())));
            }
        }
    }

    @Override
    public TrainingSpec spec() {
        return spec;
    }

    @Override
    public String implementation() {
        return fused == null ? "plain" : "fused";
    }

    @Override
    public double accumulate(TrainingBatch batch, double weight) {
        requireOpen();
        if (shared != null) {
            shared.counting(weight != 0);
        } else if (collective != null && weight == 0) {
            // Nobody waits for this part's statistics, so there is nothing to compute.
            backend.on(false, () -> {
                count();
                return null;
            });
            return 0;
        }
        counted |= weight != 0;
        if (fused != null) {
            return fused(batch, weight, false).loss();
        }
        return backend.on(true, () -> {
            try (Scope scope = backend.newScope()) {
                LibtorchOps ops = operations(scope, batch);
                return backward(ops, forward(ops, scope.tensor(batch.input()), batch), batch, weight);
            } finally {
                forgetRecording();
            }
        });
    }

    @Override
    public TrainingPass pass(TrainingBatch batch) {
        requireOpen();
        return backend.on(false, () -> {
            try (FlatTensors before = new FlatTensors(backend, trained())) {
                before.copyFrom(gradients);
                gradients.zero();
                try {
                    Outcome outcome = fused == null ? plain(batch) : fused(batch, 1, true);
                    Map<String, HostTensor> all = new LinkedHashMap<>();
                    gradients.copyTo(all, "");
                    return new TrainingPass(
                            outcome.loss(), outcome.logits(), outcome.inputGradient(), StateDict.of(all));
                } finally {
                    gradients.copyFrom(before);
                }
            }
        });
    }

    /** What a pass left beside gradients; without logits and the input's gradient where only the loss is wanted. */
    private record Outcome(double loss, HostTensor logits, HostTensor inputGradient) {}

    private Outcome plain(TrainingBatch batch) {
        return backend.on(true, () -> {
            try (Scope scope = backend.newScope()) {
                Tensor input = scope.tensor(batch.input());
                org.bytedeco.pytorch.Tensor leaf = LibtorchTensor.unwrap(backend, input);
                leaf.set_requires_grad(true);
                LibtorchOps ops = operations(scope, batch);
                List<Tensor> logits = forward(ops, input, batch);
                double loss = backward(ops, logits, batch, 1);
                return new Outcome(
                        loss, logits.get(0).toHost(), LibtorchBackend.scoped(() -> backend.copyOut(leaf.grad())));
            } finally {
                forgetRecording();
            }
        });
    }

    @Override
    public void observe(TrainingBatch batch) {
        requireOpen();
        backend.on(false, () -> {
            try (Scope scope = backend.newScope()) {
                Tensor input = scope.tensor(batch.input());
                if (fused == null) {
                    forward(operations(scope, batch), input, batch);
                } else {
                    InputGeometry geometry =
                            SegFormer3DNetwork.of(spec.config()).geometry(input.shape());
                    LibtorchBackend.scoped(() -> forward(LibtorchTensor.unwrap(backend, input), geometry, batch));
                }
            } finally {
                if (fused != null) {
                    fused.forget();
                }
                forgetRecording();
            }
            return null;
        });
    }

    private void forgetRecording() {
        if (recording != null) {
            recording.close();
        }
    }

    private void start(TrainingBatch batch) {
        recording = new Recording(new Pass(Mode.TRAINING, batch.seed(), batch.first()), true, shared);
    }

    private LibtorchOps operations(Scope scope, TrainingBatch batch) {
        start(batch);
        return new LibtorchOps(backend, scope, recording);
    }

    /** Returns logits in the compute type, finest first. */
    private List<Tensor> forward(LibtorchOps ops, Tensor input, TrainingBatch batch) {
        BlockParameters parameters = new BlockParameters(tensors, "");
        List<Tensor> logits = spec.mixed()
                ? MixedPrecision.run(backend.device(), () -> network.forward(ops, parameters, input)).stream()
                        .map(ops::inComputeType)
                        .toList()
                : network.forward(ops, parameters, input);
        if (!java.util.Arrays.equals(logits.get(0).shape(), batch.target().shape())) {
            throw misfit(batch, logits.get(0).shape());
        }
        return logits;
    }

    private static IllegalArgumentException misfit(TrainingBatch batch, long[] logits) {
        return new IllegalArgumentException("batch: found a target of shape "
                + Shapes.text(batch.target().shape()) + ", expected " + Shapes.text(logits));
    }

    private double backward(Ops ops, List<Tensor> logits, TrainingBatch batch, double weight) {
        Tensor loss = org.segformer3d.api.training.Losses.of(
                spec.loss(),
                ops,
                logits,
                ops.constant(batch.target()),
                batch.mask().map(ops::constant).orElse(null));
        return LibtorchBackend.scoped(() -> {
            org.bytedeco.pytorch.Tensor value = LibtorchTensor.unwrap(backend, loss);
            value.mul(new Scalar(weight)).backward();
            return value.item().toDouble();
        });
    }

    private Outcome fused(TrainingBatch batch, double weight, boolean everything) {
        try (Scope scope = backend.newScope()) {
            Tensor input = backend.borrow(scope, batch.input());
            InputGeometry geometry = SegFormer3DNetwork.of(spec.config()).geometry(input.shape());
            long[] expected = batch.input().shape();
            expected[1] = spec.config().numClasses();
            if (!java.util.Arrays.equals(expected, batch.target().shape())) {
                throw misfit(batch, expected);
            }
            return backend.on(
                    false,
                    () -> LibtorchBackend.scoped(
                            () -> fused(LibtorchTensor.unwrap(backend, input), geometry, batch, weight, everything)));
        } finally {
            fused.forget();
            // until here it may be computed with where it is
            Reference.reachabilityFence(batch);
        }
    }

    private org.bytedeco.pytorch.Tensor forward(
            org.bytedeco.pytorch.Tensor volumes, InputGeometry geometry, TrainingBatch batch) {
        start(batch);
        org.bytedeco.pytorch.Tensor logits = fused.forward(volumes, geometry, recording.pass());
        count();
        return logits;
    }

    private void count() {
        forEachCounter((name, counter) -> LibtorchBackend.scoped(() -> counter.add_(new Scalar(1L))));
    }

    /** Autograd sees the few numbers of a loss only: network and loss have their gradients written out. */
    private Outcome fused(
            org.bytedeco.pytorch.Tensor volumes,
            InputGeometry geometry,
            TrainingBatch batch,
            double weight,
            boolean everything) {
        org.bytedeco.pytorch.Tensor logits = forward(volumes, geometry, batch);
        HostTensor found = everything ? backend.copyOut(logits) : null;
        double value = LibtorchBackend.scoped(() -> loss.replaceByGradient(
                logits,
                backend.borrow(batch.target()),
                batch.mask().map(backend::borrow).orElse(null),
                weight));
        org.bytedeco.pytorch.Tensor inputGradient = fused.backward(logits, everything);
        return new Outcome(value, found, everything ? backend.copyOut(inputGradient) : null);
    }

    @Override
    public double update(double learningRate) {
        requireOpen();
        if (!(learningRate >= 0)) {
            throw new IllegalArgumentException("learning rate: found " + learningRate + ", expected at least 0");
        }
        return backend.on(false, () -> {
            if (collective != null) {
                reduce();
            }
            double norm = LibtorchBackend.scoped(
                    () -> torch.linalg_vector_norm(gradients.vector()).item().toDouble());
            if (Double.isFinite(norm)) {
                if (spec.clipNorm().isPresent()) {
                    double factor = spec.clipNorm().getAsDouble() / (norm + 1e-6);
                    if (factor < 1) {
                        LibtorchBackend.scoped(() -> gradients.vector().mul_(new Scalar(factor)));
                    }
                }
                optimizer.update(weights.vector(), gradients.vector(), learningRate);
                if (averagedWeights != null) {
                    // the first update starts the average, as PyTorch's AveragedModel has it
                    double decay = updates == 0 ? 0 : spec.emaDecay().getAsDouble();
                    averagedWeights.average(weights, decay);
                    averagedStatistics.average(statistics, decay);
                }
                updates++;
            }
            gradients.zero();
            return norm;
        });
    }

    /**
     * Sums gradients over all processes; running statistics that each took from its own samples become the means of those that had any.
     */
    private void reduce() {
        collective.sum(gradients.vector());
        if (shared == null) {
            LibtorchBackend.scoped(() -> {
                org.bytedeco.pytorch.Tensor count =
                        torch.full(new long[] {1}, new Scalar(counted ? 1.0 : 0.0), backend.floating());
                statistics.vector().mul_(count);
                collective.sum(statistics.vector());
                collective.sum(count);
                return statistics.vector().div_(count);
            });
        }
        counted = false;
    }

    @Override
    public void share() {
        requireOpen();
        if (collective == null) {
            return;
        }
        backend.on(false, () -> {
            collective.takeFirst(weights.vector());
            collective.takeFirst(statistics.vector());
            optimizer.share(collective);
            if (averagedWeights != null) {
                collective.takeFirst(averagedWeights.vector());
                collective.takeFirst(averagedStatistics.vector());
            }
            forEachCounter((name, counter) -> collective.takeFirst(counter));
            updates = collective.takeFirst(updates);
            gradients.zero();
            return null;
        });
    }

    private List<ParameterSpec> trained() {
        return entries.stream().filter(p -> p.role().isTrained()).toList();
    }

    @Override
    public StateDict weights() {
        requireOpen();
        return inOrder(weights, statistics);
    }

    @Override
    public Optional<StateDict> averagedWeights() {
        requireOpen();
        return averagedWeights == null ? Optional.empty() : Optional.of(inOrder(averagedWeights, averagedStatistics));
    }

    private StateDict inOrder(FlatTensors trained, FlatTensors running) {
        return backend.on(false, () -> {
            Map<String, HostTensor> found = new LinkedHashMap<>();
            trained.copyTo(found, "");
            running.copyTo(found, "");
            forEachCounter((name, counter) -> found.put(name, backend.copyOut(counter)));
            Map<String, HostTensor> ordered = new LinkedHashMap<>();
            entries.forEach(p -> ordered.put(p.name(), found.get(p.name())));
            return StateDict.of(ordered);
        });
    }

    @Override
    public TrainingState state() {
        requireOpen();
        return new TrainingState(weights(), backend.on(false, optimizer::state), averagedWeights(), updates);
    }

    @Override
    public void restore(TrainingState state) {
        requireOpen();
        if (!state.weights().mismatches(entries).isEmpty()) {
            throw new IllegalArgumentException("the state's weights belong to another network");
        }
        if (state.averaged().isPresent() != spec.emaDecay().isPresent()) {
            throw new IllegalArgumentException(
                    "the state has " + (state.averaged().isPresent() ? "" : "no ") + "averaged weights, the session "
                            + (spec.emaDecay().isPresent() ? "has" : "has none"));
        }
        if (state.averaged().isPresent()
                && !state.averaged().get().mismatches(entries).isEmpty()) {
            throw new IllegalArgumentException("the state's averaged weights belong to another network");
        }
        String misfit = optimizer.misfit(state.optimizer());
        if (!misfit.isEmpty()) {
            throw new IllegalArgumentException(misfit);
        }
        load(state.weights());
        backend.on(false, () -> {
            optimizer.restore(state.optimizer());
            state.averaged().ifPresent(averaged -> {
                averagedWeights.copyFrom(averaged, "");
                averagedStatistics.copyFrom(averaged, "");
            });
            gradients.zero();
            return null;
        });
        updates = state.updates();
    }

    @Override
    public SegmentationModel snapshot(boolean averaged) {
        requireOpen();
        if (averaged && averagedWeights == null) {
            throw new IllegalStateException("this session averages no weights");
        }
        if (fused != null) {
            // who predicts next needs memory of its own
            backend.on(false, () -> {
                fused.giveBack();
                return null;
            });
        }
        return backend.load(spec.network(), averaged ? averagedWeights().orElseThrow() : weights());
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the training session is closed");
        }
        backend.requireOpen();
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        if (fused != null) {
            fused.close();
        }
        forgetRecording();
        if (collective != null) {
            collective.close();
        }
        handles.close();
        weights.close();
        gradients.close();
        statistics.close();
        optimizer.close();
        if (averagedWeights != null) {
            averagedWeights.close();
            averagedStatistics.close();
        }
    }

    private static void closeAll(List<AutoCloseable> made) {
        for (int i = made.size() - 1; i >= 0; i--) {
            try {
                made.get(i).close();
            } catch (Exception e) {
                throw new IllegalStateException("closing native memory failed", e);
            }
        }
    }
}

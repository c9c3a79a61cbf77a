package org.segformer3d.api.training;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.segformer3d.api.backend.DifferentiableBackend;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.Mode;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.block.ParameterSpec.Role;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.network.Network;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.ops.Pass;
import org.segformer3d.api.ops.Tape;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.api.weights.StateDict;

/**
 * Training of any network on any backend that computes gradients of operations. The network and its loss run on the backend; what an
 * optimizer does, a few operations for each weight, is done in the Java process.
 */
public final class OpsTrainingSession implements TrainingSession {
    private final DifferentiableBackend backend;
    private final Network network;
    private final TrainingSpec spec;
    private final List<ParameterSpec> entries;
    private final List<ParameterSpec> trained;
    private final List<ParameterSpec> running;
    private final HostValues weights;
    private final HostValues gradients;
    private final HostOptimizer optimizer;
    private final HostValues averagedWeights;
    private final HostValues averagedStatistics;
    /** Running statistics and counters on the backend, which BatchNorms change. */
    private final Map<String, Tensor> statistics = new LinkedHashMap<>();

    private Scope held;
    private long updates;
    private boolean closed;

    /**
     * Starts training.
     *
     * @param backend stays open longer than the session
     * @param network what is trained
     * @param spec of the same network, neither recomputing nor mixed
     * @throws org.segformer3d.api.weights.StateDictMismatchException when the initial weights don't fit
     */
    public OpsTrainingSession(DifferentiableBackend backend, Network network, TrainingSpec spec) {
        if (spec.recomputes() || spec.mixed()) {
            throw new IllegalArgumentException("training operation by operation: found "
                    + (spec.recomputes() ? "activations to be computed again" : "mixed precision")
                    + ", expected neither that nor mixed precision");
        }
        this.backend = backend;
        this.network = network;
        this.spec = spec;
        this.entries = network.parameters();
        this.trained = entries.stream().filter(p -> p.role().isTrained()).toList();
        this.running = entries.stream()
                .filter(p -> p.role() == Role.RUNNING_MEAN || p.role() == Role.RUNNING_VARIANCE)
                .toList();
        spec.initialWeights().require(entries);
        DType type = backend.computeType();
        this.weights = new HostValues(trained, type);
        // sums of several batches' gradients keep all digits
        this.gradients = new HostValues(trained, DType.FLOAT64);
        this.optimizer = new HostOptimizer(spec.optimizer(), trained, type);
        boolean averages = spec.emaDecay().isPresent();
        this.averagedWeights = averages ? new HostValues(trained, type) : null;
        this.averagedStatistics = averages ? new HostValues(running, type) : null;
        load(spec.initialWeights());
        if (averages) {
            averagedWeights.average(weights, 0);
            averagedStatistics.average(statistics(), 0);
        }
    }

    private void load(StateDict source) {
        weights.copyFrom(source, "");
        Scope next = backend.newScope();
        Map<String, Tensor> found = new LinkedHashMap<>();
        for (ParameterSpec entry : entries) {
            if (!entry.role().isTrained()) {
                // old files have no counters
                boolean counterIsMissing =
                        entry.role() == Role.BATCHES_TRACKED && !source.names().contains(entry.name());
                found.put(
                        entry.name(),
                        next.tensor(
                                counterIsMissing
                                        ? HostTensor.zeros(DType.INT64, entry.dims())
                                        : source.get(entry.name())));
            }
        }
        if (held != null) {
            held.close();
        }
        held = next;
        statistics.clear();
        statistics.putAll(found);
    }

    private HostValues statistics() {
        HostValues values = new HostValues(running, backend.computeType());
        running.forEach(
                p -> values.add(p.name(), statistics.get(p.name()).toHost().toDoubles(), 1));
        return values;
    }

    @Override
    public TrainingSpec spec() {
        return spec;
    }

    @Override
    public double accumulate(TrainingBatch batch, double weight) {
        requireOpen();
        return backward(batch, weight, false, gradients).loss();
    }

    @Override
    public TrainingPass pass(TrainingBatch batch) {
        requireOpen();
        HostValues own = new HostValues(trained, DType.FLOAT64);
        Outcome outcome = backward(batch, 1, true, own);
        if (backend.computeType() == DType.FLOAT32) {
            own.round();
        }
        Map<String, HostTensor> all = new LinkedHashMap<>();
        own.copyTo(all, "");
        return new TrainingPass(outcome.loss(), outcome.logits(), outcome.inputGradient(), StateDict.of(all));
    }

    @Override
    public void observe(TrainingBatch batch) {
        requireOpen();
        try (Scope scope = backend.newScope()) {
            Map<String, Tensor> all = new LinkedHashMap<>(statistics);
            weights.forEach((name, host) -> all.put(name, scope.tensor(host)));
            network.forward(
                    backend.ops(scope, pass(batch.seed(), batch.first())),
                    new BlockParameters(all, ""),
                    scope.tensor(batch.input()));
        }
    }

    private static Pass pass(long seed, long first) {
        return new Pass(Mode.TRAINING, seed, first);
    }

    /** What a pass left beside gradients; logits and the input's gradient are {@code null} where they weren't asked for. */
    private record Outcome(double loss, HostTensor logits, HostTensor inputGradient) {}

    private Outcome backward(TrainingBatch batch, double weight, boolean everything, HostValues sums) {
        try (Tape tape = backend.newTape(pass(batch.seed(), batch.first()));
                Scope scope = backend.newScope()) {
            Ops ops = tape.ops();
            Map<String, Tensor> all = new LinkedHashMap<>(statistics);
            List<Tensor> variables = new ArrayList<>();
            weights.forEach((name, host) -> {
                Tensor variable = tape.variable(scope.tensor(host));
                all.put(name, variable);
                variables.add(variable);
            });
            Tensor input = scope.tensor(batch.input());
            if (everything) {
                input = tape.variable(input);
                variables.add(input);
            }
            List<Tensor> logits = network.forward(ops, new BlockParameters(all, ""), input);
            requireFit(batch, logits.get(0).shape());
            Tensor target = ops.constant(batch.target());
            Tensor mask = batch.mask().map(ops::constant).orElse(null);
            Tensor loss = Losses.of(spec.loss(), ops, logits, target, mask);
            double value = loss.toHost().get(0);
            HostTensor seen = everything ? logits.get(0).toHost() : null;
            Tensor factor = scope.tensor(HostTensor.of(new double[] {weight}));
            List<Tensor> found = tape.gradients(scope, loss, factor, variables);
            for (int i = 0; i < trained.size(); i++) {
                sums.add(trained.get(i).name(), found.get(i).toHost().toDoubles(), 1);
                found.get(i).close();
            }
            return new Outcome(
                    value, seen, everything ? found.get(trained.size()).toHost() : null);
        }
    }

    private static void requireFit(TrainingBatch batch, long[] logits) {
        if (!java.util.Arrays.equals(logits, batch.target().shape())) {
            throw new IllegalArgumentException("batch: found a target of shape "
                    + Shapes.text(batch.target().shape()) + ", expected " + Shapes.text(logits));
        }
    }

    @Override
    public double update(double learningRate) {
        requireOpen();
        if (!(learningRate >= 0)) {
            throw new IllegalArgumentException("learning rate: found " + learningRate + ", expected at least 0");
        }
        double norm = gradients.norm();
        if (Double.isFinite(norm)) {
            spec.clipNorm().ifPresent(largest -> {
                // PyTorch's clip_grad_norm_
                double factor = largest / (norm + 1e-6);
                if (factor < 1) {
                    gradients.scale(factor);
                }
            });
            optimizer.update(weights, gradients, learningRate);
            if (averagedWeights != null) {
                // the first update starts the average, as PyTorch's AveragedModel has it
                double decay = updates == 0 ? 0 : spec.emaDecay().getAsDouble();
                averagedWeights.average(weights, decay);
                averagedStatistics.average(statistics(), decay);
            }
            updates++;
        }
        gradients.zero();
        return norm;
    }

    @Override
    public StateDict weights() {
        requireOpen();
        return inOrder(weights, statistics());
    }

    @Override
    public Optional<StateDict> averagedWeights() {
        requireOpen();
        return averagedWeights == null ? Optional.empty() : Optional.of(inOrder(averagedWeights, averagedStatistics));
    }

    private StateDict inOrder(HostValues ofWeights, HostValues ofStatistics) {
        Map<String, HostTensor> found = new LinkedHashMap<>();
        ofWeights.copyTo(found, "");
        ofStatistics.copyTo(found, "");
        Map<String, HostTensor> ordered = new LinkedHashMap<>();
        for (ParameterSpec entry : entries) {
            ordered.put(
                    entry.name(),
                    entry.role() == Role.BATCHES_TRACKED
                            ? HostTensor.of(
                                    new long[] {
                                        (long) statistics
                                                .get(entry.name())
                                                .toHost()
                                                .get(0)
                                    },
                                    entry.dims())
                            : found.get(entry.name()));
        }
        return StateDict.of(ordered);
    }

    @Override
    public TrainingState state() {
        requireOpen();
        return new TrainingState(weights(), optimizer.state(), averagedWeights(), updates);
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
        optimizer.restore(state.optimizer());
        state.averaged().ifPresent(averaged -> {
            averagedWeights.copyFrom(averaged, "");
            averagedStatistics.copyFrom(averaged, "");
        });
        gradients.zero();
        updates = state.updates();
    }

    @Override
    public SegmentationModel snapshot(boolean averaged) {
        requireOpen();
        if (averaged && averagedWeights == null) {
            throw new IllegalStateException("this session averages no weights");
        }
        return backend.load(network, averaged ? averagedWeights().orElseThrow() : weights());
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the training session is closed");
        }
        if (backend.isClosed()) {
            throw new IllegalStateException("the backend is closed");
        }
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            held.close();
        }
    }
}

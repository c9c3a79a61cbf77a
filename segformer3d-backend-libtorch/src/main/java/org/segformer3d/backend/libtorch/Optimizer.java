package org.segformer3d.backend.libtorch;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.training.OptimizerSpec;
import org.segformer3d.api.weights.StateDict;

/** Moves weights against their gradients by PyTorch's rules, with state of its own. Must be closed. */
final class Optimizer implements AutoCloseable {
    private static final String STEP = "step";

    private final OptimizerSpec spec;
    /** Entries of the state by the name PyTorch gives them; SGD without momentum has none. */
    private final Map<String, FlatTensors> state = new LinkedHashMap<>();

    private long step;

    Optimizer(LibtorchBackend backend, OptimizerSpec spec, List<ParameterSpec> trained) {
        this.spec = spec;
        if (spec.kind() != OptimizerSpec.Kind.SGD) {
            state.put("exp_avg", new FlatTensors(backend, trained));
            state.put("exp_avg_sq", new FlatTensors(backend, trained));
        } else if (spec.momentum() != 0) {
            state.put("momentum_buffer", new FlatTensors(backend, trained));
        }
    }

    /** Moves the weights; the gradients may be overwritten. */
    void update(Tensor weights, Tensor gradients, double rate) {
        step++;
        LibtorchBackend.scoped(() -> {
            switch (spec.kind()) {
                case ADAM -> {
                    decayGradients(weights, gradients);
                    adam(weights, gradients, rate);
                }
                case ADAMW -> {
                    if (spec.weightDecay() != 0) {
                        weights.mul_(new Scalar(1 - rate * spec.weightDecay()));
                    }
                    adam(weights, gradients, rate);
                }
                case SGD -> {
                    decayGradients(weights, gradients);
                    descend(weights, gradients, rate);
                }
            }
            return null;
        });
    }

    private void decayGradients(Tensor weights, Tensor gradients) {
        if (spec.weightDecay() != 0) {
            gradients.add_(weights, new Scalar(spec.weightDecay()));
        }
    }

    private void adam(Tensor weights, Tensor gradients, double rate) {
        Tensor first = state.get("exp_avg").vector();
        Tensor second = state.get("exp_avg_sq").vector();
        first.lerp_(gradients, new Scalar(1 - spec.beta1()));
        second.mul_(new Scalar(spec.beta2())).addcmul_(gradients, gradients, new Scalar(1 - spec.beta2()));
        double correction1 = 1 - Math.pow(spec.beta1(), step);
        double correction2 = 1 - Math.pow(spec.beta2(), step);
        Tensor denominator =
                second.sqrt().div_(new Scalar(Math.sqrt(correction2))).add_(new Scalar(spec.epsilon()));
        weights.addcdiv_(first, denominator, new Scalar(-rate / correction1));
    }

    private void descend(Tensor weights, Tensor gradients, double rate) {
        Tensor direction = gradients;
        if (spec.momentum() != 0) {
            Tensor buffer = state.get("momentum_buffer").vector();
            buffer.mul_(new Scalar(spec.momentum())).add_(gradients);
            direction = spec.nesterov() ? gradients.add(buffer, new Scalar(spec.momentum())) : buffer;
        }
        weights.add_(direction, new Scalar(-rate));
    }

    /** Takes over the state of the first of several processes. */
    void share(Collective collective) {
        LibtorchBackend.scoped(() -> {
            step = collective.takeFirst(step);
            state.values().forEach(tensors -> collective.takeFirst(tensors.vector()));
            return null;
        });
    }

    StateDict state() {
        Map<String, HostTensor> entries = new LinkedHashMap<>();
        entries.put(STEP, HostTensor.of(new long[] {step}));
        state.forEach((kind, tensors) -> tensors.copyTo(entries, kind + "."));
        return StateDict.of(entries);
    }

    /** Returns what is wrong with a state for this optimizer; empty when nothing is. */
    String misfit(StateDict found) {
        Map<String, long[]> expected = new LinkedHashMap<>();
        expected.put(STEP, new long[0]);
        state.forEach((kind, tensors) ->
                tensors.views().forEach((name, view) -> expected.put(kind + "." + name, Functional.shape(view))));
        if (!found.names().equals(expected.keySet())) {
            return "the optimizer state has " + found.names().size() + " entries of other names than the "
                    + expected.size() + " of " + spec.kind();
        }
        for (Map.Entry<String, long[]> entry : expected.entrySet()) {
            if (!java.util.Arrays.equals(found.get(entry.getKey()).shape(), entry.getValue())) {
                return "the optimizer state's entry '" + entry.getKey() + "' has another shape than its weight";
            }
        }
        return found.get(STEP).dtype() == DType.INT64 ? "" : "the optimizer state's entry 'step' isn't an int64";
    }

    void restore(StateDict found) {
        step = (long) found.get(STEP).get(0);
        state.forEach((kind, tensors) -> tensors.copyFrom(found, kind + "."));
    }

    @Override
    public void close() {
        state.values().forEach(FlatTensors::close);
    }
}

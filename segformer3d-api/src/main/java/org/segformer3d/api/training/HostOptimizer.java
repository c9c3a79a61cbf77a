package org.segformer3d.api.training;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.weights.StateDict;

/** Moves weights against their gradients by PyTorch's rules, in the Java process, with state of its own. */
final class HostOptimizer {
    private static final String STEP = "step";
    private static final String FIRST = "exp_avg";
    private static final String SECOND = "exp_avg_sq";
    private static final String MOMENTUM = "momentum_buffer";

    private final OptimizerSpec spec;
    private final List<ParameterSpec> trained;
    /** Entries of the state by the name PyTorch gives them, then by weight; SGD without momentum has none. */
    private final Map<String, HostValues> state = new LinkedHashMap<>();

    private long step;

    HostOptimizer(OptimizerSpec spec, List<ParameterSpec> trained, DType type) {
        this.spec = spec;
        this.trained = trained;
        if (spec.kind() != OptimizerSpec.Kind.SGD) {
            state.put(FIRST, new HostValues(trained, type));
            state.put(SECOND, new HostValues(trained, type));
        } else if (spec.momentum() != 0) {
            state.put(MOMENTUM, new HostValues(trained, type));
        }
    }

    /** Moves the weights. */
    void update(HostValues weights, HostValues gradients, double rate) {
        step++;
        for (ParameterSpec parameter : trained) {
            String name = parameter.name();
            double[] weight = weights.get(name);
            double[] gradient = gradients.get(name);
            switch (spec.kind()) {
                case ADAM -> adam(name, weight, gradient, spec.weightDecay(), 0, rate);
                case ADAMW -> adam(name, weight, gradient, 0, spec.weightDecay(), rate);
                case SGD -> descend(name, weight, gradient, rate);
            }
        }
        weights.round();
        state.values().forEach(HostValues::round);
    }

    /**
     * @param penalty added to the gradient as a share of the weight (Adam's decay)
     * @param shrinkage by what share of itself, times the rate, the weight shrinks first (AdamW's)
     */
    private void adam(String name, double[] weight, double[] gradient, double penalty, double shrinkage, double rate) {
        double[] first = state.get(FIRST).get(name);
        double[] second = state.get(SECOND).get(name);
        double correction1 = 1 - Math.pow(spec.beta1(), step);
        double correction2 = Math.sqrt(1 - Math.pow(spec.beta2(), step));
        for (int i = 0; i < weight.length; i++) {
            double g = gradient[i] + penalty * weight[i];
            first[i] += (1 - spec.beta1()) * (g - first[i]);
            second[i] = spec.beta2() * second[i] + (1 - spec.beta2()) * g * g;
            double denominator = Math.sqrt(second[i]) / correction2 + spec.epsilon();
            weight[i] = weight[i] * (1 - rate * shrinkage) - rate / correction1 * first[i] / denominator;
        }
    }

    private void descend(String name, double[] weight, double[] gradient, double rate) {
        double[] buffer = spec.momentum() == 0 ? null : state.get(MOMENTUM).get(name);
        for (int i = 0; i < weight.length; i++) {
            double g = gradient[i] + spec.weightDecay() * weight[i];
            double direction = g;
            if (buffer != null) {
                buffer[i] = spec.momentum() * buffer[i] + g;
                direction = spec.nesterov() ? g + spec.momentum() * buffer[i] : buffer[i];
            }
            weight[i] -= rate * direction;
        }
    }

    StateDict state() {
        Map<String, HostTensor> entries = new LinkedHashMap<>();
        entries.put(STEP, HostTensor.of(new long[] {step}));
        state.forEach((kind, values) -> values.copyTo(entries, kind + "."));
        return StateDict.of(entries);
    }

    /** Returns what is wrong with a state for this optimizer; empty when nothing is. */
    String misfit(StateDict found) {
        Map<String, long[]> expected = new LinkedHashMap<>();
        expected.put(STEP, new long[0]);
        state.keySet().forEach(kind -> trained.forEach(p -> expected.put(kind + "." + p.name(), p.dims())));
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
        state.forEach((kind, values) -> values.copyFrom(found, kind + "."));
    }
}

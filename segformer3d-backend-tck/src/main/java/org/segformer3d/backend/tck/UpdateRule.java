package org.segformer3d.backend.tck;

import org.segformer3d.api.training.OptimizerSpec;

/** One weight's optimizer written out element by element in float64, as PyTorch documents it. */
final class UpdateRule {
    private final OptimizerSpec spec;
    private final double[] first;
    private final double[] second;
    private int steps;

    UpdateRule(OptimizerSpec spec, int elements) {
        this.spec = spec;
        this.first = new double[elements];
        this.second = new double[elements];
    }

    /** Returns the weight after a step. */
    double[] step(double[] weight, double[] gradient, double rate) {
        steps++;
        double[] next = new double[weight.length];
        for (int i = 0; i < weight.length; i++) {
            next[i] = switch (spec.kind()) {
                case ADAM -> weight[i] - adam(i, gradient[i] + spec.weightDecay() * weight[i], rate);
                case ADAMW -> weight[i] * (1 - rate * spec.weightDecay()) - adam(i, gradient[i], rate);
                case SGD -> weight[i] - rate * sgd(i, gradient[i] + spec.weightDecay() * weight[i]);
            };
        }
        return next;
    }

    private double adam(int i, double gradient, double rate) {
        first[i] = spec.beta1() * first[i] + (1 - spec.beta1()) * gradient;
        second[i] = spec.beta2() * second[i] + (1 - spec.beta2()) * gradient * gradient;
        double mean = first[i] / (1 - Math.pow(spec.beta1(), steps));
        double square = second[i] / (1 - Math.pow(spec.beta2(), steps));
        return rate * mean / (Math.sqrt(square) + spec.epsilon());
    }

    private double sgd(int i, double gradient) {
        if (spec.momentum() == 0) {
            return gradient;
        }
        first[i] = steps == 1 ? gradient : spec.momentum() * first[i] + gradient;
        return spec.nesterov() ? gradient + spec.momentum() * first[i] : first[i];
    }
}

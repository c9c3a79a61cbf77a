package org.segformer3d.api.training;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.weights.StateDict;

/** An array for each of some parameters, in float64, holding numbers that a compute type has, so that copies in that type lose nothing. */
final class HostValues {
    private final List<ParameterSpec> parameters;
    private final DType type;
    private final Map<String, double[]> arrays = new LinkedHashMap<>();

    /** Makes arrays of zeros. */
    HostValues(List<ParameterSpec> parameters, DType type) {
        this.parameters = parameters;
        this.type = type;
        parameters.forEach(p -> arrays.put(p.name(), new double[Math.toIntExact(p.elements())]));
    }

    double[] get(String name) {
        return arrays.get(name);
    }

    /** Makes every number one that the compute type has. */
    void round() {
        if (type == DType.FLOAT32) {
            arrays.values().forEach(array -> Arrays.setAll(array, i -> (float) array[i]));
        }
    }

    void zero() {
        arrays.values().forEach(array -> Arrays.fill(array, 0));
    }

    /** Adds factor · values. */
    void add(String name, double[] values, double factor) {
        double[] array = arrays.get(name);
        for (int i = 0; i < array.length; i++) {
            array[i] += factor * values[i];
        }
    }

    void scale(double factor) {
        arrays.values().forEach(array -> Arrays.setAll(array, i -> factor * array[i]));
    }

    /** Moves towards other values: decay · these + (1 − decay) · others. */
    void average(HostValues others, double decay) {
        arrays.forEach((name, array) -> {
            double[] other = others.arrays.get(name);
            Arrays.setAll(array, i -> decay * array[i] + (1 - decay) * other[i]);
        });
        round();
    }

    /** Returns the Euclidean norm over all numbers. */
    double norm() {
        double sum = 0;
        for (double[] array : arrays.values()) {
            for (double value : array) {
                sum += value * value;
            }
        }
        return Math.sqrt(sum);
    }

    void copyFrom(StateDict source, String prefix) {
        arrays.forEach((name, array) -> {
            double[] values = source.get(prefix + name).toDoubles();
            System.arraycopy(values, 0, array, 0, array.length);
        });
        round();
    }

    void copyTo(Map<String, HostTensor> target, String prefix) {
        forEach((name, tensor) -> target.put(prefix + name, tensor));
    }

    /** Hands out copies in the compute type. */
    void forEach(BiConsumer<String, HostTensor> action) {
        for (ParameterSpec parameter : parameters) {
            HostTensor exact = HostTensor.of(arrays.get(parameter.name()), parameter.dims());
            action.accept(parameter.name(), type == DType.FLOAT32 ? exact.toFloat32() : exact);
        }
    }
}

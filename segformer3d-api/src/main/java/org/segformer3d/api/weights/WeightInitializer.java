package org.segformer3d.api.weights;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.tensor.HostTensor;

/**
 * Random initial weights, drawn as each entry's {@link org.segformer3d.api.block.Initialization} says.
 *
 * <p>Each entry has a random stream of its own, derived from the seed and its name, so the values don't depend on backend, device
 * or the order of entries.
 */
public final class WeightInitializer {
    private WeightInitializer() {}

    /**
     * Returns initial weights in float32.
     *
     * @param parameters the network's entries
     * @param seed any number; equal seeds give equal weights
     */
    public static StateDict initialize(List<ParameterSpec> parameters, long seed) {
        Map<String, HostTensor> tensors = new LinkedHashMap<>();
        for (ParameterSpec spec : parameters) {
            tensors.put(spec.name(), initialize(spec, seed));
        }
        return StateDict.of(tensors);
    }

    private static HostTensor initialize(ParameterSpec spec, long seed) {
        long[] shape = spec.dims();
        if (spec.role() == ParameterSpec.Role.BATCHES_TRACKED) {
            return HostTensor.of(new long[1], shape);
        }
        float[] values = new float[Math.toIntExact(spec.elements())];
        SplittableRandom random = new SplittableRandom(stream(seed, spec.name()));
        for (int i = 0; i < values.length; i++) {
            values[i] = spec.initialization().draw(random);
        }
        return HostTensor.of(values, shape);
    }

    private static long stream(long seed, String name) {
        long hash = 0xcbf29ce484222325L ^ seed * 0x9e3779b97f4a7c15L;
        for (int i = 0; i < name.length(); i++) {
            hash = (hash ^ name.charAt(i)) * 0x100000001b3L;
        }
        return hash;
    }
}

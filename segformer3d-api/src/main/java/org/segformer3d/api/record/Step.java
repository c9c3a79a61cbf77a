package org.segformer3d.api.record;

import java.util.List;
import java.util.Map;
import org.segformer3d.api.tensor.HostTensor;

/**
 * One recorded operation.
 *
 * @param operation name of the method of {@link org.segformer3d.api.ops.Ops}
 * @param inputs numbers of the values it takes, −1 for one that is left out
 * @param sizes its whole numbers in the order of the method's parameters, arrays one after the other
 * @param numbers its other numbers and flags by name
 * @param indices indices of a gather; empty for others
 * @param constant values of a constant; {@code null} for others
 * @param output number of the value it makes
 */
public record Step(
        String operation,
        List<Integer> inputs,
        List<Size> sizes,
        Map<String, Double> numbers,
        List<Integer> indices,
        HostTensor constant,
        int output) {
    /** Copies the collections. */
    public Step {
        inputs = List.copyOf(inputs);
        sizes = List.copyOf(sizes);
        numbers = Map.copyOf(numbers);
        indices = List.copyOf(indices);
    }

    /** Returns a whole number that is always the same. */
    public int constantSize(int index) {
        if (sizes.get(index) instanceof Size.Constant constantSize) {
            return Math.toIntExact(constantSize.value());
        }
        throw new IllegalStateException(operation + ": number " + index + " depends on the input's size");
    }

    /** Returns some whole numbers that are always the same. */
    public int[] constantSizes(int from, int to) {
        int[] result = new int[to - from];
        for (int i = from; i < to; i++) {
            result[i - from] = constantSize(i);
        }
        return result;
    }
}

package org.segformer3d.data.weights;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.weights.StateDict;

/**
 * What a file of named tensors holds.
 *
 * @param tensors the tensors in the file's order, unmodifiable
 * @param metadata free texts beside them, unmodifiable, often empty
 */
public record TensorFile(Map<String, HostTensor> tensors, Map<String, String> metadata) {
    /** Copies both maps and keeps their order. */
    public TensorFile {
        tensors = Collections.unmodifiableMap(new LinkedHashMap<>(tensors));
        metadata = Collections.unmodifiableMap(new LinkedHashMap<>(metadata));
    }

    /**
     * Returns one tensor.
     *
     * @throws IllegalArgumentException when there is none of that name; the message lists the names there are
     */
    public HostTensor get(String name) {
        HostTensor tensor = tensors.get(name);
        if (tensor == null) {
            throw new IllegalArgumentException("no tensor named '" + name + "'; found " + Names.list(tensors.keySet()));
        }
        return tensor;
    }

    /** Returns the tensors as weights, under their names as they are. */
    public StateDict toStateDict() {
        return StateDict.of(tensors);
    }
}

package org.segformer3d.api.block;

import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;
import org.segformer3d.api.tensor.Tensor;

/**
 * A block's weights on its backend, looked up by their names within the block.
 *
 * <p>The tensors belong to whoever loaded them and outlive the block.
 */
public final class BlockParameters {
    private final Function<String, Tensor> tensors;
    private final String prefix;

    /**
     * Creates a view of named tensors.
     *
     * @param tensors full names to tensors, never {@code null}
     * @param prefix what stands before the block's own names, with its final dot; may be empty
     */
    public BlockParameters(Map<String, Tensor> tensors, String prefix) {
        this(Map.copyOf(tensors)::get, prefix);
    }

    /**
     * Creates parameters that are looked up as they are asked for.
     *
     * @param tensors gives the tensor of a full name, or {@code null} where there is none
     */
    public BlockParameters(Function<String, Tensor> tensors) {
        this(Objects.requireNonNull(tensors, "tensors"), "");
    }

    private BlockParameters(Function<String, Tensor> tensors, String prefix) {
        this.tensors = tensors;
        this.prefix = Objects.requireNonNull(prefix, "prefix");
    }

    /**
     * Returns the tensor of that name.
     *
     * @param name name within the block, for example {@code query.weight}
     * @throws IllegalArgumentException when there is none
     */
    public Tensor get(String name) {
        Tensor tensor = tensors.apply(prefix + name);
        if (tensor == null) {
            throw new IllegalArgumentException("no parameter named '" + prefix + name + "'");
        }
        return tensor;
    }

    /**
     * Returns the tensor of that name, or empty where there is none.
     *
     * @param name name within the block
     */
    public Optional<Tensor> find(String name) {
        return Optional.ofNullable(tensors.apply(prefix + name));
    }

    /** Returns a view one level deeper: {@code at("attention.")} sees {@code attention.query.weight} as {@code query.weight}. */
    public BlockParameters at(String deeper) {
        return new BlockParameters(tensors, prefix + deeper);
    }
}

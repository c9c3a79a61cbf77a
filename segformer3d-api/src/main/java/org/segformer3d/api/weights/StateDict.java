package org.segformer3d.api.weights;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Shapes;

/**
 * Named weights under the official names, in order. Immutable; the host tensors inside must not be written to.
 */
public final class StateDict {
    private final Map<String, HostTensor> tensors;

    private StateDict(Map<String, HostTensor> tensors) {
        this.tensors = tensors;
    }

    /** Returns a state dict with a copy of the map, whose order is kept. */
    public static StateDict of(Map<String, HostTensor> tensors) {
        Map<String, HostTensor> copy = new LinkedHashMap<>(tensors);
        copy.forEach((name, tensor) -> {
            Objects.requireNonNull(name, "name");
            Objects.requireNonNull(tensor, name);
        });
        return new StateDict(Collections.unmodifiableMap(copy));
    }

    /** Returns the entries in order. */
    public Map<String, HostTensor> tensors() {
        return tensors;
    }

    /** Returns the names in order. */
    public Set<String> names() {
        return tensors.keySet();
    }

    /**
     * Returns one entry.
     *
     * @throws IllegalArgumentException when there is none of that name
     */
    public HostTensor get(String name) {
        HostTensor tensor = tensors.get(name);
        if (tensor == null) {
            throw new IllegalArgumentException("no weight named '" + name + "'");
        }
        return tensor;
    }

    /** Returns the entries whose names start with the prefix, without it. */
    public StateDict at(String prefix) {
        Map<String, HostTensor> below = new LinkedHashMap<>();
        tensors.forEach((name, tensor) -> {
            if (name.startsWith(prefix)) {
                below.put(name.substring(prefix.length()), tensor);
            }
        });
        return of(below);
    }

    /** Returns the entries with a prefix before each name. */
    public StateDict prefixed(String prefix) {
        Map<String, HostTensor> renamed = new LinkedHashMap<>();
        tensors.forEach((name, tensor) -> renamed.put(prefix + name, tensor));
        return of(renamed);
    }

    /**
     * Returns what keeps these weights from being loaded into a network of these parameters; empty when nothing does.
     *
     * <p>A missing {@code num_batches_tracked} is accepted: it counts batches and never enters a computation here.
     */
    public List<Mismatch> mismatches(List<ParameterSpec> parameters) {
        List<Mismatch> found = new ArrayList<>();
        Set<String> expected = new TreeSet<>();
        for (ParameterSpec spec : parameters) {
            expected.add(spec.name());
            HostTensor tensor = tensors.get(spec.name());
            if (tensor == null) {
                if (spec.role() != ParameterSpec.Role.BATCHES_TRACKED) {
                    found.add(new Mismatch(Mismatch.Kind.MISSING, spec.name(), "", Shapes.text(spec.dims())));
                }
            } else if (!java.util.Arrays.equals(tensor.shape(), spec.dims())) {
                found.add(new Mismatch(
                        Mismatch.Kind.MISSHAPEN, spec.name(), Shapes.text(tensor.shape()), Shapes.text(spec.dims())));
            }
        }
        tensors.forEach((name, tensor) -> {
            if (!expected.contains(name)) {
                found.add(new Mismatch(Mismatch.Kind.UNEXPECTED, name, Shapes.text(tensor.shape()), ""));
            }
        });
        return found;
    }

    /**
     * Checks that these weights fit a network.
     *
     * @return this
     * @throws StateDictMismatchException naming every missing, unexpected and misshapen key
     */
    public StateDict require(List<ParameterSpec> parameters) {
        List<Mismatch> found = mismatches(parameters);
        if (!found.isEmpty()) {
            throw new StateDictMismatchException(found);
        }
        return this;
    }

    /** Returns the number of elements of all entries, buffers included. */
    public long elements() {
        return tensors.values().stream().mapToLong(HostTensor::elements).sum();
    }

    /**
     * Returns the SHA-256 over names, types, shapes and bytes, names sorted: equal for equal weights whatever file they came from.
     *
     * @return 64 hexadecimal digits
     */
    public String hash() {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            for (String name : new TreeSet<>(tensors.keySet())) {
                HostTensor tensor = tensors.get(name);
                digest.update((name + " " + tensor + "\n").getBytes(StandardCharsets.UTF_8));
                ByteBuffer bytes = tensor.bytes();
                digest.update(bytes);
            }
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java runtime has SHA-256", e);
        }
    }

    /** Two state dicts are equal when their entries are, whatever their order. */
    @Override
    public boolean equals(Object other) {
        return other instanceof StateDict that && tensors.equals(that.tensors);
    }

    @Override
    public int hashCode() {
        return tensors.hashCode();
    }

    @Override
    public String toString() {
        return "StateDict of " + tensors.size() + " entries, " + elements() + " elements";
    }

    /**
     * One reason why weights don't fit.
     *
     * @param kind what is wrong
     * @param name full name of the entry
     * @param found shape found, empty when missing
     * @param expected shape expected, empty when unexpected
     */
    public record Mismatch(Kind kind, String name, String found, String expected) {
        /** What is wrong with an entry. */
        public enum Kind {
            /** The model needs it and the weights lack it. */
            MISSING,
            /** The weights have it and the model doesn't. */
            UNEXPECTED,
            /** Both have it, in different shapes. */
            MISSHAPEN
        }
    }
}

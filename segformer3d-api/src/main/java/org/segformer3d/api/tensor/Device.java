package org.segformer3d.api.tensor;

import java.util.Locale;
import java.util.Objects;

/**
 * Where a backend computes.
 *
 * @param type kind of device, never {@code null}
 * @param index which of several, 0 for the CPU
 */
public record Device(Type type, int index) {
    /** The CPU. */
    public static final Device CPU = new Device(Type.CPU, 0);

    /** Kinds of device. */
    public enum Type {
        /** The processor the Java process runs on. */
        CPU,
        /** An NVIDIA GPU. */
        CUDA
    }

    /** Checks the index. */
    public Device {
        Objects.requireNonNull(type, "type");
        if (index < 0 || type == Type.CPU && index != 0) {
            throw new IllegalArgumentException("no such device index: " + index);
        }
    }

    /**
     * Parses {@code cpu}, {@code cuda} or {@code cuda:1}.
     *
     * @throws IllegalArgumentException when the text is none of these
     */
    public static Device parse(String text) {
        String lower = text.strip().toLowerCase(Locale.ROOT);
        if (lower.equals("cpu")) {
            return CPU;
        }
        if (lower.equals("cuda")) {
            return new Device(Type.CUDA, 0);
        }
        if (lower.matches("cuda:\\d{1,4}")) {
            return new Device(Type.CUDA, Integer.parseInt(lower.substring(5)));
        }
        throw new IllegalArgumentException("device: found '" + text + "', expected cpu, cuda or cuda:N");
    }

    /** Returns the text that {@link #parse} reads. */
    @Override
    public String toString() {
        return type == Type.CPU ? "cpu" : "cuda:" + index;
    }
}

package org.segformer3d.api.backend;

import java.util.Locale;
import java.util.Objects;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.Device;

/**
 * How a backend is opened.
 *
 * @param device where to compute, never {@code null}
 * @param computeType {@link DType#FLOAT32} or {@link DType#FLOAT64}, or a reduced precision for prediction, {@link DType#BFLOAT16} or
 *     {@link DType#FLOAT16}, which a backend may refuse: networks then compute most products in it, while tensors and logits are
 *     float32; never {@code null}
 * @param threads threads the backend computes with on the CPU; 0 for as many as there are processors
 * @param implementation which form of the network to use, never {@code null}
 */
public record BackendOptions(Device device, DType computeType, int threads, Implementation implementation) {
    /** Which form of the network a backend uses. */
    public enum Implementation {
        /** The backend's fastest form that is exact. */
        AUTO,
        /** The operations of the paper, one after the other. */
        PLAIN,
        /** Operations one after the other, of what is constant at inference only the products; see {@code FoldedSegFormer3D}. */
        FOLDED,
        /** The backend's fused form; an error where it has none. */
        FUSED;

        /**
         * Parses {@code auto}, {@code plain}, {@code folded} or {@code fused}.
         *
         * @throws IllegalArgumentException for any other text
         */
        public static Implementation parse(String text) {
            for (Implementation value : values()) {
                if (value.name().equalsIgnoreCase(text.strip())) {
                    return value;
                }
            }
            throw new IllegalArgumentException(
                    "implementation: found '" + text + "', expected auto, plain, folded or fused");
        }

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** Validates. */
    public BackendOptions {
        Objects.requireNonNull(device, "device");
        Objects.requireNonNull(computeType, "computeType");
        Objects.requireNonNull(implementation, "implementation");
        if (!computeType.isFloating()) {
            throw new IllegalArgumentException(
                    "compute type: found " + computeType + ", expected FLOAT32, FLOAT64, BFLOAT16 or FLOAT16");
        }
        if (threads < 0) {
            throw new IllegalArgumentException("threads: found " + threads + ", expected 0 (all processors) or more");
        }
    }

    /** Returns whether networks compute in less than float32. */
    public boolean isReducedPrecision() {
        return computeType == DType.BFLOAT16 || computeType == DType.FLOAT16;
    }

    /** Returns the defaults: CPU, float32, as many threads as processors, the fastest form. */
    public static BackendOptions defaults() {
        return new BackendOptions(Device.CPU, DType.FLOAT32, 0, Implementation.AUTO);
    }

    /** Returns these options on another device. */
    public BackendOptions on(Device newDevice) {
        return new BackendOptions(newDevice, computeType, threads, implementation);
    }

    /** Returns these options with another compute type. */
    public BackendOptions in(DType newComputeType) {
        return new BackendOptions(device, newComputeType, threads, implementation);
    }

    /** Returns these options with another number of threads. */
    public BackendOptions withThreads(int newThreads) {
        return new BackendOptions(device, computeType, newThreads, implementation);
    }

    /** Returns these options with another form of the network. */
    public BackendOptions with(Implementation newImplementation) {
        return new BackendOptions(device, computeType, threads, newImplementation);
    }
}

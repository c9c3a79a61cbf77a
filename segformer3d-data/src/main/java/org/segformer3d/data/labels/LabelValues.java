package org.segformer3d.data.labels;

import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;

/** Label values as 16-bit integers, the form all work on them is done in. */
public final class LabelValues {
    private LabelValues() {}

    /**
     * Returns the values of a label tensor.
     *
     * @param labels any shape and element type, whole numbers of −32768…32767
     * @param source the file or case, for the message
     * @throws UnknownLabelException when a value isn't a whole number or is too large
     */
    public static short[] of(HostTensor labels, String source) {
        short[] values = new short[Math.toIntExact(labels.elements())];
        switch (labels.dtype()) {
            case UINT8 -> {
                byte[] bytes = new byte[values.length];
                labels.bytes().get(bytes);
                for (int n = 0; n < values.length; n++) {
                    values[n] = (short) (bytes[n] & 0xff);
                }
            }
            case INT16 -> labels.bytes().asShortBuffer().get(values);
            default -> {
                for (int n = 0; n < values.length; n++) {
                    double value = labels.get(n);
                    values[n] = (short) value;
                    if (values[n] != value) {
                        throw new UnknownLabelException(
                                source + ": found label value " + value + ", expected whole numbers of -32768…32767");
                    }
                }
            }
        }
        return values;
    }

    /**
     * Returns a tensor with a copy of the values: uint8 where all of them lie in 0…255, int16 otherwise.
     *
     * @param shape sizes per axis
     * @throws IllegalArgumentException when the shape holds another number of values
     */
    public static HostTensor tensor(short[] values, long... shape) {
        boolean fitsByte = true;
        for (short value : values) {
            fitsByte &= (value & ~0xff) == 0;
        }
        return tensor(values, fitsByte, shape);
    }

    static HostTensor tensor(short[] values, boolean fitsByte, long... shape) {
        if (fitsByte) {
            byte[] bytes = new byte[values.length];
            for (int n = 0; n < bytes.length; n++) {
                bytes[n] = (byte) values[n];
            }
            return HostTensor.of(bytes, shape);
        }
        HostTensor tensor = HostTensor.zeros(DType.INT16, shape);
        if (tensor.elements() != values.length) {
            throw new IllegalArgumentException(tensor + " doesn't hold " + values.length + " values");
        }
        tensor.bytes().asShortBuffer().put(values);
        return tensor;
    }
}

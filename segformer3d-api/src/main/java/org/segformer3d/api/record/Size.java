package org.segformer3d.api.record;

/** A whole number in a recorded operation: the same for every input, or a function of the sizes of what was computed before. */
public sealed interface Size {
    /**
     * A number that is always the same.
     *
     * @param value the number
     */
    record Constant(long value) implements Size {}

    /**
     * numerator · size / denominator of one axis of an earlier value, without remainder.
     *
     * @param value number of the value
     * @param axis which axis
     * @param numerator at least 1
     * @param denominator at least 1
     */
    record OfAxis(int value, int axis, long numerator, long denominator) implements Size {}

    /**
     * What is missing of an axis to the next multiple: max(⌈size/multiple⌉ · multiple, least) − size.
     *
     * @param value number of the value
     * @param axis which axis
     * @param multiple at least 1
     * @param least at least 0
     */
    record Missing(int value, int axis, long multiple, long least) implements Size {}

    /** The size that the others of a reshaped tensor leave. */
    record Rest() implements Size {}
}

package org.segformer3d.data.transform;

/** A change of a sample whose amount is fixed; it moves image and label together. */
@FunctionalInterface
public interface Transform {
    /**
     * Returns the changed sample.
     *
     * @param sample consumed: its arrays may be changed and may be part of the result; never {@code null}
     */
    Sample apply(Sample sample);
}

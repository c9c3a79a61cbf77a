package org.segformer3d.data.volume;

/**
 * What a file said about geometry beyond size and affine, kept so that a result can be written with exactly the same fields.
 *
 * <p>Implementations are immutable; each file format has its own, which its writer recognises.
 */
public interface SourceHeader {
    /** Returns the name of the file format, for example {@code NIfTI-1}. */
    String format();
}

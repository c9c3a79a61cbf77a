package org.segformer3d.backend.kernels;

/** What the processor can do; its one native method comes from a library of its own that runs on every processor. */
final class Processor {
    private Processor() {}

    /** Returns 0 for none of the instruction sets below, 1 for AVX2, 2 for AVX-512. */
    static native int level();
}

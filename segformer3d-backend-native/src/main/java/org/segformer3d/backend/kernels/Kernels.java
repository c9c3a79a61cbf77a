package org.segformer3d.backend.kernels;

import java.nio.ByteBuffer;

/**
 * The native methods, all of them: what {@code ENTRY} in the C sources defines.
 *
 * <p>Addresses are of memory outside the Java heap: from {@link #allocate}, or of a direct buffer by {@link #address}, whose buffer must stay
 * reachable for as long as the address is used ({@link java.lang.ref.Reference#reachabilityFence}). Nothing is checked here: who calls has
 * checked. To be called only after {@link KernelLibrary#problem()} said that there is none.
 */
final class Kernels {
    private Kernels() {}

    // --- memory

    /** Returns the address of zeroed memory, aligned to 64 bytes at least; 0 where there is none left. */
    static native long allocate(long bytes);

    static native void release(long address, long bytes);

    /** Returns the address of a direct buffer's first byte (position 0 of it, whatever its own position). */
    static native long address(ByteBuffer buffer);

    /** Returns a big-endian view of memory; it doesn't own it. */
    static native ByteBuffer buffer(long address, long bytes);

    // --- threads, see Pool

    static native long poolBytes(long threads);

    static native void poolOpen(long pool, long threads);

    static native void poolQuit(long pool);

    /** Helps running calls until there was nothing to do for {@code spins} looks; returns 1 when the pool was closed, else 0. */
    static native long poolHelp(long pool, int thread, long spins);

    // --- whole networks, see PackedNetwork

    /** Returns 10⁶ times the bytes of the structure Network plus 10³ times those of Stage plus those of Block. */
    static native long networkSize();

    /** Returns the bytes of workspace that a forward of one sample of this size takes; see InputGeometry for the padded size. */
    static native long forwardBytes(
            long network, long d, long h, long w, long paddedD, long paddedH, long paddedW, long threads);

    /**
     * Computes logits (batch,classes,d,h,w) of an input (batch,in,d,h,w); or, where {@code maps} isn't 0, the four feature maps, to the four
     * addresses that lie there.
     */
    static native void forward(
            long network,
            long pool,
            int slot,
            long workspace,
            long batch,
            long d,
            long h,
            long w,
            long paddedD,
            long paddedH,
            long paddedW,
            long input,
            long output,
            long maps);

    // --- single kernels, for the self-test and tests

    /** Returns the number of floats in a vector. */
    static native int vectorLength();

    /** C (M,N padded to 32) = A (M,K) · B, packed, + bias (N padded, or 0); or added to C. */
    static native void gemm(long m, long n, long k, long a, long lda, long b, long bias, long c, long ldc, int add);

    /** Packs (K,N), rows {@code ldb} floats apart, into ⌈N/32⌉·K·32 floats. */
    static native void pack(long from, long ldb, long k, long n, long panels);

    /** Packs the transpose of (N,K), rows {@code ldb} floats apart. */
    static native void packTransposed(long from, long ldb, long k, long n, long panels);

    /** C (m,n) = A (m,k) · B (k,n) in float64, row by row; for folding weights. */
    static native void product64(long m, long n, long k, long a, long b, long c);

    /** y = 2^x for n floats, a multiple of 16. */
    static native void exp2(long n, long x, long y);

    /** y = x·Φ(x) for n floats, a multiple of 16. */
    static native void gelu(long n, long x, long y);

    /** LayerNorm of n rows of C values, stored C' = 32·⌈C/32⌉ wide with zeros past C; factors and shifts (C') or 0. */
    static native void norm(long c, long n, long x, long y, long factors, long shifts);

    /** Returns the floats of memory that {@link #attention} works in. */
    static native long attentionFloats(long d, long keys);

    /**
     * Softmax attention of one head, base 2: rows of d values, stored d' = 32·⌈d/32⌉ wide with zeros past d.
     *
     * @param longest no query is longer
     */
    static native void attention(
            long queries, long d, long keys, long q, long k, long v, float longest, long results, long work);

    /** Multiplies and adds in registers; {@code out} has 32 floats. Returns the number of operations. */
    static native long peak(long rounds, long out);
}

/* Memory, threads and what the kernels are checked and measured by, as Java calls them. */
#include "attention.h"
#include "pool.h"
#include "rows.h"

/* Hidden: within this library only. */
__attribute__((no_builtin)) void *memset(void *to, int byte, unsigned long long n) {
    u8 *p = to;
    for (u64 i = 0; i < n; i++) p[i] = (u8)byte;
    return to;
}
__attribute__((no_builtin)) void *memcpy(void *RESTRICT to, const void *RESTRICT from, unsigned long long n) {
    u8 *RESTRICT p = to;
    const u8 *RESTRICT q = from;
    for (u64 i = 0; i < n; i++) p[i] = q[i];
    return to;
}
__attribute__((no_builtin)) void *memmove(void *to, const void *from, unsigned long long n) {
    u8 *p = to;
    const u8 *q = from;
    if (p < q) for (u64 i = 0; i < n; i++) p[i] = q[i];
    else for (u64 i = n; i > 0; i--) p[i - 1] = q[i - 1];
    return to;
}
#if defined _WIN32
int _fltused;
#endif

ENTRY(i64, allocate, i64 bytes) { return os_map(bytes); }
ENTRY(void, release, i64 address, i64 bytes) { os_unmap(address, bytes); }
/* GetDirectBufferAddress is entry 230 of JNI's table of functions, in every version of it. */
EXPORT i64 Java_org_segformer3d_backend_kernels_Kernels_address(void ***env, void *cls UNUSED, void *buffer) {
    return (i64)((void *(*)(void *, void *))(*env)[230])(env, buffer);
}
/* NewDirectByteBuffer is entry 229. */
EXPORT void *Java_org_segformer3d_backend_kernels_Kernels_buffer(void ***env, void *cls UNUSED, i64 address, i64 bytes) {
    return ((void *(*)(void *, void *, i64))(*env)[229])(env, (void *)(uptr)address, bytes);
}

ENTRY(i64, poolBytes, i64 threads) { return pool_size(threads); }
ENTRY(void, poolOpen, i64 pool, i64 threads) { ((Pool *)(uptr)pool)->threads = threads; }
ENTRY(void, poolQuit, i64 pool) { __atomic_store_n(&((Pool *)(uptr)pool)->quit, 1, __ATOMIC_RELEASE); }
ENTRY(i64, poolHelp, i64 pool, i32 thread, i64 spins) {
    __typeof__(mode_enter()) mode = mode_enter();
    i64 quit = pool_help((Pool *)(uptr)pool, thread, spins);
    mode_leave(mode);
    return quit;
}

ENTRY(i32, vectorLength) { return VL; }

ENTRY(void, gemm, i64 M, i64 N, i64 K, i64 A, i64 lda, i64 B, i64 bias, i64 C, i64 ldc, i32 add) {
    gemm(M, CEIL(N, NR), K, P(A), lda, P(B), bias ? P(bias) : 0, P(C), ldc, add ? ADD : STORE);
}
ENTRY(void, pack, i64 from, i64 ldb, i64 K, i64 N, i64 panels) { pack(P(from), ldb, K, N, P(panels)); }
ENTRY(void, packTransposed, i64 from, i64 ldb, i64 K, i64 N, i64 panels) { pack_transposed(P(from), ldb, K, N, P(panels)); }
ENTRY(void, product64, i64 m, i64 n, i64 k, i64 a, i64 b, i64 c) {
    const double *A = (const double *)(uptr)a, *B = (const double *)(uptr)b;
    double *C = (double *)(uptr)c;
    for (i64 i = 0; i < m; i++, C += n) {
        for (i64 j = 0; j < n; j++) C[j] = 0;
        for (i64 l = 0; l < k; l++) {
            double f = A[i * k + l];
            const double *RESTRICT row = B + l * n;
            double *RESTRICT to = C;
            for (i64 j = 0; j < n; j++) to[j] += f * row[j];
        }
    }
}
ENTRY(void, exp2, i64 n, i64 x, i64 y) { for (i64 i = 0; i < n; i += VL) st(P(y) + i, exp2v(ld(P(x) + i))); }
ENTRY(void, gelu, i64 n, i64 x, i64 y) { for (i64 i = 0; i < n; i += VL) st(P(y) + i, gelu(ld(P(x) + i))); }

ENTRY(void, norm, i64 C, i64 n, i64 x, i64 y, i64 g, i64 b) { norm_rows(C, n, P(x), ROUND(C, NR), P(y), ROUND(C, NR), g ? P(g) : 0, b ? P(b) : 0); }
ENTRY(i64, attentionFloats, i64 d, i64 M) { return ATT_SCRATCH + ATT_ROWS + ROUND(M, NR) * (1 + d + ROUND(d, NR) + 2) + 64; }
/* n queries (n, d), keys (M, d), values (M, d) in rows of d' floats each, zeros past d, to results (n, d') */
ENTRY(void, attention, i64 n, i64 d, i64 M, i64 q, i64 k, i64 v, float longest, i64 o, i64 work) {
    __typeof__(mode_enter()) mode = mode_enter();
    i64 dp = ROUND(d, NR), Mp = ROUND(M, NR);
    float *scratch = P(work), *sub = scratch + ATT_SCRATCH, *K = sub + ATT_ROWS, *V = K + Mp * (1 + d), *norms = V + Mp * dp;
    Keys keys = {K, V, d, dp, M, Mp, 0, 0};
    pack_keys(d, Mp, 0, M, P(k), P(v), 0, dp, K, V, norms);
    pack_no_keys(d, dp, M, Mp, K, V);
    key_bounds(&keys, norms);
    for (i64 i = 0; i < n; i += ATT_ROWS) attention(&keys, MIN(ATT_ROWS, n - i), P(q) + i * dp, dp, longest, P(o) + i * dp, dp, scratch, sub);
    mode_leave(mode);
}

/* Multiply-accumulates, without memory, as fast as they go: what the processor's peak is. Returns the number of floating-point operations. */
ENTRY(i64, peak, i64 rounds, i64 out) {
    vf acc[VL == 8 ? 12 : 24], a = ld(P(out)), b = ld(P(out) + 16);
    const int n = VL == 8 ? 12 : 24;
    UNROLL
    for (int i = 0; i < n; i++) acc[i] = bc((float)i);
    for (i64 r = 0; r < rounds; r++) {
        UNROLL
        for (int i = 0; i < n; i++) acc[i] = acc[i] * a + b;
    }
    vf s = bc(0);
    UNROLL
    for (int i = 0; i < n; i++) s += acc[i];
    st(P(out), s);
    return rounds * n * VL * 2;
}

/*
 * Products of matrices: one tile does everything.
 *
 * B is packed once into panels [N/32][K][32] (columns past N are zeros). A is read where it lies, by broadcasts from rows of any stride; it
 * is never packed. Rows come 12, 8, 4, 2 or 1 at a time (6, 4, 2, 1 on AVX2 and NEON), instances of one function.
 *
 * A sum runs over k upwards in blocks of GEMM_KB whatever the tile, so a row gives the same bits wherever it stands.
 */
#ifndef SEGFORMER3D_GEMM_H
#define SEGFORMER3D_GEMM_H
#include "base.h"

/* acc += A B: MR rows of A, lda apart, times TC columns of a panel from B on */
AI void mm(const int MR, vf (*acc)[NC], const float *A, i64 lda, const float *B, i64 K) {
    const float *p[4] = {A, A + 3 * lda, A + 6 * lda, A + 9 * lda};
    UNROLL2
    for (i64 k = 0; k < K; k++) {
        vf b[NC];
        UNROLL
        for (int j = 0; j < NC; j++) b[j] = ld(B + j * VL);
        B += NR;
        FENCE;
        UNROLL
        for (int i = 0; i < MR; i++) {
            vf a = bc(p[i / 3][(i % 3) * lda + k]);
            UNROLL
            for (int j = 0; j < NC; j++) acc[i][j] += a * b[j];
            if (i % 3 == 2) FENCE;
        }
    }
}

#if VL == 16
#define MRS(mr, X) switch (mr) { case 12: X(12); break; case 8: X(8); break; case 4: X(4); break; case 2: X(2); break; default: X(1); }
#define INSTANCES(I) I(12) I(8) I(4) I(2) I(1)
/* rows of the next tile; 16 rows are 8 + 8, not 12 + 4 */
AI int next_rows(i64 rest) { return rest >= 12 ? (rest == 16 ? 8 : 12) : rest >= 8 ? 8 : rest >= 4 ? 4 : rest >= 2 ? 2 : 1; }
#else
#define MRS(mr, X) switch (mr) { case 6: X(6); break; case 4: X(4); break; case 2: X(2); break; default: X(1); }
#define INSTANCES(I) I(6) I(4) I(2) I(1)
AI int next_rows(i64 rest) { return rest >= 6 ? (rest == 8 ? 4 : 6) : rest >= 4 ? 4 : rest >= 2 ? 2 : 1; }
#endif
#define COLUMNS for (int jc = 0; jc < NR; jc += TC)
#define EACH(i, j) UNROLL for (int i = 0; i < MR; i++) UNROLL for (int j = 0; j < NC; j++)

enum { STORE, ADD };

/* rows of C are ldc apart, or at C + off[i]; the panel's second half of 16 columns lies hs after its first */
AI void tile(const int MR, const float *A, i64 lda, const float *B, i64 K, const float *bias, float *C, i64 ldc, const i32 *off, i64 hs, int mode) {
    COLUMNS {
        vf acc[MRM][NC];
        EACH(i, j) acc[i][j] = bias ? ld(bias + jc + j * VL) : bc(0);
        mm(MR, acc, A, lda, B + jc, K);
        UNROLL
        for (int i = 0; i < MR; i++) {
            float *c = off ? C + off[i] : C + i * ldc;
            UNROLL
            for (int j = 0; j < NC; j++) {
                int o = jc + j * VL;
                float *q = c + o / 16 * hs + o % 16;
                if (mode == ADD) acc[i][j] += ld(q);
                st(q, acc[i][j]);
            }
        }
    }
}
#define TILE(n) NI void tile##n(const float *A, i64 lda, const float *B, i64 K, const float *bias, float *C, i64 ldc, const i32 *off, i64 hs, int mode) { tile(n, A, lda, B, K, bias, C, ldc, off, hs, mode); }
INSTANCES(TILE)
#undef TILE

#define GEMM_KB 288 /* a block of a panel: 36 KB, three quarters of L1 */

/* One panel of 32 columns: C = A B + bias, or C += A B + bias. M rows; where `off` is given, row i goes to C + off[i] and its second half of 16
   columns to hs after; else rows are ldc apart and hs is 16. */
NI void gemm_panel(i64 M, i64 K, const float *A, i64 lda, const float *B, const float *bias, float *C, i64 ldc, const i32 *off, i64 hs, int mode) {
    for (i64 k = 0; k < K || !k; k += GEMM_KB) {
        i64 kk = MIN(GEMM_KB, K - k);
        const float *b = B + k * NR, *bi = k ? 0 : bias;
        int md = k ? ADD : mode;
        for (i64 i = 0; i < M;) {
            int mr = next_rows(M - i);
            const float *a = A + i * lda + k;
            float *c = off ? C : C + i * ldc;
            const i32 *o = off ? off + i : 0;
#define X(n) tile##n(a, lda, b, kk, bi, c, ldc, o, hs, md)
            MRS(mr, X)
#undef X
            i += mr;
        }
    }
}

/* np panels: C (M, 32·np) = A (M, K) B + bias, or += */
AI void gemm(i64 M, i64 np, i64 K, const float *A, i64 lda, const float *B, const float *bias, float *C, i64 ldc, int mode) {
    for (i64 p = 0; p < np; p++) gemm_panel(M, K, A, lda, B + p * K * NR, bias ? bias + p * NR : 0, C + p * NR, ldc, 0, 16, mode);
}

/* B (K, N), rows ldb apart, to panels; `from` is float64 or float32 */
#define PACK(name, type)                                                                                                     \
    NI void name(const type *from, i64 ldb, i64 K, i64 N, float *panels) {                                                   \
        for (i64 p = 0; p < CEIL(N, NR); p++)                                                                                \
            for (i64 k = 0; k < K; k++)                                                                                      \
                for (i64 j = 0; j < NR; j++) *panels++ = p * NR + j < N ? (float)from[k * ldb + p * NR + j] : 0.f;           \
    }
PACK(pack, float)
PACK(pack64, double)
/* the same of the transpose: `from` is (N, K), rows ldb apart */
#define PACK_TRANSPOSED(name, type)                                                                                          \
    NI void name(const type *from, i64 ldb, i64 K, i64 N, float *panels) {                                                   \
        for (i64 p = 0; p < CEIL(N, NR); p++)                                                                                \
            for (i64 k = 0; k < K; k++)                                                                                      \
                for (i64 j = 0; j < NR; j++) *panels++ = p * NR + j < N ? (float)from[(p * NR + j) * ldb + k] : 0.f;         \
    }
PACK_TRANSPOSED(pack_transposed, float)
PACK_TRANSPOSED(pack_transposed64, double)
#endif

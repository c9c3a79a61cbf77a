/*
 * Softmax attention of one head: scores stay in registers, exponentials in L1, and no score is ever written to memory.
 *
 * Keys are packed in chunks of 32: [chunk][1 + d][32], the first row a constant added to the scores (-1e30 for keys past the last). Values
 * lie in panels of 32 columns, [d'/32][M'][32], d' = 32·⌈d/32⌉, M' = 32·⌈M/32⌉, zeros past d and M. Scores are in base 2: log2(e)/√d is part
 * of the queries or of the keys.
 *
 * Maxima are not looked for: a score is at most max c + |q|·max|k|. Where that is above 60 the rest is subtracted, so nothing overflows; where a
 * row's sum then comes out below 1e-9, so that the bound lay far above the scores, the block is done again with true maxima.
 */
#ifndef SEGFORMER3D_ATTENTION_H
#define SEGFORMER3D_ATTENTION_H
#include "functions.h"
#include "gemm.h"

#define ATT_ROWS 48   /* queries of a block, at most */
#define ATT_CHUNKS 4  /* chunks of keys at once, at most: keys, values and exponentials fill L1 */
#define ATT_P (MRM * NR * ATT_CHUNKS)   /* floats of scratch for exponentials */
#define ATT_L (ATT_ROWS * 16)           /* floats of scratch for sums */
#define ATT_SCRATCH (ATT_P + ATT_L)

typedef struct {
    const float *K, *V;
    i64 d, dp, M, Mp;
    float kmax, cmax; /* greatest |key| and constant */
} Keys;

AI void att_tile(const int MR, const Keys *keys, const float *Q, i64 ldq, i64 chunk, int nc, float *O, i64 ldo, float *P, float *L, const float *sub, int first) {
    const float *K = keys->K + chunk * (1 + keys->d) * NR;
    for (int c = 0; c < nc; c++) {
        COLUMNS {
            vf acc[MRM][NC], z[NC];
            UNROLL
            for (int j = 0; j < NC; j++) z[j] = ld(K + jc + j * VL);
            if (sub) { EACH(i, j) acc[i][j] = z[j] - bc(sub[i]); } else { EACH(i, j) acc[i][j] = z[j]; }
            mm(MR, acc, Q, ldq, K + NR + jc, keys->d);
            UNROLL
            for (int i = 0; i < MR; i++) {
                vf sum = first && !c && !jc ? bc(0) : ld(L + 16 * i);
                UNROLL
                for (int j = 0; j < NC; j++) {
                    vf e = exp2v(acc[i][j]);
                    st(P + i * NR * ATT_CHUNKS + NR * c + jc + j * VL, e);
                    sum += e;
                }
                st(L + 16 * i, sum);
            }
        }
        K += (1 + keys->d) * NR;
    }
    for (i64 p = 0; p < keys->dp; p += NR) {
        const float *V = keys->V + p * keys->Mp + chunk * NR * NR;
        COLUMNS {
            vf acc[MRM][NC];
            EACH(i, j) acc[i][j] = first ? bc(0) : ld(O + i * ldo + p + jc + j * VL);
            mm(MR, acc, P, NR * ATT_CHUNKS, V + jc, NR * nc);
            EACH(i, j) st(O + i * ldo + p + jc + j * VL, acc[i][j]);
        }
    }
}
#define ATT(n) NI void att##n(const Keys *keys, const float *Q, i64 ldq, i64 chunk, int nc, float *O, i64 ldo, float *P, float *L, const float *sub, int first) { att_tile(n, keys, Q, ldq, chunk, nc, O, ldo, P, L, sub, first); }
INSTANCES(ATT)
#undef ATT

AI void max_tile(const int MR, const Keys *keys, const float *Q, i64 ldq, float *L) {
    const float *K = keys->K;
    for (i64 c = 0; c < keys->Mp / NR; c++, K += (1 + keys->d) * NR)
        COLUMNS {
            vf acc[MRM][NC];
            EACH(i, j) acc[i][j] = ld(K + jc + j * VL);
            mm(MR, acc, Q, ldq, K + NR + jc, keys->d);
            UNROLL
            for (int i = 0; i < MR; i++) {
                vf m = c || jc ? ld(L + 16 * i) : bc(-1e30f);
                UNROLL
                for (int j = 0; j < NC; j++) m = vmax(m, acc[i][j]);
                st(L + 16 * i, m);
            }
        }
}
#define MAXIMA(n) NI void max##n(const Keys *keys, const float *Q, i64 ldq, float *L) { max_tile(n, keys, Q, ldq, L); }
INSTANCES(MAXIMA)
#undef MAXIMA

NI void att_true_maxima(const Keys *keys, i64 n, const float *Q, i64 ldq, float *L, float *sub) {
    for (i64 q = 0; q < n;) {
        int mr = next_rows(n - q);
#define X(r) max##r(keys, Q + q * ldq, ldq, L + 16 * q)
        MRS(mr, X)
#undef X
        q += mr;
    }
    for (i64 q = 0; q < n; q++) {
        float m = L[16 * q];
        for (int e = 1; e < VL; e++) m = MAX(m, L[16 * q + e]);
        sub[q] = m;
    }
}

/* n ≤ ATT_ROWS queries of d values to n rows of d' results; qmax: no query is longer. Leaves 1/Σ of row i in L[16·i] and what was
   subtracted from its scores in sub[i] (0 where nothing was). */
NI void attention(const Keys *keys, i64 n, const float *Q, i64 ldq, float qmax, float *O, i64 ldo, float *scratch, float *sub) {
    float *P = scratch, *L = P + ATT_P;
    const float *used = 0;
    int group = (int)MAX(1, MIN(ATT_CHUNKS, ATT_CHUNKS * NR / keys->dp));
    i64 chunks = keys->Mp / NR;
    for (i64 i = 0; i < n; i++) sub[i] = 0;
    if (!(keys->cmax + keys->kmax * qmax <= 60)) {
        used = sub;
        for (i64 i = 0; i < n; i++) {
            float q = 0;
            for (i64 j = 0; j < keys->d; j++) q += Q[i * ldq + j] * Q[i * ldq + j];
            sub[i] = fmaxf2(0.f, keys->cmax + keys->kmax * root(q) - 60);
        }
    }
    for (int again = used != 0;; again = 0) {
        for (i64 c = 0; c < chunks; c += group) {
            int nc = (int)MIN(group, chunks - c);
            for (i64 i = 0; i < n;) {
                int mr = next_rows(n - i);
#define X(r) att##r(keys, Q + i * ldq, ldq, c, nc, O + i * ldo, ldo, P, L + 16 * i, used ? sub + i : 0, !c)
                MRS(mr, X)
#undef X
                i += mr;
            }
        }
        int inexact = 0;
        if (again)
            for (i64 i = 0; i < n; i++) inexact |= !(hsum(ld(L + 16 * i)) > 1e-9f);
        if (!inexact) break;
        att_true_maxima(keys, n, Q, ldq, L, sub);
    }
    for (i64 i = 0; i < n; i++) {
        L[16 * i] = 1.f / hsum(ld(L + 16 * i));
        vf r = bc(L[16 * i]);
        for (i64 j = 0; j < keys->dp; j += VL) st(O + i * ldo + j, ld(O + i * ldo + j) * r);
    }
}

/* Packs n keys and values, rows ld apart, from key m0 on; constants where given, rows ld apart. norms: two floats a key, |k|² and constant. */
NI void pack_keys(i64 d, i64 Mp, i64 m0, i64 n, const float *k, const float *v, const float *constant, i64 ldkv, float *K, float *V, float *norms) {
    for (i64 i = 0; i < n; i++) {
        i64 m = m0 + i;
        float *to = K + m / NR * (1 + d) * NR + m % NR, c = constant ? constant[i * ldkv] : 0, sum = 0;
        const float *from = k + i * ldkv;
        to[0] = c;
        for (i64 j = 0; j < d; j++) {
            to[NR * (j + 1)] = from[j];
            sum += from[j] * from[j];
        }
        norms[2 * m] = sum;
        norms[2 * m + 1] = c;
        for (i64 p = 0; p < d; p += NR) copy(V + p * Mp + m * NR, v + i * ldkv + p, NR);
    }
}
/* Past the last key: constants that no score survives, and values of 0. */
NI void pack_no_keys(i64 d, i64 dp, i64 M, i64 Mp, float *K, float *V) {
    for (i64 m = M; m < Mp; m++) {
        float *to = K + m / NR * (1 + d) * NR + m % NR;
        to[0] = -1e30f;
        for (i64 j = 0; j < d; j++) to[NR * (j + 1)] = 0;
        for (i64 p = 0; p < dp; p += NR) zero(V + p * Mp + m * NR, NR);
    }
}
NI void key_bounds(Keys *keys, const float *norms) {
    float k = 0, c = -1e30f;
    for (i64 m = 0; m < keys->M; m++) {
        k = MAX(k, norms[2 * m]);
        c = MAX(c, norms[2 * m + 1]);
    }
    keys->kmax = root(k);
    keys->cmax = c;
}
#endif

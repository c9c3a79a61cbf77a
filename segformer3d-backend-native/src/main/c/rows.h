/* Row-wise work on tokens: LayerNorm. Rows have C values; they are stored C' = 32·⌈C/32⌉ wide, and lanes past C hold zeros and keep them. */
#ifndef SEGFORMER3D_ROWS_H
#define SEGFORMER3D_ROWS_H
#include "base.h"

#define LN_EPS 1e-5f

/* RR (1 or 4) rows of NV vectors. y = (x - mean)/σ, times g plus b where given. Where `tail`, only the first C lanes count. */
AI void norm_rows4(const int NV, const int RR, const int tail, i64 C, const float *x, i64 ldx, float *y, i64 ldy, const float *g, const float *b) {
    vf s[4], q[4];
    v4 t;
    float n = 1.f / (float)C;
    UNROLL
    for (int r = 0; r < 4; r++) {
        i64 o = (r < RR ? r : 0) * ldx;
        s[r] = ld(x + o);
        for (int i = 1; i < NV; i++) s[r] += ld(x + o + VL * i);
    }
    t = hsum4(s[0], s[1], s[2], s[3]) * n;
    UNROLL
    for (int r = 0; r < 4; r++) {
        i64 o = (r < RR ? r : 0) * ldx;
        s[r] = bc(t[r]);
        q[r] = bc(0);
        for (int i = 0; i < NV; i++) {
            vf d = ld(x + o + VL * i) - s[r];
            if (tail) d *= lanes(VL * i, C);
            q[r] += d * d;
        }
    }
    t = hsum4(q[0], q[1], q[2], q[3]) * n + LN_EPS;
    for (int r = 0; r < 4; r++) t[r] = 1.f / root(t[r]);
    UNROLL
    for (int r = 0; r < RR; r++) {
        vf k = bc(t[r]);
        for (int i = 0; i < NV; i++) {
            vf d = (ld(x + r * ldx + VL * i) - s[r]) * k;
            if (tail) d *= lanes(VL * i, C);
            st(y + r * ldy + VL * i, g ? d * ld(g + VL * i) + ld(b + VL * i) : d);
        }
    }
}
/* n rows; x and y may be the same. g and b have C' values (zeros past C), or are 0. */
NI void norm_rows(i64 C, i64 n, const float *x, i64 ldx, float *y, i64 ldy, const float *g, const float *b) {
#define R(NV, TAIL)                                                                                                      \
    {                                                                                                                    \
        i64 i = 0;                                                                                                       \
        for (; i + 4 <= n; i += 4) norm_rows4(NV, 4, TAIL, C, x + i * ldx, ldx, y + i * ldy, ldy, g, b);                 \
        for (; i < n; i++) norm_rows4(NV, 1, TAIL, C, x + i * ldx, ldx, y + i * ldy, ldy, g, b);                         \
    }
    switch (C) {
    case 32: R(32 / VL, 0) break;
    case 64: R(64 / VL, 0) break;
    case 160: R(160 / VL, 0) break;
    case 256: R(256 / VL, 0) break;
    default:
        if (C % 32) R((int)(ROUND(C, 32) / VL), 1) else R((int)(C / VL), 0)
    }
#undef R
}
#endif

/* A whole network's forward: logits or feature maps of a batch of volumes. */
#include "attention.h"
#include "depthwise.h"
#include "network.h"
#include "pool.h"
#include "rows.h"

#define MANY 2048 /* tokens from which a stage is shared out by blocks of tokens; below, by columns and heads too */
#define EMB_ROWS 48
#define KV_ROWS 12
#define ROWS 48
#define FEW_ROWS 24
#define SLAB_DEPTHS 8

/* a position between two others: (1 - t)·lo + t·hi */
typedef struct { i32 lo, hi; float t; } Tap;

typedef struct {
    i64 size[3], D, H, W, N;
    i64 m[3], M, Mp;      /* keys */
    float *X, *F, *N2;    /* tokens, feature map, normed tokens */
    float *K, *V, *norms; /* of every head */
    float *Z;             /* E' wide: the stage's part of the fused map at its own resolution */
    i32 *off;             /* where a slice's tokens (few: the volume's) lie in a plane of the Mix-FFN's ring */
    Keys *keys;           /* a head each */
    Tap *taps[3];         /* where the first map's positions lie in this one */
} Map;

typedef struct {
    const Network *net;
    Call *call;
    i64 in[3]; /* size of the volume */
    Map maps[STAGES];
    float *rinv, *low, *planes, *NB, *Q, *O, *hidden, *im2col, *zeros;
    char *scratch;
    i64 scratch_bytes;
    const float *input;
    float *logits;
    int s, b;     /* present stage and block */
    i64 parts;    /* of the Mix-FFN */
    i64 rows, nrows; /* tokens of an item and how many such there are */
    i64 cut[3];   /* size of the logits that the network has values for */
} Forward;

AI float *scratch(const Forward *f, int thread) { return (float *)(f->scratch + thread * f->scratch_bytes); }
AI const Block *block(const Forward *f) { return &f->net->stages[f->s].blocks[f->b]; }
AI int reduced(const Stage *S) { return S->sr[0] > 1 || S->sr[1] > 1 || S->sr[2] > 1; }
AI int folded(const Stage *S) { return S->heads == 1; }
AI i64 kv_width(const Stage *S) { return folded(S) ? 2 * S->Cp + NR : 2 * S->heads * S->dp; }
AI i64 hidden_width(const Stage *S) { return ROUND(S->hidden, GROUP); }
AI i64 volume(const i64 *a) { return a[0] * a[1] * a[2]; }
AI float *head_keys(const Stage *S, const Map *m, i64 h) { return m->K + h * m->Mp * (1 + S->d); }
AI float *head_values(const Stage *S, const Map *m, i64 h) { return m->V + h * m->Mp * S->dp; }

/* ------------------------------------------------------------------------------------------------ first embedding */

/* MR tokens from rows of the volume: consecutive tokens are SW floats apart, so a broadcast with stride SW replaces im2col. `skip`: taps before
   the volume, which only the first token has. */
AI void emb_tile(const int MR, const int KW, const int SW, const int skip, const float *const *rows, const float *const *weights, i64 n, i64 at, i64 ahead, i64 kw, i64 sw, const float *bias, float *out, i64 ldo) {
    const i64 w = KW ? KW : kw, s = SW ? SW : sw;
    COLUMNS {
        vf acc[MRM][NC];
        EACH(i, j) acc[i][j] = ld(bias + jc + j * VL);
        for (i64 r = 0; r < n; r++) {
            const float *p = rows[r] + at, *B = weights[r] + jc;
            if (KW && ahead)
                for (int x = 0; x < SW * MR; x += 16) __builtin_prefetch(p + ahead + x, 0, 2);
            if (KW) {
                UNROLL
                for (int k = 0; k < KW; k++) {
                    FENCE;
                    vf b[NC];
                    UNROLL
                    for (int j = 0; j < NC; j++) b[j] = ld(B + NR * k + j * VL);
                    UNROLL
                    for (int i = k < skip ? 1 : 0; i < MR; i++) {
                        vf a = bc(p[i * SW + k]);
                        UNROLL
                        for (int j = 0; j < NC; j++) acc[i][j] += a * b[j];
                    }
                }
            } else
                for (i64 k = 0; k < w; k++) {
                    vf b[NC];
                    UNROLL
                    for (int j = 0; j < NC; j++) b[j] = ld(B + NR * k + j * VL);
                    FENCE;
                    UNROLL
                    for (int i = 0; i < MR; i++) {
                        vf a = bc(p[i * s + k]);
                        UNROLL
                        for (int j = 0; j < NC; j++) acc[i][j] += a * b[j];
                    }
                }
        }
        EACH(i, j) st(out + ldo * i + jc + j * VL, acc[i][j]);
    }
}
#define EMB(m) NI void emb##m(int kind, const float *const *rows, const float *const *weights, i64 n, i64 at, i64 ahead, i64 kw, i64 sw, const float *bias, float *out, i64 ldo) { \
    switch (kind) { \
    case 1: emb_tile(m, 7, 4, 0, rows, weights, n, at, ahead, 0, 0, bias, out, ldo); break; \
    case 2: emb_tile(m, 7, 4, 3, rows, weights, n, at, ahead, 0, 0, bias, out, ldo); break; \
    case 3: emb_tile(m, 5, 2, 0, rows, weights, n, at, ahead, 0, 0, bias, out, ldo); break; \
    case 4: emb_tile(m, 3, 2, 0, rows, weights, n, at, ahead, 0, 0, bias, out, ldo); break; \
    default: emb_tile(m, 0, 0, 0, rows, weights, n, at, 0, kw, sw, bias, out, ldo); } }
INSTANCES(EMB)
#undef EMB

#define EMB_LINES 8
AI i64 emb_span(const Stage *S) { return ROUND((MRM - 1) * S->stride[2] + S->kernel[2], 16); }
AI i64 emb_taps(const Network *net) { return net->in * net->stages[0].kernel[0] * net->stages[0].kernel[1]; }

static void embed_volume(void *context, i64 item, int thread) {
    const Forward *f = context;
    const Stage *S = &f->net->stages[0];
    const Map *m = &f->maps[0];
    i64 lines = CEIL(m->H, EMB_LINES), d = item / lines, taps = emb_taps(f->net), span = emb_span(S);
    i64 KD = S->kernel[0], KH = S->kernel[1], KW = S->kernel[2], SW = S->stride[2], PW = S->padding[2];
    const float **rows = (const float **)scratch(f, thread), **weights = rows + taps, **edge_rows = weights + taps;
    float *edge = (float *)(edge_rows + taps);
    int kind = KW == 7 && SW == 4 ? 1 : KW == 5 && SW == 2 ? 3 : KW == 3 && SW == 2 ? 4 : 0;
    for (i64 h = item % lines * EMB_LINES; h < MIN(m->H, (item % lines + 1) * EMB_LINES); h++) {
        i64 n = 0;
        for (i64 c = 0; c < f->net->in; c++)
            for (i64 kd = 0; kd < KD; kd++) {
                i64 z = d * S->stride[0] + kd - S->padding[0];
                if (z < 0 || z >= f->in[0]) continue;
                for (i64 kh = 0; kh < KH; kh++) {
                    i64 y = h * S->stride[1] + kh - S->padding[1];
                    if (y < 0 || y >= f->in[1]) continue;
                    rows[n] = f->input + ((c * f->in[0] + z) * f->in[1] + y) * f->in[2];
                    weights[n++] = S->emb + ((c * KD + kd) * KH + kh) * KW * NR;
                }
            }
        float *out = m->X + (d * m->H + h) * m->W * S->Cp;
        i64 ahead = h + 1 < m->H ? S->stride[1] * f->in[2] : 0;
        for (i64 w = 0; w < m->W;) {
            int mr = next_rows(m->W - w), how = kind;
            i64 lo = w * SW - PW, hi = lo + (mr - 1) * SW + KW;
            const float *const *r = rows;
            i64 at = lo;
            if (lo < 0 && hi <= f->in[2] && kind == 1 && PW == 3 && mr > 1) how = 2;
            else if (lo < 0 || hi > f->in[2]) { /* reaches over the volume's edge */
                for (i64 i = 0; i < n; i++) {
                    float *e = edge + i * span;
                    for (i64 x = lo; x < hi; x++) e[x - lo] = x < 0 || x >= f->in[2] ? 0 : rows[i][x];
                    edge_rows[i] = e;
                }
                r = edge_rows;
                at = 0;
            }
            for (i64 p = 0; p < S->Cp / NR; p++) {
                i64 ah = r == rows ? ahead : 0;
#define X(v) emb##v(how, r, weights, n, at, ah, KW, SW, S->embb + p * NR, out + w * S->Cp + p * NR, S->Cp)
                MRS(mr, X)
#undef X
                if (S->Cp > NR) for (i64 i = 0; i < n; i++) weights[i] += taps * KW * NR;
            }
            if (S->Cp > NR) for (i64 i = 0; i < n; i++) weights[i] -= S->Cp / NR * taps * KW * NR;
            w += mr;
        }
        norm_rows(S->C, m->W, out, S->Cp, out, S->Cp, S->eg, S->eb);
    }
}

/* ------------------------------------------------------------------------------------------------ later embeddings */

AI i64 emb_depth(const Network *net, int s) { return volume(net->stages[s].kernel) * net->stages[s - 1].C; }
AI i64 emb_rows(const Network *net, int s) { return MAX(4, MIN(EMB_ROWS, (1 << 18) / MAX(1, emb_depth(net, s)) / 4 * 4)); }

NI void gather(const Forward *f, int s, i64 t0, i64 n, float *out) {
    const Stage *S = &f->net->stages[s];
    const Map *m = &f->maps[s], *from = &f->maps[s - 1];
    i64 C = f->net->stages[s - 1].C, Cp = f->net->stages[s - 1].Cp;
    for (i64 t = t0; t < t0 + n; t++) {
        i64 d = t / (m->H * m->W), h = t / m->W % m->H, w = t % m->W;
        for (i64 kd = 0; kd < S->kernel[0]; kd++)
            for (i64 kh = 0; kh < S->kernel[1]; kh++) {
                i64 z = S->stride[0] * d + kd - S->padding[0], y = S->stride[1] * h + kh - S->padding[1], x0 = S->stride[2] * w - S->padding[2];
                int outside = z < 0 || z >= from->D || y < 0 || y >= from->H;
                for (i64 kw = 0; kw < S->kernel[2]; kw++, out += C) {
                    i64 x = x0 + kw;
                    if (outside || x < 0 || x >= from->W) zero(out, C);
                    else copy(out, from->F + ((z * from->H + y) * from->W + x) * Cp, C);
                }
            }
    }
}
static void embed_rows(void *context, i64 item, int thread) {
    const Forward *f = context;
    int s = f->s;
    const Stage *S = &f->net->stages[s];
    const Map *m = &f->maps[s];
    i64 K = emb_depth(f->net, s), t0 = item * f->rows, n = MIN(f->rows, m->N - t0);
    float *a = scratch(f, thread), *x = m->X + t0 * S->Cp;
    gather(f, s, t0, n, a);
    gemm(n, S->Cp / NR, K, a, K, S->emb, S->embb, x, S->Cp, STORE);
    norm_rows(S->C, n, x, S->Cp, x, S->Cp, S->eg, S->eb);
}
static void embed_gather(void *context, i64 item, int thread UNUSED) {
    const Forward *f = context;
    i64 K = emb_depth(f->net, f->s), t0 = item * 8;
    gather(f, f->s, t0, MIN(8, f->maps[f->s].N - t0), f->im2col + t0 * K);
}
static void embed_panels(void *context, i64 item, int thread UNUSED) {
    const Forward *f = context;
    const Stage *S = &f->net->stages[f->s];
    const Map *m = &f->maps[f->s];
    i64 K = emb_depth(f->net, f->s);
    gemm_panel(m->N, K, f->im2col, K, S->emb + item * K * NR, S->embb + item * NR, m->X + item * NR, S->Cp, 0, 16, STORE);
}
static void embed_norm(void *context, i64 item, int thread UNUSED) {
    const Forward *f = context;
    const Stage *S = &f->net->stages[f->s];
    const Map *m = &f->maps[f->s];
    float *x = m->X + item * 16 * S->Cp;
    norm_rows(S->C, MIN(16, m->N - item * 16), x, S->Cp, x, S->Cp, S->eg, S->eb);
}

/* ------------------------------------------------------------------------------------------------ attention */

/* keys and values of `n` rows of y (C' wide) from key m0 on; kv is scratch */
NI void keys_of(const Forward *f, const float *y, i64 m0, i64 n, float *kv) {
    const Stage *S = &f->net->stages[f->s];
    const Map *m = &f->maps[f->s];
    const Block *b = block(f);
    i64 width = kv_width(S);
    gemm(n, width / NR, S->C, y, S->Cp, b->kv, b->kvb, kv, width, STORE);
    for (i64 h = 0; h < S->heads; h++) {
        const float *k = kv + h * S->dp, *v = kv + (folded(S) ? S->Cp : (S->heads + h) * S->dp);
        pack_keys(S->d, m->Mp, m0, n, k, v, folded(S) ? kv + 2 * S->Cp : 0, width, head_keys(S, m, h), head_values(S, m, h), m->norms + 2 * h * m->Mp);
    }
}
AI i64 reduce_depth(const Stage *S) { return volume(S->sr) * S->C; }
AI i64 reduce_rows(const Stage *S) { return MAX(1, MIN(KV_ROWS, (1 << 18) / reduce_depth(S))); }
/* the spatial reduction: a convolution whose kernel is its stride, so its rows are patches of normed tokens */
static void reduce_keys(void *context, i64 item, int thread) {
    const Forward *f = context;
    const Stage *S = &f->net->stages[f->s];
    const Map *m = &f->maps[f->s];
    const Block *b = block(f);
    i64 rows = reduce_rows(S), m0 = item * rows, n = MIN(rows, m->M - m0), K = reduce_depth(S);
    float *a = scratch(f, thread), *t = a + rows * K + 16, *y = t + S->sr[2] * S->Cp, *kv = y + rows * S->Cp;
    for (i64 i = 0; i < n; i++) {
        i64 d = (m0 + i) / (m->m[1] * m->m[2]), h = (m0 + i) / m->m[2] % m->m[1], w = (m0 + i) % m->m[2];
        float *to = a + i * K;
        for (i64 kd = 0; kd < S->sr[0]; kd++)
            for (i64 kh = 0; kh < S->sr[1]; kh++, to += S->sr[2] * S->C) {
                const float *x = m->X + (((d * S->sr[0] + kd) * m->H + h * S->sr[1] + kh) * m->W + w * S->sr[2]) * S->Cp;
                if (S->C == S->Cp) norm_rows(S->C, S->sr[2], x, S->Cp, to, S->C, 0, 0);
                else {
                    norm_rows(S->C, S->sr[2], x, S->Cp, t, S->Cp, 0, 0);
                    for (i64 k = 0; k < S->sr[2]; k++) copy(to + k * S->C, t + k * S->Cp, S->C);
                }
            }
    }
    gemm(n, S->Cp / NR, K, a, K, b->sr, b->srb, y, S->Cp, STORE);
    norm_rows(S->C, n, y, S->Cp, y, S->Cp, 0, 0);
    keys_of(f, y, m0, n, kv);
}
/* the same without reduction */
static void plain_keys(void *context, i64 item, int thread) {
    const Forward *f = context;
    const Stage *S = &f->net->stages[f->s];
    const Map *m = &f->maps[f->s];
    i64 m0 = item * FEW_ROWS, n = MIN(FEW_ROWS, m->M - m0);
    float *y = scratch(f, thread);
    norm_rows(S->C, n, m->X + m0 * S->Cp, S->Cp, y, S->Cp, 0, 0);
    keys_of(f, y, m0, n, y + FEW_ROWS * S->Cp);
}
AI float longest_query(const Stage *S) { return folded(S) ? root((float)S->C) : 1e30f; /* a normed token is no longer */ }

/* x += attention(norm x), and the norm for what follows, of a block of tokens */
static void attend(void *context, i64 item, int thread) {
    const Forward *f = context;
    const Stage *S = &f->net->stages[f->s];
    const Map *m = &f->maps[f->s];
    const Block *b = block(f);
    i64 t0 = item * ATT_ROWS, n = MIN(ATT_ROWS, m->N - t0), width = folded(S) ? S->Cp : S->heads * S->dp;
    float *work = scratch(f, thread), *sub = work + ATT_SCRATCH, *nb = sub + ATT_ROWS, *o = nb + ATT_ROWS * S->Cp, *q = o + ATT_ROWS * width;
    float *x = m->X + t0 * S->Cp;
    norm_rows(S->C, n, x, S->Cp, nb, S->Cp, 0, 0);
    if (folded(S)) {
        attention(m->keys, n, nb, S->Cp, longest_query(S), o, width, work, sub);
        for (i64 i = 0; i < n; i++)
            for (i64 j = 0; j < S->Cp; j += VL) st(x + i * S->Cp + j, ld(x + i * S->Cp + j) + (ld(o + i * width + j) + ld(b->projb + j)));
    } else {
        gemm(n, width / NR, S->C, nb, S->Cp, b->q, b->qb, q, width, STORE);
        for (i64 h = 0; h < S->heads; h++) attention(m->keys + h, n, q + h * S->dp, width, longest_query(S), o + h * S->dp, width, work, sub);
        gemm(n, S->Cp / NR, width, o, width, b->proj, b->projb, x, S->Cp, ADD);
    }
    norm_rows(S->C, n, x, S->Cp, m->N2 + t0 * S->Cp, S->Cp, 0, 0);
}

/* Few tokens: an operation after the other, shared out by columns and heads. */
static void few_norm(void *context, i64 item, int thread UNUSED) {
    const Forward *f = context;
    const Stage *S = &f->net->stages[f->s];
    const Map *m = &f->maps[f->s];
    i64 t0 = item * 16;
    norm_rows(S->C, MIN(16, m->N - t0), m->X + t0 * S->Cp, S->Cp, f->NB + t0 * S->Cp, S->Cp, 0, 0);
}
static void few_queries(void *context, i64 item, int thread UNUSED) {
    const Forward *f = context;
    const Stage *S = &f->net->stages[f->s];
    const Map *m = &f->maps[f->s];
    const Block *b = block(f);
    i64 width = S->heads * S->dp, p = item / f->nrows, t0 = item % f->nrows * f->rows, n = MIN(f->rows, m->N - t0);
    gemm_panel(n, S->C, f->NB + t0 * S->Cp, S->Cp, b->q + p * S->C * NR, b->qb + p * NR, f->Q + t0 * width + p * NR, width, 0, 16, STORE);
}
static void few_keys(void *context, i64 item, int thread) { /* a head's keys and values of a block of tokens, without reduction */
    const Forward *f = context;
    const Stage *S = &f->net->stages[f->s];
    const Map *m = &f->maps[f->s];
    const Block *b = block(f);
    i64 h = item / f->nrows, t0 = item % f->nrows * f->rows, n = MIN(f->rows, m->N - t0), np = S->dp / NR;
    const float *y = f->NB + t0 * S->Cp;
    if (folded(S)) {
        keys_of(f, y, t0, n, scratch(f, thread));
        return;
    }
    float *kv = scratch(f, thread);
    i64 k = h * np, v = (S->heads + h) * np;
    gemm(n, np, S->C, y, S->Cp, b->kv + k * S->C * NR, b->kvb + k * NR, kv, 2 * S->dp, STORE);
    gemm(n, np, S->C, y, S->Cp, b->kv + v * S->C * NR, b->kvb + v * NR, kv + S->dp, 2 * S->dp, STORE);
    pack_keys(S->d, m->Mp, t0, n, kv, kv + S->dp, 0, 2 * S->dp, head_keys(S, m, h), head_values(S, m, h), m->norms + 2 * h * m->Mp);
}
static void few_attend(void *context, i64 item, int thread) {
    const Forward *f = context;
    const Stage *S = &f->net->stages[f->s];
    const Map *m = &f->maps[f->s];
    i64 blocks = CEIL(m->N, ATT_ROWS), width = folded(S) ? S->Cp : S->heads * S->dp, h = item / blocks, t0 = item % blocks * ATT_ROWS, n = MIN(ATT_ROWS, m->N - t0);
    float *work = scratch(f, thread), *sub = work + ATT_SCRATCH, *o = f->O + t0 * width + h * S->dp;
    if (!folded(S)) {
        attention(m->keys + h, n, f->Q + t0 * width + h * S->dp, width, longest_query(S), o, width, work, sub);
        return;
    }
    attention(m->keys, n, f->NB + t0 * S->Cp, S->Cp, longest_query(S), o, width, work, sub);
    float *x = m->X + t0 * S->Cp;
    const float *bias = block(f)->projb;
    for (i64 i = 0; i < n; i++)
        for (i64 j = 0; j < S->Cp; j += VL) st(x + i * S->Cp + j, ld(x + i * S->Cp + j) + (ld(o + i * width + j) + ld(bias + j)));
}
static void few_project(void *context, i64 item, int thread UNUSED) {
    const Forward *f = context;
    const Stage *S = &f->net->stages[f->s];
    const Map *m = &f->maps[f->s];
    const Block *b = block(f);
    i64 width = S->heads * S->dp, p = item / f->nrows, t0 = item % f->nrows * f->rows, n = MIN(f->rows, m->N - t0);
    gemm_panel(n, width, f->O + t0 * width, width, b->proj + p * width * NR, b->projb + p * NR, m->X + t0 * S->Cp + p * NR, S->Cp, 0, 16, ADD);
}
static void few_norm2(void *context, i64 item, int thread UNUSED) {
    const Forward *f = context;
    const Stage *S = &f->net->stages[f->s];
    const Map *m = &f->maps[f->s];
    i64 t0 = item * 16;
    norm_rows(S->C, MIN(16, m->N - t0), m->X + t0 * S->Cp, S->Cp, m->N2 + t0 * S->Cp, S->Cp, 0, 0);
}

/* ------------------------------------------------------------------------------------------------ Mix-FFN */

AI void dw_tile(const int WB, const float *const *rows, i64 o, const float *w, vf bias, float *out, i64 ldo) {
    vf acc[DW_MAX];
    UNROLL
    for (int i = 0; i < WB; i++) acc[i] = bias;
    dw_sum(WB, acc, rows, o, w);
    UNROLL
    for (int i = 0; i < WB; i++) st(out + i * ldo, gelu(acc[i]));
}
#define DW(n) NI void dw##n(const float *const *rows, i64 o, const float *w, vf bias, float *out, i64 ldo) { dw_tile(n, rows, o, w, bias, out, ldo); }
DW_INSTANCES(DW)
#undef DW

AI i64 plane_row(const Map *m) { return (m->W + 2) * 16; }
AI i64 plane_size(const Map *m) { return plane_row(m) * m->H + 32; /* not a multiple of L1's sets */ }
AI i64 slice_size(const Map *m) { return plane_size(m) * (GROUP / 16); }
AI i64 mix_lines(const Map *m) { return MIN(m->H, MAX(1, 128 / m->W)); }
AI i64 mix_scratch(const Map *m, i64 slices) { return mix_lines(m) * m->W * GROUP + slices * slice_size(m); }

/* zeros at both ends of every row of a ring */
static void mix_borders(const Map *m, i64 slices, float *ring) {
    for (i64 k = 0; k < slices * (GROUP / 16); k++)
        for (i64 h = 0; h < m->H; h++) {
            float *row = ring + k * plane_size(m) + h * plane_row(m);
            zero(row, 16);
            zero(row + (m->W + 1) * 16, 16);
        }
}
/* hidden channels of group g of n tokens from t0 on, into the planes of `slot` */
static void mix_expand(const Forward *f, i64 g, i64 t0, i64 n, float *slot) {
    const Stage *S = &f->net->stages[f->s];
    const Map *m = &f->maps[f->s];
    const Block *b = block(f);
    for (i64 p = 0; p < GROUP / NR; p++) {
        i64 col = g * (GROUP / NR) + p;
        gemm_panel(n, S->C, m->N2 + t0 * S->Cp, S->Cp, b->fc1 + col * S->C * NR, b->fc1b + col * NR, slot + 2 * p * plane_size(m), 0, m->off, plane_size(m), STORE);
    }
}
/* depth-wise convolution, BatchNorm and GELU of lines [h0,h1) of slice z */
static void mix_convolve(const Forward *f, i64 g, i64 z, i64 h0, i64 h1, i64 slices, const float *ring, float *out, i64 ldo) {
    const Map *m = &f->maps[f->s];
    const Block *b = block(f);
    for (i64 u = 0; u < GROUP; u += VL) {
        i64 v = u / 16, sv = u % 16;
        const float *w = b->dw + (g * (GROUP / 16) + v) * 27 * 16 + sv;
        vf bias = ld(b->dwb + g * GROUP + u);
        for (i64 h = h0; h < h1; h++) {
            const float *rows[9];
            for (i64 a = 0; a < 3; a++)
                for (i64 c = 0; c < 3; c++) {
                    i64 z_ = z + a - 1, h_ = h + c - 1;
                    rows[3 * a + c] = z_ < 0 || z_ >= m->D || h_ < 0 || h_ >= m->H ? f->zeros : ring + z_ % slices * slice_size(m) + v * plane_size(m) + h_ * plane_row(m);
                }
            float *y = out + (h - h0) * m->W * ldo + u;
            for (i64 i = 0; i < m->W;) {
                int wb = dw_next(m->W - i);
#define X(n) dw##n(rows, 16 * i + sv, w, bias, y, ldo)
                DWS(wb, X)
#undef X
                i += wb;
                y += wb * ldo;
            }
        }
    }
}
/* Many tokens: a range of slices. The hidden map never exists, only three slices of 64 channels of it. */
static void mix_slices(void *context, i64 item, int thread) {
    const Forward *f = context;
    const Stage *S = &f->net->stages[f->s];
    const Map *m = &f->maps[f->s];
    const Block *b = block(f);
    i64 z0 = item * m->D / f->parts, z1 = (item + 1) * m->D / f->parts, lines = mix_lines(m), Hp = hidden_width(S);
    float *buf = scratch(f, thread), *ring = buf + lines * m->W * GROUP;
    mix_borders(m, 3, ring);
    for (i64 g = 0; g < Hp / GROUP; g++)
        for (i64 z = MAX(0, z0 - 1); z <= z1; z++) {
            if (z < m->D) mix_expand(f, g, z * m->H * m->W, m->H * m->W, ring + z % 3 * slice_size(m));
            i64 done = z - 1;
            if (done < z0) continue;
            for (i64 h0 = 0; h0 < m->H; h0 += lines) {
                i64 h1 = MIN(m->H, h0 + lines);
                mix_convolve(f, g, done, h0, h1, 3, ring, buf, GROUP);
                float *x = m->X + (done * m->H + h0) * m->W * S->Cp;
                for (i64 p = 0; p < S->Cp / NR; p++)
                    gemm_panel((h1 - h0) * m->W, GROUP, buf, GROUP, b->fc2 + (p * Hp + g * GROUP) * NR, g ? 0 : b->fc2b + p * NR, x + p * NR, S->Cp, 0, 16, ADD);
            }
        }
}
/* Few tokens: a group of hidden channels of the whole volume */
static void mix_group(void *context, i64 item, int thread) {
    const Forward *f = context;
    const Stage *S = &f->net->stages[f->s];
    const Map *m = &f->maps[f->s];
    i64 Hp = hidden_width(S);
    float *ring = scratch(f, thread);
    mix_borders(m, m->D, ring);
    mix_expand(f, item, 0, m->N, ring);
    for (i64 z = 0; z < m->D; z++) mix_convolve(f, item, z, 0, m->H, m->D, ring, f->hidden + z * m->H * m->W * Hp + item * GROUP, Hp);
}
static void mix_contract(void *context, i64 item, int thread UNUSED) {
    const Forward *f = context;
    const Stage *S = &f->net->stages[f->s];
    const Map *m = &f->maps[f->s];
    const Block *b = block(f);
    i64 Hp = hidden_width(S), p = item / f->nrows, t0 = item % f->nrows * f->rows, n = MIN(f->rows, m->N - t0);
    gemm_panel(n, Hp, f->hidden + t0 * Hp, Hp, b->fc2 + p * Hp * NR, b->fc2b + p * NR, m->X + t0 * S->Cp + p * NR, S->Cp, 0, 16, ADD);
}

/* ------------------------------------------------------------------------------------------------ stage end */

/* the feature map, 1/σ of the decoder's Linear, and (coarse stages) this stage's part of the fused map */
static void stage_end(void *context, i64 item, int thread) {
    const Forward *f = context;
    int s = f->s;
    const Stage *S = &f->net->stages[s];
    const Map *m = &f->maps[s];
    i64 t0 = item * f->rows, n = MIN(f->rows, m->N - t0), Ep = f->net->Ep;
    float *F = m->F + t0 * S->Cp, *t = scratch(f, thread), *ri = t + ROWS * S->Cp;
    norm_rows(S->C, n, m->X + t0 * S->Cp, S->Cp, F, S->Cp, S->ng, S->nb);
    gemm(n, S->Cp / NR, S->C, F, S->Cp, S->gram, S->glin, t, S->Cp, STORE);
    for (i64 i = 0; i < n; i++) {
        vf q = bc(0);
        for (i64 j = 0; j < S->Cp; j += VL) q += ld(t + i * S->Cp + j) * ld(F + i * S->Cp + j);
        /* a variance, so not negative but for rounding; NaN stays NaN */
        float variance = hsum(q) + *S->gconst;
        ri[i] = 1.f / root(variance < LN_EPS ? LN_EPS : variance);
    }
    if (s == 0) {
        copy(f->rinv + t0, ri, n);
        return;
    }
    float *z = m->Z + t0 * Ep;
    for (i64 p = 0; p < Ep / NR; p++) {
        const float *a = S->A + p * (S->C + 1) * NR;
        gemm_panel(n, S->C, F, S->Cp, a, a + S->C * NR, z + p * NR, Ep, 0, 16, STORE);
        for (i64 i = 0; i < n; i++)
            for (i64 j = 0; j < NR; j += VL) {
                float *y = z + i * Ep + NR * p + j;
                st(y, ld(y) * bc(ri[i]) + (s == STAGES - 1 ? ld(f->net->constant + NR * p + j) : bc(0)));
            }
    }
}

/* ------------------------------------------------------------------------------------------------ decoder */

/* where position i of m lies among n, corners not aligned: between lo and hi, t of the way */
AI Tap tap_of(i64 i, i64 n, i64 m) {
    i64 twice = MAX(0, (2 * i + 1) * n - m), lo = twice / (2 * m); /* (i + ½)·n/m - ½, times 2m */
    return (Tap){(i32)lo, (i32)MIN(lo + 1, n - 1), (float)(twice % (2 * m)) / (float)(2 * m)};
}
AI i64 slab_row(const Forward *f) { return f->net->Ep + 16; /* not a power of two: L1's sets */ }
AI i64 slab_depth(const Network *net) { return net->stages[0].C + 1; }

/* MR tokens, 32 columns of the fused map: three coarse maps interpolated along depth start the sums of the fine stage's product; then ReLU */
AI void slab_tile(const int MR, i64 K, const float *a, const float *B, const float *const *r, const float *wt, float *Y, i64 ldy) {
    COLUMNS {
        vf acc[MRM][NC];
        vf t0 = bc(wt[0]), t1 = bc(wt[1]), t2 = bc(wt[2]), u0 = bc(wt[3]), u1 = bc(wt[4]), u2 = bc(wt[5]);
        EACH(i, j) {
            i64 o = i * NR + jc + j * VL;
            acc[i][j] = (ld(r[0] + o) * t0 + ld(r[1] + o) * u0) + (ld(r[2] + o) * t1 + ld(r[3] + o) * u1) + (ld(r[4] + o) * t2 + ld(r[5] + o) * u2);
        }
        mm(MR, acc, a, K, B + jc, K);
        EACH(i, j) st(Y + i * ldy + jc + j * VL, vmax(bc(0), acc[i][j]));
    }
}
#define SLAB(n) NI void slab##n(i64 K, const float *a, const float *B, const float *const *r, const float *wt, float *Y, i64 ldy) { slab_tile(n, K, a, B, r, wt, Y, ldy); }
INSTANCES(SLAB)
#undef SLAB

/* NK classes of four rows: dot products, because classes are too few to fill a panel */
AI void predict4(const int NK, const float *Y, i64 ldy, i64 rows, const float *w, i64 Ep, const float *bias, float *out, i64 plane) {
    vf c[4][4];
    UNROLL
    for (int q = 0; q < 4; q++)
        for (int k = 0; k < NK; k++) c[q][k] = bc(0);
    for (i64 j = 0; j < Ep; j += VL) {
        vf p[4];
        UNROLL
        for (int k = 0; k < NK; k++) p[k] = ld(w + k * Ep + j);
        UNROLL
        for (int q = 0; q < 4; q++) {
            vf y = ld(Y + q * ldy + j);
            UNROLL
            for (int k = 0; k < NK; k++) c[q][k] += y * p[k];
        }
    }
    UNROLL
    for (int k = 0; k < NK; k++) {
        v4 r = hsum4(c[0][k], c[1][k], c[2][k], c[3][k]) + bias[k];
        if (rows >= 4) *(v4u *)(out + k * plane) = r;
        else for (i64 q = 0; q < rows; q++) out[k * plane + q] = r[q];
    }
}
NI void predict_rows(const Network *net, const float *Y, i64 ldy, i64 rows, float *out, i64 plane) {
    for (i64 k = 0; k < net->classes;) {
        const float *w = net->P + k * net->Ep, *b = net->pb + k;
        float *o = out + k * plane;
        switch (net->classes - k) {
        case 1: predict4(1, Y, ldy, rows, w, net->Ep, b, o, plane); k += 1; break;
        case 2: predict4(2, Y, ldy, rows, w, net->Ep, b, o, plane); k += 2; break;
        case 3: predict4(3, Y, ldy, rows, w, net->Ep, b, o, plane); k += 3; break;
        default: predict4(4, Y, ldy, rows, w, net->Ep, b, o, plane); k += 4;
        }
    }
}
/* One line (all depths, all widths) of the fused map and its prediction; the whole map never exists. */
static void slab(void *context, i64 h, int thread) {
    const Forward *f = context;
    const Network *net = f->net;
    const Map *m = &f->maps[0];
    const Stage *S = &net->stages[0];
    i64 D = m->D, H = m->H, W = m->W, Ep = net->Ep, np = Ep / NR, off[STAGES], nz = 0, K = slab_depth(net), ldy = slab_row(f), widest = 0;
    for (int s = 1; s < STAGES; s++) {
        off[s] = nz;
        nz += f->maps[s].D;
        widest = MAX(widest, f->maps[s].W);
    }
    float *R = scratch(f, thread), *line = R + nz * W * Ep, *a = line + widest * Ep, *Y = a + SLAB_DEPTHS * MRM * K + 16;
    for (int s = 1; s < STAGES; s++) {
        const Map *c = &f->maps[s];
        i64 lo = c->taps[1][h].lo, hi = c->taps[1][h].hi;
        float t = c->taps[1][h].t;
        for (i64 z = 0; z < c->D; z++) {
            const float *p = c->Z + (z * c->H + lo) * c->W * Ep, *q = c->Z + (z * c->H + hi) * c->W * Ep;
            float *o = R + (off[s] + z) * W * NR;
            for (i64 i = 0; i < c->W * Ep; i += VL) st(line + i, ld(p + i) * bc(1 - t) + ld(q + i) * bc(t));
            for (i64 w = 0; w < W; w++) {
                Tap u = c->taps[2][w];
                const float *x = line + u.lo * Ep, *y = line + u.hi * Ep;
                vf u0 = bc(1 - u.t), u1 = bc(u.t);
                for (i64 i = 0; i < Ep; i += VL) st(o + i / NR * nz * W * NR + w * NR + i % NR, ld(x + i) * u0 + ld(y + i) * u1);
            }
        }
    }
    /* depths by eights: what they read lies in L1 while the columns are gone through */
    for (i64 d0 = 0, mr; d0 < D; d0 += SLAB_DEPTHS)
    for (i64 w = 0; w < W; w += mr) {
        i64 nd = MIN(SLAB_DEPTHS, D - d0);
        mr = next_rows(W - w);
        for (i64 d = 0; d < nd; d++) {
            i64 tok = ((d0 + d) * H + h) * W + w;
            for (i64 i = 0; i < mr; i++) {
                const float *F = m->F + (tok + i) * S->Cp;
                vf v = bc(f->rinv[tok + i]);
                float *q = a + (d * MRM + i) * K;
                for (i64 j = 0; j < S->C; j += VL) st(q + j, ld(F + j) * v); /* past C: overwritten by what comes next */
                q[S->C] = f->rinv[tok + i];
            }
        }
        for (i64 p = 0; p < np; p++)
            for (i64 d = 0; d < nd; d++) {
                const float *r[6];
                float wt[6];
                for (int s = 1; s < STAGES; s++) {
                    Tap t = f->maps[s].taps[0][d0 + d];
                    r[2 * s - 2] = R + (p * nz + off[s] + t.lo) * W * NR + w * NR;
                    r[2 * s - 1] = R + (p * nz + off[s] + t.hi) * W * NR + w * NR;
                    wt[s - 1] = 1 - t.t;
                    wt[s + 2] = t.t;
                }
#define X(n) slab##n(K, a + d * MRM * K, S->A + p * K * NR, r, wt, Y + d * MRM * ldy + NR * p, ldy)
                MRS(mr, X)
#undef X
            }
        for (i64 d = 0; d < nd; d++)
            for (i64 i = 0; i < mr; i += 4) /* rows past mr are computed and dropped */
                predict_rows(net, Y + (d * MRM + i) * ldy, ldy, mr - i, f->low + ((d0 + d) * H + h) * W + w + i, m->N);
    }
}

/* ------------------------------------------------------------------------------------------------ resizing to the input's size */

/* a map of a class along width and height; item = class · depth + z */
static void widen(void *context, i64 item, int thread) {
    const Forward *f = context;
    const Map *m = &f->maps[0];
    const i64 *up = f->net->stages[0].stride;
    i64 H = m->H, W = m->W, H1 = f->in[1], W1 = f->in[2], h1 = f->cut[1], w1 = f->cut[2];
    const float *x = f->low + item * H * W;
    float *o = f->planes + item * H1 * W1, *rows = scratch(f, thread);
    for (i64 h = 0; h < H; h++) {
        const float *p = x + h * W;
        float *q = rows + h * up[2] * W;
        if (up[2] == 4) {
            q[0] = q[1] = p[0];
            q[4 * W - 1] = q[4 * W - 2] = p[W - 1];
            for (i64 w = 0; w < W - 1; w++)
                for (int j = 0; j < 4; j++) q[4 * w + 2 + j] = p[w] + (.125f + .25f * (float)j) * (p[w + 1] - p[w]);
        } else
            for (i64 w = 0; w < up[2] * W; w++) {
                Tap t = tap_of(w, W, up[2] * W);
                q[w] = p[t.lo] + t.t * (p[t.hi] - p[t.lo]);
            }
    }
    for (i64 y = 0; y < H1; y++) {
        float *q = o + y * W1;
        if (y >= h1) {
            zero(q, W1);
            continue;
        }
        Tap tap = tap_of(y, H, up[1] * H);
        const float *a = rows + tap.lo * up[2] * W, *b = rows + tap.hi * up[2] * W;
        float t = tap.t;
        vf u = bc(t);
        i64 i = 0;
        for (; i + VL <= w1; i += VL) st(q + i, ld(a + i) + u * (ld(b + i) - ld(a + i)));
        for (; i < w1; i++) q[i] = a[i] + t * (b[i] - a[i]);
        zero(q + w1, W1 - w1);
    }
}
#define DEEPEN_BLOCK 1024
/* planes between depths z and z + 1 of a class; item = class · (depth + 1) + z + 1. Logits are written once and not read, so they bypass the caches. */
static void deepen(void *context, i64 item, int thread UNUSED) {
    const Forward *f = context;
    const Map *m = &f->maps[0];
    i64 up = f->net->stages[0].stride[0], D = m->D, k = item / (D + 1), z = item % (D + 1) - 1, P_ = f->in[1] * f->in[2];
    const float *a = f->planes + (k * D + MAX(z, 0)) * P_, *b = f->planes + (k * D + MIN(z + 1, D - 1)) * P_;
    float *o = f->logits + k * f->in[0] * P_;
    /* depth y lies at (y + ½)/up - ½, which is in [z, z + 1) from y = (z + ½)·up - ½ on */
    i64 y0 = z < 0 ? 0 : (2 * z + 1) * up / 2, y1 = z == D - 1 ? up * D : MIN(up * D, (2 * z + 3) * up / 2);
    if (z < 0) y1 = up / 2;
    y1 = MIN(y1, f->cut[0]);
    for (i64 i0 = 0; i0 < P_; i0 += DEEPEN_BLOCK)
        for (i64 y = y0; y < y1; y++) {
            float *q = o + y * P_;
            float t = z < 0 || z == D - 1 ? 0 : (float)(2 * y + 1 - (2 * z + 1) * up) / (float)(2 * up);
            vf u = bc(t);
            i64 skew = (i64)(-(uptr)q / 4 & (VL - 1)); /* floats before the first aligned address */
            i64 i = i0 ? i0 + skew : 0, end = i0 + DEEPEN_BLOCK >= P_ ? P_ : i0 + DEEPEN_BLOCK + skew;
            if (end > P_) end = P_;
            if (!i0)
                for (; i < skew && i < end; i++) q[i] = a[i] + t * (b[i] - a[i]);
            for (; i + VL <= end; i += VL) STREAM(q + i, ld(a + i) + u * (ld(b + i) - ld(a + i)));
            for (; i < end; i++) q[i] = a[i] + t * (b[i] - a[i]);
        }
    if (z == D - 1)
        for (i64 y = f->cut[0]; y < f->in[0]; y++) zero(o + y * P_, P_);
    STREAM_END;
}

/* ------------------------------------------------------------------------------------------------ the whole */

typedef struct { i64 at; char *base; } Space;
static void *take(Space *s, i64 bytes) {
    void *p = s->base + s->at;
    s->at = ROUND(s->at + bytes + 64, 64); /* vectors may be read past the end */
    return p;
}
AI float *floats(Space *s, i64 n) { return take(s, 4 * n); }

/* lays the workspace out; with base 0 only its size is wanted */
static i64 lay_out(Forward *f, const Network *net, const i64 *in, const i64 *padded, i64 threads, char *base) {
    Space space = {0, base};
    f->net = net;
    i64 size[3] = {padded[0], padded[1], padded[2]}, need = 0, few = 0, wide = 0, im2col = 0, hidden = 0, queries = 0;
    for (int i = 0; i < 3; i++) f->in[i] = in[i];
    for (int s = 0; s < STAGES; s++) {
        const Stage *S = &net->stages[s];
        Map *m = &f->maps[s];
        for (int i = 0; i < 3; i++) {
            size[i] = (size[i] + 2 * S->padding[i] - S->kernel[i]) / S->stride[i] + 1;
            m->size[i] = size[i];
            m->m[i] = size[i] / S->sr[i];
        }
        m->D = size[0];
        m->H = size[1];
        m->W = size[2];
        m->N = volume(size);
        m->M = volume(m->m);
        m->Mp = ROUND(m->M, NR);
        i64 n = m->N + 16, width = folded(S) ? S->Cp : S->heads * S->dp, kv = kv_width(S);
        m->X = floats(&space, n * S->Cp);
        m->F = floats(&space, n * S->Cp);
        m->N2 = floats(&space, n * S->Cp);
        m->Z = s ? floats(&space, n * net->Ep) : 0;
        m->K = floats(&space, S->heads * m->Mp * (1 + S->d));
        m->V = floats(&space, S->heads * m->Mp * S->dp);
        m->norms = floats(&space, S->heads * m->Mp * 2);
        m->off = take(&space, 4 * (m->N < MANY ? m->N : m->H * m->W));
        m->keys = take(&space, S->heads * (i64)sizeof(Keys));
        for (int i = 0; i < 3; i++) m->taps[i] = take(&space, (i64)sizeof(Tap) * f->maps[0].size[i]);
        if (s && m->N < MANY / 8) im2col = MAX(im2col, m->N * emb_depth(net, s));
        if (s) need = MAX(need, emb_rows(net, s) * emb_depth(net, s));
        need = MAX(need, ATT_SCRATCH + ATT_ROWS * (1 + S->Cp + 2 * width));
        need = MAX(need, reduced(S) ? reduce_rows(S) * (reduce_depth(S) + S->Cp + kv) + 16 + S->sr[2] * S->Cp : FEW_ROWS * S->Cp + 2 * ROWS * kv);
        need = MAX(need, ROWS * (S->Cp + 1));
        if (m->N < MANY) {
            few = MAX(few, n * S->Cp);
            queries = MAX(queries, n * width);
            hidden = MAX(hidden, n * hidden_width(S));
            need = MAX(need, mix_scratch(m, m->D));
        } else need = MAX(need, mix_scratch(m, 3));
        wide = MAX(wide, plane_row(m) + 16);
    }
    const Map *m = &f->maps[0];
    const Stage *S = &net->stages[0];
    i64 taps_ = emb_taps(net), nz = f->maps[1].D + f->maps[2].D + f->maps[3].D, widest = MAX(f->maps[1].W, MAX(f->maps[2].W, f->maps[3].W));
    need = MAX(need, taps_ * (6 + emb_span(S)));
    need = MAX(need, (nz * m->W + widest) * net->Ep + SLAB_DEPTHS * MRM * slab_depth(net) + 16 + (SLAB_DEPTHS * MRM + 4) * slab_row(f));
    need = MAX(need, m->H * S->stride[2] * m->W + 64);
    f->rinv = floats(&space, m->N + 16);
    f->low = floats(&space, net->classes * m->N + 16);
    f->planes = floats(&space, net->classes * m->D * in[1] * in[2]);
    f->NB = floats(&space, few);
    f->Q = floats(&space, queries);
    f->O = floats(&space, queries);
    f->hidden = floats(&space, hidden);
    f->im2col = floats(&space, im2col + 16);
    f->zeros = floats(&space, wide);
    f->scratch_bytes = ROUND(4 * (need + 64), 4096) + 320; /* not apart by a power of two */
    f->scratch_bytes = ROUND(f->scratch_bytes, 64);
    f->scratch = take(&space, threads * f->scratch_bytes);
    const i64 first[3] = {m->D, m->H, m->W};
    for (int i = 0; i < 3; i++) f->cut[i] = MIN(in[i], S->stride[i] * first[i]);
    return space.at;
}

static void stage(Forward *f, int s) {
    const Stage *S = &f->net->stages[s];
    Map *m = &f->maps[s];
    Call *c = f->call;
    f->s = s;
    if (s == 0) par(c, m->D * CEIL(m->H, EMB_LINES), embed_volume, f);
    else if (m->N >= MANY / 8) {
        f->rows = emb_rows(f->net, s);
        if (m->N < MANY) f->rows = MIN(f->rows, FEW_ROWS);
        par(c, CEIL(m->N, f->rows), embed_rows, f);
    } else {
        par(c, CEIL(m->N, 8), embed_gather, f);
        par(c, S->Cp / NR, embed_panels, f);
        par(c, CEIL(m->N, 16), embed_norm, f);
    }
    int many = m->N >= MANY;
    for (int i = 0; i < 3; i++)
        for (i64 n = f->maps[0].size[i], x = 0; x < n; x++) m->taps[i][x] = tap_of(x, m->size[i], n);
    for (i64 h = 0; h < S->heads; h++) {
        m->keys[h] = (Keys){head_keys(S, m, h), head_values(S, m, h), S->d, S->dp, m->M, m->Mp, 0, 0};
        pack_no_keys(S->d, S->dp, m->M, m->Mp, head_keys(S, m, h), head_values(S, m, h));
    }
    for (i64 i = 0; i < (many ? m->H * m->W : m->N); i++)
        m->off[i] = (i32)(i / (m->H * m->W) * slice_size(m) + i / m->W % m->H * plane_row(m) + (i % m->W + 1) * 16);
    f->rows = m->N <= 2 * ROWS ? m->N : ROWS;
    f->nrows = CEIL(m->N, f->rows);
    for (f->b = 0; f->b < S->depth; f->b++) {
        if (!many) par(c, CEIL(m->N, 16), few_norm, f);
        if (reduced(S)) par(c, CEIL(m->M, reduce_rows(S)), reduce_keys, f);
        else if (many) par(c, CEIL(m->M, FEW_ROWS), plain_keys, f);
        else par(c, S->heads * f->nrows, few_keys, f);
        for (i64 h = 0; h < S->heads; h++) key_bounds(&m->keys[h], m->norms + 2 * h * m->Mp);
        if (many) {
            par(c, CEIL(m->N, ATT_ROWS), attend, f);
            f->parts = MIN(m->D, c->pool->threads);
            par(c, f->parts, mix_slices, f);
        } else {
            if (!folded(S)) par(c, S->heads * S->dp / NR * f->nrows, few_queries, f);
            par(c, S->heads * CEIL(m->N, ATT_ROWS), few_attend, f);
            if (!folded(S)) par(c, S->Cp / NR * f->nrows, few_project, f);
            par(c, CEIL(m->N, 16), few_norm2, f);
            par(c, hidden_width(S) / GROUP, mix_group, f);
            par(c, S->Cp / NR * f->nrows, mix_contract, f);
        }
    }
    f->rows = many ? ROWS : FEW_ROWS;
    par(c, CEIL(m->N, f->rows), stage_end, f);
}

/* tokens to (C, D·H·W) */
static void map_out(void *context, i64 item, int thread UNUSED) {
    const Forward *f = context;
    const Stage *S = &f->net->stages[f->s];
    const Map *m = &f->maps[f->s];
    for (i64 t = item * 64; t < MIN(m->N, item * 64 + 64); t++)
        for (i64 c = 0; c < S->C; c++) f->logits[c * m->N + t] = m->F[t * S->Cp + c];
}

ENTRY(i64, networkSize) { return sizeof(Network) * 1000000 + sizeof(Stage) * 1000 + sizeof(Block); }

ENTRY(i64, forwardBytes, i64 network, i64 d, i64 h, i64 w, i64 pd, i64 ph, i64 pw, i64 threads) {
    Forward f;
    const i64 in[3] = {d, h, w}, padded[3] = {pd, ph, pw};
    return lay_out(&f, (const Network *)(uptr)network, in, padded, threads, 0);
}

/* input (B, in, d, h, w); padded sizes pd, ph, pw; output (B, classes, d, h, w), or where `maps` is given (four addresses) the feature maps only */
ENTRY(void, forward, i64 network, i64 pool, i32 slot, i64 workspace, i64 batch, i64 d, i64 h, i64 w, i64 pd, i64 ph, i64 pw, i64 input, i64 output, i64 maps) {
    __typeof__(mode_enter()) mode = mode_enter();
    Forward f;
    const i64 in[3] = {d, h, w}, padded[3] = {pd, ph, pw};
    f.net = (const Network *)(uptr)network;
    f.call = pool_enter((Pool *)(uptr)pool, slot);
    lay_out(&f, f.net, in, padded, f.call->pool->threads, (char *)(uptr)workspace);
    i64 wide = 0;
    for (int s = 0; s < STAGES; s++) wide = MAX(wide, plane_row(&f.maps[s]) + 16);
    zero(f.zeros, wide);
    for (i64 b = 0; b < batch; b++) {
        f.input = P(input) + b * f.net->in * volume(in);
        for (int s = 0; s < STAGES; s++) {
            stage(&f, s);
            if (maps) {
                f.logits = P(((const i64 *)(uptr)maps)[s]) + b * f.net->stages[s].C * f.maps[s].N;
                par(f.call, CEIL(f.maps[s].N, 64), map_out, &f);
            }
        }
        if (maps) continue;
        f.logits = P(output) + b * f.net->classes * volume(in);
        par(f.call, f.maps[0].H, slab, &f);
        par(f.call, f.net->classes * f.maps[0].D, widen, &f);
        par(f.call, f.net->classes * (f.maps[0].D + 1), deepen, &f);
    }
    pool_leave(f.call);
    mode_leave(mode);
}

/*
 * A folded network, as Java lays it out (PackedNetwork.java writes these structures field by field, eight bytes each).
 *
 * Widths: C' is C rounded up to 32; token matrices have rows of C' floats, zeros past C. A head of d values takes d' columns of queries, keys
 * and values.
 */
#ifndef SEGFORMER3D_NETWORK_H
#define SEGFORMER3D_NETWORK_H
#include "base.h"

#define STAGES 4
#define GROUP 64 /* hidden channels of the Mix-FFN at once */

typedef struct {
    const float *q, *qb;       /* panels (C → heads·d'); 0 where folded into the keys (one head) */
    const float *sr, *srb;     /* panels (sr³·C → C); 0 without reduction */
    const float *kv, *kvb;     /* one head: (C → C' + C' + 32): keys with the query folded in, values with proj, constant; else keys, values */
    const float *proj, *projb; /* panels (heads·d' → C); one head: projb only */
    const float *fc1, *fc1b;   /* panels (C → hidden'), hidden' a multiple of GROUP */
    const float *dw, *dwb;     /* [hidden'/16][27][16], BatchNorm folded in */
    const float *fc2, *fc2b;   /* panels (hidden' → C) */
} Block;

typedef struct {
    i64 C, Cp, heads, d, dp, hidden, depth;
    i64 kernel[3], stride[3], padding[3], sr[3];
    const float *emb, *embb;   /* first stage [C'/32][in][kd][kh][kw][32], others panels (kd·kh·kw·Cin → C) */
    const float *eg, *eb;      /* norm after the embedding */
    const float *ng, *nb;      /* norm at the stage's end */
    const float *gram, *glin, *gconst; /* variance of the decoder's Linear as a quadratic form: panels (C → C), C', 1 */
    const float *A;            /* panels (C + 1 → E): decoder Linear, norm's γ and this stage's slice of the fuse convolution */
    const Block *blocks;
} Stage;

typedef struct {
    i64 in, classes, E, Ep;
    const float *constant;     /* E': what the fuse convolution adds */
    const float *P, *pb;       /* [classes][E'], classes */
    Stage stages[STAGES];
} Network;
#endif

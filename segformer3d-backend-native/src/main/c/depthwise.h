/*
 * Depth-wise 3×3×3 convolution of VL channels in planes of 16 channels: (…, h, w, 16). A row of 256-byte tokens would use a quarter of L1's sets.
 *
 * A plane's row is W + 2 positions of 16 floats, zeros at both ends. Nine rows (3 depths × 3 heights) are given by pointers, rows outside the
 * volume by one of zeros.
 */
#ifndef SEGFORMER3D_DEPTHWISE_H
#define SEGFORMER3D_DEPTHWISE_H
#include "base.h"

#define DW_MAX (VL == 8 ? 8 : 16) /* positions at once */

/* acc[i] += Σ x·w for WB positions from float offset o on; w is [27][16] */
AI void dw_sum(const int WB, vf *acc, const float *const *rows, i64 o, const float *w) {
    for (int r = 0; r < 9; r++) {
        const float *p = rows[r] + o;
        vf w0 = ld(w + 48 * r), w1 = ld(w + 48 * r + 16), w2 = ld(w + 48 * r + 32);
        UNROLL
        for (int i = 0; i < WB + 2; i++) {
            vf x = ld(p + i * 16);
            if (i < WB) acc[i] += x * w0;
            if (i > 0 && i < WB + 1) acc[i - 1] += x * w1;
            if (i > 1) acc[i - 2] += x * w2;
        }
    }
}
#if DW_MAX == 16
#define DW_INSTANCES(I) I(16) I(8) I(4) I(2) I(1)
#define DWS(wb, X) switch (wb) { case 16: X(16); break; case 8: X(8); break; case 4: X(4); break; case 2: X(2); break; default: X(1); }
AI int dw_next(i64 rest) { return rest >= 16 ? 16 : rest >= 8 ? 8 : rest >= 4 ? 4 : rest >= 2 ? 2 : 1; }
#else
#define DW_INSTANCES(I) I(8) I(4) I(2) I(1)
#define DWS(wb, X) switch (wb) { case 8: X(8); break; case 4: X(4); break; case 2: X(2); break; default: X(1); }
AI int dw_next(i64 rest) { return rest >= 8 ? 8 : rest >= 4 ? 4 : rest >= 2 ? 2 : 1; }
#endif
#endif

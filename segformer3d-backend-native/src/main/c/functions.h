/* Elementary functions on vectors. Every one passes NaN on. */
#ifndef SEGFORMER3D_FUNCTIONS_H
#define SEGFORMER3D_FUNCTIONS_H
#include "base.h"

/* 2^s, relative error below 3e-7; 0 far below, infinity far above on AVX-512. Callers keep s at most 126. */
AI vf exp2v(vf s) {
#if VL == 16
    vf f = (vf)_mm512_reduce_ps((__m512)s, 1); /* s - floor(s) */
    vf p = bc(0.001877576345577836f);
    p = p * f + bc(0.008989340625703335f);
    p = p * f + bc(0.05582631751894951f);
    p = p * f + bc(0.24015361070632935f);
    p = p * f + bc(0.6931530833244324f);
    p = p * f + bc(0.9999999403953552f);
    return (vf)_mm512_scalef_ps((__m512)p, (__m512)s);
#else
    s = vmax(bc(-126.f), s);
    vf t = s + bc(12582912.f), f = s - (t - bc(12582912.f)); /* rounds to the nearest integer, left in t's low bits */
    vf p = bc(0.0013276470126584172f);
    p = p * f + bc(0.009675540961325169f);
    p = p * f + bc(0.05550713464617729f);
    p = p * f + bc(0.24022120237350464f);
    p = p * f + bc(0.6931469440460205f);
    p = p * f + bc(1.0000001192092896f);
    vi e = (vi)t << 23;
    vf r = (vf)((vi)p + e);
    vi nan = s != s; /* the exponent's bits of a NaN would make a number of it */
    return (vf)(((vi)r & ~nan) | ((vi)s & nan));
#endif
}

/* erf by a rational function of degree 13/10 on [-4, 4], absolute error below 4e-7 */
AI vf erfv(vf x) {
    vf t = vmax(bc(-4.f), vmin(bc(4.f), x)), u = t * t;
    vf p = bc(-2.72614225801306e-10f);
    p = p * u + bc(2.77068142495902e-08f);
    p = p * u + bc(-2.10102402082508e-06f);
    p = p * u + bc(-5.69250639462346e-05f);
    p = p * u + bc(-7.34990630326855e-04f);
    p = p * u + bc(-2.95459980854025e-03f);
    p = p * u + bc(-1.60960333262415e-02f);
    vf q = bc(-1.45660718464996e-05f);
    q = q * u + bc(-2.13374055278905e-04f);
    q = q * u + bc(-1.68282697438203e-03f);
    q = q * u + bc(-7.37332916720468e-03f);
    q = q * u + bc(-1.42647390514189e-02f);
#if VL == 16
    vf r = (vf)_mm512_rcp14_ps((__m512)q); /* one Newton step is cheaper than a division */
    r = r * (bc(2.f) - q * r);
    return t * p * r;
#else
    return t * p / q;
#endif
}

/* x·Φ(x), GELU with the error function */
AI vf gelu(vf x) { vf h = bc(.5f) * x; return h + h * erfv(x * bc(0.70710678118f)); }

#endif

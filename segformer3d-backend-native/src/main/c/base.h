/*
 * What every kernel is written in: types, vectors and the few dozen lines that differ between instruction sets.
 *
 * One source serves all of them. VL is the number of floats in a vector: 16 (AVX-512), 8 (AVX2 with FMA) or 4 (NEON).
 * The code is freestanding: no header of a C library is read, because the compiler that Maven brings has none.
 *
 * NaN: vmax and vmin return their SECOND argument where either is no number, so put what may be NaN second.
 */
#ifndef SEGFORMER3D_BASE_H
#define SEGFORMER3D_BASE_H

typedef signed char i8;
typedef unsigned char u8;
typedef int i32;
typedef unsigned u32;
typedef long long i64; /* never `long`: it has 32 bits on Windows */
typedef unsigned long long u64;
typedef u64 uptr;
_Static_assert(sizeof(void *) == 8, "64-bit only");

#define AI static inline __attribute__((always_inline, unused))
#define NI static __attribute__((noinline, unused))
#define UNUSED __attribute__((unused))
#define RESTRICT __restrict
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define CEIL(a, b) (((a) + (b) - 1) / (b))
#define ROUND(a, b) (CEIL(a, b) * (b))
#define UNROLL _Pragma("clang loop unroll(full)")
#define UNROLL2 _Pragma("clang loop unroll_count(2)")
/* Keeps the compiler from moving loads across: it would hoist broadcasts, run out of registers and spill. */
#define FENCE __asm__ volatile("" ::: "memory")

#if defined __AVX512F__
#include <immintrin.h>
#define VL 16
#define ISA_NAME "avx512"
#elif defined __AVX2__
#include <immintrin.h>
#define VL 8
#define ISA_NAME "avx2"
#elif defined __aarch64__
#define VL 4
#define ISA_NAME "neon"
#else
#error "no kernels for this instruction set"
#endif

/* The tile of a product: MRM rows of TC = NC·VL columns. AVX-512 12×32 (24 of 32 registers), AVX2 6×16 (12 of 16), NEON 6×16. */
#define NR 32 /* columns of a packed panel, on every instruction set */
#define NC (VL == 4 ? 4 : 2)
#define TC (NC * VL)
#define MRM (VL == 16 ? 12 : 6)

typedef float vf __attribute__((vector_size(4 * VL)));
typedef float vfu __attribute__((vector_size(4 * VL), aligned(4), may_alias));
typedef i32 vi __attribute__((vector_size(4 * VL)));
typedef float v4 __attribute__((vector_size(16)));
typedef float v4u __attribute__((vector_size(16), aligned(4), may_alias));

AI vf ld(const float *p) { return *(const vfu *)p; }
AI void st(float *p, vf v) { *(vfu *)p = v; }

#if VL == 16
AI vf bc(float f) { return (vf)_mm512_set1_ps(f); }
AI vf vmax(vf a, vf b) { return (vf)_mm512_max_ps((__m512)a, (__m512)b); }
AI vf vmin(vf a, vf b) { return (vf)_mm512_min_ps((__m512)a, (__m512)b); }
#define SHUFFLE_1(a, b) __builtin_shufflevector(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29)
#define SHUFFLE_2(a, b) __builtin_shufflevector(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31)
#define SHUFFLE_3(a, b) __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
#define SHUFFLE_4(a, b) __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31)
AI v4 fold(vf a) {
    typedef float v8 __attribute__((vector_size(32)));
    v8 h = __builtin_shufflevector(a, a, 0, 1, 2, 3, 4, 5, 6, 7) + __builtin_shufflevector(a, a, 8, 9, 10, 11, 12, 13, 14, 15);
    return __builtin_shufflevector(h, h, 0, 1, 2, 3) + __builtin_shufflevector(h, h, 4, 5, 6, 7);
}
/* p must be a multiple of 64 */
#define STREAM(p, v) _mm512_stream_ps(p, (__m512)(v))
#define STREAM_END _mm_sfence()
#elif VL == 8
AI vf bc(float f) { return (vf)_mm256_set1_ps(f); }
AI vf vmax(vf a, vf b) { return (vf)_mm256_max_ps((__m256)a, (__m256)b); }
AI vf vmin(vf a, vf b) { return (vf)_mm256_min_ps((__m256)a, (__m256)b); }
#define SHUFFLE_1(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13)
#define SHUFFLE_2(a, b) __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15)
#define SHUFFLE_3(a, b) __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13)
#define SHUFFLE_4(a, b) __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15)
AI v4 fold(vf a) { return __builtin_shufflevector(a, a, 0, 1, 2, 3) + __builtin_shufflevector(a, a, 4, 5, 6, 7); }
/* p must be a multiple of 32 */
#define STREAM(p, v) _mm256_stream_ps(p, (__m256)(v))
#define STREAM_END _mm_sfence()
#else
AI vf bc(float f) { return (vf){f, f, f, f}; }
AI vf vmax(vf a, vf b) { vi m = a > b; return (vf)(((vi)a & m) | ((vi)b & ~m)); }
AI vf vmin(vf a, vf b) { vi m = a < b; return (vf)(((vi)a & m) | ((vi)b & ~m)); }
#define SHUFFLE_1(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define SHUFFLE_2(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#define SHUFFLE_3(a, b) __builtin_shufflevector(a, b, 0, 1, 4, 5)
#define SHUFFLE_4(a, b) __builtin_shufflevector(a, b, 2, 3, 6, 7)
AI v4 fold(vf a) { return a; }
#define STREAM(p, v) st(p, v)
#define STREAM_END ((void)0)
#endif

#if defined __x86_64__
#define PAUSE _mm_pause()
#else
#define PAUSE __asm__ volatile("yield")
#endif

AI float fmaxf2(float a, float b) { return a > b ? a : b; }
AI float root(float x) { return __builtin_sqrtf(x); }

/* Sums of four vectors for little more than one. */
AI v4 hsum4(vf a, vf b, vf c, vf d) {
    vf t = SHUFFLE_1(a, b) + SHUFFLE_2(a, b), u = SHUFFLE_1(c, d) + SHUFFLE_2(c, d);
    return fold(SHUFFLE_3(t, u) + SHUFFLE_4(t, u));
}
AI float hsum(vf v) { v4 f = fold(v); return (f[0] + f[2]) + (f[1] + f[3]); }

/* 1 in the lanes whose index from `first` on is below n, 0 in the others */
AI vf lanes(i64 first, i64 n) {
    vf m;
    UNROLL
    for (int i = 0; i < VL; i++) m[i] = first + i < n ? 1.f : 0.f;
    return m;
}

/* The compiler calls these even when no library is there to supply them. */
void *memset(void *to, int byte, unsigned long long n);
void *memcpy(void *RESTRICT to, const void *RESTRICT from, unsigned long long n);
void *memmove(void *to, const void *from, unsigned long long n);
AI void zero(float *p, i64 n) {
    i64 i = 0;
    for (; i + VL <= n; i += VL) st(p + i, bc(0));
    for (; i < n; i++) p[i] = 0;
}
AI void copy(float *RESTRICT to, const float *RESTRICT from, i64 n) {
    i64 i = 0;
    for (; i + VL <= n; i += VL) st(to + i, ld(from + i));
    for (; i < n; i++) to[i] = from[i];
}

/*
 * Entries called from Java as static native methods of org.segformer3d.backend.kernels.Kernels. They take i64, i32, float and double only
 * (an address of direct memory is an i64), so no jni.h is needed: the two arguments that JNI puts before them are never looked at.
 */
#if defined _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif
#define ENTRY(type, name, ...) EXPORT type Java_org_segformer3d_backend_kernels_Kernels_##name(void *env UNUSED, void *cls UNUSED, ##__VA_ARGS__)
#define P(address) ((float *)(uptr)(address))

#endif

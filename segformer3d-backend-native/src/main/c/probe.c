/* Says which kernels this processor can run; compiled for the oldest processor of its kind, so that asking is safe everywhere. */
#if defined _WIN32
#define EXPORT __declspec(dllexport)
int _fltused;
#else
#define EXPORT __attribute__((visibility("default")))
#endif
#if defined __x86_64__
static void cpuid(unsigned leaf, unsigned sub, unsigned *r) {
    __asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(sub));
}
/* 0 none, 1 AVX2 with FMA and BMI, 2 AVX-512 F, CD, BW, DQ, VL as well; the system must save those registers too */
static int level(void) {
    unsigned r[4], s[4], lo, hi;
    cpuid(0, 0, r);
    if (r[0] < 7) return 0;
    cpuid(1, 0, r);
    unsigned need = 1u << 12 | 1u << 22 | 1u << 23 | 1u << 27 | 1u << 28 | 1u << 29; /* FMA MOVBE POPCNT OSXSAVE AVX F16C */
    if ((r[2] & need) != need) return 0;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    if ((lo & 6) != 6) return 0;
    cpuid(7, 0, s);
    unsigned v3 = 1u << 3 | 1u << 5 | 1u << 8; /* BMI1 AVX2 BMI2 */
    if ((s[1] & v3) != v3) return 0;
    cpuid(0x80000000u, 0, r);
    if (r[0] < 0x80000001u) return 0;
    cpuid(0x80000001u, 0, r);
    if (!(r[2] & 1u << 5)) return 0; /* LZCNT */
    unsigned v4 = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31;
    return (s[1] & v4) == v4 && (lo & 0xe6) == 0xe6 ? 2 : 1;
}
#else
static int level(void) { return 3; /* NEON is part of every 64-bit ARM */ }
#endif
EXPORT int Java_org_segformer3d_backend_kernels_Processor_level(void *env, void *cls) { (void)env; (void)cls; return level(); }

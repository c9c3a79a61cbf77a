/* The three things asked of an operating system: memory in large pieces, giving way to others, and the rounding mode of a thread. */
#ifndef SEGFORMER3D_OS_H
#define SEGFORMER3D_OS_H
#include "base.h"

#if defined __linux__ && defined __x86_64__
AI i64 syscall6(i64 n, i64 a, i64 b, i64 c, i64 d, i64 e, i64 f) {
    i64 r;
    register i64 r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
    __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
    return r;
}
#define SYS_MMAP 9
#define SYS_MUNMAP 11
#define SYS_YIELD 24
#define SYS_MADVISE 28
#elif defined __linux__ && defined __aarch64__
AI i64 syscall6(i64 n, i64 a, i64 b, i64 c, i64 d, i64 e, i64 f) {
    register i64 x8 __asm__("x8") = n, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c, x3 __asm__("x3") = d, x4 __asm__("x4") = e, x5 __asm__("x5") = f;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
}
#define SYS_MMAP 222
#define SYS_MUNMAP 215
#define SYS_YIELD 124
#define SYS_MADVISE 233
#endif

#define HUGE_PAGE (2 << 20)
#if defined __linux__
/* Zeroed memory, in huge pages where it is large: a forward touches tens of megabytes in strides that would exhaust the TLB. 0: none left. */
NI i64 os_map(i64 bytes) {
    i64 p = syscall6(SYS_MMAP, 0, bytes + (bytes >= HUGE_PAGE ? HUGE_PAGE : 0), 3, 0x22, -1, 0);
    if (p < 0 && p > -4096) return 0;
    if (bytes >= HUGE_PAGE) { /* gives back what lies before and after the part that is aligned */
        i64 a = ROUND(p, (i64)HUGE_PAGE), end = ROUND(a + bytes, 4096);
        if (a > p) syscall6(SYS_MUNMAP, p, a - p, 0, 0, 0, 0);
        i64 last = ROUND(p + bytes + HUGE_PAGE, 4096);
        if (last > end) syscall6(SYS_MUNMAP, end, last - end, 0, 0, 0, 0);
        p = a;
        syscall6(SYS_MADVISE, p, bytes, 14, 0, 0, 0);
    }
    return p;
}
AI void os_unmap(i64 address, i64 bytes) { syscall6(SYS_MUNMAP, address, bytes, 0, 0, 0, 0); }
AI void os_yield(void) { syscall6(SYS_YIELD, 0, 0, 0, 0, 0, 0); }
#elif defined _WIN32
__declspec(dllimport) void *VirtualAlloc(void *, u64, u32, u32);
__declspec(dllimport) int VirtualFree(void *, u64, u32);
__declspec(dllimport) int SwitchToThread(void);
NI i64 os_map(i64 bytes) { return (i64)VirtualAlloc(0, (u64)bytes, 0x3000, 4); }
AI void os_unmap(i64 address, i64 bytes UNUSED) { VirtualFree((void *)address, 0, 0x8000); }
AI void os_yield(void) { SwitchToThread(); }
#else
/* from the system's own library, which every process has open */
extern void *mmap(void *, unsigned long, int, int, int, long);
extern int munmap(void *, unsigned long);
extern int sched_yield(void);
NI i64 os_map(i64 bytes) { i64 p = (i64)mmap(0, (unsigned long)bytes, 3, 0x1002, -1, 0); return p == -1 ? 0 : p; }
AI void os_unmap(i64 address, i64 bytes) { munmap((void *)address, (unsigned long)bytes); }
AI void os_yield(void) { sched_yield(); }
#endif

/* Subnormal numbers count as 0 while kernels run: one in an operand costs a hundred cycles. The mode belongs to the thread, which may be
   anybody's, so what it was is put back. */
#if defined __x86_64__
AI u32 mode_enter(void) { u32 m = _mm_getcsr(); _mm_setcsr(m | 0x8040); return m; }
AI void mode_leave(u32 m) { _mm_setcsr(m); }
#else
AI u64 mode_enter(void) { u64 m; __asm__ volatile("mrs %0, fpcr" : "=r"(m)); __asm__ volatile("msr fpcr, %0" ::"r"(m | 1 << 24)); return m; }
AI void mode_leave(u64 m) { __asm__ volatile("msr fpcr, %0" ::"r"(m)); }
#endif
#endif

/*
 * Threads that share out the items of a region.
 *
 * A call (a forward, a training step) is a sequence of regions; a region is n items, each a call of one function. The thread that makes the
 * call works too. It waits for ITEMS that others have claimed, never for threads: one that the system has put aside holds nothing up unless
 * it was put aside within an item.
 *
 * A region's count and its next item lie in one 64-bit word, which fetch-add claims from. So a thread that comes late, or from a region that
 * is over, gets an item of the present region or none.
 *
 * Threads are made by Java (Pool.java), which also lets them sleep while no call is running. Nothing here knows an operating system's threads.
 */
#ifndef SEGFORMER3D_POOL_H
#define SEGFORMER3D_POOL_H
#include "os.h"

typedef void (*Item)(void *context, i64 item, int thread);

/* One running call. Written by the thread that makes it. */
typedef struct {
    _Alignas(64) u64 word; /* count << 32 | next item */
    _Alignas(64) u64 finished;
    Item run;
    void *context;
    struct Pool *pool;
} Call;

/* 64-byte aligned memory of pool_bytes(). At most `threads` calls run at once; Java sees to it. */
typedef struct Pool {
    i64 threads; /* that compute at most, those that make calls included */
    i64 quit;
    _Alignas(64) i64 callers; /* calls running */
    _Alignas(64) Call calls[];
} Pool;

AI i64 pool_size(i64 threads) { return (i64)sizeof(Pool) + threads * (i64)sizeof(Call); }
AI Call *pool_enter(Pool *pool, i64 slot) {
    Call *c = &pool->calls[slot];
    c->pool = pool;
    __atomic_fetch_add(&pool->callers, 1, __ATOMIC_ACQ_REL);
    return c;
}
AI void pool_leave(Call *c) { __atomic_fetch_sub(&c->pool->callers, 1, __ATOMIC_ACQ_REL); }

AI int call_work(Call *c, int thread) {
    u64 w = __atomic_load_n(&c->word, __ATOMIC_ACQUIRE);
    if ((u32)w >= w >> 32) return 0;
    w = __atomic_fetch_add(&c->word, 1, __ATOMIC_ACQ_REL);
    if ((u32)w >= w >> 32) return 0;
    c->run(c->context, (u32)w, thread);
    __atomic_fetch_add(&c->finished, 1, __ATOMIC_ACQ_REL);
    return 1;
}

/* Runs n items, in no order. Which thread runs which must not change a bit of the result: never let what an item computes depend on
   `thread`, except for where its scratch memory lies. */
NI void par(Call *c, i64 n, Item run, void *context) {
    if (n < 2 || c->pool->threads < 2) {
        for (i64 i = 0; i < n; i++) run(context, i, 0);
        return;
    }
    c->run = run;
    c->context = context;
    __atomic_store_n(&c->finished, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&c->word, (u64)n << 32, __ATOMIC_RELEASE);
    while (call_work(c, 0)) {}
    for (i64 spins = 0; __atomic_load_n(&c->finished, __ATOMIC_ACQUIRE) < (u64)n; spins++) {
        PAUSE;
        if (spins > 2000) os_yield();
    }
}

/* What a pool's thread (1, 2, …) does: helps until there was nothing to do for `spins` looks, or until callers and helpers together would be
   more than `threads`: four callers on two processors get none, and none spins beside them. Returns whether the pool is closed. */
NI i64 pool_help(Pool *p, int thread, i64 spins) {
    for (i64 s = 0; s < spins; s++) {
        if (__atomic_load_n(&p->quit, __ATOMIC_ACQUIRE)) return 1;
        i64 callers = __atomic_load_n(&p->callers, __ATOMIC_ACQUIRE);
        if (callers + thread > p->threads) return 0;
        if (callers > 0)
            for (i64 i = 0; i < p->threads; i++)
                if (call_work(&p->calls[i], thread)) { s = 0; break; }
        PAUSE;
    }
    return 0;
}
#endif

/* A line of work that any number of threads take from: items of numbered blocks, one block after the other.
 *
 * Whoever finishes the last item of a block closes it. A thread that never comes is not missed, for nobody is
 * assigned an item before he asks for one; a thread that must wait spins briefly, then lets others run.
 */
#ifndef KIFACTORS_LINE_H
#define KIFACTORS_LINE_H

#include <stdint.h>

#if defined(_MSC_VER)
#include <intrin.h>
#include <windows.h>
static inline int64_t kf_add(int64_t *x) { return _InterlockedExchangeAdd64((volatile __int64 *)x, 1); }
static inline int64_t kf_read(const int64_t *x) { int64_t v = *(const volatile int64_t *)x; _ReadWriteBarrier(); return v; }
static inline void kf_write(int64_t *x, int64_t v) { _InterlockedExchange64((volatile __int64 *)x, v); }
static inline void kf_yield(void) { SwitchToThread(); }
#else
#include <sched.h>
static inline int64_t kf_add(int64_t *x) { return __atomic_fetch_add(x, 1, __ATOMIC_ACQ_REL); }
static inline int64_t kf_read(const int64_t *x) { return __atomic_load_n(x, __ATOMIC_ACQUIRE); }
static inline void kf_write(int64_t *x, int64_t v) { __atomic_store_n(x, v, __ATOMIC_RELEASE); }
static inline void kf_yield(void) { sched_yield(); }
#endif

/* Each on a cache line of its own. */
typedef struct {
    int64_t claimed, pad0[7], arrived, pad1[7], closed, pad2[7], stopped, pad3[7];
} line;

/* Return the number of the next item. */
static inline int64_t claim(line *l) { return kf_add(&l->claimed); }

/* Wait until all blocks before this one are closed; return 0 if the work has ended instead. */
static inline int wait_for(line *l, int64_t block) {
    for (int64_t spins = 0;; spins++) {
        if (kf_read(&l->stopped)) return 0;
        if (kf_read(&l->closed) >= block) return !kf_read(&l->stopped);
        if (spins > 1000) kf_yield();
    }
}

/* Return 1 to whoever finished the last item of a block. */
static inline int last_of(line *l, int64_t items) { return kf_add(&l->arrived) == items - 1; }

/* Let the next block begin. */
static inline void close_block(line *l, int64_t block) {
    l->arrived = 0;
    kf_write(&l->closed, block + 1);
}

/* End the work. */
static inline void stop(line *l) { kf_write(&l->stopped, 1); }

#endif

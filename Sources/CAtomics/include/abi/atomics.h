/* Ordered access to plain words in memory that other processes write.
 *
 * The order is in the name; there is no default. What the names mean:
 *
 *   load_acquire    whatever the storing side wrote before its store_release is visible after this load
 *   store_release   whatever this side wrote before is visible to a side that loads this value with acquire
 *   relaxed         no order, only: not torn, not invented, not repeated by the compiler
 *   fence_full      stores before it are visible to all before loads after it are made: the only
 *                   thing that orders a store before a later load (Dekker's pattern, twice in the doorbell)
 *
 * The words are plain integers, because Swift drops `_Atomic` fields. The functions take `void *`, because
 * a record header may stand at any multiple of 8 in the data area. All are inlined, in debug builds too.
 */
#ifndef SHAREDRING_ATOMICS_H
#define SHAREDRING_ATOMICS_H

#include <stdint.h>

/* Pointers are not null unless marked; Swift then imports them as plain pointers instead of optionals. */
#if defined(__clang__)
#define SR_NONNULL_BEGIN _Pragma("clang assume_nonnull begin")
#define SR_NONNULL_END _Pragma("clang assume_nonnull end")
#define SR_NULLABLE _Nullable
#else
#define SR_NONNULL_BEGIN
#define SR_NONNULL_END
#define SR_NULLABLE
#endif

#define SR_INLINE static inline __attribute__((always_inline))

#if defined(__cplusplus)
#define SR_STATIC_ASSERT(condition, text) static_assert(condition, text)
#else
#define SR_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#endif

/* 2: always lock-free. Another process could not take part in a lock of this one. */
#if __GCC_ATOMIC_INT_LOCK_FREE != 2 || __GCC_ATOMIC_LLONG_LOCK_FREE != 2
#error "SharedRing needs lock-free words of 4 and 8 bytes."
#endif

SR_NONNULL_BEGIN

SR_INLINE uint32_t sr_load_relaxed_u32(const void *p) { return __atomic_load_n((const uint32_t *)p, __ATOMIC_RELAXED); }
SR_INLINE uint32_t sr_load_acquire_u32(const void *p) { return __atomic_load_n((const uint32_t *)p, __ATOMIC_ACQUIRE); }
SR_INLINE uint64_t sr_load_relaxed_u64(const void *p) { return __atomic_load_n((const uint64_t *)p, __ATOMIC_RELAXED); }
SR_INLINE uint64_t sr_load_acquire_u64(const void *p) { return __atomic_load_n((const uint64_t *)p, __ATOMIC_ACQUIRE); }

SR_INLINE void sr_store_relaxed_u32(void *p, uint32_t v) { __atomic_store_n((uint32_t *)p, v, __ATOMIC_RELAXED); }
SR_INLINE void sr_store_release_u32(void *p, uint32_t v) { __atomic_store_n((uint32_t *)p, v, __ATOMIC_RELEASE); }
SR_INLINE void sr_store_relaxed_u64(void *p, uint64_t v) { __atomic_store_n((uint64_t *)p, v, __ATOMIC_RELAXED); }
SR_INLINE void sr_store_release_u64(void *p, uint64_t v) { __atomic_store_n((uint64_t *)p, v, __ATOMIC_RELEASE); }

SR_INLINE uint64_t sr_fetch_add_acq_rel_u64(void *p, uint64_t v) { return __atomic_fetch_add((uint64_t *)p, v, __ATOMIC_ACQ_REL); }
SR_INLINE uint32_t sr_fetch_or_acq_rel_u32(void *p, uint32_t v) { return __atomic_fetch_or((uint32_t *)p, v, __ATOMIC_ACQ_REL); }
SR_INLINE uint64_t sr_fetch_or_acq_rel_u64(void *p, uint64_t v) { return __atomic_fetch_or((uint64_t *)p, v, __ATOMIC_ACQ_REL); }

/* Stores `desired` if the word is `expected`. 1: it was. */
SR_INLINE int sr_compare_exchange_acq_rel_u64(void *p, uint64_t expected, uint64_t desired) {
    return __atomic_compare_exchange_n((uint64_t *)p, &expected, desired, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}
SR_INLINE int sr_compare_exchange_acq_rel_u32(void *p, uint32_t expected, uint32_t desired) {
    return __atomic_compare_exchange_n((uint32_t *)p, &expected, desired, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* On x86 a locked read-modify-write of one's own stack is a full barrier, and several times cheaper than the
 * mfence that compilers emit for a seq_cst fence (mfence also waits for non-temporal stores and clflush). */
SR_INLINE void sr_fence_full(void) {
#if defined(__x86_64__)
    __asm__ volatile("lock orl $0, -8(%%rsp)" ::: "memory", "cc");
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* What was read or written before is visible to a side that sees what is stored after, with whatever store. No instruction on x86. */
SR_INLINE void sr_fence_release(void) { __atomic_thread_fence(__ATOMIC_RELEASE); }

/* What was read before, with whatever load, is no newer than what is read after. No instruction on x86. */
SR_INLINE void sr_fence_acquire(void) { __atomic_thread_fence(__ATOMIC_ACQUIRE); }

/* Keeps the compiler from moving memory accesses across; emits no instruction. The processor's part of this
 * barrier is done by the other side with membarrier(2). */
SR_INLINE void sr_fence_compiler(void) { __asm__ volatile("" ::: "memory"); }

/* Asks for the cache line of an address, to write there soon: it comes while other work is done, and without it a store waits. Never
 * faults. On x86 in words of its own, since __builtin_prefetch(p, 1) is a prefetch for reading on a baseline target: it would leave
 * the line shared, and the store as slow as before. */
SR_INLINE void sr_prefetch_to_write(const void *p) {
#if defined(__x86_64__)
    __asm__ volatile("prefetchw %0" ::"m"(*(const char *)p));
#else
    __builtin_prefetch(p, 1);
#endif
}

/* Tells the processor that this is a spin loop. */
SR_INLINE void sr_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    __asm__ volatile("isb" ::: "memory"); /* `yield` is a no-op on most cores; `isb` really waits a little */
#endif
}

SR_NONNULL_END

#endif

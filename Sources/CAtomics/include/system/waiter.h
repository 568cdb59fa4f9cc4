/* What the waiter threads and links need of the system, beside what linux.h has. The same conventions hold. */
#ifndef SHAREDRING_WAITER_H
#define SHAREDRING_WAITER_H

#include <stdint.h>

#include "../abi/atomics.h"

SR_NONNULL_BEGIN

/* --- many futexes at once --------------------------------------------------------------------------------- */

#define SR_WAITV_LARGEST 128u
SR_INLINE uint32_t sr_waitv_largest(void) { return SR_WAITV_LARGEST; }

/* The kernel's struct futex_waitv, which its older headers do not have. */
struct sr_futex_wait {
    uint64_t expected;
    uint64_t address;
    uint32_t flags;
    uint32_t reserved;
};

/* A word in memory that processes share. */
SR_INLINE struct sr_futex_wait sr_futex_wait_on(uint32_t *word, uint32_t expected) {
    return (struct sr_futex_wait){expected, (uint64_t)(uintptr_t)word, 2 /* FUTEX2_SIZE_U32, not private */, 0};
}

/* 1 if futex_waitv(2) works here: Linux 5.16, and no seccomp filter in the way. */
int sr_futex_waitv_offered(void);

/* Sleeps while all words have their expected values, until the absolute CLOCK_MONOTONIC deadline. The index of the word
 * that was woken; -EAGAIN one had another value; -ETIMEDOUT; -EINTR. */
int sr_futex_waitv(struct sr_futex_wait *words, uint32_t count, int64_t deadline_ns);

/* Wakes all sleepers on a word whose value was changed before. */
int sr_futex_wake(uint32_t *word);

SR_INLINE uint32_t sr_fetch_add_acq_rel_u32(void *p, uint32_t v) { return __atomic_fetch_add((uint32_t *)p, v, __ATOMIC_ACQ_REL); }

/* --- threads ------------------------------------------------------------------------------------------------ */

/* A detached thread with every signal blocked, so that no handler of the program runs on it. */
int sr_thread_start(const char *name, void (*body)(void *context), void *context);

/* --- event descriptors ---------------------------------------------------------------------------------------- */

int sr_event(void);          /* eventfd, not readable yet; non-blocking, closed at exec */
int sr_event_set(int fd);    /* readable from now on */
int sr_event_clear(int fd);  /* not readable from now on */

SR_NONNULL_END

#endif

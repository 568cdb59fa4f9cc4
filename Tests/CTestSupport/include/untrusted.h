#ifndef SHAREDRING_TEST_UNTRUSTED_H
#define SHAREDRING_TEST_UNTRUSTED_H

#include <stdint.h>

/* What an untrusted peer may do to a ring's file, and Swift does not see. Each returns 0, or the negative errno. */

/* A lock of the open file description; `length` 0: to the end of everything. -EAGAIN: another description holds part of it. */
int ts_lock_shared(int fd, int64_t start, int64_t length);
int ts_lock_exclusive(int fd, int64_t start, int64_t length);
int ts_unlock(int fd, int64_t start, int64_t length);

/* Gives the bytes' memory back; they read as zero. */
int ts_punch_hole(int fd, int64_t start, int64_t length);

/* The two names change places, in one step. */
int ts_exchange(const char *_Nonnull one, const char *_Nonnull other);

/* Wakes one who sleeps on the word, as FUTEX_WAKE does, and leaves the word as it is. */
int ts_futex_wake(uint32_t *_Nonnull word);

/* Opens the file of a descriptor again: 0 for reading only, 1 for reading and writing. The descriptor. */
int ts_reopen(int fd, int writable);

#endif

#ifndef SHAREDRING_TEST_CONFINE_H
#define SHAREDRING_TEST_CONFINE_H

#include <stdint.h>

/* From now on a system call of this process fails with `error`, whatever thread makes it, and those of its children's: a
 * seccomp filter, as sandboxes have them. Names: membarrier, memfd_create, linkat, renameat2, unlinkat, fallocate,
 * O_TMPFILE for opening with that flag, FUTEX_WAKE_OP, or FUTEX_WAIT_BITSET (of words that processes share). 0, or the negative errno; -EINVAL for another name. There is no way back. */
int ts_deny(const char *_Nonnull name, int error);

/* Lets this process take so many bytes of address space more than it has, and no more; UINT64_MAX: any number again.
 * 0, or the negative errno. */
int ts_limit_address_space(uint64_t beyond_present);

/* Closes every descriptor but 0, 1 and 2. */
void ts_close_all(void);

/* For the calling thread, from now on: nothing is at this path but an empty tmpfs. 0, or the negative errno. */
int ts_hide(const char *_Nonnull path);

#endif

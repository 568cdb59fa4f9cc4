#define _GNU_SOURCE
#include "include/untrusted.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static int lock(int fd, short type, int64_t start, int64_t length) {
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    return fcntl(fd, F_OFD_SETLK, &l) == 0 ? 0 : -errno;
}

int ts_lock_shared(int fd, int64_t start, int64_t length) { return lock(fd, F_RDLCK, start, length); }
int ts_lock_exclusive(int fd, int64_t start, int64_t length) { return lock(fd, F_WRLCK, start, length); }
int ts_unlock(int fd, int64_t start, int64_t length) { return lock(fd, F_UNLCK, start, length); }

int ts_punch_hole(int fd, int64_t start, int64_t length) {
    return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, start, length) == 0 ? 0 : -errno;
}

int ts_exchange(const char *one, const char *other) {
    return renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE) == 0 ? 0 : -errno;
}

int ts_futex_wake(uint32_t *word) {
    long woken = syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
    return woken >= 0 ? (int)woken : -errno;
}

int ts_reopen(int fd, int writable) {
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int opened = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    return opened >= 0 ? opened : -errno;
}

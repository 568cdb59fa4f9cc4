#define _GNU_SOURCE
#include "include/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ARRAY_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The low half of an argument; both our machines are little-endian. */
#define ARGUMENT(number) ((unsigned)offsetof(struct seccomp_data, args[number]))

static const struct {
    const char *name;
    unsigned number;
    unsigned argument, mask, value; /* only if this argument, masked, has this value */
} calls[] = {
    {"membarrier", SYS_membarrier, 0, 0, 0},
    {"memfd_create", SYS_memfd_create, 0, 0, 0},
    {"linkat", SYS_linkat, 0, 0, 0},
    {"renameat2", SYS_renameat2, 0, 0, 0},
    {"unlinkat", SYS_unlinkat, 0, 0, 0},
    {"fallocate", SYS_fallocate, 0, 0, 0},
    {"O_TMPFILE", SYS_openat, 2, O_TMPFILE, O_TMPFILE},
    {"FUTEX_WAKE_OP", SYS_futex, 1, FUTEX_CMD_MASK, FUTEX_WAKE_OP},
    {"FUTEX_WAIT_BITSET", SYS_futex, 1, (unsigned)~FUTEX_CLOCK_REALTIME, FUTEX_WAIT_BITSET}, /* the shared kind: not Dispatch's */
};

int ts_deny(const char *name, int error) {
    for (unsigned i = 0; i < ARRAY_COUNT(calls); i++) {
        if (strcmp(calls[i].name, name) != 0) continue;
        struct sock_filter code[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i].number, 0, 4),
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARGUMENT(calls[i].argument)),
            BPF_STMT(BPF_ALU | BPF_AND | BPF_K, calls[i].mask),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i].value, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ((unsigned)error & SECCOMP_RET_DATA)),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = {ARRAY_COUNT(code), code};
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -errno;
        /* For all threads of this process. */
        return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0 ? 0 : -errno;
    }
    return -EINVAL;
}

static uint64_t address_space(void) {
    char line[128] = "";
    int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    if (read(file, line, sizeof line - 1) < 0) line[0] = 0;
    close(file);
    uint64_t pages = 0;
    for (const char *p = line; *p >= '0' && *p <= '9'; p++) pages = pages * 10 + (uint64_t)(*p - '0');
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

int ts_limit_address_space(uint64_t beyond_present) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) != 0) return -errno;
    limit.rlim_cur = beyond_present == UINT64_MAX ? limit.rlim_max : address_space() + beyond_present;
    return setrlimit(RLIMIT_AS, &limit) == 0 ? 0 : -errno;
}

void ts_close_all(void) { close_range(3, ~0u, 0); }

int ts_hide(const char *path) {
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) return -errno;
    return mount("none", path, "tmpfs", 0, NULL) == 0 ? 0 : -errno;
}

#define _GNU_SOURCE
#include "include/service.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

int ts_epoll(void) { return epoll_create1(EPOLL_CLOEXEC); }

int ts_epoll_add(int loop, int fd, int edge, int index) {
    struct epoll_event event = {.events = EPOLLIN | (edge ? EPOLLET : 0), .data.u32 = (unsigned)index};
    return epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event);
}

int ts_epoll_next(int loop, int milliseconds) {
    struct epoll_event event;
    int count;
    do count = epoll_wait(loop, &event, 1, milliseconds); while (count < 0 && errno == EINTR);
    return count == 1 ? (int)event.data.u32 : -1;
}

int ts_forbid(int call, int error) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -errno;
    /* All threads, those that exist already too. */
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0 ? 0 : -errno;
}

long ts_cpu_us(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000L + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

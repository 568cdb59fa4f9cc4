#define _GNU_SOURCE
#include "cbench.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

int cb_ticks_are_cycles = 0;

void cb_choose_clock(void) {
#if defined(__x86_64__)
    /* CPUID 8000_0007h, EDX bit 8: the counter keeps its rate whatever the core does. */
    unsigned a, b, c, d;
    cb_ticks_are_cycles = __get_cpuid(0x80000007, &a, &b, &c, &d) && (d >> 8 & 1);
#elif defined(__aarch64__)
    cb_ticks_are_cycles = 1; /* the architecture promises it */
#endif
}

int cb_pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (cpu < 0 || cpu >= CPU_SETSIZE) return -EINVAL;
    CPU_SET(cpu, &set);
    return sched_setaffinity(0, sizeof set, &set) == 0 ? 0 : -errno;
}

int cb_die_with_parent(int parent) {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return -errno;
    return getppid() == parent ? 0 : -ESRCH; /* it may have died before the call */
}

static int64_t nanoseconds(struct timeval t) { return (int64_t)t.tv_sec * 1000000000 + (int64_t)t.tv_usec * 1000; }

void cb_usage_now(struct cb_usage *usage) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    usage->cpu_ns = nanoseconds(r.ru_utime) + nanoseconds(r.ru_stime);
    usage->involuntary = r.ru_nivcsw;
}

static atomic_int ended;

static void on_child(int signal) {
    (void)signal;
    int before = errno, status;
    while (waitpid(-1, &status, WNOHANG) > 0) {
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
            atomic_fetch_add(&ended, 1);
        } else {
            static const char text[] = "ringbench: the other process of this case failed; no figures\n";
            if (write(2, text, sizeof text - 1) < 0) { /* nothing more can be said */
            }
            _exit(1);
        }
    }
    errno = before;
}

void cb_watch_children(void) {
    struct sigaction action = {.sa_handler = on_child, .sa_flags = SA_RESTART | SA_NOCLDSTOP};
    sigemptyset(&action.sa_mask);
    sigaction(SIGCHLD, &action, NULL);
}

int cb_stop_awaited(int child) {
    siginfo_t info;
    while (waitid(P_PID, (id_t)child, &info, WSTOPPED | WNOWAIT) != 0)
        if (errno != EINTR) return -errno;
    return 0;
}

int cb_children_ended(void) { return atomic_load(&ended); }

int cb_inherit(int fd) { return fcntl(fd, F_SETFD, 0) == 0 ? 0 : -errno; }

int cb_memory(uint64_t size) {
    int fd = memfd_create("ringbench", MFD_CLOEXEC);
    if (fd < 0) return -errno;
    if (ftruncate(fd, (off_t)size) != 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

void cb_futex_wait(uint32_t *word, uint32_t expected) { syscall(SYS_futex, word, FUTEX_WAIT, expected, NULL, NULL, 0); }
void cb_futex_wake(uint32_t *word) { syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0); }
void cb_futex_wake_all(uint32_t *word) { syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0); }

#define _GNU_SOURCE
#include "cbench.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
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

void cb_hypervisor(char name[13]) {
    name[0] = 0;
#if defined(__x86_64__)
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 31)) return; /* leaf 1, ECX bit 31: there is one */
    __cpuid(0x40000000, a, b, c, d);
    memcpy(name, &b, 4);
    memcpy(name + 4, &c, 4);
    memcpy(name + 8, &d, 4);
    name[12] = 0;
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
    usage->voluntary = r.ru_nvcsw;
}

int64_t cb_cpu_ns_of_all(void) {
    struct rusage mine, theirs;
    getrusage(RUSAGE_SELF, &mine);
    getrusage(RUSAGE_CHILDREN, &theirs);
    return nanoseconds(mine.ru_utime) + nanoseconds(mine.ru_stime) + nanoseconds(theirs.ru_utime) + nanoseconds(theirs.ru_stime);
}

int cb_call_counter(uint64_t tracepoint) {
    struct perf_event_attr attributes = {
        .type = PERF_TYPE_TRACEPOINT, .size = sizeof attributes, .config = tracepoint, .disabled = 1};
    int fd = (int)syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int cb_start_counting(int counter) { return ioctl(counter, PERF_EVENT_IOC_ENABLE, 0) == 0 ? 0 : -errno; }

int64_t cb_stop_counting(int counter) {
    uint64_t count;
    if (ioctl(counter, PERF_EVENT_IOC_DISABLE, 0) != 0 || read(counter, &count, sizeof count) != sizeof count) return -errno;
    return count > 0 ? (int64_t)count - 1 : 0; /* without the call that ended it */
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

int cb_memory(uint64_t size, int huge_pages) {
    int fd = memfd_create("ringbench", MFD_CLOEXEC | (huge_pages ? MFD_HUGETLB : 0));
    if (fd < 0) return -errno;
    struct stat facts;
    if (huge_pages && fstat(fd, &facts) == 0) size = (size + (uint64_t)facts.st_blksize - 1) / (uint64_t)facts.st_blksize * (uint64_t)facts.st_blksize;
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

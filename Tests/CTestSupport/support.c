#define _GNU_SOURCE
#include "include/CTestSupport.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

int ts_fork(int (*body)(void *), void *context) {
    pid_t pid = fork();
    if (pid != 0) return pid < 0 ? -errno : pid;
    alarm(20);
    _exit(body(context));
}

int ts_split(void) {
    pid_t pid = fork();
    if (pid == 0) alarm(20);
    return pid < 0 ? -errno : pid;
}

void ts_leave(int status) { _exit(status); }

int ts_thread(void) { return gettid(); }

int ts_is_mapped(const void *address) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return 0;
    int result = write(ends[1], address, 1) == 1;
    close(ends[0]);
    close(ends[1]);
    return result;
}

void ts_die_with(int parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) raise(SIGKILL);
}

int ts_pipe(int *ends) { return pipe2(ends, O_CLOEXEC); }

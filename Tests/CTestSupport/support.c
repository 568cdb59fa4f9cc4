#define _GNU_SOURCE
#include "include/CTestSupport.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
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

int ts_start_copy(void) {
    long pid = syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);
    if (pid == 0) {
        alarm(20);
        for (;;) pause();
    }
    return pid < 0 ? -errno : (int)pid;
}

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

int ts_spawn(pid_t *pid, const char *program, char *const *words, char *const *environment, const char *directory, int input,
             int output, int errors) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int result = posix_spawn_file_actions_init(&actions);
    if (result != 0) return result;
    result = posix_spawnattr_init(&attributes);
    if (result != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return result;
    }
    // Dispatch blocks signals in its threads, and tests ignore some: a program expects neither.
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    result = posix_spawn_file_actions_adddup2(&actions, input, 0);
    if (result == 0) result = posix_spawn_file_actions_adddup2(&actions, output, 1);
    if (result == 0) result = posix_spawn_file_actions_adddup2(&actions, errors, 2);
    if (result == 0) result = posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    if (result == 0 && directory) result = posix_spawn_file_actions_addchdir_np(&actions, directory);
    if (result == 0) result = posix_spawn(pid, program, &actions, &attributes, words, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return result;
}

const char *ts_make_directory(const char *prefix) {
    char *path;
    if (asprintf(&path, "%s-XXXXXX", prefix) < 0 || !mkdtemp(path)) {
        fprintf(stderr, "no directory %s-XXXXXX: errno %d\n", prefix, errno);
        abort();
    }
    return path;
}

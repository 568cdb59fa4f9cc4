#ifndef SHAREDRING_TEST_SUPPORT_H
#define SHAREDRING_TEST_SUPPORT_H

#include <sys/types.h>

#include "confine.h"
#include "service.h"
#include "untrusted.h"

/* Forks. The child runs `body`, bounded by an alarm of 20 seconds, and leaves with its result by _exit.
 * Returns the child's pid in the parent, or the negative errno. */
int ts_fork(int (*_Nonnull body)(void *_Nullable), void *_Nullable context);

/* Forks, and goes on in both: 0 in the child, which has 20 seconds and is to end with `ts_leave`. For what can't be handed to a body. */
int ts_split(void);
void ts_leave(int status) __attribute__((noreturn));
/* Starts a process that has copies of all descriptors and runs no handler, as one that is being started by posix_spawn has and does until its exec. It
 * does nothing, and ends by SIGKILL, or after 20 seconds. Its id, or the negative errno. */
int ts_start_copy(void);

/* The calling thread, as /proc/self/task names it. */
int ts_thread(void);

/* 1 if the byte can be read. Asks the kernel by way of a pipe, and touches nothing itself. */
int ts_is_mapped(const void *_Nonnull address);

/* SIGKILL for this process when its parent ends, or now if `parent` is not its parent any more. */
void ts_die_with(int parent);

/* pipe2 with O_CLOEXEC, which Swift does not see either. 0, or -1. */
int ts_pipe(int *_Nonnull ends);

/* posix_spawn of a program in a directory (NULL: where this process is), with these three standard streams and no other descriptor.
 * 0, or an errno. */
int ts_spawn(pid_t *_Nonnull pid, const char *_Nonnull program, char *_Nullable const *_Nonnull words,
             char *_Nullable const *_Nonnull environment, const char *_Nullable directory, int input, int output, int errors);

/* Makes a directory for this user alone, whose name begins with `prefix` and is new: a process id comes again, and a killed process
 * leaves what it made. Its path, which its caller may keep for good. Ends the process if there is none to be had. */
const char *_Nonnull ts_make_directory(const char *_Nonnull prefix);

#include "trace.h"

#endif

#ifndef SHAREDRING_TEST_TRACE_H
#define SHAREDRING_TEST_TRACE_H

#include <stdint.h>

#pragma clang assume_nonnull begin

/* A process that is run one instruction at a time, from one `int3` of its own to the next. */
struct ts_trace;

enum ts_stop {
    TS_CHANGED = 1,  /* the watched memory differs from the last image */
    TS_CALLING = 2,  /* the next instruction is a system call */
    TS_CALLED = 3,   /* a system call has returned; the memory may have changed too */
    TS_ASLEEP = 4,   /* it sleeps inside a system call; the next step waits for its end */
    TS_MARK = 5,     /* the next instruction is `int3` */
    TS_ENDED = 6,    /* it exited or was killed */
    TS_STUCK = 7,    /* no end within the bound */
    TS_FAILED = 8,   /* ptrace refused */
};

/* 1 if this system lets a process trace its children. */
int ts_trace_offered(void);

/* Starts `path`, without address space randomisation; it dies with this process. NULL if that fails. */
struct ts_trace *_Nullable ts_trace_start(const char *path, char *_Nullable const *_Nonnull arguments);

/* Runs to the next `int3` at full speed, and steps over it. TS_MARK, TS_ENDED, TS_STUCK after `milliseconds`. */
int ts_trace_run(struct ts_trace *trace, int milliseconds);

/* Steps until something of `ts_stop` happens. `image` is brought up to date with `watched`. */
int ts_trace_advance(struct ts_trace *trace, const void *_Nullable watched, void *_Nullable image, uint64_t size);

/* Steps over so many instructions. TS_CHANGED when they are done; TS_ASLEEP and the like if they can't be. */
int ts_trace_skip(struct ts_trace *trace, uint64_t count);

/* Runs at full speed to the beginning or the end of the next system call, or over the next `int3`. Not to be mixed with
 * `ts_trace_advance`. */
int ts_trace_next_call(struct ts_trace *trace);

int ts_trace_pid(const struct ts_trace *trace);
uint64_t ts_trace_instructions(const struct ts_trace *trace);

/* SIGKILL, waits until the kernel has taken it apart, and forgets it. */
void ts_trace_kill(struct ts_trace *trace);

/* In the traced process: stops there. Without a tracer it ends the process. */
void ts_mark(void);

/* Keeps this process, and those it starts, on the CPU where it is: a step is two switches, and between two CPUs they take three
 * times as long. */
void ts_stay_on_cpu(void);

/* What a traced process says of itself, in memory that its tracer reads. By call, so that no compiler moves it. */
void ts_note(uint32_t *word, uint32_t value);

/* A file of at least `size` bytes, mapped for reading and writing; NULL if that fails. `create`: makes it. */
void *_Nullable ts_map_file(const char *path, uint64_t size, int create);

#pragma clang assume_nonnull end

#endif

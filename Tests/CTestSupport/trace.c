#define _GNU_SOURCE
#include "include/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGES 1024

/* Milliseconds after which a process that does not move hangs. Tracer and process share one CPU, which may be busy. */
#define HANG 60000

/* Code does not change, so each page of it is read once. */
struct page {
    uint64_t address;
    uint8_t bytes[4096];
};

struct ts_trace {
    pid_t pid;
    int has_ended;
    int is_in_call; /* a step that has not come back */
    int has_told_call;
    int is_inside; /* a call that `ts_trace_next_call` has seen begin */
    uint64_t instructions;
    struct page *pages[PAGES];
};

#if defined(__x86_64__)

static int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void pause_briefly(void) { nanosleep(&(struct timespec){0, 50000}, NULL); }

/* Waits for the next stop. 0, or TS_ENDED, TS_STUCK. */
static int await(struct ts_trace *trace, int milliseconds, int *status) {
    int64_t end = now_ms() + milliseconds;
    for (;;) {
        pid_t found = waitpid(trace->pid, status, __WALL | WNOHANG);
        if (found == trace->pid) {
            if (WIFSTOPPED(*status)) return 0;
            trace->has_ended = 1;
            return TS_ENDED;
        }
        if (found < 0 && errno != EINTR) return TS_FAILED;
        if (now_ms() >= end) return TS_STUCK;
        pause_briefly();
    }
}

static uint64_t next_address(struct ts_trace *trace) {
    return (uint64_t)ptrace(PTRACE_PEEKUSER, trace->pid, offsetof(struct user_regs_struct, rip), 0);
}

static int byte_at(struct ts_trace *trace, uint64_t address) {
    uint64_t start = address & ~4095ULL;
    struct page **place = &trace->pages[(start >> 12) % PAGES];
    if (!*place || (*place)->address != start) {
        if (!*place) *place = malloc(sizeof **place);
        (*place)->address = start;
        for (int i = 0; i < 4096; i += 8) {
            long word = ptrace(PTRACE_PEEKTEXT, trace->pid, start + i, 0);
            memcpy((*place)->bytes + i, &word, 8);
        }
    }
    return (*place)->bytes[address & 4095];
}

int ts_trace_offered(void) {
    pid_t pid = fork();
    if (pid == 0) _exit(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0 ? 0 : 1);
    int status = 1;
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

struct ts_trace *ts_trace_start(const char *path, char *const *arguments) {
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) _exit(1);
        personality(ADDR_NO_RANDOMIZE); /* refused in some sandboxes; then runs differ more from each other */
        setenv("LD_BIND_NOW", "1", 1);  /* or each first call of a function steps through the linker */
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        execv(path, arguments);
        _exit(127);
    }
    if (pid < 0) return NULL;
    struct ts_trace *trace = calloc(1, sizeof *trace);
    trace->pid = pid;
    int status = 0;
    if (await(trace, HANG, &status) != 0) { /* stops at exec */
        ts_trace_kill(trace);
        return NULL;
    }
    ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD);
    return trace;
}

int ts_trace_run(struct ts_trace *trace, int milliseconds) {
    if (trace->has_ended) return TS_ENDED;
    int64_t end = now_ms() + milliseconds;
    int signal = 0;
    for (;;) {
        if (!trace->is_in_call && ptrace(PTRACE_CONT, trace->pid, 0, signal) != 0) return TS_FAILED;
        int was_in_call = trace->is_in_call;
        int status = 0;
        int stop = await(trace, (int)(end - now_ms()), &status);
        if (stop != 0) {
            if (stop == TS_STUCK) trace->is_in_call = 1;
            return stop;
        }
        trace->is_in_call = 0;
        if (was_in_call) continue;
        signal = WSTOPSIG(status);
        if (signal == SIGTRAP) return TS_MARK;
    }
}

int ts_trace_next_call(struct ts_trace *trace) {
    if (trace->has_ended) return TS_ENDED;
    if (ptrace(PTRACE_SYSCALL, trace->pid, 0, 0) != 0) return TS_FAILED;
    int status = 0;
    int stop = await(trace, HANG, &status);
    if (stop != 0) return stop;
    if (WSTOPSIG(status) == SIGTRAP) return TS_MARK;
    if (WSTOPSIG(status) != (SIGTRAP | 0x80)) return TS_FAILED;
    trace->is_inside = !trace->is_inside;
    return trace->is_inside ? TS_CALLING : TS_CALLED;
}

static int advance(struct ts_trace *trace, const void *watched, void *image, uint64_t size, uint64_t end) {
    if (trace->has_ended) return TS_ENDED;
    for (;;) {
        int is_call = trace->is_in_call;
        if (!is_call) {
            uint64_t address = next_address(trace);
            int byte = byte_at(trace, address);
            if (byte == 0xcc) return TS_MARK;
            is_call = byte == 0x0f && byte_at(trace, address + 1) == 0x05;
            if (is_call && !trace->has_told_call) {
                trace->has_told_call = 1;
                return TS_CALLING;
            }
            trace->has_told_call = 0;
            if (ptrace(PTRACE_SINGLESTEP, trace->pid, 0, 0) != 0) return TS_FAILED;
        }
        int status = 0;
        if (is_call) {
            int stop = await(trace, trace->is_in_call ? HANG : 30, &status);
            if (stop == TS_STUCK && !trace->is_in_call) {
                trace->is_in_call = 1;
                if (size > 0) memcpy(image, watched, size);
                return TS_ASLEEP;
            }
            if (stop != 0) return stop;
            trace->is_in_call = 0;
        } else if (waitpid(trace->pid, &status, __WALL) != trace->pid || !WIFSTOPPED(status)) {
            trace->has_ended = 1;
            return TS_ENDED;
        }
        trace->instructions++;
        int differs = size > 0 && memcmp(watched, image, size) != 0;
        if (differs) memcpy(image, watched, size);
        if (is_call) return TS_CALLED;
        if (differs || trace->instructions >= end) return TS_CHANGED;
    }
}

int ts_trace_advance(struct ts_trace *trace, const void *watched, void *image, uint64_t size) {
    return advance(trace, watched, image, size, UINT64_MAX);
}

int ts_trace_skip(struct ts_trace *trace, uint64_t count) {
    uint64_t end = trace->instructions + count;
    while (trace->instructions < end) {
        int stop = advance(trace, NULL, NULL, 0, end);
        if (stop != TS_CALLING && stop != TS_CALLED && stop != TS_CHANGED) return stop;
    }
    return TS_CHANGED;
}

void ts_mark(void) { __asm__ volatile("int3" ::: "memory"); }

#else

int ts_trace_offered(void) { return 0; }
struct ts_trace *ts_trace_start(const char *path, char *const *arguments) { return NULL; }
int ts_trace_run(struct ts_trace *trace, int milliseconds) { return TS_FAILED; }
int ts_trace_skip(struct ts_trace *trace, uint64_t count) { return TS_FAILED; }
int ts_trace_next_call(struct ts_trace *trace) { return TS_FAILED; }
int ts_trace_advance(struct ts_trace *trace, const void *watched, void *image, uint64_t size) { return TS_FAILED; }
void ts_mark(void) {}

#endif

void ts_stay_on_cpu(void) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one);
}

int ts_trace_pid(const struct ts_trace *trace) { return trace->pid; }
uint64_t ts_trace_instructions(const struct ts_trace *trace) { return trace->instructions; }

void ts_trace_kill(struct ts_trace *trace) {
    if (!trace->has_ended) {
        int status;
        kill(trace->pid, SIGKILL);
        do {
            if (waitpid(trace->pid, &status, __WALL) != trace->pid) break;
        } while (WIFSTOPPED(status));
    }
    for (int i = 0; i < PAGES; i++) free(trace->pages[i]);
    free(trace);
}

void ts_note(uint32_t *word, uint32_t value) { *(volatile uint32_t *)word = value; }

void *ts_map_file(const char *path, uint64_t size, int create) {
    int fd = open(path, O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0), 0600);
    if (fd < 0) return NULL;
    void *address = create && ftruncate(fd, (off_t)size) != 0 ? MAP_FAILED : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return address == MAP_FAILED ? NULL : address;
}

/* What the benchmark needs and Swift cannot say: the cycle counter, pinning, and system calls that Swift's Glibc overlay
 * does not show. Functions that can fail return 0 or more, or the negative errno. */
#ifndef RINGBENCH_CBENCH_H
#define RINGBENCH_CBENCH_H

#include <stdint.h>
#include <time.h>

#pragma clang assume_nonnull begin

/* --- time --------------------------------------------------------------------------------------------- */

/* Whether cb_ticks reads a counter of the processor that runs at one rate on all cores; otherwise it is
 * CLOCK_MONOTONIC in nanoseconds. Both are common to all processes of a machine. Set by cb_choose_clock. */
extern int cb_ticks_are_cycles;
void cb_choose_clock(void);
static inline int cb_counts_cycles(void) { return cb_ticks_are_cycles; }

static inline __attribute__((always_inline)) uint64_t cb_ticks(void) {
    if (__builtin_expect(cb_ticks_are_cycles, 1)) {
#if defined(__x86_64__)
        return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
        uint64_t ticks;
        __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
        return ticks;
#endif
    }
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* --- processes ------------------------------------------------------------------------------------------ */

int cb_pin(int cpu);      /* this thread, to one CPU */
int cb_die_with_parent(int parent);

struct cb_usage {
    int64_t cpu_ns;      /* user and system time of this process */
    int64_t involuntary; /* context switches it did not ask for */
    int64_t voluntary;   /* those it did: it slept */
    int64_t calls;       /* system calls while it warmed up; -1 where nobody counts. cb_usage_now leaves it alone. */
};
void cb_usage_now(struct cb_usage *usage);
int64_t cb_cpu_ns_of_all(void); /* of this process and of its children that ended */

/* Counts the system calls of this thread from start to stop, by the kernel's tracepoint of that number. */
int cb_call_counter(uint64_t tracepoint);
int cb_start_counting(int counter);
int64_t cb_stop_counting(int counter);

void cb_hypervisor(char name[_Nonnull 13]); /* as it calls itself; empty if there is none */

/* From now on a child that fails ends this process too, with status 1: nobody waits for a peer that is gone. */
void cb_watch_children(void);
int cb_stop_awaited(int child); /* returns when that child is stopped */
int cb_children_ended(void); /* how many ended in order */

int cb_inherit(int fd); /* lets a descriptor survive exec; all others here do not */

/* --- what two processes of one case write for each other --------------------------------------------------- */

struct cb_exchange {
    uint32_t arrived[2][32]; /* how often each side came to the meeting point; each on its own lines */
    uint64_t first_due;      /* ticks: when the first message was, or is, due */
    struct cb_usage peer;    /* what the peer used while it was measured */
};

static inline uint32_t *cb_arrived(struct cb_exchange *e, int side) { return e->arrived[side]; }

/* --- transports ----------------------------------------------------------------------------------------- */

int cb_memory(uint64_t size, int huge_pages); /* a memfd, at least so large */
int cb_pipe(int ends[_Nonnull 2], int capacity); /* the capacity it got */
int cb_unix_pair(int ends[_Nonnull 2], int packets, int capacity);
int cb_tcp_pair(int ends[_Nonnull 2]);
int cb_eventfd(void);

/* `count` packets of `size` bytes that lie one behind the other; in one system call for up to 64. How many went. */
int cb_send_packets(int fd, void *buffer, uint64_t size, int count);
int cb_receive_packets(int fd, void *buffer, uint64_t size, int count);

int cb_queue(uint64_t size); /* a message queue that has no name any more */
int cb_queue_send(int queue, const void *buffer, uint64_t size);
int64_t cb_queue_receive(int queue, void *buffer, uint64_t size);

/* The bytes there are needed, as far as the compiler knows. */
static inline __attribute__((always_inline)) void cb_keep(const void *bytes) { __asm__ volatile("" ::"r"(bytes) : "memory"); }

/* 1: the word was `expected`, and is `desired` now. */
static inline __attribute__((always_inline)) int cb_compare_and_swap(uint64_t *word, uint64_t expected, uint64_t desired) {
    return __atomic_compare_exchange_n(word, &expected, desired, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* The bare futex: nothing around the system calls. */
void cb_futex_wait(uint32_t *word, uint32_t expected);
void cb_futex_wake(uint32_t *word);
void cb_futex_wake_all(uint32_t *word);

#pragma clang assume_nonnull end

#endif

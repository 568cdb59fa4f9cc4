// Time, places and costs: what a measurement needs of the machine.
#pragma once

#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>
#endif

[[noreturn]] inline void fail(const std::string &sentence) {
    fprintf(stderr, "peers: %s\n", sentence.c_str());
    _exit(1);
}

// A word that one side writes while the other polls has 128 bytes to itself: lines are fetched in pairs.
constexpr size_t kGroup = 128;

inline void pause_once() {
#if defined(__x86_64__)
    _mm_pause();
#else
    asm volatile("yield");
#endif
}

// Polls, and gives the processor away once in a while: there may be more producers than processors.
class Spin {
    unsigned polls_ = 0;

public:
    void wait() {
        pause_once();
        if (++polls_ % 4096 == 0) sched_yield();
    }
};

// The cycle counter where it runs at one rate, as in ringbench; else the monotonic clock.
class Clock {
    double per_nanosecond_ = 1;
    bool counts_cycles_ = false;

    static uint64_t nanoseconds_now() {
        timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return uint64_t(now.tv_sec) * 1'000'000'000 + uint64_t(now.tv_nsec);
    }

public:
    Clock() {
#if defined(__x86_64__)
        unsigned a, b, c, d;
        counts_cycles_ = __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & 1 << 8);
        if (!counts_cycles_) return;
        uint64_t start = nanoseconds_now(), first = ticks(), now = start;
        while (now - start < 10'000'000) now = nanoseconds_now();
        per_nanosecond_ = double(ticks() - first) / double(now - start);
#endif
    }

    uint64_t ticks() const {
#if defined(__x86_64__)
        if (counts_cycles_) {
            unsigned ignored;
            return __rdtscp(&ignored);
        }
#endif
        return nanoseconds_now();
    }

    double nanoseconds(uint64_t ticks) const { return double(ticks) / per_nanosecond_; }
    uint64_t ticks_of(double nanoseconds) const { return uint64_t(nanoseconds * per_nanosecond_); }
};

inline void pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) fail("a side can't be pinned to CPU " + std::to_string(cpu));
}

// Memory that processes forked from now on share, at the same address.
inline void *shared_memory(size_t bytes) {
    void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) fail("no memory to share");
    return memory;
}

// What a side used so far.
struct Usage {
    double cpu_ns = 0;
    long voluntary = 0, involuntary = 0;

    static Usage now(bool of_thread) {
        rusage usage;
        getrusage(of_thread ? RUSAGE_THREAD : RUSAGE_SELF, &usage);
        auto ns = [](timeval time) { return double(time.tv_sec) * 1e9 + double(time.tv_usec) * 1e3; };
        return {ns(usage.ru_utime) + ns(usage.ru_stime), usage.ru_nvcsw, usage.ru_nivcsw};
    }
    Usage operator-(const Usage &other) const {
        return {cpu_ns - other.cpu_ns, voluntary - other.voluntary, involuntary - other.involuntary};
    }
    Usage operator+(const Usage &other) const {
        return {cpu_ns + other.cpu_ns, voluntary + other.voluntary, involuntary + other.involuntary};
    }
};

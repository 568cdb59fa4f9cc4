#define _GNU_SOURCE
#include "include/system/waiter.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "include/system/linux.h"

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449 /* on every architecture */
#endif

_Static_assert(sizeof(struct sr_futex_wait) == 24, "as struct futex_waitv");

static int result(long value) { return value < 0 ? -errno : (int)value; }

int sr_futex_waitv(struct sr_futex_wait *words, uint32_t count, int64_t deadline_ns) {
    struct timespec t = {deadline_ns / 1000000000, deadline_ns % 1000000000};
    return result(syscall(SYS_futex_waitv, words, count, 0, &t, CLOCK_MONOTONIC));
}

int sr_futex_waitv_offered(void) {
    uint32_t word = 0;
    struct sr_futex_wait wait = sr_futex_wait_on(&word, 1);
    return sr_futex_waitv(&wait, 1, 1) == -EAGAIN;
}

int sr_futex_wake(uint32_t *word) { return result(syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0)); }

struct start {
    void (*body)(void *);
    void *context;
    char name[16];
};

static void *run(void *argument) {
    struct start start = *(struct start *)argument;
    free(argument);
    pthread_setname_np(pthread_self(), start.name);
    start.body(start.context);
    return NULL;
}

int sr_thread_start(const char *name, void (*body)(void *), void *context) {
    struct start *start = calloc(1, sizeof *start);
    if (!start) return -ENOMEM;
    start->body = body;
    start->context = context;
    for (unsigned i = 0; i + 1 < sizeof start->name && name[i]; i++) start->name[i] = name[i];

    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);
    if (error == 0) {
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        pthread_t thread;
        error = pthread_create(&thread, &attributes, run, start);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&attributes);
    }
    if (error != 0) free(start);
    return -error;
}

int sr_event(void) {
    sr_opening();
    return sr_opened(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

int sr_event_set(int fd) {
    uint64_t one = 1;
    return write(fd, &one, sizeof one) < 0 && errno != EAGAIN ? -errno : 0;
}

int sr_event_clear(int fd) {
    uint64_t count;
    return read(fd, &count, sizeof count) < 0 && errno != EAGAIN ? -errno : 0;
}

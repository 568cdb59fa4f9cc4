/* Descriptors that the library owns, and what a forked child must undo: it inherits them, and while it lives its dead parent would seem alive. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "include/system/linux.h"

enum { first_descriptor = 3, bits_of_word = 64 };

uint32_t sr_fork_count = 0;

/* A bit for each descriptor that is the library's own. */
static uint64_t *owned = NULL;
static size_t owned_words = 0;
static struct sr_fork_gate gates = {&gates, &gates, NULL};
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* The mutex is held across the fork, so the child finds all this whole, and is the child's only thread's to unlock. */
static void before_fork(void) { pthread_mutex_lock(&mutex); }
static void after_fork_in_parent(void) { pthread_mutex_unlock(&mutex); }

static void after_fork_in_child(void) {
    __atomic_store_n(&sr_fork_count, sr_fork_count + 1, __ATOMIC_RELAXED);
    for (size_t word = 0; word < owned_words; word++) {
        for (uint64_t bits = owned[word]; bits; bits &= bits - 1) close((int)(word * bits_of_word) + __builtin_ctzll(bits));
        owned[word] = 0;
    }
    for (struct sr_fork_gate *g = gates.next; g != &gates; g = g->next) *g->word = UINT64_MAX;
    pthread_mutex_unlock(&mutex);
}

static void install(void) { pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child); }

/* --- descriptors ----------------------------------------------------------------------------------------- */

/* What keeps 0, 1 and 2 occupied while a descriptor is opened. Under the mutex. */
static int placeholders[first_descriptor];
static int placeholder_count;

void sr_opening(void) {
    pthread_once(&once, install);
    pthread_mutex_lock(&mutex);
    placeholder_count = 0;
    int has_hole = 0;
    for (int fd = 0; fd < first_descriptor; fd++) has_hole |= fcntl(fd, F_GETFD) < 0;
    while (has_hole && placeholder_count < first_descriptor) {
        /* O_PATH: a thread that prints into it meanwhile gets EBADF, as before. */
        int fd = open("/", O_PATH | O_CLOEXEC);
        if (fd >= first_descriptor) close(fd);
        if (fd < 0 || fd >= first_descriptor) break;
        placeholders[placeholder_count++] = fd;
    }
}

static int note(int fd) {
    size_t word = (size_t)fd / bits_of_word;
    if (word >= owned_words) {
        uint64_t *more = realloc(owned, (word + 1) * sizeof *more);
        if (!more) return -ENOMEM;
        memset(more + owned_words, 0, (word + 1 - owned_words) * sizeof *more);
        owned = more;
        owned_words = word + 1;
    }
    owned[word] |= (uint64_t)1 << (fd % bits_of_word);
    return fd;
}

int sr_adopt(int fd) {
    if (fd < 0) return -errno;
    if (fd < first_descriptor) { /* a hole that was made just now, or could not be filled */
        int higher = fcntl(fd, F_DUPFD_CLOEXEC, first_descriptor);
        int error = errno;
        close(fd);
        if (higher < 0) return -error;
        fd = higher;
    }
    int result = note(fd);
    if (result < 0) close(fd);
    return result;
}

void sr_opening_over(void) {
    while (placeholder_count > 0) {
        int fd = placeholders[--placeholder_count];
        /* Not if another thread has put something else there since. */
        int flags = fcntl(fd, F_GETFL);
        if (flags >= 0 && (flags & O_PATH)) close(fd);
    }
    pthread_mutex_unlock(&mutex);
}

int sr_opened(int fd) {
    int result = sr_adopt(fd);
    sr_opening_over();
    return result;
}

int sr_close(int fd) {
    if (fd < 0) return -EBADF;
    pthread_mutex_lock(&mutex);
    size_t word = (size_t)fd / bits_of_word;
    if (word < owned_words) owned[word] &= ~((uint64_t)1 << (fd % bits_of_word));
    int result = close(fd) < 0 ? -errno : 0;
    pthread_mutex_unlock(&mutex);
    return result;
}

/* --- gates ------------------------------------------------------------------------------------------------- */

void sr_fork_gate_add(struct sr_fork_gate *g, uint64_t *word) {
    pthread_once(&once, install);
    pthread_mutex_lock(&mutex);
    *g = (struct sr_fork_gate){&gates, gates.next, word};
    gates.next->previous = g;
    gates.next = g;
    pthread_mutex_unlock(&mutex);
}

void sr_fork_gate_remove(struct sr_fork_gate *g) {
    pthread_mutex_lock(&mutex);
    g->previous->next = g->next;
    g->next->previous = g->previous;
    pthread_mutex_unlock(&mutex);
}

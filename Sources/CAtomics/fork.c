/* What a forked child must undo: it inherits the lock descriptors, and while it lives its dead parent would seem alive. */
#include "include/linux.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

struct sr_fork_entry {
    struct sr_fork_entry *previous, *next;
    int fd;
};

uint32_t sr_fork_count = 0;

static struct sr_fork_entry entries = {&entries, &entries, -1};
static struct sr_fork_gate gates = {&gates, &gates, NULL};
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* The mutex is held across the fork, so the child finds the list whole, and is the child's only thread's to unlock. */
static void before_fork(void) { pthread_mutex_lock(&mutex); }
static void after_fork_in_parent(void) { pthread_mutex_unlock(&mutex); }

static void after_fork_in_child(void) {
    __atomic_store_n(&sr_fork_count, sr_fork_count + 1, __ATOMIC_RELAXED);
    for (struct sr_fork_entry *e = entries.next; e != &entries; e = e->next) {
        if (e->fd >= 0) close(e->fd);
        e->fd = -1;
    }
    for (struct sr_fork_gate *g = gates.next; g != &gates; g = g->next) *g->word = UINT64_MAX;
    pthread_mutex_unlock(&mutex);
}

static void install(void) { pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child); }

struct sr_fork_entry *sr_fork_open(int directory, const char *name, int of, int *error) {
    pthread_once(&once, install);
    struct sr_fork_entry *e = malloc(sizeof *e);
    if (!e) {
        *error = -ENOMEM;
        return NULL;
    }
    pthread_mutex_lock(&mutex);
    int fd = name ? sr_open_at(directory, name, 1) : sr_reopen(of);
    if (fd >= 0) {
        *e = (struct sr_fork_entry){&entries, entries.next, fd};
        entries.next->previous = e;
        entries.next = e;
    }
    pthread_mutex_unlock(&mutex);
    if (fd >= 0) return e;
    free(e);
    *error = fd;
    return NULL;
}

int sr_fork_descriptor(const struct sr_fork_entry *e) { return e->fd; }

void sr_fork_close(struct sr_fork_entry *e) {
    pthread_mutex_lock(&mutex);
    e->previous->next = e->next;
    e->next->previous = e->previous;
    if (e->fd >= 0) close(e->fd);
    pthread_mutex_unlock(&mutex);
    free(e);
}

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

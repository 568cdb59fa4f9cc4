/* How an endpoint waits. Swift: Waiting/Doorbell, EventCount, Sleeper. */
#include "internal.h"

#include <errno.h>
#include <signal.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

static void wake_in_two_steps(uint32_t *word) { syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0); }

/* One step, because a waker may be killed between two. All are woken: an untrusted peer might be asleep there too and eat a single wake. */
void shr_ring_doorbell(uint32_t *word) {
    int result = sr_futex_clear_and_wake(word);
    if (result >= 0 || result == -EFAULT) return;
    /* It worked at attach and does not now: a seccomp filter since. The check interval bounds what a kill between the two costs. */
    sr_store_release_u32(word, 0);
    wake_in_two_steps(word);
}

void shr_wake_events(uint32_t *word) {
    int result = sr_futex_add_and_wake(word);
    if (result >= 0 || result == -EFAULT) return;
    __atomic_fetch_add(word, 1u, __ATOMIC_ACQ_REL);
    wake_in_two_steps(word);
}

void shr_sleeper_init(struct sleeper *s, uint32_t *word, bool is_event_count, bool is_asymmetric, uint64_t *sleeps, const char *what, const char *name,
                      const struct shr_endpoint *endpoint) {
    memset(s, 0, sizeof *s);
    s->word = word;
    s->is_event_count = is_event_count;
    s->is_asymmetric = is_asymmetric;
    s->strategy = endpoint->waiting;
    s->interval = endpoint->check_interval_ns;
    s->sleeps = sleeps;
    s->what = what;
    s->name = name;
    s->interrupted = endpoint->interrupted;
    s->context = endpoint->context;
}

int64_t shr_deadline(int64_t timeout_ns) {
    int64_t now = sr_now_ns();
    return timeout_ns < 0 || timeout_ns > INT64_MAX / 2 - now ? INT64_MAX / 2 : now + timeout_ns;
}

int shr_require_not_cancelled(struct sleeper *s, const char *awaited) {
    /* SYNC: cancel (pairs with shr_cancel) */
    if (sr_load_acquire_u32(&s->cancelled) != 0) return shr_fail(SHR_CANCELLED, 0, s->what, s->name, "waiting for %s was cancelled", awaited);
    return SHR_OK;
}

/* Sets one of the reasons to end waits, and wakes the sleeper. */
static void cancel_for(struct sleeper *s, uint32_t reason) {
    /* SYNC: cancel (pairs with shr_sleep): the flag before, the word after. The sleeper stores its word before and loads the flag after. */
    __atomic_fetch_or(&s->cancelled, reason, __ATOMIC_ACQ_REL);
    if (s->is_asymmetric) sr_membarrier_global();
    sr_fence_full();
    uint32_t *word = __atomic_load_n(&s->word, __ATOMIC_RELAXED); /* relaxed: the fence orders it; see shr_sleeper_move */
    if (s->is_event_count)
        shr_wake_events(word);
    else
        shr_ring_doorbell(word);
}

void shr_sleeper_move(struct sleeper *s, uint32_t *word, uint64_t *sleeps) {
    /* SYNC: cancel (pairs with cancel_for): the word before, the flag after; that side stores the flag before it loads the word. So a canceller that rings the
     * word before this one is seen by the owner before it sleeps. */
    __atomic_store_n(&s->word, word, __ATOMIC_RELAXED);
    s->sleeps = sleeps;
    sr_fence_full();
}

/* Takes a reason back; the other one stays as it is, whichever thread sets it meanwhile. */
static void allow_for(struct sleeper *s, uint32_t reason) {
    /* SYNC: cancel (pairs with shr_require_not_cancelled): waits may begin from here on. */
    __atomic_fetch_and(&s->cancelled, ~reason, __ATOMIC_ACQ_REL);
}

void shr_cancel(struct sleeper *s, int cancelled) {
    if (cancelled)
        cancel_for(s, CANCELLED_BY_CALLER);
    else
        allow_for(s, CANCELLED_BY_CALLER);
}

void shr_declare_awake(struct sleeper *s) {
    /* Relaxed: a late view of it costs a waker one vain system call. The bit of an event count is every sleeper's, and stays. */
    if (!s->is_event_count) sr_store_relaxed_u32(s->word, 0);
}

/* Stores the doorbell and passes the barrier. The word's value, and how long one may then sleep. */
static uint32_t declare_asleep(struct sleeper *s, int64_t *longest) {
    uint32_t expected = 1;
    /* SYNC: doorbell, space-doorbell, event-count (pair with the waker's load behind its barrier), cancel: the store before, all looks after. */
    if (s->is_event_count)
        expected = sr_fetch_or_acq_rel_u32(s->word, 1) | 1;
    else
        sr_store_relaxed_u32(s->word, 1);
    *longest = s->interval;
    if (s->is_asymmetric && sr_membarrier_global() != 0) *longest = 1000000; /* a filter since: a waker may miss us, so sleep only for moments */
    sr_fence_full();
    return expected;
}

/* Fails if cancelled; at the deadline after a last look, or a caller of short timeouts would never learn that the other side has gone. */
static int check_deadline(struct sleeper *s, int64_t deadline, int64_t now, const char *awaited, shr_check check_peers, void *self) {
    SHR_TRY(shr_require_not_cancelled(s, awaited));
    if (now < deadline) return SHR_EMPTY;
    int found = check_peers(self);
    return found != SHR_EMPTY ? found : shr_fail(SHR_TIMED_OUT, 0, s->what, s->name, "no %s before the deadline", awaited);
}

/* A wait on a word. Where the call is refused (a sandbox), or the word is gone (a truncated file), it returns in a moment and not at once. */
static int wait_on(uint32_t *word, uint32_t expected, int64_t deadline_ns) {
    int result = sr_futex_wait(word, expected, deadline_ns);
    if (result < 0 && result != -EAGAIN && result != -ETIMEDOUT && result != -EINTR) sr_sleep_ns(1000000);
    return result;
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* A signal wakes a futex; one that came before, or while no futex sleeps, is asked about after this time at the latest. */
#define ASK_INTERVAL_NS INT64_C(100000000)

/* Whether the caller's code wants the wait to end, asked about if a signal came or the time has. */
static int check_interrupted(struct sleeper *s, int64_t now, int64_t *next_ask, bool has_signal, const char *awaited) {
    if (!s->interrupted || (!has_signal && now < *next_ask)) return SHR_EMPTY;
    *next_ask = now + least(s->interval, ASK_INTERVAL_NS);
    if (!s->interrupted(s->context)) return SHR_EMPTY;
    return shr_fail(SHR_CANCELLED, EINTR, s->what, s->name, "waiting for %s was interrupted", awaited);
}

int shr_sleep(struct sleeper *s, int64_t deadline, const char *awaited, shr_check news, shr_check check_peers, void *self) {
    int found;
    SHR_TRY(shr_require_not_cancelled(s, awaited));
    if ((found = news(self)) != SHR_EMPTY) return found;
    int64_t now = sr_now_ns(), start = now, next_check = now + s->interval, next_ask = now + least(s->interval, ASK_INTERVAL_NS);
    if ((found = check_deadline(s, deadline, now, awaited, check_peers, self)) != SHR_EMPTY) return found;

    while (s->strategy == SHR_SPIN || (s->strategy == SHR_ADAPTIVE && now < start + 50000)) {
        /* The clock is read once in 64 turns: it costs as much as several of them. */
        for (int turn = 0; turn < 64; turn++) {
            sr_pause();
            if ((found = news(self)) != SHR_EMPTY) return found;
        }
        now = sr_now_ns();
        if ((found = check_deadline(s, deadline, now, awaited, check_peers, self)) != SHR_EMPTY) return found;
        if (now >= next_check) {
            if ((found = check_peers(self)) != SHR_EMPTY) return found;
            next_check = now + s->interval;
        }
        if ((found = check_interrupted(s, now, &next_ask, false, awaited)) != SHR_EMPTY) return found;
    }

    int empty_wakes = 0;
    while (true) {
        int64_t longest;
        uint32_t expected = declare_asleep(s, &longest);
        if ((found = news(self)) != SHR_EMPTY) {
            shr_declare_awake(s);
            return found;
        }
        bool was_woken = false, was_interrupted = false;
        if (sr_load_acquire_u32(&s->cancelled) == 0) {
            now = sr_now_ns();
            sr_count(s->sleeps, 1);
            int64_t until = s->interrupted ? least(next_check, next_ask) : next_check;
            int result = wait_on(s->word, expected, least(deadline, least(until, now + longest)));
            was_woken = result == 0 || result == -EAGAIN;
            was_interrupted = result == -EINTR;
        }
        shr_declare_awake(s);
        if ((found = news(self)) != SHR_EMPTY) return found;
        now = sr_now_ns();
        if ((found = check_deadline(s, deadline, now, awaited, check_peers, self)) != SHR_EMPTY) return found;
        if ((found = check_interrupted(s, now, &next_ask, was_interrupted, awaited)) != SHR_EMPTY) return found;
        /* A wake without news: a peer attached or closed. */
        if (now >= next_check || was_woken) {
            if ((found = check_peers(self)) != SHR_EMPTY) return found;
            next_check = now + s->interval;
        }
        /* After 16 wakes without news, an untrusted peer rings: pause 1 ms a turn, so that this is no busy loop. */
        if (was_woken) empty_wakes++;
        if (empty_wakes > 16) sr_sleep_ns(1000000);
    }
}

/* --- a descriptor for an event loop --------------------------------------------------------------------------------------------- */

void shr_event_init(struct event *e, struct sleeper *sleeper, shr_check news, shr_check check_peers, void *self) {
    memset(e, 0, sizeof *e);
    e->fd = -1;
    e->sleeper = sleeper;
    e->news = news;
    e->check_peers = check_peers;
    e->self = self;
    e->generation = sr_fork_generation();
}

static bool change(struct event *e, uint32_t from, uint32_t to) {
    return __atomic_compare_exchange_n(&e->state, &from, to, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static void *wait_for_events(void *argument) {
    struct event *e = (struct event *)argument;
    while (true) {
        /* SYNC: event-armed (pairs with shr_event_arm): the owner's use of this side comes before. */
        uint32_t state = sr_load_acquire_u32(&e->state);
        if (state == EVENT_ENDING) return NULL;
        if (state == EVENT_OWNERS) {
            wait_on(&e->state, EVENT_OWNERS, INT64_MAX / 2);
            continue;
        }
        /* What is found is found again by the owner's next poll: the checks change nothing that is lost. */
        int strategy = e->sleeper->strategy;
        int (*interrupted)(void *) = e->sleeper->interrupted;
        e->sleeper->strategy = SHR_SLEEP;
        e->sleeper->interrupted = NULL; /* it is the owner's to be asked in its own thread */
        shr_sleep(e->sleeper, INT64_MAX / 2, "event", e->news, e->check_peers, e->self);
        e->sleeper->strategy = strategy;
        e->sleeper->interrupted = interrupted;
        /* SYNC: event-armed (pairs with shr_event_is_armed): this thread's use comes before. EVENT_ENDING stays. */
        if (!change(e, EVENT_ARMED, EVENT_RINGING)) change(e, EVENT_DISARMING, EVENT_AWAITED);
        uint64_t one = 1;
        ssize_t written = write(e->fd, &one, sizeof one);
        (void)written; /* it can't fail: the counter was 0 or 1 */
        /* SYNC: event-rung (pairs with shr_event_arm): the write comes before. An owner that arms again before it would find its descriptor readable for good.
         */
        if (!change(e, EVENT_RINGING, EVENT_OWNERS) && change(e, EVENT_AWAITED, EVENT_OWNERS)) syscall(SYS_futex, &e->state, FUTEX_WAKE, 1, NULL, NULL, 0);
    }
}

int shr_event_descriptor(struct event *e) {
    if (e->fd >= 0) return e->fd;
    sr_opening();
    int fd = sr_opened(eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
    if (fd < 0) return shr_fail(SHR_SYSTEM, -fd, e->sleeper->what, e->sleeper->name, "no descriptor for events");
    e->fd = fd;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before); /* signals are the program's own threads' */
    int error = pthread_create(&e->thread, NULL, wait_for_events, e);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        sr_close(fd);
        e->fd = -1;
        return shr_fail(SHR_SYSTEM, error, e->sleeper->what, e->sleeper->name, "no thread that waits for events");
    }
    return fd;
}

/* Waits for the write of the last event: the thread has only that left to do. */
static void await_write(struct event *e) {
    /* SYNC: event-rung (pairs with wait_for_events) */
    while (sr_load_acquire_u32(&e->state) != EVENT_OWNERS) {
        change(e, EVENT_RINGING, EVENT_AWAITED);
        wait_on(&e->state, EVENT_AWAITED, INT64_MAX / 2);
    }
}

int shr_event_arm(struct event *e) {
    if (e->fd < 0) return shr_fail(SHR_MISUSE, 0, e->sleeper->what, e->sleeper->name, "it has no descriptor that could be armed");
    if (shr_event_is_armed(e)) return SHR_OK;
    await_write(e); /* before the read */
    uint64_t count;
    if (read(e->fd, &count, sizeof count) < 0 && errno != EAGAIN)
        return shr_fail(SHR_SYSTEM, errno, e->sleeper->what, e->sleeper->name, "its descriptor can't be armed");
    sr_store_release_u32(&e->state, EVENT_ARMED); /* SYNC: event-armed (pairs with wait_for_events) */
    syscall(SYS_futex, &e->state, FUTEX_WAKE, 1, NULL, NULL, 0);
    return SHR_OK;
}

void shr_event_disarm(struct event *e) {
    if (e->fd < 0 || e->generation != sr_fork_generation()) return;
    if (shr_event_is_armed(e)) {
        cancel_for(e->sleeper, CANCELLED_BY_OWNER); /* first: a thread that finds the state below does not sleep any more */
        if (change(e, EVENT_ARMED, EVENT_DISARMING)) {
            /* SYNC: event-rung (pairs with wait_for_events): the thread's use of this side and its write come before. */
            uint32_t state;
            while ((state = sr_load_acquire_u32(&e->state)) != EVENT_OWNERS) sr_futex_wait(&e->state, state, INT64_MAX / 2);
        }
        allow_for(e->sleeper, CANCELLED_BY_OWNER);
    }
    await_write(e); /* of an event that came by itself: an event loop is to find the descriptor readable */
}

void shr_event_end(struct event *e) {
    if (e->fd < 0) return;
    if (e->generation != sr_fork_generation()) { /* the thread is the parent's, and the descriptor is closed */
        e->fd = -1;
        return;
    }
    sr_store_release_u32(&e->state, EVENT_ENDING); /* SYNC: event-armed (pairs with wait_for_events) */
    syscall(SYS_futex, &e->state, FUTEX_WAKE, 1, NULL, NULL, 0);
    cancel_for(e->sleeper, CANCELLED_BY_OWNER);
    pthread_join(e->thread, NULL);
    allow_for(e->sleeper, CANCELLED_BY_OWNER);
    sr_close(e->fd);
    e->fd = -1;
}

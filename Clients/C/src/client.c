/* A client of a call service: one slot, one call at a time. Swift: Call/ClientSlot, Call/ClientPool of one slot.
 *
 * Invariants:
 * - `n` is the number of the last request in the slot, unless an untrusted peer stored another: this copy counts.
 * - `is_open` says that no reply with that number was seen. While it is true, neither the request nor an area is touched.
 * - A request is posted only while `is_open` is false: so a reply is never more than one call behind, and a number can be compared however often it has
 * wrapped.
 * - The client holds the byte of `slot`, and of no other slot.
 * - While the descriptor is armed, the thread behind it has the slot.
 */
#include "calls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct slot {
    uint32_t number;
    struct sr_call_line *line;
    struct sr_caller_control *control;
    uint32_t n;
    bool is_open;
    bool is_given_up;  /* the call that is open was given up: what comes of it is late */
    bool is_inherited; /* the call that is open is a predecessor's */
    int64_t begun_ns;  /* when the call was made, of one in 64; else 0 */
};

/* What the owner is at. */
enum stage {
    STAGE_IDLE = 0,
    STAGE_BEGUN = 1, /* a request is being written in place */
    STAGE_POSTED = 2 /* the caller has not been told the call's outcome */
};

struct shr_client {
    struct calls calls;
    struct slot slot;
    struct sleeper sleeper;
    struct event event;
    enum stage stage;
    size_t begun;      /* bytes of the request that is being written */
    int64_t next_scan; /* on the clock: no other slot is looked for before */
    int64_t scan_pause;
    int64_t next_check; /* on the clock: shr_call_poll does not ask before whether the server lives */
};

#define FAIL(code, error, ...) shr_fail(code, error, CALL_WHAT, calls_name(&c->calls), __VA_ARGS__)

/* --- the protocol of a slot ------------------------------------------------------------------------------------------------------------------- */

/* The reply's word, once the call is settled. One load. */
static bool has_reply(const struct slot *s, uint64_t *word) {
    /* SYNC: call-reply (pairs with answer_word of server.c): the reply's payload after. */
    *word = sr_load_acquire_u64(sr_call_reply(s->line));
    return sr_call_number(*word) == s->n;
}

/* The call comes to no reply: nobody else will store one. */
static void settle(const struct slot *s, uint32_t how, uint64_t *word) {
    *word = sr_call_word(s->n, how, 0);
    sr_store_release_u64(sr_call_reply(s->line), *word); /* SYNC: call-reply (pairs with has_reply, also of the slot's next client) */
}

enum look {
    LOOK_SETTLED,
    LOOK_STARTED,   /* a server has started it, and lives */
    LOOK_PENDING,   /* no server has started it */
    LOOK_IMPOSSIBLE /* no client and no server claims so: the word is the claim */
};

/* Looks whether the call can be settled, and settles it: sets `word` to the reply's. Perhaps a system call. */
static enum look look(const struct calls *c, const struct slot *s, bool withdraws, uint64_t *word) {
    /* Each turn means that the claim moved meanwhile, which it does once a call. */
    for (int turn = 0; turn < 4; turn++) {
        if (has_reply(s, word)) return LOOK_SETTLED;
        uint64_t claim = sr_load_acquire_u64(sr_caller_claim(s->control)); /* SYNC: call-claim (pairs with claim of server.c) */
        uint32_t number = sr_call_number(claim), who = (uint32_t)claim;
        if (number == s->n) {
            if (who == 0) { /* withdrawn, perhaps by a client that was killed then */
                settle(s, SR_CALL_NOT_EXECUTED, word);
                return LOOK_SETTLED;
            }
            /* Only now, behind the claim: whether that very server has gone. */
            if (!shr_calls_is_gone(c, who)) return LOOK_STARTED;
            if (has_reply(s, word)) return LOOK_SETTLED; /* it answered last */
            settle(s, SR_CALL_UNKNOWN, word);
            return LOOK_SETTLED;
        }
        if (number != s->n - 1) {
            if (has_reply(s, word)) return LOOK_SETTLED;
            *word = claim;
            return LOOK_IMPOSSIBLE;
        }
        if (!withdraws) return LOOK_PENDING;
        /* SYNC: call-claim (pairs with claim of server.c): the side that moves it decides. */
        if (sr_compare_exchange_acq_rel_u64(sr_caller_claim(s->control), claim, sr_call_claim_word(s->n, 0))) {
            settle(s, SR_CALL_NOT_EXECUTED, word);
            return LOOK_SETTLED;
        }
    }
    return LOOK_STARTED;
}

static void note_latency(struct slot *s) {
    uint64_t nanoseconds = (uint64_t)(sr_now_ns() - s->begun_ns);
    s->begun_ns = 0;
    if (s->is_given_up) return;
    int bucket = 63 - __builtin_clzll(nanoseconds | 1);
    /* Relaxed: for observers, and only the slot's client writes it. */
    uint32_t *place = sr_caller_latency(s->control) + (bucket < 31 ? bucket : 31);
    sr_store_relaxed_u32(place, sr_load_relaxed_u32(place) + 1);
}

/* The reply was seen: the slot is quiet. */
static void finish(struct slot *s, uint64_t word) {
    s->is_open = s->is_inherited = false;
    if (s->begun_ns != 0) note_latency(s);
    if (s->is_given_up && sr_call_how(word) <= SR_CALL_MALFORMED) sr_count(sr_caller_late(s->control), 1);
    s->is_given_up = false;
}

/* Whether the slot may be used for the next call; withdraws what is pending, and settles what can be settled. */
static bool is_quiet_now(const struct calls *c, struct slot *s) {
    uint64_t word;
    if (!s->is_open) return true;
    if (look(c, s, true, &word) != LOOK_SETTLED) return false;
    finish(s, word);
    return true;
}

/* Whether no call through the slot can come to an end: its claim is neither of the last call nor, while that is open, of the one before it. */
static bool is_damaged(const struct slot *s) {
    uint32_t claimed = sr_call_number(sr_load_relaxed_u64(sr_caller_claim(s->control))); /* relaxed: it is compared, and orders nothing */
    return claimed != s->n && (!s->is_open || claimed != s->n - 1);
}

/* Whether it can't be used, and that is no call of this client's doing: another slot may take its place. */
static bool is_foreign(const struct slot *s) { return s->is_inherited || is_damaged(s); }

/* What a predecessor left open may be a stream, whose server waits for room. It sees the slot's byte locked, so it would not learn of the predecessor's death. */
static void stop_stream(const struct calls *c, const struct slot *s) {
    struct sr_stream_control *stream = sr_stream(c->control, c->server_count, c->slot_count, s->number);
    sr_store_relaxed_u32(sr_stream_stop(stream), s->n); /* SYNC: stream-stop: the barrier follows. Relaxed: nothing goes with it */
    waker_barrier(c->attachment.is_asymmetric);
    uint32_t *events = sr_stream_room_word(stream);
    if (sr_load_relaxed_u32(events) & 1) shr_wake_events(events); /* SYNC: event-count; relaxed: the barrier orders it */
}

/* Signs in. The slot's byte is held. */
static void slot_init(const struct calls *c, uint32_t number, struct slot *s) {
    memset(s, 0, sizeof *s);
    s->number = number;
    s->line = &c->lines[number];
    s->control = caller_of(c, number);
    shr_sign(sr_caller_holder(s->control));
    /* SYNC: call-slot-in-use (pairs with sweep of server.c): before the first request. */
    sr_fetch_or_acq_rel_u64(sr_call_slots_used(c->control) + number / 64, UINT64_C(1) << number % 64);
    sr_store_relaxed_u32(sr_caller_doorbell(s->control), 0); /* whatever a predecessor left there; relaxed: see shr_declare_awake */
    /* Where the client before this one left it. Relaxed: the byte orders this one after it. */
    s->n = sr_call_number(sr_load_relaxed_u64(sr_call_request(s->line)));
    s->is_open = true;
    uint32_t *epoch = sr_caller_epoch(s->control);
    sr_store_release_u32(epoch, sr_epoch_at_attach(sr_load_relaxed_u32(epoch))); /* SYNC: epoch; relaxed: the byte orders it */
    s->is_given_up = !is_quiet_now(c, s);                                        /* what comes of a predecessor's call is late, too */
    s->is_inherited = s->is_open;
    if (s->is_inherited && c->has_streams) stop_stream(c, s);
}

static void slot_close(const struct slot *s) {
    uint32_t *epoch = sr_caller_epoch(s->control);
    sr_store_release_u32(epoch, sr_epoch_at_close(sr_load_relaxed_u32(epoch))); /* SYNC: epoch; relaxed: only this side writes it */
}

/* --- another slot, where a predecessor or an untrusted peer left this one unusable --------------------------------------------------------------- */

enum state { STATE_QUIET, STATE_PENDING, STATE_STARTED, STATE_DAMAGED };

/* While another client may have its byte, it only says where to try. */
static enum state state_of(const struct calls *c, uint32_t slot, uint32_t *who) {
    /* Relaxed: the byte, and the slot's look at its call, decide. A server moves the claim forward only, so it is loaded before the reply. */
    uint64_t claim = sr_load_relaxed_u64(sr_caller_claim(caller_of(c, slot)));
    uint32_t n = sr_call_number(sr_load_relaxed_u64(sr_call_request(&c->lines[slot])));
    bool is_settled = sr_call_number(sr_load_relaxed_u64(sr_call_reply(&c->lines[slot]))) == n;
    *who = (uint32_t)claim;
    if (sr_call_number(claim) == n) return is_settled ? STATE_QUIET : *who == 0 ? STATE_PENDING : STATE_STARTED;
    if (sr_call_number(claim) == n - 1) return is_settled ? STATE_DAMAGED : STATE_PENDING;
    return STATE_DAMAGED;
}

/* Locks the byte of a slot, and settles its last call. SHR_EMPTY: it is taken, or its last call stays open; then its byte is given back. */
static int lock_and_settle(struct shr_client *c, uint32_t number) {
    struct calls *calls = &c->calls;
    int lock = calls->attachment.lock, result = sr_lock(lock, sr_lock_caller(number), 1);
    if (result == -EAGAIN) return SHR_EMPTY;
    if (result < 0) return FAIL(SHR_SYSTEM, -result, "the byte of slot %u can't be locked", number);
    /* Before this client signs in: what another client left open stays as it is, with that client's name. */
    uint32_t who;
    enum state state = state_of(calls, number, &who);
    if (state == STATE_QUIET || state == STATE_PENDING || (state == STATE_STARTED && shr_calls_is_gone(calls, who))) {
        struct slot next;
        slot_init(calls, number, &next);
        if (!is_foreign(&next)) {
            slot_close(&c->slot);
            sr_unlock(lock, sr_lock_caller(c->slot.number), 1);
            c->slot = next;
            calls->attachment.role.index = number;
            shr_sleeper_move(&c->sleeper, sr_caller_doorbell(next.control), sr_caller_sleeps(next.control));
            return SHR_OK;
        }
        slot_close(&next);
    }
    sr_unlock(lock, sr_lock_caller(number), 1);
    return SHR_EMPTY;
}

/* O(slots), and a system call for each that looks free; so not again before a pause. */
static int move_elsewhere(struct shr_client *c) {
    if (sr_now_ns() < c->next_scan) return SHR_EMPTY;
    /* Quiet ones first: those that are open may be settled, if their servers have gone. */
    for (int is_open_wanted = 0; is_open_wanted < 2; is_open_wanted++)
        for (uint32_t number = 0; number < c->calls.slot_count; number++) {
            uint32_t who;
            enum state state = state_of(&c->calls, number, &who);
            if (number == c->slot.number || state == STATE_DAMAGED || (state != STATE_QUIET) != is_open_wanted) continue;
            int result = lock_and_settle(c, number);
            if (result != SHR_EMPTY) return result;
        }
    c->next_scan = sr_now_ns() + c->scan_pause;
    return SHR_EMPTY;
}

static int find_slot(void *self) {
    struct shr_client *c = (struct shr_client *)self;
    if (is_quiet_now(&c->calls, &c->slot) && !is_damaged(&c->slot)) return SHR_OK;
    return is_foreign(&c->slot) ? move_elsewhere(c) : SHR_EMPTY;
}

/* --- waiting ------------------------------------------------------------------------------------------------------------------------------------------ */

static int find_reply(void *self) {
    uint64_t word;
    return has_reply(&((struct shr_client *)self)->slot, &word) ? SHR_OK : SHR_EMPTY;
}

static int look_for_reply(void *self) {
    struct shr_client *c = (struct shr_client *)self;
    uint64_t word;
    /* An untrusted peer that stored an impossible claim may store another: the deadline decides. */
    return look(&c->calls, &c->slot, false, &word) == LOOK_SETTLED ? SHR_OK : SHR_EMPTY;
}

static int find_free(void *self) { return find_reply(self) == SHR_OK && !is_damaged(&((struct shr_client *)self)->slot) ? SHR_OK : SHR_EMPTY; }

/* The event: the call has come to an end; or, where one was given up, the next one can be begun. */
static int find_event(void *self) { return ((struct shr_client *)self)->slot.is_open ? find_reply(self) : SHR_OK; }

static int look_for_event(void *self) {
    struct shr_client *c = (struct shr_client *)self;
    uint64_t word;
    if (!c->slot.is_open) return SHR_OK;
    if (look(&c->calls, &c->slot, c->stage != STAGE_POSTED, &word) == LOOK_SETTLED) return SHR_OK;
    return c->stage != STAGE_POSTED && is_foreign(&c->slot) ? SHR_OK : SHR_EMPTY; /* the owner looks for another slot */
}

/* --- opening and closing ------------------------------------------------------------------------------------------------------------------------------- */

int shr_client_open(shr_ring *service, const struct shr_endpoint *given, shr_client **out) {
    struct shr_endpoint endpoint = shr_calls_endpoint(given);
    struct shr_client *c = (struct shr_client *)calloc(1, sizeof *c);
    if (!c) return shr_fail(SHR_SYSTEM, ENOMEM, CALL_WHAT, service->label, "no memory for its client");
    int result = shr_calls_open(service, REQUEST_ANY_CALLER, endpoint.prefault, &c->calls);
    if (result < 0) {
        free(c);
        return result;
    }
    slot_init(&c->calls, c->calls.attachment.role.index, &c->slot);
    shr_sleeper_init(&c->sleeper, sr_caller_doorbell(c->slot.control), false, c->calls.attachment.is_asymmetric, sr_caller_sleeps(c->slot.control), CALL_WHAT,
                     calls_name(&c->calls), &endpoint);
    shr_event_init(&c->event, &c->sleeper, find_event, look_for_event, c);
    c->scan_pause = endpoint.check_interval_ns < 100000000 ? endpoint.check_interval_ns : 100000000;
    /* If all other slots are taken or no better, this one stays: its server may answer yet. */
    if (is_foreign(&c->slot)) result = move_elsewhere(c);
    if (result < 0) {
        struct shr_failure kept = *shr_last_failure();
        shr_client_close(c);
        return shr_fail_again(&kept);
    }
    *out = c;
    return SHR_OK;
}

void shr_client_close(shr_client *c) {
    if (!c) return;
    shr_event_end(&c->event);
    if (!is_inherited(&c->calls.attachment)) {
        /* Relaxed: the hint orders nothing. */
        if (!is_quiet_now(&c->calls, &c->slot)) sr_store_relaxed_u32(sr_caller_cancel(c->slot.control), c->slot.n);
        slot_close(&c->slot);
    }
    shr_calls_close(&c->calls);
    free(c);
}

static int requires_usable(const struct shr_client *c) { return is_inherited(&c->calls.attachment) ? shr_fail_forked(&c->calls.attachment) : SHR_OK; }

static int requires_owned(const struct shr_client *c) {
    SHR_TRY(requires_usable(c));
    if (!shr_event_is_armed(&c->event)) return SHR_OK;
    return FAIL(SHR_ALREADY_WAITING, 0, "its descriptor is armed, and a thread waits for it");
}

/* --- outcomes ------------------------------------------------------------------------------------------------------------------------------------------- */

/* This thread's last failure ended the call: its sentence says what is known of the request, too. */
static int end_call(shr_reply *reply, int outcome) {
    struct shr_failure failure = *shr_last_failure();
    size_t length = strlen(failure.text);
    snprintf(failure.text + length, sizeof failure.text - length, "; the call %s", shr_outcome_name(outcome));
    reply->outcome = outcome;
    return shr_fail_again(&failure);
}

static void reply_init(shr_reply *reply) {
    memset(reply, 0, sizeof *reply);
    reply->outcome = SHR_CALL_NOT_EXECUTED;
}

/* The call is settled: what its reply's word means. `reason`: it was withdrawn for that; NULL: it was not. */
static int judge(struct shr_client *c, uint64_t word, const struct shr_failure *reason, shr_reply *reply) {
    struct slot *s = &c->slot;
    finish(s, word);
    c->stage = STAGE_IDLE;
    uint32_t how = sr_call_how(word), count = sr_call_byte_count(word);
    if (how > SR_CALL_UNKNOWN || count > c->calls.reply_capacity) {
        FAIL(SHR_POISONED, 0, "the reply in slot %u has %u bytes and the mark %u, with a capacity of %u", s->number, count, how, c->calls.reply_capacity);
        return end_call(reply, SHR_CALL_UNKNOWN);
    }
    if (how == SR_CALL_REPLIED || how == SR_CALL_REFUSED) {
        reply->bytes = reply_place(&c->calls, s->number, count);
        reply->count = count;
    }
    switch (how) {
    case SR_CALL_REPLIED: reply->outcome = SHR_CALL_REPLIED; return SHR_OK;
    case SR_CALL_REFUSED: FAIL(SHR_CALL_FAILED, 0, "the service refused the request"); break;
    case SR_CALL_DROPPED: FAIL(SHR_CALL_FAILED, 0, "the server let go of the request without an answer"); break;
    case SR_CALL_CLOSED: FAIL(SHR_CALL_FAILED, 0, "the server closed before it answered"); break;
    case SR_CALL_MALFORMED: FAIL(SHR_CALL_FAILED, 0, "the server found the request impossible"); break;
    case SR_CALL_NOT_EXECUTED:
        if (reason)
            shr_fail_again(reason);
        else
            FAIL(SHR_CALL_FAILED, 0, "the request was withdrawn");
        break;
    default: FAIL(SHR_PEER_DIED, 0, "the server that started the request has gone without an answer");
    }
    return end_call(reply, (int)how);
}

/* The wait ended before there was a reply, for this thread's last failure. */
static int give_up(struct shr_client *c, shr_reply *reply) {
    struct shr_failure reason = *shr_last_failure();
    uint64_t word;
    struct slot *s = &c->slot;
    if (is_inherited(&c->calls.attachment)) return end_call(reply, SHR_CALL_STILL_OPEN); /* a signal handler forked, and this is the child */
    enum look found = look(&c->calls, s, true, &word);
    if (found == LOOK_SETTLED) return judge(c, word, &reason, reply);
    if (found == LOOK_IMPOSSIBLE && reason.code == SHR_TIMED_OUT)
        FAIL(SHR_POISONED, 0, "the claim of slot %u is of call %u while call %u is under way, which no process stores: the slot is damaged", s->number,
             sr_call_number(word), s->n);
    s->is_given_up = true;
    c->stage = STAGE_IDLE;
    sr_store_relaxed_u32(sr_caller_cancel(s->control), s->n); /* relaxed: the hint orders nothing */
    return end_call(reply, found == LOOK_IMPOSSIBLE ? SHR_CALL_UNKNOWN : SHR_CALL_STILL_OPEN);
}

/* --- making a call -------------------------------------------------------------------------------------------------------------------------------------- */

static int requires_idle(const struct shr_client *c) {
    if (c->stage != STAGE_POSTED) return SHR_OK;
    return FAIL(SHR_MISUSE, 0, "a call is under way: wait for it, or give it up");
}

static int requires_posted(const struct shr_client *c) {
    if (c->stage == STAGE_POSTED) return SHR_OK;
    return FAIL(SHR_MISUSE, 0, "no call is under way");
}

static int wait_for_slot(struct shr_client *c, int64_t deadline) {
    int found = shr_sleep(&c->sleeper, deadline, "free slot", find_free, find_slot, c);
    if (found == SHR_TIMED_OUT)
        return FAIL(SHR_TIMED_OUT, 0, "slot %u was in use by an earlier call, to the deadline%s", c->slot.number,
                    is_damaged(&c->slot) ? "; it is damaged: no process stores such a claim as it has" : "");
    SHR_TRY(found);
    return is_quiet_now(&c->calls, &c->slot) ? SHR_OK : FAIL(SHR_POISONED, 0, "the reply in slot %u was there and was taken back", c->slot.number);
}

/* A slot for a request of so many bytes: SHR_OK, or why there is none. `deadline`: NULL, not to wait. SHR_EMPTY then: there is none now. */
static int take_slot(struct shr_client *c, size_t count, int64_t timeout_ns, int64_t *deadline) {
    SHR_TRY(requires_owned(c));
    SHR_TRY(requires_idle(c));
    c->stage = STAGE_IDLE;
    if (count > c->calls.request_capacity)
        return FAIL(SHR_MESSAGE_TOO_LARGE, 0, "a request of %zu bytes does not fit the capacity of %u", count, c->calls.request_capacity);
    SHR_TRY(shr_require_not_cancelled(&c->sleeper, "reply"));
    if (!c->slot.is_open) return SHR_OK;
    int found = find_slot(c);
    if (found != SHR_EMPTY || !deadline) return found;
    *deadline = shr_deadline(timeout_ns);
    return wait_for_slot(c, *deadline);
}

static void post(struct shr_client *c, size_t count, const shr_token *retrying) {
    struct slot *s = &c->slot;
    if (retrying) {
        /* Relaxed: the request's release store brings them. */
        uint64_t words[2];
        uint8_t *place = sr_call_token(s->line);
        memcpy(words, retrying->instance, sizeof words);
        sr_store_relaxed_u64(place, words[0]);
        sr_store_relaxed_u64(place + 8, words[1]);
        sr_store_relaxed_u64(place + 16, (uint64_t)retrying->number << 32 | retrying->slot);
    }
    s->n++;
    s->is_open = true;
    s->is_given_up = false;
    if ((s->n & 63) == 0) s->begun_ns = sr_now_ns();
    /* SYNC: call-request (pairs with claim of server.c): payload and token before. */
    sr_store_release_u64(sr_call_request(s->line), sr_call_word(s->n, retrying ? SR_CALL_HAS_TOKEN : 0, (uint32_t)count));
    sr_count(sr_caller_calls(s->control), 1);
    c->stage = STAGE_POSTED;
    /* SYNC: event-count (pairs with declare_asleep): the request before, the look at the event word after. */
    waker_barrier(c->calls.attachment.is_asymmetric);
    uint32_t *events = sr_call_event_word(c->calls.control);
    if (!(sr_load_relaxed_u32(events) & 1)) return;
    shr_wake_events(events);
    sr_count(sr_caller_wakes(s->control), 1);
}

/* An answer from another core comes sooner than a thread falls asleep. */
static bool has_reply_in_a_moment(struct shr_client *c, uint64_t *word) {
    if (has_reply(&c->slot, word)) return true;
    if (c->sleeper.strategy == SHR_SLEEP || sr_load_acquire_u32(&c->sleeper.cancelled) != 0) return false;
    for (int i = 0; i < 256; i++) {
        sr_pause();
        if (has_reply(&c->slot, word)) return true;
    }
    return false;
}

/* Waits for the call under way. `deadline` 0: it was not fixed yet. */
static int wait_for_reply(struct shr_client *c, int64_t deadline, int64_t timeout_ns, shr_reply *reply) {
    uint64_t word;
    reply->token = token_of(&c->calls, c->slot.number, c->slot.n);
    reply->has_token = 1;
    if (has_reply_in_a_moment(c, &word)) return judge(c, word, NULL, reply);
    if (deadline == 0) deadline = shr_deadline(timeout_ns);
    if (shr_sleep(&c->sleeper, deadline, "reply", find_reply, look_for_reply, c) < 0) return give_up(c, reply);
    if (has_reply(&c->slot, &word)) return judge(c, word, NULL, reply);
    FAIL(SHR_POISONED, 0, "the reply in slot %u was there and was taken back", c->slot.number); /* an untrusted peer's doing */
    return give_up(c, reply);
}

int shr_call(shr_client *c, const void *bytes, size_t count, const shr_token *retrying, shr_reply *reply, int64_t timeout_ns) {
    int64_t deadline = 0;
    reply_init(reply);
    int found = take_slot(c, count, timeout_ns, &deadline);
    if (found < 0) return end_call(reply, SHR_CALL_NOT_EXECUTED);
    sr_copy(request_place(&c->calls, c->slot.number, count), bytes, (int64_t)count);
    post(c, count, retrying);
    return wait_for_reply(c, deadline, timeout_ns, reply);
}

int shr_call_begin(shr_client *c, size_t count, void **place, int64_t timeout_ns) {
    int64_t deadline;
    int found = take_slot(c, count, timeout_ns, timeout_ns == 0 ? NULL : &deadline);
    if (found != SHR_OK) return found;
    c->stage = STAGE_BEGUN;
    c->begun = count;
    *place = request_place(&c->calls, c->slot.number, count);
    return SHR_OK;
}

int shr_call_post(shr_client *c, size_t count, const shr_token *retrying) {
    SHR_TRY(requires_owned(c));
    if (c->stage != STAGE_BEGUN) return FAIL(SHR_MISUSE, 0, "no request was begun");
    if (count > c->begun) return FAIL(SHR_MESSAGE_TOO_LARGE, 0, "a request of %zu bytes was begun with %zu", count, c->begun);
    move_into_line(sr_call_message(c->slot.line), request_place(&c->calls, c->slot.number, c->begun), c->begun, count);
    post(c, count, retrying);
    return SHR_OK;
}

int shr_call_poll(shr_client *c, shr_reply *reply) {
    uint64_t word;
    reply_init(reply);
    reply->outcome = SHR_CALL_STILL_OPEN;
    SHR_TRY(requires_usable(c));
    if (shr_event_is_armed(&c->event)) return SHR_EMPTY;
    SHR_TRY(requires_posted(c));
    reply->token = token_of(&c->calls, c->slot.number, c->slot.n);
    reply->has_token = 1;
    if (has_reply(&c->slot, &word)) return judge(c, word, NULL, reply);
    if (sr_now_ns() < c->next_check) return SHR_EMPTY;
    c->next_check = sr_now_ns() + c->sleeper.interval;
    return look(&c->calls, &c->slot, false, &word) == LOOK_SETTLED ? judge(c, word, NULL, reply) : SHR_EMPTY;
}

int shr_call_wait(shr_client *c, shr_reply *reply, int64_t timeout_ns) {
    if (timeout_ns == 0) return shr_call_poll(c, reply);
    reply_init(reply);
    reply->outcome = SHR_CALL_STILL_OPEN;
    SHR_TRY(requires_owned(c));
    SHR_TRY(requires_posted(c));
    return wait_for_reply(c, 0, timeout_ns, reply);
}

int shr_call_give_up(shr_client *c, shr_reply *reply) {
    reply_init(reply);
    reply->outcome = SHR_CALL_STILL_OPEN;
    SHR_TRY(requires_owned(c));
    SHR_TRY(requires_posted(c));
    reply->token = token_of(&c->calls, c->slot.number, c->slot.n);
    reply->has_token = 1;
    FAIL(SHR_CANCELLED, 0, "the caller gave the call up");
    return give_up(c, reply);
}

/* --- the rest -------------------------------------------------------------------------------------------------------------------------------------------- */

void shr_client_cancel(shr_client *c, int cancelled) {
    if (!is_inherited(&c->calls.attachment)) shr_cancel(&c->sleeper, cancelled);
}

int shr_client_descriptor(shr_client *c) {
    SHR_TRY(requires_usable(c));
    return shr_event_descriptor(&c->event);
}

int shr_client_arm(shr_client *c) {
    SHR_TRY(requires_usable(c));
    SHR_TRY(shr_require_not_cancelled(&c->sleeper, "reply"));
    return shr_event_arm(&c->event);
}

int shr_client_disarm(shr_client *c) {
    SHR_TRY(requires_usable(c));
    shr_event_disarm(&c->event);
    return SHR_OK;
}

/* A server of a call service. Swift: Call/ServerCore.
 *
 * Invariants:
 * - `seen[slot]` is the request's word that the owner has dealt with last, or one that no client stores.
 * - `calls[slot]` is the call that this server has started in that slot, with its stage. Only the owner makes a call held; the thread that takes it from there
 * by a compare-and-swap answers it, once.
 * - A call that this server has started is answered by this server, before its epoch is even.
 * - While the descriptor is armed, the thread behind it has `seen`.
 */
#include "calls.h"

#include <errno.h>
#include <stdlib.h>

/* The stages of a call in this server, in the low half of its word in `calls`; the number is in the high half. */
enum stage {
    STAGE_NONE = 0,
    STAGE_HELD = 1,
    STAGE_ANSWERING = 2, /* a thread writes the answer */
    STAGE_ANSWERED = 3   /* the reply is about to be stored: behind it the client's next request may be there */
};
static uint64_t stage_word(uint32_t n, enum stage stage) { return (uint64_t)n << 32 | stage; }

struct place {                    /* what belongs to one slot */
    uint8_t copy[SR_CALL_INLINE]; /* of a request that stands in its line, where the reply is written as well */
    shr_token token;              /* the first call's name, of a retry: the line may carry the client's next call once this one is answered */
    size_t begun;                 /* bytes of the answer that is written in place. Its thread's */
};

struct shr_server {
    struct calls calls;
    uint32_t number, who; /* who: what this server's claims have in their low half */
    struct sr_server_control *control;
    uint64_t *seen, *stages;
    struct place *places;
    uint32_t next;   /* where the next sweep begins */
    uint32_t latest; /* the slot whose call was started last: a sweep over many idle slots looks there in between */
    uint32_t found;  /* the slot of the call that was just started, and its request's word */
    uint64_t found_request;
    struct sleeper sleeper;
    struct event event;
};

#define FAIL(code, error, ...) shr_fail(code, error, CALL_WHAT, calls_name(&s->calls), __VA_ARGS__)

/* --- answering ---------------------------------------------------------------------------------------------------------------------------- */

static void answer_word(struct shr_server *s, uint32_t slot, uint32_t n, uint32_t how, uint32_t count) {
    /* SYNC: call-reply (pairs with has_reply of client.c): the reply's payload before. */
    sr_store_release_u64(sr_call_reply(&s->calls.lines[slot]), sr_call_word(n, how, count));
    /* SYNC: doorbell (pairs with declare_asleep): the reply before, the look at the doorbell after. Relaxed: the barrier orders it. */
    waker_barrier(s->calls.attachment.is_asymmetric);
    uint32_t *doorbell = sr_caller_doorbell(caller_of(&s->calls, slot));
    if (sr_load_relaxed_u32(doorbell) != 0) {
        sr_fetch_add_acq_rel_u64(sr_server_wakes(s->control), 1);
        shr_ring_doorbell(doorbell);
    }
    /* Behind the reply, which need not wait for it. A read-modify-write: several threads may answer. */
    sr_fetch_add_acq_rel_u64(sr_server_answered(s->control), 1);
}

/* Answers a call that was taken. The reply's bytes, which fit the capacity, are in place. */
static void finish(struct shr_server *s, uint32_t slot, uint32_t n, uint32_t how, uint32_t count) {
    /* Before the reply: behind that the client's next request may come, which the owner may start at once. */
    sr_store_release_u64(&s->stages[slot], stage_word(n, STAGE_ANSWERED));
    answer_word(s, slot, n, how, count);
    /* It fails if the owner has started the next call. */
    sr_compare_exchange_acq_rel_u64(&s->stages[slot], stage_word(n, STAGE_ANSWERED), STAGE_NONE);
}

/* Takes the call from one stage to another. */
static bool move(struct shr_server *s, const shr_request *r, enum stage from, enum stage to) {
    return sr_compare_exchange_acq_rel_u64(&s->stages[r->slot_], stage_word(r->number_, from), stage_word(r->number_, to));
}

static int requires_usable(const struct shr_server *s) { return is_inherited(&s->calls.attachment) ? shr_fail_forked(&s->calls.attachment) : SHR_OK; }

static int requires_answerable(const struct shr_server *s, const shr_request *r, size_t count) {
    SHR_TRY(requires_usable(s));
    if (r->slot_ >= s->calls.slot_count) return FAIL(SHR_MISUSE, 0, "the request is of slot %u, and there are %u", r->slot_, s->calls.slot_count);
    if (count > s->calls.reply_capacity)
        return FAIL(SHR_MESSAGE_TOO_LARGE, 0, "a reply of %zu bytes does not fit the capacity of %u", count, s->calls.reply_capacity);
    return SHR_OK;
}

static int fail_answered(const struct shr_server *s) { return FAIL(SHR_CLOSED, 0, "the call was answered already"); }

static int answer(struct shr_server *s, const shr_request *r, uint32_t how, const void *bytes, size_t count) {
    SHR_TRY(requires_answerable(s, r, count));
    if (!move(s, r, STAGE_HELD, STAGE_ANSWERING)) return fail_answered(s);
    sr_copy(reply_place(&s->calls, r->slot_, count), bytes, (int64_t)count);
    finish(s, r->slot_, r->number_, how, (uint32_t)count);
    return SHR_OK;
}

int shr_answer(shr_server *s, const shr_request *r, const void *bytes, size_t count) { return answer(s, r, SR_CALL_REPLIED, bytes, count); }
int shr_refuse(shr_server *s, const shr_request *r, const void *bytes, size_t count) { return answer(s, r, SR_CALL_REFUSED, bytes, count); }

int shr_answer_begin(shr_server *s, const shr_request *r, size_t count, void **place) {
    SHR_TRY(requires_answerable(s, r, count));
    if (!move(s, r, STAGE_HELD, STAGE_ANSWERING)) return fail_answered(s);
    s->places[r->slot_].begun = count;
    *place = reply_place(&s->calls, r->slot_, count);
    return SHR_OK;
}

static bool is_begun(const struct shr_server *s, const shr_request *r) {
    return sr_load_acquire_u64(&s->stages[r->slot_]) == stage_word(r->number_, STAGE_ANSWERING);
}

int shr_answer_commit(shr_server *s, const shr_request *r, size_t count) {
    SHR_TRY(requires_answerable(s, r, count));
    if (!is_begun(s, r)) return FAIL(SHR_MISUSE, 0, "no answer to the call was begun");
    size_t begun = s->places[r->slot_].begun;
    if (count > begun) return FAIL(SHR_MESSAGE_TOO_LARGE, 0, "a reply of %zu bytes was begun with %zu", count, begun);
    move_into_line(sr_call_message(&s->calls.lines[r->slot_]), reply_place(&s->calls, r->slot_, begun), begun, count);
    finish(s, r->slot_, r->number_, SR_CALL_REPLIED, (uint32_t)count);
    return SHR_OK;
}

int shr_drop(shr_server *s, const shr_request *r) {
    SHR_TRY(requires_answerable(s, r, 0));
    if (!is_begun(s, r) && !move(s, r, STAGE_HELD, STAGE_ANSWERING)) return fail_answered(s);
    finish(s, r->slot_, r->number_, SR_CALL_DROPPED, 0);
    return SHR_OK;
}

int shr_is_given_up(shr_server *s, const shr_request *r) {
    if (is_inherited(&s->calls.attachment) || r->slot_ >= s->calls.slot_count) return 0;
    return sr_load_relaxed_u32(sr_caller_cancel(caller_of(&s->calls, r->slot_))) == r->number_; /* relaxed: a hint, which orders nothing */
}

/* --- finding and starting calls ---------------------------------------------------------------------------------------------------------------- */

/* Starts the call of a slot, and notes it. False: there is none that this server may start. */
static bool claim(struct shr_server *s, uint32_t slot) {
    struct sr_call_line *line = &s->calls.lines[slot];
    /* SYNC: call-request (pairs with post of client.c): the request before, payload and token after. One copy, which is checked and used. */
    uint64_t request = sr_load_acquire_u64(sr_call_request(line));
    s->seen[slot] = request;
    uint32_t n = sr_call_number(request), count = sr_call_byte_count(request), flags = sr_call_how(request);
    /* A client that keeps the protocol makes no call before the last one was answered. */
    uint32_t stage = (uint32_t)sr_load_acquire_u64(&s->stages[slot]);
    if (stage == STAGE_HELD || stage == STAGE_ANSWERING) return false;
    uint64_t *place = sr_caller_claim(caller_of(&s->calls, slot));
    /* SYNC: call-claim (pairs with look of client.c): the side that moves it decides. Only what follows the last claim is started. */
    uint64_t last = sr_load_acquire_u64(place);
    if (n != sr_call_number(last) + 1 || !sr_compare_exchange_acq_rel_u64(place, last, sr_call_claim_word(n, s->who))) return false;
    sr_count(sr_server_started(s->control), 1);
    /* A client that reads a stream takes a reply for one without parts. */
    uint32_t known = SR_CALL_HAS_TOKEN | (s->calls.has_streams ? SR_CALL_STREAMS : 0);
    if ((flags & ~known) != 0 || count > s->calls.request_capacity) {
        answer_word(s, slot, n, SR_CALL_MALFORMED, 0);
        return false;
    }
    struct place *kept = &s->places[slot];
    if (flags & SR_CALL_HAS_TOKEN) {
        /* Relaxed: the load of the request has brought them. Each is loaded once. */
        const uint8_t *token = sr_call_token(line);
        uint64_t words[2] = {sr_load_relaxed_u64(token), sr_load_relaxed_u64(token + 8)}, rest = sr_load_relaxed_u64(token + 16);
        memcpy(kept->token.instance, words, sizeof words);
        kept->token.slot = (uint32_t)rest;
        kept->token.number = (uint32_t)(rest >> 32);
    }
    if (count <= SR_CALL_INLINE) sr_copy(kept->copy, sr_call_message(line), count); /* the reply goes to the same bytes */
    /* Private to this process: the order is that of whatever hands the call to another thread. */
    sr_store_release_u64(&s->stages[slot], stage_word(n, STAGE_HELD));
    s->found = slot;
    s->found_request = request;
    return true;
}

/* The slots of one word of the bitmap, as far as they may be in use: where they end. */
static uint32_t used_end(const struct shr_server *s, uint32_t slot, uint32_t end) {
    /* SYNC: call-slot-in-use (pairs with slot_init of client.c): the bit before, the request after. */
    uint64_t used = sr_load_acquire_u64(sr_call_slots_used(s->calls.control) + slot / 64);
    uint32_t last = slot / 64 * 64 + (used == 0 ? 0 : 64 - (uint32_t)__builtin_clzll(used));
    return last < end ? last : end;
}

static bool sweep(struct shr_server *s, uint32_t from, uint32_t end) {
    for (uint32_t slot = from; slot < end;) {
        uint32_t behind = (slot / 64 + 1) * 64, last = used_end(s, slot, end);
        while (slot < last) {
            uint32_t found = sr_call_scan(s->calls.lines, s->seen, slot, last);
            if (found >= last) break;
            if (claim(s, found)) {
                s->next = found + 1 == s->calls.slot_count ? 0 : found + 1;
                s->latest = found;
                return true;
            }
            slot = found + 1;
        }
        slot = behind;
        /* The next sweep goes on behind these 64, so that each slot is come to, however often that client calls. */
        if (slot < end && sr_call_scan(s->calls.lines, s->seen, s->latest, s->latest + 1) == s->latest && claim(s, s->latest)) {
            s->next = slot;
            return true;
        }
    }
    return false;
}

/* The first call that can be started, from where the last sweep ended: started. O(slots in use). */
static int start_next(void *self) {
    struct shr_server *s = (struct shr_server *)self;
    uint32_t start = s->next;
    return sweep(s, start, s->calls.slot_count) || (start != 0 && sweep(s, 0, start)) ? SHR_OK : SHR_EMPTY;
}

/* Whether a sweep would find a request that it has not dealt with. It starts nothing. */
static int find_event(void *self) {
    struct shr_server *s = (struct shr_server *)self;
    for (uint32_t slot = 0; slot < s->calls.slot_count; slot = (slot / 64 + 1) * 64) {
        uint32_t last = used_end(s, slot, s->calls.slot_count);
        if (slot < last && sr_call_scan(s->calls.lines, s->seen, slot, last) < last) return SHR_OK;
    }
    return SHR_EMPTY;
}

/* Forgets what was dealt with where a call can be started nonetheless: a number that came again after 2^32 calls, or what an untrusted client stored. */
static void forget_missed(struct shr_server *s) {
    for (uint32_t start = 0; start < s->calls.slot_count; start += 64) {
        uint32_t last = used_end(s, start, s->calls.slot_count);
        for (uint32_t slot = start; slot < last; slot++) {
            uint64_t request = sr_load_relaxed_u64(sr_call_request(&s->calls.lines[slot])); /* relaxed: `claim` loads it again */
            uint64_t last_claim = sr_load_relaxed_u64(sr_caller_claim(caller_of(&s->calls, slot)));
            if (sr_call_number(request) == sr_call_number(last_claim) + 1) s->seen[slot] = ~request;
        }
    }
}

static int start_missed(void *self) {
    forget_missed((struct shr_server *)self);
    return start_next(self);
}

static int look_for_event(void *self) {
    forget_missed((struct shr_server *)self);
    return find_event(self);
}

/* --- opening and closing -------------------------------------------------------------------------------------------------------------------------- */

static void free_server(struct shr_server *s) {
    shr_calls_close(&s->calls);
    free(s->seen);
    free(s->stages);
    free(s->places);
    free(s);
}

int shr_server_open(shr_ring *service, const struct shr_endpoint *given, shr_server **out) {
    struct shr_endpoint endpoint = shr_calls_endpoint(given);
    struct shr_server *s = (struct shr_server *)calloc(1, sizeof *s);
    if (!s) return shr_fail(SHR_SYSTEM, ENOMEM, CALL_WHAT, service->label, "no memory for its server");
    int result = shr_calls_open(service, REQUEST_ANY_SERVER, endpoint.prefault, &s->calls);
    if (result < 0) {
        free(s);
        return result;
    }
    uint32_t count = s->calls.slot_count;
    s->seen = (uint64_t *)malloc(count * sizeof *s->seen);
    s->stages = (uint64_t *)calloc(count, sizeof *s->stages);
    s->places = (struct place *)calloc(count, sizeof *s->places);
    if (!s->seen || !s->stages || !s->places) {
        result = FAIL(SHR_SYSTEM, ENOMEM, "no memory for the calls of its %u slots", count);
        struct shr_failure kept = *shr_last_failure();
        free_server(s);
        return shr_fail_again(&kept);
    }
    for (uint32_t slot = 0; slot < count; slot++) s->seen[slot] = UINT64_MAX;
    s->number = s->calls.attachment.role.index;
    s->control = sr_server(s->calls.control, s->number);
    shr_sleeper_init(&s->sleeper, sr_call_event_word(s->calls.control), true, s->calls.attachment.is_asymmetric, sr_server_sleeps(s->control), CALL_WHAT,
                     calls_name(&s->calls), &endpoint);
    shr_event_init(&s->event, &s->sleeper, find_event, look_for_event, s);
    shr_sign(sr_server_holder(s->control));
    uint32_t epoch = sr_epoch_at_attach(sr_load_relaxed_u32(sr_server_epoch(s->control))); /* relaxed: the byte orders it */
    s->who = sr_call_starter(s->number, epoch);
    sr_store_release_u32(sr_server_epoch(s->control), epoch); /* SYNC: call-server (pairs with shr_calls_is_gone) */
    /* Without a look: clients whose server died see the epoch, and settle. */
    for (uint32_t start = 0; start < count; start += 64) {
        /* SYNC: call-slot-in-use (pairs with slot_init of client.c) */
        uint64_t used = sr_load_acquire_u64(sr_call_slots_used(s->calls.control) + start / 64);
        for (uint32_t slot = start; slot < count && slot < start + 64; slot++)
            if (used >> (slot - start) & 1) shr_ring_doorbell(sr_caller_doorbell(caller_of(&s->calls, slot)));
    }
    *out = s;
    return SHR_OK;
}

void shr_server_close(shr_server *s) {
    if (!s) return;
    shr_event_end(&s->event);
    if (!is_inherited(&s->calls.attachment)) {
        /* Never in another order: a client would take a call for lost that is answered yet. No other thread uses the server any more. */
        for (uint32_t slot = 0; slot < s->calls.slot_count; slot++) {
            uint64_t word = sr_load_acquire_u64(&s->stages[slot]);
            if ((uint32_t)word == STAGE_HELD || (uint32_t)word == STAGE_ANSWERING) finish(s, slot, (uint32_t)(word >> 32), SR_CALL_CLOSED, 0);
        }
        /* SYNC: call-server (pairs with shr_calls_is_gone): every reply before. The load is relaxed: only this side writes it. */
        sr_store_release_u32(sr_server_epoch(s->control), sr_epoch_at_close(sr_load_relaxed_u32(sr_server_epoch(s->control))));
    }
    free_server(s);
}

/* --- taking calls ------------------------------------------------------------------------------------------------------------------------------------ */

/* Hands out the call that was just started. */
static int hand_out(struct shr_server *s, shr_request *r) {
    uint32_t slot = s->found, n = sr_call_number(s->found_request), count = sr_call_byte_count(s->found_request);
    struct place *kept = &s->places[slot];
    r->bytes = count <= SR_CALL_INLINE ? kept->copy : request_place(&s->calls, slot, count);
    r->count = count;
    r->is_retry = (sr_call_how(s->found_request) & SR_CALL_HAS_TOKEN) != 0;
    r->token = r->is_retry ? kept->token : token_of(&s->calls, slot, n);
    r->slot_ = slot;
    r->number_ = n;
    return SHR_OK;
}

int shr_server_poll(shr_server *s, shr_request *r) {
    memset(r, 0, sizeof *r);
    SHR_TRY(requires_usable(s));
    if (shr_event_is_armed(&s->event)) return SHR_EMPTY;
    return start_next(s) == SHR_OK ? hand_out(s, r) : SHR_EMPTY;
}

int shr_server_next(shr_server *s, shr_request *r, int64_t timeout_ns) {
    if (timeout_ns == 0) return shr_server_poll(s, r);
    memset(r, 0, sizeof *r);
    SHR_TRY(requires_usable(s));
    if (shr_event_is_armed(&s->event)) return FAIL(SHR_ALREADY_WAITING, 0, "its descriptor is armed, and a thread waits for it");
    /* The client of the last call may call again at once: that is found sooner without a look at the clock. */
    if (s->sleeper.strategy != SHR_SLEEP && sr_load_acquire_u32(&s->sleeper.cancelled) == 0)
        for (int i = 0; i < 256; i++) {
            if (start_next(s) == SHR_OK) return hand_out(s, r);
            sr_pause();
        }
    SHR_TRY(shr_sleep(&s->sleeper, shr_deadline(timeout_ns), "call", start_next, start_missed, s));
    return hand_out(s, r);
}

/* --- the rest ---------------------------------------------------------------------------------------------------------------------------------------- */

uint32_t shr_server_number(const shr_server *s) { return s->number; }

void shr_server_cancel(shr_server *s, int cancelled) {
    if (!is_inherited(&s->calls.attachment)) shr_cancel(&s->sleeper, cancelled);
}

int shr_server_descriptor(shr_server *s) {
    SHR_TRY(requires_usable(s));
    return shr_event_descriptor(&s->event);
}

int shr_server_arm(shr_server *s) {
    SHR_TRY(requires_usable(s));
    SHR_TRY(shr_require_not_cancelled(&s->sleeper, "call"));
    return shr_event_arm(&s->event);
}

int shr_server_disarm(shr_server *s) {
    SHR_TRY(requires_usable(s));
    shr_event_disarm(&s->event);
    return SHR_OK;
}

/* The control blocks of kind 5, calls: slots, each with one client at a time and its call, and the servers.
 *
 *   0                               struct sr_call_control, which begins with struct sr_segment_control
 *   512                             struct sr_server_control of server 0, then of server 1, …
 *   sr_caller_offset(servers, 0)    struct sr_caller_control of slot 0, then of slot 1, …
 *   sr_call_line_offset(s, c, 0)    struct sr_call_line of slot 0, then of slot 1, …
 *   behind them                     with SR_FEATURE_STREAMS the slots' lanes for streams: see stream.h
 *
 * A message of at most SR_CALL_INLINE bytes stands in its slot's line, requests and replies in turn. A larger one stands in its area: slot s has
 * its request area at data_offset + s * (sr_call_area(request_capacity) + sr_call_area(reply_capacity) + stream_capacity), and its reply area behind that.
 */
#ifndef SHAREDRING_CALL_H
#define SHAREDRING_CALL_H

#include <stddef.h>
#include <stdint.h>

#include "atomics.h"
#include "segment.h"

/* What stands in a slot's own line, in bytes. */
#define SR_CALL_INLINE 48u
#define SR_CALL_AREA_ALIGNMENT 128u

/* The lock bytes of a segment of calls. */
#define SR_ROLE_SERVER 10
#define SR_ROLE_CALLER 11

/* How a call was settled: the bits 28 to 31 of `reply`. */
#define SR_CALL_REPLIED 0u
#define SR_CALL_REFUSED 1u      /* by the service, with its bytes */
#define SR_CALL_DROPPED 2u      /* the server let go of the request without an answer */
#define SR_CALL_CLOSED 3u       /* the server closed before it answered */
#define SR_CALL_MALFORMED 4u    /* the request was impossible */
#define SR_CALL_NOT_EXECUTED 5u /* the client withdrew it before it was started */
#define SR_CALL_UNKNOWN 6u      /* the server that started it has gone */

/* The bits 28 to 31 of `request`. */
#define SR_CALL_HAS_TOKEN 1u /* a retry: `token` of the line names the first call */
#define SR_CALL_STREAMS 2u   /* the client reads the parts of a stream; only with SR_FEATURE_STREAMS */

/* What all slots share. */
struct sr_call_control {
    struct sr_segment_control segment; /* as in every segment */

    uint32_t event_word; /* of servers: see *Event words*. Written by servers that go to sleep and by the process that wakes them */
    uint8_t pad0[SR_GROUP - 4];

    uint64_t slots_used[16]; /* a bit for each slot that was ever taken, never cleared. Written by clients */

    uint8_t reserved[512 - 3 * SR_GROUP]; /* zero */
};
SR_STATIC_ASSERT(sizeof(struct sr_call_control) == 512, "the block's size");
SR_STATIC_ASSERT(offsetof(struct sr_call_control, event_word) == 128, "a group of its own");
SR_STATIC_ASSERT(offsetof(struct sr_call_control, slots_used) == 256, "a group of its own");

/* One per server. Written by its holder. */
struct sr_server_control {
    uint32_t epoch;     /* 0 never attached, odd attached (or died so), even closed */
    uint32_t reserved0; /* zero */
    uint64_t started;   /* calls started, for observers */
    uint64_t answered;  /* calls answered in whatever way, for observers */
    uint64_t sleeps;    /* for observers */
    uint64_t wakes;     /* of clients, for observers */
    uint8_t pad0[SR_GROUP - 40];

    struct sr_holder holder;
};
SR_STATIC_ASSERT(sizeof(struct sr_server_control) == 256, "the block's size");
SR_STATIC_ASSERT(offsetof(struct sr_server_control, holder) == 128, "a group of its own");

/* One per slot: what is not looked at in every call. */
struct sr_caller_control {
    uint64_t claim;    /* n, and how: see *Calls*. Moved from n - 1 to n once, by a server or by the client */
    uint32_t doorbell; /* of the client: see *Doorbells* */
    uint32_t reserved0; /* zero */
    uint8_t pad0[SR_GROUP - 16];

    uint32_t epoch;  /* of the client's role: 0 never attached, odd attached (or died so), even closed */
    uint32_t cancel; /* n of the last call that was given up when it was started: a hint for its server */
    uint64_t calls;  /* for observers */
    uint64_t late;   /* replies that came after their call was given up, for observers */
    uint64_t sleeps; /* for observers */
    uint64_t wakes;  /* of servers, for observers */
    uint8_t pad1[SR_GROUP - 40];

    struct sr_holder holder; /* written by the client */

    uint32_t latency[32]; /* one call in 64, by how long it took: word i counts those from 2^i to below 2^(i+1) ns; for observers. Written by the client */
};
SR_STATIC_ASSERT(sizeof(struct sr_caller_control) == 512, "the block's size");
SR_STATIC_ASSERT(offsetof(struct sr_caller_control, epoch) == 128, "a group of its own");
SR_STATIC_ASSERT(offsetof(struct sr_caller_control, holder) == 256, "a group of its own");

/* One per slot: the call itself, in one cache line, and what seldom goes with it. */
struct sr_call_line {
    uint64_t request;    /* n in the high half; 4 bits of flags; 28 bits of byte count. Written by the client */
    uint64_t reply;      /* n in the high half; 4 bits of how; 28 bits of byte count. Written by the side that settles n */
    uint8_t message[48]; /* of requests and replies that fit, in turn */

    uint8_t token_instance[16]; /* of the first call, if `request` says so: the segment's instance id. Written by the client */
    uint32_t token_slot;        /* its slot */
    uint32_t token_number;      /* its n */
    uint8_t reserved[40];       /* zero */
};
SR_STATIC_ASSERT(sizeof(struct sr_call_line) == SR_GROUP, "a group");
SR_STATIC_ASSERT(offsetof(struct sr_call_line, message) == 16 && sizeof(((struct sr_call_line *)0)->message) == SR_CALL_INLINE, "one line");
SR_STATIC_ASSERT(offsetof(struct sr_call_line, token_instance) == 64, "the second line");

SR_NONNULL_BEGIN

SR_INLINE int64_t sr_lock_server(uint32_t index) { return SR_LOCK_BYTE(SR_ROLE_SERVER, index); }
SR_INLINE int64_t sr_lock_caller(uint32_t index) { return SR_LOCK_BYTE(SR_ROLE_CALLER, index); }

/* From the start of the control area, of a segment for so many servers and slots. */
SR_INLINE uint64_t sr_server_offset(uint32_t server) { return sizeof(struct sr_call_control) + server * sizeof(struct sr_server_control); }
SR_INLINE uint64_t sr_caller_offset(uint32_t servers, uint32_t slot) {
    return sr_server_offset(servers) + slot * sizeof(struct sr_caller_control);
}
SR_INLINE uint64_t sr_call_line_offset(uint32_t servers, uint32_t slots, uint32_t slot) {
    return sr_caller_offset(servers, slots) + slot * sizeof(struct sr_call_line);
}

/* The bytes of an area for messages of that capacity: 0 if all fit the line. */
SR_INLINE uint64_t sr_call_area(uint32_t capacity) {
    return capacity <= SR_CALL_INLINE ? 0
                                      : ((uint64_t)capacity + SR_CALL_AREA_ALIGNMENT - 1) / SR_CALL_AREA_ALIGNMENT * SR_CALL_AREA_ALIGNMENT;
}

SR_INLINE struct sr_server_control *sr_server(struct sr_call_control *c, uint32_t server) {
    return (struct sr_server_control *)((uint8_t *)c + sr_server_offset(server));
}
SR_INLINE struct sr_caller_control *sr_caller(struct sr_call_control *c, uint32_t servers, uint32_t slot) {
    return (struct sr_caller_control *)((uint8_t *)c + sr_caller_offset(servers, slot));
}
SR_INLINE struct sr_call_line *sr_call_line_of(struct sr_call_control *c, uint32_t servers, uint32_t slots, uint32_t slot) {
    return (struct sr_call_line *)((uint8_t *)c + sr_call_line_offset(servers, slots, slot));
}

/* The words that several processes touch, by address. */
SR_INLINE uint32_t *sr_call_event_word(struct sr_call_control *c) { return &c->event_word; }
SR_INLINE uint64_t *sr_call_slots_used(struct sr_call_control *c) { return c->slots_used; }
SR_INLINE uint32_t *sr_server_epoch(struct sr_server_control *s) { return &s->epoch; }
SR_INLINE uint64_t *sr_server_started(struct sr_server_control *s) { return &s->started; }
SR_INLINE uint64_t *sr_server_answered(struct sr_server_control *s) { return &s->answered; }
SR_INLINE uint64_t *sr_server_sleeps(struct sr_server_control *s) { return &s->sleeps; }
SR_INLINE uint64_t *sr_server_wakes(struct sr_server_control *s) { return &s->wakes; }
SR_INLINE struct sr_holder *sr_server_holder(struct sr_server_control *s) { return &s->holder; }
SR_INLINE uint64_t *sr_caller_claim(struct sr_caller_control *c) { return &c->claim; }
SR_INLINE uint32_t *sr_caller_doorbell(struct sr_caller_control *c) { return &c->doorbell; }
SR_INLINE uint32_t *sr_caller_epoch(struct sr_caller_control *c) { return &c->epoch; }
SR_INLINE uint32_t *sr_caller_cancel(struct sr_caller_control *c) { return &c->cancel; }
SR_INLINE uint64_t *sr_caller_calls(struct sr_caller_control *c) { return &c->calls; }
SR_INLINE uint64_t *sr_caller_late(struct sr_caller_control *c) { return &c->late; }
SR_INLINE uint64_t *sr_caller_sleeps(struct sr_caller_control *c) { return &c->sleeps; }
SR_INLINE uint64_t *sr_caller_wakes(struct sr_caller_control *c) { return &c->wakes; }
SR_INLINE uint32_t *sr_caller_latency(struct sr_caller_control *c) { return c->latency; }
SR_INLINE struct sr_holder *sr_caller_holder(struct sr_caller_control *c) { return &c->holder; }
SR_INLINE uint64_t *sr_call_request(struct sr_call_line *l) { return &l->request; }
SR_INLINE uint64_t *sr_call_reply(struct sr_call_line *l) { return &l->reply; }
SR_INLINE uint8_t *sr_call_message(struct sr_call_line *l) { return l->message; }
SR_INLINE uint8_t *sr_call_token(struct sr_call_line *l) { return l->token_instance; }

/* A request's or a reply's word. The count is below 2^28. */
SR_INLINE uint64_t sr_call_word(uint32_t n, uint32_t how, uint32_t byte_count) { return (uint64_t)n << 32 | (uint64_t)(how & 15) << 28 | byte_count; }
SR_INLINE uint32_t sr_call_number(uint64_t word) { return (uint32_t)(word >> 32); }
SR_INLINE uint32_t sr_call_how(uint64_t word) { return (uint32_t)word >> 28; }
SR_INLINE uint32_t sr_call_byte_count(uint64_t word) { return (uint32_t)word & 0xfffffff; }

/* The party that a claim names, in its low half: 0, the client withdrew; else a server's number below its epoch, of which the low 26 bits count. */
#define SR_CALL_SERVER_BITS 6
SR_INLINE uint32_t sr_call_starter(uint32_t server, uint32_t epoch) { return epoch << SR_CALL_SERVER_BITS | server; }
SR_INLINE uint32_t sr_call_starter_server(uint32_t who) { return who & ((1u << SR_CALL_SERVER_BITS) - 1); }
SR_INLINE int sr_call_is_epoch_of(uint32_t who, uint32_t epoch) { return (epoch << SR_CALL_SERVER_BITS) >> SR_CALL_SERVER_BITS == who >> SR_CALL_SERVER_BITS; }
SR_INLINE uint64_t sr_call_claim_word(uint32_t n, uint32_t who) { return (uint64_t)n << 32 | who; }

/* The first slot from `from` to before `end` whose request is not the one in `seen`, or `end`. The lines' requests are loaded relaxed: what is
 * found is loaded again with acquire. */
SR_INLINE uint32_t sr_call_scan(const struct sr_call_line *lines, const uint64_t *seen, uint32_t from, uint32_t end) {
    uint32_t slot = from;
    while (slot < end && sr_load_relaxed_u64(&lines[slot].request) == seen[slot]) slot++;
    return slot;
}

/* The blocks of kind 5, folded into the hash of what all kinds share. */
SR_INLINE uint64_t sr_call_layout_hash(uint64_t common) {
    const uint64_t facts[] = {
        SR_KIND_CALL,
        offsetof(struct sr_header, call),
        offsetof(struct sr_call_shape, slot_count),
        offsetof(struct sr_call_shape, server_count),
        offsetof(struct sr_call_shape, request_capacity),
        offsetof(struct sr_call_shape, reply_capacity),
        offsetof(struct sr_call_shape, data_size),
        SR_CALL_INLINE,
        SR_CALL_AREA_ALIGNMENT,
        SR_CALL_SERVER_BITS,
        SR_ROLE_SERVER,
        SR_ROLE_CALLER,
        sizeof(struct sr_call_control),
        offsetof(struct sr_call_control, event_word),
        offsetof(struct sr_call_control, slots_used),
        sizeof(struct sr_server_control),
        offsetof(struct sr_server_control, epoch),
        offsetof(struct sr_server_control, started),
        offsetof(struct sr_server_control, answered),
        offsetof(struct sr_server_control, sleeps),
        offsetof(struct sr_server_control, wakes),
        offsetof(struct sr_server_control, holder),
        sizeof(struct sr_caller_control),
        offsetof(struct sr_caller_control, claim),
        offsetof(struct sr_caller_control, doorbell),
        offsetof(struct sr_caller_control, epoch),
        offsetof(struct sr_caller_control, cancel),
        offsetof(struct sr_caller_control, calls),
        offsetof(struct sr_caller_control, late),
        offsetof(struct sr_caller_control, sleeps),
        offsetof(struct sr_caller_control, wakes),
        offsetof(struct sr_caller_control, holder),
        offsetof(struct sr_caller_control, latency),
        sizeof(struct sr_call_line),
        offsetof(struct sr_call_line, request),
        offsetof(struct sr_call_line, reply),
        offsetof(struct sr_call_line, message),
        offsetof(struct sr_call_line, token_instance),
        offsetof(struct sr_call_line, token_slot),
        offsetof(struct sr_call_line, token_number),
    };
    return sr_hash_words(common, facts, sizeof facts / sizeof facts[0]);
}

SR_NONNULL_END

#endif

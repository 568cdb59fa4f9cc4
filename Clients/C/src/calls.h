/* What a client and a server of a call service share. Swift: Call/CallMemory. */
#ifndef SHR_CALLS_H
#define SHR_CALLS_H

#include "internal.h"

#define CALL_WHAT "call service"

/* A segment of calls as one of its clients or servers has it: a role, the control blocks, the areas. The shape is a checked copy of the header's. A slot's or a
 * server's number is checked against it before it gets here. */
struct calls {
    struct attachment attachment;
    struct mapping data;
    struct sr_call_control *control;
    struct sr_call_line *lines; /* of all slots */
    uint32_t slot_count, server_count, request_capacity, reply_capacity;
    bool has_streams; /* its slots have lanes for streams of replies */
    uint64_t stride, reply_area; /* from one slot's areas to the next one's; where the reply's begins in them */
};

/* Takes the role. Nothing is kept if it fails. */
int shr_calls_open(struct shr_ring *service, enum request request, bool prefault, struct calls *calls);
void shr_calls_close(struct calls *calls);
struct shr_endpoint shr_calls_endpoint(const struct shr_endpoint *given);
/* Whether the server that a claim names has gone for good. A system call if its epoch does not say so. The claim was loaded before. */
bool shr_calls_is_gone(const struct calls *calls, uint32_t who);

static inline struct sr_caller_control *caller_of(const struct calls *c, uint32_t slot) { return sr_caller(c->control, c->server_count, slot); }
static inline const char *calls_name(const struct calls *c) { return ring_name(&c->attachment); }
/* Where a request or a reply of so many bytes stands, which are at most the capacity. */
static inline uint8_t *request_place(const struct calls *c, uint32_t slot, size_t count) {
    return count <= SR_CALL_INLINE ? sr_call_message(&c->lines[slot]) : c->data.base + slot * c->stride;
}
static inline uint8_t *reply_place(const struct calls *c, uint32_t slot, size_t count) {
    return count <= SR_CALL_INLINE ? sr_call_message(&c->lines[slot]) : c->data.base + slot * c->stride + c->reply_area;
}
/* `begun` bytes were to be written, and `count` of them are there: they may belong into the line now. */
static inline void move_into_line(uint8_t *line, const uint8_t *place, size_t begun, size_t count) {
    if (begun > SR_CALL_INLINE && count <= SR_CALL_INLINE) sr_copy(line, place, (int64_t)count);
}

static inline shr_token token_of(const struct calls *c, uint32_t slot, uint32_t number) {
    shr_token token;
    memcpy(token.instance, c->attachment.segment.header.instance_id, sizeof token.instance);
    token.slot = slot;
    token.number = number;
    return token;
}

#endif

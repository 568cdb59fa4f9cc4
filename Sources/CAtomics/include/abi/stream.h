/* Streams of replies, of a segment of kind 5 that requires SR_FEATURE_STREAMS: each slot has a lane, through which a server sends the parts of a reply.
 *
 *   sr_stream_offset(s, c, 0)    struct sr_stream_control of slot 0, then of slot 1, … behind the lines
 *
 * The lane's data stands behind the slot's areas: see call.h. A position is a count of bytes since the call's
 * stream began; its low bits are its place in the lane, whose capacity is a power of two.
 */
#ifndef SHAREDRING_STREAM_H
#define SHAREDRING_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "atomics.h"
#include "call.h"
#include "segment.h"

/* One per slot. The client sets it back before it stores a request that asks for a stream. */
struct sr_stream_control {
    uint64_t tail; /* the next record begins here. Written by the server that has started the call, and by the client that sets it back */
    uint8_t pad0[SR_GROUP - 8];

    uint64_t head; /* everything before it is acknowledged. Written by the client */
    uint8_t pad1[SR_GROUP - 8];

    uint32_t stop; /* n of the call whose stream the client, or its successor, wants no more of. Written by clients */
    uint8_t pad2[SR_GROUP - 4];

    uint32_t room_word; /* of a server that waits for room: see *Event words*. Written by servers that go to sleep and by the process that wakes them */
    uint8_t pad3[SR_GROUP - 4];
};
SR_STATIC_ASSERT(sizeof(struct sr_stream_control) == 512, "the block's size");
SR_STATIC_ASSERT(offsetof(struct sr_stream_control, head) == 128, "a group of its own");
SR_STATIC_ASSERT(offsetof(struct sr_stream_control, stop) == 256, "a group of its own");
SR_STATIC_ASSERT(offsetof(struct sr_stream_control, room_word) == 384, "a group of its own");

/* A record: this header, then the part; records stand 8 bytes apart.
 *
 *     63                              32 31                                 0
 *    +----------------------------------+-----------------------------------+
 *    | 0 a part, 1 the rest of the lap  | the part's byte count             |
 *    +----------------------------------+-----------------------------------+
 *
 * A record does not run over the lane's end. If it does not fit there, a header with 1 stands first, and the record at the lane's start.
 */
#define SR_STREAM_HEADER_SIZE 8u
#define SR_STREAM_PART 0u
#define SR_STREAM_LAP 1u

SR_NONNULL_BEGIN

/* From the start of the control area, of a segment for so many servers and slots. */
SR_INLINE uint64_t sr_stream_offset(uint32_t servers, uint32_t slots, uint32_t slot) {
    return sr_call_line_offset(servers, slots, slots) + slot * sizeof(struct sr_stream_control);
}

SR_INLINE struct sr_stream_control *sr_stream(struct sr_call_control *c, uint32_t servers, uint32_t slots, uint32_t slot) {
    return (struct sr_stream_control *)((uint8_t *)c + sr_stream_offset(servers, slots, slot));
}

/* The words that several processes touch, by address. */
SR_INLINE uint64_t *sr_stream_tail(struct sr_stream_control *s) { return &s->tail; }
SR_INLINE uint64_t *sr_stream_head(struct sr_stream_control *s) { return &s->head; }
SR_INLINE uint32_t *sr_stream_stop(struct sr_stream_control *s) { return &s->stop; }
SR_INLINE uint32_t *sr_stream_room_word(struct sr_stream_control *s) { return &s->room_word; }

SR_INLINE uint64_t sr_stream_header(uint32_t what, uint32_t byte_count) { return (uint64_t)what << 32 | byte_count; }
SR_INLINE uint32_t sr_stream_header_what(uint64_t header) { return (uint32_t)(header >> 32); }
SR_INLINE uint32_t sr_stream_header_byte_count(uint64_t header) { return (uint32_t)header; }

/* The bytes of a record, with its header. */
SR_INLINE uint64_t sr_stream_record_size(uint32_t byte_count) { return SR_STREAM_HEADER_SIZE + ((uint64_t)byte_count + 7) / 8 * 8; }

/* The largest part: its record fits an empty lane wherever the lane's last record ended. */
SR_INLINE uint32_t sr_stream_largest_part(uint32_t capacity) { return capacity / 2 - SR_STREAM_HEADER_SIZE; }

SR_NONNULL_END

#endif

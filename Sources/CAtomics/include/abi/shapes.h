/* The shapes: what a segment's creator chose, for each kind a part of the header of its own. A new kind adds one, and takes its bytes from
 * `later_shapes` of struct sr_header.
 */
#ifndef SHAREDRING_SHAPES_H
#define SHAREDRING_SHAPES_H

#include <stdint.h>

#include "atomics.h"

#define SR_LARGEST_LANE_COUNT 1024u
#define SR_LARGEST_SUBSCRIBER_COUNT 256u
#define SR_LARGEST_ENTRY_COUNT 4096u
#define SR_LARGEST_CALL_SLOT_COUNT 1024u
#define SR_LARGEST_SERVER_COUNT 64u
#define SR_LARGEST_CALL_MESSAGE (1u << 27)
#define SR_SMALLEST_STREAM_CAPACITY 256u
#define SR_LARGEST_STREAM_CAPACITY (1u << 29)

/* Kinds 1 and 2: lanes, each with a producer, and one consumer. */
struct sr_lanes_shape {
    uint32_t lane_count;       /* 1 to 1024; 1 for SPSC */
    uint32_t record_alignment; /* 8, 16, 32, 64 or 128 */
    uint64_t lane_capacity;    /* a power of two, a multiple of the page size, at most 2^40 */
    uint64_t reserved[2];      /* zero */
};
SR_STATIC_ASSERT(sizeof(struct sr_lanes_shape) == 32, "a shape's size");

/* Kind 3: one publisher's lane, and subscribers that each have a slot. */
struct sr_broadcast_shape {
    uint32_t subscriber_count; /* slots, 1 to 256 */
    uint32_t record_alignment; /* 8, 16, 32, 64 or 128 */
    uint64_t capacity;         /* a power of two, a multiple of the page size, at most 2^40 */
    uint64_t reserved[2];      /* zero */
};
SR_STATIC_ASSERT(sizeof(struct sr_broadcast_shape) == 32, "a shape's size");
/* Kind 4: entries, each with its latest value. */
struct sr_board_shape {
    uint32_t entry_count; /* how many entries there can be: 1 to 4096 */
    uint32_t keeps_time;  /* 1: each value has the time of its writing; else 0 */
    uint64_t data_size;   /* the bytes of all values: a multiple of 128, at most 2^40 */
    uint64_t reserved[2]; /* zero */
};
SR_STATIC_ASSERT(sizeof(struct sr_board_shape) == 32, "a shape's size");

/* Kind 5: slots, each with one client's call at a time. */
struct sr_call_shape {
    uint32_t slot_count;       /* 1 to 1024 */
    uint32_t server_count;     /* how many servers there can be at a time: 1 to 64 */
    uint32_t request_capacity; /* the largest request, in bytes: 48 to 2^27 */
    uint32_t reply_capacity;   /* the largest reply, in bytes: 48 to 2^27 */
    uint64_t data_size;        /* the bytes of all areas, at least those of the slots: a multiple of 128, at most 2^40 */
    uint32_t stream_capacity;  /* of each slot's lane for streams, in bytes: a power of two, 256 to 2^29; 0 if there are none */
    uint32_t reserved;         /* zero */
};
SR_STATIC_ASSERT(sizeof(struct sr_call_shape) == 32, "a shape's size");

#endif

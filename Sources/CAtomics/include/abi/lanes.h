/* The control blocks of kinds 1 and 2: lanes, each with a producer, and one consumer.
 *
 *   0         struct sr_lanes_control, which begins with struct sr_segment_control
 *   1024      struct sr_consumer_control
 *   2048      struct sr_lane_control of lane 0, then of lane 1, …
 *
 * The data of lane i stands at data_offset + i * lane_capacity.
 */
#ifndef SHAREDRING_LANES_H
#define SHAREDRING_LANES_H

#include <stddef.h>
#include <stdint.h>

#include "atomics.h"
#include "records.h"
#include "segment.h"

/* What all lanes share. */
struct sr_lanes_control {
    struct sr_segment_control segment; /* as in every segment */

    uint64_t tickets; /* total order: the next ticket. Written by producers */
    uint8_t pad0[SR_GROUP - 8];

    uint64_t lanes_used[SR_LARGEST_LANE_COUNT / 64]; /* lane `i` is bit `i mod 64` of word `i / 64`: a producer has attached to it. Written by producers, never cleared */
    uint64_t lanes_marked[SR_LARGEST_LANE_COUNT / 64]; /* zero; for lanes that have something */
    uint8_t reserved[1024 - 4 * SR_GROUP]; /* zero */
};
SR_STATIC_ASSERT(sizeof(struct sr_lanes_control) == 1024, "the block's size");
SR_STATIC_ASSERT(offsetof(struct sr_lanes_control, segment) == 0, "every control area begins with it");
SR_STATIC_ASSERT(offsetof(struct sr_lanes_control, tickets) == 128, "a group of its own");
SR_STATIC_ASSERT(offsetof(struct sr_lanes_control, lanes_used) == 256, "a group of its own");
SR_STATIC_ASSERT(offsetof(struct sr_lanes_control, lanes_marked) == 384, "a group of its own");

/* Counters for observers, each written by its owner only; the protocol never reads them. They go on from owner to owner. */
struct sr_consumer_statistics {
    uint64_t sleeps;       /* in a consumer's block: times it went to sleep; in a lane's: 0 */
    uint64_t wakes;        /* in a lane's block: times the consumer woke that producer; in a consumer's: 0 */
    uint64_t reserved[14]; /* zero */
};
SR_STATIC_ASSERT(sizeof(struct sr_consumer_statistics) == SR_GROUP, "a group");

struct sr_producer_statistics {
    uint64_t full;        /* times it looked for room and found none */
    uint64_t sleeps;      /* times it went to sleep for room, or an acknowledgement; one a check of the peer */
    uint64_t wakes;       /* times it woke the consumer */
    uint64_t backlog;     /* the most bytes from `head` to its tail, of the times it looked at `head` */
    uint64_t reserved[3]; /* zero */
};
SR_STATIC_ASSERT(sizeof(struct sr_producer_statistics) == SR_GROUP - 72, "the rest of the checkpoints' group");

/* One per consumer: a segment may have many. */
struct sr_consumer_control {
    uint32_t doorbell; /* 0 awake, 1 the consumer sleeps. Written by the consumer and by the process that wakes it */
    uint8_t pad0[SR_GROUP - 4];

    uint32_t epoch;             /* 0 never attached, odd attached (or died so), even closed. Written by the consumer */
    uint32_t unreported_death;  /* not 0: a consumer noted a producer's death and has not reported it, see *What was reported*. Written by the consumer */
    uint8_t pad1[SR_GROUP - 8];

    struct sr_consumer_statistics statistics; /* written by the consumer */
    struct sr_holder holder;                  /* written by the consumer */
    uint8_t reserved[1024 - 4 * SR_GROUP];    /* zero */
};
SR_STATIC_ASSERT(sizeof(struct sr_consumer_control) == 1024, "the block's size");
SR_STATIC_ASSERT(offsetof(struct sr_consumer_control, epoch) == 128, "a group of its own");
SR_STATIC_ASSERT(offsetof(struct sr_consumer_control, unreported_death) == 132, "beside the epoch");
SR_STATIC_ASSERT(offsetof(struct sr_consumer_control, statistics) == 256, "a group of its own");
SR_STATIC_ASSERT(offsetof(struct sr_consumer_control, holder) == 384, "a group of its own");

/* What a lane's producers had sent when this was published to observers: see sr_publish_checkpoint. A consumer asks it once a
 * lap whether a producer wrote what it reads. The next producer goes on counting from there. */
struct sr_checkpoint {
    uint64_t tail;        /* the position behind the records that are counted */
    uint64_t messages;    /* committed before `tail`, since the ring was made; ends of streams are none */
    uint64_t bytes;       /* of their payloads, without tickets */
    uint64_t write_limit; /* no record and no terminator begins at or beyond it before a newer checkpoint is published. It is monotonic */
};
SR_STATIC_ASSERT(sizeof(struct sr_checkpoint) == 32, "a checkpoint's size");

/* One per lane. */
struct sr_lane_control {
    /* Written by the producer, read by the consumer. */
    uint64_t ticket_floor;   /* total order: a ticket under way is not below this; `0xffffffffffffffff`: none is. Written by the producer; by the consumer, for a dead one */
    uint32_t producer_epoch; /* 0 never attached, odd attached (or died so), even closed. Written by the producer */
    uint8_t pad0[SR_GROUP - 12];

    /* Written by the producer, for observers, and for a consumer's look once a lap. */
    uint64_t checkpoint_turn;            /* its lowest bit says which checkpoint is published; the other may be half written. Written by the producer */
    struct sr_checkpoint checkpoints[2]; /* written by the producer */
    struct sr_producer_statistics producer_statistics; /* written by the producer */

    /* Written by the consumer, read by the producer when its ring looks full: the acknowledgement. Per lane: a consumer has one head and one reported end for each of its lanes. */
    uint64_t head;         /* everything before it is acknowledged. Written by the consumer */
    uint32_t reported_end; /* the newest producer epoch whose end was reported, for the next consumer. Written by the consumer */
    uint8_t pad1[SR_GROUP - 12];

    /* The producer sleeps here when the lane is full. */
    uint32_t space_doorbell; /* 0 awake, 1 the producer sleeps. Written by the producer and by the process that wakes it */
    uint8_t pad2[SR_GROUP - 4];

    struct sr_holder producer_holder;                  /* written by the producer */
    struct sr_consumer_statistics consumer_statistics; /* written by the consumer */
    uint8_t reserved[1024 - 6 * SR_GROUP];             /* zero */
};
SR_STATIC_ASSERT(sizeof(struct sr_lane_control) == 1024, "the block's size");
SR_STATIC_ASSERT(offsetof(struct sr_lane_control, producer_epoch) == 8, "beside the ticket floor");
SR_STATIC_ASSERT(offsetof(struct sr_lane_control, checkpoint_turn) == 128, "a group of its own");
SR_STATIC_ASSERT(offsetof(struct sr_lane_control, producer_statistics) == 200, "behind the checkpoints");
SR_STATIC_ASSERT(offsetof(struct sr_lane_control, head) == 256, "a group of its own");
SR_STATIC_ASSERT(offsetof(struct sr_lane_control, reported_end) == 264, "beside the head");
SR_STATIC_ASSERT(offsetof(struct sr_lane_control, space_doorbell) == 384, "a group of its own");
SR_STATIC_ASSERT(offsetof(struct sr_lane_control, producer_holder) == 512, "a group of its own");

SR_NONNULL_BEGIN

#define SR_NO_TICKET_FLOOR UINT64_MAX

#define SR_LANES_CONSUMER_OFFSET sizeof(struct sr_lanes_control)
#define SR_LANES_FIRST_LANE_OFFSET (sizeof(struct sr_lanes_control) + sizeof(struct sr_consumer_control))

/* From the start of the control area: the consumer's block, and a lane's. */
SR_INLINE uint64_t sr_lanes_consumer_offset(void) { return SR_LANES_CONSUMER_OFFSET; }
SR_INLINE uint64_t sr_lane_offset(uint32_t lane) { return SR_LANES_FIRST_LANE_OFFSET + lane * sizeof(struct sr_lane_control); }

SR_INLINE struct sr_segment_control *sr_lanes_segment(struct sr_lanes_control *c) { return &c->segment; }
SR_INLINE struct sr_consumer_control *sr_lanes_consumer(struct sr_lanes_control *c) { return (struct sr_consumer_control *)(c + 1); }
SR_INLINE struct sr_lane_control *sr_lane(struct sr_lanes_control *c, uint32_t lane) {
    return (struct sr_lane_control *)(sr_lanes_consumer(c) + 1) + lane;
}

/* The words that several processes touch, by address. */
SR_INLINE uint64_t *sr_tickets(struct sr_lanes_control *c) { return &c->tickets; }
SR_INLINE uint64_t *sr_lanes_used(struct sr_lanes_control *c, uint32_t lane) { return &c->lanes_used[lane / 64]; }

SR_INLINE uint32_t *sr_consumer_doorbell(struct sr_consumer_control *c) { return &c->doorbell; }
SR_INLINE uint32_t *sr_consumer_epoch(struct sr_consumer_control *c) { return &c->epoch; }
SR_INLINE uint32_t *sr_unreported_death(struct sr_consumer_control *c) { return &c->unreported_death; }
SR_INLINE uint64_t *sr_consumer_sleeps(struct sr_consumer_control *c) { return &c->statistics.sleeps; }
SR_INLINE struct sr_holder *sr_consumer_holder(struct sr_consumer_control *c) { return &c->holder; }

SR_INLINE uint64_t *sr_ticket_floor(struct sr_lane_control *l) { return &l->ticket_floor; }
SR_INLINE uint32_t *sr_producer_epoch(struct sr_lane_control *l) { return &l->producer_epoch; }
SR_INLINE uint64_t *sr_checkpoint_turn(struct sr_lane_control *l) { return &l->checkpoint_turn; }
SR_INLINE struct sr_checkpoint *sr_checkpoint(struct sr_lane_control *l, uint64_t turn) { return &l->checkpoints[turn & 1]; }
SR_INLINE struct sr_producer_statistics *sr_statistics(struct sr_lane_control *l) { return &l->producer_statistics; }
SR_INLINE uint64_t *sr_producer_sleeps(struct sr_lane_control *l) { return &l->producer_statistics.sleeps; }
SR_INLINE uint64_t *sr_consumer_wakes(struct sr_lane_control *l) { return &l->consumer_statistics.wakes; }
SR_INLINE uint64_t *sr_head(struct sr_lane_control *l) { return &l->head; }
SR_INLINE uint32_t *sr_reported_end(struct sr_lane_control *l) { return &l->reported_end; }
SR_INLINE uint32_t *sr_space_doorbell(struct sr_lane_control *l) { return &l->space_doorbell; }
SR_INLINE struct sr_holder *sr_producer_holder(struct sr_lane_control *l) { return &l->producer_holder; }

/* Counts. Only the owner writes, so no locked instruction; relaxed, since a counter orders nothing. */
SR_INLINE void sr_count(uint64_t *counter, uint64_t more) { sr_store_relaxed_u64(counter, sr_load_relaxed_u64(counter) + more); }

/* By the producer, before it writes anywhere at or beyond the last checkpoint's write limit. A producer that is killed in the middle leaves
 * the last one published. That one's limit was kept, so all records behind its tail are still there to be counted. */
SR_INLINE void sr_publish_checkpoint(struct sr_lane_control *l, struct sr_checkpoint published) {
    uint64_t turn = sr_load_relaxed_u64(&l->checkpoint_turn) + 1;
    struct sr_checkpoint *checkpoint = sr_checkpoint(l, turn);
    /* SYNC: checkpoint (pairs with sr_load_checkpoint and LossyReader.step). Each with release: a reader that sees one of them sees the
     * turn before, and so takes no checkpoint that is being written. */
    sr_store_release_u64(&checkpoint->tail, published.tail);
    sr_store_release_u64(&checkpoint->messages, published.messages);
    sr_store_release_u64(&checkpoint->bytes, published.bytes);
    sr_store_release_u64(&checkpoint->write_limit, published.write_limit);
    sr_store_release_u64(&l->checkpoint_turn, turn);
    sr_fence_release(); /* a reader that sees what is written from now on sees this checkpoint */
}

/* By any process: the checkpoint that is published now. While one is published again and again, the last that was tried may be a mixture. */
SR_INLINE struct sr_checkpoint sr_load_checkpoint(struct sr_lane_control *l) {
    struct sr_checkpoint published = {0, 0, 0, 0};
    for (int tries = 0; tries < 8; tries++) {
        /* SYNC: checkpoint (pairs with sr_publish_checkpoint). The last load is relaxed: the acquire loads before it order it. */
        uint64_t turn = sr_load_acquire_u64(&l->checkpoint_turn);
        struct sr_checkpoint *checkpoint = sr_checkpoint(l, turn);
        published.tail = sr_load_acquire_u64(&checkpoint->tail);
        published.messages = sr_load_acquire_u64(&checkpoint->messages);
        published.bytes = sr_load_acquire_u64(&checkpoint->bytes);
        published.write_limit = sr_load_acquire_u64(&checkpoint->write_limit);
        if (sr_load_relaxed_u64(&l->checkpoint_turn) == turn) break;
    }
    return published;
}
SR_INLINE void sr_count_full(struct sr_lane_control *l) { sr_count(&l->producer_statistics.full, 1); }
SR_INLINE void sr_count_wake(struct sr_lane_control *l) { sr_count(&l->producer_statistics.wakes, 1); }
SR_INLINE void sr_note_backlog(struct sr_lane_control *l, uint64_t bytes) {
    if (bytes > sr_load_relaxed_u64(&l->producer_statistics.backlog)) sr_store_relaxed_u64(&l->producer_statistics.backlog, bytes);
}

/* The blocks of kinds 1 and 2, folded into the hash of what all kinds share. */
SR_INLINE uint64_t sr_lanes_layout_hash(uint64_t common) {
    const uint64_t facts[] = {
        offsetof(struct sr_header, lanes),
        offsetof(struct sr_lanes_shape, lane_count),
        offsetof(struct sr_lanes_shape, record_alignment),
        offsetof(struct sr_lanes_shape, lane_capacity),
        sizeof(struct sr_lanes_control),
        offsetof(struct sr_lanes_control, tickets),
        offsetof(struct sr_lanes_control, lanes_used),
        sizeof(struct sr_consumer_control),
        offsetof(struct sr_consumer_control, doorbell),
        offsetof(struct sr_consumer_control, epoch),
        offsetof(struct sr_consumer_control, unreported_death),
        offsetof(struct sr_consumer_control, statistics),
        offsetof(struct sr_consumer_control, holder),
        sizeof(struct sr_checkpoint),
        sizeof(struct sr_lane_control),
        offsetof(struct sr_lane_control, ticket_floor),
        offsetof(struct sr_lane_control, producer_epoch),
        offsetof(struct sr_lane_control, checkpoint_turn),
        offsetof(struct sr_lane_control, checkpoints),
        offsetof(struct sr_lane_control, producer_statistics),
        offsetof(struct sr_lane_control, head),
        offsetof(struct sr_lane_control, reported_end),
        offsetof(struct sr_lane_control, space_doorbell),
        offsetof(struct sr_lane_control, producer_holder),
        offsetof(struct sr_lane_control, consumer_statistics),
        SR_RECORD_END,
    };
    return sr_hash_words(common, facts, sizeof facts / sizeof facts[0]);
}

SR_NONNULL_END

#endif

/* The control blocks of kind 3: one publisher, and subscribers that each have a slot.
 *
 *   0         struct sr_broadcast_control, which begins with struct sr_segment_control
 *   1024      struct sr_lane_control of the publisher
 *   2048      struct sr_subscriber_control of slot 0, then of slot 1, …
 *
 * The publisher's block is a lane's: epoch, statistics, space doorbell and holder are used as there. Its head, its checkpoints and what is
 * for a total order stay as they were made.
 *
 * The data of the one lane stands at data_offset.
 */
#ifndef SHAREDRING_BROADCAST_H
#define SHAREDRING_BROADCAST_H

#include <stddef.h>
#include <stdint.h>

#include "atomics.h"
#include "lanes.h"
#include "records.h"
#include "segment.h"

/* So many checkpoints are kept. A power of two. */
#define SR_BROADCAST_CHECKPOINTS 16u
/* In `head` of a slot: no subscriber is there, and nothing is held back. */
#define SR_NO_HEAD UINT64_MAX
/* In `tail` of a checkpoint of this kind: the record that ends there is an end record. No record boundary has this bit. */
#define SR_BROADCAST_BEHIND_END 1ULL

#define SR_LARGEST_SUBSCRIBER_NAME 64u

/* The lock byte of a process that looks for a subscriber's name, until the name stands in its slot. */
#define SR_ROLE_NAMES 7

/* What all share. */
struct sr_broadcast_control {
    struct sr_segment_control segment; /* as in every segment */

    uint32_t events; /* an event count: bit 0, there may be a sleeper; the bits above count wakes. Written by sleepers and wakers */
    uint8_t pad0[SR_GROUP - 4];

    uint64_t slots_used[SR_LARGEST_SUBSCRIBER_COUNT / 64]; /* slot `i` is bit `i mod 64` of word `i / 64`: a subscriber has attached to it. Written by subscribers, never cleared */
    uint8_t pad1[SR_GROUP - 32];

    uint64_t checkpoint_turn; /* modulo 16 it says which checkpoint is the newest; the next one may be half written. Written by the publisher */
    uint8_t pad2[SR_GROUP - 8];
    struct sr_checkpoint checkpoints[SR_BROADCAST_CHECKPOINTS]; /* written by the publisher; bit 0 of `tail`: the record that ends there is an end record */
};
SR_STATIC_ASSERT(sizeof(struct sr_broadcast_control) == 1024, "the block's size");
SR_STATIC_ASSERT(offsetof(struct sr_broadcast_control, segment) == 0, "every control area begins with it");
SR_STATIC_ASSERT(offsetof(struct sr_broadcast_control, events) == 128, "a group of its own");
SR_STATIC_ASSERT(offsetof(struct sr_broadcast_control, slots_used) == 256, "a group of its own");
SR_STATIC_ASSERT(offsetof(struct sr_broadcast_control, checkpoint_turn) == 384, "a group of its own");
SR_STATIC_ASSERT(offsetof(struct sr_broadcast_control, checkpoints) == 512, "behind the turn's group");

/* One per slot. */
struct sr_subscriber_control {
    /* Written by the subscriber, read by the publisher when its ring looks full. */
    uint64_t head;    /* everything before it is acknowledged; `0xffffffffffffffff`: holds nothing back. Written by the subscriber; by the publisher, for a dead one */
    uint32_t joined;  /* 1: the head is one that a subscriber joined at. Written by the subscriber */
    uint32_t epoch;   /* 0 never attached, odd attached (or died so), even closed. Written by the subscriber */
    uint32_t durable; /* 1: the head holds back also while the slot's byte is free. Written by the subscriber, and by the process that removes it */
    uint32_t soft;    /* 1: a soft gate: its subscriber copies, and the publisher may ignore the head. Written by the subscriber */
    uint8_t pad0[SR_GROUP - 24];

    struct sr_consumer_statistics statistics; /* written by the subscriber */
    struct sr_holder holder;                  /* written by the subscriber */

    uint32_t name_length; /* of the name under which its subscriber comes back: 1 to 64 bytes; 0: none. Written by the subscriber, and by the process that removes it */
    uint8_t name[SR_LARGEST_SUBSCRIBER_NAME]; /* written by the subscriber */
    uint32_t reserved0;       /* zero */
    uint64_t missed_messages; /* of a soft gate's subscriber, for observers: what was written over before it was copied. Written by the subscriber */
    uint64_t missed_bytes;    /* the payloads' bytes. Written by the subscriber */
    uint8_t reserved[SR_GROUP - 24 - SR_LARGEST_SUBSCRIBER_NAME]; /* zero */
};
SR_STATIC_ASSERT(sizeof(struct sr_subscriber_control) == 512, "the block's size");
SR_STATIC_ASSERT(offsetof(struct sr_subscriber_control, joined) == 8, "beside the head");
SR_STATIC_ASSERT(offsetof(struct sr_subscriber_control, epoch) == 12, "beside the head");
SR_STATIC_ASSERT(offsetof(struct sr_subscriber_control, durable) == 16, "beside the head");
SR_STATIC_ASSERT(offsetof(struct sr_subscriber_control, soft) == 20, "beside the head");
SR_STATIC_ASSERT(offsetof(struct sr_subscriber_control, name_length) == 384, "a group of its own");
SR_STATIC_ASSERT(offsetof(struct sr_subscriber_control, statistics) == 128, "a group of its own");
SR_STATIC_ASSERT(offsetof(struct sr_subscriber_control, holder) == 256, "a group of its own");

SR_NONNULL_BEGIN

#define SR_BROADCAST_PUBLISHER_OFFSET sizeof(struct sr_broadcast_control)
#define SR_BROADCAST_FIRST_SLOT_OFFSET (sizeof(struct sr_broadcast_control) + sizeof(struct sr_lane_control))

SR_INLINE int64_t sr_lock_names(void) { return SR_LOCK_BYTE(SR_ROLE_NAMES, 0); }

/* From the start of the control area: the publisher's block, and a slot's. */
SR_INLINE uint64_t sr_publisher_offset(void) { return SR_BROADCAST_PUBLISHER_OFFSET; }
SR_INLINE uint64_t sr_subscriber_offset(uint32_t slot) { return SR_BROADCAST_FIRST_SLOT_OFFSET + slot * sizeof(struct sr_subscriber_control); }
SR_INLINE uint64_t sr_no_head(void) { return SR_NO_HEAD; }

SR_INLINE struct sr_lane_control *sr_publisher(struct sr_broadcast_control *c) { return (struct sr_lane_control *)(c + 1); }
SR_INLINE struct sr_subscriber_control *sr_subscriber(struct sr_broadcast_control *c, uint32_t slot) {
    return (struct sr_subscriber_control *)(sr_publisher(c) + 1) + slot;
}

/* The words that several processes touch, by address. */
SR_INLINE uint32_t *sr_broadcast_events(struct sr_broadcast_control *c) { return &c->events; }
SR_INLINE uint64_t *sr_slots_used(struct sr_broadcast_control *c, uint32_t slot) { return &c->slots_used[slot / 64]; }
SR_INLINE uint64_t *sr_broadcast_turn(struct sr_broadcast_control *c) { return &c->checkpoint_turn; }

SR_INLINE uint64_t *sr_subscriber_head(struct sr_subscriber_control *s) { return &s->head; }
SR_INLINE uint32_t *sr_subscriber_joined(struct sr_subscriber_control *s) { return &s->joined; }
SR_INLINE uint32_t *sr_subscriber_epoch(struct sr_subscriber_control *s) { return &s->epoch; }
SR_INLINE uint32_t *sr_subscriber_durable(struct sr_subscriber_control *s) { return &s->durable; }
SR_INLINE uint32_t *sr_subscriber_soft(struct sr_subscriber_control *s) { return &s->soft; }
SR_INLINE uint64_t *sr_subscriber_missed_messages(struct sr_subscriber_control *s) { return &s->missed_messages; }
SR_INLINE uint64_t *sr_subscriber_missed_bytes(struct sr_subscriber_control *s) { return &s->missed_bytes; }
SR_INLINE uint32_t *sr_subscriber_name_length(struct sr_subscriber_control *s) { return &s->name_length; }
SR_INLINE uint8_t *sr_subscriber_name(struct sr_subscriber_control *s) { return s->name; }
SR_INLINE uint64_t *sr_subscriber_sleeps(struct sr_subscriber_control *s) { return &s->statistics.sleeps; }
SR_INLINE uint64_t *sr_subscriber_wakes(struct sr_subscriber_control *s) { return &s->statistics.wakes; }
SR_INLINE struct sr_holder *sr_subscriber_holder(struct sr_subscriber_control *s) { return &s->holder; }

/* By the publisher, before it writes anywhere at or beyond the last checkpoint's write limit. As sr_publish_checkpoint, with more checkpoints kept. */
SR_INLINE void sr_publish_broadcast_checkpoint(struct sr_broadcast_control *c, struct sr_checkpoint published) {
    uint64_t turn = sr_load_relaxed_u64(&c->checkpoint_turn) + 1;
    struct sr_checkpoint *checkpoint = &c->checkpoints[turn % SR_BROADCAST_CHECKPOINTS];
    /* SYNC: checkpoint (pairs with sr_load_broadcast_checkpoint and LossyReader.step). Each with release: a reader that sees one of them sees the
     * turn before, and so takes no checkpoint that is being written. */
    sr_store_release_u64(&checkpoint->tail, published.tail);
    sr_store_release_u64(&checkpoint->messages, published.messages);
    sr_store_release_u64(&checkpoint->bytes, published.bytes);
    sr_store_release_u64(&checkpoint->write_limit, published.write_limit);
    sr_store_release_u64(&c->checkpoint_turn, turn);
    sr_fence_release(); /* a reader that sees what is written from now on sees this checkpoint */
}

/* By any process: the checkpoint that was published `back` turns before the newest one, 0 to 15. 1: it is whole. 0: there is none so old, or it was written over
 * meanwhile. */
SR_INLINE int sr_load_broadcast_checkpoint(struct sr_broadcast_control *c, uint64_t back, struct sr_checkpoint *published) {
    /* SYNC: checkpoint (pairs with sr_publish_broadcast_checkpoint). The last load is relaxed: the acquire loads before it order it. */
    uint64_t newest = sr_load_acquire_u64(&c->checkpoint_turn);
    uint64_t turn = newest - back;
    if (back > newest || back >= SR_BROADCAST_CHECKPOINTS) return 0;
    struct sr_checkpoint *checkpoint = &c->checkpoints[turn % SR_BROADCAST_CHECKPOINTS];
    published->tail = sr_load_acquire_u64(&checkpoint->tail);
    published->messages = sr_load_acquire_u64(&checkpoint->messages);
    published->bytes = sr_load_acquire_u64(&checkpoint->bytes);
    published->write_limit = sr_load_acquire_u64(&checkpoint->write_limit);
    /* The words of a turn are written over behind the turn 15 later. */
    return sr_load_relaxed_u64(&c->checkpoint_turn) - turn < SR_BROADCAST_CHECKPOINTS - 1;
}

/* The blocks of kind 3, folded into the hash of what all kinds share, and of what lanes do. */
SR_INLINE uint64_t sr_broadcast_layout_hash(uint64_t common) {
    const uint64_t facts[] = {
        offsetof(struct sr_header, broadcast),
        offsetof(struct sr_broadcast_shape, subscriber_count),
        offsetof(struct sr_broadcast_shape, record_alignment),
        offsetof(struct sr_broadcast_shape, capacity),
        sizeof(struct sr_broadcast_control),
        offsetof(struct sr_broadcast_control, events),
        offsetof(struct sr_broadcast_control, slots_used),
        offsetof(struct sr_broadcast_control, checkpoint_turn),
        offsetof(struct sr_broadcast_control, checkpoints),
        sizeof(struct sr_checkpoint),
        sizeof(struct sr_lane_control),
        offsetof(struct sr_lane_control, producer_epoch),
        offsetof(struct sr_lane_control, producer_statistics),
        offsetof(struct sr_lane_control, space_doorbell),
        offsetof(struct sr_lane_control, producer_holder),
        sizeof(struct sr_subscriber_control),
        offsetof(struct sr_subscriber_control, head),
        offsetof(struct sr_subscriber_control, joined),
        offsetof(struct sr_subscriber_control, epoch),
        offsetof(struct sr_subscriber_control, durable),
        offsetof(struct sr_subscriber_control, soft),
        offsetof(struct sr_subscriber_control, statistics),
        offsetof(struct sr_subscriber_control, holder),
        offsetof(struct sr_subscriber_control, name_length),
        offsetof(struct sr_subscriber_control, name),
        offsetof(struct sr_subscriber_control, missed_messages),
        SR_ROLE_NAMES,
        SR_RECORD_END,
    };
    return sr_hash_words(common, facts, sizeof facts / sizeof facts[0]);
}

SR_NONNULL_END

#endif

/* The control blocks of kind 4, a board: entries, each with a key and its latest value.
 *
 *   0         struct sr_board_control, which begins with struct sr_segment_control
 *   1024      struct sr_entry_control of entry 0, then of entry 1, …
 *
 * An entry has SR_BOARD_SLOTS slots in the data area. Slot s of an entry stands at data_offset + entry.data_offset + s * stride, where stride is
 * sr_slot_stride(entry.capacity, keeps_time): the slot's header, the time of writing if the board keeps it, and the value. The value of an entry whose
 * capacity is SR_ALIGNED_VALUE or more begins at a cache line of its own: see sr_slot_prefix.
 */
#ifndef SHAREDRING_BOARD_H
#define SHAREDRING_BOARD_H

#include <stddef.h>
#include <stdint.h>

#include "atomics.h"
#include "segment.h"

/* A power of two, because turns wrap. A reader may be behind the writer by SR_BOARD_SLOTS - 2 turns and still have a whole value. */
#define SR_BOARD_SLOTS 4u
#define SR_LARGEST_KEY 64u
#define SR_LARGEST_BOARD_VALUE (1u << 30)
#define SR_SLOT_ALIGNMENT 64u
/* From this capacity on a value begins at a cache line of its own: copies of large values are up to twice as fast from there. */
#define SR_ALIGNED_VALUE 1024u
#define SR_ENTRY_ALIGNMENT 128u

/* The lock bytes of a board. */
#define SR_ROLE_BOARD 8
#define SR_ROLE_ENTRY 9

/* What all entries share. */
struct sr_board_control {
    struct sr_segment_control segment; /* as in every segment */

    uint32_t event_word; /* of readers of several entries: see *Event words*. Written by readers that go to sleep and by the process that wakes them */
    uint8_t pad0[SR_GROUP - 4];

    struct sr_holder holder;               /* the process that last added an entry. Written under the board's byte */
    uint8_t reserved[1024 - 3 * SR_GROUP]; /* zero */
};
SR_STATIC_ASSERT(sizeof(struct sr_board_control) == 1024, "the block's size");
SR_STATIC_ASSERT(offsetof(struct sr_board_control, segment) == 0, "every control area begins with it");
SR_STATIC_ASSERT(offsetof(struct sr_board_control, event_word) == 128, "a group of its own");
SR_STATIC_ASSERT(offsetof(struct sr_board_control, holder) == 256, "a group of its own");

/* One per entry. */
struct sr_entry_control {
    /* Immutable from the moment when `state` is 1. */
    uint32_t state;        /* 0 free, 1 in use; never back. Written under the board's byte, behind the five fields that follow */
    uint32_t key_length;   /* 1 to 64 bytes */
    uint64_t capacity;     /* the largest value, in bytes: 1 to 2^30 */
    uint64_t data_offset;  /* of slot 0, from the start of the data area; a multiple of 128 */
    uint8_t key[64];       /* padded with NUL */
    uint64_t reserved0[5]; /* zero */

    /* Written by the entry's writer; the event word also by readers of this entry. The writer stores the turn and then loads the event word. */
    uint64_t turn;         /* how often a value was set; slot `turn mod 4` has the latest. 0: there is none yet */
    uint32_t writer_epoch; /* 0 never attached, odd attached (or died so), even closed */
    uint32_t reserved1;    /* zero */
    uint64_t wakes;        /* times a writer woke readers, for observers */
    uint32_t event_word;   /* of readers of this entry alone: see *Event words*. Written by readers that go to sleep and by the process that wakes them */
    uint8_t pad0[SR_GROUP - 28];
    uint8_t reserved2[SR_GROUP]; /* zero */

    struct sr_holder holder; /* written by the entry's writer */
};
SR_STATIC_ASSERT(sizeof(struct sr_entry_control) == 512, "the block's size");
SR_STATIC_ASSERT(offsetof(struct sr_entry_control, turn) == 128, "a group of its own");
SR_STATIC_ASSERT(offsetof(struct sr_entry_control, event_word) < 128 + 64, "in the turn's cache line, which the writer has anyway");
SR_STATIC_ASSERT(offsetof(struct sr_entry_control, holder) == 384, "a group of its own");

/* The header of a slot. A value of 48 bytes shares its cache line, also with the time. */
struct sr_slot_header {
    uint32_t byte_count; /* of the value */
    uint32_t tag;        /* the writer's own */
};
SR_STATIC_ASSERT(sizeof(struct sr_slot_header) == 8, "one word");

SR_NONNULL_BEGIN

SR_INLINE int64_t sr_lock_board(void) { return SR_LOCK_BYTE(SR_ROLE_BOARD, 0); }
SR_INLINE int64_t sr_lock_entry(uint32_t index) { return SR_LOCK_BYTE(SR_ROLE_ENTRY, index); }

/* From the start of the control area. */
SR_INLINE uint64_t sr_entry_offset(uint32_t entry) { return sizeof(struct sr_board_control) + entry * sizeof(struct sr_entry_control); }

/* The bytes in front of a slot's value: the header, the time if it is kept, and what a large value's alignment needs. */
SR_INLINE uint64_t sr_slot_prefix(uint64_t capacity, uint32_t keeps_time) {
    if (capacity >= SR_ALIGNED_VALUE) return SR_SLOT_ALIGNMENT;
    return sizeof(struct sr_slot_header) + (keeps_time ? sizeof(int64_t) : 0);
}
/* From slot to slot, in bytes. The capacity is at most SR_LARGEST_BOARD_VALUE. */
SR_INLINE uint64_t sr_slot_stride(uint64_t capacity, uint32_t keeps_time) {
    return (sr_slot_prefix(capacity, keeps_time) + capacity + SR_SLOT_ALIGNMENT - 1) / SR_SLOT_ALIGNMENT * SR_SLOT_ALIGNMENT;
}
/* All slots of an entry, in bytes: a multiple of SR_ENTRY_ALIGNMENT. */
SR_INLINE uint64_t sr_entry_size(uint64_t capacity, uint32_t keeps_time) { return SR_BOARD_SLOTS * sr_slot_stride(capacity, keeps_time); }

SR_INLINE struct sr_entry_control *sr_entry(struct sr_board_control *c, uint32_t entry) { return (struct sr_entry_control *)(c + 1) + entry; }

/* The words that several processes touch, by address. */
SR_INLINE uint32_t *sr_board_event_word(struct sr_board_control *c) { return &c->event_word; }
SR_INLINE struct sr_holder *sr_board_holder(struct sr_board_control *c) { return &c->holder; }
SR_INLINE uint32_t *sr_entry_state(struct sr_entry_control *e) { return &e->state; }
SR_INLINE uint64_t *sr_entry_turn(struct sr_entry_control *e) { return &e->turn; }
SR_INLINE uint32_t *sr_entry_epoch(struct sr_entry_control *e) { return &e->writer_epoch; }
SR_INLINE uint64_t *sr_entry_wakes(struct sr_entry_control *e) { return &e->wakes; }
SR_INLINE uint32_t *sr_entry_event_word(struct sr_entry_control *e) { return &e->event_word; }
SR_INLINE struct sr_holder *sr_entry_holder(struct sr_entry_control *e) { return &e->holder; }

/* A slot's header as one word. */
SR_INLINE uint64_t sr_slot_word(uint32_t byte_count, uint32_t tag) { return (uint64_t)tag << 32 | byte_count; }
SR_INLINE uint32_t sr_slot_byte_count(uint64_t word) { return (uint32_t)word; }
SR_INLINE uint32_t sr_slot_tag(uint64_t word) { return (uint32_t)(word >> 32); }

/* Whether what was copied out of the slot of turn `read` is whole, when the turn is `now` after the copy: no writer has begun to write that slot anew. */
SR_INLINE int sr_turn_is_whole(uint64_t now, uint64_t read) { return now - read <= SR_BOARD_SLOTS - 2; }

/* The blocks of kind 4, folded into the hash of what all kinds share. */
SR_INLINE uint64_t sr_board_layout_hash(uint64_t common) {
    const uint64_t facts[] = {
        SR_KIND_BOARD,
        offsetof(struct sr_header, board),
        offsetof(struct sr_board_shape, entry_count),
        offsetof(struct sr_board_shape, keeps_time),
        offsetof(struct sr_board_shape, data_size),
        SR_BOARD_SLOTS,
        SR_SLOT_ALIGNMENT,
        SR_ALIGNED_VALUE,
        SR_ROLE_BOARD,
        SR_ROLE_ENTRY,
        sizeof(struct sr_board_control),
        offsetof(struct sr_board_control, event_word),
        offsetof(struct sr_board_control, holder),
        sizeof(struct sr_entry_control),
        offsetof(struct sr_entry_control, state),
        offsetof(struct sr_entry_control, key_length),
        offsetof(struct sr_entry_control, capacity),
        offsetof(struct sr_entry_control, data_offset),
        offsetof(struct sr_entry_control, key),
        offsetof(struct sr_entry_control, turn),
        offsetof(struct sr_entry_control, writer_epoch),
        offsetof(struct sr_entry_control, wakes),
        offsetof(struct sr_entry_control, event_word),
        offsetof(struct sr_entry_control, holder),
        sizeof(struct sr_slot_header),
        offsetof(struct sr_slot_header, tag),
    };
    return sr_hash_words(common, facts, sizeof facts / sizeof facts[0]);
}

SR_NONNULL_END

#endif

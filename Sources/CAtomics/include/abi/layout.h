/* The segment's layout: the ABI, and the one source of truth. The WireFormat article is its prose.
 *
 *   segment.h  what every segment has: header, segment control, holder information, lock bytes, epochs
 *   shapes.h   the part of the header that a kind has for itself
 *   records.h  the header of a record
 *   lanes.h    the control blocks of kinds 1 and 2: lanes, their consumer
 *   broadcast.h  the control blocks of kind 3: a publisher, its subscribers
 *   board.h    the control blocks of kind 4: entries
 *   call.h     the control blocks of kind 5: slots, servers
 *   stream.h   its lanes for streams of replies
 *
 * A new kind adds a shape, a header for its blocks, and a case to sr_layout_hash.
 */
#ifndef SHAREDRING_LAYOUT_H
#define SHAREDRING_LAYOUT_H

#include "segment.h"
#include "shapes.h"
#include "records.h"
#include "lanes.h"
#include "broadcast.h"
#include "board.h"
#include "call.h"
#include "stream.h"

SR_NONNULL_BEGIN

/* Folds what all kinds rely on into one word. */
SR_INLINE uint64_t sr_layout_hash_common(void) {
    const uint64_t facts[] = {
        SR_LAYOUT_MAJOR,
        sizeof(struct sr_header),
        offsetof(struct sr_header, required_features),
        offsetof(struct sr_header, layout_hash),
        offsetof(struct sr_header, control_offset),
        offsetof(struct sr_header, instance_id),
        offsetof(struct sr_header, label),
        offsetof(struct sr_header, checksum),
        sizeof(struct sr_segment_control),
        offsetof(struct sr_segment_control, persistent),
        offsetof(struct sr_segment_control, clean),
        offsetof(struct sr_segment_control, boot_id),
        sizeof(struct sr_holder),
        (uint64_t)SR_LOCK_FIRST,
        SR_LOCK_ROLE_SHIFT,
        SR_ROLE_CONSUMER,
        SR_ROLE_PRODUCER,
    };
    return sr_hash_words(SR_HASH_START, facts, sizeof facts / sizeof facts[0]);
}

/* Every size and offset that both sides rely on in a segment of this kind, folded into one word: two builds whose layouts of this kind
 * differ refuse each other's. 0: the kind is unknown. Another kind's blocks are not in it, so a new kind changes no older hash. */
SR_INLINE uint64_t sr_layout_hash(uint32_t kind) {
    switch (kind) {
    case SR_KIND_SPSC:
    case SR_KIND_MPSC: return sr_lanes_layout_hash(sr_layout_hash_common());
    case SR_KIND_BROADCAST: return sr_broadcast_layout_hash(sr_layout_hash_common());
    case SR_KIND_BOARD: return sr_board_layout_hash(sr_layout_hash_common());
    case SR_KIND_CALL: return sr_call_layout_hash(sr_layout_hash_common());
    default: return 0;
    }
}

SR_NONNULL_END

#endif

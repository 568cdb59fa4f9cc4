/* The segment's layout: the ABI. All fields little-endian. This file is the one source of truth; the
 * WireFormat article is its prose.
 *
 *   page 0      struct sr_header, immutable once the segment has a name
 *   control     struct sr_ring_control, then one struct sr_lane_control per lane
 *   data        lane i at data_offset + i * lane_capacity
 *
 * Every word that one process writes while another polls has a group of 128 bytes to itself: two cache lines,
 * because the adjacent-line prefetcher pulls lines in pairs. Everything that later versions are known to need is
 * reserved here from the first version on.
 */
#ifndef SHAREDRING_LAYOUT_H
#define SHAREDRING_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include "atomics.h"

#define SR_MAGIC 0x676e695264726853ULL /* the bytes "ShrdRing" */
#define SR_ABI_MAJOR 1                 /* a reader refuses another major */
#define SR_ABI_MINOR 0                 /* a reader accepts any minor: additions are guarded by feature bits */

#define SR_KIND_SPSC 1
#define SR_KIND_MPSC 2

#define SR_FEATURE_ASYMMETRIC_BARRIER 1ULL /* producers register with membarrier(2), the consumer issues it */
#define SR_FEATURE_TOTAL_ORDER 2ULL        /* records carry a ticket; pend and the ticket counter are in use */
#define SR_FEATURE_FILE_BACKED 4ULL        /* boot_id and the clean mark are in use */

#define SR_LARGEST_LANE_COUNT 1024u
#define SR_GROUP 128

/* Page 0. */
struct sr_header {
    uint64_t magic;
    uint16_t abi_major;
    uint16_t abi_minor;
    uint32_t header_length;     /* sizeof(struct sr_header) of the creator */
    uint64_t total_size;        /* of the file, bytes */
    uint32_t page_size;         /* of the creator */
    uint32_t ring_kind;         /* SR_KIND_… */
    uint32_t lane_count;        /* 1 for SPSC */
    uint32_t record_alignment;  /* power of two, 8 to 128 */
    uint64_t lane_capacity;     /* power of two, multiple of the page size */
    uint64_t control_offset;    /* multiple of the page size */
    uint64_t data_offset;       /* multiple of the page size */
    uint64_t required_features; /* a reader refuses bits it does not know */
    uint64_t optional_features; /* a reader ignores bits it does not know */
    uint64_t layout_hash;       /* sr_layout_hash() */
    uint8_t instance_id[16];    /* random: tells a ring from its successor of the same name */
    uint8_t boot_id[16];        /* file-backed: the boot in which it was made */
    int64_t created_ns;         /* CLOCK_REALTIME */
    char label[64];             /* UTF-8, padded with NUL */
    uint64_t reserved[7];
    uint64_t checksum;          /* FNV-1a of all bytes before this one */
};
_Static_assert(sizeof(struct sr_header) == 256, "");
_Static_assert(offsetof(struct sr_header, total_size) == 16, "");
_Static_assert(offsetof(struct sr_header, lane_capacity) == 40, "");
_Static_assert(offsetof(struct sr_header, instance_id) == 88, "");
_Static_assert(offsetof(struct sr_header, label) == 128, "");
_Static_assert(offsetof(struct sr_header, checksum) == 248, "");

/* Who holds a role, for people: the lock byte is the truth. Written by the holder, under its byte. */
struct sr_owner_card {
    uint32_t pid;       /* in the holder's pid namespace */
    uint32_t reserved0;
    uint64_t start_time; /* field 22 of /proc/pid/stat: with the pid it names one process */
    int64_t attached_ns; /* CLOCK_REALTIME */
    char name[64];       /* of the program, UTF-8, padded with NUL */
    uint8_t reserved1[40];
};
_Static_assert(sizeof(struct sr_owner_card) == SR_GROUP, "");

/* What a lane's producers had sent when this was told to observers: see sr_tell_account. The protocol never reads it, but the next
 * producer goes on counting from there. */
struct sr_account {
    uint64_t tail;     /* the position behind the records that are counted */
    uint64_t messages; /* committed before it */
    uint64_t bytes;    /* of their payloads */
    uint64_t bound;    /* no record and no terminator begins at or beyond it before a newer account is told; it never goes back */
};
_Static_assert(sizeof(struct sr_account) == 32, "");

/* Counters for observers, each written by its owner only; the protocol never reads them. They go on from owner to owner. */
struct sr_producer_statistics {
    uint64_t full;     /* times no room was found */
    uint64_t sleeps;   /* times it went to sleep for room, or an acknowledgement */
    uint64_t wakes;    /* times it woke the consumer */
    uint64_t backlog;  /* bytes: the most it saw unacknowledged, of the times it looked */
    uint64_t reserved[3];
};
_Static_assert(sizeof(struct sr_producer_statistics) == SR_GROUP - 72, "");

struct sr_consumer_statistics {
    uint64_t sleeps; /* in the ring's: times it went to sleep; in a lane's: 0 */
    uint64_t wakes;  /* in a lane's: times it woke that producer; in the ring's: 0 */
    uint64_t reserved[14];
};
_Static_assert(sizeof(struct sr_consumer_statistics) == SR_GROUP, "");

/* One per ring. */
struct sr_ring_control {
    /* The consumer sleeps here: 0 awake, 1 asleep. Written by the consumer and by who wakes it. */
    uint32_t data_doorbell;
    uint8_t pad0[SR_GROUP - 4];

    uint64_t tickets; /* total order: the next ticket */
    uint8_t pad1[SR_GROUP - 8];

    uint64_t lane_bitmap[SR_LARGEST_LANE_COUNT / 64]; /* lanes that somebody ever attached to; bits are never cleared */

    uint32_t consumer_epoch; /* 0 nobody came yet, odd attached (or died so), even closed */
    uint32_t untold_death;   /* not 0: a consumer noted a producer's death, to be told at the end of all streams, and has not yet */
    uint8_t pad2[SR_GROUP - 8];

    struct sr_consumer_statistics consumer_statistics;
    struct sr_owner_card consumer_card;

    uint32_t persistent; /* not 0: the last reader leaves the ring where it is */
    uint32_t clean;      /* file-backed: 1 since flush, until somebody attaches */
    uint64_t boot_id[2]; /* file-backed: the boot of the machine in which somebody attached last */
    uint8_t pad3[SR_GROUP - 24];

    uint8_t reserved[2048 - 7 * SR_GROUP];
};
_Static_assert(sizeof(struct sr_ring_control) == 2048, "");
_Static_assert(offsetof(struct sr_ring_control, tickets) == 128, "");
_Static_assert(offsetof(struct sr_ring_control, lane_bitmap) == 256, "");
_Static_assert(offsetof(struct sr_ring_control, consumer_epoch) == 384, "");
_Static_assert(offsetof(struct sr_ring_control, untold_death) == 388, "");
_Static_assert(offsetof(struct sr_ring_control, consumer_statistics) == 512, "");
_Static_assert(offsetof(struct sr_ring_control, consumer_card) == 640, "");
_Static_assert(offsetof(struct sr_ring_control, persistent) == 768, "");

/* One per lane. */
struct sr_lane_control {
    /* Written by the producer, read by the consumer. */
    uint64_t pend;           /* total order: a ticket under way is not below this; SR_NO_PEND when none is */
    uint32_t producer_epoch; /* 0 nobody came yet, odd attached (or died so), even closed */
    uint8_t pad0[SR_GROUP - 12];

    /* Written by the producer, for observers only: the protocol never reads it back. */
    uint64_t account_turn; /* its lowest bit says which account is told; the other may be half written */
    struct sr_account accounts[2];
    struct sr_producer_statistics producer_statistics;

    /* Written by the consumer, read by the producer when its ring looks full: the acknowledgement. */
    uint64_t head;
    uint32_t told_end; /* the newest producer epoch whose end a consumer was told; for the next consumer */
    uint8_t pad1[SR_GROUP - 12];

    /* The producer sleeps here when the lane is full: 0 awake, 1 asleep. */
    uint32_t space_doorbell;
    uint8_t pad2[SR_GROUP - 4];

    struct sr_owner_card producer_card;
    struct sr_consumer_statistics consumer_statistics;
    uint8_t reserved[1024 - 6 * SR_GROUP];
};
_Static_assert(sizeof(struct sr_lane_control) == 1024, "");
_Static_assert(offsetof(struct sr_lane_control, producer_epoch) == 8, "");
_Static_assert(offsetof(struct sr_lane_control, account_turn) == 128, "");
_Static_assert(offsetof(struct sr_lane_control, producer_statistics) == 200, "");
_Static_assert(offsetof(struct sr_lane_control, head) == 256, "");
_Static_assert(offsetof(struct sr_lane_control, told_end) == 264, "");
_Static_assert(offsetof(struct sr_lane_control, space_doorbell) == 384, "");
_Static_assert(offsetof(struct sr_lane_control, producer_card) == 512, "");

SR_NONNULL_BEGIN

#define SR_NO_PEND UINT64_MAX

SR_INLINE struct sr_lane_control *sr_lane(struct sr_ring_control *control, uint32_t lane) {
    return (struct sr_lane_control *)(control + 1) + lane;
}

/* The words that several processes touch, by address. (Swift's `&pointer.pointee.field` may be the address of a copy.) */
SR_INLINE uint32_t *sr_data_doorbell(struct sr_ring_control *c) { return &c->data_doorbell; }
SR_INLINE uint64_t *sr_lane_bitmap(struct sr_ring_control *c, uint32_t lane) { return &c->lane_bitmap[lane / 64]; }
SR_INLINE uint32_t *sr_consumer_epoch(struct sr_ring_control *c) { return &c->consumer_epoch; }
SR_INLINE uint32_t *sr_untold_death(struct sr_ring_control *c) { return &c->untold_death; }
SR_INLINE uint32_t *sr_clean(struct sr_ring_control *c) { return &c->clean; }
SR_INLINE uint64_t *sr_boot_words(struct sr_ring_control *c) { return c->boot_id; }
SR_INLINE uint32_t *sr_persistent(struct sr_ring_control *c) { return &c->persistent; }
SR_INLINE struct sr_owner_card *sr_consumer_card(struct sr_ring_control *c) { return &c->consumer_card; }
SR_INLINE uint32_t *sr_producer_epoch(struct sr_lane_control *l) { return &l->producer_epoch; }
SR_INLINE uint64_t *sr_tickets(struct sr_ring_control *c) { return &c->tickets; }
SR_INLINE uint64_t *sr_pend(struct sr_lane_control *l) { return &l->pend; }
SR_INLINE uint64_t *sr_account_turn(struct sr_lane_control *l) { return &l->account_turn; }
SR_INLINE struct sr_account *sr_account(struct sr_lane_control *l, uint64_t turn) { return &l->accounts[turn & 1]; }
SR_INLINE struct sr_producer_statistics *sr_statistics(struct sr_lane_control *l) { return &l->producer_statistics; }
SR_INLINE uint64_t *sr_consumer_sleeps(struct sr_ring_control *c) { return &c->consumer_statistics.sleeps; }
SR_INLINE uint64_t *sr_producer_sleeps(struct sr_lane_control *l) { return &l->producer_statistics.sleeps; }
SR_INLINE uint64_t *sr_consumer_wakes(struct sr_lane_control *l) { return &l->consumer_statistics.wakes; }
SR_INLINE uint64_t *sr_head(struct sr_lane_control *l) { return &l->head; }
SR_INLINE uint32_t *sr_told_end(struct sr_lane_control *l) { return &l->told_end; }
SR_INLINE uint32_t *sr_space_doorbell(struct sr_lane_control *l) { return &l->space_doorbell; }
SR_INLINE struct sr_owner_card *sr_producer_card(struct sr_lane_control *l) { return &l->producer_card; }

/* Counts. Only the owner writes, so no locked instruction; relaxed, since a counter orders nothing. */
SR_INLINE void sr_count(uint64_t *counter, uint64_t more) { sr_store_relaxed_u64(counter, sr_load_relaxed_u64(counter) + more); }

/* By the producer, before it writes anywhere at or beyond the last account's bound. Who is killed in the middle leaves the last one
 * told, and since that one's bound was kept, all records behind its tail are still there to be counted. */
SR_INLINE void sr_tell_account(struct sr_lane_control *l, struct sr_account told) {
    uint64_t turn = sr_load_relaxed_u64(&l->account_turn) + 1;
    struct sr_account *account = sr_account(l, turn);
    /* SYNC: account (pairs with sr_load_account and LaneTap.isOverwritten). Each with release: who sees one of them sees the turn before,
     * and so takes no account that is being written. */
    sr_store_release_u64(&account->tail, told.tail);
    sr_store_release_u64(&account->messages, told.messages);
    sr_store_release_u64(&account->bytes, told.bytes);
    sr_store_release_u64(&account->bound, told.bound);
    sr_store_release_u64(&l->account_turn, turn);
    sr_fence_release(); /* who sees what is written from now on sees this account */
}

/* By anybody: the account that is told now. While one is told again and again, the last that was tried may be a mixture. */
SR_INLINE struct sr_account sr_load_account(struct sr_lane_control *l) {
    struct sr_account told;
    for (int tries = 0; tries < 8; tries++) {
        /* SYNC: account (pairs with sr_tell_account). The last load is relaxed: the acquire loads before it order it. */
        uint64_t turn = sr_load_acquire_u64(&l->account_turn);
        struct sr_account *account = sr_account(l, turn);
        told.tail = sr_load_acquire_u64(&account->tail);
        told.messages = sr_load_acquire_u64(&account->messages);
        told.bytes = sr_load_acquire_u64(&account->bytes);
        told.bound = sr_load_acquire_u64(&account->bound);
        if (sr_load_relaxed_u64(&l->account_turn) == turn) break;
    }
    return told;
}
SR_INLINE void sr_count_full(struct sr_lane_control *l) { sr_count(&l->producer_statistics.full, 1); }
SR_INLINE void sr_count_wake(struct sr_lane_control *l) { sr_count(&l->producer_statistics.wakes, 1); }
SR_INLINE void sr_note_backlog(struct sr_lane_control *l, uint64_t bytes) {
    if (bytes > sr_load_relaxed_u64(&l->producer_statistics.backlog)) sr_store_relaxed_u64(&l->producer_statistics.backlog, bytes);
}

/* A record: this header, then the payload; records stand record_alignment apart.
 *
 *     63                              32 31 30                              0
 *    +----------------------------------+-+---------------------------------+
 *    | tag, the sender's                |1| payload byte count              |
 *    +----------------------------------+-+---------------------------------+
 *
 * All zero: nothing here yet. Byte count 2^31 - 1: the end of a stream; its tag is the epoch that its producer
 * had after it ended: even, it closed; odd, it died, and its successor wrote the mark. */
#define SR_RECORD_PRESENT 0x80000000ULL
#define SR_RECORD_COUNT_MASK 0x7fffffffULL
#define SR_RECORD_END 0x7fffffffULL
#define SR_RECORD_HEADER_SIZE 8

/* The role bytes: one-byte write locks of the open file description, far past the file's end. */
#define SR_LOCK_CONSUMER (1LL << 62)
#define SR_LOCK_LANE(lane) (SR_LOCK_CONSUMER + 1 + (lane))
SR_INLINE int64_t sr_lock_consumer(void) { return SR_LOCK_CONSUMER; }
SR_INLINE int64_t sr_lock_lane(uint32_t lane) { return SR_LOCK_LANE((int64_t)lane); }

/* A role's epoch: 0 before the first holder; odd from its attaching on, even once it has closed. The word is never 0 again, and the even epoch
 * of a holder is always its odd one plus 1: the two words of its life can be told from every other holder's. So 2^32 - 1 is left out, and
 * behind 2^32 - 2, and behind a death in 2^32 - 3, comes 1. */
SR_INLINE uint32_t sr_epoch_at_attach(uint32_t before) {
    uint32_t epoch = before + 1 + (before & 1);
    return epoch == UINT32_MAX ? 1 : epoch;
}
/* Of a forged 2^32 - 1, too, never 0. */
SR_INLINE uint32_t sr_epoch_at_close(uint32_t attached) { return attached == UINT32_MAX ? 2 : attached + 1; }
/* How many holders there have been up to this epoch, since its word began at 0 or last began anew at 1. */
SR_INLINE uint32_t sr_epoch_attachments(uint32_t epoch) { return epoch / 2 + epoch % 2; }
/* How many of them came after those that an earlier epoch counts: exact below 2^31 - 1, whether the word began anew in between or not. */
SR_INLINE uint32_t sr_epoch_attachments_since(uint32_t epoch, uint32_t earlier) {
    uint32_t now = sr_epoch_attachments(epoch), then = sr_epoch_attachments(earlier);
    return now >= then ? now - then : now + (UINT32_MAX / 2 - then);
}

/* Folds every size and offset that both sides rely on into one word: two builds whose layouts differ refuse each other. */
SR_INLINE uint64_t sr_layout_hash(void) {
    const uint64_t facts[] = {
        sizeof(struct sr_header),
        sizeof(struct sr_owner_card),
        sizeof(struct sr_ring_control),
        sizeof(struct sr_lane_control),
        offsetof(struct sr_ring_control, tickets),
        offsetof(struct sr_ring_control, lane_bitmap),
        offsetof(struct sr_ring_control, consumer_epoch),
        offsetof(struct sr_ring_control, untold_death),
        offsetof(struct sr_ring_control, consumer_statistics),
        offsetof(struct sr_ring_control, consumer_card),
        offsetof(struct sr_ring_control, persistent),
        offsetof(struct sr_ring_control, clean),
        offsetof(struct sr_lane_control, pend),
        offsetof(struct sr_lane_control, producer_epoch),
        offsetof(struct sr_lane_control, account_turn),
        offsetof(struct sr_lane_control, producer_statistics),
        offsetof(struct sr_lane_control, head),
        offsetof(struct sr_lane_control, told_end),
        offsetof(struct sr_lane_control, space_doorbell),
        offsetof(struct sr_lane_control, producer_card),
        offsetof(struct sr_lane_control, consumer_statistics),
        SR_LOCK_CONSUMER,
        SR_RECORD_END,
    };
    uint64_t hash = 0xcbf29ce484222325ULL;
    for (unsigned i = 0; i < sizeof facts / sizeof facts[0]; i++) hash = (hash ^ facts[i]) * 0x100000001b3ULL;
    return hash;
}

SR_NONNULL_END

#endif

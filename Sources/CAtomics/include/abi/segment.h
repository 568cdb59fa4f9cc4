/* What every segment has, whatever its kind: the header in page 0, and the block that its control area begins with.
 *
 *   0               struct sr_header, immutable once the segment has a name
 *   control_offset  struct sr_segment_control, the first part of the kind's control block
 *   data_offset     data, as the kind has it
 *
 * All fields are little-endian. Every word that one process writes while another polls it has a group of 128 bytes to itself: two cache
 * lines, because the adjacent-line prefetcher pulls lines in pairs.
 *
 * The comment behind a field stands in the WireFormat article: `.ci/offsets` prints its tables from here.
 */
#ifndef SHAREDRING_SEGMENT_H
#define SHAREDRING_SEGMENT_H

#include <stddef.h>
#include <stdint.h>

#include "atomics.h"
#include "shapes.h"

#define SR_GROUP 128

#define SR_MAGIC 0x676e695264726853ULL /* the bytes "ShrdRing" */
#define SR_LAYOUT_MAJOR 2              /* a reader refuses another major */
#define SR_LAYOUT_MINOR 0              /* a reader accepts any minor: additions are guarded by feature bits */

#define SR_KIND_SPSC 1
#define SR_KIND_MPSC 2
#define SR_KIND_BROADCAST 3
#define SR_KIND_BOARD 4
#define SR_KIND_CALL 5

/* Required: a reader refuses a segment with a bit that it does not know. */
#define SR_FEATURE_ASYMMETRIC_BARRIER 1ULL /* every endpoint registers with membarrier(2); an endpoint issues it before it sleeps */
#define SR_FEATURE_TOTAL_ORDER 2ULL        /* records carry a ticket; ticket floors and the ticket counter are in use */
#define SR_FEATURE_FILE_BACKED 4ULL        /* the boot id and the clean mark are in use */
#define SR_FEATURE_STREAMS 8ULL            /* kind 5: each slot has a lane for streams of replies */

/* Page 0. The first 32 bytes are the same in every layout version, for ever: by them a reader names a version that it does not speak. */
struct sr_header {
    uint64_t magic;                /* `0x676e695264726853`, the bytes `ShrdRing` */
    uint16_t major;                /* 2 */
    uint16_t minor;                /* 0; any will do */
    uint32_t header_length;        /* 512, or more in a later minor version; at most `control_offset` */
    uint64_t total_size;           /* of the file */
    uint32_t page_size;            /* of the creator */
    uint32_t kind;                 /* 1 SPSC, 2 MPSC, 3 broadcast, 4 board, 5 call */
    uint64_t required_features;    /* 1 asymmetric barrier, 2 total order, 4 file-backed, 8 streams */
    uint64_t optional_features;    /* a reader ignores bits that it does not know */
    uint64_t layout_hash;          /* of the blocks that the kind uses, see *Layout hash* */
    uint64_t control_offset;       /* multiple of the page size */
    uint64_t data_offset;          /* multiple of the page size */
    int64_t created_ns;            /* `CLOCK_REALTIME` */
    uint8_t instance_id[16];       /* random: tells a segment from its successor of the same name */
    uint8_t boot_id[16];           /* zero */
    uint64_t reserved0[2];         /* zero */
    char label[64];                /* UTF-8, padded with NUL */
    struct sr_lanes_shape lanes;   /* of kinds 1 and 2: their shape; zero in others */
    struct sr_broadcast_shape broadcast; /* of kind 3: its shape; zero in others */
    struct sr_board_shape board;   /* of kind 4: its shape; zero in others */
    struct sr_call_shape call;     /* of kind 5: its shape; zero in others */
    uint64_t later_shapes[4];      /* zero; for the shapes of later kinds */
    uint64_t reserved1[19];        /* zero */
    uint64_t checksum;             /* FNV-1a of the 504 bytes before it, whatever `header_length` is */
};
SR_STATIC_ASSERT(sizeof(struct sr_header) == 512, "the header's size");
SR_STATIC_ASSERT(offsetof(struct sr_header, kind) == 28, "the part that all versions share");
SR_STATIC_ASSERT(offsetof(struct sr_header, required_features) == 32, "the end of the part that all versions share");
SR_STATIC_ASSERT(offsetof(struct sr_header, label) == 128, "the label's place");
SR_STATIC_ASSERT(offsetof(struct sr_header, lanes) == 192, "the shapes' place");
SR_STATIC_ASSERT(offsetof(struct sr_header, checksum) == 504, "the checksum's place");

/* The first block of every control area. */
struct sr_segment_control {
    uint32_t persistent;         /* not 0: the last reader leaves the segment. Written by any process */
    uint32_t clean;              /* file-backed: 1 since a flush, until a process attaches; 2 until the disk knows that; then 0. Written by the process that attaches or flushes */
    uint64_t boot_id[2];         /* file-backed: the boot in which a process attached last. Written by the process that attaches */
    uint8_t reserved[SR_GROUP - 24]; /* zero */
};
SR_STATIC_ASSERT(sizeof(struct sr_segment_control) == SR_GROUP, "a group");

/* Who holds a role, for people: the lock byte is the truth. Written by the holder, under its byte. */
struct sr_holder {
    uint32_t pid;          /* in the holder's pid namespace; 0: no holder stored it */
    uint32_t reserved0;    /* zero */
    uint64_t start_time;   /* field 22 of `/proc/pid/stat`: with the pid it names one process */
    int64_t attached_ns;   /* `CLOCK_REALTIME` */
    char name[64];         /* of the program, UTF-8, padded with NUL */
    uint8_t reserved1[40]; /* zero */
};
SR_STATIC_ASSERT(sizeof(struct sr_holder) == SR_GROUP, "a group");

SR_NONNULL_BEGIN

/* The words that several processes touch, by address. (Swift's `&pointer.pointee.field` may be the address of a copy.) */
SR_INLINE uint32_t *sr_persistent(struct sr_segment_control *c) { return &c->persistent; }
SR_INLINE uint32_t *sr_clean(struct sr_segment_control *c) { return &c->clean; }
SR_INLINE uint64_t *sr_boot_words(struct sr_segment_control *c) { return c->boot_id; }

/* --- hashes: FNV-1a, 64 bits ------------------------------------------------------------------------------- */

#define SR_HASH_START 0xcbf29ce484222325ULL
SR_INLINE uint64_t sr_hash_step(uint64_t hash, uint64_t value) { return (hash ^ value) * 0x100000001b3ULL; }

SR_INLINE uint64_t sr_hash_bytes(uint64_t hash, const void *bytes, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) hash = sr_hash_step(hash, ((const uint8_t *)bytes)[i]);
    return hash;
}
/* A step for each word, not for each of its bytes. */
SR_INLINE uint64_t sr_hash_words(uint64_t hash, const uint64_t *words, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) hash = sr_hash_step(hash, words[i]);
    return hash;
}

SR_INLINE uint64_t sr_header_checksum(const struct sr_header *header) {
    return sr_hash_bytes(SR_HASH_START, header, offsetof(struct sr_header, checksum));
}

/* --- roles --------------------------------------------------------------------------------------------------- */

/* The lock bytes: one-byte write locks of the open file description, far past the file's end; one for each role kind and index. A lock
 * from sr_lock_first() on, without an end, covers all bytes of every layout version. */
#define SR_ROLE_CONSUMER 0
#define SR_ROLE_PRODUCER 1
#define SR_LOCK_FIRST (1LL << 62)
#define SR_LOCK_ROLE_SHIFT 20
#define SR_LOCK_BYTE(role, index) (SR_LOCK_FIRST + ((int64_t)(role) << SR_LOCK_ROLE_SHIFT) + (int64_t)(index))
SR_INLINE int64_t sr_lock_first(void) { return SR_LOCK_FIRST; }
SR_INLINE int64_t sr_lock_consumer(uint32_t index) { return SR_LOCK_BYTE(SR_ROLE_CONSUMER, index); }
SR_INLINE int64_t sr_lock_producer(uint32_t index) { return SR_LOCK_BYTE(SR_ROLE_PRODUCER, index); }

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

SR_NONNULL_END

#endif

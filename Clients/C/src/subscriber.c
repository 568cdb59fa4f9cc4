/* How a subscriber joins a broadcast, and what feeds a lossy one. Swift: Lane/Broadcast/SubscriberSlot, LossyFeed. */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>

#define MOST_TRIES 10000

/* --- a reliable one ----------------------------------------------------------------------------------------------------------------------- */

static void wake_publisher_if_asleep(const struct attachment *a) {
    uint32_t *doorbell = sr_space_doorbell(sr_publisher(broadcast_control(a)));
    if (sr_load_relaxed_u32(doorbell) != 0) shr_ring_doorbell(doorbell); /* relaxed: the barrier before it orders it */
}

/* Has the slot hold nothing back, and wakes a publisher that waits for that. */
void shr_leave(struct attachment *a) {
    struct sr_subscriber_control *slot = sr_subscriber(broadcast_control(a), a->role.index);
    /* SYNC: space-given (pairs with shr_slowest): all reads come before. */
    sr_store_release_u64(sr_subscriber_head(slot), SR_NO_HEAD);
    waker_barrier(a->is_asymmetric); /* SYNC: space-doorbell */
    wake_publisher_if_asleep(a);
}

/* Stores a head that nothing is written over behind. A try fails only if the publisher published a write limit beyond the head that it had worked out before it
 * could see the head. */
int shr_join(struct attachment *a, int64_t from, struct sr_checkpoint *joined) {
    struct sr_broadcast_control *control = broadcast_control(a);
    struct sr_subscriber_control *slot = sr_subscriber(control, a->role.index);
    struct shape shape = shr_shape(&a->segment);
    struct sr_checkpoint newest;
    /* SYNC: slot-in-use (pairs with next_slot): before the slot's first head. */
    sr_fetch_or_acq_rel_u64(sr_slots_used(control, a->role.index), UINT64_C(1) << (a->role.index % 64));
    /* SYNC: joined (pairs with shr_joined): whatever the predecessor had, this head is not joined yet. */
    sr_store_release_u32(sr_subscriber_joined(slot), 0);
    for (int turn = 0; turn < MOST_TRIES; turn++) {
        if (turn % 64 == 63) sr_sleep_ns(100000); /* makes room for the publisher on a busy core */
        int result = shr_newest_checkpoint(control, &shape, ring_name(a), &newest);
        if (result < 0) {
            shr_leave(a);
            return result;
        }
        if (!shr_first_checkpoint(control, &shape, from, joined)) continue;
        /* SYNC: join (pairs with extend of the publisher): the head before, a checkpoint after. */
        sr_store_release_u64(sr_subscriber_head(slot), joined->tail);
        int barrier = a->is_asymmetric ? sr_membarrier_global() : 0;
        sr_fence_full();
        if (barrier != 0) {
            shr_leave(a);
            return shr_fail(SHR_SYSTEM, -barrier, "ring", ring_name(a), "a subscriber can't join without membarrier(2), which worked when it attached");
        }
        wake_publisher_if_asleep(a);
        result = shr_newest_checkpoint(control, &shape, ring_name(a), &newest);
        if (result == SHR_OK && (int64_t)(newest.tail - joined->tail) < 0)
            result = shr_fail(SHR_POISONED, 0, "ring", ring_name(a), "lane 0 was corrupted by another process: its checkpoint's tail %llu comes behind %llu",
                              (unsigned long long)newest.tail, (unsigned long long)joined->tail);
        if (result < 0) {
            shr_leave(a);
            return result;
        }
        if (result == SHR_OK && !shr_allows_writing(&newest, joined->tail, &shape)) {
            sr_store_release_u32(sr_subscriber_joined(slot), 1); /* SYNC: joined */
            return SHR_OK;
        }
    }
    shr_leave(a);
    return shr_fail(SHR_TIMED_OUT, 0, "ring", ring_name(a), "its publisher wrote over each of %d places where this subscriber tried to join", MOST_TRIES);
}

/* --- a lossy one ------------------------------------------------------------------------------------------------------------------------------
 *
 * Records are copied out of the ring, and handed out from the copy. A copy counts only if the write limit that was loaded behind it proves that nothing of it
 * was written over. What was handed out, what is still to be, and what was missed is together what was sent since the beginning.
 */

struct lossy {
    const uint8_t *data;
    struct shape shape;
    struct sr_broadcast_control *control;
    const char *name;
    uint8_t *buffer;
    uint64_t size;
    uint64_t position;                  /* of the next record that is to be copied */
    uint64_t sent_messages, sent_bytes; /* before it */
    uint64_t missed_messages, missed_bytes;
    struct sr_lane_control words;     /* what the reader takes for its lane's */
    struct sr_subscriber_control own; /* the words of a slot that it does not have */
};

struct sr_lane_control *shr_lossy_words(struct lossy *l) {
    return &l->words;
}
uint32_t *shr_lossy_epoch(struct lossy *l) { return &l->own.epoch; }
uint64_t *shr_lossy_sleeps(struct lossy *l) { return &l->own.statistics.sleeps; }

void shr_lossy_free(struct lossy *l) {
    if (!l) return;
    free(l->buffer);
    free(l);
}

void shr_lossy_missed(const struct lossy *l, uint64_t *messages, uint64_t *bytes) {
    /* Relaxed: shr_missed may be asked for while another thread of this process waits with the subscriber. */
    *messages = sr_load_relaxed_u64(&l->missed_messages);
    *bytes = sr_load_relaxed_u64(&l->missed_bytes);
}

void shr_lossy_empty(struct lossy *l, struct reader *r) {
    sr_store_relaxed_u64(l->buffer, 0); /* relaxed: this process's own */
    shr_reader_feed(r, l->buffer, l->position);
}

static int begin(struct lossy *l, int64_t from) {
    for (int turn = 0; turn < 1000; turn++) {
        struct sr_checkpoint first, newest, wanted;
        if (turn > 16) sr_sleep_ns(1000000);
        int result = shr_newest_checkpoint(l->control, &l->shape, l->name, &newest);
        if (result < 0) return result;
        if (!shr_first_checkpoint(l->control, &l->shape, from, &first)) continue;
        /* Passes over what is not wanted, and judges that walk as a copy is judged. */
        wanted = first;
        shr_advance(&wanted, from, &l->shape, l->data);
        sr_fence_acquire(); /* SYNC: checkpoint: the walk before, the checkpoint after. */
        result = shr_newest_checkpoint(l->control, &l->shape, l->name, &newest);
        if (result < 0) return result;
        if (result == SHR_EMPTY || shr_allows_writing(&newest, first.tail, &l->shape)) continue;
        l->position = wanted.tail;
        l->sent_messages = wanted.messages;
        l->sent_bytes = wanted.bytes;
        return SHR_OK;
    }
    return shr_fail(SHR_TIMED_OUT, 0, "ring", l->name, "its publisher wrote over each of 1,000 places where this subscriber tried to begin");
}

int shr_lossy_make(const struct attachment *a, const uint8_t *data, int64_t from, struct lossy **made, uint64_t *position) {
    struct lossy *l = (struct lossy *)calloc(1, sizeof *l);
    if (l) {
        l->shape = shr_shape(&a->segment);
        l->size = l->shape.capacity < 65536 ? l->shape.capacity : 65536;
        l->buffer = (uint8_t *)malloc(l->size);
    }
    if (!l || !l->buffer) {
        free(l);
        return shr_fail(SHR_SYSTEM, ENOMEM, "ring", ring_name(a), "no memory for a copy of its messages");
    }
    l->data = data;
    l->control = broadcast_control(a);
    l->name = ring_name(a);
    int result = begin(l, from);
    if (result < 0) {
        shr_lossy_free(l);
        return result;
    }
    sr_store_relaxed_u64(&l->words.head, l->position);
    *position = l->position;
    *made = l;
    return SHR_OK;
}

bool shr_lossy_is_anything_new(const struct lossy *l) {
    struct sr_checkpoint newest;
    if (sr_load_acquire_u64(l->data + (l->position & l->shape.mask)) != 0) return true; /* SYNC: record-visible */
    if (!sr_load_broadcast_checkpoint(l->control, 0, &newest)) return false;
    return shr_allows_writing(&newest, l->position, &l->shape);
}

struct copied {
    uint64_t size, needed, messages, bytes, malformed;
    struct walk walk;
};

/* Copies records as long as the buffer has room for them and for a header of 0. `needed`: for the first one, if it has not. */
static struct copied copy(const struct lossy *l) {
    struct copied c;
    memset(&c, 0, sizeof c);
    c.walk = (struct walk){&l->shape, l->data, l->position, l->position + l->shape.capacity, 0, 0};
    while (true) {
        struct walk next = c.walk;
        enum step step = shr_walk_next(&next);
        if (step == STEP_MALFORMED) c.malformed = next.header;
        if (step != STEP_MESSAGE && step != STEP_END) return c;
        uint64_t record = next.position - c.walk.position;
        if (c.size + record + 8 > l->size) {
            if (c.size == 0) c.needed = record + 8;
            return c;
        }
        const uint8_t *place = l->data + (c.walk.position & l->shape.mask);
        sr_store_relaxed_u64(l->buffer + c.size, next.header); /* relaxed: this process's own */
        if (step == STEP_MESSAGE) {
            sr_copy(l->buffer + c.size + l->shape.offset, place + l->shape.offset, (int64_t)next.count);
            c.messages += 1;
            c.bytes += next.count;
        }
        c.size += record;
        c.walk = next;
    }
}

static int grow(struct lossy *l, uint64_t needed, struct reader *r) {
    uint8_t *larger = (uint8_t *)malloc(needed);
    if (!larger) return shr_fail(SHR_SYSTEM, ENOMEM, "ring", l->name, "no memory for a copy of %llu bytes", (unsigned long long)needed);
    free(l->buffer);
    l->buffer = larger;
    l->size = needed;
    shr_lossy_empty(l, r);
    return SHR_OK;
}

static int fail_refill(struct reader *r, int code) {
    if (code == SHR_POISONED) shr_reader_refuse(r);
    return code;
}

int shr_lossy_refill(struct lossy *l, struct reader *r) {
    if (r->poison || reader_head(r) != l->position) return SHR_OK;
    for (int turn = 0; turn < 16; turn++) {
        uint64_t start = l->position;
        struct sr_checkpoint newest;
        struct copied c = copy(l);
        sr_fence_acquire(); /* SYNC: checkpoint: the copy before, the checkpoint after. */
        int result = shr_newest_checkpoint(l->control, &l->shape, l->name, &newest);
        if (result < 0) return fail_refill(r, result);
        if (result == SHR_EMPTY) return SHR_OK; /* nothing is proven */
        if (shr_allows_writing(&newest, start, &l->shape)) {
            /* Overtaken: it goes on at the newest checkpoint, and knows what it missed. */
            uint64_t missed = newest.messages - l->sent_messages, bytes = newest.bytes - l->sent_bytes;
            uint64_t skipped = newest.tail - start, most = skipped / l->shape.alignment; /* more than can stand there is no producer's count */
            if ((int64_t)skipped <= 0 || missed > most || bytes > skipped)
                return fail_refill(
                    r,
                    shr_fail(SHR_POISONED, 0, "ring", l->name,
                             "lane 0 was corrupted by another process: by its checkpoint %llu comes behind %llu, and the messages in between can't be counted",
                             (unsigned long long)newest.tail, (unsigned long long)start));
            sr_count(&l->missed_messages, missed);
            sr_count(&l->missed_bytes, bytes);
            l->position = newest.tail;
            l->sent_messages = newest.messages;
            l->sent_bytes = newest.bytes;
            shr_lossy_empty(l, r);
            continue;
        }
        /* What was committed lies below the write limit, which only grows. */
        if ((int64_t)(newest.write_limit - c.walk.position) <= 0)
            return fail_refill(r, shr_fail(SHR_POISONED, 0, "ring", l->name,
                                           "lane 0 was corrupted by another process: its records reach to position %llu, beyond its write limit",
                                           (unsigned long long)c.walk.position));
        if (c.size > 0) {
            l->position = c.walk.position;
            l->sent_messages += c.messages;
            l->sent_bytes += c.bytes;
            sr_store_relaxed_u64(l->buffer + c.size, 0);
            shr_reader_feed(r, l->buffer, start);
            return SHR_OK;
        }
        if (c.malformed != 0)
            return fail_refill(r, shr_fail(SHR_POISONED, 0, "ring", l->name,
                                           "lane 0 was corrupted by another process: the record header at position %llu is 0x%llx", (unsigned long long)start,
                                           (unsigned long long)c.malformed));
        if (c.needed == 0) return SHR_OK; /* nothing is there */
        int grown = grow(l, c.needed, r);
        if (grown < 0) return grown;
    }
    return SHR_OK;
}

/* The slots of a broadcast's subscribers, as its publisher sees them. Swift: Lane/Broadcast/SubscriberHeads.
 *
 * Every word of a slot is another process's. A head that is no record boundary, or lies outside what the publisher still keeps, holds nothing back.
 */
#include "internal.h"

static bool next_slot(const struct heads *h, uint32_t *slot) {
    for (uint32_t i = *slot; i < h->slot_count; i = (i / 64 + 1) * 64) {
        /* SYNC: slot-in-use (pairs with shr_join) */
        uint64_t used = sr_load_acquire_u64(sr_slots_used(h->control, i)) >> (i % 64);
        if (used == 0) continue;
        *slot = i + (uint32_t)__builtin_ctzll(used);
        return *slot < h->slot_count; /* an untrusted peer's bits for slots that are not there count for nothing */
    }
    return false;
}

static bool is_valid(const struct heads *h, uint64_t head, uint64_t open, uint64_t tail) { return is_aligned(&h->shape, head) && head - open <= tail - open; }

bool shr_slowest(const struct heads *h, uint64_t open, uint64_t tail, uint64_t *slowest, uint32_t *slot) {
    bool is_any = false;
    for (uint32_t i = 0; next_slot(h, &i); i++) {
        /* SYNC: space-given (pairs with shr_reader_store_head), join (pairs with shr_join; the second look, behind its barrier) */
        uint64_t head = sr_load_acquire_u64(sr_subscriber_head(sr_subscriber(h->control, i)));
        if (!is_valid(h, head, open, tail) || (is_any && head - open >= *slowest - open)) continue;
        is_any = true;
        *slowest = head;
        if (slot) *slot = i;
    }
    return is_any;
}

bool shr_clear_dead(struct heads *h, uint64_t before, uint64_t open, uint64_t tail) {
    bool is_any = false;
    for (uint32_t i = 0; next_slot(h, &i); i++) {
        struct sr_subscriber_control *words = sr_subscriber(h->control, i);
        uint64_t head = sr_load_acquire_u64(sr_subscriber_head(words));
        if (!is_valid(h, head, open, tail) || head - open >= before - open) continue;
        /* Only under the byte: a subscriber that has just taken it would lose its head otherwise. A failing call is no proof of death. */
        if (sr_lock(h->lock, sr_lock_consumer(i), 1) != 0) continue;
        /* SYNC: space-given: the byte orders this side after the one that died. */
        if (sr_load_relaxed_u64(sr_subscriber_head(words)) != SR_NO_HEAD) {
            sr_store_release_u64(sr_subscriber_head(words), SR_NO_HEAD);
            is_any = true;
        }
        sr_unlock(h->lock, sr_lock_consumer(i), 1);
    }
    return is_any;
}

uint32_t shr_joined(const struct heads *h, bool attached) {
    uint32_t count = 0;
    for (uint32_t i = 0; next_slot(h, &i); i++) {
        struct sr_subscriber_control *words = sr_subscriber(h->control, i);
        /* SYNC: epoch, joined (pair with shr_join and shr_consumer_open): the epoch is stored last. */
        if (!(sr_load_acquire_u32(sr_subscriber_epoch(words)) & 1) || sr_load_acquire_u32(sr_subscriber_joined(words)) == 0 ||
            sr_load_acquire_u64(sr_subscriber_head(words)) == SR_NO_HEAD)
            continue;
        if (!attached || sr_lock_query(h->lock, sr_lock_consumer(i), 1) != 0) count++;
    }
    return count;
}

bool shr_any_subscriber(const struct heads *h) { return sr_lock_query(h->lock, sr_lock_consumer(0), h->slot_count) != 0; }

/* Walks over records, and the checkpoints of a broadcast. Swift: Lane/RecordWalk, Lane/Checkpoint, Lane/Broadcast/SubscriptionStart. */
#include "internal.h"

enum step shr_walk_next(struct walk *w) {
    /* SYNC: record-visible (pairs with shr_publish_). Loaded once; the copy is checked and used. The masked position lies in the first mapping. */
    uint64_t header = sr_load_acquire_u64(w->data + (w->position & w->shape->mask));
    w->header = header;
    if (header == 0) return STEP_ABSENT;
    bool is_last = is_end(header);
    if (!is_last && !admits(w->shape, header)) return STEP_MALFORMED;
    w->count = is_last ? 0 : message_size(w->shape, header);
    uint64_t end = w->position + (is_last ? w->shape->alignment : spacing(w->shape, w->count));
    if ((int64_t)(end - w->limit) > 0) return STEP_BEYOND;
    w->position = end;
    return is_last ? STEP_END : STEP_MESSAGE;
}

bool shr_allows_writing(const struct sr_checkpoint *c, uint64_t position, const struct shape *s) {
    return (int64_t)(c->write_limit - position) > (int64_t)s->capacity;
}

/* Counts the records behind the tail, to the first absent one. Bytes that no producer writes end it, too. */
void shr_count_on(struct sr_checkpoint *c, const struct shape *s, const uint8_t *data) {
    if (!is_aligned(s, c->tail)) return;
    uint64_t reach = c->write_limit - c->tail;
    struct walk w = {s, data, c->tail, c->tail + (reach < s->capacity ? reach : s->capacity), 0, 0};
    while (true) {
        enum step step = shr_walk_next(&w);
        if (step == STEP_MESSAGE) {
            c->messages += 1;
            c->bytes += w.count;
        } else if (step != STEP_END) {
            return;
        }
        c->tail = w.position;
    }
}

static bool newest_whole(struct sr_broadcast_control *c, struct sr_checkpoint *found) {
    /* SYNC: checkpoint (pairs with sr_publish_broadcast_checkpoint) */
    for (int turn = 0; turn < 64; turn++)
        if (sr_load_broadcast_checkpoint(c, 0, found)) return true;
    return false;
}

int shr_newest_checkpoint(struct sr_broadcast_control *c, const struct shape *s, const char *name, struct sr_checkpoint *found) {
    if (!newest_whole(c, found)) return SHR_EMPTY;
    found->tail &= ~(uint64_t)SR_BROADCAST_BEHIND_END;
    if (!is_aligned(s, found->tail) || found->write_limit - found->tail > s->capacity)
        return shr_fail(SHR_POISONED, 0, "ring", name,
                        "lane 0 was corrupted by another process: its checkpoint has the tail %llu and the write limit %llu, with a capacity of %llu",
                        (unsigned long long)found->tail, (unsigned long long)found->write_limit, (unsigned long long)s->capacity);
    return SHR_OK;
}

bool shr_first_checkpoint(struct sr_broadcast_control *c, const struct shape *s, int64_t from, struct sr_checkpoint *first) {
    struct sr_checkpoint whole[SR_BROADCAST_CHECKPOINTS];
    unsigned count = 0, chosen = 0;
    if (!newest_whole(c, &whole[0])) return false;
    whole[0].tail &= ~(uint64_t)SR_BROADCAST_BEHIND_END;
    if (!is_aligned(s, whole[0].tail)) return false;
    for (count = 1; count < SR_BROADCAST_CHECKPOINTS; count++) {
        struct sr_checkpoint *older = &whole[count];
        if (!sr_load_broadcast_checkpoint(c, count, older)) break;
        older->tail &= ~(uint64_t)SR_BROADCAST_BEHIND_END;
        if (!is_aligned(s, older->tail) || shr_allows_writing(&whole[0], older->tail, s) || (int64_t)(whole[count - 1].tail - older->tail) < 0) break;
    }
    if (from == SHR_FROM_OLDEST)
        chosen = count - 1;
    else if (from >= 0)
        for (chosen = 0; chosen + 1 < count && whole[0].messages - whole[chosen].messages < (uint64_t)from;) chosen++;
    *first = whole[chosen];
    first->write_limit = whole[0].write_limit; /* what may be written by now, for a walk from there */
    return true;
}

void shr_advance(struct sr_checkpoint *c, int64_t from, const struct shape *s, const uint8_t *data) {
    if (from == SHR_FROM_OLDEST) return;
    if (from == SHR_FROM_NOW) {
        shr_count_on(c, s, data);
        return;
    }
    struct sr_checkpoint end = *c;
    shr_count_on(&end, s, data);
    uint64_t there = end.messages - c->messages;
    if (there <= (uint64_t)from) return;
    struct walk w = {s, data, c->tail, c->tail + s->capacity, 0, 0};
    for (uint64_t left = there - (uint64_t)from; left > 0;) {
        enum step step = shr_walk_next(&w);
        if (step == STEP_MESSAGE) {
            left--;
            c->messages += 1;
            c->bytes += w.count;
        } else if (step != STEP_END) {
            return;
        }
        c->tail = w.position;
    }
}

/* The consumer's side of a lane: finding records, and giving their space back. Swift: Lane/Reader.
 *
 * Invariants between two calls, whatever other processes write:
 * - The cursor lies in the first mapping, and where the head's position does. `published` is a record boundary at or before the head.
 * - While a message is out (state 1), last_spacing is what its record takes. last_size is SHR_NO_SIZE_, or the size of a message whose record takes
 * last_spacing.
 * - The lane is poisoned, or `cursor_limit` lies behind the cursor, and the next proof at most a lap behind the head. A poisoned reader hands out nothing.
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>

#define NOTHING_MORE UINT64_MAX
#define NO_TICKET 1u /* no record boundary is odd */

static uint64_t lesser(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* Brings the cursor back to the first mapping, and works out its limit. */
static void settle_cursor(struct reader *r) {
    uint64_t head = reader_head(r);
    if (r->is_fed) { /* a copy is in one piece, and has no second mapping */
        r->known_head = head;
        r->known_cursor = r->fast.cursor;
        return;
    }
    const uint8_t *end = r->data + r->shape.capacity;
    if (r->fast.cursor >= end) r->fast.cursor -= r->shape.capacity;
    r->known_head = head;
    r->known_cursor = r->fast.cursor;
    uint64_t reach = lesser(r->largest_lag, r->next_proof - head), room = (uint64_t)(end - r->fast.cursor);
    r->fast.cursor_limit = r->fast.cursor + lesser(reach, room);
}

int shr_reader_init(struct reader *r, const uint8_t *data, const struct attachment *a, uint32_t number, bool is_manual, uint64_t *head_word, uint64_t *wakes) {
    memset(r, 0, sizeof *r);
    r->attachment = a;
    r->number = r->fast.number = number;
    r->shape = shr_shape(&a->segment);
    r->control = lane_control(a, number);
    r->broadcast = a->ring->kind == SHR_BROADCAST ? broadcast_control(a) : NULL;
    r->head_word = head_word ? head_word : sr_head(r->control);
    r->wakes = wakes ? wakes : sr_consumer_wakes(r->control);
    r->data = data;
    r->is_asymmetric = a->is_asymmetric;
    r->is_manual = is_manual;
    r->largest_lag = is_manual ? r->shape.capacity : r->shape.capacity / 8;
    r->fast.last_size = SHR_NO_SIZE_;
    r->ticket_position = NO_TICKET;
    r->pacing.length = r->pacing.patience = 64;
    /* SYNC: take-over (pairs with shr_reader_store_head of the consumer before) */
    uint64_t head = sr_load_acquire_u64(r->head_word);
    r->published = r->start = r->known_head = head;
    r->next_proof = head + r->shape.capacity;
    /* SYNC: epoch. Odd is no epoch of which it is known that no process held the byte. */
    r->idle_epoch = sr_load_acquire_u32(sr_producer_epoch(r->control));
    r->fast.cursor = r->known_cursor = data + (head & r->shape.mask);
    settle_cursor(r);
    if (!is_aligned(&r->shape, head))
        return shr_fail(SHR_POISONED, 0, "ring", ring_name(a),
                        "lane %u was corrupted by another process: its head is %llu, no multiple of its record alignment %llu", number,
                        (unsigned long long)head, (unsigned long long)r->shape.alignment);
    sr_fork_gate_add(&r->gate, &r->fast.state);
    return SHR_OK;
}

void shr_reader_end(struct reader *r) {
    if (r->gate.word) sr_fork_gate_remove(&r->gate);
    free(r->poison);
    r->poison = NULL;
}

int shr_reader_usable(const struct reader *r) {
    if (is_inherited(r->attachment)) return shr_fail_forked(r->attachment);
    return r->poison ? shr_fail_again(r->poison) : SHR_OK;
}

/* From now on nothing is handed out, and every operation fails with this thread's last failure. */
void shr_reader_refuse(struct reader *r) {
    r->fast.state = NOTHING_MORE;
    if (!r->poison) r->poison = (struct shr_failure *)malloc(sizeof *r->poison);
    if (r->poison) *r->poison = *shr_last_failure();
}

static int poison(struct reader *r, int code) {
    shr_reader_refuse(r);
    return code;
}

int shr_reader_reject(struct reader *r, uint64_t header) {
    unsigned long long head = reader_head(r), bits = header;
    const char *name = ring_name(r->attachment);
    if (is_end(header))
        return poison(r, shr_fail(SHR_POISONED, 0, "ring", name,
                                  "lane %u was corrupted by another process: the ends of streams up to position %llu are more than it has room for", r->number,
                                  head));
    return poison(r, shr_fail(SHR_POISONED, 0, "ring", name, "lane %u was corrupted by another process: the record header at position %llu is 0x%llx%s",
                              r->number, head, bits, header & SR_RECORD_PRESENT ? ", a message larger than the largest" : ", without the bit that every record has"));
}

int shr_reader_reject_ticket(struct reader *r, uint64_t ticket) {
    return poison(r, shr_fail(SHR_POISONED, 0, "ring", ring_name(r->attachment),
                              "lane %u was corrupted by another process: the ticket %llu at position %llu was not drawn yet or does not grow", r->number,
                              (unsigned long long)ticket, (unsigned long long)reader_head(r)));
}

/* --- a lane without an end: Swift LaneReader+Laps ------------------------------------------------------------------------------------- */

/* Whether no process could write since the last time, of a lane whose producers publish no checkpoints. */
static bool is_lap_idle(struct reader *r) {
    uint32_t epoch = sr_load_acquire_u32(sr_producer_epoch(r->control)); /* SYNC: epoch */
    bool was_idle = r->idle_epoch == epoch;
    bool is_free = (epoch & 1) == 0 || shr_role_holder(r->attachment, (struct role){SR_ROLE_PRODUCER, r->number}) == 0;
    bool is_proof = was_idle && is_free && ((epoch & 1) == 0 || r->is_idle_epoch_proven);
    r->idle_epoch = epoch;
    r->is_idle_epoch_proven = is_free;
    return is_proof;
}

static void prove_written(struct reader *r) {
    uint64_t head = reader_head(r);
    if (r->is_fed || r->poison || (int64_t)(head - r->next_proof) < 0) return;
    r->next_proof = head + r->shape.capacity;
    bool is_possible;
    /* SYNC: checkpoint. The record before the head was loaded before; so was the checkpoint that allowed it stored, or a newer one. */
    if (r->broadcast) {
        struct sr_checkpoint newest = {0, 0, 0, 0};
        for (int turn = 0; turn < 64 && !sr_load_broadcast_checkpoint(r->broadcast, 0, &newest); turn++) continue;
        uint64_t reach = newest.write_limit - r->published;
        is_possible = reach <= 2 * r->shape.capacity && head - r->published < reach;
    } else if (sr_load_acquire_u64(sr_checkpoint_turn(r->control)) != 0) {
        uint64_t reach = sr_load_checkpoint(r->control).write_limit - r->published;
        is_possible = reach <= r->shape.capacity && head - r->published < reach;
    } else {
        is_possible = !is_lap_idle(r);
    }
    if (!is_possible)
        poison(r, shr_fail(SHR_POISONED, 0, "ring", ring_name(r->attachment),
                           "lane %u was corrupted by another process: its records reach to position %llu, where its producer can't have written", r->number,
                           (unsigned long long)head));
}

/* --- giving space back ------------------------------------------------------------------------------------------------------------------ */

void shr_reader_store_head(struct reader *r) {
    r->published = reader_head(r);
    /* SYNC: space-given (pairs with the producer's refresh), take-over: all reads of these records come before. */
    sr_store_release_u64(r->head_word, r->published);
}

void shr_reader_wake(struct reader *r) {
    uint32_t *space = sr_space_doorbell(r->control);
    if (r->is_fed || sr_load_relaxed_u32(space) == 0) return; /* relaxed: the barrier before it orders it */
    shr_ring_doorbell(space);
    sr_count(r->wakes, 1);
}

void shr_reader_publish(struct reader *r) {
    shr_reader_store_head(r);
    /* SYNC: space-doorbell (pairs with declare_asleep): the head before, the doorbell after. */
    waker_barrier(r->is_asymmetric);
    shr_reader_wake(r);
}

void shr_reader_acknowledge_finished(struct reader *r) {
    if (r->fast.state == NOTHING_MORE) {
        settle_cursor(r);
        return;
    }
    bool is_due = r->fast.cursor >= r->fast.cursor_limit;
    if (is_due) prove_written(r);
    if (!r->is_manual && !r->is_fed && reader_head(r) != r->published) shr_reader_publish(r);
    if (is_due) settle_cursor(r);
}

void shr_reader_step(struct reader *r, uint64_t bytes) {
    r->fast.cursor += bytes; /* as the lane is mapped twice, the next header follows wherever this record ends */
    if (r->fast.cursor >= r->fast.cursor_limit || reader_poll(r) == 0) shr_reader_acknowledge_finished(r);
}

void shr_reader_step_over_end_record(struct reader *r) {
    r->fast.cursor += r->shape.alignment;
    if (r->fast.cursor < r->fast.cursor_limit) return;
    prove_written(r);
    settle_cursor(r);
}

/* Steps over the message that is out. False: nothing may be handed out any more. */
bool shr_reader_finish_out(struct reader *r) {
    if (r->fast.state == 1) {
        r->fast.state = 0;
        shr_reader_step(r, (uint64_t)r->fast.last_spacing);
    }
    return r->fast.state != NOTHING_MORE;
}

/* --- handing out --------------------------------------------------------------------------------------------------------------------------- */

bool shr_reader_take(struct reader *r, uint64_t header, shr_msg *message) {
    if (!admits(&r->shape, header) || r->fast.state != 0) return false;
    uint64_t size = message_size(&r->shape, header);
    /* A lane with tickets has no size: each of its records is looked at. */
    r->fast.last_size = r->shape.prefix == 0 ? header & UINT32_MAX : SHR_NO_SIZE_;
    r->fast.last_spacing = (int64_t)spacing(&r->shape, size);
    r->fast.state = 1;
    message->bytes = r->fast.cursor + r->shape.offset;
    message->count = (size_t)size;
    message->tag = (uint32_t)(header >> 32);
    message->lane = r->number;
    return true;
}

void shr_reader_feed(struct reader *r, const uint8_t *copy, uint64_t position) {
    r->is_fed = true;
    r->fast.cursor = r->known_cursor = copy;
    r->known_head = r->published = position;
    r->fast.cursor_limit = (const uint8_t *)UINTPTR_MAX;
}

/* --- pacing: Swift Lane/Reader/Pacing --------------------------------------------------------------------------------------------------------- */

enum { NONE, TRIAL, KEPT };

static void reset(struct pacing *p) {
    p->pause = 0;
    p->phase = NONE;
    p->waits = 0;
    p->length = p->patience;
}

static void give_up(struct pacing *p) {
    if (p->patience < 1 << 20) p->patience *= 2;
    reset(p);
}

static void begin(struct pacing *p, uint64_t head) {
    p->start = sr_now_ns();
    p->start_head = head;
}

static void decide(struct pacing *p, uint64_t head) {
    int64_t passed = sr_now_ns() - p->start;
    uint64_t rate = ((head - p->start_head) << 10) / (uint64_t)(passed > 1 ? passed : 1);
    switch (p->phase) {
    case NONE:
        p->rate_without = rate;
        p->best_rate = 0;
        p->best_pause = 0;
        p->phase = TRIAL;
        p->pause = 1000;
        p->length = 8;
        break;
    case TRIAL:
        if (rate > p->best_rate) {
            p->best_rate = rate;
            p->best_pause = p->pause;
        }
        if (p->pause < 32000) {
            p->pause *= 2;
        } else if (p->best_rate > p->rate_without + p->rate_without / 8) {
            p->phase = KEPT;
            p->pause = p->best_pause;
            p->length = 1024;
            p->patience = 64;
        } else {
            give_up(p);
            return;
        }
        break;
    default: reset(p); return; /* time to see whether it still pays */
    }
    p->waits = 1;
    begin(p, head);
}

void shr_reader_pace(struct reader *r) {
    struct pacing *p = &r->pacing;
    uint64_t head = reader_head(r), run = head - p->last_head;
    p->last_head = head;
    if (p->waits == 0) {
        begin(p, head);
    } else if (p->pause > 0 && run <= (uint64_t)r->fast.last_spacing) {
        if (p->phase == KEPT)
            reset(p);
        else
            give_up(p);
        return;
    }
    p->waits += 1;
    if (p->waits > p->length) decide(p, head);
    if (p->pause == 0) return;
    int64_t end = sr_now_ns() + p->pause;
    while (sr_now_ns() < end) sr_pause();
}

void shr_reader_note_wait(struct reader *r, int64_t start) {
    if (sr_now_ns() - start > 20000) reset(&r->pacing);
}

/* Many lanes into one consumer. Swift: Merge/.
 *
 * Invariants between two calls, whatever other processes write:
 * - The consumer's fast path has the reader of the lane in hand, or is closed. A lane is known iff it is among `lanes` or broken.
 * - A lane that is abandoned is poisoned. In a total order the fast path is closed: each message is chosen here.
 */
#include "consumer.h"

#include <errno.h>
#include <stdlib.h>

struct merged_lane {
    struct reader reader;
    struct peer_watch watch;
    struct mapping mapping;
    bool is_abandoned;
};

struct ready {
    uint64_t ticket;
    uint32_t lane;
};

struct merge {
    struct merged_lane **lanes; /* in the order in which they were found in use */
    uint32_t count, lane_count;
    uint64_t known[SR_LARGEST_LANE_COUNT / 64];
    uint32_t *broken; /* lanes in use that could not be set up: what is in them must not be taken for received */
    uint32_t broken_count;
    int64_t current; /* the lane in hand; -1: none */
    int64_t budget;
    struct reader *last;
    bool is_total, prefault, is_writable;
    int pending; /* found while a thread waited: the next look reports it; SHR_EMPTY: nothing */
    struct shr_failure pending_failure;
    uint64_t ends_seen;

    /* the end of all streams */
    bool has_end, since_made, has_death, is_end_found, is_death_found;
    uint64_t expected, attachments_at_end;
    struct shr_failure death;

    /* a total order */
    uint64_t bound, drawn, last_ticket, limit;
    bool has_last_ticket;
    uint32_t fruitless_polls;
    struct ready *ready; /* a binary heap, the smallest ticket on top; at most one entry a lane */
    uint32_t ready_count;
};

static struct sr_consumer_control *control_of(const struct consumer *c) { return sr_lanes_consumer(lanes_control(&c->attachment)); }

struct reader *shr_merge_last(struct consumer *c) {
    return c->merge->last;
}

/* Whether a record stands at the lane's head that may be received. */
static bool has_news(void *self) {
    struct merged_lane *lane = (struct merged_lane *)self;
    return !lane->is_abandoned && reader_poll(&lane->reader) != 0;
}

/* --- the heap --------------------------------------------------------------------------------------------------------------------------- */

static void push(struct merge *m, uint64_t ticket, uint32_t lane) {
    uint32_t hole = m->ready_count++;
    while (hole > 0 && m->ready[(hole - 1) / 2].ticket > ticket) {
        m->ready[hole] = m->ready[(hole - 1) / 2];
        hole = (hole - 1) / 2;
    }
    m->ready[hole] = (struct ready){ticket, lane};
}

static struct ready pop(struct merge *m) {
    struct ready top = m->ready[0], last = m->ready[--m->ready_count];
    uint32_t hole = 0;
    while (true) {
        uint32_t child = 2 * hole + 1;
        if (child >= m->ready_count) break;
        if (child + 1 < m->ready_count && m->ready[child + 1].ticket < m->ready[child].ticket) child++;
        if (last.ticket <= m->ready[child].ticket) break;
        m->ready[hole] = m->ready[child];
        hole = child;
    }
    m->ready[hole] = last;
    return top;
}

/* --- lanes ------------------------------------------------------------------------------------------------------------------------------ */

static int set_up(struct consumer *c, uint32_t number, struct merged_lane **made) {
    struct merge *m = c->merge;
    struct merged_lane *lane = (struct merged_lane *)calloc(1, sizeof *lane);
    if (!lane) return shr_fail(SHR_SYSTEM, ENOMEM, "ring", shr_consumer_name(c), "no memory for lane %u", number);
    int result = shr_map_lane(&c->attachment, number, m->is_writable, m->prefault, &lane->mapping);
    if (result == SHR_OK) result = shr_reader_init(&lane->reader, lane->mapping.base, &c->attachment, number, c->is_manual, NULL, NULL);
    if (result < 0) {
        shr_unmap(&lane->mapping);
        free(lane);
        return result;
    }
    struct sr_lane_control *control = lane_control(&c->attachment, number);
    shr_watch_init(&lane->watch, (struct role){SR_ROLE_PRODUCER, number}, sr_producer_epoch(control), sr_reported_end(control));
    *made = lane;
    return SHR_OK;
}

/* Adds the lanes that a producer attached to since the last look. When it is called, matters: after the barrier before sleep, and in a total order after the
 * counter was loaded. */
static int find_new_lanes(struct consumer *c) {
    struct merge *m = c->merge;
    for (uint32_t word = 0; word * 64 < m->lane_count; word++) {
        /* SYNC: lane-in-use (pairs with the producer's or at attach) */
        uint64_t new_ones = sr_load_acquire_u64(sr_lanes_used(lanes_control(&c->attachment), word * 64)) & ~m->known[word];
        for (; new_ones != 0; new_ones &= new_ones - 1) {
            uint32_t number = word * 64 + (uint32_t)__builtin_ctzll(new_ones);
            if (number >= m->lane_count) break; /* an untrusted peer set it */
            m->known[word] |= UINT64_C(1) << (number % 64);
            struct merged_lane *lane = NULL;
            int result = set_up(c, number, &lane);
            if (result < 0) {
                m->broken[m->broken_count++] = number; /* its head makes no sense, or there is no address space for it */
                return result;
            }
            m->lanes[m->count++] = lane;
        }
    }
    return SHR_OK;
}

static void finish_what_is_out(struct consumer *c) {
    if (c->merge->last) shr_reader_finish_out(c->merge->last);
}

static bool is_due(const struct merged_lane *lane) { return lane->reader.published != reader_head(&lane->reader); }

/* --- ends ---------------------------------------------------------------------------------------------------------------------------------- */

static void note(struct consumer *c, enum end end, struct merged_lane *lane) {
    struct merge *m = c->merge;
    if (end == END_NONE) return;
    shr_consumer_note(c, end, &lane->watch);
    if (end == END_CLOSED) return;
    char holder[128];
    shr_holder_name(shr_holder_of(&c->attachment, lane->watch.role), holder, sizeof holder);
    shr_fail(SHR_PEER_DIED, 0, "ring", shr_consumer_name(c),
             "%llu of its producers went away without closing; the last was that of lane %u, whose last known holder was %s", (unsigned long long)c->ends.died,
             lane->reader.number, holder);
    m->death = *shr_last_failure();
    m->has_death = true;
    /* Relaxed: the next consumer reads it, and the role byte orders the two. */
    if (m->has_end) sr_store_relaxed_u32(sr_unreported_death(control_of(c)), 1);
}

static bool attachments_if_over(struct consumer *c, uint64_t *attachments) {
    struct merge *m = c->merge;
    *attachments = 0;
    for (uint32_t i = 0; i < m->count; i++) {
        struct merged_lane *lane = m->lanes[i];
        uint32_t count, again;
        /* A close that left no end record is noted before it counts. */
        note(c, shr_watch_unrecorded_close(&lane->watch, has_news, lane), lane);
        if (!shr_watch_attachments(&lane->watch, m->since_made, &count) || has_news(lane) || !shr_watch_attachments(&lane->watch, m->since_made, &again) ||
            count != again)
            return false;
        *attachments += count;
    }
    for (uint32_t i = 0; i < m->broken_count; i++) {
        struct sr_lane_control *control = lane_control(&c->attachment, m->broken[i]);
        uint32_t epoch = sr_load_acquire_u32(sr_producer_epoch(control)); /* SYNC: epoch */
        if ((epoch & 1) && shr_role_holder(&c->attachment, (struct role){SR_ROLE_PRODUCER, m->broken[i]}) != 0) return false;
        uint32_t reported = sr_load_relaxed_u32(sr_reported_end(control)); /* relaxed: only consumers store it */
        *attachments += m->since_made ? sr_epoch_attachments(epoch) : sr_epoch_attachments_since(epoch, reported);
    }
    return true;
}

/* Nothing is there: is everything over? */
static int end_if_done(struct consumer *c) {
    struct merge *m = c->merge;
    uint64_t attachments;
    if (!m->has_end || !attachments_if_over(c, &attachments)) return SHR_EMPTY;
    if (attachments <= m->attachments_at_end || attachments < (m->expected > 1 ? m->expected : 1)) return SHR_EMPTY;
    m->attachments_at_end = attachments;
    m->is_end_found = true;
    if (m->broken_count > 0)
        return shr_fail(SHR_POISONED, 0, "ring", shr_consumer_name(c), "all producers have ended, but not all of their lanes could be read");
    m->is_death_found = m->has_death;
    return m->has_death ? shr_fail_again(&m->death) : SHR_ENDED;
}

/* Gives the caller what was found. From here on an end of all streams is reported. */
static int hand_out(struct consumer *c, int found) {
    struct merge *m = c->merge;
    if (!m->is_end_found) return found;
    if (m->is_death_found) m->has_death = false;
    m->is_end_found = m->is_death_found = false;
    for (uint32_t i = 0; i < m->count; i++) m->lanes[i]->watch.finished = m->lanes[i]->watch.reported;
    return found;
}

/* --- choosing -------------------------------------------------------------------------------------------------------------------------------- */

/* The header of the lane's next message, past any end records; 0: there is none. Fails once a lane that is poisoned. */
static int find_header(struct consumer *c, struct merged_lane *lane, uint64_t *header) {
    struct reader *r = &lane->reader;
    *header = 0;
    if (lane->is_abandoned) return SHR_OK;
    uint64_t begin = reader_head(r);
    while (true) {
        if (r->poison) { /* what was stepped over may have shown that the lane has no end */
            lane->is_abandoned = true;
            return shr_fail_again(r->poison);
        }
        *header = reader_poll(r);
        if (*header == 0 || admits(&r->shape, *header)) return SHR_OK;
        if (!reader_is_end_record(r, *header, begin)) {
            lane->is_abandoned = true;
            return shr_reader_reject(r, *header);
        }
        /* Noted before it is acknowledged: a death that is only reported at the end must not be forgotten with this consumer. */
        bool is_first = reader_head(r) == r->start;
        note(c, shr_watch_note_end_record(&lane->watch, (uint32_t)(*header >> 32), is_first), lane);
        shr_reader_step(r, r->shape.alignment);
    }
}

static int choose(struct merge *m, uint32_t index) {
    m->current = index;
    m->last = &m->lanes[index]->reader;
    return SHR_OK;
}

static int poll_round(struct consumer *c) {
    struct merge *m = c->merge;
    uint32_t index = m->current >= 0 ? (uint32_t)m->current + 1 : 0;
    m->current = -1;
    SHR_TRY(find_new_lanes(c));
    for (uint32_t i = 0; i < m->count; i++, index++) {
        if (index >= m->count) index = 0;
        uint64_t header;
        if (sr_load_relaxed_u64(m->lanes[index]->reader.fast.cursor) == 0) continue; /* relaxed: only where to look */
        SHR_TRY(find_header(c, m->lanes[index], &header));
        if (header != 0) return choose(m, index);
    }
    return end_if_done(c);
}

/* --- a total order: Swift LaneMerger+TotalOrder -------------------------------------------------------------------------------------------------- */

static uint64_t ticket_in_place(const struct reader *r) {
    return sr_load_relaxed_u64(r->fast.cursor + SR_RECORD_HEADER_SIZE); /* relaxed: the header, which was loaded before, brought it along */
}

/* The one that was seen there before, or a larger one than the record before had. */
static bool is_in_turn(const struct reader *r, uint64_t ticket) {
    return reader_head(r) == r->ticket_position ? ticket == r->ticket : ticket > r->ticket || r->ticket_position == 1;
}

static bool is_drawn(struct consumer *c, uint64_t ticket) {
    struct merge *m = c->merge;
    if (ticket < m->drawn) return true;
    /* SYNC: ticket (pairs with the producer's fetch-and-add): drawn before its header was stored. */
    m->drawn = sr_load_acquire_u64(sr_tickets(lanes_control(&c->attachment)));
    return ticket < m->drawn;
}

static void note_ticket(struct reader *r, uint64_t ticket) {
    r->ticket = ticket;
    r->ticket_position = reader_head(r);
}

static bool take_ticket(struct reader *r, uint64_t limit) {
    if (!admits(&r->shape, reader_poll(r))) return false;
    uint64_t found = ticket_in_place(r);
    if (found >= limit || !is_in_turn(r, found)) return false;
    note_ticket(r, found);
    return true;
}

/* Puts the lane's next message among the ready ones, if its ticket is below the bound. */
static int make_ready(struct consumer *c, uint32_t index) {
    struct merge *m = c->merge;
    struct reader *r = &m->lanes[index]->reader;
    uint64_t header;
    SHR_TRY(find_header(c, m->lanes[index], &header));
    if (header == 0) return SHR_OK;
    uint64_t ticket = ticket_in_place(r);
    if (!is_in_turn(r, ticket) || !is_drawn(c, ticket)) {
        m->lanes[index]->is_abandoned = true;
        return shr_reader_reject_ticket(r, ticket);
    }
    note_ticket(r, ticket);
    /* Below the bound, or found before and not used. */
    if (ticket < m->bound || (m->has_last_ticket && ticket == m->last_ticket)) push(m, ticket, index);
    return SHR_OK;
}

/* Finds out which messages may be handed out: the counter, then the lanes, then the floors, then the headers. */
static int sweep(struct consumer *c) {
    struct merge *m = c->merge;
    /* SYNC: ticket, ticket-floor: in any other order a smaller ticket could turn up behind a larger one. */
    uint64_t bound = sr_load_acquire_u64(sr_tickets(lanes_control(&c->attachment)));
    m->drawn = bound;
    SHR_TRY(find_new_lanes(c));
    for (uint32_t i = 0; i < m->count; i++) {
        if (m->lanes[i]->is_abandoned) continue;
        uint64_t floor = sr_load_acquire_u64(sr_ticket_floor(m->lanes[i]->reader.control));
        if (floor < bound) bound = floor;
    }
    m->bound = bound;
    for (uint32_t i = 0; i < m->count; i++) {
        int result = make_ready(c, i);
        if (result >= 0) continue;
        m->ready_count = 0; /* some lanes were not looked at, and may have smaller tickets */
        m->bound = 0;
        return result;
    }
    return SHR_OK;
}

/* The ticket floors of dead producers. Their byte in hand proves that they are dead. */
static void clear_dead_floors(struct consumer *c) {
    struct merge *m = c->merge;
    for (uint32_t i = 0; i < m->count; i++) {
        uint64_t *floor = sr_ticket_floor(m->lanes[i]->reader.control);
        int64_t byte = role_byte(m->lanes[i]->watch.role);
        if (sr_load_relaxed_u64(floor) == SR_NO_TICKET_FLOOR) continue; /* relaxed: only where to look; the byte is the proof */
        if (sr_lock(c->attachment.lock, byte, 1) != 0) continue;
        /* SYNC: ticket-floor (pairs with sweep): nothing is ever privately ignored. */
        sr_store_release_u64(floor, SR_NO_TICKET_FLOOR);
        sr_unlock(c->attachment.lock, byte, 1);
    }
}

static int choose_ticket(struct merge *m, uint32_t index, uint64_t ticket, uint64_t limit) {
    m->last_ticket = ticket;
    m->has_last_ticket = true;
    /* Behind it the next ticket of all may follow in this lane without a look at the others: no ticket lies between. */
    m->limit = limit > ticket + 2 ? limit : ticket + 2;
    return choose(m, index);
}

/* The message whose ticket follows the last one needs no sweep: all smaller tickets were handed out or never will be. */
static int take_next_ticket(struct consumer *c) {
    struct merge *m = c->merge;
    if (!m->has_last_ticket) return SHR_EMPTY;
    uint64_t next = m->last_ticket + 1;
    for (uint32_t i = 0; i < m->count; i++) {
        struct reader *r = &m->lanes[i]->reader;
        uint64_t header;
        if (sr_load_relaxed_u64(r->fast.cursor) == 0) continue;
        SHR_TRY(find_header(c, m->lanes[i], &header));
        if (header == 0 || ticket_in_place(r) != next || !is_drawn(c, next) || !take_ticket(r, next + 1)) continue;
        return choose_ticket(m, i, next, 0);
    }
    return SHR_EMPTY;
}

static bool is_anything_there(const struct merge *m) {
    for (uint32_t i = 0; i < m->count; i++)
        if (sr_load_relaxed_u64(m->lanes[i]->reader.fast.cursor) != 0) return true;
    return false;
}

static int poll_in_total_order(struct consumer *c) {
    struct merge *m = c->merge;
    /* The lane in hand first: its next message may be due before the others'. */
    if (m->current >= 0) {
        uint32_t index = (uint32_t)m->current;
        struct reader *r = &m->lanes[index]->reader;
        if (!m->lanes[index]->is_abandoned && !r->poison && take_ticket(r, m->limit) && is_drawn(c, r->ticket))
            return choose_ticket(m, index, r->ticket, m->limit);
        m->current = -1;
        SHR_TRY(make_ready(c, index));
    }
    if (m->ready_count == 0) {
        int found = take_next_ticket(c);
        if (found != SHR_EMPTY) return found;
        /* The sweep reads words that every send writes: where no record is, none can be due. */
        uint32_t count = m->count;
        bool is_anything = is_anything_there(m);
        if (!is_anything) SHR_TRY(find_new_lanes(c));
        if (is_anything || m->count != count) SHR_TRY(sweep(c));
    }
    if (m->ready_count == 0) {
        /* A consumer that only polls never checks its peers; the floor of a dead producer must not hold it up for ever. */
        if ((++m->fruitless_polls & 1023) == 0) clear_dead_floors(c);
        return end_if_done(c);
    }
    struct ready next = pop(m);
    uint64_t limit = m->ready_count > 0 && m->ready[0].ticket < m->bound ? m->ready[0].ticket : m->bound;
    return choose_ticket(m, next.lane, next.ticket, limit);
}

/* --- what the consumer asks for ------------------------------------------------------------------------------------------------------------------- */

static int poll_any_lane(struct consumer *c) {
    struct merge *m = c->merge;
    if (m->pending != SHR_EMPTY) {
        int found = m->pending;
        m->pending = SHR_EMPTY;
        return found < 0 ? shr_fail_again(&m->pending_failure) : found;
    }
    return m->is_total ? poll_in_total_order(c) : poll_round(c);
}

int shr_merge_poll(struct consumer *c) {
    if (is_inherited(&c->attachment)) return shr_fail_forked(&c->attachment);
    finish_what_is_out(c);
    c->fast.lane_ = &shr_closed_lane;
    return hand_out(c, poll_any_lane(c));
}

int shr_merge_take(struct consumer *c, shr_msg *message) {
    struct merge *m = c->merge;
    struct merged_lane *lane = m->lanes[m->current];
    uint64_t header = reader_poll(&lane->reader);
    if (!shr_reader_take(&lane->reader, header, message)) { /* changed since: an untrusted peer's doing */
        lane->is_abandoned = true;
        return shr_reader_reject(&lane->reader, header);
    }
    if (m->is_total) return SHR_OK;
    /* The inlined path takes messages of this size alone, so a budget of messages is one of bytes. */
    struct shr_lane_ *fast = &lane->reader.fast;
    uint64_t reach = (uint64_t)m->budget * (uint64_t)fast->last_spacing;
    if ((uint64_t)(fast->cursor_limit - fast->cursor) > reach) fast->cursor_limit = fast->cursor + reach;
    c->fast.lane_ = fast;
    return SHR_OK;
}

static int check_peers(struct consumer *c) {
    struct merge *m = c->merge;
    if (m->is_total) clear_dead_floors(c);
    for (uint32_t i = 0; i < m->count; i++) {
        struct merged_lane *lane = m->lanes[i];
        note(c, shr_watch_end(&lane->watch, &c->attachment, has_news, lane), lane);
    }
    return end_if_done(c);
}

int shr_merge_check_peers(struct consumer *c) { return hand_out(c, check_peers(c)); }

int shr_merge_watch(struct consumer *c) {
    struct merge *m = c->merge;
    if (c->first_polls == 0 || m->count == 0) return 0;
    if (m->last) shr_reader_pace(m->last);
    for (int i = 0; i < c->first_polls; i++) {
        sr_pause();
        if (is_anything_there(m)) return 1;
    }
    return 0;
}

static void keep_ends(struct merge *m, struct merged_lane *lane) {
    lane->watch.acknowledged = lane->watch.reported;
    /* While an end of all streams is to come, none is kept: should this consumer be killed, its successor waits for the same producers. */
    if (!m->has_end) lane->watch.finished = lane->watch.reported;
    shr_watch_keep_finished(&lane->watch);
}

void shr_merge_acknowledge(struct consumer *c) {
    struct merge *m = c->merge;
    bool is_any = false;
    finish_what_is_out(c);
    for (uint32_t i = 0; i < m->count; i++) {
        if (!is_due(m->lanes[i])) continue;
        shr_reader_store_head(&m->lanes[i]->reader);
        is_any = true;
    }
    if (is_any) {
        /* SYNC: space-doorbell: all heads before, all doorbells after. */
        waker_barrier(c->attachment.is_asymmetric);
        for (uint32_t i = 0; i < m->count; i++) shr_reader_wake(&m->lanes[i]->reader);
    }
    for (uint32_t i = 0; i < m->count; i++) keep_ends(m, m->lanes[i]);
    if (m->has_end && !m->has_death) sr_store_relaxed_u32(sr_unreported_death(control_of(c)), 0);
}

void shr_merge_keep_acknowledged(struct consumer *c) {
    for (uint32_t i = 0; i < c->merge->count; i++) {
        struct peer_watch *watch = &c->merge->lanes[i]->watch;
        watch->finished = watch->acknowledged;
        shr_watch_keep_finished(watch);
    }
}

void shr_merge_wake_all(struct consumer *c) {
    for (uint32_t i = 0; i < c->merge->count; i++) shr_ring_doorbell(sr_space_doorbell(c->merge->lanes[i]->reader.control));
}

bool shr_merge_is_unused(struct consumer *c) {
    struct merge *m = c->merge;
    if (find_new_lanes(c) < 0 || m->broken_count > 0) return false;
    for (uint32_t i = 0; i < m->count; i++) {
        struct merged_lane *lane = m->lanes[i];
        if (!lane->is_abandoned && (has_news(lane) || is_due(lane) || shr_watch_has_unreported(&lane->watch))) return false;
    }
    return true;
}

/* What is found and is no message is kept for the owner's next look. */
static bool keep(struct consumer *c, int found) {
    struct merge *m = c->merge;
    if (found == SHR_OK) return true;
    if (found != SHR_EMPTY) {
        m->pending = found;
        if (found < 0) m->pending_failure = *shr_last_failure();
        return true;
    }
    uint64_t ends = c->ends.closed + c->ends.died;
    bool is_new = ends != m->ends_seen; /* once for each end: the owner may ask shr_ends */
    m->ends_seen = ends;
    return is_new;
}

bool shr_merge_is_ready(struct consumer *c) { return c->merge->pending != SHR_EMPTY || keep(c, poll_any_lane(c)); }
bool shr_merge_poll_event(struct consumer *c) { return keep(c, check_peers(c)) || shr_merge_is_ready(c); }

/* --- making one ---------------------------------------------------------------------------------------------------------------------------------- */

int shr_merge_make(struct consumer *c, const struct shr_endpoint *endpoint) {
    struct merge *m = (struct merge *)calloc(1, sizeof *m);
    uint32_t count = c->attachment.segment.lane_count;
    c->merge = m;
    if (m) {
        m->lanes = (struct merged_lane **)calloc(count, sizeof *m->lanes);
        m->broken = (uint32_t *)calloc(count, sizeof *m->broken);
        m->ready = (struct ready *)calloc((size_t)count + 1, sizeof *m->ready);
    }
    if (!m || !m->lanes || !m->broken || !m->ready) return shr_fail(SHR_SYSTEM, ENOMEM, "ring", shr_consumer_name(c), "no memory for its %u lanes", count);
    m->lane_count = count;
    m->current = -1;
    m->pending = SHR_EMPTY;
    m->budget = endpoint->budget;
    m->is_total = c->attachment.segment.header.required_features & SR_FEATURE_TOTAL_ORDER;
    m->prefault = endpoint->prefault;
    m->is_writable = !endpoint->read_only;
    m->has_end = endpoint->ends > 0;
    m->expected = endpoint->ends > 0 ? (uint64_t)endpoint->ends : 0;
    m->since_made = endpoint->ends_since_made != 0;
    return SHR_OK;
}

void shr_merge_begin(struct consumer *c) {
    struct merge *m = c->merge;
    if (m->has_end && sr_load_relaxed_u32(sr_unreported_death(control_of(c))) != 0) {
        shr_fail(SHR_PEER_DIED, 0, "ring", shr_consumer_name(c),
                 "a producer went away without closing; an earlier consumer noted that and ended before it reported it");
        m->death = *shr_last_failure();
        m->has_death = true;
    }
    int result = find_new_lanes(c);
    if (result < 0) {
        m->pending = result;
        m->pending_failure = *shr_last_failure();
    }
    for (uint32_t i = 0; i < m->count; i++) shr_ring_doorbell(sr_space_doorbell(m->lanes[i]->reader.control)); /* a producer that waits for a peer finds one */
}

void shr_merge_free(struct consumer *c) {
    struct merge *m = c->merge;
    if (!m) return;
    for (uint32_t i = 0; m->lanes && i < m->count; i++) {
        shr_reader_end(&m->lanes[i]->reader);
        shr_unmap(&m->lanes[i]->mapping);
        free(m->lanes[i]);
    }
    free(m->lanes);
    free(m->broken);
    free(m->ready);
    free(m);
    c->merge = NULL;
}

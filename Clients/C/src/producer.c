/* Sending. Swift: Lane/Writer (the protocol) and Lane/Writer/ProducerCore (what is beside it).
 *
 * Invariants between two calls, whatever other processes write:
 * - The cursor lies in the double mapping, and where the tail's position does. run_start lies at or before it, less than two capacities; counted.tail is its
 * position.
 * - There is a run: the bytes from run_start to the cursor are a multiple of run_spacing_. Or run_size_ is SHR_MIXED_, and messages are counted one by one.
 * - last_head <= tail <= write limit <= last_head + capacity, as differences. (A publisher's published limit may lie further than its private one.)
 * - The window is closed, or what fits there ends inside the double mapping and before the write limit. It is closed if the lane is not plain, or poisoned.
 */
#include "internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define CLOSED UINT64_MAX
#define LONGEST_STRETCH 65536u
#define SHORTEST_RUN 8u
#define LINE 64u

struct producer {
    struct shr_producer fast; /* first: the inlined paths know this part */
    struct attachment attachment;
    struct mapping mapping;
    struct shape shape;
    uint8_t *data, *run_start;
    uint64_t average_size;
    struct sr_checkpoint counted, published;
    uint64_t last_head; /* of a publisher: its private limit less the capacity */
    struct sr_lane_control *control;
    struct sr_broadcast_control *broadcast; /* NULL: a lane with one consumer */
    struct heads heads;
    uint32_t *word; /* that sleepers sleep on */
    uint64_t *tickets;
    bool is_asymmetric, is_plain, has_opened, has_end, is_closed;
    uint64_t position_after_end;
    int64_t opened_at;
    uint64_t opened_messages;
    uint32_t lane;
    struct sr_fork_gate gate;
    struct shr_failure *poison;
    struct sleeper sleeper;
    struct peer_watch consumer;
    uint64_t awaited; /* the size that a wait is for */
    uint32_t awaited_peers;
};

static struct producer *of(struct shr_producer *p) { return (struct producer *)p; }

static const char *name_of(const struct producer *p) { return ring_name(&p->attachment); }

/* --- positions -------------------------------------------------------------------------------------------------------------------- */

static uint64_t tail_of(const struct producer *p) { return p->counted.tail + (uint64_t)(p->fast.cursor_ - p->run_start); }
static uint64_t position_of(const struct producer *p, const uint8_t *place) { return tail_of(p) + ((uint64_t)(place - p->fast.cursor_) & p->shape.mask); }
static uint8_t *place_at(const struct producer *p, uint64_t position) { return p->data + (position & p->shape.mask); }

/* --- refusing ----------------------------------------------------------------------------------------------------------------------- */

static void close_window(struct producer *p) { sr_store_relaxed_u64(&p->fast.window_end_, CLOSED); }

static int requires_usable(const struct producer *p) {
    if (is_inherited(&p->attachment)) return shr_fail_forked(&p->attachment);
    return p->poison ? shr_fail_again(p->poison) : SHR_OK;
}

static int fail_impossible(const struct producer *p, const char *what, uint64_t a, uint64_t b, uint64_t c) {
    char text[256];
    snprintf(text, sizeof text, what, (unsigned long long)a, (unsigned long long)b, (unsigned long long)c);
    return shr_fail(SHR_POISONED, 0, "ring", name_of(p), "lane %u was corrupted by another process: %s", p->lane, text);
}

static int poison(struct producer *p, int code) {
    close_window(p);
    if (!p->poison) p->poison = (struct shr_failure *)malloc(sizeof *p->poison);
    if (p->poison) *p->poison = *shr_last_failure();
    return code;
}

/* --- counting ------------------------------------------------------------------------------------------------------------------------- */

static void set_run(struct producer *p, int64_t size) {
    p->fast.run_size_ = size;
    p->fast.run_spacing_ = (int64_t)spacing(&p->shape, (uint64_t)size);
}

static void settle(struct producer *p) {
    struct shr_producer *f = &p->fast;
    uint64_t length = (uint64_t)(f->cursor_ - p->run_start);
    if (length == 0) return;
    if (f->run_size_ == SHR_MIXED_) {
        p->average_size = (uint64_t)(f->mixed_bytes_ / (f->mixed_messages_ > 0 ? f->mixed_messages_ : 1));
        p->counted.messages += (uint64_t)f->mixed_messages_;
        p->counted.bytes += (uint64_t)f->mixed_bytes_;
        f->mixed_messages_ = f->mixed_bytes_ = 0;
    } else {
        uint64_t count = length == (uint64_t)f->run_spacing_ ? 1 : length / (uint64_t)f->run_spacing_;
        p->counted.messages += count;
        p->counted.bytes += count * (uint64_t)f->run_size_;
    }
    p->counted.tail += length;
    p->run_start = f->cursor_;
}

void shr_end_run_(struct shr_producer *producer, int64_t count) {
    struct producer *p = of(producer);
    uint64_t before = p->counted.messages;
    settle(p);
    set_run(p, p->counted.messages - before >= SHORTEST_RUN ? count : SHR_MIXED_);
}

/* Counts what stands between the tail and an address: messages of a batch, or the end of a stream. */
static void book(struct producer *p, uint64_t messages, uint64_t bytes, uint8_t *next) {
    uint64_t position = position_of(p, next);
    settle(p);
    p->counted.messages += messages;
    p->counted.bytes += bytes;
    p->counted.tail = position;
    p->fast.cursor_ = p->run_start = next;
}

static bool is_same_checkpoint(const struct sr_checkpoint *a, const struct sr_checkpoint *b) {
    return a->tail == b->tail && a->messages == b->messages && a->bytes == b->bytes && a->write_limit == b->write_limit;
}

static void publish_checkpoint(struct producer *p) {
    settle(p);
    if (is_same_checkpoint(&p->counted, &p->published)) return;
    p->published = p->counted;
    if (!p->broadcast) {
        sr_publish_checkpoint(p->control, p->published);
        return;
    }
    struct sr_checkpoint stored = p->published;
    if (p->has_end && p->position_after_end == stored.tail) stored.tail |= SR_BROADCAST_BEHIND_END;
    sr_publish_broadcast_checkpoint(p->broadcast, stored);
}

/* --- the lines of the next message: Swift LaneWriter+Ahead -------------------------------------------------------------------------------- */

static bool is_ahead(const struct producer *p) { return p->fast.doorbell_ == sr_always_set(); }

static void choose_whether_ahead(struct producer *p) {
    if (!p->is_plain || p->broadcast) return;
    int64_t now = sr_now_ns();
    bool is_far = true;
    if (p->has_opened) {
        uint64_t messages = p->counted.messages - p->opened_messages;
        if (messages < 64) return; /* too few say nothing */
        int64_t size = p->fast.run_size_ > 0 ? p->fast.run_size_ : 0;
        is_far = (now - p->opened_at) / (int64_t)messages > 40 + size / 5;
    }
    p->has_opened = true;
    p->opened_at = now;
    p->opened_messages = p->counted.messages;
    p->fast.doorbell_ = is_far ? sr_always_set() : p->word;
}

/* Stores to the lines of the next message, if it is like the last ones and there is room: bytes of a message that was never committed. */
static void take_next_lines(struct producer *p) {
    int64_t room = (int64_t)(sr_load_relaxed_u64(&p->fast.window_end_) - (uint64_t)(uintptr_t)p->fast.cursor_);
    if (p->fast.run_size_ == SHR_MIXED_ || p->fast.run_size_ > room) return;
    uint64_t line = LINE - ((uintptr_t)p->fast.cursor_ & (LINE - 1));
    uint64_t last = p->fast.run_spacing_ < 2048 ? (uint64_t)p->fast.run_spacing_ : 2048;
    /* Relaxed: the next header's release store comes behind it, and no reader looks here before. */
    for (; line <= last; line += LINE) sr_store_relaxed_u64(p->fast.cursor_ + line, 0);
}

/* --- waking --------------------------------------------------------------------------------------------------------------------------- */

static void wake_sleepers(struct producer *p) {
    if (p->broadcast)
        shr_wake_events(p->word);
    else
        shr_ring_doorbell(p->word);
}

void shr_finish_commit_(struct shr_producer *producer) {
    struct producer *p = of(producer);
    /* Relaxed: the barrier of the commit orders it. */
    uint32_t word = sr_load_relaxed_u32(p->word);
    if (p->broadcast ? (word & 1) != 0 : word != 0) {
        wake_sleepers(p);
        sr_count_wake(p->control);
    }
    if (is_ahead(p)) take_next_lines(p);
}

static void after_commit(struct producer *p) {
    /* SYNC: doorbell, event-count (pair with declare_asleep): the header before, the doorbell after. */
    waker_barrier(p->is_asymmetric);
    if (sr_load_relaxed_u32(p->fast.doorbell_) & 1) shr_finish_commit_(&p->fast);
}

/* --- committing ------------------------------------------------------------------------------------------------------------------------- */

static uint64_t header_of(const struct producer *p, uint64_t count, uint32_t tag) {
    return (uint64_t)tag << 32 | SR_RECORD_PRESENT | (count + p->shape.prefix);
}

/* Stores the header at `start`, whose position is given: that commits it, and what follows it up to the tail. */
static void publish(struct producer *p, uint64_t header, uint8_t *start, uint64_t position, uint64_t count) {
    if (p->tickets) {
        /* A lower bound: the counter only grows. Relaxed, since any old value is one too. */
        uint64_t floor = sr_load_relaxed_u64(p->tickets);
        /* SYNC: ticket-floor (pairs with the consumer's sweep): stored before the ticket is drawn. */
        sr_store_release_u64(sr_ticket_floor(p->control), floor);
        /* SYNC: ticket (pairs with the consumer's sweep): carries the floor with it. */
        uint64_t ticket = sr_fetch_add_acq_rel_u64(p->tickets, count), at = position, current = header;
        for (uint64_t i = 0; i < count; i++) {
            /* Relaxed: the first header's release store makes it visible. */
            sr_store_relaxed_u64(place_at(p, at) + SR_RECORD_HEADER_SIZE, ticket + i);
            at += spacing(&p->shape, message_size(&p->shape, current));
            /* The others' headers are read back: an untrusted peer may have changed them. Keep inside the batch. */
            if (at - position >= tail_of(p) - position) break;
            current = sr_load_relaxed_u64(place_at(p, at));
            if (!admits(&p->shape, current)) break;
        }
    }
    /* SYNC: record-visible (pairs with every load of a header): payload, ticket and terminator come before. */
    sr_store_release_u64(start, header);
    /* SYNC: ticket-floor (pairs with the consumer's sweep): who sees it taken back sees the record too. Only then the doorbell. */
    if (p->tickets) sr_store_release_u64(sr_ticket_floor(p->control), SR_NO_TICKET_FLOOR);
    after_commit(p);
}

static void commit_at_cursor(struct producer *p, uint64_t count, uint32_t tag) {
    if (p->is_plain) {
        shr_publish_(&p->fast, p->fast.cursor_, (int64_t)count, tag);
        return;
    }
    uint8_t *start = p->fast.cursor_, *next = start + shr_count_(&p->fast, (int64_t)count);
    uint64_t position = position_of(p, start);
    sr_store_relaxed_u64(next, 0); /* relaxed: the header's release store makes it visible */
    p->fast.cursor_ = next;
    publish(p, header_of(p, count, tag), start, position, 1);
}

static void move_to_first_mapping(struct producer *p) {
    close_window(p);
    settle(p);
    p->fast.cursor_ = p->run_start = place_at(p, p->counted.tail);
}

static void commit_end(struct producer *p, uint32_t epoch) {
    if (p->has_end && p->position_after_end == tail_of(p)) return;
    move_to_first_mapping(p);
    uint8_t *start = p->fast.cursor_, *next = start + p->shape.alignment;
    sr_store_relaxed_u64(next, 0);
    book(p, 0, 0, next);
    /* SYNC: record-visible. Without a ticket: it ends a lane, and has no place between others. */
    sr_store_release_u64(start, (uint64_t)epoch << 32 | SR_RECORD_PRESENT | SR_RECORD_END);
    after_commit(p);
    p->has_end = true;
    p->position_after_end = p->counted.tail;
}

/* --- room ---------------------------------------------------------------------------------------------------------------------------------- */

static uint64_t overhead(const struct producer *p) { return 2 * p->shape.alignment + p->shape.offset; }
/* How large a message may be at a position, if nothing may be written at or beyond a limit; negative if not even an empty one fits. */
static int64_t left_before(const struct producer *p, uint64_t position, uint64_t limit) { return (int64_t)(limit - overhead(p) - position); }
static int64_t left_by(const struct producer *p, uint64_t position, uint64_t head) { return left_before(p, position, head + p->shape.capacity); }

static int64_t run_for(const struct producer *p, uint64_t count) {
    uint64_t stretch = p->shape.capacity / 8 < LONGEST_STRETCH ? p->shape.capacity / 8 : LONGEST_STRETCH;
    return (int64_t)(count + stretch < p->shape.largest ? count + stretch : p->shape.largest);
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static void reopen_window(struct producer *p, uint64_t count, const uint8_t *start, uint64_t position) {
    if (!p->is_plain) {
        close_window(p);
        return;
    }
    int64_t length = least(left_by(p, position, p->last_head), run_for(p, count));
    /* A dropped batch leaves the tail far before `start`: there, too, nothing fits that is larger than any message. */
    uint64_t most = (uint64_t)(uintptr_t)p->fast.cursor_ + p->shape.largest, end = (uint64_t)(uintptr_t)start + (uint64_t)length;
    sr_store_relaxed_u64(&p->fast.window_end_, end < most ? end : most);
}

static void open_window(struct producer *p, uint64_t count, const uint8_t *start) {
    uint64_t position = position_of(p, start);
    int64_t length = least(left_by(p, position, p->last_head), run_for(p, count));
    uint64_t end = position + (uint64_t)length;
    /* The write limit is monotonic. The first one may be an untrusted peer's: it lies no further from the head than the capacity. */
    uint64_t last = p->counted.write_limit - p->last_head, next = end + overhead(p);
    if (last > p->shape.capacity || last < next - p->last_head) p->counted.write_limit = next;
    publish_checkpoint(p);
    if (p->fast.run_size_ == SHR_MIXED_) set_run(p, (int64_t)p->average_size);
    choose_whether_ahead(p);
    reopen_window(p, count, start, position);
}

/* Loads the consumer's head again. */
static int refresh(struct producer *p) {
    SHR_TRY(requires_usable(p));
    if (p->broadcast) return SHR_OK; /* what subscribers allow is opened in steps */
    uint64_t tail = tail_of(p);
    /* SYNC: space-given (pairs with shr_reader_store_head): what the consumer read there, it has finished reading. */
    uint64_t head = sr_load_acquire_u64(sr_head(p->control));
    if (!is_aligned(&p->shape, head) || head - p->last_head > tail - p->last_head)
        return poison(p, fail_impossible(p, "its head is %llu, which lies not between the last head %llu and the tail %llu", head, p->last_head, tail));
    p->last_head = head;
    sr_note_backlog(p->control, tail - head);
    return SHR_OK;
}

/* Swift: LaneWriter+Subscribers.extend. First look, checkpoint, barrier, second look. */
static bool extend(struct producer *p, uint64_t count, uint64_t position) {
    uint64_t tail = p->counted.tail, slowest;
    if (!shr_slowest(&p->heads, p->last_head, tail, &slowest, NULL)) slowest = tail;
    sr_note_backlog(p->control, tail - slowest);
    if ((int64_t)count > left_by(p, position, slowest)) return false;
    uint64_t wanted = position + (uint64_t)run_for(p, count) + overhead(p), allowed = slowest + p->shape.capacity;
    uint64_t next = allowed - tail < wanted - tail ? allowed : wanted;
    if ((int64_t)(next - p->counted.write_limit) > 0) p->counted.write_limit = next;
    publish_checkpoint(p);
    /* SYNC: join (pairs with shr_join): the checkpoint before, the heads after. */
    waker_barrier(p->is_asymmetric);
    uint64_t limit = p->counted.write_limit;
    if (shr_slowest(&p->heads, p->last_head, tail, &slowest, NULL) && (int64_t)(slowest + p->shape.capacity - limit) < 0) limit = slowest + p->shape.capacity;
    if ((int64_t)(limit - (p->last_head + p->shape.capacity)) > 0) p->last_head = limit - p->shape.capacity;
    return (int64_t)count <= left_by(p, position, p->last_head);
}

static bool make_room_among_heads(struct producer *p, uint64_t count, const uint8_t *start, uint64_t position) {
    if ((int64_t)count > left_by(p, position, p->last_head) && !extend(p, count, position)) {
        uint64_t before = position + count + overhead(p) - p->shape.capacity;
        int64_t now = sr_now_ns();
        if (now >= p->heads.next_check) {
            p->heads.next_check = now + p->heads.interval;
            if (shr_clear_dead(&p->heads, before, p->last_head, tail_of(p))) extend(p, count, position);
        }
    }
    if (p->fast.run_size_ == SHR_MIXED_) set_run(p, (int64_t)p->average_size);
    reopen_window(p, count, start, position);
    return (int64_t)count <= left_by(p, position, p->last_head);
}

/* SHR_OK: a message of that size fits at *start, which may have been moved to the first mapping; SHR_EMPTY. */
static int make_room_at(struct producer *p, uint64_t count, uint8_t **start) {
    SHR_TRY(requires_usable(p));
    if (count > p->shape.largest)
        return shr_fail(SHR_MESSAGE_TOO_LARGE, 0, "ring", name_of(p), "a message of %llu bytes was given; the largest is %llu, by the ring's capacity",
                        (unsigned long long)count, (unsigned long long)p->shape.largest);
    uint64_t position = position_of(p, *start);
    p->fast.claim_ = NULL;
    move_to_first_mapping(p);
    *start = place_at(p, position);
    if (p->broadcast) return make_room_among_heads(p, count, *start, position) ? SHR_OK : SHR_EMPTY;
    if (!p->is_plain && (int64_t)count <= left_before(p, position, p->published.write_limit)) return SHR_OK;
    if ((int64_t)count > left_by(p, position, p->last_head)) SHR_TRY(refresh(p));
    open_window(p, count, *start);
    return (int64_t)count <= left_by(p, position, p->last_head) ? SHR_OK : SHR_EMPTY;
}

static int make_room(struct producer *p, uint64_t count) {
    uint8_t *place = p->fast.cursor_;
    return make_room_at(p, count, &place);
}

/* --- waiting ------------------------------------------------------------------------------------------------------------------------------------ */

static int has_room(void *self) { return make_room((struct producer *)self, ((struct producer *)self)->awaited); }
static bool has_room_now(void *self) { return has_room(self) != SHR_EMPTY; }

static int is_acknowledged(void *self) {
    struct producer *p = (struct producer *)self;
    uint64_t head;
    SHR_TRY(refresh(p));
    uint64_t tail = tail_of(p);
    if (!p->broadcast)
        head = p->last_head;
    else if (!shr_slowest(&p->heads, p->last_head, tail, &head, NULL))
        head = tail;
    return head == tail ? SHR_OK : SHR_EMPTY;
}
static bool is_acknowledged_now(void *self) { return is_acknowledged(self) != SHR_EMPTY; }

/* Once a check interval, and at a deadline. */
static int check_peers(struct producer *p, bool (*is_there)(void *), shr_check news, uint64_t before) {
    if (p->broadcast) {
        if (shr_clear_dead(&p->heads, before, p->last_head, tail_of(p))) return news(p);
        return SHR_EMPTY;
    }
    enum end end = shr_watch_end(&p->consumer, &p->attachment, is_there, p);
    if (end == END_NONE) return SHR_EMPTY;
    char holder[128];
    shr_holder_name(shr_holder_of(&p->attachment, (struct role){SR_ROLE_CONSUMER, 0}), holder, sizeof holder);
    if (end == END_DIED) return shr_fail(SHR_PEER_DIED, 0, "ring", name_of(p), "its consumer, %s, went away without closing", holder);
    return shr_fail(SHR_PEER_CLOSED, 0, "ring", name_of(p), "its consumer, %s, closed", holder);
}

static int look_for_room(void *self) {
    struct producer *p = (struct producer *)self;
    return check_peers(p, has_room_now, has_room, tail_of(p) + p->awaited + overhead(p) - p->shape.capacity);
}
static int look_for_acknowledgement(void *self) {
    struct producer *p = (struct producer *)self;
    return check_peers(p, is_acknowledged_now, is_acknowledged, tail_of(p));
}

/* The error of a wait that ended at its deadline, with the subscriber that holds this side up. */
static int naming_slowest(struct producer *p, const char *awaited, int result) {
    uint64_t head;
    uint32_t slot;
    if (result != SHR_TIMED_OUT || !p->broadcast || !shr_slowest(&p->heads, p->last_head, tail_of(p), &head, &slot) || head == tail_of(p)) return result;
    char holder[128];
    shr_holder_name(shr_holder_of(&p->attachment, (struct role){SR_ROLE_CONSUMER, slot}), holder, sizeof holder);
    return shr_fail(SHR_TIMED_OUT, 0, "ring", name_of(p), "no %s before the deadline: subscriber %u, %s, holds it up; it is %llu bytes behind", awaited, slot,
                    holder, (unsigned long long)(tail_of(p) - head));
}

static int wait_for_room(struct producer *p, uint64_t count, int64_t timeout_ns) {
    int result = make_room(p, count);
    if (result == SHR_EMPTY) sr_count_full(p->control);
    if (result != SHR_EMPTY || timeout_ns == 0) return result;
    p->awaited = count;
    return naming_slowest(p, "room in the ring", shr_sleep(&p->sleeper, shr_deadline(timeout_ns), "room in the ring", has_room, look_for_room, p));
}

int shr_wait_acknowledged(struct shr_producer *producer, int64_t timeout_ns) {
    struct producer *p = of(producer);
    int result = is_acknowledged(p);
    if (result != SHR_EMPTY || timeout_ns == 0) return result;
    return naming_slowest(p, "acknowledgement",
                          shr_sleep(&p->sleeper, shr_deadline(timeout_ns), "acknowledgement", is_acknowledged, look_for_acknowledgement, p));
}

int shr_has_consumer(struct shr_producer *producer) {
    struct producer *p = of(producer);
    if (is_inherited(&p->attachment)) return 0;
    return p->broadcast ? shr_any_subscriber(&p->heads) : shr_role_holder(&p->attachment, (struct role){SR_ROLE_CONSUMER, 0}) != 0;
}

static int are_peers_there(void *self) {
    struct producer *p = (struct producer *)self;
    bool is_there = p->broadcast ? shr_joined(&p->heads, false) >= p->awaited_peers && shr_joined(&p->heads, true) >= p->awaited_peers
                                 : shr_watch_has_come(&p->consumer) && shr_has_consumer(&p->fast);
    return is_there ? SHR_OK : SHR_EMPTY;
}

static int check_nothing(void *self) {
    (void)self;
    return SHR_EMPTY;
}

int shr_wait_consumers(struct shr_producer *producer, uint32_t count, int64_t timeout_ns) {
    struct producer *p = of(producer);
    if (is_inherited(&p->attachment)) return shr_fail_forked(&p->attachment);
    p->awaited_peers = count;
    int result = are_peers_there(p);
    if (result != SHR_EMPTY || timeout_ns == 0) return result;
    return shr_sleep(&p->sleeper, shr_deadline(timeout_ns), p->broadcast ? "subscriber" : "consumer", are_peers_there, check_nothing, p);
}

void shr_producer_cancel(struct shr_producer *producer, int cancelled) { shr_cancel(&of(producer)->sleeper, cancelled); }

uint64_t shr_free_bytes(struct shr_producer *producer) {
    struct producer *p = of(producer);
    uint64_t head, tail = tail_of(p);
    if (refresh(p) < 0) return 0;
    if (!p->broadcast)
        head = p->last_head;
    else if (!shr_slowest(&p->heads, p->last_head, tail, &head, NULL))
        head = tail;
    int64_t left = least(left_by(p, tail, head), (int64_t)p->shape.largest);
    return left < 0 ? 0 : (uint64_t)left;
}

/* --- what the inlined paths leave ------------------------------------------------------------------------------------------------------------------ */

/* What the window is to a plain lane: room below the limit that is published. */
static bool is_below_limit(const struct producer *p, uint64_t count) {
    if (p->is_plain || is_inherited(&p->attachment) || p->poison) return false;
    if (p->fast.cursor_ >= p->data + p->shape.capacity || count > p->shape.largest) return false;
    uint64_t tail = tail_of(p);
    int64_t room = p->broadcast ? left_by(p, tail, p->last_head) : left_before(p, tail, p->published.write_limit);
    return (int64_t)count <= room;
}

int shr_send_slowly_(struct shr_producer *producer, const void *bytes, size_t count, uint32_t tag, int64_t timeout_ns) {
    struct producer *p = of(producer);
    if (shr_fits_(producer, producer->cursor_, count)) { /* too large to be copied inline */
        uint8_t *place = producer->cursor_;
        sr_prefetch_to_write(place + 1024);
        sr_copy(place + SR_RECORD_HEADER_SIZE, bytes, (int64_t)count);
        shr_publish_(producer, place, (int64_t)count, tag);
        return SHR_OK;
    }
    if (!is_below_limit(p, count)) {
        int result = wait_for_room(p, count, timeout_ns);
        if (result != SHR_OK) return result;
    }
    p->fast.claim_ = NULL;
    sr_copy(p->fast.cursor_ + p->shape.offset, bytes, (int64_t)count);
    commit_at_cursor(p, count, tag);
    return SHR_OK;
}

int shr_claim_slowly_(struct shr_producer *producer, size_t count, void **place, int64_t timeout_ns) {
    struct producer *p = of(producer);
    if (!is_below_limit(p, count)) {
        int result = wait_for_room(p, count, timeout_ns);
        if (result != SHR_OK) return result;
    }
    p->fast.claim_ = p->fast.cursor_;
    p->fast.claim_size_ = count;
    *place = p->fast.cursor_ + p->shape.offset;
    return SHR_OK;
}

int shr_commit_slowly_(struct shr_producer *producer, size_t count, uint32_t tag) {
    struct producer *p = of(producer);
    SHR_TRY(requires_usable(p));
    if (!p->fast.claim_ || p->fast.claim_ != p->fast.cursor_)
        return shr_fail(SHR_MISUSE, 0, "ring", name_of(p), "nothing is claimed, or something was sent since the claim");
    if (count > p->fast.claim_size_)
        return shr_fail(SHR_MESSAGE_TOO_LARGE, 0, "ring", name_of(p), "%zu bytes were committed of a claim of %llu", count,
                        (unsigned long long)p->fast.claim_size_);
    p->fast.claim_ = NULL;
    commit_at_cursor(p, count, tag);
    return SHR_OK;
}

/* --- batches --------------------------------------------------------------------------------------------------------------------------------------- */

/* Nothing was sent since the batch began: the cursor is where it was, in whichever mapping. */
static int require_batch(const struct producer *p, const struct shr_batch *batch) {
    SHR_TRY(requires_usable(p));
    if (((uint64_t)(p->fast.cursor_ - batch->start_) & p->shape.mask) == 0) return SHR_OK;
    return shr_fail(SHR_MISUSE, 0, "ring", name_of(p), "something was sent since this batch began");
}

int shr_batch_commit(struct shr_batch *batch) {
    struct producer *p = of(batch->producer_);
    int result = require_batch(p, batch);
    if (result == SHR_OK && batch->first_ != 0) {
        sr_store_relaxed_u64(batch->place_, 0); /* relaxed: the first header's release store makes it visible */
        uint8_t *start = p->fast.cursor_;
        uint64_t position = position_of(p, start);
        book(p, (uint64_t)batch->count_, (uint64_t)batch->bytes_, batch->place_);
        publish(p, batch->first_, start, position, (uint64_t)batch->count_);
    }
    shr_batch_begin(batch->producer_, batch);
    return result;
}

static void add_to_batch(struct producer *p, struct shr_batch *batch, const void *bytes, size_t count, uint32_t tag) {
    sr_copy(batch->place_ + p->shape.offset, bytes, (int64_t)count);
    uint64_t header = header_of(p, count, tag);
    if (batch->first_ == 0)
        batch->first_ = header;
    else
        sr_store_relaxed_u64(batch->place_, header); /* relaxed: the first header's release store makes it visible */
    batch->place_ += spacing(&p->shape, count);
    batch->count_ += 1;
    batch->bytes_ += (int64_t)count;
}

int shr_batch_try_append(struct shr_batch *batch, const void *bytes, size_t count, uint32_t tag) {
    struct producer *p = of(batch->producer_);
    SHR_TRY(require_batch(p, batch));
    if (!shr_fits_(&p->fast, batch->place_, count)) {
        int result = make_room_at(p, count, &batch->place_);
        if (result == SHR_EMPTY) sr_count_full(p->control);
        if (result != SHR_OK) return result;
    }
    add_to_batch(p, batch, bytes, count, tag);
    return SHR_OK;
}

int shr_batch_append(struct shr_batch *batch, const void *bytes, size_t count, uint32_t tag, int64_t timeout_ns) {
    int result = shr_batch_try_append(batch, bytes, count, tag);
    if (result != SHR_EMPTY || timeout_ns == 0) return result;
    struct producer *p = of(batch->producer_);
    SHR_TRY(shr_batch_commit(batch)); /* what it waits for may be an answer to that */
    result = wait_for_room(p, count, timeout_ns);
    batch->start_ = batch->place_ = p->fast.cursor_;
    if (result != SHR_OK) return result;
    add_to_batch(p, batch, bytes, count, tag);
    return SHR_OK;
}

/* --- attaching -------------------------------------------------------------------------------------------------------------------------------------- */

/* Goes on behind the records that a predecessor has committed, and counts them. */
static int take_over(struct producer *p, uint64_t start, uint64_t limit) {
    struct walk w = {&p->shape, p->data, start, limit, 0, 0};
    while (true) {
        enum step step = shr_walk_next(&w);
        if (step == STEP_ABSENT) break;
        if (step == STEP_MESSAGE) p->has_end = false;
        if (step == STEP_END) {
            p->has_end = true;
            p->position_after_end = w.position;
        }
        if (step == STEP_MALFORMED) return fail_impossible(p, "the record header at position %llu is 0x%llx", w.position, w.header, 0);
        if (step == STEP_BEYOND)
            return fail_impossible(p, "its records reach from %llu to %llu, beyond %llu", start, w.position + spacing(&p->shape, w.count), limit);
    }
    /* What was sent since the last checkpoint. One of an untrusted peer may lead elsewhere; then its counts stand as they are. */
    struct sr_checkpoint inherited = p->counted;
    shr_count_on(&inherited, &p->shape, p->data);
    if (inherited.tail == w.position) p->counted = inherited;
    p->counted.tail = w.position;
    p->fast.cursor_ = p->run_start = place_at(p, w.position);
    return SHR_OK;
}

static int take_lane_over(struct producer *p) {
    /* SYNC: lane-in-use (pairs with the consumer's load of the bitmap): before the first commit. */
    sr_fetch_or_acq_rel_u64(sr_lanes_used(lanes_control(&p->attachment), p->lane), UINT64_C(1) << (p->lane % 64));
    /* SYNC: checkpoint (pairs with sr_publish_checkpoint), space-given (pairs with shr_reader_store_head) */
    p->counted = p->published = sr_load_checkpoint(p->control);
    p->last_head = sr_load_acquire_u64(sr_head(p->control));
    if (!is_aligned(&p->shape, p->last_head))
        return fail_impossible(p, "its head is %llu, no multiple of its record alignment %llu", p->last_head, p->shape.alignment, 0);
    SHR_TRY(take_over(p, p->last_head, p->last_head + p->shape.capacity - p->shape.alignment));
    open_window(p, 0, p->fast.cursor_);
    return SHR_OK;
}

static int take_broadcast_over(struct producer *p) {
    struct sr_checkpoint newest;
    bool is_whole = false;
    for (int turn = 0; turn < 64 && !is_whole; turn++) is_whole = sr_load_broadcast_checkpoint(p->broadcast, 0, &newest);
    if (!is_whole) return fail_impossible(p, "its checkpoint never held still", 0, 0, 0);
    bool has_end = newest.tail & SR_BROADCAST_BEHIND_END;
    newest.tail &= ~(uint64_t)SR_BROADCAST_BEHIND_END;
    if (!is_aligned(&p->shape, newest.tail) || newest.write_limit - newest.tail > p->shape.capacity)
        return fail_impossible(p, "its checkpoint has the tail %llu and the write limit %llu, with a capacity of %llu", newest.tail, newest.write_limit,
                               p->shape.capacity);
    p->counted = p->published = newest;
    if (has_end) {
        p->has_end = true;
        p->position_after_end = newest.tail;
    }
    /* No terminator begins at or beyond the write limit, so every record ends before it. */
    SHR_TRY(take_over(p, newest.tail, newest.write_limit));
    /* What the predecessor had open for sure: it may have been killed between its checkpoint and its second look. */
    uint64_t open = (p->has_end && p->position_after_end == p->counted.tail ? 1 : 2) * p->shape.alignment;
    p->last_head = p->counted.tail + open - p->shape.capacity;
    return SHR_OK;
}

static int attach_producer(struct producer *p, const struct shr_endpoint *endpoint) {
    struct attachment *a = &p->attachment;
    p->lane = a->role.index;
    p->control = lane_control(a, p->lane);
    p->shape = shr_shape(&a->segment);
    SHR_TRY(shr_map_lane(a, p->lane, true, endpoint->prefault, &p->mapping));
    p->data = p->fast.cursor_ = p->run_start = p->mapping.base;
    p->is_asymmetric = a->is_asymmetric;
    if (a->ring->kind == SHR_BROADCAST) {
        p->broadcast = broadcast_control(a);
        p->word = sr_broadcast_events(p->broadcast);
        p->heads = (struct heads){p->broadcast, p->shape, a->segment.slot_count, a->lock, endpoint->check_interval_ns, 0};
    } else {
        struct sr_consumer_control *consumer = sr_lanes_consumer(lanes_control(a));
        p->word = sr_consumer_doorbell(consumer);
        p->tickets = p->shape.prefix ? sr_tickets(lanes_control(a)) : NULL;
        shr_watch_init(&p->consumer, (struct role){SR_ROLE_CONSUMER, 0}, sr_consumer_epoch(consumer), NULL);
    }
    p->is_plain = p->is_asymmetric && !p->tickets;
    p->fast.doorbell_ = p->word;
    p->fast.round_up_ = p->shape.round_up;
    p->fast.round_down_ = p->shape.round_down;
    p->fast.run_size_ = SHR_MIXED_;
    p->fast.run_spacing_ = (int64_t)spacing(&p->shape, 0);
    close_window(p);
    shr_sign(sr_producer_holder(p->control));
    SHR_TRY(p->broadcast ? take_broadcast_over(p) : take_lane_over(p));
    if (!p->broadcast) sr_store_release_u64(sr_ticket_floor(p->control), SR_NO_TICKET_FLOOR); /* SYNC: ticket-floor: the walk before */
    uint32_t *epoch = sr_producer_epoch(p->control);
    uint32_t before = sr_load_acquire_u32(epoch); /* the byte orders this side after its predecessor */
    if (before & 1) commit_end(p, before);        /* it died: its stream was cut off */
    /* SYNC: epoch (pairs with shr_watch_end): the place in the lane, and a predecessor's end record, come before. */
    sr_store_release_u32(epoch, sr_epoch_at_attach(before));
    wake_sleepers(p);
    uint32_t *space = sr_space_doorbell(p->control);
    sr_store_relaxed_u32(space, 0); /* whatever the last producer left there */
    shr_sleeper_init(&p->sleeper, space, false, p->is_asymmetric, sr_producer_sleeps(p->control), "ring", name_of(p), endpoint);
    sr_fork_gate_add(&p->gate, &p->fast.window_end_);
    return SHR_OK;
}

static struct shr_endpoint endpoint_of(const struct shr_endpoint *given) {
    struct shr_endpoint endpoint;
    memset(&endpoint, 0, sizeof endpoint);
    if (given) endpoint = *given;
    endpoint.check_interval_ns = shr_interval(endpoint.check_interval_ns, 100000000);
    return endpoint;
}

int shr_producer_open(shr_ring *ring, const struct shr_endpoint *given, shr_producer **out) {
    struct shr_endpoint endpoint = endpoint_of(given);
    if (ring->kind == SHR_BOARD) return shr_fail(SHR_INCOMPATIBLE, 0, "board", ring->label, "a board has writers of entries, and no producer");
    if (ring->kind == SHR_CALL) return shr_fail(SHR_INCOMPATIBLE, 0, "call service", ring->label, "a call service has clients and servers, and no producer");
    struct producer *p = (struct producer *)calloc(1, sizeof *p);
    if (!p) return shr_fail(SHR_SYSTEM, ENOMEM, "ring", ring->label, "no memory for its producer");
    int result = shr_attach(ring, REQUEST_ANY_LANE, (struct role){SR_ROLE_PRODUCER, 0}, &p->attachment);
    if (result < 0) {
        free(p);
        return result;
    }
    result = attach_producer(p, &endpoint);
    if (result < 0) {
        struct shr_failure kept = *shr_last_failure();
        shr_unmap(&p->mapping);
        shr_detach(&p->attachment);
        free(p);
        return shr_fail_again(&kept);
    }
    *out = &p->fast;
    return SHR_OK;
}

/* --- ending -------------------------------------------------------------------------------------------------------------------------------------------------
 */

void shr_producer_drop(struct shr_producer *producer) {
    if (!producer) return;
    struct producer *p = of(producer);
    /* Not closed: to the other side this producer died. In a forked child nothing of the parent's is touched. */
    if (!p->is_closed && !is_inherited(&p->attachment) && !p->poison) publish_checkpoint(p);
    sr_fork_gate_remove(&p->gate);
    shr_detach(&p->attachment);
    shr_unmap(&p->mapping);
    free(p->poison);
    free(p);
}

int shr_producer_close(struct shr_producer *producer) {
    struct producer *p = of(producer);
    int result = requires_usable(p);
    if (result == SHR_OK) {
        uint32_t *epoch = sr_producer_epoch(p->control);
        uint32_t after = sr_epoch_at_close(sr_load_relaxed_u32(epoch)); /* relaxed: only this side writes it */
        commit_end(p, after);
        publish_checkpoint(p);
        p->is_closed = true;
        /* SYNC: epoch (pairs with shr_watch_end): who sees it even sees the end record too. */
        sr_store_release_u32(epoch, after);
        /* Before the wake: whoever is woken may remove the ring, or take the role. */
        shr_give_back(&p->attachment);
        wake_sleepers(p);
    }
    struct shr_failure kept = *shr_last_failure();
    shr_producer_drop(producer);
    return result < 0 ? shr_fail_again(&kept) : SHR_OK;
}

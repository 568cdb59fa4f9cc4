/* Receiving: a lane's one consumer, a merging consumer of many lanes, a subscriber. Swift: Lane/Reader/ConsumerCore, Merge/, Rings/Broadcast. */
#include "consumer.h"

#include <errno.h>
#include <stdlib.h>

static struct consumer *of(const struct shr_consumer *c) { return (struct consumer *)(uintptr_t)c; }

struct shr_lane_ shr_closed_lane = {NULL, UINT64_MAX, 0, 0, NULL, 0};

const char *shr_consumer_name(const struct consumer *c) { return ring_name(&c->attachment); }

static int requires_usable(struct consumer *c);

/* --- one lane ------------------------------------------------------------------------------------------------------------------------- */

static bool is_anything_there(void *self) {
    struct consumer *c = (struct consumer *)self;
    return reader_poll(&c->reader) != 0 || (c->lossy && shr_lossy_is_anything_new(c->lossy));
}

static int fail_died(struct consumer *c) {
    char holder[128];
    shr_holder_name(shr_holder_of(&c->attachment, (struct role){SR_ROLE_PRODUCER, 0}), holder, sizeof holder);
    return shr_fail(SHR_PEER_DIED, 0, "ring", shr_consumer_name(c), "its producer went away without closing the stream; its last known holder was %s", holder);
}

#define MOST_ENDS (sizeof((struct consumer *)0)->recent / sizeof((struct consumer *)0)->recent[0])

void shr_consumer_note(struct consumer *c, enum end end, const struct peer_watch *watch) {
    /* Relaxed: shr_ends counts from the owner's thread while the waiter thread has this side. Either number is right by itself. */
    sr_count(end == END_DIED ? &c->ends.died : &c->ends.closed, 1);
    struct shr_end *kept = &c->recent[(c->recent_first + c->recent_count) % MOST_ENDS];
    if (c->recent_count < MOST_ENDS)
        c->recent_count++;
    else
        c->recent_first++;
    struct sr_holder holder = *shr_holder_of(&c->attachment, watch->role); /* a copy: an untrusted peer's */
    memset(kept, 0, sizeof *kept);
    kept->lane = watch->role.index;
    kept->died = end == END_DIED;
    /* A successor may have stored its holder information since. The epoch is loaded after it, and shows that. */
    if (!shr_watch_is_last_end_newest(watch)) return;
    kept->pid = holder.pid;
    memcpy(kept->name, holder.name, sizeof kept->name - 1);
}

int shr_next_end(struct shr_consumer *consumer, struct shr_end *end) {
    struct consumer *c = of(consumer);
    SHR_TRY(requires_usable(c));
    if (shr_event_is_armed(&c->event) || c->recent_count == 0) return SHR_EMPTY;
    *end = c->recent[c->recent_first % MOST_ENDS];
    c->recent_first++;
    c->recent_count--;
    return SHR_OK;
}

static int report(struct consumer *c, enum end end) {
    shr_consumer_note(c, end, &c->producer);
    return end == END_DIED ? fail_died(c) : SHR_ENDED;
}

static void acknowledge_one(struct consumer *c) {
    shr_reader_finish_out(&c->reader);
    if (!c->reader.is_fed && c->reader.published != reader_head(&c->reader)) shr_reader_publish(&c->reader);
    c->producer.finished = c->producer.reported;
    shr_watch_keep_finished(&c->producer);
}

static void settle(struct consumer *c) {
    if (c->is_manual) return;
    if (c->merge)
        shr_merge_acknowledge(c);
    else
        acknowledge_one(c);
}

static int check_producer(struct consumer *c) {
    enum end end = shr_watch_end(&c->producer, &c->attachment, is_anything_there, c);
    return end == END_NONE ? SHR_EMPTY : report(c, end);
}

/* Deals with whatever stands at the head and is not simply a message. SHR_OK: a message stands there. */
static int poll_one(struct consumer *c) {
    struct reader *r = &c->reader;
    SHR_TRY(shr_reader_usable(r));
    shr_reader_finish_out(r);
    settle(c); /* an end that was reported before; its caller has come back since */
    uint64_t begin = reader_head(r);
    while (true) {
        if (r->poison) return shr_fail_again(r->poison); /* what was stepped over may have shown that the lane has no end */
        if (c->lossy && reader_poll(r) == 0) SHR_TRY(shr_lossy_refill(c->lossy, r));
        uint64_t header = reader_poll(r);
        if (header == 0) {
            enum end end = shr_watch_unrecorded_close(&c->producer, is_anything_there, c);
            if (end != END_NONE) return report(c, end);
            if (!c->is_end_due) return SHR_EMPTY;
            c->is_end_due = false;
            return check_producer(c);
        }
        if (admits(&r->shape, header)) return SHR_OK;
        if (!reader_is_end_record(r, header, begin)) return shr_reader_reject(r, header);
        bool is_first = reader_head(r) == r->start;
        shr_reader_step_over_end_record(r);
        enum end end = shr_watch_note_end_record(&c->producer, (uint32_t)(header >> 32), is_first);
        if (end != END_NONE) return report(c, end); /* otherwise this death was reported already */
    }
}

static int take_one(struct consumer *c, shr_msg *message) {
    struct reader *r = &c->reader;
    if (!shr_reader_take(r, reader_poll(r), message)) return shr_reader_reject(r, reader_poll(r)); /* changed since: an untrusted peer's doing */
    return SHR_OK;
}

/* A message at the head, and nothing else to deal with: as the inlined path, for a record of another size or one that begins a lap. */
static bool find_quickly(struct consumer *c, shr_msg *message) {
    struct reader *r = &c->reader;
    if (!shr_reader_finish_out(r)) return false;
    uint64_t header = reader_poll(r);
    return header != 0 && shr_reader_take(r, header, message);
}

static int watch_one(struct consumer *c) {
    if (c->first_polls == 0 || is_inherited(&c->attachment)) return 0;
    shr_reader_pace(&c->reader);
    for (int i = 0; i < c->first_polls; i++) {
        sr_pause();
        if (reader_poll(&c->reader) != 0) return 1;
    }
    return 0;
}

/* --- the calls --------------------------------------------------------------------------------------------------------------------------- */

static int requires_usable(struct consumer *c) {
    if (is_inherited(&c->attachment)) return shr_fail_forked(&c->attachment);
    if (c->is_removed) return shr_fail(SHR_NOT_FOUND, 0, "ring", shr_consumer_name(c), "this consumer has removed it");
    return SHR_OK;
}

/* And the waiter thread has not this side: it looks at lanes, notes ends, and would do so beside the caller. */
static int requires_owned(struct consumer *c) {
    SHR_TRY(requires_usable(c));
    if (!shr_event_is_armed(&c->event)) return SHR_OK;
    return shr_fail(SHR_ALREADY_WAITING, 0, "ring", shr_consumer_name(c), "its descriptor is armed, and a thread waits for it");
}

static int poll_ring(void *self) {
    struct consumer *c = (struct consumer *)self;
    return c->merge ? shr_merge_poll(c) : poll_one(c);
}

static int check_peers(void *self) {
    struct consumer *c = (struct consumer *)self;
    return c->merge ? shr_merge_check_peers(c) : check_producer(c);
}

static int take(struct consumer *c, shr_msg *message) { return c->merge ? shr_merge_take(c, message) : take_one(c, message); }

int shr_poll_slowly_(struct shr_consumer *consumer, shr_msg *message) {
    struct consumer *c = of(consumer);
    SHR_TRY(requires_usable(c));
    if (shr_event_is_armed(&c->event)) return SHR_EMPTY;
    if (!c->merge) {
        consumer->lane_ = &c->reader.fast;
        if (find_quickly(c, message)) return SHR_OK;
    }
    int found = poll_ring(c);
    return found == SHR_OK ? take(c, message) : found;
}

int shr_receive_slowly_(struct shr_consumer *consumer, shr_msg *message, int64_t timeout_ns) {
    struct consumer *c = of(consumer);
    if (timeout_ns == 0) return shr_poll_slowly_(consumer, message);
    SHR_TRY(requires_owned(c));
    if (!c->merge) {
        consumer->lane_ = &c->reader.fast;
        if (find_quickly(c, message) || (reader_poll(&c->reader) == 0 && watch_one(c) && find_quickly(c, message))) return SHR_OK;
    }
    int found = poll_ring(c);
    if (found == SHR_OK) return take(c, message);
    if (found != SHR_EMPTY) return found;
    if (c->merge && shr_merge_watch(c)) {
        found = poll_ring(c);
        if (found == SHR_OK) return take(c, message);
        if (found != SHR_EMPTY) return found;
    }
    settle(c); /* in a total order a message may be there and not be due: its lane's space must not wait for that */
    int64_t start = sr_now_ns();
    found = shr_sleep(&c->sleeper, shr_deadline(timeout_ns), "message", poll_ring, check_peers, c);
    struct reader *paced = c->merge ? shr_merge_last(c) : &c->reader;
    if (paced) shr_reader_note_wait(paced, start);
    return found == SHR_OK ? take(c, message) : found;
}

/* The reader of the message that is out, if one is. */
static struct reader *in_hand(struct consumer *c) { return c->merge ? shr_merge_last(c) : &c->reader; }

void shr_release(struct shr_consumer *consumer) {
    struct consumer *c = of(consumer);
    struct reader *r = in_hand(c);
    if (!is_inherited(&c->attachment) && !shr_event_is_armed(&c->event) && r) shr_reader_finish_out(r);
}

void shr_put_back(struct shr_consumer *consumer) {
    struct consumer *c = of(consumer);
    struct reader *r = in_hand(c);
    if (is_inherited(&c->attachment) || shr_event_is_armed(&c->event) || !r || r->fast.state != 1) return;
    r->fast.state = 0;
}

int shr_acknowledge(struct shr_consumer *consumer) {
    struct consumer *c = of(consumer);
    SHR_TRY(requires_owned(c));
    if (c->merge) {
        shr_merge_acknowledge(c);
        return SHR_OK;
    }
    SHR_TRY(shr_reader_usable(&c->reader));
    acknowledge_one(c);
    return SHR_OK;
}

void shr_ends(const struct shr_consumer *consumer, struct shr_end_counts *ends) {
    const struct shr_end_counts *counts = &of(consumer)->ends;
    ends->closed = sr_load_relaxed_u64(&counts->closed); /* relaxed: as where they are stored */
    ends->died = sr_load_relaxed_u64(&counts->died);
}

void shr_missed(const struct shr_consumer *consumer, uint64_t *messages, uint64_t *bytes) {
    *messages = *bytes = 0;
    if (of(consumer)->lossy) shr_lossy_missed(of(consumer)->lossy, messages, bytes);
}

int shr_has_producer(struct shr_consumer *consumer) {
    struct consumer *c = of(consumer);
    if (is_inherited(&c->attachment)) return 0;
    return sr_lock_query(c->attachment.lock, sr_lock_producer(0), c->attachment.segment.lane_count) != 0;
}

static int is_producer_there(void *self) {
    struct consumer *c = (struct consumer *)self;
    bool has_come = c->merge || shr_watch_has_come(&c->producer);
    return has_come && shr_has_producer(&c->fast) ? SHR_OK : SHR_EMPTY;
}

static int check_nothing(void *self) {
    (void)self;
    return SHR_EMPTY;
}

int shr_wait_producer(struct shr_consumer *consumer, int64_t timeout_ns) {
    struct consumer *c = of(consumer);
    SHR_TRY(requires_owned(c));
    settle(c);
    int result = is_producer_there(c);
    if (result != SHR_EMPTY || timeout_ns == 0) return result;
    return shr_sleep(&c->sleeper, shr_deadline(timeout_ns), "producer", is_producer_there, check_nothing, c);
}

void shr_consumer_cancel(struct shr_consumer *consumer, int cancelled) { shr_cancel(&of(consumer)->sleeper, cancelled); }

static bool is_unused(void *self) {
    struct consumer *c = (struct consumer *)self;
    if (c->merge) return shr_merge_is_unused(c);
    /* What was handed out and not acknowledged must still be there for the next consumer; a sender may have come and died meanwhile. */
    return !is_anything_there(c) && c->reader.published == reader_head(&c->reader) && !shr_watch_has_unreported(&c->producer);
}

int shr_remove_if_unused(struct shr_consumer *consumer) {
    struct consumer *c = of(consumer);
    SHR_TRY(requires_owned(c));
    if (c->lossy || c->attachment.role.kind < 0) return 0;
    if (!c->merge) SHR_TRY(shr_reader_usable(&c->reader));
    settle(c);
    int result = shr_remove_attached(&c->attachment, is_unused, c);
    if (result == 1) c->is_removed = true;
    return result;
}

/* --- a descriptor for an event loop: what is found is found again by the owner ----------------------------------------------------------------- */

static int is_ready(void *self) {
    struct consumer *c = (struct consumer *)self;
    if (c->merge) return shr_merge_is_ready(c) ? SHR_OK : SHR_EMPTY;
    if (is_anything_there(c)) return SHR_OK;
    struct peer_watch watch = c->producer; /* a copy: the owner's look finds it again */
    return shr_watch_unrecorded_close(&watch, is_anything_there, c) != END_NONE ? SHR_OK : SHR_EMPTY;
}

static int poll_event(void *self) {
    struct consumer *c = (struct consumer *)self;
    if (c->merge) return shr_merge_poll_event(c) ? SHR_OK : SHR_EMPTY;
    struct peer_watch watch = c->producer;
    if (shr_watch_end(&watch, &c->attachment, is_anything_there, c) != END_NONE) {
        c->is_end_due = true;
        return SHR_OK;
    }
    return is_ready(c);
}

int shr_consumer_descriptor(struct shr_consumer *consumer) {
    struct consumer *c = of(consumer);
    SHR_TRY(requires_usable(c));
    return shr_event_descriptor(&c->event);
}

int shr_consumer_arm(struct shr_consumer *consumer) {
    struct consumer *c = of(consumer);
    SHR_TRY(requires_usable(c));
    if (shr_event_is_armed(&c->event)) return SHR_OK;
    SHR_TRY(shr_require_not_cancelled(&c->sleeper, "message")); /* its thread would not wait, and an event loop would not rest */
    settle(c);
    /* With manual acknowledgement, too: the thread chooses another lane, and the message that is out would stay out for good. */
    struct reader *r = in_hand(c);
    if (r) shr_reader_finish_out(r);
    consumer->lane_ = &shr_closed_lane; /* the fast path keeps away while the thread has this side */
    return shr_event_arm(&c->event);
}

int shr_consumer_disarm(struct shr_consumer *consumer) {
    struct consumer *c = of(consumer);
    SHR_TRY(requires_usable(c));
    shr_event_disarm(&c->event);
    return SHR_OK;
}

/* --- attaching and ending ------------------------------------------------------------------------------------------------------------------------- */

static void attach_words(struct consumer *c, uint32_t *epoch, uint32_t *word, bool is_event_count, uint64_t *sleeps, const struct shr_endpoint *endpoint) {
    c->epoch = epoch;
    shr_sleeper_init(&c->sleeper, word, is_event_count, c->attachment.is_asymmetric, sleeps, "ring", shr_consumer_name(c), endpoint);
    shr_declare_awake(&c->sleeper); /* whatever the last consumer left there */
    shr_event_init(&c->event, &c->sleeper, is_ready, poll_event, c);
    /* SYNC: epoch (pairs with shr_watch_end). The load is relaxed: the byte orders this side after its predecessor. */
    sr_store_release_u32(epoch, sr_epoch_at_attach(sr_load_relaxed_u32(epoch)));
}

static int attach_consumer(struct consumer *c, const struct shr_endpoint *endpoint) {
    struct attachment *a = &c->attachment;
    struct sr_consumer_control *control = sr_lanes_consumer(lanes_control(a));
    shr_sign(sr_consumer_holder(control));
    if (a->ring->kind == SHR_MPSC) {
        SHR_TRY(shr_merge_make(c, endpoint));
        attach_words(c, sr_consumer_epoch(control), sr_consumer_doorbell(control), false, sr_consumer_sleeps(control), endpoint);
        shr_merge_begin(c);
        return SHR_OK;
    }
    SHR_TRY(shr_map_lane(a, 0, !endpoint->read_only, endpoint->prefault, &c->mapping));
    SHR_TRY(shr_reader_init(&c->reader, c->mapping.base, a, 0, c->is_manual, NULL, NULL));
    struct sr_lane_control *lane = lane_control(a, 0);
    shr_watch_init(&c->producer, (struct role){SR_ROLE_PRODUCER, 0}, sr_producer_epoch(lane), sr_reported_end(lane));
    attach_words(c, sr_consumer_epoch(control), sr_consumer_doorbell(control), false, sr_consumer_sleeps(control), endpoint);
    shr_ring_doorbell(sr_space_doorbell(lane)); /* a producer that waits for a peer finds one now */
    return SHR_OK;
}

static int attach_subscriber(struct consumer *c, const struct shr_endpoint *endpoint) {
    struct attachment *a = &c->attachment;
    struct sr_broadcast_control *control = broadcast_control(a);
    int64_t from = endpoint->from == 0 ? SHR_FROM_NOW : endpoint->from;
    if (from < SHR_FROM_OLDEST) return shr_fail(SHR_INVALID_OPTION, 0, "ring", ring_name(a), "a subscriber can't begin from %lld", (long long)from);
    SHR_TRY(shr_map_lane(a, 0, false, endpoint->prefault, &c->mapping));
    struct sr_lane_control *publisher = sr_publisher(control);
    shr_watch_init(&c->producer, (struct role){SR_ROLE_PRODUCER, 0}, sr_producer_epoch(publisher), NULL);
    if (endpoint->lossy) {
        uint64_t position;
        SHR_TRY(shr_lossy_make(a, c->mapping.base, from, &c->lossy, &position));
        SHR_TRY(shr_reader_init(&c->reader, c->mapping.base, a, 0, false, sr_head(shr_lossy_words(c->lossy)), NULL));
        shr_lossy_empty(c->lossy, &c->reader);
        c->is_manual = false;
        attach_words(c, shr_lossy_epoch(c->lossy), sr_broadcast_events(control), true, shr_lossy_sleeps(c->lossy), endpoint);
        return SHR_OK;
    }
    struct sr_subscriber_control *slot = sr_subscriber(control, a->role.index);
    shr_sign(sr_subscriber_holder(slot)); /* before it joins: a publisher that waits for it names it */
    struct sr_checkpoint joined;
    SHR_TRY(shr_join(a, from, &joined));
    /* What is not wanted is passed over in place: nothing of it is written over meanwhile. */
    struct shape shape = shr_shape(&a->segment);
    joined.write_limit = joined.tail + shape.capacity;
    shr_advance(&joined, from, &shape, c->mapping.base);
    /* SYNC: space-given (pairs with shr_slowest) */
    sr_store_release_u64(sr_subscriber_head(slot), joined.tail);
    c->has_joined = true;
    SHR_TRY(shr_reader_init(&c->reader, c->mapping.base, a, 0, c->is_manual, sr_subscriber_head(slot), sr_subscriber_wakes(slot)));
    attach_words(c, sr_subscriber_epoch(slot), sr_broadcast_events(control), true, sr_subscriber_sleeps(slot), endpoint);
    shr_ring_doorbell(sr_space_doorbell(publisher));
    return SHR_OK;
}

/* What is left when the role has ended, or was never had. */
static void free_consumer(struct consumer *c) {
    shr_merge_free(c);
    shr_reader_end(&c->reader);
    shr_lossy_free(c->lossy);
    shr_detach(&c->attachment);
    shr_unmap(&c->mapping);
    free(c);
}

int shr_consumer_open(shr_ring *ring, const struct shr_endpoint *given, shr_consumer **out) {
    struct shr_endpoint endpoint;
    memset(&endpoint, 0, sizeof endpoint);
    if (given) endpoint = *given;
    endpoint.check_interval_ns = shr_interval(endpoint.check_interval_ns, 100000000);
    if (endpoint.budget == 0) endpoint.budget = 256;
    if (ring->kind == SHR_BOARD) return shr_fail(SHR_INCOMPATIBLE, 0, "board", ring->label, "a board has readers, and no consumer");
    if (ring->kind == SHR_CALL) return shr_fail(SHR_INCOMPATIBLE, 0, "call service", ring->label, "a call service has clients and servers, and no consumer");
    struct consumer *c = (struct consumer *)calloc(1, sizeof *c);
    if (!c) return shr_fail(SHR_SYSTEM, ENOMEM, "ring", ring->label, "no memory for its consumer");
    bool is_broadcast = ring->kind == SHR_BROADCAST;
    enum request request = !is_broadcast ? REQUEST_CONSUMER : endpoint.lossy ? REQUEST_OBSERVER : REQUEST_ANY_SLOT;
    int result = shr_attach(ring, request, (struct role){SR_ROLE_CONSUMER, 0}, &c->attachment);
    if (result < 0) {
        free(c);
        return result;
    }
    c->event.fd = -1;
    c->is_manual = endpoint.manual != 0;
    c->first_polls = endpoint.waiting == SHR_SLEEP ? 0 : 64;
    c->fast.lane_ = ring->kind == SHR_MPSC ? &shr_closed_lane : &c->reader.fast;
    result = is_broadcast ? attach_subscriber(c, &endpoint) : attach_consumer(c, &endpoint);
    if (result < 0) {
        struct shr_failure kept = *shr_last_failure();
        if (c->has_joined) shr_leave(&c->attachment);
        free_consumer(c);
        return shr_fail_again(&kept);
    }
    *out = &c->fast;
    return SHR_OK;
}

void shr_consumer_drop(struct shr_consumer *consumer) {
    if (!consumer) return;
    struct consumer *c = of(consumer);
    shr_event_end(&c->event);
    /* What was used up is acknowledged; but the role ends without a close, which the other side reads as a death. */
    if (!is_inherited(&c->attachment) && !c->is_closed) {
        bool is_usable = c->merge || !c->reader.poison;
        if (is_usable) settle(c);
        if (c->has_joined) shr_leave(&c->attachment);
    }
    free_consumer(c);
}

int shr_consumer_close(struct shr_consumer *consumer) {
    struct consumer *c = of(consumer);
    shr_event_end(&c->event);
    int result = is_inherited(&c->attachment) ? shr_fail_forked(&c->attachment) : c->merge ? SHR_OK : shr_reader_usable(&c->reader);
    struct shr_failure kept = *shr_last_failure();
    if (result == SHR_OK) {
        settle(c);
        if (c->merge) shr_merge_keep_acknowledged(c);
        c->is_closed = true;
        if (c->has_joined) shr_leave(&c->attachment);
        /* SYNC: epoch (pairs with shr_watch_end): every head that is given back comes before. */
        sr_store_release_u32(c->epoch, sr_epoch_at_close(sr_load_relaxed_u32(c->epoch)));
        shr_give_back(&c->attachment);
        if (c->merge)
            shr_merge_wake_all(c);
        else if (!c->lossy)
            shr_ring_doorbell(sr_space_doorbell(c->reader.control));
    }
    shr_consumer_drop(consumer);
    return result < 0 ? shr_fail_again(&kept) : SHR_OK;
}

/* What the files of the library share. The Swift package is the reference: each part names the file that it follows. */
#ifndef SHR_INTERNAL_H
#define SHR_INTERNAL_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wnullability-extension" /* the shim's marks for Swift */
#endif
#include "system/linux.h"
#if defined(__clang__)
#pragma clang diagnostic pop
#endif

#include "sharedring.h"

/* --- errors (error.c) ---------------------------------------------------------------------------------------------------- */

#define SHR_TEXT 768

struct shr_failure {
    int code;
    int error; /* of the system, or 0 */
    char text[SHR_TEXT];
};

/* Notes this thread's failure, and returns the code. The sentence is "ring 'NAME': DETAIL (what the system says)". */
int shr_fail(int code, int error, const char *what, const char *name, const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Notes a failure that was kept. */
int shr_fail_again(const struct shr_failure *kept);
/* This thread's last failure, to be kept. */
const struct shr_failure *shr_last_failure(void);

#define SHR_TRY(call)                                                                                                                                          \
    do {                                                                                                                                                       \
        int result_ = (call);                                                                                                                                  \
        if (result_ < 0) return result_;                                                                                                                       \
    } while (0)

/* --- segments (segment.c; Swift: Segment/) -------------------------------------------------------------------------------------- */

/* What never changes about a lane, taken from the checked header. */
struct shape {
    uint64_t capacity, alignment, mask;
    uint64_t round_up, round_down; /* what spacing adds, and the mask that rounds down */
    uint64_t largest;              /* message, in bytes */
    uint32_t prefix;               /* the ticket in a total order, else 0 */
    uint32_t offset;               /* of the message in its record */
};

static inline uint64_t spacing(const struct shape *s, uint64_t count) { return (count + s->round_up) & s->round_down; }
static inline uint64_t header_count(uint64_t header) { return header & SR_RECORD_COUNT_MASK; }
static inline bool is_end(uint64_t header) { return (header & SR_RECORD_PRESENT) && header_count(header) == SR_RECORD_END; }
static inline uint64_t message_size(const struct shape *s, uint64_t header) { return header_count(header) - s->prefix; }
/* Without a sign, so that a count below the prefix is too large as well. */
static inline bool admits(const struct shape *s, uint64_t header) { return (header & SR_RECORD_PRESENT) && message_size(s, header) <= s->largest; }
static inline bool is_aligned(const struct shape *s, uint64_t position) { return (position & (s->alignment - 1)) == 0; }

/* A walk over committed records. `limit`: what no record may end beyond; differences are signed, so positions may wrap. */
struct walk {
    const struct shape *shape;
    const uint8_t *data;
    uint64_t position, limit;
    uint64_t header, count; /* of the record that was stepped over; or the header that ended the walk */
};
enum step { STEP_MESSAGE, STEP_END, STEP_ABSENT, STEP_MALFORMED, STEP_BEYOND };
enum step shr_walk_next(struct walk *w);

struct role {
    int kind; /* SR_ROLE_…; -1: an observer's, which has no byte */
    uint32_t index;
};
static inline int64_t role_byte(struct role r) { return SR_LOCK_BYTE(r.kind, r.index); }

struct segment {
    int fd;
    struct sr_file_facts facts;
    struct sr_header header; /* a checked copy: the file is an untrusted peer's */
    uint32_t lane_count, slot_count;
    uint64_t lane_capacity, record_alignment;
    uint64_t control_size, data_size, control_end, unit;
    uint64_t call_stride; /* of a call service: from one slot's areas to the next one's, bytes */
};

struct shr_ring {
    int kind;
    bool or_create, has_header;
    char *directory, *name; /* name NULL: anonymous */
    char *label;            /* for messages */
    int fd;                 /* anonymous: a duplicate of the library's own */
    uint32_t generation;
    struct shr_options options; /* its strings are the ring's */
    struct sr_header header;
};

struct mapping {
    uint8_t *reservation, *base;
    uint64_t size;
    uint32_t generation;
};

/* A role, held. */
struct attachment {
    struct shr_ring *ring; /* a copy of the handle, which it owns */
    struct segment segment;
    struct role role;
    int lock; /* a description of its own, never mapped */
    struct mapping control_mapping;
    uint8_t *control;
    uint32_t generation;
    bool is_asymmetric;
};

enum request { REQUEST_CONSUMER, REQUEST_ANY_LANE, REQUEST_ANY_SLOT, REQUEST_ANY_SERVER, REQUEST_ANY_CALLER, REQUEST_OBSERVER, REQUEST_EXACTLY };

int shr_attach(struct shr_ring *ring, enum request request, struct role role, struct attachment *a);
void shr_detach(struct attachment *a);
/* Unlocks the byte at once. */
void shr_give_back(struct attachment *a);
static inline bool is_inherited(const struct attachment *a) { return a->generation != sr_fork_generation(); }
int shr_fail_forked(const struct attachment *a);
/* 1 held, 0 free, 2 a remover's; -1: the system does not say. */
int shr_role_holder(const struct attachment *a, struct role role);
/* "process 12 (send)", of what stands in the segment: for people. */
void shr_holder_name(const struct sr_holder *holder, char *text, size_t size);
void shr_sign(struct sr_holder *holder);
/* The holder's block of a role. */
struct sr_holder *shr_holder_of(const struct attachment *a, struct role role);
struct shape shr_shape(const struct segment *s);
int shr_map_lane(const struct attachment *a, uint32_t lane, bool writable, bool prefault, struct mapping *m);
int shr_map_data(const struct segment *s, const char *name, bool writable, bool prefault, struct mapping *m);
int shr_map_control(const struct segment *s, const char *name, bool writable, struct mapping *m, uint8_t **control);
void shr_unmap(struct mapping *m);
/* Removes the name if no other process is attached and `is_wanted`. 1 removed, 0 not. Through the attachment's own description. */
int shr_remove_attached(struct attachment *a, bool (*is_wanted)(void *), void *context);
bool shr_is_persistent(const struct attachment *a);
/* Opens what a ring's handle stands for. SHR_EMPTY: nothing is there. */
int shr_open_segment(const struct shr_ring *ring, struct segment *s);
/* SHR_FORKED, if it is an anonymous ring's of the parent: its descriptor's number may be another file's in this process. */
int shr_copy_ring(const struct shr_ring *from, struct shr_ring **to);
/* For a reader, which marks nothing: refuses what was in use when the machine went down, unless a writer has accepted that since. */
int shr_require_flushed_to_read(const struct shr_ring *ring, const struct sr_header *header, struct sr_segment_control *control);

static inline const char *ring_name(const struct attachment *a) { return a->ring->label; }
static inline struct sr_lanes_control *lanes_control(const struct attachment *a) { return (struct sr_lanes_control *)(void *)a->control; }
static inline struct sr_broadcast_control *broadcast_control(const struct attachment *a) { return (struct sr_broadcast_control *)(void *)a->control; }
static inline struct sr_call_control *call_control(const struct attachment *a) { return (struct sr_call_control *)(void *)a->control; }
static inline struct sr_lane_control *lane_control(const struct attachment *a, uint32_t lane) {
    return a->ring->kind == SHR_BROADCAST ? sr_publisher(broadcast_control(a)) : sr_lane(lanes_control(a), lane);
}

/* --- waiting (waiting.c; Swift: Waiting/) ------------------------------------------------------------------------------------------ */

void shr_ring_doorbell(uint32_t *word); /* wakes its sleeper and stores 0, in one step */
void shr_wake_events(uint32_t *word);   /* counts a wake and wakes all */

/* Why waits end: bits, since two threads may set and clear them at the same time. */
enum cancelled { CANCELLED_BY_CALLER = 1, CANCELLED_BY_OWNER = 2 /* it takes its side back from the waiter thread */ };

struct sleeper {
    uint32_t *word; /* stored anew by shr_sleeper_move alone */
    bool is_event_count;
    bool is_asymmetric;
    int strategy;
    int64_t interval;
    uint32_t cancelled; /* enum cancelled, written from any thread; not 0: waits end */
    uint64_t *sleeps;   /* counts, for observers */
    const char *what, *name;
    int (*interrupted)(void *);
    void *context;
};

/* SHR_EMPTY: no news. Everything else ends the wait. */
typedef int (*shr_check)(void *self);

void shr_sleeper_init(struct sleeper *s, uint32_t *word, bool is_event_count, bool is_asymmetric, uint64_t *sleeps, const char *what, const char *name,
                      const struct shr_endpoint *endpoint);
int64_t shr_deadline(int64_t timeout_ns);
/* A check interval as it was given, or the usual one for 0 and below; at most so long that it can be added to a time. */
static inline int64_t shr_interval(int64_t given_ns, int64_t usual_ns) {
    const int64_t longest = INT64_MAX / 4;
    return given_ns <= 0 ? usual_ns : given_ns < longest ? given_ns : longest;
}
/* `news` is asked often and is cheap; `check_peers` may make system calls. */
int shr_sleep(struct sleeper *s, int64_t deadline, const char *awaited, shr_check news, shr_check check_peers, void *self);
int shr_require_not_cancelled(struct sleeper *s, const char *awaited);
void shr_cancel(struct sleeper *s, int cancelled);
void shr_declare_awake(struct sleeper *s);
/* The owner, which does not sleep, is to sleep on another word from now on. A canceller may ring the one before meanwhile: that one's memory stays. */
void shr_sleeper_move(struct sleeper *s, uint32_t *word, uint64_t *sleeps);

/* Which of the two has the endpoint's side. */
enum event_state {
    EVENT_OWNERS = 0,   /* the owner has it */
    EVENT_ARMED = 1,    /* the thread has it */
    EVENT_ENDING = 2,   /* the owner has it, and the thread is to end */
    EVENT_RINGING = 3,  /* the owner has it, and the thread is about to make the descriptor readable */
    EVENT_AWAITED = 4,  /* the same, and the owner sleeps until that is done */
    EVENT_DISARMING = 5 /* the thread has it, and the owner sleeps until the thread gives it back */
};

/* A descriptor for an event loop, and the thread that waits for it. */
struct event {
    int fd; /* -1: none was asked for */
    pthread_t thread;
    uint32_t generation;
    uint32_t state; /* a futex word: enum event_state */
    struct sleeper *sleeper;
    shr_check news, check_peers;
    void *self;
};
void shr_event_init(struct event *e, struct sleeper *sleeper, shr_check news, shr_check check_peers, void *self);
int shr_event_descriptor(struct event *e);
int shr_event_arm(struct event *e);
/* Whether the thread has this side. SYNC: event-armed (pairs with wait_for_events): its use comes before. */
static inline bool shr_event_is_armed(const struct event *e) { return e->fd >= 0 && sr_load_acquire_u32(&e->state) == EVENT_ARMED; }
/* Takes the side back from the thread. The descriptor is readable then, as behind an event: the wait of an event loop ends. */
void shr_event_disarm(struct event *e);
void shr_event_end(struct event *e);

/* --- peers (peers.c; Swift: Roles/PeerWatch) --------------------------------------------------------------------------------------------- */

enum end { END_NONE = 0, END_CLOSED = 1, END_DIED = 2 };

struct peer_watch {
    struct role role;
    uint32_t *epoch;
    uint32_t *reported_word; /* NULL: kept nowhere */
    uint32_t reported, kept, finished, acknowledged, reported_before, last_ended;
};

void shr_watch_init(struct peer_watch *w, struct role role, uint32_t *epoch, uint32_t *reported_word);
bool shr_watch_has_come(const struct peer_watch *w);
/* `has_news` looks once more at what the other side may have left. */
enum end shr_watch_end(struct peer_watch *w, const struct attachment *a, bool (*has_news)(void *), void *self);
enum end shr_watch_unrecorded_close(struct peer_watch *w, bool (*has_news)(void *), void *self);
enum end shr_watch_note_end_record(struct peer_watch *w, uint32_t epoch, bool is_first);
void shr_watch_keep_finished(struct peer_watch *w);
/* Whether the holder whose end was reported last is the last one that came: then its holder information is still there. */
bool shr_watch_is_last_end_newest(const struct peer_watch *w);
bool shr_watch_has_unreported(const struct peer_watch *w);
/* How many have attached that count, if the end of the last was noted: true. */
bool shr_watch_attachments(const struct peer_watch *w, bool since_made, uint32_t *count);

/* --- checkpoints (checkpoint.c; Swift: Lane/Checkpoint, Lane/Broadcast) ----------------------------------------------------------------------- */

/* The newest of a broadcast, checked: SHR_OK; SHR_EMPTY: none held still; poisoned. */
int shr_newest_checkpoint(struct sr_broadcast_control *c, const struct shape *s, const char *name, struct sr_checkpoint *found);
bool shr_allows_writing(const struct sr_checkpoint *c, uint64_t position, const struct shape *s);
void shr_count_on(struct sr_checkpoint *c, const struct shape *s, const uint8_t *data);
/* Where a subscriber begins to read, with the newest one's write limit. False: none held still. */
bool shr_first_checkpoint(struct sr_broadcast_control *c, const struct shape *s, int64_t from, struct sr_checkpoint *first);
void shr_advance(struct sr_checkpoint *c, int64_t from, const struct shape *s, const uint8_t *data);

/* --- the reader of a lane (reader.c; Swift: Lane/Reader) ----------------------------------------------------------------------------------------- */

struct pacing {
    int64_t pause, best_pause, start;
    int phase;
    uint64_t rate_without, best_rate, start_head, last_head;
    int64_t waits, length, patience;
};

struct reader {
    struct shr_lane_ fast; /* first: the consumer's fast path knows this part */
    const uint8_t *data;
    struct shape shape;
    uint64_t known_head;
    const uint8_t *known_cursor;
    uint64_t start, next_proof, published;
    uint32_t idle_epoch;
    bool is_idle_epoch_proven, is_manual, is_asymmetric, is_fed;
    uint64_t largest_lag;
    struct sr_lane_control *control;
    struct sr_broadcast_control *broadcast; /* NULL: checkpoints stand in the lane's block */
    uint64_t *head_word, *wakes;
    uint64_t ticket, ticket_position;
    struct pacing pacing;
    uint32_t number;
    const struct attachment *attachment;
    struct sr_fork_gate gate;
    struct shr_failure *poison; /* NULL: none */
};

int shr_reader_init(struct reader *r, const uint8_t *data, const struct attachment *a, uint32_t number, bool is_manual, uint64_t *head_word, uint64_t *wakes);
void shr_reader_end(struct reader *r);
static inline uint64_t reader_head(const struct reader *r) { return r->known_head + (uint64_t)(r->fast.cursor - r->known_cursor); }
static inline uint64_t reader_poll(const struct reader *r) {
    /* SYNC: record-visible (pairs with shr_publish_): with the header come payload and terminator. */
    return sr_load_acquire_u64(r->fast.cursor);
}
int shr_reader_usable(const struct reader *r);
bool shr_reader_finish_out(struct reader *r);
void shr_reader_step(struct reader *r, uint64_t bytes); /* over a record that was used */
void shr_reader_step_over_end_record(struct reader *r);
void shr_reader_acknowledge_finished(struct reader *r);
void shr_reader_store_head(struct reader *r);
void shr_reader_wake(struct reader *r);
void shr_reader_publish(struct reader *r);
bool shr_reader_take(struct reader *r, uint64_t header, shr_msg *message); /* hands the admitted record at the head out */
int shr_reader_reject(struct reader *r, uint64_t header);
int shr_reader_reject_ticket(struct reader *r, uint64_t ticket);
void shr_reader_refuse(struct reader *r);
void shr_reader_pace(struct reader *r);
void shr_reader_note_wait(struct reader *r, int64_t start);
static inline bool reader_is_end_record(const struct reader *r, uint64_t header, uint64_t begin) {
    return is_end(header) && reader_head(r) - begin < r->shape.capacity;
}
void shr_reader_feed(struct reader *r, const uint8_t *copy, uint64_t position);
static inline void waker_barrier(bool is_asymmetric) {
    if (is_asymmetric)
        sr_fence_compiler();
    else
        sr_fence_full();
}

/* --- subscribers (subscriber.c) ---------------------------------------------------------------------------------------------------------- */

struct lossy;
int shr_join(struct attachment *a, int64_t from, struct sr_checkpoint *joined);
void shr_leave(struct attachment *a);
int shr_lossy_make(const struct attachment *a, const uint8_t *data, int64_t from, struct lossy **made, uint64_t *position);
void shr_lossy_free(struct lossy *l);
struct sr_lane_control *shr_lossy_words(struct lossy *l);
uint32_t *shr_lossy_epoch(struct lossy *l);
uint64_t *shr_lossy_sleeps(struct lossy *l);
int shr_lossy_refill(struct lossy *l, struct reader *r);
bool shr_lossy_is_anything_new(const struct lossy *l);
void shr_lossy_missed(const struct lossy *l, uint64_t *messages, uint64_t *bytes);
void shr_lossy_empty(struct lossy *l, struct reader *r);

/* --- the publisher's subscribers (heads.c; Swift: Lane/Broadcast/SubscriberHeads) --------------------------------------------------------------- */

struct heads {
    struct sr_broadcast_control *control;
    struct shape shape;
    uint32_t slot_count;
    int lock;
    int64_t interval, next_check;
};
/* The head that holds the publisher back most, and its slot. False: none does. */
bool shr_slowest(const struct heads *h, uint64_t open, uint64_t tail, uint64_t *head, uint32_t *slot);
bool shr_clear_dead(struct heads *h, uint64_t before, uint64_t open, uint64_t tail);
uint32_t shr_joined(const struct heads *h, bool attached);
bool shr_any_subscriber(const struct heads *h);

#endif

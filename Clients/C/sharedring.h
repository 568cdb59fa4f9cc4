/* SharedRing for C11 and C++17: messages between processes through lock-free rings in shared memory.
 *
 *     #include <sharedring.h>
 *
 *     shr_ring *ring;
 *     shr_producer *producer;
 *     if (shr_open_or_create("prices", SHR_SPSC, NULL, &ring) < 0 || shr_producer_open(ring, NULL, &producer) < 0)
 *         return fprintf(stderr, "%s\n", shr_message()), 1;
 *     shr_send(producer, "hello", 5, 0, SHR_FOREVER);
 *     shr_producer_close(producer);
 *     shr_ring_close(ring);
 *
 * The other side may be a program in Swift, C, C++, Python or Rust: the segment is the same, byte for byte (WireFormat.md).
 *
 * KINDS. An SPSC ring has one producer and one consumer. An MPSC ring has a lane for each producer, and one consumer. A broadcast has one
 * publisher, and every subscriber gets every message. A board has entries: the latest value of each key. A call service has clients, whose requests servers
 * answer.
 *
 * RESULTS. A function that can fail returns an int: SHR_OK (0); or a small positive number that is no failure (SHR_EMPTY: nothing is there, or there is
 * no room; SHR_ENDED: the stream has ended); or a negative code of enum shr_code. After a negative one, shr_message() has a sentence that names the ring,
 * what was wrong, and with which value; shr_errno() has the system's error number, or 0. Both belong to the calling thread, until its next failure.
 *
 * TIMES. A timeout is in nanoseconds: SHR_FOREVER (or any negative number) has none; with 0 a call does not wait, and answers SHR_EMPTY. Every wait also ends
 * when the other side closes or dies (SHR_PEER_CLOSED, SHR_PEER_DIED, SHR_ENDED), at most a check interval later, and by shr_*_cancel from any thread.
 *
 * THREADS. A ring may be used by many threads at once. An endpoint (producer, consumer, subscriber, board reader or writer, client, server) is used by one
 * thread at a time; only its cancel function may be called from any thread, and the calls that answer a server's requests. Two endpoints are independent of
 * each other.
 *
 * FORK. In a forked child the endpoints of the parent, and its handles of anonymous rings, are refused with SHR_FORKED; close them there, and open anew. A
 * message or claim that was out at the fork is not mapped there.
 *
 * TRUST. Another process may write anything into a segment. No call traps or leaves the segment because of that: it returns SHR_POISONED. But a message in
 * place may change while it is read: copy what is to be checked, and check the copy.
 *
 * COSTS. Where nothing else is said, a call allocates nothing, makes no system call unless the other side sleeps or this one has to wait, and takes a
 * constant time, beside the copy of the payload. A header of the library is inlined; what is slow is in the library.
 *
 * Fields of structures that end with an underscore, and functions that do, are not for users.
 */
#ifndef SHAREDRING_H
#define SHAREDRING_H

#include <stddef.h>
#include <stdint.h>

#include "abi/copy.h"
#include "abi/layout.h"

#if defined(__cplusplus)
extern "C" {
#endif

#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

#define SHR_LIKELY_(x) __builtin_expect(!!(x), 1)
#define SHR_UNLIKELY_(x) __builtin_expect(!!(x), 0)

/* --- results ---------------------------------------------------------------------------------------------------------- */

enum shr_code {
    SHR_OK = 0,
    SHR_EMPTY = 1, /* no message is there, or no room */
    SHR_ENDED = 2, /* the stream has ended in order, or every stream has */

    /* finding, making and removing */
    SHR_INVALID_NAME = -1,
    SHR_INVALID_OPTION = -2,
    SHR_NOT_FOUND = -3,
    SHR_ALREADY_EXISTS = -4,
    SHR_NOT_A_RING = -5,
    SHR_DAMAGED = -6,
    SHR_INCOMPATIBLE = -7,
    SHR_WRONG_OWNER = -8,
    SHR_OUT_OF_SPACE = -9,
    SHR_DIFFERENT_SHAPE = -10,
    SHR_IN_USE = -11,
    SHR_REPLACED = -12,
    SHR_NOT_SEALED = -13,
    SHR_NOT_FLUSHED = -14,

    /* attaching */
    SHR_ROLE_TAKEN = -15,

    /* a board's entries */
    SHR_ENTRY_NOT_FOUND = -16,
    SHR_BOARD_FULL = -17,
    SHR_WRITER_TOO_FAST = -18,

    /* sending and receiving */
    SHR_MESSAGE_TOO_LARGE = -19,
    SHR_TIMED_OUT = -20,
    SHR_CANCELLED = -21,
    SHR_ALREADY_WAITING = -22, /* the waiter thread of shr_*_arm has this endpoint */
    SHR_PEER_DIED = -23,
    SHR_PEER_CLOSED = -24,
    SHR_POISONED = -25, /* another process wrote what no producer or consumer writes */
    SHR_FORKED = -26,
    SHR_CLOSED = -27, /* the endpoint was ended before */
    SHR_MISUSE = -28, /* calls in an order that makes no sense: a commit without a claim */

    SHR_SYSTEM = -29, /* shr_errno() says what */

    /* calls */
    SHR_CALL_FAILED = -30 /* the service has no reply; the outcome says why */
};

/* The sentence of this thread's last failure; never NULL. Valid until the thread's next failure. */
const char *shr_message(void);
/* The error number of the system behind this thread's last failure; 0 if there is none. */
int shr_errno(void);
/* "poisoned", for SHR_POISONED. A constant string; "unknown" for what is no code. */
const char *shr_code_name(int code);

#define SHR_FOREVER INT64_C(-1)

/* --- rings ------------------------------------------------------------------------------------------------------------- */

enum shr_kind { SHR_SPSC = 1, SHR_MPSC = 2, SHR_BROADCAST = 3, SHR_BOARD = 4, SHR_CALL = 5 };

enum shr_barrier {
    SHR_BARRIER_AUTOMATIC = 0,
    SHR_BARRIER_ASYMMETRIC = 1, /* the sleeper calls membarrier(2): the fastest sends */
    SHR_BARRIER_SYMMETRIC = 2   /* a full barrier in every send: where membarrier(2) is forbidden */
};

enum shr_owners { SHR_SAME_USER = 0, SHR_ANY_USER = 1 };

enum shr_start {
    SHR_FROM_NOW = -1,   /* what is sent from now on */
    SHR_FROM_OLDEST = -2 /* what is still there. (A number of 0 or more: the last so many messages.) */
};

/* How a ring is made or found. All zero is good, and so is a null pointer: what is 0 has the value in brackets. */
struct shr_options {
    const char *directory;     /* where named segments stand ["/dev/shm"] */
    const char *label;         /* for people, at most 63 bytes [""] */
    uint64_t capacity;         /* bytes of each lane, rounded up to a power of two and a page [twice the second-level cache, from 1 to 8 MiB]; of a board: of
                                  all values, see shr_board_size [1 MiB] */
    uint32_t lanes;            /* MPSC: producers at a time, 1 to 1,024 [16] */
    uint32_t subscribers;      /* broadcast: reliable subscribers at a time, 1 to 256 [16] */
    uint32_t entries;          /* board: 1 to 4,096 [64] */
    uint32_t clients;          /* calls: how many at a time, 1 to 1,024 [64] */
    uint32_t servers;          /* calls: servers at a time, 1 to 64 [8] */
    uint32_t request_capacity; /* calls: bytes of the largest request, up to 2^27; 48 always fit [4,096] */
    uint32_t reply_capacity;   /* calls: bytes of the largest reply, up to 2^27; 48 always fit [4,096] */
    uint32_t record_alignment; /* 8, 16, 32, 64 or 128 [8] */
    uint32_t permissions;      /* of the file [0600] */
    int total_order;           /* MPSC: not 0: one order over all lanes, which respects real time [0] */
    int keeps_time;            /* board: not 0: each value has the time of its writing [0] */
    int barrier;               /* enum shr_barrier [automatic] */
    int owners;                /* whose segments may be used: enum shr_owners [same user] */
    int durable;               /* not 0: the ring lies on a disk and outlives a restart; see shr_flush [0] */
    int accepts_unflushed;     /* not 0: attach to a durable ring that was in use when the machine went down [0] */
    int persistent;            /* not 0: consumers that remove what they have read leave it [0] */
    int must_match;            /* not 0: open_or_create refuses a segment of another shape (capacity, counts, order, alignment) [0] */
    uint64_t first_position_;  /* for tests: where lanes begin [0] */
};

typedef struct shr_ring shr_ring;

/* Finds a ring by its name. `options` may be NULL; of it directory, owners and accepts_unflushed count. One allocation, some system calls.
 * Errors: not found, not a ring, damaged, incompatible (another version or kind), wrong owner, invalid name, system. */
int shr_open(const char *name, int kind, const struct shr_options *options, shr_ring **ring);
/* Makes a ring. Also: already exists, invalid option, out of space. O(size): all memory is allocated now. */
int shr_create(const char *name, int kind, const struct shr_options *options, shr_ring **ring);
/* Finds it or makes it, and makes it again for an endpoint that finds it removed. Also: different shape, with must_match. */
int shr_open_or_create(const char *name, int kind, const struct shr_options *options, shr_ring **ring);
/* Makes a ring without a name, in a sealed memfd. Other processes get it as a descriptor. */
int shr_create_anonymous(int kind, const struct shr_options *options, shr_ring **ring);
/* Finds the ring behind a descriptor, which stays the caller's. `kind` 0: any. Also: not sealed. */
int shr_open_descriptor(int descriptor, int kind, const struct shr_options *options, shr_ring **ring);
/* A new descriptor of an anonymous ring, for a child process or a message of a socket; the caller's to close. `inheritable`: survives exec. Negative: a
 * code; invalid option, if the ring has a name. */
int shr_ring_descriptor(const shr_ring *ring, int inheritable);
/* Ends the handle; its endpoints live on. NULL is allowed. */
void shr_ring_close(shr_ring *ring);

/* Takes the name of a segment away, whatever its kind, if no process is attached. Errors: in use, not found, not a ring, …. */
int shr_remove(const char *name, const struct shr_options *options);
/* Brings a durable ring that no process is attached to to the disk, and says so in it. */
int shr_flush(const char *name, const struct shr_options *options);

struct shr_facts {
    int kind;
    uint32_t lanes, subscribers, entries;
    uint32_t record_alignment;
    int total_order, asymmetric, durable, keeps_time;
    uint32_t clients, servers;                 /* of a call service */
    uint32_t request_capacity, reply_capacity; /* of a call service: bytes, at least 48 */
    uint64_t capacity;                         /* of a lane; 0 of a call service */
    uint64_t largest_message;                  /* bytes; 0 of a board and of a call service */
    uint64_t total_size;
    int64_t created_ns; /* CLOCK_REALTIME */
    char label[64];
};
/* What the ring is. No system call. */
void shr_ring_facts(const shr_ring *ring, struct shr_facts *facts);

/* --- endpoints ----------------------------------------------------------------------------------------------------------- */

enum shr_waiting {
    SHR_ADAPTIVE = 0, /* spins for some 50 microseconds, then sleeps */
    SHR_SPIN = 1,     /* never sleeps: a processor core of its own */
    SHR_SLEEP = 2     /* sleeps at once: the least processor time */
};

/* How an endpoint behaves. All zero is good, and so is a null pointer. */
struct shr_endpoint {
    int waiting;                /* enum shr_waiting [adaptive] */
    int manual;                 /* consumers: not 0: space is given back by shr_acknowledge alone [0] */
    int64_t check_interval_ns;  /* how often a sleeper checks whether its peer lives [100 ms, also for less than 0] */
    uint32_t budget;            /* MPSC consumers: messages of a lane before the others get their turn [256] */
    int prefault;               /* not 0: all pages are mapped now [0] */
    int read_only;              /* consumers: not 0: the data is mapped for reading only [0] */
    int ends;                   /* MPSC consumers: not 0: SHR_ENDED when `ends` producers or more have come and all have gone [0: never ends] */
    int ends_since_made;        /* producers count that came before this consumer and were reported to an earlier one [0] */
    int lossy;                  /* subscribers: not 0: the publisher never waits for this one; it counts what it missed [0] */
    int64_t from;               /* subscribers: enum shr_start, or how many of the last messages; 0 counts as SHR_FROM_NOW */
    int64_t polling_ns;         /* board readers that may not write the board: how often they look while they wait [1 ms] */
    int (*interrupted)(void *); /* called in waits after a signal, and each check interval or 100 ms: not 0 ends the wait with SHR_CANCELLED [NULL] */
    void *context;              /* its argument */
};

/* --- sending: SPSC, MPSC, broadcast ------------------------------------------------------------------------------------- */

/* A producer of an SPSC or MPSC ring, or the publisher of a broadcast. */
typedef struct shr_producer {
    uint8_t *cursor_;
    uint64_t window_end_;
    int64_t run_size_, run_spacing_;
    int64_t mixed_messages_, mixed_bytes_;
    uint32_t *doorbell_;
    uint64_t round_up_, round_down_;
    uint8_t *claim_;
    uint64_t claim_size_;
} shr_producer;

/* Becomes the producer of a ring's first free lane, and takes over what a dead one left. Errors: role taken (with its holder), not found, replaced,
 * incompatible, poisoned, not flushed, system. O(records that were not acknowledged). */
int shr_producer_open(shr_ring *ring, const struct shr_endpoint *endpoint, shr_producer **producer);
/* Ends the stream: the receiving side gets SHR_ENDED behind the last message. Then frees the producer. Poisoned: freed all the same. */
int shr_producer_close(shr_producer *producer);
/* Frees the producer without an end: to the receiving side it died. NULL is allowed. */
void shr_producer_drop(shr_producer *producer);

/* Sends a copy of the bytes, with a tag of the sender's own, if there is room now. SHR_OK, or SHR_EMPTY: no room. Errors: message too large, poisoned, forked.
 */
static inline int shr_try_send(shr_producer *producer, const void *bytes, size_t count, uint32_t tag);
/* Waits for room, if need be. Errors: as above, and timed out, peer closed, peer died, cancelled. */
static inline int shr_send(shr_producer *producer, const void *bytes, size_t count, uint32_t tag, int64_t timeout_ns);

/* Room for a message of so many bytes, to be written in place: sets *place. Nothing is sent before shr_commit; a later claim or send takes the same room. */
static inline int shr_try_claim(shr_producer *producer, size_t count, void **place);
static inline int shr_claim(shr_producer *producer, size_t count, void **place, int64_t timeout_ns);
/* Sends what was claimed: `count` bytes of it, the claimed ones or fewer. Errors: message too large (more than was claimed), misuse (no claim). */
static inline int shr_commit(shr_producer *producer, size_t count, uint32_t tag);

/* A batch: messages that become visible together, with one store and at most one wake. The producer is not used otherwise meanwhile. */
typedef struct shr_batch {
    shr_producer *producer_;
    uint8_t *start_, *place_;
    uint64_t first_;
    int64_t count_, bytes_;
} shr_batch;
static inline void shr_batch_begin(shr_producer *producer, shr_batch *batch);
/* Adds a message. SHR_EMPTY: no room now; what was added before can be committed. Errors: message too large, poisoned, forked, misuse (something was sent
 * meanwhile). */
int shr_batch_try_append(shr_batch *batch, const void *bytes, size_t count, uint32_t tag);
/* Adds a message; where there is no room, it commits what was added before, and waits. */
int shr_batch_append(shr_batch *batch, const void *bytes, size_t count, uint32_t tag, int64_t timeout_ns);
/* Makes all of it visible, and begins a new batch. A batch that is not committed sends nothing. Errors: poisoned, forked, misuse. */
int shr_batch_commit(shr_batch *batch);

/* Waits until everything that was sent is acknowledged. */
int shr_wait_acknowledged(shr_producer *producer, int64_t timeout_ns);
/* Waits until a consumer is attached; of a broadcast: `count` subscribers. */
int shr_wait_consumers(shr_producer *producer, uint32_t count, int64_t timeout_ns);
/* Whether a consumer, or any subscriber, is attached: 1 or 0. One system call. */
int shr_has_consumer(shr_producer *producer);
/* The largest message that fits now, bytes. */
uint64_t shr_free_bytes(shr_producer *producer);
/* Ends the wait under way and those to come with SHR_CANCELLED; `cancelled` 0: allows them again. From any thread. Calls that need not wait go on. */
void shr_producer_cancel(shr_producer *producer, int cancelled);

/* --- receiving: SPSC, MPSC, broadcast -------------------------------------------------------------------------------------- */

struct shr_lane_ {
    const uint8_t *cursor;
    uint64_t state; /* 0 nothing is out, 1 a message is, UINT64_MAX nothing is handed out any more */
    uint64_t last_size;
    int64_t last_spacing;
    const uint8_t *cursor_limit;
    uint32_t number;
};

/* The consumer of an SPSC or MPSC ring, or a subscriber of a broadcast. */
typedef struct shr_consumer {
    struct shr_lane_ *lane_; /* the lane in hand; one that hands nothing out, where the inlined path is closed */
} shr_consumer;

typedef struct shr_msg {
    const void *bytes; /* in place: valid until the next call with this consumer */
    size_t count;
    uint32_t tag;  /* the sender's own */
    uint32_t lane; /* which lane it came from; 0 of an SPSC ring and of a broadcast */
} shr_msg;

/* Becomes the consumer, or a subscriber: goes on behind what the last consumer acknowledged. Errors: as shr_producer_open. */
int shr_consumer_open(shr_ring *ring, const struct shr_endpoint *endpoint, shr_consumer **consumer);
/* Gives back the message that is out, unless that is manual, and ends the role in order. What was not acknowledged stays for the next consumer. Frees it. */
int shr_consumer_close(shr_consumer *consumer);
/* Frees the consumer without an end: to the sender it died. NULL is allowed. */
void shr_consumer_drop(shr_consumer *consumer);

/* The next message, if there is one now; otherwise *message has no bytes. It ends the loan of the one before, and gives that one's space back. SHR_OK,
 * SHR_EMPTY, SHR_ENDED. Errors: peer died (once for each death), poisoned, forked. */
static inline int shr_poll(shr_consumer *consumer, shr_msg *message);
/* The same, and waits for it. Also: timed out, cancelled. */
static inline int shr_receive(shr_consumer *consumer, shr_msg *message, int64_t timeout_ns);
/* Ends the loan of the message that is out now, and does not wait for the next call for that. */
void shr_release(shr_consumer *consumer);
/* The message that is out is to be handed out again, by the next call. */
void shr_put_back(shr_consumer *consumer);
/* Gives back the space of all that was handed out, the message that is out as well: with manual acknowledgement nothing else does. The end of a stream is to be
 * acknowledged too. */
int shr_acknowledge(shr_consumer *consumer);

/* How producers have ended so far. */
struct shr_end_counts {
    uint64_t closed, died;
};
/* Also while the descriptor is armed. */
void shr_ends(const shr_consumer *consumer, struct shr_end_counts *ends);
/* One of them: whose it was, by what its producer had signed. pid 0: a successor has signed since. */
struct shr_end {
    uint32_t lane;
    int died; /* 1: it went away without closing */
    uint32_t pid;
    char name[64];
};
/* The oldest end that was not taken. SHR_OK, or SHR_EMPTY: there is none. The newest 64 are kept for a caller that asks late. An MPSC consumer that never ends
 * gets deaths reported only here: a wait with a timeout finds them within a check interval. */
int shr_next_end(shr_consumer *consumer, struct shr_end *end);
/* What a lossy subscriber missed so far, messages and payload bytes. 0 of others. */
void shr_missed(const shr_consumer *consumer, uint64_t *messages, uint64_t *bytes);
/* Waits until a producer is attached. */
int shr_wait_producer(shr_consumer *consumer, int64_t timeout_ns);
/* Whether a producer is attached: 1 or 0. One system call. */
int shr_has_producer(shr_consumer *consumer);
/* Removes the ring's name if everything is read and no other process is attached: 1 it is gone, 0 it stays. A producer that has closed and not quite gone is
 * waited for, up to 20 milliseconds. Errors: already waiting (its descriptor is armed), poisoned, not found (it was removed so), forked, system. */
int shr_remove_if_unused(shr_consumer *consumer);
/* As shr_producer_cancel. */
void shr_consumer_cancel(shr_consumer *consumer, int cancelled);

/* A descriptor that an event loop can watch for reading: epoll, poll, select. It is readable at first, and whenever a message, an end or an error waits. Call
 * shr_poll until it answers SHR_EMPTY, then shr_consumer_arm: it stops being readable, and a thread of the library waits. Until the descriptor is readable,
 * every call but cancel and close answers SHR_EMPTY or SHR_ALREADY_WAITING. The descriptor is the library's: do not read, write or close it. Negative: a code.
 * Errors of arming: cancelled, misuse (it has no descriptor). */
int shr_consumer_descriptor(shr_consumer *consumer);
int shr_consumer_arm(shr_consumer *consumer);
/* Takes the endpoint back before anything came: every call is allowed again, and the descriptor is readable. Nothing is lost. Without an armed descriptor it
 * does nothing. Waits for the library's thread, which is awake for moments only. Errors: forked, not found (it was removed). */
int shr_consumer_disarm(shr_consumer *consumer);

/* --- boards: the latest value of each key ------------------------------------------------------------------------------------- */

typedef struct shr_board_writer shr_board_writer;
typedef struct shr_board_reader shr_board_reader;

struct shr_stamp {
    uint64_t version; /* how often the entry was set; 0: never */
    uint32_t tag;
    uint32_t count;  /* bytes of the value */
    int64_t time_ns; /* CLOCK_REALTIME of its writing; 0 if the board keeps none */
};

/* What one entry of that capacity takes of a board's capacity, in bytes. */
uint64_t shr_board_size(uint64_t capacity, int keeps_time);
/* Adds an entry, or finds it with that capacity or a larger one. A key has 1 to 64 bytes. Errors: board full, different shape, invalid name, invalid option,
 * role taken. */
int shr_board_add(shr_ring *board, const char *key, uint64_t capacity);
/* Becomes the writer of an entry: one at a time. Errors: entry not found, role taken. */
int shr_board_writer_open(shr_ring *board, const char *key, const struct shr_endpoint *endpoint, shr_board_writer **writer);
/* Ends the role; the entry keeps its value. NULL is allowed. */
void shr_board_writer_close(shr_board_writer *writer);
/* Sets the entry. Never waits. Errors: message too large, forked. */
int shr_board_set(shr_board_writer *writer, const void *bytes, size_t count, uint32_t tag);
/* Where a value of at most the capacity is to be written in place, for shr_board_commit. */
int shr_board_begin(shr_board_writer *writer, size_t count, void **place);
int shr_board_commit(shr_board_writer *writer, size_t count, uint32_t tag);

/* Opens a board to read: one entry, or with `key` NULL all, also those that are added later. Disturbs no other process. Leave to read the file is enough; a
 * reader that may not write it looks every polling_ns while it waits. */
int shr_board_reader_open(shr_ring *board, const char *key, const struct shr_endpoint *endpoint, shr_board_reader **reader);
void shr_board_reader_close(shr_board_reader *reader);
/* How many entries there are by now, or while the descriptor is armed: how many there were when this was asked last. And the key of one, with its length, valid
 * as long as the reader. NULL: there is none. */
uint32_t shr_board_count(shr_board_reader *reader);
const char *shr_board_key(shr_board_reader *reader, uint32_t index, size_t *length);
uint64_t shr_board_capacity(shr_board_reader *reader, uint32_t index);
/* How often the entry was set by now; 0: never, or there is none of that index. It reads no value, and a change does not count as reported. */
uint64_t shr_board_version(const shr_board_reader *reader, uint32_t index);
/* The index of a key. Errors: entry not found; already waiting, if its descriptor is armed and the entry was not there before. O(entries). */
int shr_board_find(shr_board_reader *reader, const char *key);
/* Copies an entry's value. SHR_OK; SHR_EMPTY: it was never set. If stamp->count is larger than `room`, nothing was copied. Errors: writer too fast, poisoned,
 * forked. */
int shr_board_get(shr_board_reader *reader, uint32_t index, void *bytes, size_t room, struct shr_stamp *stamp);
/* Copies all values as they stood at one moment, back to back, each at the next multiple of 8; stamps[i] and, in `offsets`, where each begins. `needed`: the
 * bytes that it takes; if more than `room`, nothing was copied. It copies as many entries as this reader's last shr_board_count() said, none before the first
 * (one, of a reader of one entry): the arrays have room for so many. Errors: writer too fast, poisoned, already waiting, forked. */
int shr_board_snapshot(shr_board_reader *reader, void *bytes, size_t room, struct shr_stamp *stamps, size_t *offsets, size_t *needed);
/* Waits until an entry was set that was not reported to this reader yet. Sets *index, which may be that of an entry that was added since the last
 * shr_board_count(); the change counts as reported. Errors: timed out, cancelled, not found (the board was removed). */
int shr_board_wait(shr_board_reader *reader, uint32_t *index, int64_t timeout_ns);
void shr_board_reader_cancel(shr_board_reader *reader, int cancelled);
/* As of a consumer: readable when a change waits. */
int shr_board_reader_descriptor(shr_board_reader *reader);
int shr_board_reader_arm(shr_board_reader *reader);
/* As shr_consumer_disarm. */
int shr_board_reader_disarm(shr_board_reader *reader);

/* --- calls: request and reply ------------------------------------------------------------------------------------------------- */

typedef struct shr_client shr_client;
typedef struct shr_server shr_server;

/* Names one call: by the segment, the slot and the call's number in the slot. A client that was told that the outcome is unknown, or that the call is still
 * open, may make the call again with the first one's token. A service that keeps tokens with its results finds out then that it has carried the request out
 * before; the library keeps none. A slot's numbers begin anew after 2^32 calls: keep tokens for a time, not for ever. */
typedef struct shr_token {
    uint8_t instance[16];
    uint32_t slot, number;
} shr_token;

#define SHR_TOKEN_TEXT 64
/* The token as text, the same in every language: `text` has room for SHR_TOKEN_TEXT bytes. */
void shr_token_text(const shr_token *token, char *text);
/* Error: invalid name. */
int shr_token_parse(const char *text, shr_token *token);

/* What is known of a request: each call has exactly one outcome. A service carries a request out at most once, always. */
enum shr_outcome {
    SHR_CALL_REPLIED = 0,
    SHR_CALL_REFUSED = 1,      /* failed: the service refused it, with bytes of its own */
    SHR_CALL_DROPPED = 2,      /* failed: the server let go of it without an answer */
    SHR_CALL_CLOSED = 3,       /* failed: the server closed before it answered */
    SHR_CALL_MALFORMED = 4,    /* failed: the request was impossible for the server */
    SHR_CALL_NOT_EXECUTED = 5, /* it was not carried out, and never will be */
    SHR_CALL_UNKNOWN = 6,      /* a server started it and has gone: it may have been carried out, in part or wholly */
    SHR_CALL_STILL_OPEN = 7    /* it was given up when a server had started it, or it is under way: it may be carried out yet */
};
/* "was not executed". A constant string. */
const char *shr_outcome_name(int outcome);

typedef struct shr_reply {
    const void *bytes; /* of a reply or a refusal, in place: valid until the next call with this client */
    size_t count;
    int outcome;   /* enum shr_outcome */
    int has_token; /* 0: no request was made */
    shr_token token;
} shr_reply;

/* Becomes a client, which makes one call at a time: a client for each thread that calls. It takes one of the service's slots. A slot in which a predecessor has
 * left a call open is passed over, if there is another, and so is one whose words no process stores. Errors: role taken (with the first holder), as
 * shr_producer_open. Some twenty system calls. A segment of calls that carries streams of replies is refused: incompatible. */
int shr_client_open(shr_ring *service, const struct shr_endpoint *endpoint, shr_client **client);
/* Ends the role. A call under way is withdrawn, or given up. Frees the client. NULL is allowed. */
void shr_client_close(shr_client *client);

/* Makes a call with a copy of the bytes, and waits for the reply. `retrying`: the name of an earlier call that this one repeats, or NULL. `reply` is filled in
 * whatever comes of it; its outcome is what a program decides by. SHR_OK: there is a reply.
 * At the deadline, or when it is cancelled, the call ends: it is withdrawn if no server has started it. One that was started is still open: the next call
 * waits, to its own deadline, until that one is over. With a timeout of 0 the request is made, and withdrawn if there is no answer at once. Errors: call failed
 * (refused, dropped, closed, malformed); timed out, cancelled (not executed, or still open); peer died (unknown); message too large, misuse, already waiting,
 * forked (not executed); poisoned. While its server is awake and answers soon, a call makes no system call. */
int shr_call(shr_client *client, const void *bytes, size_t count, const shr_token *retrying, shr_reply *reply, int64_t timeout_ns);

/* The same in parts. Begin: room for a request of at most so many bytes, where the server reads it: sets *place. SHR_EMPTY, with a timeout of 0: the slot is in
 * use by an earlier call that was given up. A later begin or call takes the same room. */
int shr_call_begin(shr_client *client, size_t count, void **place, int64_t timeout_ns);
/* The request exists from now on, with `count` bytes of what was begun. Errors: message too large, misuse (nothing was begun), already waiting, forked. */
int shr_call_post(shr_client *client, size_t count, const shr_token *retrying);
/* Looks once whether the call under way is over: SHR_EMPTY, if it is not. Otherwise as shr_call. Once a check interval it asks whether the server lives: a
 * system call. */
int shr_call_poll(shr_client *client, shr_reply *reply);
/* Waits for it; at the deadline the call ends, as that of shr_call. A timeout of 0: shr_call_poll. */
int shr_call_wait(shr_client *client, shr_reply *reply, int64_t timeout_ns);
/* Ends the call under way now: SHR_OK, if there is a reply after all; else as shr_call that is cancelled. */
int shr_call_give_up(shr_client *client, shr_reply *reply);

/* As shr_producer_cancel: calls under way end, and so do those to come. */
void shr_client_cancel(shr_client *client, int cancelled);
/* As of a consumer: readable when shr_call_poll has an outcome, or, without a call under way, when shr_call_begin is to be tried. */
int shr_client_descriptor(shr_client *client);
int shr_client_arm(shr_client *client);
int shr_client_disarm(shr_client *client);

/* A call that a server has started, to be answered once: now or later, in any order, from any thread. */
typedef struct shr_request {
    const void *bytes; /* in place if there are more than 48, else a copy: valid until the call is answered */
    size_t count;
    int is_retry;    /* not 0: it repeats an earlier call, whose name `token` is */
    shr_token token; /* the call's name */
    uint32_t slot_, number_;
} shr_request;

/* Becomes a server. Several servers share the work: each call is started by one of them. Errors: role taken (with the first holder), as shr_producer_open.
 * Some allocations, some twenty system calls, and one for each slot that was ever used. */
int shr_server_open(shr_ring *service, const struct shr_endpoint *endpoint, shr_server **server);
/* Ends the server in order. Calls that it has started and not answered are answered as closed; calls that it has not started wait for the next server. No
 * thread answers a request of this server any more. NULL is allowed. */
void shr_server_close(shr_server *server);
/* Its number among the service's servers. */
uint32_t shr_server_number(const shr_server *server);

/* The next call, started, if there is one now: SHR_OK, SHR_EMPTY. Clients get their turns one after another. Errors: forked. */
int shr_server_poll(shr_server *server, shr_request *request);
/* The same, and waits for it. Errors: timed out, cancelled, already waiting, forked. */
int shr_server_next(shr_server *server, shr_request *request, int64_t timeout_ns);

/* Answers with a copy of the bytes, which may be the request's. A system call if the client sleeps. Errors: message too large (the call is not answered yet),
 * closed (it was answered already), forked. */
int shr_answer(shr_server *server, const shr_request *request, const void *bytes, size_t count);
/* The same in place: sets *place to room for at most so many bytes, where the client will read them. Between the two, no other answer. */
int shr_answer_begin(shr_server *server, const shr_request *request, size_t count, void **place);
/* Answers with `count` bytes of what was begun. Also: misuse (nothing was begun). */
int shr_answer_commit(shr_server *server, const shr_request *request, size_t count);
/* Refuses the request: the call fails with these bytes. */
int shr_refuse(shr_server *server, const shr_request *request, const void *bytes, size_t count);
/* Lets go of the request, begun answer or not: the call fails. */
int shr_drop(shr_server *server, const shr_request *request);
/* Whether the caller has given the call up: 1 or 0. A hint, for a handler that takes long. One load. */
int shr_is_given_up(shr_server *server, const shr_request *request);

/* As shr_producer_cancel. */
void shr_server_cancel(shr_server *server, int cancelled);
/* As of a consumer: readable when a call waits. Call shr_server_poll until it answers SHR_EMPTY, then shr_server_arm. Calls may be answered while it is armed.
 */
int shr_server_descriptor(shr_server *server);
int shr_server_arm(shr_server *server);
int shr_server_disarm(shr_server *server);

/* --- the fast paths: inlined ------------------------------------------------------------------------------------------------------ */

#define SHR_MIXED_ INT64_C(-1)
#define SHR_NO_SIZE_ UINT64_MAX

int shr_send_slowly_(shr_producer *producer, const void *bytes, size_t count, uint32_t tag, int64_t timeout_ns);
int shr_claim_slowly_(shr_producer *producer, size_t count, void **place, int64_t timeout_ns);
int shr_commit_slowly_(shr_producer *producer, size_t count, uint32_t tag);
void shr_end_run_(shr_producer *producer, int64_t count);
void shr_finish_commit_(shr_producer *producer);
int shr_poll_slowly_(shr_consumer *consumer, shr_msg *message);
int shr_receive_slowly_(shr_consumer *consumer, shr_msg *message, int64_t timeout_ns);

#define SHR_SMALL_ 64u

/* As sr_copy of at most 64 bytes, in words that GCC, too, keeps in registers; and without a call, for which it would keep the loop around it on the stack. */
SR_INLINE void shr_copy_(void *to, const void *from, size_t count) {
    typedef uint64_t pair __attribute__((vector_size(16)));
    char *d = (char *)to;
    const char *s = (const char *)from;
    if (count >= 16) {
        pair a, b, y, z;
        __builtin_memcpy(&a, s, 16);
        __builtin_memcpy(&z, s + count - 16, 16);
        if (count > 32) {
            __builtin_memcpy(&b, s + 16, 16);
            __builtin_memcpy(&y, s + count - 32, 16);
            __builtin_memcpy(d + 16, &b, 16);
            __builtin_memcpy(d + count - 32, &y, 16);
        }
        __builtin_memcpy(d, &a, 16);
        __builtin_memcpy(d + count - 16, &z, 16);
    } else if (count >= 8) {
        uint64_t a, z;
        __builtin_memcpy(&a, s, 8);
        __builtin_memcpy(&z, s + count - 8, 8);
        __builtin_memcpy(d, &a, 8);
        __builtin_memcpy(d + count - 8, &z, 8);
    } else if (count >= 4) {
        uint32_t a, z;
        __builtin_memcpy(&a, s, 4);
        __builtin_memcpy(&z, s + count - 4, 4);
        __builtin_memcpy(d, &a, 4);
        __builtin_memcpy(d + count - 4, &z, 4);
    } else if (count > 0) {
        d[0] = s[0];
        d[count / 2] = s[count / 2];
        d[count - 1] = s[count - 1];
    }
}

/* Whether a message fits in the short way: the window is closed where the lane needs more than a store of the header. */
SR_INLINE int shr_fits_(const shr_producer *p, const uint8_t *place, size_t count) {
    int64_t room = (int64_t)(sr_load_relaxed_u64(&p->window_end_) - (uint64_t)(uintptr_t)place);
    return (int64_t)count >= 0 && (int64_t)count <= room;
}

/* Counts a message, or leaves that to the end of a run of one size. What its record takes. */
SR_INLINE int64_t shr_count_(shr_producer *p, int64_t count) {
    if (SHR_LIKELY_(count == p->run_size_)) return p->run_spacing_;
    if (p->run_size_ != SHR_MIXED_) shr_end_run_(p, count);
    if (p->run_size_ != SHR_MIXED_) return p->run_spacing_;
    p->mixed_messages_ += 1;
    p->mixed_bytes_ += count;
    return (int64_t)(((uint64_t)count + p->round_up_) & p->round_down_);
}

SR_INLINE void shr_publish_(shr_producer *p, uint8_t *place, int64_t count, uint32_t tag) {
    uint8_t *next = place + shr_count_(p, count);
    sr_store_relaxed_u64(next, 0); /* what comes next is not there yet; the header's release store makes both visible */
    uint32_t *doorbell = p->doorbell_;
    p->cursor_ = next;
    /* SYNC: record-visible (pairs with the load in shr_poll and every walk): payload and terminator come before. */
    sr_store_release_u64(place, (uint64_t)tag << 32 | SR_RECORD_PRESENT | (uint64_t)count);
    /* SYNC: doorbell, event-count (pairs with the sleeper's store): the sleeper's membarrier is this side's barrier. */
    sr_fence_compiler();
    if (SHR_UNLIKELY_(sr_load_relaxed_u32(doorbell) & 1)) shr_finish_commit_(p);
}

static inline int shr_send(shr_producer *p, const void *bytes, size_t count, uint32_t tag, int64_t timeout_ns) {
    if (SHR_UNLIKELY_(count > SHR_SMALL_ || !shr_fits_(p, p->cursor_, count))) return shr_send_slowly_(p, bytes, count, tag, timeout_ns);
    uint8_t *place = p->cursor_;
    sr_prefetch_to_write(place + 1024); /* the consumer has read that line a lap ago */
    shr_copy_(place + SR_RECORD_HEADER_SIZE, bytes, count);
    shr_publish_(p, place, (int64_t)count, tag);
    return SHR_OK;
}

static inline int shr_try_send(shr_producer *p, const void *bytes, size_t count, uint32_t tag) { return shr_send(p, bytes, count, tag, 0); }

static inline int shr_claim(shr_producer *p, size_t count, void **place, int64_t timeout_ns) {
    if (SHR_UNLIKELY_(!shr_fits_(p, p->cursor_, count))) return shr_claim_slowly_(p, count, place, timeout_ns);
    p->claim_ = p->cursor_;
    p->claim_size_ = count;
    sr_prefetch_to_write(p->cursor_ + 1024);
    *place = p->cursor_ + SR_RECORD_HEADER_SIZE;
    return SHR_OK;
}

static inline int shr_try_claim(shr_producer *p, size_t count, void **place) { return shr_claim(p, count, place, 0); }

static inline int shr_commit(shr_producer *p, size_t count, uint32_t tag) {
    /* A window that is open, and a claim at the cursor: nothing happened in between. */
    if (SHR_UNLIKELY_(p->claim_ != p->cursor_ || count > p->claim_size_ || !shr_fits_(p, p->cursor_, p->claim_size_))) return shr_commit_slowly_(p, count, tag);
    p->claim_ = 0;
    shr_publish_(p, p->cursor_, (int64_t)count, tag);
    return SHR_OK;
}

static inline void shr_batch_begin(shr_producer *p, shr_batch *batch) {
    batch->producer_ = p;
    batch->start_ = batch->place_ = p->cursor_;
    batch->first_ = 0;
    batch->count_ = batch->bytes_ = 0;
}

/* The next record is like the last one: then it is a message of this lane as that was, and where the one behind it stands is known before this one's header is.
 */
SR_INLINE int shr_next_(shr_consumer *c, shr_msg *message) {
    struct shr_lane_ *lane = c->lane_;
    const uint8_t *cursor = lane->cursor;
    if (SHR_LIKELY_(lane->state == 1)) {
        cursor += lane->last_spacing;
        /* Where space is due, the lane's end is near, or the other lanes have their turn, the slow path steps over the record. */
        if (SHR_UNLIKELY_(cursor >= lane->cursor_limit)) return 0;
    } else if (lane->state != 0) {
        return 0;
    }
    /* SYNC: record-visible (pairs with shr_publish_): with the header come payload and terminator. The copy is checked and used. */
    uint64_t header = sr_load_acquire_u64(cursor);
    uint32_t tag = (uint32_t)(header >> 32);
    if (SHR_UNLIKELY_((header & UINT32_MAX) != lane->last_size)) return 0;
    lane->cursor = cursor;
    if (lane->state != 1) lane->state = 1;
    message->bytes = cursor + SR_RECORD_HEADER_SIZE;
    message->count = (size_t)(header & SR_RECORD_COUNT_MASK);
    message->tag = tag;
    message->lane = lane->number;
    return 1;
}

static inline int shr_poll(shr_consumer *c, shr_msg *message) {
    if (SHR_LIKELY_(shr_next_(c, message))) return SHR_OK;
    shr_msg found = {0, 0, 0, 0}; /* its own: the caller's stays in registers, since no call gets its address */
    int result = shr_poll_slowly_(c, &found);
    *message = found;
    return result;
}

static inline int shr_receive(shr_consumer *c, shr_msg *message, int64_t timeout_ns) {
    if (SHR_LIKELY_(shr_next_(c, message))) return SHR_OK;
    shr_msg found = {0, 0, 0, 0}; /* as in shr_poll */
    int result = shr_receive_slowly_(c, &found, timeout_ns);
    *message = found;
    return result;
}

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#if defined(__cplusplus)
}
#endif

#endif

/* What the header promises, one function a promise. Compiled as C11 and as C++17; see the Makefile.
 *
 * Both ends of a ring in one process: a role is a lock of an open file description, so it excludes here, too. Real processes are Tests/Conformance/matrix's
 * matter.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sharedring.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE (INT64_C(120) * 1000000000) /* only ends a test that hangs */

static const char *test_name = "";
static int failures;

#define CHECK(condition)                                                                                                                                       \
    do {                                                                                                                                                       \
        if (!(condition)) {                                                                                                                                    \
            fprintf(stderr, "%s:%d: %s: %s does not hold\n", __FILE__, __LINE__, test_name, #condition);                                                       \
            failures++;                                                                                                                                        \
        }                                                                                                                                                      \
    } while (0)
#define EXPECT(call, code)                                                                                                                                     \
    do {                                                                                                                                                       \
        int found_ = (call);                                                                                                                                   \
        if (found_ != (code)) {                                                                                                                                \
            fprintf(stderr, "%s:%d: %s: %s is %d (%s), not %d: %s\n", __FILE__, __LINE__, test_name, #call, found_, shr_code_name(found_), code,               \
                    found_ < 0 ? shr_message() : "");                                                                                                          \
            failures++;                                                                                                                                        \
        }                                                                                                                                                      \
    } while (0)

static struct shr_options options_of(uint64_t capacity) {
    struct shr_options options;
    memset(&options, 0, sizeof options);
    options.capacity = capacity;
    return options;
}

static struct shr_endpoint endpoint_of(void) {
    struct shr_endpoint endpoint;
    memset(&endpoint, 0, sizeof endpoint);
    endpoint.check_interval_ns = 5000000;
    return endpoint;
}

static shr_ring *make(int kind, struct shr_options options) {
    shr_ring *ring = NULL;
    EXPECT(shr_create_anonymous(kind, &options, &ring), SHR_OK);
    if (!ring) exit(1);
    return ring;
}

static shr_producer *sender_of(shr_ring *ring) {
    struct shr_endpoint endpoint = endpoint_of();
    shr_producer *p = NULL;
    EXPECT(shr_producer_open(ring, &endpoint, &p), SHR_OK);
    return p;
}

static shr_consumer *receiver_of(shr_ring *ring) {
    struct shr_endpoint endpoint = endpoint_of();
    shr_consumer *c = NULL;
    endpoint.ends = 1;
    EXPECT(shr_consumer_open(ring, &endpoint, &c), SHR_OK);
    return c;
}

static int is_message(const shr_msg *m, const char *text) { return m->count == strlen(text) && memcmp(m->bytes, text, m->count) == 0; }

static void a_name_is_checked_and_said(void) {
    shr_ring *ring;
    char long_name[300];
    memset(long_name, 'n', sizeof long_name);
    long_name[sizeof long_name - 1] = 0;
    EXPECT(shr_open("", SHR_SPSC, NULL, &ring), SHR_INVALID_NAME);
    EXPECT(shr_open("a/b", SHR_SPSC, NULL, &ring), SHR_INVALID_NAME);
    EXPECT(shr_open("..", SHR_SPSC, NULL, &ring), SHR_INVALID_NAME);
    EXPECT(shr_open(long_name, SHR_SPSC, NULL, &ring), SHR_INVALID_NAME);
    CHECK(strstr(shr_message(), "299"));
    EXPECT(shr_open("no such ring here", SHR_SPSC, NULL, &ring), SHR_NOT_FOUND);
    CHECK(strstr(shr_message(), "no such ring here"));
}

static void options_are_checked(void) {
    shr_ring *ring;
    struct shr_options options = options_of(UINT64_C(1) << 41);
    EXPECT(shr_create_anonymous(SHR_SPSC, &options, &ring), SHR_INVALID_OPTION);
    options = options_of(4096);
    options.record_alignment = 24;
    EXPECT(shr_create_anonymous(SHR_SPSC, &options, &ring), SHR_INVALID_OPTION);
    CHECK(strstr(shr_message(), "24"));
    options = options_of(4096);
    options.lanes = 1025;
    EXPECT(shr_create_anonymous(SHR_MPSC, &options, &ring), SHR_INVALID_OPTION);
    options = options_of(4096);
    options.total_order = 1;
    EXPECT(shr_create_anonymous(SHR_SPSC, &options, &ring), SHR_INVALID_OPTION);
    options = options_of(4096);
    options.permissions = 01777;
    EXPECT(shr_create_anonymous(SHR_SPSC, &options, &ring), SHR_INVALID_OPTION);
    EXPECT(shr_create_anonymous(7, NULL, &ring), SHR_INVALID_OPTION);
}

static void a_capacity_that_is_not_given_is_by_the_cache(void) {
    struct shr_facts facts;
    long cache = sysconf(_SC_LEVEL2_CACHE_SIZE);
    shr_ring *ring;
    EXPECT(shr_create_anonymous(SHR_SPSC, NULL, &ring), SHR_OK);
    shr_ring_facts(ring, &facts);
    uint64_t mebibyte = UINT64_C(1) << 20, capacity = facts.capacity;
    CHECK(capacity >= mebibyte && capacity <= 8 * mebibyte && (capacity & (capacity - 1)) == 0);
    if (cache > 0) CHECK(capacity == 8 * mebibyte || (capacity >= 2 * (uint64_t)cache && (capacity == mebibyte || capacity < 4 * (uint64_t)cache)));
    shr_ring_close(ring);
}

static void a_name_stands_for_one_ring(void) {
    char name[64];
    snprintf(name, sizeof name, "c-test-%d", (int)getpid());
    struct shr_options options = options_of(4096), other = options_of(65536);
    shr_ring *a, *b;
    EXPECT(shr_create(name, SHR_SPSC, &options, &a), SHR_OK);
    EXPECT(shr_create(name, SHR_SPSC, &options, &b), SHR_ALREADY_EXISTS);
    EXPECT(shr_open(name, SHR_MPSC, NULL, &b), SHR_INCOMPATIBLE);
    other.must_match = 1;
    EXPECT(shr_open_or_create(name, SHR_SPSC, &other, &b), SHR_DIFFERENT_SHAPE);
    other.must_match = 0;
    EXPECT(shr_open_or_create(name, SHR_SPSC, &other, &b), SHR_OK);
    struct shr_facts facts;
    shr_ring_facts(b, &facts);
    CHECK(facts.capacity == 4096 && facts.kind == SHR_SPSC && facts.largest_message == 4096 - 24);
    shr_producer *p = sender_of(a), *q;
    EXPECT(shr_producer_open(b, NULL, &q), SHR_ROLE_TAKEN);
    char pid[32];
    snprintf(pid, sizeof pid, "process %d", (int)getpid());
    CHECK(strstr(shr_message(), pid));
    EXPECT(shr_remove(name, NULL), SHR_IN_USE);
    shr_producer_drop(p);
    EXPECT(shr_remove(name, NULL), SHR_OK);
    EXPECT(shr_producer_open(a, NULL, &p), SHR_NOT_FOUND);
    p = sender_of(b); /* a handle of open_or_create makes it anew */
    shr_producer_drop(p);
    EXPECT(shr_producer_open(a, NULL, &p), SHR_REPLACED);
    EXPECT(shr_remove(name, NULL), SHR_OK);
    EXPECT(shr_remove(name, NULL), SHR_NOT_FOUND);
    shr_ring_close(a);
    shr_ring_close(b);
}

static void another_shape_is_said_in_its_kinds_words(void) {
    char name[64];
    snprintf(name, sizeof name, "c-test-%d", (int)getpid());
    struct shr_options options = options_of(4096);
    shr_ring *a, *b;
    options.must_match = 1;
    options.subscribers = 4;
    EXPECT(shr_create(name, SHR_BROADCAST, &options, &a), SHR_OK);
    EXPECT(shr_open_or_create(name, SHR_BROADCAST, &options, &b), SHR_OK);
    shr_ring_close(b);
    options.subscribers = 64;
    EXPECT(shr_open_or_create(name, SHR_BROADCAST, &options, &b), SHR_DIFFERENT_SHAPE);
    CHECK(strstr(shr_message(), "its number of subscribers is 4, not 64"));
    EXPECT(shr_remove(name, NULL), SHR_OK);
    shr_ring_close(a);
    options.entries = 4;
    EXPECT(shr_create(name, SHR_BOARD, &options, &a), SHR_OK);
    options.entries = 5;
    EXPECT(shr_open_or_create(name, SHR_BOARD, &options, &b), SHR_DIFFERENT_SHAPE);
    CHECK(strstr(shr_message(), "its entries are 4, not 5"));
    EXPECT(shr_remove(name, NULL), SHR_OK);
    shr_ring_close(a);
}

/* In a user namespace that maps no user, the kernel shows this process to itself as the overflow user, and every file's owner, too. */
static int in_a_namespace_that_maps_no_user(const char *name) {
    if (unshare(CLONE_NEWUSER) != 0) return 77;
    struct shr_options any = options_of(4096);
    shr_ring *ring;
    shr_producer *p;
    if (shr_open(name, SHR_SPSC, NULL, &ring) != SHR_WRONG_OWNER || !strstr(shr_message(), "does not map")) return 1;
    if (shr_open_or_create(name, SHR_SPSC, NULL, &ring) != SHR_WRONG_OWNER) return 2;
    if (shr_remove(name, NULL) != SHR_WRONG_OWNER) return 3;
    if (shr_create_anonymous(SHR_SPSC, &any, &ring) != SHR_OK || shr_producer_open(ring, NULL, &p) != SHR_OK) return 4; /* made here */
    shr_producer_drop(p);
    shr_ring_close(ring);
    any.owners = SHR_ANY_USER; /* whom to trust, and not what can be done */
    if (shr_open(name, SHR_SPSC, &any, &ring) != SHR_OK || shr_producer_open(ring, NULL, &p) != SHR_OK) return 5;
    shr_producer_drop(p);
    shr_ring_close(ring);
    return 0;
}

static void a_user_that_the_namespace_does_not_map_owns_nothing_of_ours(void) {
    char name[64];
    snprintf(name, sizeof name, "c-test-%d", (int)getpid());
    struct shr_options options = options_of(4096);
    shr_ring *ring;
    EXPECT(shr_create(name, SHR_SPSC, &options, &ring), SHR_OK);
    pid_t child = fork();
    if (child == 0) _exit(in_a_namespace_that_maps_no_user(name));
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        printf("skipped: %s: no user namespaces here\n", test_name);
    else
        CHECK(WEXITSTATUS(status) == 0);
    EXPECT(shr_remove(name, NULL), SHR_OK);
    shr_ring_close(ring);
}

/* The rest of its header is a ring's, so that only the kind can refuse it. */
static void a_kind_that_is_not_known_is_refused(void) {
    char name[64], path[128];
    snprintf(name, sizeof name, "c-test-%d", (int)getpid());
    snprintf(path, sizeof path, "/dev/shm/%s", name);
    struct shr_options options = options_of(4096);
    struct sr_header h;
    shr_ring *ring, *found;
    EXPECT(shr_create(name, SHR_SPSC, &options, &ring), SHR_OK);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    CHECK(pread(fd, &h, sizeof h, 0) == (ssize_t)sizeof h);
    h.kind = 6;
    h.checksum = sr_header_checksum(&h);
    CHECK(pwrite(fd, &h, sizeof h, 0) == (ssize_t)sizeof h);
    close(fd);
    EXPECT(shr_open(name, SHR_SPSC, NULL, &found), SHR_INCOMPATIBLE);
    CHECK(strstr(shr_message(), "kind 6"));
    EXPECT(shr_open(name, 0, NULL, &found), SHR_INCOMPATIBLE);
    EXPECT(shr_remove(name, NULL), SHR_OK);
    shr_ring_close(ring);
}

static void messages_come_in_order_with_their_tags(int kind, struct shr_options options) {
    shr_ring *ring = make(kind, options);
    shr_consumer *c = receiver_of(ring);
    shr_producer *p = sender_of(ring);
    shr_msg m;
    EXPECT(shr_poll(c, &m), SHR_EMPTY);
    for (uint32_t i = 0; i < 20000; i++) {
        char text[512];
        size_t size = (size_t)snprintf(text, sizeof text, "%u", i) + i * 7 % 300;
        memset(text + strlen(text), 'x', sizeof text - strlen(text));
        EXPECT(shr_send(p, text, size, i, PATIENCE), SHR_OK);
        EXPECT(shr_receive(c, &m, PATIENCE), SHR_OK);
        CHECK(m.tag == i && m.count == size && memcmp(m.bytes, text, size) == 0);
        if (failures) break;
    }
    EXPECT(shr_producer_close(p), SHR_OK);
    EXPECT(shr_receive(c, &m, PATIENCE), SHR_ENDED);
    EXPECT(shr_consumer_close(c), SHR_OK);
    shr_ring_close(ring);
}

static void order_in_every_kind(void) {
    struct shr_options options = options_of(4096);
    messages_come_in_order_with_their_tags(SHR_SPSC, options);
    messages_come_in_order_with_their_tags(SHR_BROADCAST, options);
    messages_come_in_order_with_their_tags(SHR_MPSC, options);
    options.first_position_ = UINT64_MAX - 4095;
    messages_come_in_order_with_their_tags(SHR_SPSC, options);
    messages_come_in_order_with_their_tags(SHR_BROADCAST, options);
    options.total_order = 1;
    messages_come_in_order_with_their_tags(SHR_MPSC, options);
    options.barrier = SHR_BARRIER_SYMMETRIC;
    options.record_alignment = 64;
    messages_come_in_order_with_their_tags(SHR_MPSC, options);
    options.total_order = 0;
    messages_come_in_order_with_their_tags(SHR_SPSC, options);
}

static void what_is_claimed_is_sent_by_its_commit(void) {
    shr_ring *ring = make(SHR_SPSC, options_of(4096));
    shr_producer *p = sender_of(ring);
    shr_consumer *c = receiver_of(ring);
    shr_msg m;
    void *place;
    EXPECT(shr_commit(p, 0, 0), SHR_MISUSE);
    EXPECT(shr_claim(p, 100, &place, PATIENCE), SHR_OK);
    memcpy(place, "claimed", 7);
    EXPECT(shr_poll(c, &m), SHR_EMPTY);
    EXPECT(shr_commit(p, 101, 0), SHR_MESSAGE_TOO_LARGE);
    EXPECT(shr_commit(p, 7, 9), SHR_OK);
    EXPECT(shr_poll(c, &m), SHR_OK);
    CHECK(is_message(&m, "claimed") && m.tag == 9);
    EXPECT(shr_commit(p, 7, 9), SHR_MISUSE);
    EXPECT(shr_claim(p, 10, &place, PATIENCE), SHR_OK);
    EXPECT(shr_try_send(p, "sent", 4, 0), SHR_OK); /* takes the same room */
    EXPECT(shr_commit(p, 1, 0), SHR_MISUSE);
    EXPECT(shr_poll(c, &m), SHR_OK);
    CHECK(is_message(&m, "sent"));
    static char big[5000];
    EXPECT(shr_try_send(p, big, sizeof big, 0), SHR_MESSAGE_TOO_LARGE);
    CHECK(strstr(shr_message(), "5000"));
    volatile size_t most = SIZE_MAX;
    EXPECT(shr_try_send(p, big, most, 0), SHR_MESSAGE_TOO_LARGE);
    EXPECT(shr_try_claim(p, SIZE_MAX / 2 + 2, &place), SHR_MESSAGE_TOO_LARGE);
    shr_producer_drop(p);
    shr_consumer_drop(c);
    shr_ring_close(ring);
}

static void a_batch_becomes_visible_at_once(void) {
    shr_ring *ring = make(SHR_SPSC, options_of(4096));
    shr_producer *p = sender_of(ring);
    shr_consumer *c = receiver_of(ring);
    shr_msg m;
    shr_batch batch;
    for (int round = 0; round < 50; round++) {
        shr_batch_begin(p, &batch);
        for (int i = 0; i < 9; i++) EXPECT(shr_batch_try_append(&batch, "0123456789", (size_t)(i % 10), (uint32_t)i), SHR_OK);
        EXPECT(shr_poll(c, &m), SHR_EMPTY);
        shr_batch_commit(&batch);
        for (uint32_t i = 0; i < 9; i++) {
            EXPECT(shr_poll(c, &m), SHR_OK);
            CHECK(m.tag == i && m.count == i % 10);
        }
    }
    /* One that is dropped sends nothing, nor does one whose producer was used meanwhile; where there is no room, it says so. */
    shr_batch_begin(p, &batch);
    EXPECT(shr_batch_try_append(&batch, "dropped", 7, 0), SHR_OK);
    EXPECT(shr_try_send(p, "sent", 4, 0), SHR_OK);
    EXPECT(shr_batch_try_append(&batch, "dropped", 7, 0), SHR_MISUSE);
    EXPECT(shr_batch_commit(&batch), SHR_MISUSE);
    EXPECT(shr_poll(c, &m), SHR_OK);
    CHECK(is_message(&m, "sent"));
    shr_release(c);
    static char block[1000];
    int count = 0;
    shr_batch_begin(p, &batch);
    while (shr_batch_try_append(&batch, block, sizeof block, 0) == SHR_OK) count++;
    CHECK(count == 4 || count == 3);
    EXPECT(shr_batch_append(&batch, block, sizeof block, 0, 1), SHR_TIMED_OUT); /* what was appended before is committed by then */
    for (int i = 0; i < count; i++) EXPECT(shr_poll(c, &m), SHR_OK);
    EXPECT(shr_poll(c, &m), SHR_EMPTY);
    shr_producer_drop(p);
    shr_consumer_drop(c);
    shr_ring_close(ring);
}

static void what_is_not_acknowledged_comes_again(void) {
    struct shr_endpoint endpoint = endpoint_of();
    shr_ring *ring = make(SHR_SPSC, options_of(4096));
    shr_producer *p = sender_of(ring);
    shr_consumer *c;
    shr_msg m;
    endpoint.manual = 1;
    EXPECT(shr_consumer_open(ring, &endpoint, &c), SHR_OK);
    for (int i = 0; i < 4; i++) EXPECT(shr_try_send(p, &"abcd"[i], 1, (uint32_t)i), SHR_OK);
    EXPECT(shr_wait_acknowledged(p, 0), SHR_EMPTY);
    EXPECT(shr_poll(c, &m), SHR_OK);
    EXPECT(shr_acknowledge(c), SHR_OK);
    EXPECT(shr_poll(c, &m), SHR_OK);
    EXPECT(shr_poll(c, &m), SHR_OK);
    EXPECT(shr_consumer_close(c), SHR_OK);
    c = receiver_of(ring);
    EXPECT(shr_poll(c, &m), SHR_OK);
    CHECK(m.tag == 1);
    shr_put_back(c);
    EXPECT(shr_poll(c, &m), SHR_OK);
    CHECK(m.tag == 1);
    EXPECT(shr_poll(c, &m), SHR_OK);
    EXPECT(shr_poll(c, &m), SHR_OK);
    CHECK(m.tag == 3);
    shr_release(c);
    EXPECT(shr_wait_acknowledged(p, PATIENCE), SHR_OK);
    EXPECT(shr_remove_if_unused(c), 0); /* it has no name */
    shr_producer_drop(p);
    shr_consumer_drop(c);
    shr_ring_close(ring);
}

static void deaths_and_closes_are_told_once(void) {
    shr_ring *ring = make(SHR_SPSC, options_of(4096));
    shr_consumer *c = receiver_of(ring);
    shr_producer *p = sender_of(ring);
    shr_msg m;
    EXPECT(shr_try_send(p, "last", 4, 0), SHR_OK);
    shr_producer_drop(p); /* as a killed process does */
    EXPECT(shr_receive(c, &m, PATIENCE), SHR_OK);
    EXPECT(shr_receive(c, &m, PATIENCE), SHR_PEER_DIED);
    EXPECT(shr_receive(c, &m, 10000000), SHR_TIMED_OUT);
    p = sender_of(ring);
    EXPECT(shr_try_send(p, "new", 3, 0), SHR_OK);
    EXPECT(shr_producer_close(p), SHR_OK);
    EXPECT(shr_receive(c, &m, PATIENCE), SHR_OK);
    CHECK(is_message(&m, "new"));
    EXPECT(shr_receive(c, &m, PATIENCE), SHR_ENDED);
    struct shr_end_counts ends;
    shr_ends(c, &ends);
    CHECK(ends.closed == 1 && ends.died == 1);
    struct shr_end end;
    EXPECT(shr_next_end(c, &end), SHR_OK);
    CHECK(end.died && end.lane == 0 && end.pid == (uint32_t)getpid());
    EXPECT(shr_next_end(c, &end), SHR_OK);
    CHECK(!end.died && end.pid == (uint32_t)getpid());
    EXPECT(shr_next_end(c, &end), SHR_EMPTY);
    p = sender_of(ring);
    EXPECT(shr_wait_consumers(p, 1, PATIENCE), SHR_OK);
    EXPECT(shr_consumer_close(c), SHR_OK);
    static char block[4000];
    EXPECT(shr_send(p, block, sizeof block, 0, PATIENCE), SHR_OK);
    EXPECT(shr_send(p, block, sizeof block, 0, PATIENCE), SHR_PEER_CLOSED);
    EXPECT(shr_send(p, block, sizeof block, 0, 10000000), SHR_TIMED_OUT);
    c = receiver_of(ring);
    shr_consumer_drop(c);
    EXPECT(shr_send(p, block, sizeof block, 0, PATIENCE), SHR_PEER_DIED);
    shr_producer_drop(p);
    shr_ring_close(ring);
}

static void *cancel_soon(void *argument) {
    shr_consumer_cancel((shr_consumer *)argument, 1);
    return NULL;
}

static void a_wait_is_cancelled_from_another_thread(void) {
    shr_ring *ring = make(SHR_SPSC, options_of(4096));
    shr_consumer *c = receiver_of(ring);
    shr_msg m;
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, cancel_soon, c) == 0);
    EXPECT(shr_receive(c, &m, SHR_FOREVER), SHR_CANCELLED);
    pthread_join(thread, NULL);
    EXPECT(shr_receive(c, &m, SHR_FOREVER), SHR_CANCELLED);
    shr_consumer_cancel(c, 0);
    EXPECT(shr_receive(c, &m, 1000000), SHR_TIMED_OUT);
    shr_consumer_drop(c);
    shr_ring_close(ring);
}

static int interrupt(void *context) { return ++*(int *)context >= 2; }

static void a_wait_asks_whether_it_is_interrupted(void) {
    struct shr_endpoint endpoint = endpoint_of();
    shr_ring *ring = make(SHR_SPSC, options_of(4096));
    shr_consumer *c;
    shr_msg m;
    int asked = 0;
    endpoint.interrupted = interrupt;
    endpoint.context = &asked;
    EXPECT(shr_consumer_open(ring, &endpoint, &c), SHR_OK);
    EXPECT(shr_receive(c, &m, SHR_FOREVER), SHR_CANCELLED);
    CHECK(asked == 2 && shr_errno() == EINTR);
    shr_consumer_drop(c);
    /* However long the check interval is: a signal that came while no futex slept is not forgotten for so long. */
    for (endpoint.waiting = SHR_ADAPTIVE; endpoint.waiting <= SHR_SLEEP; endpoint.waiting++) {
        asked = 0;
        endpoint.check_interval_ns = PATIENCE;
        EXPECT(shr_consumer_open(ring, &endpoint, &c), SHR_OK);
        EXPECT(shr_receive(c, &m, PATIENCE), SHR_CANCELLED);
        CHECK(asked == 2);
        shr_consumer_drop(c);
    }
    shr_ring_close(ring);
}

static int is_readable(int fd, int timeout_ms) {
    struct pollfd event = {fd, POLLIN, 0};
    return poll(&event, 1, timeout_ms) == 1;
}

static void a_descriptor_is_readable_when_something_waits(int kind) {
    shr_ring *ring = make(kind, options_of(4096));
    shr_consumer *c = receiver_of(ring);
    shr_producer *p = sender_of(ring);
    shr_msg m;
    EXPECT(shr_consumer_arm(c), SHR_MISUSE);
    int fd = shr_consumer_descriptor(c);
    CHECK(fd >= 3 && is_readable(fd, 0)); /* at first */
    for (int i = 0; i < 30; i++) {
        EXPECT(shr_poll(c, &m), SHR_EMPTY);
        EXPECT(shr_consumer_arm(c), SHR_OK);
        if (i % 2) CHECK(!is_readable(fd, 0));
        EXPECT(shr_poll(c, &m), SHR_EMPTY);
        EXPECT(shr_try_send(p, "event", 5, 0), SHR_OK);
        CHECK(is_readable(fd, 120000));
        while (shr_poll(c, &m) != SHR_OK) continue; /* the thread lets go behind its event */
        CHECK(is_message(&m, "event"));
    }
    EXPECT(shr_poll(c, &m), SHR_EMPTY);
    EXPECT(shr_consumer_arm(c), SHR_OK);
    shr_consumer_cancel(c, 1);
    CHECK(is_readable(fd, 120000)); /* whoever waits for it is to come and find out */
    while (shr_consumer_arm(c) == SHR_OK) continue;
    EXPECT(shr_consumer_arm(c), SHR_CANCELLED);
    shr_consumer_cancel(c, 0);
    EXPECT(shr_poll(c, &m), SHR_EMPTY);
    EXPECT(shr_consumer_arm(c), SHR_OK);
    EXPECT(shr_producer_close(p), SHR_OK);
    CHECK(is_readable(fd, 120000));
    int found;
    while ((found = shr_poll(c, &m)) == SHR_EMPTY) continue;
    CHECK(found == SHR_ENDED);
    EXPECT(shr_consumer_arm(c), SHR_OK);
    EXPECT(shr_consumer_close(c), SHR_OK); /* with the thread at work */
    shr_ring_close(ring);
}

static void descriptors_of_every_kind(void) {
    a_descriptor_is_readable_when_something_waits(SHR_SPSC);
    a_descriptor_is_readable_when_something_waits(SHR_MPSC);
    a_descriptor_is_readable_when_something_waits(SHR_BROADCAST);
}

/* A caller whose own timeout passed takes its endpoint back, and nothing is lost: neither a message, nor a cancellation from another thread. */
static void what_is_disarmed_is_the_callers(int kind) {
    shr_ring *ring = make(kind, options_of(4096));
    shr_consumer *c = receiver_of(ring);
    shr_producer *p = sender_of(ring);
    shr_msg m;
    EXPECT(shr_consumer_disarm(c), SHR_OK); /* it has no descriptor */
    int fd = shr_consumer_descriptor(c);
    for (int i = 0; i < 300 && failures == 0; i++) {
        EXPECT(shr_poll(c, &m), SHR_EMPTY);
        EXPECT(shr_consumer_arm(c), SHR_OK);
        if (i % 3 == 1) EXPECT(shr_receive(c, &m, 1), SHR_ALREADY_WAITING); /* time for its thread to fall asleep */
        if (i % 3 == 2) EXPECT(shr_try_send(p, "event", 5, 0), SHR_OK);
        EXPECT(shr_consumer_disarm(c), SHR_OK);
        CHECK(is_readable(fd, 0)); /* an event loop that waits for it is to come and find out */
        EXPECT(shr_acknowledge(c), SHR_OK);
        if (i % 3 != 2) EXPECT(shr_receive(c, &m, 1), SHR_TIMED_OUT);
        if (i % 3 != 2) EXPECT(shr_try_send(p, "event", 5, 0), SHR_OK);
        EXPECT(shr_receive(c, &m, PATIENCE), SHR_OK);
        CHECK(is_message(&m, "event"));
    }
    EXPECT(shr_poll(c, &m), SHR_EMPTY);
    EXPECT(shr_consumer_arm(c), SHR_OK);
    shr_consumer_cancel(c, 1);
    EXPECT(shr_consumer_disarm(c), SHR_OK);
    EXPECT(shr_receive(c, &m, PATIENCE), SHR_CANCELLED);
    shr_consumer_cancel(c, 0);
    EXPECT(shr_receive(c, &m, 1), SHR_TIMED_OUT);
    EXPECT(shr_consumer_arm(c), SHR_OK);
    EXPECT(shr_consumer_disarm(c), SHR_OK);
    EXPECT(shr_consumer_close(c), SHR_OK);
    shr_producer_drop(p);
    shr_ring_close(ring);
}

static void what_is_disarmed(void) {
    what_is_disarmed_is_the_callers(SHR_SPSC);
    what_is_disarmed_is_the_callers(SHR_MPSC);
    what_is_disarmed_is_the_callers(SHR_BROADCAST);
    struct shr_options options = options_of(4096);
    shr_ring *board = make(SHR_BOARD, options);
    shr_board_reader *r;
    struct shr_stamp stamp;
    char value[8];
    EXPECT(shr_board_add(board, "a", 8), SHR_OK);
    EXPECT(shr_board_reader_open(board, NULL, NULL, &r), SHR_OK);
    EXPECT(shr_board_reader_disarm(r), SHR_OK);
    CHECK(shr_board_reader_descriptor(r) >= 0);
    EXPECT(shr_board_reader_arm(r), SHR_OK);
    EXPECT(shr_board_get(r, 0, value, sizeof value, &stamp), SHR_ALREADY_WAITING);
    EXPECT(shr_board_add(board, "b", 8), SHR_OK);
    EXPECT(shr_board_find(r, "b"), SHR_ALREADY_WAITING);
    EXPECT(shr_board_reader_disarm(r), SHR_OK);
    EXPECT(shr_board_get(r, 0, value, sizeof value, &stamp), SHR_EMPTY);
    shr_board_writer *w;
    uint32_t index;
    EXPECT(shr_board_writer_open(board, "a", NULL, &w), SHR_OK);
    EXPECT(shr_board_set(w, "1", 1, 0), SHR_OK);
    CHECK(shr_board_version(r, 0) == 1 && shr_board_version(r, 1) == 0 && shr_board_version(r, 9) == 0);
    EXPECT(shr_board_wait(r, &index, 0), SHR_OK); /* it was not told by that */
    shr_board_writer_close(w);
    EXPECT(shr_board_find(r, "b"), 1);
    shr_board_reader_close(r);
    shr_ring_close(board);
}

/* The descriptor is not readable before something comes: an event of before, written late, would keep an event loop busy for good. */
static void an_armed_descriptor_rests(void) {
    shr_ring *ring = make(SHR_SPSC, options_of(4096));
    shr_consumer *c = receiver_of(ring);
    shr_producer *p = sender_of(ring);
    shr_msg m;
    int fd = shr_consumer_descriptor(c);
    for (int i = 0; i < 20000 && failures == 0; i++) {
        EXPECT(shr_consumer_arm(c), SHR_OK);
        for (int look = 0; look < 4; look++) CHECK(!is_readable(fd, 0));
        EXPECT(shr_try_send(p, "event", 5, 0), SHR_OK);
        while (shr_poll(c, &m) != SHR_OK) continue; /* without a wait for the descriptor: as early as can be */
        EXPECT(shr_poll(c, &m), SHR_EMPTY);
    }
    shr_consumer_drop(c);
    shr_producer_drop(p);
    shr_ring_close(ring);
}

static void what_is_armed_is_its_threads(int kind) {
    shr_ring *ring = make(kind, options_of(4096));
    shr_consumer *c = receiver_of(ring);
    shr_producer *p = sender_of(ring);
    shr_msg m;
    struct shr_end end;
    struct shr_end_counts ends;
    int fd = shr_consumer_descriptor(c);
    EXPECT(shr_poll(c, &m), SHR_EMPTY);
    EXPECT(shr_consumer_arm(c), SHR_OK);
    EXPECT(shr_remove_if_unused(c), SHR_ALREADY_WAITING);
    EXPECT(shr_acknowledge(c), SHR_ALREADY_WAITING);
    EXPECT(shr_receive(c, &m, 1), SHR_ALREADY_WAITING);
    EXPECT(shr_wait_producer(c, 0), SHR_ALREADY_WAITING);
    EXPECT(shr_next_end(c, &end), SHR_EMPTY);
    shr_ends(c, &ends);
    CHECK(ends.closed == 0 && ends.died == 0);
    EXPECT(shr_try_send(p, "event", 5, 0), SHR_OK);
    CHECK(is_readable(fd, 120000));
    EXPECT(shr_remove_if_unused(c), 0); /* readable: it is the caller's again, at once */
    EXPECT(shr_receive(c, &m, PATIENCE), SHR_OK);
    shr_consumer_drop(c);
    shr_producer_drop(p);
    shr_ring_close(ring);
}

/* Without an acknowledgement, too, the message that was out is out no more once the thread looks at the other lanes. */
static void a_message_that_is_out_may_be_armed_over(int total_order) {
    struct shr_options options = options_of(4096);
    struct shr_endpoint endpoint = endpoint_of();
    options.total_order = total_order;
    endpoint.manual = 1;
    shr_ring *ring = make(SHR_MPSC, options);
    shr_producer *p = sender_of(ring), *q = sender_of(ring);
    shr_consumer *c;
    shr_msg m;
    EXPECT(shr_consumer_open(ring, &endpoint, &c), SHR_OK);
    int fd = shr_consumer_descriptor(c);
    EXPECT(shr_try_send(p, "first", 5, 0), SHR_OK);
    EXPECT(shr_poll(c, &m), SHR_OK);
    EXPECT(shr_consumer_arm(c), SHR_OK);
    EXPECT(shr_try_send(q, "second", 6, 0), SHR_OK);
    CHECK(is_readable(fd, 120000));
    EXPECT(shr_receive(c, &m, PATIENCE), SHR_OK);
    CHECK(is_message(&m, "second"));
    EXPECT(shr_try_send(p, "third", 5, 0), SHR_OK);
    EXPECT(shr_receive(c, &m, PATIENCE), SHR_OK);
    CHECK(is_message(&m, "third"));
    shr_consumer_drop(c);
    shr_producer_drop(p);
    shr_producer_drop(q);
    shr_ring_close(ring);
}

static void what_is_armed_is_left_alone(void) {
    what_is_armed_is_its_threads(SHR_SPSC);
    what_is_armed_is_its_threads(SHR_MPSC);
    what_is_armed_is_its_threads(SHR_BROADCAST);
    a_message_that_is_out_may_be_armed_over(0);
    a_message_that_is_out_may_be_armed_over(1);
}

/* The sanitized form of this program ends where arithmetic overflows. */
static void check_intervals_may_be_as_long_as_they_like(void) {
    static const int kinds[] = {SHR_SPSC, SHR_MPSC, SHR_BROADCAST};
    static const int64_t intervals[] = {INT64_MAX, INT64_MAX / 2, INT64_MIN, -1};
    for (int kind = 0; kind < 3; kind++)
        for (int i = 0; i < 4; i++)
            for (int waiting = SHR_ADAPTIVE; waiting <= SHR_SLEEP; waiting++) {
                struct shr_endpoint endpoint = endpoint_of();
                shr_producer *p;
                shr_consumer *c;
                shr_msg m;
                endpoint.check_interval_ns = intervals[i];
                endpoint.from = intervals[i] < 0 ? 0 : intervals[i];
                endpoint.waiting = waiting;
                shr_ring *ring = make(kinds[kind], options_of(4096));
                EXPECT(shr_producer_open(ring, &endpoint, &p), SHR_OK);
                EXPECT(shr_consumer_open(ring, &endpoint, &c), SHR_OK);
                EXPECT(shr_receive(c, &m, 100000), SHR_TIMED_OUT);
                while (shr_try_send(p, "12345678", 8, 0) == SHR_OK) continue;
                EXPECT(shr_send(p, "12345678", 8, 0, 100000), SHR_TIMED_OUT);
                shr_producer_drop(p);
                shr_consumer_drop(c);
                shr_ring_close(ring);
            }
    for (int i = 0; i < 4; i++) {
        struct shr_endpoint endpoint = endpoint_of();
        shr_board_reader *r;
        uint32_t index;
        endpoint.check_interval_ns = endpoint.polling_ns = intervals[i];
        shr_ring *board = make(SHR_BOARD, options_of(4096));
        EXPECT(shr_board_reader_open(board, NULL, &endpoint, &r), SHR_OK);
        EXPECT(shr_board_wait(r, &index, 100000), SHR_TIMED_OUT);
        shr_board_reader_close(r);
        shr_ring_close(board);
    }
}

static void a_descriptor_leads_to_an_anonymous_ring(void) {
    shr_ring *ring = make(SHR_SPSC, options_of(4096)), *same, *other;
    shr_consumer *c = receiver_of(ring);
    shr_msg m;
    int fd = shr_ring_descriptor(ring, 0);
    CHECK(fd >= 0);
    EXPECT(shr_open_descriptor(fd, SHR_SPSC, NULL, &same), SHR_OK);
    EXPECT(shr_open_descriptor(fd, SHR_BOARD, NULL, &other), SHR_INCOMPATIBLE);
    close(fd);
    EXPECT(shr_open_descriptor(fd, SHR_SPSC, NULL, &other), SHR_SYSTEM);
    shr_producer *p = sender_of(same);
    EXPECT(shr_try_send(p, "there", 5, 0), SHR_OK);
    EXPECT(shr_poll(c, &m), SHR_OK);
    fd = memfd_create("unsealed", MFD_ALLOW_SEALING);
    CHECK(ftruncate(fd, 65536) == 0);
    EXPECT(shr_open_descriptor(fd, 0, NULL, &other), SHR_NOT_SEALED);
    close(fd);
    shr_producer_drop(p);
    shr_consumer_drop(c);
    shr_ring_close(ring);
    shr_ring_close(same);
}

static void a_forked_child_is_refused(void) {
    shr_ring *ring = make(SHR_SPSC, options_of(4096));
    shr_producer *p = sender_of(ring);
    shr_consumer *c = receiver_of(ring);
    shr_msg m;
    shr_ring *board = make(SHR_BOARD, options_of(4096));
    EXPECT(shr_board_add(board, "key", 8), SHR_OK);
    EXPECT(shr_try_send(p, "a", 1, 0), SHR_OK);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        shr_producer *other;
        shr_consumer *another;
        shr_board_reader *r;
        shr_board_writer *w;
        int is_refused = shr_try_send(p, "b", 1, 0) == SHR_FORKED && shr_poll(c, &m) == SHR_FORKED && shr_ring_descriptor(ring, 0) == SHR_FORKED;
        /* The numbers of the library's descriptors are other files' here. */
        while (dup(STDERR_FILENO) < 64) continue;
        is_refused &= shr_producer_open(ring, NULL, &other) == SHR_FORKED && shr_consumer_open(ring, NULL, &another) == SHR_FORKED;
        is_refused &= shr_board_reader_open(board, NULL, NULL, &r) == SHR_FORKED && shr_board_writer_open(board, "key", NULL, &w) == SHR_FORKED &&
                      shr_board_add(board, "other", 8) == SHR_FORKED && shr_remove_if_unused(c) == SHR_FORKED;
        shr_producer_drop(p);
        shr_consumer_drop(c);
        _exit(is_refused ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    EXPECT(shr_poll(c, &m), SHR_OK);
    EXPECT(shr_poll(c, &m), SHR_EMPTY);
    shr_producer_drop(p);
    shr_consumer_drop(c);
    shr_ring_close(ring);
    shr_ring_close(board);
}

/* As one that posix_spawn starts has them until its exec. No handler runs in it. */
static void what_is_given_back_is_free_beside_copies_of_all_descriptors(void) {
    shr_ring *ring = make(SHR_SPSC, options_of(4096));
    shr_producer *p = sender_of(ring);
    shr_consumer *c = receiver_of(ring);
    long child = syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);
    if (child == 0) {
        alarm(60);
        for (;;) pause();
    }
    CHECK(child > 0);
    EXPECT(shr_producer_close(p), SHR_OK);
    shr_consumer_drop(c);
    p = sender_of(ring);
    c = receiver_of(ring);
    shr_producer_drop(p);
    shr_consumer_drop(c);
    kill((pid_t)child, SIGKILL);
    waitpid((pid_t)child, NULL, 0);
    shr_ring_close(ring);
}

static void a_lossy_subscriber_counts_what_it_missed(void) {
    struct shr_endpoint endpoint = endpoint_of();
    shr_ring *ring = make(SHR_BROADCAST, options_of(4096));
    shr_producer *p = sender_of(ring);
    shr_consumer *c, *late;
    shr_msg m;
    endpoint.lossy = 1;
    EXPECT(shr_consumer_open(ring, &endpoint, &c), SHR_OK);
    uint64_t received = 0, missed, bytes, number;
    for (uint64_t i = 0; i < 100000; i++) {
        EXPECT(shr_try_send(p, &i, sizeof i, 0), SHR_OK); /* it never waits for this one */
        if (i % 1000 > 20) continue;
        if (shr_poll(c, &m) != SHR_OK) continue;
        received++;
        memcpy(&number, m.bytes, sizeof number);
        shr_missed(c, &missed, &bytes);
        CHECK(number + 1 == received + missed);
    }
    EXPECT(shr_producer_close(p), SHR_OK);
    while (shr_poll(c, &m) == SHR_OK) received++;
    shr_missed(c, &missed, &bytes);
    CHECK(received + missed == 100000 && missed > 0 && bytes == missed * 8);
    endpoint.lossy = 0;
    endpoint.from = 3; /* the last three */
    EXPECT(shr_consumer_open(ring, &endpoint, &late), SHR_OK);
    for (uint64_t i = 99997; i < 100000; i++) {
        EXPECT(shr_poll(late, &m), SHR_OK);
        memcpy(&number, m.bytes, sizeof number);
        CHECK(number == i);
    }
    EXPECT(shr_poll(late, &m), SHR_ENDED);
    shr_consumer_close(c);
    shr_consumer_close(late);
    shr_ring_close(ring);
}

static void the_slowest_subscriber_is_named(void) {
    struct shr_endpoint endpoint = endpoint_of();
    shr_ring *ring = make(SHR_BROADCAST, options_of(4096));
    shr_producer *p = sender_of(ring);
    shr_consumer *c;
    EXPECT(shr_consumer_open(ring, &endpoint, &c), SHR_OK);
    EXPECT(shr_wait_consumers(p, 1, PATIENCE), SHR_OK);
    while (shr_try_send(p, "12345678", 8, 0) == SHR_OK) continue;
    EXPECT(shr_send(p, "12345678", 8, 0, 20000000), SHR_TIMED_OUT);
    CHECK(strstr(shr_message(), "subscriber 0"));
    shr_consumer_drop(c); /* leaves: nothing is held back */
    EXPECT(shr_send(p, "12345678", 8, 0, PATIENCE), SHR_OK);
    shr_producer_drop(p);
    shr_ring_close(ring);
}

static void a_board_has_the_latest_values(void) {
    struct shr_options options = options_of(shr_board_size(100, 1) * 3);
    options.entries = 3;
    options.keeps_time = 1;
    shr_ring *board = make(SHR_BOARD, options);
    EXPECT(shr_board_add(board, "price", 100), SHR_OK);
    EXPECT(shr_board_add(board, "price", 50), SHR_OK);
    EXPECT(shr_board_add(board, "price", 101), SHR_DIFFERENT_SHAPE);
    EXPECT(shr_board_add(board, "", 1), SHR_INVALID_NAME);
    shr_board_reader *r;
    EXPECT(shr_board_reader_open(board, NULL, NULL, &r), SHR_OK);
    CHECK(shr_board_count(r) == 1);
    EXPECT(shr_board_add(board, "depth", 8), SHR_OK);
    EXPECT(shr_board_add(board, "large", 1000), SHR_BOARD_FULL);
    CHECK(shr_board_count(r) == 2);
    EXPECT(shr_board_find(r, "depth"), 1);
    EXPECT(shr_board_find(r, "nothing"), SHR_ENTRY_NOT_FOUND);
    shr_board_writer *w, *other;
    EXPECT(shr_board_writer_open(board, "nothing", NULL, &w), SHR_ENTRY_NOT_FOUND);
    EXPECT(shr_board_writer_open(board, "price", NULL, &w), SHR_OK);
    EXPECT(shr_board_writer_open(board, "price", NULL, &other), SHR_ROLE_TAKEN);
    EXPECT(shr_board_writer_open(board, "depth", NULL, &other), SHR_OK);
    char value[128];
    struct shr_stamp stamp, stamps[3];
    EXPECT(shr_board_get(r, 0, value, sizeof value, &stamp), SHR_EMPTY);
    for (uint32_t i = 1; i <= 1000; i++) {
        EXPECT(shr_board_set(w, &i, sizeof i, i), SHR_OK);
        EXPECT(shr_board_get(r, 0, value, sizeof value, &stamp), SHR_OK);
        CHECK(stamp.version == i && stamp.tag == i && stamp.count == 4 && stamp.time_ns > 0 && memcmp(value, &i, 4) == 0);
    }
    EXPECT(shr_board_set(w, value, 101, 0), SHR_MESSAGE_TOO_LARGE);
    EXPECT(shr_board_get(r, 0, value, 2, &stamp), SHR_OK);
    CHECK(stamp.count == 4); /* and nothing was copied */
    EXPECT(shr_board_set(other, "12345678", 8, 3), SHR_OK);
    size_t offsets[3], needed;
    EXPECT(shr_board_snapshot(r, value, sizeof value, stamps, offsets, &needed), SHR_OK);
    CHECK(needed == 16 && offsets[1] == 8 && memcmp(value + 8, "12345678", 8) == 0 && stamps[0].version == 1000 && stamps[1].tag == 3);
    uint32_t index = 9;
    EXPECT(shr_board_wait(r, &index, 1000000), SHR_TIMED_OUT);
    EXPECT(shr_board_set(other, "87654321", 8, 3), SHR_OK);
    EXPECT(shr_board_wait(r, &index, PATIENCE), SHR_OK);
    CHECK(index == 1);
    int fd = shr_board_reader_descriptor(r);
    EXPECT(shr_board_reader_arm(r), SHR_OK);
    EXPECT(shr_board_get(r, 0, value, sizeof value, &stamp), SHR_ALREADY_WAITING);
    EXPECT(shr_board_set(w, "x", 1, 0), SHR_OK);
    CHECK(is_readable(fd, 120000));
    while (shr_board_wait(r, &index, 0) == SHR_EMPTY) continue;
    CHECK(index == 0);
    shr_board_reader_close(r);
    shr_board_writer_close(w);
    EXPECT(shr_board_writer_open(board, "price", NULL, &w), SHR_OK);
    shr_board_writer_close(w);
    shr_board_writer_close(other);
    shr_ring_close(board);
}

static void a_snapshot_has_the_entries_that_were_counted(void) {
    struct shr_options options = options_of(4096);
    options.entries = 3;
    shr_ring *board = make(SHR_BOARD, options);
    shr_board_reader *r, *one;
    shr_board_writer *w;
    struct shr_stamp stamps[3];
    size_t offsets[3], needed = 9;
    uint32_t index;
    char value[64];
    for (int i = 0; i < 3; i++) stamps[i].version = offsets[i] = 77;
    EXPECT(shr_board_add(board, "a", 8), SHR_OK);
    EXPECT(shr_board_reader_open(board, NULL, NULL, &r), SHR_OK);
    EXPECT(shr_board_reader_open(board, "a", NULL, &one), SHR_OK);
    EXPECT(shr_board_snapshot(r, value, sizeof value, stamps, offsets, &needed), SHR_OK);
    CHECK(needed == 0 && stamps[0].version == 77 && offsets[0] == 77); /* it was not counted yet */
    CHECK(shr_board_count(r) == 1);
    /* Another process adds entries, and a wait finds them. */
    EXPECT(shr_board_add(board, "b", 8), SHR_OK);
    EXPECT(shr_board_add(board, "c", 8), SHR_OK);
    EXPECT(shr_board_writer_open(board, "c", NULL, &w), SHR_OK);
    EXPECT(shr_board_set(w, "12345678", 8, 0), SHR_OK);
    EXPECT(shr_board_wait(r, &index, PATIENCE), SHR_OK);
    CHECK(index == 2 && strcmp(shr_board_key(r, index, NULL), "c") == 0 && shr_board_capacity(r, index) == 8);
    EXPECT(shr_board_snapshot(r, value, sizeof value, stamps, offsets, &needed), SHR_OK);
    CHECK(needed == 0 && stamps[0].version == 0 && stamps[1].version == 77 && stamps[2].version == 77 && offsets[2] == 77);
    EXPECT(shr_board_snapshot(one, value, sizeof value, stamps, offsets, &needed), SHR_OK);
    CHECK(shr_board_count(one) == 1 && needed == 0 && stamps[1].version == 77);
    /* While a thread looks, the count stays what it was. */
    int fd = shr_board_reader_descriptor(r);
    CHECK(fd >= 0);
    EXPECT(shr_board_reader_arm(r), SHR_OK);
    CHECK(shr_board_count(r) == 1);
    EXPECT(shr_board_set(w, "87654321", 8, 0), SHR_OK);
    CHECK(is_readable(fd, 120000));
    CHECK(shr_board_count(r) == 3);
    EXPECT(shr_board_snapshot(r, value, sizeof value, stamps, offsets, &needed), SHR_OK);
    CHECK(needed == 8 && stamps[1].version == 0 && stamps[2].version == 2 && offsets[2] == 0 && memcmp(value, "87654321", 8) == 0);
    shr_board_reader_close(r);
    shr_board_reader_close(one);
    shr_board_writer_close(w);
    shr_ring_close(board);
}

/* Each is sound by itself, and together they would have a caller allocate more than the board has. */
static void entries_that_lie_over_each_other_are_refused(void) {
    struct shr_options options = options_of(shr_board_size(1000, 0) + shr_board_size(8, 0));
    options.entries = 2;
    shr_ring *board = make(SHR_BOARD, options);
    shr_board_reader *r;
    shr_board_writer *w;
    struct sr_entry_control first, second;
    static char value[1000];
    EXPECT(shr_board_add(board, "a", 1000), SHR_OK);
    EXPECT(shr_board_add(board, "b", 8), SHR_OK);
    EXPECT(shr_board_writer_open(board, "a", NULL, &w), SHR_OK);
    EXPECT(shr_board_set(w, value, 1000, 0), SHR_OK);
    int fd = shr_ring_descriptor(board, 0);
    long page = sysconf(_SC_PAGESIZE);
    CHECK(pread(fd, &first, sizeof first, page + (long)sr_entry_offset(0)) == (ssize_t)sizeof first);
    CHECK(pread(fd, &second, sizeof second, page + (long)sr_entry_offset(1)) == (ssize_t)sizeof second);
    second.capacity = first.capacity;
    second.data_offset = first.data_offset;
    second.turn = first.turn;
    CHECK(pwrite(fd, &second, sizeof second, page + (long)sr_entry_offset(1)) == (ssize_t)sizeof second);
    close(fd);
    EXPECT(shr_board_reader_open(board, NULL, NULL, &r), SHR_POISONED);
    CHECK(strstr(shr_message(), "among those of the entry before"));
    EXPECT(shr_board_reader_open(board, "b", NULL, &r), SHR_POISONED);
    EXPECT(shr_board_add(board, "c", 1), SHR_POISONED);
    shr_board_writer_close(w);
    EXPECT(shr_board_writer_open(board, "b", NULL, &w), SHR_POISONED);
    EXPECT(shr_board_reader_open(board, "a", NULL, &r), SHR_OK);
    shr_board_reader_close(r);
    shr_ring_close(board);
}

static int reads_without_leave_to_write(const char *name) {
    struct shr_options options;
    struct shr_endpoint endpoint = endpoint_of();
    shr_ring *board;
    shr_board_reader *r;
    shr_board_writer *w;
    struct shr_stamp stamp;
    char value[8];
    uint32_t index;
    memset(&options, 0, sizeof options);
    options.owners = SHR_ANY_USER;
    endpoint.check_interval_ns = PATIENCE * 10; /* it looks by polling_ns */
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) return 2;
    if (shr_open(name, SHR_BOARD, &options, &board) != SHR_OK) return 3;
    if (shr_board_reader_open(board, NULL, &endpoint, &r) != SHR_OK) return 4;
    if (shr_board_wait(r, &index, PATIENCE) != SHR_OK || index != 0) return 5;
    if (shr_board_get(r, 0, value, sizeof value, &stamp) != SHR_OK || memcmp(value, "1", 1) != 0) return 6;
    /* Waits without a word in the board. The parent sets the next value once this process has no other news. */
    printf("?");
    fflush(stdout);
    if (shr_board_wait(r, &index, PATIENCE) != SHR_OK || shr_board_get(r, 0, value, sizeof value, &stamp) != SHR_OK || *value != '2') return 7;
    if (shr_board_writer_open(board, "key", NULL, &w) != SHR_WRONG_OWNER || shr_errno() != EACCES) return 8;
    if (shr_board_add(board, "other", 8) != SHR_WRONG_OWNER) return 9;
    shr_board_reader_close(r);
    shr_ring_close(board);
    return 0;
}

static void a_board_is_read_without_leave_to_write(void) {
    struct shr_options options = options_of(4096);
    char name[64], path[128], question;
    int ends[2], status = 0;
    shr_ring *board;
    shr_board_writer *w;
    snprintf(name, sizeof name, "c-test-read-%d", (int)getpid());
    snprintf(path, sizeof path, "/dev/shm/%s", name);
    EXPECT(shr_create(name, SHR_BOARD, &options, &board), SHR_OK);
    EXPECT(shr_board_add(board, "key", 8), SHR_OK);
    EXPECT(shr_board_writer_open(board, "key", NULL, &w), SHR_OK);
    EXPECT(shr_board_set(w, "1", 1, 0), SHR_OK);
    CHECK(chmod(path, 0444) == 0 && pipe(ends) == 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        _exit(reads_without_leave_to_write(name));
    }
    close(ends[1]);
    if (read(ends[0], &question, 1) == 1) EXPECT(shr_board_set(w, "2", 1, 0), SHR_OK);
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status));
    EXPECT(WEXITSTATUS(status), 0);
    close(ends[0]);
    shr_board_writer_close(w);
    CHECK(chmod(path, 0600) == 0);
    EXPECT(shr_remove(name, NULL), SHR_OK);
    shr_ring_close(board);
}

/* As a sandbox does, from now on. */
static int forbid_to_wait(void) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])), /* little-endian: its lower half */
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, (uint32_t)FUTEX_CMD_MASK),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FUTEX_WAIT_BITSET, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static double seconds_of(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int waits_where_that_is_forbidden(void) {
    struct shr_options options = options_of(4096);
    struct shr_endpoint endpoint = endpoint_of();
    shr_ring *board;
    shr_board_writer *w;
    shr_board_reader *r;
    uint32_t index;
    endpoint.waiting = SHR_SLEEP;
    endpoint.check_interval_ns = INT64_C(600) * 1000000000;
    if (shr_create_anonymous(SHR_BOARD, &options, &board) != SHR_OK || shr_board_add(board, "key", 8) != SHR_OK) return 1;
    if (shr_board_writer_open(board, "key", NULL, &w) != SHR_OK) return 2;
    if (!forbid_to_wait()) return 77;
    if (shr_board_reader_open(board, "key", &endpoint, &r) != SHR_OK) return 3; /* it holds no role, so the call was not tried */
    double start = seconds_of(CLOCK_MONOTONIC), used = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    if (shr_board_wait(r, &index, 500000000) != SHR_TIMED_OUT) return 4;
    double passed = seconds_of(CLOCK_MONOTONIC) - start;
    if (seconds_of(CLOCK_PROCESS_CPUTIME_ID) - used > passed / 2) return 5;
    if (shr_board_set(w, "1", 1, 0) < 0 || shr_board_wait(r, &index, PATIENCE) != SHR_OK) return 6;
    return 0;
}

static void a_wait_that_is_forbidden_is_no_busy_loop(void) {
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) _exit(waits_where_that_is_forbidden());
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        printf("skipped: %s: no filters of system calls here\n", test_name);
    else
        EXPECT(WEXITSTATUS(status), 0);
}

/* A lossy subscriber holds no role and marks nothing; it is refused as the others are. */
static void a_durable_broadcast_is_refused_until_it_is_flushed(void) {
    char directory[] = "/var/tmp/sharedring-test-XXXXXX", path[128];
    CHECK(mkdtemp(directory) != NULL);
    struct shr_options options = options_of(4096);
    struct shr_endpoint endpoint = endpoint_of();
    shr_ring *ring;
    shr_consumer *c;
    shr_msg m;
    uint32_t mark = 9;
    options.directory = directory;
    options.durable = 1;
    endpoint.lossy = 1;
    endpoint.from = SHR_FROM_OLDEST;
    EXPECT(shr_create("durable", SHR_BROADCAST, &options, &ring), SHR_OK);
    shr_producer *p = sender_of(ring);
    EXPECT(shr_try_send(p, "kept", 4, 0), SHR_OK);
    EXPECT(shr_producer_close(p), SHR_OK);
    snprintf(path, sizeof path, "%s/durable", directory);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    long control = sysconf(_SC_PAGESIZE), boot = control + (long)offsetof(struct sr_segment_control, boot_id),
         clean = control + (long)offsetof(struct sr_segment_control, clean);
    EXPECT(shr_consumer_open(ring, &endpoint, &c), SHR_OK); /* of this boot */
    shr_consumer_drop(c);
    char own[16];
    CHECK(pread(fd, own, sizeof own, boot) == 16 && pwrite(fd, "another boot's..", 16, boot) == 16);
    EXPECT(shr_consumer_open(ring, &endpoint, &c), SHR_NOT_FLUSHED);
    CHECK(strstr(shr_message(), "restarted"));
    CHECK(pwrite(fd, own, sizeof own, boot) == 16);
    EXPECT(shr_flush("durable", &options), SHR_OK);
    CHECK(pwrite(fd, "another boot's..", 16, boot) == 16);
    EXPECT(shr_consumer_open(ring, &endpoint, &c), SHR_OK);
    EXPECT(shr_poll(c, &m), SHR_OK);
    CHECK(is_message(&m, "kept"));
    shr_consumer_drop(c);
    CHECK(pread(fd, &mark, sizeof mark, clean) == (ssize_t)sizeof mark && mark == 1); /* still flushed: it was only looked at */
    close(fd);
    EXPECT(shr_remove("durable", &options), SHR_OK);
    shr_ring_close(ring);
    rmdir(directory);
}

static void a_durable_ring_is_refused_until_it_is_flushed(void) {
    char directory[] = "/var/tmp/sharedring-test-XXXXXX";
    CHECK(mkdtemp(directory) != NULL);
    struct shr_options options = options_of(4096);
    shr_ring *ring;
    shr_msg m;
    options.directory = directory;
    options.durable = 1;
    EXPECT(shr_create("durable", SHR_SPSC, &options, &ring), SHR_OK);
    shr_producer *p = sender_of(ring);
    EXPECT(shr_try_send(p, "kept", 4, 0), SHR_OK);
    EXPECT(shr_producer_close(p), SHR_OK);
    EXPECT(shr_flush("durable", &options), SHR_OK);
    /* As after a restart of the machine: another boot's id. */
    char path[128];
    snprintf(path, sizeof path, "%s/durable", directory);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    CHECK(pwrite(fd, "another boot's..", 16, 4096 + 8) == 16);
    shr_consumer *c = receiver_of(ring);
    EXPECT(shr_poll(c, &m), SHR_OK);
    shr_consumer_drop(c);
    CHECK(pwrite(fd, "another boot's..", 16, 4096 + 8) == 16);
    EXPECT(shr_consumer_open(ring, NULL, &c), SHR_NOT_FLUSHED);
    EXPECT(shr_flush("durable", &options), SHR_NOT_FLUSHED);
    close(fd);
    EXPECT(shr_remove("durable", &options), SHR_OK);
    shr_ring_close(ring);
    rmdir(directory);
}

/* --- calls ------------------------------------------------------------------------------------------------------------------------------------- */

static struct shr_options call_options(void) {
    struct shr_options options = options_of(0);
    options.clients = 3;
    options.servers = 2;
    options.request_capacity = 1000;
    options.reply_capacity = 2000;
    return options;
}

static shr_client *client_of(shr_ring *service) {
    struct shr_endpoint endpoint = endpoint_of();
    shr_client *c = NULL;
    EXPECT(shr_client_open(service, &endpoint, &c), SHR_OK);
    return c;
}

static shr_server *server_of(shr_ring *service) {
    struct shr_endpoint endpoint = endpoint_of();
    shr_server *s = NULL;
    EXPECT(shr_server_open(service, &endpoint, &s), SHR_OK);
    return s;
}

/* The segment's control area, as an untrusted peer has it. */
static struct sr_call_control *words_of(shr_ring *service, uint8_t **memory, size_t *size) {
    struct stat facts;
    int fd = shr_ring_descriptor(service, 0);
    CHECK(fd >= 0 && fstat(fd, &facts) == 0);
    *size = (size_t)facts.st_size;
    *memory = (uint8_t *)mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (*memory == MAP_FAILED) exit(1);
    return (struct sr_call_control *)(void *)(*memory + 4096);
}

static int post_text(shr_client *c, const void *bytes, size_t count, const shr_token *retrying) {
    void *place;
    int result = shr_call_begin(c, count, &place, PATIENCE);
    if (result != SHR_OK) return result;
    memcpy(place, bytes, count);
    return shr_call_post(c, count, retrying);
}

static void a_call_has_its_reply(void) {
    static uint8_t bytes[2000];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 7);
    shr_ring *service = make(SHR_CALL, call_options());
    struct shr_facts facts;
    shr_ring_facts(service, &facts);
    CHECK(facts.kind == SHR_CALL && facts.clients == 3 && facts.servers == 2 && facts.request_capacity == 1000 && facts.reply_capacity == 2000);
    shr_client *c = client_of(service);
    shr_server *s = server_of(service);
    shr_request request, none;
    shr_reply reply;
    static const size_t sizes[] = {0, 1, 47, 48, 49, 127, 128, 129, 1000};
    EXPECT(shr_server_poll(s, &request), SHR_EMPTY);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (size_t j = 0; j < sizeof sizes / sizeof sizes[0]; j++) {
            size_t asked = sizes[i], answered = sizes[j] == 1000 ? 2000 : sizes[j];
            EXPECT(post_text(c, bytes + 1, asked <= 999 ? asked : 999, NULL), SHR_OK);
            EXPECT(shr_call_poll(c, &reply), SHR_EMPTY);
            CHECK(reply.outcome == SHR_CALL_STILL_OPEN && reply.has_token);
            EXPECT(shr_server_poll(s, &request), SHR_OK);
            CHECK(request.count == (asked <= 999 ? asked : 999) && memcmp(request.bytes, bytes + 1, request.count) == 0 && !request.is_retry);
            CHECK(memcmp(&request.token, &reply.token, sizeof request.token) == 0);
            EXPECT(shr_server_poll(s, &none), SHR_EMPTY);
            EXPECT(shr_answer(s, &request, bytes, answered), SHR_OK);
            EXPECT(shr_answer(s, &request, bytes, answered), SHR_CLOSED);
            EXPECT(shr_drop(s, &request), SHR_CLOSED);
            EXPECT(shr_call_wait(c, &reply, PATIENCE), SHR_OK);
            CHECK(reply.outcome == SHR_CALL_REPLIED && reply.count == answered && memcmp(reply.bytes, bytes, answered) == 0);
        }
    EXPECT(shr_call_poll(c, &reply), SHR_MISUSE);
    shr_client_close(c);
    shr_server_close(s);
    shr_ring_close(service);
}

static void a_failed_call_says_why(void) {
    shr_ring *service = make(SHR_CALL, call_options());
    shr_client *c = client_of(service);
    shr_server *s = server_of(service);
    static char large[3000];
    shr_request request;
    shr_reply reply;
    void *place;
    EXPECT(post_text(c, "one", 3, NULL), SHR_OK);
    EXPECT(post_text(c, "two", 3, NULL), SHR_MISUSE); /* one at a time */
    EXPECT(shr_server_poll(s, &request), SHR_OK);
    EXPECT(shr_refuse(s, &request, "no, thanks", 10), SHR_OK);
    EXPECT(shr_call_wait(c, &reply, PATIENCE), SHR_CALL_FAILED);
    CHECK(reply.outcome == SHR_CALL_REFUSED && reply.count == 10 && memcmp(reply.bytes, "no, thanks", 10) == 0);
    CHECK(strstr(shr_message(), "call service") && strstr(shr_message(), "the call failed (refused)"));
    EXPECT(post_text(c, "two", 3, NULL), SHR_OK);
    EXPECT(shr_server_poll(s, &request), SHR_OK);
    EXPECT(shr_answer(s, &request, large, 2001), SHR_MESSAGE_TOO_LARGE); /* it is not answered by that */
    EXPECT(shr_answer_commit(s, &request, 3), SHR_MISUSE);
    EXPECT(shr_drop(s, &request), SHR_OK);
    EXPECT(shr_call_wait(c, &reply, PATIENCE), SHR_CALL_FAILED);
    CHECK(reply.outcome == SHR_CALL_DROPPED && reply.count == 0);
    EXPECT(shr_call(c, large, 1001, NULL, &reply, PATIENCE), SHR_MESSAGE_TOO_LARGE);
    CHECK(reply.outcome == SHR_CALL_NOT_EXECUTED && !reply.has_token && strstr(shr_message(), "1001") && strstr(shr_message(), "was not executed"));
    /* What was begun with more bytes than it has in the end: into the line, and in place. */
    memset(large, 'q', sizeof large);
    EXPECT(shr_call_begin(c, 900, &place, PATIENCE), SHR_OK);
    memset(place, 'q', 900);
    EXPECT(shr_call_post(c, 901, NULL), SHR_MESSAGE_TOO_LARGE);
    EXPECT(shr_call_post(c, 48, NULL), SHR_OK);
    EXPECT(shr_call_post(c, 48, NULL), SHR_MISUSE);
    EXPECT(shr_server_poll(s, &request), SHR_OK);
    CHECK(request.count == 48 && memcmp(request.bytes, large, 48) == 0);
    EXPECT(shr_answer_begin(s, &request, 2000, &place), SHR_OK);
    EXPECT(shr_answer(s, &request, "x", 1), SHR_CLOSED);
    memset(place, 'q', 2000);
    EXPECT(shr_answer_commit(s, &request, 40), SHR_OK);
    EXPECT(shr_call_wait(c, &reply, PATIENCE), SHR_OK);
    CHECK(reply.count == 40 && memcmp(reply.bytes, large, 40) == 0);
    EXPECT(post_text(c, "kept", 4, NULL), SHR_OK);
    EXPECT(shr_server_poll(s, &request), SHR_OK);
    EXPECT(shr_answer_begin(s, &request, 30, &place), SHR_OK);
    memset(place, 'q', 30);
    CHECK(memcmp(request.bytes, "kept", 4) == 0); /* the reply goes to the same bytes of the segment */
    EXPECT(shr_answer_commit(s, &request, 30), SHR_OK);
    EXPECT(shr_call_wait(c, &reply, PATIENCE), SHR_OK);
    EXPECT(post_text(c, "x", 1, NULL), SHR_OK);
    EXPECT(shr_server_poll(s, &request), SHR_OK);
    EXPECT(shr_answer_begin(s, &request, 2000, &place), SHR_OK);
    memset(place, 'q', 2000);
    EXPECT(shr_answer_commit(s, &request, 1999), SHR_OK);
    EXPECT(shr_call_wait(c, &reply, PATIENCE), SHR_OK);
    CHECK(reply.count == 1999 && memcmp(reply.bytes, large, 1999) == 0);
    /* A server's end answers what it has started, an answer that was begun as well; what it has not started waits for the next one. */
    shr_client *other = client_of(service), *third = client_of(service);
    EXPECT(post_text(c, "started", 7, NULL), SHR_OK);
    EXPECT(shr_server_poll(s, &request), SHR_OK);
    EXPECT(post_text(third, "begun", 5, NULL), SHR_OK);
    EXPECT(shr_server_poll(s, &request), SHR_OK);
    EXPECT(shr_answer_begin(s, &request, 2000, &place), SHR_OK);
    EXPECT(post_text(other, "waits", 5, NULL), SHR_OK);
    shr_server_close(s);
    EXPECT(shr_call_wait(c, &reply, PATIENCE), SHR_CALL_FAILED);
    CHECK(reply.outcome == SHR_CALL_CLOSED);
    EXPECT(shr_call_wait(third, &reply, PATIENCE), SHR_CALL_FAILED);
    CHECK(reply.outcome == SHR_CALL_CLOSED);
    EXPECT(shr_call_poll(other, &reply), SHR_EMPTY);
    s = server_of(service);
    EXPECT(shr_server_poll(s, &request), SHR_OK);
    CHECK(request.count == 5 && memcmp(request.bytes, "waits", 5) == 0);
    EXPECT(shr_answer(s, &request, request.bytes, request.count), SHR_OK);
    EXPECT(shr_call_wait(other, &reply, PATIENCE), SHR_OK);
    shr_client_close(c);
    shr_client_close(other);
    shr_client_close(third);
    shr_server_close(s);
    shr_ring_close(service);
}

static void a_call_that_is_given_up_is_withdrawn_or_still_open(void) {
    shr_ring *service = make(SHR_CALL, call_options());
    shr_client *c = client_of(service);
    shr_server *s = server_of(service);
    uint8_t *memory;
    size_t size;
    struct sr_call_control *control = words_of(service, &memory, &size);
    shr_request request, none;
    shr_reply reply;
    void *place;
    EXPECT(shr_call(c, "x", 1, NULL, &reply, 0), SHR_TIMED_OUT);
    CHECK(reply.outcome == SHR_CALL_NOT_EXECUTED && reply.has_token);
    EXPECT(shr_call(c, "x", 1, NULL, &reply, 1000000), SHR_TIMED_OUT);
    CHECK(reply.outcome == SHR_CALL_NOT_EXECUTED && strstr(shr_message(), "no reply before the deadline; the call was not executed"));
    EXPECT(shr_server_poll(s, &request), SHR_EMPTY); /* it never is */
    EXPECT(post_text(c, "long", 4, NULL), SHR_OK);
    EXPECT(shr_server_poll(s, &request), SHR_OK);
    CHECK(shr_is_given_up(s, &request) == 0);
    EXPECT(shr_call_wait(c, &reply, 1000000), SHR_TIMED_OUT);
    CHECK(reply.outcome == SHR_CALL_STILL_OPEN && shr_is_given_up(s, &request) == 1);
    /* The slot is settled before its next use. */
    EXPECT(shr_call_begin(c, 1, &place, 0), SHR_EMPTY);
    EXPECT(shr_call(c, "y", 1, NULL, &reply, 1000000), SHR_TIMED_OUT);
    CHECK(reply.outcome == SHR_CALL_NOT_EXECUTED && !reply.has_token && strstr(shr_message(), "slot 0"));
    EXPECT(shr_server_poll(s, &none), SHR_EMPTY);
    CHECK(sr_load_relaxed_u64(sr_caller_late(sr_caller(control, 2, 0))) == 0);
    EXPECT(shr_answer(s, &request, "late", 4), SHR_OK);
    EXPECT(post_text(c, "y", 1, NULL), SHR_OK);
    CHECK(sr_load_relaxed_u64(sr_caller_late(sr_caller(control, 2, 0))) == 1);
    EXPECT(shr_server_poll(s, &request), SHR_OK);
    CHECK(request.count == 1 && *(const char *)request.bytes == 'y' && shr_is_given_up(s, &request) == 0);
    /* Given up by hand, when it was started and before. */
    EXPECT(shr_call_give_up(c, &reply), SHR_CANCELLED);
    CHECK(reply.outcome == SHR_CALL_STILL_OPEN && shr_is_given_up(s, &request) == 1);
    EXPECT(shr_answer(s, &request, "late", 4), SHR_OK);
    EXPECT(post_text(c, "z", 1, NULL), SHR_OK);
    EXPECT(shr_call_give_up(c, &reply), SHR_CANCELLED);
    CHECK(reply.outcome == SHR_CALL_NOT_EXECUTED);
    EXPECT(shr_call_give_up(c, &reply), SHR_MISUSE);
    /* And when the reply was there. */
    EXPECT(post_text(c, "z", 1, NULL), SHR_OK);
    EXPECT(shr_server_poll(s, &request), SHR_OK);
    EXPECT(shr_answer(s, &request, "there", 5), SHR_OK);
    EXPECT(shr_call_give_up(c, &reply), SHR_OK);
    CHECK(reply.count == 5);
    /* A client that ends withdraws what no server has started. */
    EXPECT(post_text(c, "gone", 4, NULL), SHR_OK);
    shr_client_close(c);
    EXPECT(shr_server_poll(s, &request), SHR_EMPTY);
    /* And what one was started stays open; its slot is passed over. */
    c = client_of(service);
    EXPECT(post_text(c, "open", 4, NULL), SHR_OK);
    EXPECT(shr_server_poll(s, &request), SHR_OK);
    shr_client_close(c);
    CHECK(shr_is_given_up(s, &request) == 1);
    c = client_of(service);
    EXPECT(post_text(c, "next", 4, NULL), SHR_OK);
    EXPECT(shr_call_poll(c, &reply), SHR_EMPTY);
    CHECK(reply.token.slot == 1);
    shr_client *another = client_of(service);
    EXPECT(post_text(another, "more", 4, NULL), SHR_OK);
    EXPECT(shr_call_poll(another, &reply), SHR_EMPTY);
    CHECK(reply.token.slot == 2);
    shr_client_close(another);
    shr_client_close(c);
    shr_server_close(s);
    munmap(memory, size);
    shr_ring_close(service);
}

/* A process of its own that is killed. It says that it is there by its exit from a pipe's other end. */
static pid_t start_server_that_dies(int fd, int ready) {
    fflush(NULL);
    pid_t child = fork();
    if (child != 0) return child;
    alarm(120);
    shr_ring *own;
    shr_server *s;
    shr_request request;
    if (shr_open_descriptor(fd, SHR_CALL, NULL, &own) < 0 || shr_server_open(own, NULL, &s) < 0) _exit(2);
    if (write(ready, "a", 1) != 1 || shr_server_next(s, &request, PATIENCE) != SHR_OK) _exit(3);
    if (write(ready, "c", 1) != 1) _exit(4);
    for (;;) pause();
}

static void a_servers_death_is_unknown(void) {
    shr_ring *service = make(SHR_CALL, call_options());
    int fd = shr_ring_descriptor(service, 0), ready[2];
    char byte = 0;
    CHECK(pipe(ready) == 0);
    shr_client *c = client_of(service);
    shr_reply reply;
    for (int way = 0; way < 3; way++) {
        pid_t child = start_server_that_dies(fd, ready[1]);
        CHECK(child > 0 && read(ready[0], &byte, 1) == 1 && byte == 'a');
        EXPECT(post_text(c, "x", 1, NULL), SHR_OK);
        CHECK(read(ready[0], &byte, 1) == 1 && byte == 'c');
        if (way == 1) { /* its descriptor's thread finds it */
            CHECK(shr_client_descriptor(c) >= 0);
            EXPECT(shr_client_arm(c), SHR_OK);
        }
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        int found = SHR_EMPTY;
        if (way == 0) found = shr_call_wait(c, &reply, SHR_FOREVER);
        if (way == 1) CHECK(is_readable(shr_client_descriptor(c), 120000));
        if (way >= 1)
            while ((found = shr_call_poll(c, &reply)) == SHR_EMPTY) usleep(100);
        CHECK(found == SHR_PEER_DIED && reply.outcome == SHR_CALL_UNKNOWN && strstr(shr_message(), "may have been executed"));
    }
    /* The retry names the first call. */
    shr_server *s = server_of(service);
    shr_request request;
    shr_token first = reply.token, read_again;
    char text[SHR_TOKEN_TEXT];
    EXPECT(post_text(c, "x", 1, &first), SHR_OK);
    EXPECT(shr_server_poll(s, &request), SHR_OK);
    CHECK(request.is_retry && memcmp(&request.token, &first, sizeof first) == 0);
    shr_token_text(&request.token, text);
    CHECK(strlen(text) == 36 && strcmp(text + 32, ":0:3") == 0);
    EXPECT(shr_token_parse(text, &read_again), SHR_OK);
    CHECK(memcmp(&read_again, &first, sizeof first) == 0);
    EXPECT(shr_token_parse("no token", &read_again), SHR_INVALID_NAME);
    text[5] = 'g';
    EXPECT(shr_token_parse(text, &read_again), SHR_INVALID_NAME);
    EXPECT(shr_token_parse("00000000000000000000000000000000:4294967296:1", &read_again), SHR_INVALID_NAME);
    EXPECT(shr_token_parse("00000000000000000000000000000000:1:1:", &read_again), SHR_INVALID_NAME);
    EXPECT(shr_answer(s, &request, "once", 4), SHR_OK);
    EXPECT(shr_call_wait(c, &reply, PATIENCE), SHR_OK);
    CHECK(reply.token.number == 4);
    shr_server_close(s);
    shr_client_close(c);
    close(fd);
    close(ready[0]);
    close(ready[1]);
    shr_ring_close(service);
}

/* A killed client's call: pending ones are withdrawn by its successor, started ones stay open until their server is done. */
static void a_clients_death_is_its_successors_matter(void) {
    for (int is_started = 0; is_started < 2; is_started++) {
        struct shr_options options = call_options();
        options.clients = 1;
        shr_ring *service = make(SHR_CALL, options);
        int fd = shr_ring_descriptor(service, 0), ready[2];
        char byte = 0;
        CHECK(pipe(ready) == 0);
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            alarm(120);
            shr_ring *own;
            shr_client *c;
            if (shr_open_descriptor(fd, SHR_CALL, NULL, &own) < 0 || shr_client_open(own, NULL, &c) < 0 || post_text(c, "x", 1, NULL) != SHR_OK) _exit(2);
            if (write(ready[1], "c", 1) != 1) _exit(3);
            for (;;) pause();
        }
        CHECK(read(ready[0], &byte, 1) == 1);
        shr_server *s = server_of(service);
        shr_client *c = NULL;
        shr_request request, none;
        shr_reply reply;
        void *place;
        EXPECT(shr_client_open(service, NULL, &c), SHR_ROLE_TAKEN);
        CHECK(strstr(shr_message(), "slots for clients"));
        if (is_started) EXPECT(shr_server_poll(s, &request), SHR_OK);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        c = client_of(service);
        EXPECT(shr_server_poll(s, &none), SHR_EMPTY);
        EXPECT(shr_call_begin(c, 1, &place, 0), is_started ? SHR_EMPTY : SHR_OK);
        if (is_started) EXPECT(shr_answer(s, &request, "late", 4), SHR_OK);
        EXPECT(post_text(c, "y", 1, NULL), SHR_OK);
        EXPECT(shr_server_poll(s, &request), SHR_OK);
        EXPECT(shr_answer(s, &request, "good", 4), SHR_OK);
        EXPECT(shr_call_wait(c, &reply, PATIENCE), SHR_OK);
        CHECK(reply.count == 4 && memcmp(reply.bytes, "good", 4) == 0);
        shr_client_close(c);
        shr_server_close(s);
        close(fd);
        close(ready[0]);
        close(ready[1]);
        shr_ring_close(service);
    }
}

static void *cancel_client(void *argument) {
    shr_client_cancel((shr_client *)argument, 1);
    return NULL;
}
static void *cancel_server(void *argument) {
    shr_server_cancel((shr_server *)argument, 1);
    return NULL;
}

static void calls_are_cancelled_from_another_thread(void) {
    shr_ring *service = make(SHR_CALL, call_options());
    shr_client *c = client_of(service);
    shr_server *s = server_of(service);
    shr_request request;
    shr_reply reply;
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, cancel_client, c) == 0);
    EXPECT(shr_call(c, "x", 1, NULL, &reply, SHR_FOREVER), SHR_CANCELLED);
    CHECK(reply.outcome == SHR_CALL_NOT_EXECUTED);
    pthread_join(thread, NULL);
    EXPECT(shr_call(c, "x", 1, NULL, &reply, SHR_FOREVER), SHR_CANCELLED);
    CHECK(!reply.has_token);
    EXPECT(shr_server_poll(s, &request), SHR_EMPTY);
    shr_client_cancel(c, 0);
    EXPECT(post_text(c, "y", 1, NULL), SHR_OK);
    EXPECT(shr_server_poll(s, &request), SHR_OK);
    CHECK(pthread_create(&thread, NULL, cancel_client, c) == 0);
    EXPECT(shr_call_wait(c, &reply, SHR_FOREVER), SHR_CANCELLED);
    CHECK(reply.outcome == SHR_CALL_STILL_OPEN);
    pthread_join(thread, NULL);
    shr_client_cancel(c, 0);
    CHECK(pthread_create(&thread, NULL, cancel_server, s) == 0);
    EXPECT(shr_server_next(s, &request, SHR_FOREVER), SHR_CANCELLED);
    pthread_join(thread, NULL);
    EXPECT(shr_server_next(s, &request, SHR_FOREVER), SHR_CANCELLED);
    shr_server_cancel(s, 0);
    EXPECT(shr_server_next(s, &request, 1000000), SHR_TIMED_OUT);
    shr_client_close(c);
    struct shr_endpoint endpoint = endpoint_of();
    int asked = 0;
    endpoint.interrupted = interrupt;
    endpoint.context = &asked;
    EXPECT(shr_client_open(service, &endpoint, &c), SHR_OK);
    EXPECT(shr_call(c, "x", 1, NULL, &reply, SHR_FOREVER), SHR_CANCELLED);
    CHECK(asked == 2 && shr_errno() == EINTR && reply.outcome == SHR_CALL_NOT_EXECUTED);
    shr_client_close(c);
    shr_server_close(s);
    shr_ring_close(service);
}

static void descriptors_of_calls(void) {
    shr_ring *service = make(SHR_CALL, call_options());
    shr_client *c = client_of(service);
    shr_server *s = server_of(service);
    shr_request request;
    shr_reply reply;
    void *place;
    EXPECT(shr_server_arm(s), SHR_MISUSE);
    EXPECT(shr_client_arm(c), SHR_MISUSE);
    int servers = shr_server_descriptor(s), clients = shr_client_descriptor(c);
    CHECK(servers >= 3 && clients >= 3 && is_readable(servers, 0) && is_readable(clients, 0));
    for (int i = 0; i < 100 && failures == 0; i++) {
        EXPECT(shr_server_poll(s, &request), SHR_EMPTY);
        EXPECT(shr_server_arm(s), SHR_OK);
        if (i % 2) CHECK(!is_readable(servers, 0));
        EXPECT(shr_server_poll(s, &request), SHR_EMPTY);
        EXPECT(shr_server_next(s, &request, 1), SHR_ALREADY_WAITING);
        EXPECT(post_text(c, "event", 5, NULL), SHR_OK);
        EXPECT(shr_client_arm(c), SHR_OK);
        EXPECT(shr_call_wait(c, &reply, 1), SHR_ALREADY_WAITING);
        EXPECT(shr_call_begin(c, 1, &place, 0), SHR_ALREADY_WAITING);
        if (i % 2) CHECK(!is_readable(clients, 0));
        CHECK(is_readable(servers, 120000));
        while (shr_server_poll(s, &request) != SHR_OK) continue; /* the thread lets go behind its event */
        EXPECT(shr_server_arm(s), SHR_OK);
        EXPECT(shr_call_poll(c, &reply), SHR_EMPTY);
        EXPECT(shr_answer(s, &request, "reply", 5), SHR_OK); /* also while it is armed */
        EXPECT(shr_server_disarm(s), SHR_OK);
        CHECK(is_readable(clients, 120000) && is_readable(servers, 0));
        int found;
        while ((found = shr_call_poll(c, &reply)) == SHR_EMPTY) continue;
        CHECK(found == SHR_OK && reply.count == 5);
    }
    /* The slot of a call that was given up: readable when the next can be begun. */
    EXPECT(post_text(c, "event", 5, NULL), SHR_OK);
    EXPECT(shr_server_poll(s, &request), SHR_OK);
    EXPECT(shr_call_wait(c, &reply, 1000000), SHR_TIMED_OUT);
    EXPECT(shr_call_begin(c, 1, &place, 0), SHR_EMPTY);
    EXPECT(shr_client_arm(c), SHR_OK);
    CHECK(!is_readable(clients, 0));
    EXPECT(shr_call_poll(c, &reply), SHR_EMPTY);
    EXPECT(shr_answer(s, &request, "late", 4), SHR_OK);
    CHECK(is_readable(clients, 120000));
    int begun;
    while ((begun = shr_call_begin(c, 1, &place, 0)) == SHR_ALREADY_WAITING) continue;
    EXPECT(begun, SHR_OK);
    EXPECT(shr_client_arm(c), SHR_OK);
    CHECK(is_readable(clients, 120000)); /* it can be begun now */
    EXPECT(shr_client_disarm(c), SHR_OK);
    EXPECT(shr_call_post(c, 1, NULL), SHR_OK);
    EXPECT(shr_client_arm(c), SHR_OK);
    shr_client_cancel(c, 1);
    CHECK(is_readable(clients, 120000));
    EXPECT(shr_client_disarm(c), SHR_OK);
    EXPECT(shr_client_arm(c), SHR_CANCELLED);
    shr_client_cancel(c, 0);
    EXPECT(shr_client_arm(c), SHR_OK);
    EXPECT(shr_server_poll(s, &request), SHR_OK);
    EXPECT(shr_server_arm(s), SHR_OK);
    shr_server_close(s); /* both with their threads at work */
    shr_client_close(c);
    shr_ring_close(service);
}

static void a_forked_child_makes_no_calls(void) {
    shr_ring *service = make(SHR_CALL, call_options());
    shr_client *c = client_of(service), *other;
    shr_server *s = server_of(service), *another;
    shr_request request, mine;
    shr_reply reply;
    void *place;
    EXPECT(post_text(c, "x", 1, NULL), SHR_OK);
    EXPECT(shr_server_poll(s, &mine), SHR_OK);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        int is_refused = shr_call(c, "x", 1, NULL, &reply, 1) == SHR_FORKED && shr_call_begin(c, 1, &place, 1) == SHR_FORKED &&
                         shr_call_post(c, 1, NULL) == SHR_FORKED && shr_call_poll(c, &reply) == SHR_FORKED && shr_call_wait(c, &reply, 1) == SHR_FORKED &&
                         shr_call_give_up(c, &reply) == SHR_FORKED && shr_client_descriptor(c) == SHR_FORKED && shr_client_arm(c) == SHR_FORKED;
        is_refused &= shr_server_poll(s, &request) == SHR_FORKED && shr_server_next(s, &request, 1) == SHR_FORKED &&
                      shr_answer(s, &mine, "x", 1) == SHR_FORKED && shr_refuse(s, &mine, "x", 1) == SHR_FORKED && shr_drop(s, &mine) == SHR_FORKED &&
                      shr_answer_begin(s, &mine, 1, &place) == SHR_FORKED && shr_answer_commit(s, &mine, 1) == SHR_FORKED && shr_is_given_up(s, &mine) == 0 &&
                      shr_server_descriptor(s) == SHR_FORKED && shr_server_arm(s) == SHR_FORKED;
        is_refused &= shr_client_open(service, NULL, &other) == SHR_FORKED && shr_server_open(service, NULL, &another) == SHR_FORKED;
        shr_client_cancel(c, 1);
        shr_server_cancel(s, 1);
        shr_client_close(c);
        shr_server_close(s);
        _exit(is_refused ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    EXPECT(shr_answer(s, &mine, "y", 1), SHR_OK); /* the child has not closed what is the parent's */
    EXPECT(shr_call_wait(c, &reply, PATIENCE), SHR_OK);
    shr_client_close(c);
    shr_server_close(s);
    shr_ring_close(service);
}

/* As if 2^32 - 3 calls had been made through every slot. */
static void numbers_of_calls_wrap(void) {
    shr_ring *service = make(SHR_CALL, call_options());
    uint8_t *memory;
    size_t size;
    struct sr_call_control *control = words_of(service, &memory, &size);
    for (uint32_t slot = 0; slot < 3; slot++) {
        uint64_t word = sr_call_word(UINT32_MAX - 2, 0, 0);
        sr_store_release_u64(sr_call_reply(sr_call_line_of(control, 2, 3, slot)), word);
        sr_store_release_u64(sr_caller_claim(sr_caller(control, 2, slot)), word);
        sr_store_release_u64(sr_call_request(sr_call_line_of(control, 2, 3, slot)), word);
    }
    shr_client *c = client_of(service);
    shr_server *s = server_of(service);
    shr_request request;
    shr_reply reply;
    for (uint32_t i = 0; i < 8; i++) {
        EXPECT(post_text(c, &i, sizeof i, NULL), SHR_OK);
        EXPECT(shr_server_poll(s, &request), SHR_OK);
        if (i % 3 == 2) { /* given up in between, too */
            EXPECT(shr_call_give_up(c, &reply), SHR_CANCELLED);
            EXPECT(shr_answer(s, &request, &i, sizeof i), SHR_OK);
            continue;
        }
        EXPECT(shr_answer(s, &request, &i, sizeof i), SHR_OK);
        EXPECT(shr_call_wait(c, &reply, PATIENCE), SHR_OK);
        CHECK(reply.token.number == UINT32_MAX - 1 + i && memcmp(reply.bytes, &i, sizeof i) == 0);
    }
    shr_client_close(c);
    shr_server_close(s);
    munmap(memory, size);
    shr_ring_close(service);
}

struct sleeping {
    shr_server *server;
    uint32_t *doorbell;
    int was_asleep;
};

/* Answers a call once its client sleeps. */
static void *answer_a_sleeper(void *argument) {
    struct sleeping *sleeping = (struct sleeping *)argument;
    shr_request request;
    if (shr_server_next(sleeping->server, &request, PATIENCE) != SHR_OK) return NULL;
    for (int i = 0; i < 100000 && !sleeping->was_asleep; i++) {
        sleeping->was_asleep = sr_load_acquire_u32(sleeping->doorbell) == 1;
        if (!sleeping->was_asleep) usleep(100);
    }
    shr_answer(sleeping->server, &request, "woken", 5);
    return NULL;
}

static void words_that_no_process_stores_are_errors(void) {
    shr_ring *service = make(SHR_CALL, call_options());
    uint8_t *memory;
    size_t size;
    struct sr_call_control *control = words_of(service, &memory, &size);
    struct sr_call_line *line = sr_call_line_of(control, 2, 3, 0);
    shr_client *c = client_of(service);
    shr_server *s = server_of(service);
    shr_request request, none;
    shr_reply reply;
    /* Requests: each is answered once, and is not handed out. */
    const uint64_t requests[] = {sr_call_word(1, 0, 1001), sr_call_word(2, 2, 5), sr_call_word(3, 15, 5), sr_call_word(4, 0, 0xfffffff)};
    for (uint32_t i = 0; i < 4; i++) {
        sr_store_release_u64(sr_call_request(line), requests[i]);
        EXPECT(shr_server_poll(s, &request), SHR_EMPTY);
        CHECK(sr_load_acquire_u64(sr_call_reply(line)) == sr_call_word(i + 1, SR_CALL_MALFORMED, 0));
    }
    /* A second request while the first is held: it is not started before the answer. */
    sr_store_release_u64(sr_call_request(line), sr_call_word(5, 0, 5));
    EXPECT(shr_server_poll(s, &request), SHR_OK);
    sr_store_release_u64(sr_call_request(line), sr_call_word(6, 0, 5));
    EXPECT(shr_server_poll(s, &none), SHR_EMPTY);
    none = request;
    none.slot_ = 3;
    EXPECT(shr_answer(s, &none, "x", 1), SHR_MISUSE); /* there is no such slot */
    EXPECT(shr_answer(s, &request, "x", 1), SHR_OK);
    EXPECT(shr_server_next(s, &request, PATIENCE), SHR_OK); /* found within a check interval */
    EXPECT(shr_answer(s, &request, "x", 1), SHR_OK);
    shr_client_close(c);
    /* Replies. */
    c = client_of(service);
    EXPECT(post_text(c, "x", 1, NULL), SHR_OK);
    sr_store_release_u64(sr_call_reply(line), sr_call_word(7, 9, 0));
    EXPECT(shr_call_wait(c, &reply, PATIENCE), SHR_POISONED);
    CHECK(reply.outcome == SHR_CALL_UNKNOWN && strstr(shr_message(), "mark 9"));
    EXPECT(shr_server_poll(s, &request), SHR_OK);
    EXPECT(shr_drop(s, &request), SHR_OK);
    EXPECT(post_text(c, "x", 1, NULL), SHR_OK);
    EXPECT(shr_server_poll(s, &request), SHR_OK);
    EXPECT(shr_drop(s, &request), SHR_OK);
    sr_store_release_u64(sr_call_reply(line), sr_call_word(8, 0, 2001));
    EXPECT(shr_call_wait(c, &reply, PATIENCE), SHR_POISONED);
    CHECK(reply.outcome == SHR_CALL_UNKNOWN && reply.bytes == NULL && strstr(shr_message(), "2001"));
    /* A claim of a server that can't be: it has gone. One of no call: the deadline decides, and another slot takes the damaged one's place. */
    EXPECT(post_text(c, "x", 1, NULL), SHR_OK);
    sr_store_release_u64(sr_caller_claim(sr_caller(control, 2, 0)), sr_call_claim_word(9, 0x7f));
    EXPECT(shr_call_wait(c, &reply, PATIENCE), SHR_PEER_DIED);
    CHECK(reply.outcome == SHR_CALL_UNKNOWN);
    EXPECT(post_text(c, "x", 1, NULL), SHR_OK);
    sr_store_release_u64(sr_caller_claim(sr_caller(control, 2, 0)), sr_call_claim_word(77, 0x7f));
    EXPECT(shr_call_wait(c, &reply, 10000000), SHR_POISONED);
    CHECK(reply.outcome == SHR_CALL_UNKNOWN && strstr(shr_message(), "call 77"));
    EXPECT(post_text(c, "sound", 5, NULL), SHR_OK);
    EXPECT(shr_server_poll(s, &request), SHR_OK);
    EXPECT(shr_answer(s, &request, "sound", 5), SHR_OK);
    EXPECT(shr_call_wait(c, &reply, PATIENCE), SHR_OK);
    CHECK(reply.token.slot == 1);
    /* It sleeps on that one's doorbell. */
    struct sleeping sleeping = {s, sr_caller_doorbell(sr_caller(control, 2, 1)), 0};
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, answer_a_sleeper, &sleeping) == 0);
    EXPECT(shr_call(c, "x", 1, NULL, &reply, PATIENCE), SHR_OK);
    pthread_join(thread, NULL);
    CHECK(sleeping.was_asleep && reply.count == 5);
    /* The damaged slot's byte was given back, and a client that gets it first takes another. */
    shr_client *other = client_of(service);
    EXPECT(post_text(other, "sound", 5, NULL), SHR_OK);
    EXPECT(shr_call_poll(other, &reply), SHR_EMPTY);
    CHECK(reply.token.slot == 2);
    shr_client *third = client_of(service);
    EXPECT(shr_call(third, "x", 1, NULL, &reply, 1000000), SHR_TIMED_OUT);
    CHECK(reply.outcome == SHR_CALL_NOT_EXECUTED && !reply.has_token && strstr(shr_message(), "damaged"));
    shr_client_close(c);
    shr_client_close(other);
    shr_client_close(third);
    shr_server_close(s);
    munmap(memory, size);
    shr_ring_close(service);
}

/* Streams of replies are another feature of the header: this client has none. */
static void a_service_with_streams_is_refused(void) {
    char name[64], path[128];
    snprintf(name, sizeof name, "c-test-%d", (int)getpid());
    snprintf(path, sizeof path, "/dev/shm/%s", name);
    struct shr_options options = call_options();
    struct sr_header h;
    shr_ring *ring, *found;
    EXPECT(shr_create(name, SHR_CALL, &options, &ring), SHR_OK);
    EXPECT(shr_open(name, SHR_CALL, NULL, &found), SHR_OK);
    shr_ring_close(found);
    EXPECT(shr_open(name, SHR_BOARD, NULL, &found), SHR_INCOMPATIBLE);
    options.request_capacity = 48;
    options.must_match = 1;
    EXPECT(shr_open_or_create(name, SHR_CALL, &options, &found), SHR_DIFFERENT_SHAPE);
    CHECK(strstr(shr_message(), "call service") && strstr(shr_message(), "1000"));
    shr_producer *p;
    shr_consumer *consumer;
    EXPECT(shr_producer_open(ring, NULL, &p), SHR_INCOMPATIBLE);
    EXPECT(shr_consumer_open(ring, NULL, &consumer), SHR_INCOMPATIBLE);
    shr_client *c = client_of(ring);
    EXPECT(shr_remove(name, NULL), SHR_IN_USE);
    shr_client_close(c);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    CHECK(pread(fd, &h, sizeof h, 0) == (ssize_t)sizeof h);
    h.required_features |= 8;
    h.checksum = sr_header_checksum(&h);
    CHECK(pwrite(fd, &h, sizeof h, 0) == (ssize_t)sizeof h);
    close(fd);
    EXPECT(shr_open(name, SHR_CALL, NULL, &found), SHR_INCOMPATIBLE);
    CHECK(strstr(shr_message(), "features"));
    EXPECT(shr_client_open(ring, NULL, &c), SHR_INCOMPATIBLE);
    EXPECT(shr_remove(name, NULL), SHR_OK);
    shr_ring_close(ring);
    options.must_match = 0;
    options.clients = 1025;
    EXPECT(shr_create_anonymous(SHR_CALL, &options, &ring), SHR_INVALID_OPTION);
    options = call_options();
    options.servers = 65;
    EXPECT(shr_create_anonymous(SHR_CALL, &options, &ring), SHR_INVALID_OPTION);
    options = call_options();
    options.reply_capacity = (1u << 27) + 1;
    EXPECT(shr_create_anonymous(SHR_CALL, &options, &ring), SHR_INVALID_OPTION);
}

enum { CALLERS = 4, CALLS_EACH = 3000 };

struct crowd {
    shr_ring *service;
    int waiting;
    shr_server *servers[2];
    int done; /* answers that each server's threads gave, and wrong ones of the clients */
    int wrong;
};

static void *call_many(void *argument) {
    struct crowd *crowd = (struct crowd *)argument;
    struct shr_endpoint endpoint = endpoint_of();
    shr_client *c;
    endpoint.waiting = crowd->waiting;
    endpoint.check_interval_ns = PATIENCE; /* a lost wakeup is found by nothing else */
    if (shr_client_open(crowd->service, &endpoint, &c) < 0) return __atomic_fetch_add(&crowd->wrong, 1, __ATOMIC_RELAXED), (void *)NULL;
    static const size_t sizes[] = {8, 48, 49, 1000};
    uint8_t bytes[1000];
    for (uint64_t i = 0; i < CALLS_EACH; i++) {
        shr_reply reply;
        size_t size = sizes[i % 4];
        memset(bytes, (int)(i + (uintptr_t)c / 64), sizeof bytes);
        memcpy(bytes, &i, sizeof i);
        if (shr_call(c, bytes, size, NULL, &reply, PATIENCE) != SHR_OK || reply.count != size || memcmp(reply.bytes, bytes, size) != 0)
            __atomic_fetch_add(&crowd->wrong, 1, __ATOMIC_RELAXED);
    }
    shr_client_close(c);
    return NULL;
}

struct deferred {
    struct crowd *crowd;
    shr_server *server;
    shr_request request;
};

static void *answer_one(void *argument) {
    struct deferred *d = (struct deferred *)argument;
    if (shr_answer(d->server, &d->request, d->request.bytes, d->request.count) != SHR_OK) __atomic_fetch_add(&d->crowd->wrong, 1, __ATOMIC_RELAXED);
    free(d);
    return NULL;
}

static void *serve_many(void *argument) {
    struct crowd *crowd = (struct crowd *)argument;
    shr_server *s = crowd->servers[__atomic_fetch_add(&crowd->done, 1, __ATOMIC_RELAXED)];
    shr_request request, held[2];
    int count = 0, turn = 0;
    while (1) {
        int found = shr_server_next(s, &request, count ? 200000 : PATIENCE);
        if (found == SHR_CANCELLED) break;
        if (found == SHR_OK && ++turn % 64 == 0) { /* now and then by another thread */
            struct deferred *d = (struct deferred *)malloc(sizeof *d);
            pthread_t thread;
            if (!d) abort();
            d->crowd = crowd;
            d->server = s;
            d->request = request;
            if (pthread_create(&thread, NULL, answer_one, d) != 0) abort();
            pthread_join(thread, NULL);
            continue;
        }
        if (found == SHR_OK) held[count++] = request;
        if (found != SHR_OK || count == 2) /* in another order than they came */
            while (count > 0) {
                count--;
                if (shr_answer(s, &held[count], held[count].bytes, held[count].count) != SHR_OK) __atomic_fetch_add(&crowd->wrong, 1, __ATOMIC_RELAXED);
            }
    }
    return NULL;
}

static void every_call_gets_its_own_reply(int barrier, int waiting) {
    struct shr_options options = call_options();
    options.clients = 1 + 70; /* more than a word of the bitmap has */
    options.reply_capacity = 1000;
    options.barrier = barrier;
    struct crowd crowd;
    memset(&crowd, 0, sizeof crowd);
    crowd.service = make(SHR_CALL, options);
    crowd.waiting = waiting;
    shr_client *idle[66]; /* the callers' slots are far from each other */
    pthread_t callers[CALLERS], servers[2];
    struct shr_endpoint endpoint = endpoint_of();
    endpoint.waiting = waiting;
    endpoint.check_interval_ns = PATIENCE;
    for (int i = 0; i < 2; i++) EXPECT(shr_server_open(crowd.service, &endpoint, &crowd.servers[i]), SHR_OK);
    CHECK(shr_server_number(crowd.servers[1]) == 1);
    for (int i = 0; i < 66; i++) idle[i] = client_of(crowd.service);
    for (int i = 0; i < 2; i++) CHECK(pthread_create(&servers[i], NULL, serve_many, &crowd) == 0);
    for (int i = 0; i < CALLERS; i++) CHECK(pthread_create(&callers[i], NULL, call_many, &crowd) == 0);
    for (int i = 0; i < CALLERS; i++) pthread_join(callers[i], NULL);
    for (int i = 0; i < 2; i++) {
        shr_server_cancel(crowd.servers[0], 1);
        shr_server_cancel(crowd.servers[1], 1);
        pthread_join(servers[i], NULL);
    }
    CHECK(crowd.wrong == 0);
    for (int i = 0; i < 66; i++) shr_client_close(idle[i]);
    for (int i = 0; i < 2; i++) shr_server_close(crowd.servers[i]);
    shr_ring_close(crowd.service);
}

static void every_call_gets_its_own_reply_in_every_way(void) {
    every_call_gets_its_own_reply(SHR_BARRIER_AUTOMATIC, SHR_ADAPTIVE);
    every_call_gets_its_own_reply(SHR_BARRIER_AUTOMATIC, SHR_SLEEP);
    every_call_gets_its_own_reply(SHR_BARRIER_SYMMETRIC, SHR_SLEEP);
}

static void messages_of_many_threads_come_once(void) {
    /* In a total order a thread's send that returned before another's began is received first: each thread's numbers grow. */
    struct shr_options options = options_of(4096);
    options.lanes = 3;
    options.total_order = 1;
    shr_ring *ring = make(SHR_MPSC, options);
    shr_consumer *c = receiver_of(ring);
    enum { PROCESSES = 3, COUNT = 20000 };
    pid_t children[PROCESSES];
    fflush(NULL);
    int fd = shr_ring_descriptor(ring, 0);
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        if (children[i] != 0) continue;
        shr_ring *own;
        shr_producer *p;
        if (shr_open_descriptor(fd, SHR_MPSC, NULL, &own) < 0 || shr_producer_open(own, NULL, &p) < 0) _exit(2);
        for (uint32_t n = 0; n < COUNT; n++)
            if (shr_send(p, &n, sizeof n, (uint32_t)i, PATIENCE) != SHR_OK) _exit(3);
        _exit(shr_producer_close(p) == SHR_OK ? 0 : 4);
    }
    close(fd);
    uint32_t next[PROCESSES] = {0, 0, 0};
    shr_msg m;
    struct shr_end_counts ends;
    for (int total = 0; total < PROCESSES * COUNT; total++) {
        uint32_t n;
        int found = shr_receive(c, &m, PATIENCE);
        if (found == SHR_ENDED) { /* all that came so far have ended before the next one came */
            total--;
            continue;
        }
        EXPECT(found, SHR_OK);
        if (failures) break;
        memcpy(&n, m.bytes, sizeof n);
        CHECK(m.tag < PROCESSES && n == next[m.tag]);
        next[m.tag]++;
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status = 0;
        waitpid(children[i], &status, 0);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    EXPECT(shr_receive(c, &m, PATIENCE), SHR_ENDED);
    shr_ends(c, &ends);
    CHECK(ends.closed == PROCESSES && ends.died == 0);
    shr_consumer_drop(c);
    shr_ring_close(ring);
}

struct test {
    const char *name;
    void (*run)(void);
};
#define TEST(name)                                                                                                                                             \
    { #name, name }

/* test [WORD]: those with this in their name only. */
int main(int argument_count, char **arguments) {
    static const struct test tests[] = {
        TEST(a_name_is_checked_and_said),
        TEST(options_are_checked),
        TEST(a_capacity_that_is_not_given_is_by_the_cache),
        TEST(a_name_stands_for_one_ring),
        TEST(another_shape_is_said_in_its_kinds_words),
        TEST(a_user_that_the_namespace_does_not_map_owns_nothing_of_ours),
        TEST(a_kind_that_is_not_known_is_refused),
        TEST(order_in_every_kind),
        TEST(what_is_claimed_is_sent_by_its_commit),
        TEST(a_batch_becomes_visible_at_once),
        TEST(what_is_not_acknowledged_comes_again),
        TEST(deaths_and_closes_are_told_once),
        TEST(a_wait_is_cancelled_from_another_thread),
        TEST(a_wait_asks_whether_it_is_interrupted),
        TEST(descriptors_of_every_kind),
        TEST(what_is_disarmed),
        TEST(an_armed_descriptor_rests),
        TEST(what_is_armed_is_left_alone),
        TEST(check_intervals_may_be_as_long_as_they_like),
        TEST(a_descriptor_leads_to_an_anonymous_ring),
        TEST(a_forked_child_is_refused),
        TEST(what_is_given_back_is_free_beside_copies_of_all_descriptors),
        TEST(a_lossy_subscriber_counts_what_it_missed),
        TEST(the_slowest_subscriber_is_named),
        TEST(a_board_has_the_latest_values),
        TEST(a_snapshot_has_the_entries_that_were_counted),
        TEST(entries_that_lie_over_each_other_are_refused),
        TEST(a_board_is_read_without_leave_to_write),
        TEST(a_wait_that_is_forbidden_is_no_busy_loop),
        TEST(a_durable_ring_is_refused_until_it_is_flushed),
        TEST(a_durable_broadcast_is_refused_until_it_is_flushed),
        TEST(a_call_has_its_reply),
        TEST(a_failed_call_says_why),
        TEST(a_call_that_is_given_up_is_withdrawn_or_still_open),
        TEST(a_servers_death_is_unknown),
        TEST(a_clients_death_is_its_successors_matter),
        TEST(calls_are_cancelled_from_another_thread),
        TEST(descriptors_of_calls),
        TEST(a_forked_child_makes_no_calls),
        TEST(numbers_of_calls_wrap),
        TEST(words_that_no_process_stores_are_errors),
        TEST(a_service_with_streams_is_refused),
        TEST(every_call_gets_its_own_reply_in_every_way),
        TEST(messages_of_many_threads_come_once),
    };
    int failed = 0, passed = 0;
    alarm(600);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        test_name = tests[i].name;
        if (argument_count > 1 && !strstr(test_name, arguments[1])) continue;
        failures = 0;
        tests[i].run();
        failed += failures > 0;
        passed += failures == 0;
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}

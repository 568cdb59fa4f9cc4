/* A C program at either end of a ring, by the wire format alone: of SharedRing it uses the headers of include/abi,
 * which are declarations and inline functions, and nothing that is linked.
 *
 *     cpeer send PATH COUNT      becomes the producer of the one-lane ring in that file, sends "0", "1", … with the number as
 *                                tag, and closes; waits when the ring is full
 *     cpeer receive PATH         becomes its consumer, prints each message's tag and text to the end of the stream
 *
 * What it leaves out, to stay short: total order, many lanes, taking a ring over while its name changes (it expects the ring to
 * exist and to stay), and telling a dead peer from one that is slow.
 */
#define _GNU_SOURCE
#include "abi/atomics.h"
#include "abi/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *what) {
    fprintf(stderr, "cpeer: %s: %s\n", what, strerror(errno));
    exit(1);
}

struct ring {
    struct sr_header header; /* a copy: the file is an untrusted peer's */
    struct sr_lanes_control *control;
    struct sr_consumer_control *consumer;
    struct sr_lane_control *lane;
    uint8_t *data; /* mapped twice, back to back: no record is ever cut */
    int is_asymmetric;
};

/* Opens, takes the role's byte, maps. The lock's descriptor is a second one, never mapped, and stays open. */
static struct ring attach(const char *path, long long role_byte, int writes) {
    struct ring r;
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC), lock_fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || lock_fd < 0) fail(path);
    struct stat s;
    const struct sr_header *h = &r.header;
    if (fstat(fd, &s) != 0 || pread(fd, &r.header, sizeof r.header, 0) != sizeof r.header) fail("its header");
    if (h->magic != SR_MAGIC || h->major != SR_LAYOUT_MAJOR || h->checksum != sr_header_checksum(h) || h->kind != SR_KIND_SPSC ||
        h->layout_hash != sr_layout_hash(h->kind) || h->total_size != (uint64_t)s.st_size || h->lanes.lane_count != 1 ||
        (h->required_features & ~SR_FEATURE_ASYMMETRIC_BARRIER)) {
        fprintf(stderr, "cpeer: %s is no ring that this program understands\n", path);
        exit(1);
    }
    r.is_asymmetric = (h->required_features & SR_FEATURE_ASYMMETRIC_BARRIER) != 0;
    if (r.is_asymmetric && syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) != 0) fail("membarrier");

    struct flock byte = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = role_byte, .l_len = 1};
    if (fcntl(lock_fd, F_OFD_SETLK, &byte) != 0) fail("the role is taken");

    size_t control_size = h->data_offset - h->control_offset;
    r.control = mmap(NULL, control_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)h->control_offset);
    uint8_t *room = mmap(NULL, 2 * h->lanes.lane_capacity, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (r.control == MAP_FAILED || room == MAP_FAILED) fail("mmap");
    for (int copy = 0; copy < 2; copy++) {
        int protection = PROT_READ | (writes ? PROT_WRITE : 0);
        void *there = room + copy * h->lanes.lane_capacity;
        if (mmap(there, h->lanes.lane_capacity, protection, MAP_SHARED | MAP_FIXED, fd, (off_t)h->data_offset) == MAP_FAILED) fail("mmap");
    }
    r.data = room;
    r.consumer = sr_lanes_consumer(r.control);
    r.lane = sr_lane(r.control, 0);
    close(fd);
    return r;
}

static void store_holder(struct sr_holder *holder) {
    *holder = (struct sr_holder){.pid = (uint32_t)getpid(), .name = "cpeer"};
}

static uint64_t spacing(const struct ring *r, uint64_t count) {
    uint64_t a = r->header.lanes.record_alignment;
    return (SR_RECORD_HEADER_SIZE + count + a - 1) & ~(a - 1);
}
static void *place(const struct ring *r, uint64_t position) { return r->data + (position & (r->header.lanes.lane_capacity - 1)); }

/* Sets the word to 0 and wakes all its sleepers, as one step. */
static void wake(uint32_t *word) {
    syscall(SYS_futex, word, FUTEX_WAKE_OP, INT_MAX, (void *)0, word, FUTEX_OP(FUTEX_OP_SET, 0, FUTEX_OP_CMP_LT, 0));
}

/* Between a store of one's own and a look at the other's doorbell. */
static void waker_barrier(const struct ring *r) {
    if (r->is_asymmetric) sr_fence_compiler();
    else sr_fence_full();
}

/* Says "asleep", looks again, sleeps for at most a check interval, says "awake". */
static void sleep_until(const struct ring *r, uint32_t *doorbell, int (*has_news)(const struct ring *, uint64_t, uint64_t), uint64_t a, uint64_t b) {
    sr_store_relaxed_u32(doorbell, 1);
    if (r->is_asymmetric) syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0);
    else sr_fence_full();
    if (!has_news(r, a, b)) {
        struct timespec check_interval = {0, 100000000};
        syscall(SYS_futex, doorbell, FUTEX_WAIT, 1, &check_interval, NULL, 0);
    }
    sr_store_relaxed_u32(doorbell, 0);
}

/* --- sending ------------------------------------------------------------------------------------------------- */

static int has_room(const struct ring *r, uint64_t tail, uint64_t need) {
    uint64_t head = sr_load_acquire_u64(sr_head(r->lane));
    return need + 2 * r->header.lanes.record_alignment <= head + r->header.lanes.lane_capacity - tail;
}

/* Payload, then what comes next is not there yet, then the header: with it the message exists. */
static uint64_t commit(const struct ring *r, uint64_t tail, uint64_t need, uint64_t header) {
    sr_store_relaxed_u64(place(r, tail + need), 0);
    sr_store_release_u64(place(r, tail), header);
    waker_barrier(r);
    uint32_t *doorbell = sr_consumer_doorbell(r->consumer);
    if (sr_load_relaxed_u32(doorbell) != 0) wake(doorbell);
    return tail + need;
}

static void send_all(const char *path, long count) {
    struct ring r = attach(path, SR_LOCK_BYTE(SR_ROLE_PRODUCER, 0), 1);
    store_holder(sr_producer_holder(r.lane));
    sr_fetch_or_acq_rel_u64(sr_lanes_used(r.control, 0), 1);
    /* Where the producer before stopped: behind its committed records. */
    uint64_t tail = sr_load_acquire_u64(sr_head(r.lane)), end = tail + r.header.lanes.lane_capacity;
    uint64_t found;
    while (tail < end && (found = sr_load_acquire_u64(place(&r, tail))) != 0) {
        uint64_t size = found & SR_RECORD_COUNT_MASK;
        tail += spacing(&r, size == SR_RECORD_END ? 0 : size);
    }
    /* What it had sent beyond its checkpoint is added to that. For observers: the protocol never reads it. */
    struct sr_checkpoint checkpoint = sr_load_checkpoint(r.lane);
    while (tail - checkpoint.tail - 1 < r.header.lanes.lane_capacity) {
        uint64_t size = sr_load_acquire_u64(place(&r, checkpoint.tail)) & SR_RECORD_COUNT_MASK;
        if (size != SR_RECORD_END) checkpoint.messages++, checkpoint.bytes += size;
        checkpoint.tail += spacing(&r, size == SR_RECORD_END ? 0 : size);
    }
    sr_store_release_u64(sr_ticket_floor(r.lane), SR_NO_TICKET_FLOOR);
    uint32_t before = sr_load_acquire_u32(sr_producer_epoch(r.lane)), epoch = sr_epoch_at_attach(before);
    if (before & 1) tail = commit(&r, tail, spacing(&r, 0), (uint64_t)before << 32 | SR_RECORD_PRESENT | SR_RECORD_END); /* it died */
    sr_store_release_u32(sr_producer_epoch(r.lane), epoch);
    wake(sr_consumer_doorbell(r.consumer)); /* a consumer that waits for a producer */

    for (long i = 0; i < count; i++) {
        char text[24];
        uint64_t size = (uint64_t)snprintf(text, sizeof text, "%ld", i), need = spacing(&r, size);
        while (!has_room(&r, tail, need)) sleep_until(&r, sr_space_doorbell(r.lane), has_room, tail, need);
        /* Where it is going to write, before it writes. (Once in many messages is enough, if the write limit lies far enough ahead.) */
        checkpoint.tail = tail;
        uint64_t limit = tail + need + 2 * r.header.lanes.record_alignment; /* and the end behind it */
        /* Never back: one that was killed may have written up to its limit. Only an untrusted peer's lies further from the tail than that. */
        if (checkpoint.write_limit - tail > r.header.lanes.lane_capacity || checkpoint.write_limit - tail < limit - tail) checkpoint.write_limit = limit;
        sr_publish_checkpoint(r.lane, checkpoint);
        checkpoint.messages++, checkpoint.bytes += size;
        memcpy((uint8_t *)place(&r, tail) + SR_RECORD_HEADER_SIZE, text, size);
        tail = commit(&r, tail, need, (uint64_t)(uint32_t)i << 32 | SR_RECORD_PRESENT | size);
    }
    /* The end: a record that carries the epoch after it, then the epoch, then (by our exit) the byte. */
    commit(&r, tail, spacing(&r, 0), (uint64_t)sr_epoch_at_close(epoch) << 32 | SR_RECORD_PRESENT | SR_RECORD_END);
    sr_store_release_u32(sr_producer_epoch(r.lane), sr_epoch_at_close(epoch));
    wake(sr_consumer_doorbell(r.consumer));
}

/* --- receiving ------------------------------------------------------------------------------------------------- */

static int has_message(const struct ring *r, uint64_t head, uint64_t unused) {
    (void)unused;
    return sr_load_acquire_u64(place(r, head)) != 0;
}

static void receive_all(const char *path) {
    struct ring r = attach(path, SR_LOCK_BYTE(SR_ROLE_CONSUMER, 0), 0);
    store_holder(sr_consumer_holder(r.consumer));
    uint32_t epoch = sr_epoch_at_attach(sr_load_relaxed_u32(sr_consumer_epoch(r.consumer)));
    sr_store_release_u32(sr_consumer_epoch(r.consumer), epoch);
    wake(sr_space_doorbell(r.lane));
    uint64_t head = sr_load_acquire_u64(sr_head(r.lane)), header;
    for (int is_over = 0; !is_over;) {
        while ((header = sr_load_acquire_u64(place(&r, head))) == 0)
            sleep_until(&r, sr_consumer_doorbell(r.consumer), has_message, head, 0);
        uint64_t size = header & SR_RECORD_COUNT_MASK;
        is_over = size == SR_RECORD_END;
        if (is_over) size = 0;
        /* Checked before it is used: it is an untrusted peer's. */
        if (!(header & SR_RECORD_PRESENT) || spacing(&r, size) > r.header.lanes.lane_capacity) {
            fprintf(stderr, "cpeer: the header at %llu is 0x%llx\n", (unsigned long long)head, (unsigned long long)header);
            exit(1);
        }
        if (!is_over) printf("%u %.*s\n", (unsigned)(header >> 32), (int)size, (const char *)place(&r, head) + SR_RECORD_HEADER_SIZE);
        head += spacing(&r, size);
        sr_store_release_u64(sr_head(r.lane), head); /* the acknowledgement */
        waker_barrier(&r);
        if (sr_load_relaxed_u32(sr_space_doorbell(r.lane)) != 0) wake(sr_space_doorbell(r.lane));
    }
    sr_store_release_u32(sr_consumer_epoch(r.consumer), sr_epoch_at_close(epoch));
    wake(sr_space_doorbell(r.lane));
    printf("ended\n");
}

int main(int count, char **arguments) {
    alarm(60); /* whatever happens, it ends */
    if (count == 4 && strcmp(arguments[1], "send") == 0) send_all(arguments[2], atol(arguments[3]));
    else if (count == 3 && strcmp(arguments[1], "receive") == 0) receive_all(arguments[2]);
    else return fprintf(stderr, "usage: see cpeer.c\n"), 2;
    return 0;
}

/* Finding, making, checking, mapping and removing segments. Swift: Segment/. */
#include "internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define KNOWN_FEATURES (SR_FEATURE_ASYMMETRIC_BARRIER | SR_FEATURE_TOTAL_ORDER | SR_FEATURE_FILE_BACKED)
#define KNOWN_FEATURES_OF(kind) (KNOWN_FEATURES | ((kind) == SR_KIND_CALL ? SR_FEATURE_STREAMS : 0))
#define LARGEST_CAPACITY (UINT64_C(1) << 40)
#define LARGEST_NAME 200u

static const char *what_of(int kind) { return kind == SHR_BOARD ? "board" : kind == SHR_CALL ? "call service" : "ring"; }

#define FAIL(code, error, ...) shr_fail(code, error, what_of(ring->kind), ring->label, __VA_ARGS__)

/* --- handles ------------------------------------------------------------------------------------------------------------------- */

static char *copy_text(const char *text) { return strdup(text ? text : ""); }

void shr_ring_close(struct shr_ring *ring) {
    if (!ring) return;
    if (ring->fd >= 0 && ring->generation == sr_fork_generation()) sr_close(ring->fd);
    free(ring->directory);
    free(ring->name);
    free(ring->label);
    free((char *)(uintptr_t)ring->options.label);
    free(ring);
}

#define SMALLEST_DEFAULT (UINT64_C(1) << 20)

/* Twice a core's second-level cache, from 1 to 8 MiB, as Swift's RingOptions.defaultCapacity: a ring that fits into that cache stays there. */
static uint64_t default_capacity(void) {
    static uint64_t known;
    uint64_t capacity = sr_load_relaxed_u64(&known); /* relaxed: whichever thread stores it, it is the same number */
    if (capacity != 0) return capacity;
    uint64_t cache = sr_second_level_cache();
    for (capacity = SMALLEST_DEFAULT; capacity < 8 * SMALLEST_DEFAULT && capacity / 2 < cache;) capacity *= 2;
    sr_store_relaxed_u64(&known, capacity);
    return capacity;
}

static struct shr_ring *make_handle(const char *name, int kind, const struct shr_options *options) {
    struct shr_ring *ring = (struct shr_ring *)calloc(1, sizeof *ring);
    if (!ring) return NULL;
    ring->fd = -1;
    ring->kind = kind;
    ring->generation = sr_fork_generation();
    if (options) ring->options = *options;
    ring->options.label = copy_text(options ? options->label : NULL);
    ring->directory = copy_text(options && options->directory ? options->directory : "/dev/shm");
    ring->options.directory = ring->directory;
    ring->name = name ? strdup(name) : NULL;
    const char *label = name ? name : ring->options.label && *ring->options.label ? ring->options.label : "anonymous";
    ring->label = strdup(label);
    struct shr_options *o = &ring->options;
    if (o->capacity == 0) o->capacity = kind == SHR_BOARD ? SMALLEST_DEFAULT : default_capacity();
    if (o->lanes == 0) o->lanes = 16;
    if (kind == SHR_SPSC) o->lanes = 1;
    if (o->subscribers == 0) o->subscribers = 16;
    if (o->entries == 0) o->entries = 64;
    if (o->clients == 0) o->clients = 64;
    if (o->servers == 0) o->servers = 8;
    if (o->request_capacity == 0) o->request_capacity = 4096;
    if (o->reply_capacity == 0) o->reply_capacity = 4096;
    if (o->record_alignment == 0) o->record_alignment = 8;
    if (o->permissions == 0) o->permissions = 0600;
    if (!ring->directory || !ring->label || !ring->options.label || (name && !ring->name)) {
        shr_ring_close(ring);
        return NULL;
    }
    return ring;
}

static int no_memory(const char *name) { return shr_fail(SHR_SYSTEM, ENOMEM, "ring", name ? name : "anonymous", "no memory for its handle"); }

static int refuse_inherited(const struct shr_ring *ring) { return FAIL(SHR_FORKED, 0, "this handle belongs to the parent of this forked process"); }

int shr_copy_ring(const struct shr_ring *from, struct shr_ring **to) {
    if (!from->name && from->generation != sr_fork_generation()) return refuse_inherited(from);
    struct shr_ring *ring = make_handle(from->name, from->kind, &from->options);
    if (!ring) return no_memory(from->name);
    ring->or_create = from->or_create;
    ring->header = from->header;
    ring->has_header = from->has_header;
    free(ring->label);
    ring->label = strdup(from->label);
    if (!ring->label) {
        shr_ring_close(ring);
        return no_memory(from->name);
    }
    if (from->fd >= 0) {
        ring->fd = sr_duplicate(from->fd);
        if (ring->fd < 0) {
            int error = -ring->fd;
            ring->fd = -1;
            int result = shr_fail(SHR_SYSTEM, error, what_of(from->kind), from->label, "its descriptor can't be duplicated");
            shr_ring_close(ring);
            return result;
        }
    }
    *to = ring;
    return SHR_OK;
}

static int check_name(const struct shr_ring *ring) {
    size_t length = strlen(ring->name);
    if (length == 0) return FAIL(SHR_INVALID_NAME, 0, "a name must not be empty");
    if (length > LARGEST_NAME) return FAIL(SHR_INVALID_NAME, 0, "a name has at most %u bytes, this one has %zu", LARGEST_NAME, length);
    if (strchr(ring->name, '/')) return FAIL(SHR_INVALID_NAME, 0, "a name must not contain a slash");
    if (strcmp(ring->name, ".") == 0 || strcmp(ring->name, "..") == 0) return FAIL(SHR_INVALID_NAME, 0, "a name must not be '.' or '..'");
    if (!*ring->directory) return FAIL(SHR_INVALID_NAME, 0, "the directory must not be empty");
    return SHR_OK;
}

static int open_directory(const struct shr_ring *ring) {
    int directory = sr_open_directory(ring->directory);
    if (directory < 0) return shr_fail(SHR_SYSTEM, -directory, "directory", ring->directory, "it can't be opened to find '%s' in it", ring->name);
    return directory;
}

/* 1: something is there; 0: nothing is. */
static int facts_at(const struct shr_ring *ring, int directory, struct sr_file_facts *facts) {
    int result = sr_facts_at(directory, ring->name, facts);
    if (result == -ENOENT) return 0;
    if (result != 0) return FAIL(SHR_SYSTEM, -result, "'%s/%s' can't be examined", ring->directory, ring->name);
    return 1;
}

static bool is_same_file(const struct sr_file_facts *a, const struct sr_file_facts *b) { return a->device == b->device && a->inode == b->inode; }

static const char *kind_of_file(uint32_t type) {
    switch (type) {
    case 0010000: return "a FIFO";
    case 0020000: return "a character device";
    case 0040000: return "a directory";
    case 0060000: return "a block device";
    case 0120000: return "a symbolic link";
    case 0140000: return "a socket";
    default: return "a file of another type";
    }
}

/* --- checking what another process wrote ------------------------------------------------------------------------------------------- */

static int check_lanes(const struct shr_ring *ring, uint64_t alignment, uint64_t capacity, uint32_t page_size) {
    uint64_t page = sr_page_size();
    if (alignment < 8 || alignment > 128 || (alignment & (alignment - 1)))
        return FAIL(SHR_DAMAGED, 0, "its record alignment is %llu, not a power of two from 8 to 128", (unsigned long long)alignment);
    if (capacity < page || capacity > LARGEST_CAPACITY || (capacity & (capacity - 1)))
        return FAIL(capacity < page && page_size < page ? SHR_INCOMPATIBLE : SHR_DAMAGED, 0,
                    "its lane capacity is %llu, not a power of two from this machine's page size %llu to 2^40", (unsigned long long)capacity,
                    (unsigned long long)page);
    return SHR_OK;
}

static int check_calls(const struct shr_ring *ring, const struct sr_call_shape *c, bool has_streams, struct segment *s) {
    if (c->slot_count < 1 || c->slot_count > SR_LARGEST_CALL_SLOT_COUNT) return FAIL(SHR_DAMAGED, 0, "it says it has %u slots for clients", c->slot_count);
    if (c->server_count < 1 || c->server_count > SR_LARGEST_SERVER_COUNT) return FAIL(SHR_DAMAGED, 0, "it says it has places for %u servers", c->server_count);
    if (c->request_capacity < SR_CALL_INLINE || c->request_capacity > SR_LARGEST_CALL_MESSAGE)
        return FAIL(SHR_DAMAGED, 0, "its requests have a capacity of %u bytes, not %u to 2^27", c->request_capacity, SR_CALL_INLINE);
    if (c->reply_capacity < SR_CALL_INLINE || c->reply_capacity > SR_LARGEST_CALL_MESSAGE)
        return FAIL(SHR_DAMAGED, 0, "its replies have a capacity of %u bytes, not %u to 2^27", c->reply_capacity, SR_CALL_INLINE);
    if (c->data_size < SR_CALL_AREA_ALIGNMENT || c->data_size > LARGEST_CAPACITY || c->data_size % SR_CALL_AREA_ALIGNMENT)
        return FAIL(SHR_DAMAGED, 0, "its areas have %llu bytes, not a multiple of %u up to 2^40", (unsigned long long)c->data_size, SR_CALL_AREA_ALIGNMENT);
    uint32_t lane = c->stream_capacity; /* this client makes no streams; it calls and answers in a service that has them */
    if (has_streams ? lane < SR_SMALLEST_STREAM_CAPACITY || lane > SR_LARGEST_STREAM_CAPACITY || (lane & (lane - 1)) : lane != 0)
        return FAIL(SHR_DAMAGED, 0, "its lanes for streams have %u bytes, not %s", lane, has_streams ? "a power of two from 256 to 2^29" : "none");
    s->call_stride = sr_call_area(c->request_capacity) + sr_call_area(c->reply_capacity) + lane;
    if (c->slot_count * s->call_stride > c->data_size)
        return FAIL(SHR_DAMAGED, 0, "its areas have %llu bytes, and its %u slots need %llu", (unsigned long long)c->data_size, c->slot_count,
                    (unsigned long long)(c->slot_count * s->call_stride));
    s->lane_count = 0;
    s->control_size = sr_stream_offset(c->server_count, c->slot_count, has_streams ? c->slot_count : 0);
    s->data_size = c->data_size;
    return SHR_OK;
}

static int check_shape(const struct shr_ring *ring, const struct sr_header *h, struct segment *s) {
    bool is_total = h->required_features & SR_FEATURE_TOTAL_ORDER;
    s->lane_count = 1;
    s->slot_count = 0;
    if (h->kind == SR_KIND_CALL) {
        if (is_total) return FAIL(SHR_DAMAGED, 0, "it is for calls and says that it puts messages in a total order");
        return check_calls(ring, &h->call, (h->required_features & SR_FEATURE_STREAMS) != 0, s);
    }
    if (h->kind == SR_KIND_BOARD) {
        const struct sr_board_shape *b = &h->board;
        if (is_total) return FAIL(SHR_DAMAGED, 0, "it is a board and says that it puts messages in a total order");
        if (b->entry_count < 1 || b->entry_count > SR_LARGEST_ENTRY_COUNT) return FAIL(SHR_DAMAGED, 0, "it says it has room for %u entries", b->entry_count);
        if (b->keeps_time > 1) return FAIL(SHR_DAMAGED, 0, "its word for the time of writing is %u, not 0 or 1", b->keeps_time);
        if (b->data_size < SR_ENTRY_ALIGNMENT || b->data_size > LARGEST_CAPACITY || b->data_size % SR_ENTRY_ALIGNMENT)
            return FAIL(SHR_DAMAGED, 0, "its values have %llu bytes, not a multiple of %u up to 2^40", (unsigned long long)b->data_size, SR_ENTRY_ALIGNMENT);
        s->lane_count = 0;
        s->control_size = sr_entry_offset(b->entry_count);
        s->data_size = b->data_size;
        return SHR_OK;
    }
    if (h->kind == SR_KIND_BROADCAST) {
        if (is_total) return FAIL(SHR_DAMAGED, 0, "it has one publisher and says it puts several in a total order");
        s->slot_count = h->broadcast.subscriber_count;
        if (s->slot_count < 1 || s->slot_count > SR_LARGEST_SUBSCRIBER_COUNT)
            return FAIL(SHR_DAMAGED, 0, "it says it has room for %u subscribers", s->slot_count);
        SHR_TRY(check_lanes(ring, h->broadcast.record_alignment, h->broadcast.capacity, h->page_size));
        s->record_alignment = h->broadcast.record_alignment;
        s->lane_capacity = h->broadcast.capacity;
        s->control_size = sr_subscriber_offset(s->slot_count);
        s->data_size = s->lane_capacity;
        return SHR_OK;
    }
    if (is_total && h->kind == SR_KIND_SPSC) return FAIL(SHR_DAMAGED, 0, "it has one producer and says it puts several in a total order");
    s->lane_count = h->lanes.lane_count;
    if (s->lane_count < 1 || s->lane_count > SR_LARGEST_LANE_COUNT || (h->kind == SR_KIND_SPSC && s->lane_count != 1))
        return FAIL(SHR_DAMAGED, 0, "it says it has %u lanes", s->lane_count);
    SHR_TRY(check_lanes(ring, h->lanes.record_alignment, h->lanes.lane_capacity, h->page_size));
    s->record_alignment = h->lanes.record_alignment;
    s->lane_capacity = h->lanes.lane_capacity;
    s->control_size = sr_lane_offset(s->lane_count);
    s->data_size = s->lane_count * s->lane_capacity;
    return SHR_OK;
}

/* In the order of WireFormat.md; the first check that fails names the reason. */
static int check_header(const struct shr_ring *ring, struct segment *s, uint64_t file_size) {
    const struct sr_header *h = &s->header;
    if (h->magic != SR_MAGIC) {
        if (__builtin_bswap64(h->magic) == SR_MAGIC) return FAIL(SHR_INCOMPATIBLE, 0, "it was made by a big-endian machine");
        return FAIL(SHR_NOT_A_RING, 0, "not a ring: it starts with 0x%llx instead of 0x%llx", (unsigned long long)h->magic, (unsigned long long)SR_MAGIC);
    }
    if (h->major != SR_LAYOUT_MAJOR)
        return FAIL(SHR_INCOMPATIBLE, 0, "its layout has version %u.%u, this program speaks %u.%u; use it with programs of layout %u", h->major, h->minor,
                    SR_LAYOUT_MAJOR, SR_LAYOUT_MINOR, h->major);
    uint64_t checksum = sr_header_checksum(h);
    if (h->checksum != checksum)
        return FAIL(SHR_DAMAGED, 0, "its header's checksum is 0x%llx, its contents give 0x%llx", (unsigned long long)h->checksum, (unsigned long long)checksum);
    uint64_t hash = sr_layout_hash(h->kind);
    if (hash == 0) return FAIL(SHR_INCOMPATIBLE, 0, "it is of kind %u, which this program does not know", h->kind);
    if (h->required_features & ~(uint64_t)KNOWN_FEATURES_OF(h->kind))
        return FAIL(SHR_INCOMPATIBLE, 0, "it requires features 0x%llx, of which this program knows 0x%llx", (unsigned long long)h->required_features,
                    (unsigned long long)KNOWN_FEATURES_OF(h->kind));
    if (h->layout_hash != hash)
        return FAIL(SHR_INCOMPATIBLE, 0, "its layout 0x%llx is not this program's 0x%llx, though both say version %u", (unsigned long long)h->layout_hash,
                    (unsigned long long)hash, SR_LAYOUT_MAJOR);
    SHR_TRY(check_shape(ring, h, s));
    /* No overflow below: each offset is checked against the size, and the size against 2^51. */
    uint64_t page = sr_page_size();
    if (h->total_size != file_size || file_size >= UINT64_C(1) << 51)
        return FAIL(SHR_DAMAGED, 0, "its header says %llu bytes, its file has %llu", (unsigned long long)h->total_size, (unsigned long long)file_size);
    if (h->control_offset % page || h->data_offset % page)
        return FAIL(h->page_size == page ? SHR_DAMAGED : SHR_INCOMPATIBLE, 0,
                    "its offsets %llu and %llu are no multiples of this machine's page size %llu; it was made with pages of %u",
                    (unsigned long long)h->control_offset, (unsigned long long)h->data_offset, (unsigned long long)page, h->page_size);
    if (h->control_offset < page || h->control_offset > file_size || h->data_offset > file_size || h->data_offset < h->control_offset + s->control_size ||
        file_size - h->data_offset < s->data_size)
        return FAIL(SHR_DAMAGED, 0, "its shape with offsets %llu and %llu does not fit its %llu bytes", (unsigned long long)h->control_offset,
                    (unsigned long long)h->data_offset, (unsigned long long)file_size);
    if (h->header_length < sizeof *h || h->header_length > h->control_offset)
        return FAIL(SHR_DAMAGED, 0, "its header's length is %u, not %zu to its control offset %llu", h->header_length, sizeof *h,
                    (unsigned long long)h->control_offset);
    s->control_end = h->control_offset + s->control_size;
    return SHR_OK;
}

/* In a user namespace the kernel shows every user that it does not map as one id: such a user may be any, so it is the owner of none of this process's files. */
static bool admits_owner(const struct shr_ring *ring, uint32_t owner) {
    return ring->options.owners == SHR_ANY_USER || (owner == sr_effective_user() && !sr_is_user_unmapped(owner));
}

static int fail_owner(const struct shr_ring *ring, uint32_t owner) {
    if (sr_is_user_unmapped(owner))
        return FAIL(SHR_WRONG_OWNER, 0, "it belongs to a user that this user namespace does not map (shown as %u), this process runs as %u", owner,
                    sr_effective_user());
    return FAIL(SHR_WRONG_OWNER, 0, "it belongs to user %u, this process runs as %u", owner, sr_effective_user());
}

/* The file, opened: regular, an allowed owner's, of one name or sealed; with a whole header; allocated in full. */
static int check_file(const struct shr_ring *ring, int fd, bool is_anonymous, struct segment *s) {
    struct sr_file_facts *f = &s->facts;
    int result = sr_facts(fd, f);
    if (result != 0) return FAIL(SHR_SYSTEM, -result, "it can't be examined");
    if (f->type != 0100000) return FAIL(SHR_NOT_A_RING, 0, "not a ring but %s", kind_of_file(f->type));
    if (!admits_owner(ring, f->owner)) return fail_owner(ring, f->owner);
    if (is_anonymous) {
        if (sr_is_sealed(fd) != 1) return FAIL(SHR_NOT_SEALED, 0, "its memory can be truncated: the seals against shrinking and growing are missing");
    } else if (f->links != 1) {
        return FAIL(f->links == 0 ? SHR_NOT_FOUND : SHR_NOT_A_RING, 0, "its file has %u names instead of one", f->links);
    }
    memset(&s->header, 0, sizeof s->header);
    int64_t count = sr_read_at(fd, &s->header, sizeof s->header, 0);
    if (count < 0) return FAIL(SHR_SYSTEM, (int)-count, "its header can't be read");
    if ((size_t)count != sizeof s->header) {
        if (count >= 8 && s->header.magic == SR_MAGIC)
            return FAIL(SHR_DAMAGED, 0, "it begins as a ring, and its file has %llu bytes where a ring's header alone has %zu", (unsigned long long)f->size,
                        sizeof s->header);
        return FAIL(SHR_NOT_A_RING, 0, "not a ring: its file has %llu bytes, a ring's header alone has %zu", (unsigned long long)f->size, sizeof s->header);
    }
    SHR_TRY(check_header(ring, s, f->size));
    if (f->on_tmpfs && f->allocated < f->size)
        return FAIL(SHR_DAMAGED, 0, "it has holes: %llu of its %llu bytes are allocated, and touching the others could end this process",
                    (unsigned long long)f->allocated, (unsigned long long)f->size);
    s->unit = f->huge_page ? f->huge_page : sr_page_size();
    return SHR_OK;
}

static int check_kind(const struct shr_ring *ring, int kind, const struct segment *s) {
    static const char *const names[] = {"?", "spsc", "mpsc", "broadcast", "board", "call"};
    if (kind != 0 && s->header.kind != (uint32_t)kind) return FAIL(SHR_INCOMPATIBLE, 0, "it is of kind %s, not of kind %s", names[s->header.kind], names[kind]);
    return SHR_OK;
}

/* To be closed no second time: its number may be another file's by then. */
static void close_segment(struct segment *s) {
    sr_close(s->fd);
    s->fd = -1;
}

enum access { TO_WRITE, TO_READ }; /* TO_READ: for writing, too, where this process may write it */

static int open_named(const struct shr_ring *ring, int directory, enum access access, struct segment *s) {
    int fd = sr_open_at(directory, ring->name, 1);
    if (access == TO_READ && (fd == -EACCES || fd == -EPERM || fd == -EROFS)) {
        int readable = sr_open_at(directory, ring->name, 0);
        if (readable >= 0) fd = readable;
    }
    s->fd = -1;
    if (fd < 0) {
        struct sr_file_facts facts;
        int there = facts_at(ring, directory, &facts);
        if (there <= 0) return there < 0 ? there : SHR_EMPTY;
        if (facts.type != 0100000) return FAIL(SHR_NOT_A_RING, 0, "not a ring but %s", kind_of_file(facts.type));
        if (fd == -EACCES) return FAIL(SHR_WRONG_OWNER, EACCES, "it belongs to user %u and its mode is %o", facts.owner, facts.permissions);
        if (fd == -ENOENT) return SHR_EMPTY;
        return FAIL(SHR_SYSTEM, -fd, "it can't be opened");
    }
    s->fd = fd;
    int result = check_file(ring, fd, false, s);
    if (result < 0) {
        close_segment(s);
        if (result == SHR_NOT_FOUND) return SHR_EMPTY; /* removed before it was examined */
    }
    return result;
}

static int open_anonymous(const struct shr_ring *ring, struct segment *s) {
    if (ring->generation != sr_fork_generation()) return refuse_inherited(ring);
    int fd = sr_reopen(ring->fd);
    if (fd < 0) return FAIL(SHR_SYSTEM, -fd, "%s", fd == -ENOENT ? "opening it again needs /proc, which is not there" : "it can't be opened again");
    s->fd = fd;
    int result = check_file(ring, fd, true, s);
    if (result < 0) close_segment(s);
    return result;
}

/* A board's readers need no more than leave to read it: they sleep on a word of their own then. */
static enum access access_of(const struct shr_ring *ring) { return ring->kind == SHR_BOARD ? TO_READ : TO_WRITE; }

int shr_open_segment(const struct shr_ring *ring, struct segment *s) {
    if (!ring->name) return open_anonymous(ring, s);
    int directory = open_directory(ring);
    if (directory < 0) return directory;
    int result = open_named(ring, directory, access_of(ring), s);
    sr_close(directory);
    return result;
}

/* --- making -------------------------------------------------------------------------------------------------------------------------- */

static uint64_t round_to_power(uint64_t wanted) {
    uint64_t power = 1;
    while (power < wanted) power <<= 1;
    return power;
}

static int make_header(struct shr_ring *ring, struct sr_header *h, struct segment *s) {
    const struct shr_options *o = &ring->options;
    uint64_t page = sr_page_size(), alignment = o->record_alignment;
    memset(h, 0, sizeof *h);
    if (ring->kind < SHR_SPSC || ring->kind > SHR_CALL) return FAIL(SHR_INVALID_OPTION, 0, "the kind must be 1 to 5, not %d", ring->kind);
    if (ring->kind < SHR_BOARD && (alignment < 8 || alignment > 128 || (alignment & (alignment - 1))))
        return FAIL(SHR_INVALID_OPTION, 0, "the record alignment must be 8, 16, 32, 64 or 128, not %llu", (unsigned long long)alignment);
    if (ring->kind == SHR_MPSC && (o->lanes < 1 || o->lanes > SR_LARGEST_LANE_COUNT))
        return FAIL(SHR_INVALID_OPTION, 0, "the lane count must be 1 to %u, not %u", SR_LARGEST_LANE_COUNT, o->lanes);
    if (ring->kind == SHR_BROADCAST && (o->subscribers < 1 || o->subscribers > SR_LARGEST_SUBSCRIBER_COUNT))
        return FAIL(SHR_INVALID_OPTION, 0, "the number of subscribers must be 1 to %u, not %u", SR_LARGEST_SUBSCRIBER_COUNT, o->subscribers);
    if (ring->kind == SHR_BOARD && (o->entries < 1 || o->entries > SR_LARGEST_ENTRY_COUNT))
        return FAIL(SHR_INVALID_OPTION, 0, "the number of entries must be 1 to %u, not %u", SR_LARGEST_ENTRY_COUNT, o->entries);
    if (ring->kind == SHR_CALL) {
        if (o->clients > SR_LARGEST_CALL_SLOT_COUNT)
            return FAIL(SHR_INVALID_OPTION, 0, "it must have slots for 1 to %u clients, not %u", SR_LARGEST_CALL_SLOT_COUNT, o->clients);
        if (o->servers > SR_LARGEST_SERVER_COUNT)
            return FAIL(SHR_INVALID_OPTION, 0, "it must have places for 1 to %u servers, not %u", SR_LARGEST_SERVER_COUNT, o->servers);
        if (o->request_capacity > SR_LARGEST_CALL_MESSAGE)
            return FAIL(SHR_INVALID_OPTION, 0, "its requests must have a capacity of 1 to %u bytes, not %u", SR_LARGEST_CALL_MESSAGE, o->request_capacity);
        if (o->reply_capacity > SR_LARGEST_CALL_MESSAGE)
            return FAIL(SHR_INVALID_OPTION, 0, "its replies must have a capacity of 1 to %u bytes, not %u", SR_LARGEST_CALL_MESSAGE, o->reply_capacity);
    }
    if (o->capacity > LARGEST_CAPACITY)
        return FAIL(SHR_INVALID_OPTION, 0, "the capacity must be 1 to %llu bytes, not %llu", (unsigned long long)LARGEST_CAPACITY,
                    (unsigned long long)o->capacity);
    if (o->total_order && ring->kind != SHR_MPSC) return FAIL(SHR_INVALID_OPTION, 0, "only a ring with many producers can have a total order");
    size_t label = strlen(o->label);
    if (label > 63) return FAIL(SHR_INVALID_OPTION, 0, "the label must be at most 63 bytes, not %zu", label);
    if ((o->permissions & ~0777u) || (o->permissions & 0600) != 0600)
        return FAIL(SHR_INVALID_OPTION, 0, "the permissions must let the owner read and write and be at most 777, not %o", o->permissions);
    bool is_asymmetric = o->barrier != SHR_BARRIER_SYMMETRIC && sr_membarrier_offered() == 1;
    if (o->barrier == SHR_BARRIER_ASYMMETRIC && !is_asymmetric)
        return FAIL(SHR_INCOMPATIBLE, 0, "the asymmetric barrier needs membarrier(2), which is not there");

    uint64_t capacity = round_to_power(o->capacity > page ? o->capacity : page);
    if (ring->kind == SHR_BOARD) {
        h->board.entry_count = o->entries;
        h->board.keeps_time = o->keeps_time ? 1 : 0;
        h->board.data_size = (o->capacity + SR_ENTRY_ALIGNMENT - 1) / SR_ENTRY_ALIGNMENT * SR_ENTRY_ALIGNMENT;
    } else if (ring->kind == SHR_CALL) {
        h->call.slot_count = o->clients;
        h->call.server_count = o->servers;
        h->call.request_capacity = o->request_capacity > SR_CALL_INLINE ? o->request_capacity : SR_CALL_INLINE;
        h->call.reply_capacity = o->reply_capacity > SR_CALL_INLINE ? o->reply_capacity : SR_CALL_INLINE;
        uint64_t areas = o->clients * (sr_call_area(h->call.request_capacity) + sr_call_area(h->call.reply_capacity));
        h->call.data_size = areas == 0 ? page : (areas + page - 1) / page * page;
    } else if (ring->kind == SHR_BROADCAST) {
        h->broadcast.subscriber_count = o->subscribers;
        h->broadcast.record_alignment = (uint32_t)alignment;
        h->broadcast.capacity = capacity;
    } else {
        h->lanes.lane_count = o->lanes;
        h->lanes.record_alignment = (uint32_t)alignment;
        h->lanes.lane_capacity = capacity;
    }
    h->magic = SR_MAGIC;
    h->major = SR_LAYOUT_MAJOR;
    h->minor = SR_LAYOUT_MINOR;
    h->header_length = sizeof *h;
    h->page_size = (uint32_t)page;
    h->kind = (uint32_t)ring->kind;
    h->required_features =
        (is_asymmetric ? SR_FEATURE_ASYMMETRIC_BARRIER : 0) | (o->total_order ? SR_FEATURE_TOTAL_ORDER : 0) | (o->durable ? SR_FEATURE_FILE_BACKED : 0);
    h->layout_hash = sr_layout_hash(h->kind);
    SHR_TRY(check_shape(ring, h, s));
    h->control_offset = page;
    h->data_offset = (h->control_offset + s->control_size + page - 1) / page * page;
    h->total_size = h->data_offset + s->data_size;
    h->created_ns = sr_realtime_ns();
    int result = sr_random(h->instance_id, sizeof h->instance_id);
    if (result != 0) return FAIL(SHR_SYSTEM, -result, "no random instance id");
    memcpy(h->label, o->label, label);
    h->checksum = sr_header_checksum(h);
    return SHR_OK;
}

static int write_at(const struct shr_ring *ring, int fd, const void *bytes, uint64_t count, uint64_t offset) {
    int64_t result = sr_write_at(fd, bytes, count, offset);
    return result < 0 ? FAIL(SHR_SYSTEM, (int)-result, "its header can't be written") : SHR_OK;
}

static int write_word(const struct shr_ring *ring, int fd, uint64_t word, uint64_t offset) { return write_at(ring, fd, &word, sizeof word, offset); }

static int write_control(const struct shr_ring *ring, int fd, const struct sr_header *h, const struct segment *s) {
    uint64_t control = h->control_offset, first = ring->options.first_position_;
    if (h->kind == SR_KIND_BROADCAST) {
        uint64_t checkpoint = control + offsetof(struct sr_broadcast_control, checkpoints);
        SHR_TRY(write_word(ring, fd, first, checkpoint + offsetof(struct sr_checkpoint, tail)));
        SHR_TRY(write_word(ring, fd, first + 2 * s->record_alignment, checkpoint + offsetof(struct sr_checkpoint, write_limit)));
        SHR_TRY(write_word(ring, fd, SR_NO_TICKET_FLOOR, control + sr_publisher_offset() + offsetof(struct sr_lane_control, ticket_floor)));
        for (uint32_t slot = 0; slot < s->slot_count; slot++)
            SHR_TRY(write_word(ring, fd, SR_NO_HEAD, control + sr_subscriber_offset(slot) + offsetof(struct sr_subscriber_control, head)));
    }
    for (uint32_t lane = 0; h->kind <= SR_KIND_MPSC && lane < s->lane_count; lane++) {
        uint64_t block = control + sr_lane_offset(lane);
        SHR_TRY(write_word(ring, fd, SR_NO_TICKET_FLOOR, block + offsetof(struct sr_lane_control, ticket_floor)));
        if (first == 0) continue;
        SHR_TRY(write_word(ring, fd, first, block + offsetof(struct sr_lane_control, head)));
        SHR_TRY(write_word(ring, fd, first, block + offsetof(struct sr_lane_control, checkpoints) + offsetof(struct sr_checkpoint, tail)));
    }
    return SHR_OK;
}

/* All of it in place, before any process can see it. */
static int fill(const struct shr_ring *ring, int fd, const struct sr_header *h, const struct segment *s) {
    int result = sr_allocate(fd, h->total_size); /* now: a sparse file passes every check and then dies of SIGBUS on a full tmpfs */
    if (result == -ENOSPC) return FAIL(SHR_OUT_OF_SPACE, ENOSPC, "no room for its %llu bytes; nothing was created", (unsigned long long)h->total_size);
    if (result != 0) return FAIL(SHR_SYSTEM, -result, "its %llu bytes can't be allocated", (unsigned long long)h->total_size);
    SHR_TRY(write_at(ring, fd, h, sizeof *h, 0));
    if (h->required_features & SR_FEATURE_FILE_BACKED) {
        uint8_t boot[16];
        result = sr_boot_id(boot);
        if (result != 0) return FAIL(SHR_SYSTEM, -result, "this boot of the machine can't be distinguished from others");
        SHR_TRY(write_at(ring, fd, boot, sizeof boot, h->control_offset + offsetof(struct sr_segment_control, boot_id)));
    }
    if (ring->options.persistent) {
        uint32_t one = 1;
        SHR_TRY(write_at(ring, fd, &one, sizeof one, h->control_offset + offsetof(struct sr_segment_control, persistent)));
    }
    SHR_TRY(write_control(ring, fd, h, s));
    result = sr_set_permissions(fd, ring->options.permissions);
    return result != 0 ? FAIL(SHR_SYSTEM, -result, "its permissions can't be set") : SHR_OK;
}

static void temporary_name(const struct shr_ring *ring, const struct sr_header *h, char *name, size_t size) {
    char suffix[16], *digit = suffix + sizeof suffix - 1;
    uint64_t word;
    memcpy(&word, h->instance_id, sizeof word);
    *digit = 0;
    do *--digit = "0123456789abcdefghijklmnopqrstuvwxyz"[word % 36];
    while ((word /= 36) != 0);
    snprintf(name, size, ".%s.%s", ring->name, digit);
}

/* The bytes are unlocked, and not only the descriptor closed: a process that is being started (posix_spawn, vfork) has copies of all descriptors until its exec
 * closes them, and the bytes of a description stay locked as long as one of its descriptors is open. */
static void unlock_and_close(int lock) {
    sr_unlock(lock, 0, 0);
    sr_close(lock);
}

/* For file systems without O_TMPFILE. 1 made, 0 the name is taken. */
static int create_through_temporary_name(const struct shr_ring *ring, int directory, const struct sr_header *h, const struct segment *s) {
    char name[LARGEST_NAME + 32];
    temporary_name(ring, h, name, sizeof name);
    int fd = sr_open_exclusive(directory, name);
    if (fd < 0) return FAIL(SHR_SYSTEM, -fd, "nothing can be created in '%s'", ring->directory);
    /* The lock says to a process that clears leftovers away that this is none. Before the header, by which it would be recognised. */
    int lock = sr_open_at(directory, name, 1), result;
    if (lock < 0)
        result = FAIL(SHR_SYSTEM, -lock, "its role bytes can't be locked");
    else {
        result = sr_lock(lock, sr_lock_first(), 0);
        if (result < 0)
            result = FAIL(SHR_SYSTEM, -result, "its role bytes can't be locked");
        else {
            result = write_at(ring, fd, h, sizeof *h, 0);
            if (result == SHR_OK) result = fill(ring, fd, h, s);
            if (result == SHR_OK) {
                int renamed = sr_rename_exclusive(directory, name, ring->name);
                result = renamed == 0 ? 1 : renamed == -EEXIST ? 0 : FAIL(SHR_SYSTEM, -renamed, "it can't be given its name");
            }
        }
    }
    sr_unlink_at(directory, name);
    if (lock >= 0) unlock_and_close(lock);
    sr_close(fd);
    return result;
}

/* 1 made, 0 the name is taken. */
static int create_named(const struct shr_ring *ring, int directory, const struct sr_header *h, const struct segment *s) {
    struct sr_file_facts facts;
    int there = facts_at(ring, directory, &facts);
    if (there != 0) return there < 0 ? there : 0;
    int fd = sr_open_temporary(directory);
    if (fd >= 0) {
        int result = fill(ring, fd, h, s);
        int linked = result == SHR_OK ? sr_link_descriptor(fd, directory, ring->name) : -1;
        sr_close(fd);
        if (result < 0) return result;
        if (linked == 0) return 1;
        if (linked == -EEXIST) return 0;
    }
    return create_through_temporary_name(ring, directory, h, s);
}

static int create_again(struct shr_ring *ring, int directory) {
    struct segment s;
    struct sr_header h;
    memset(&s, 0, sizeof s);
    SHR_TRY(make_header(ring, &h, &s));
    return create_named(ring, directory, &h, &s);
}

/* --- the public calls ----------------------------------------------------------------------------------------------------------------- */

static int finish(struct shr_ring *ring, int result, struct shr_ring **out) {
    if (result < 0) {
        shr_ring_close(ring);
        return result;
    }
    *out = ring;
    return SHR_OK;
}

static int open_ring(struct shr_ring *ring) {
    struct segment s;
    SHR_TRY(check_name(ring));
    int result = shr_open_segment(ring, &s);
    if (result < 0) return result;
    if (result == SHR_EMPTY) return FAIL(SHR_NOT_FOUND, 0, "there is none in '%s'", ring->directory);
    sr_close(s.fd);
    SHR_TRY(check_kind(ring, ring->kind, &s));
    ring->kind = (int)s.header.kind;
    ring->header = s.header;
    return SHR_OK;
}

int shr_open(const char *name, int kind, const struct shr_options *options, shr_ring **out) {
    struct shr_ring *ring = make_handle(name, kind, options);
    return ring ? finish(ring, open_ring(ring), out) : no_memory(name);
}

static int create_ring(struct shr_ring *ring) {
    struct segment s;
    memset(&s, 0, sizeof s);
    SHR_TRY(check_name(ring));
    SHR_TRY(make_header(ring, &ring->header, &s));
    int directory = open_directory(ring);
    if (directory < 0) return directory;
    int result = create_named(ring, directory, &ring->header, &s);
    sr_close(directory);
    if (result == 0) return FAIL(SHR_ALREADY_EXISTS, 0, "there is something of that name in '%s' already", ring->directory);
    return result;
}

int shr_create(const char *name, int kind, const struct shr_options *options, shr_ring **out) {
    struct shr_ring *ring = make_handle(name, kind, options);
    return ring ? finish(ring, create_ring(ring), out) : no_memory(name);
}

static int compare_boards(const struct shr_ring *ring, const struct sr_board_shape *found, const struct sr_board_shape *wanted) {
    if (memcmp(found, wanted, sizeof *found) == 0) return SHR_OK;
    return FAIL(SHR_DIFFERENT_SHAPE, 0,
                "it is there already, and not as it has to be: its values have %llu bytes, not %llu; its entries are %u, not %u; it %s the time of writing, "
                "and has to %s it",
                (unsigned long long)found->data_size, (unsigned long long)wanted->data_size, found->entry_count, wanted->entry_count,
                found->keeps_time ? "keeps" : "does not keep", wanted->keeps_time ? "keep" : "leave out");
}

static int compare_broadcasts(const struct shr_ring *ring, const struct sr_broadcast_shape *found, const struct sr_broadcast_shape *wanted) {
    if (memcmp(found, wanted, sizeof *found) == 0) return SHR_OK;
    return FAIL(SHR_DIFFERENT_SHAPE, 0,
                "it is there already, and not as it has to be: its capacity is %llu bytes, not %llu; its number of subscribers is %u, not %u; its record "
                "alignment is %u, not %u",
                (unsigned long long)found->capacity, (unsigned long long)wanted->capacity, found->subscriber_count, wanted->subscriber_count,
                found->record_alignment, wanted->record_alignment);
}

static int compare_calls(const struct shr_ring *ring, const struct sr_call_shape *found, const struct sr_call_shape *wanted) {
    if (memcmp(found, wanted, sizeof *found) == 0) return SHR_OK;
    return FAIL(
        SHR_DIFFERENT_SHAPE, 0,
        "it is there already, and not as it has to be: its slots are %u, not %u; its places for servers are %u, not %u; its capacities are %u and %u bytes, "
        "not %u and %u; its capacity for streams is %u bytes, not %u",
        found->slot_count, wanted->slot_count, found->server_count, wanted->server_count, found->request_capacity, found->reply_capacity,
        wanted->request_capacity, wanted->reply_capacity, found->stream_capacity, wanted->stream_capacity);
}

static int compare(const struct shr_ring *ring, const struct sr_header *found, const struct sr_header *wanted) {
    if (found->kind == SR_KIND_CALL) return compare_calls(ring, &found->call, &wanted->call);
    if (found->kind == SR_KIND_BOARD) return compare_boards(ring, &found->board, &wanted->board);
    if (found->kind == SR_KIND_BROADCAST) return compare_broadcasts(ring, &found->broadcast, &wanted->broadcast);
    bool is_total = found->required_features & SR_FEATURE_TOTAL_ORDER, asked = wanted->required_features & SR_FEATURE_TOTAL_ORDER;
    if (memcmp(&found->lanes, &wanted->lanes, sizeof found->lanes) == 0 && is_total == asked) return SHR_OK;
    return FAIL(SHR_DIFFERENT_SHAPE, 0,
                "it is there already, and not as it has to be: its capacity is %llu bytes, not %llu; its lanes are %u, not %u; its order is %s, not %s; its "
                "record alignment is %u, not %u",
                (unsigned long long)found->lanes.lane_capacity, (unsigned long long)wanted->lanes.lane_capacity, found->lanes.lane_count,
                wanted->lanes.lane_count, is_total ? "total" : "per producer", asked ? "total" : "per producer", found->lanes.record_alignment,
                wanted->lanes.record_alignment);
}

static int open_or_create(struct shr_ring *ring) {
    struct segment made, found;
    struct sr_header wanted;
    memset(&made, 0, sizeof made);
    SHR_TRY(check_name(ring));
    SHR_TRY(make_header(ring, &wanted, &made));
    ring->or_create = true;
    /* Found, made, or lost a race and then found; each further turn means that a process removed it in between. */
    for (int turn = 0; turn < 10000; turn++) {
        int directory = open_directory(ring);
        if (directory < 0) return directory;
        int result = open_named(ring, directory, access_of(ring), &found);
        if (result == SHR_EMPTY) {
            int created = create_named(ring, directory, &wanted, &made);
            sr_close(directory);
            if (created < 0) return created;
            if (created == 0) continue;
            ring->header = wanted;
            return SHR_OK;
        }
        sr_close(directory);
        if (result < 0) return result;
        sr_close(found.fd);
        SHR_TRY(check_kind(ring, ring->kind, &found));
        if (ring->options.must_match) SHR_TRY(compare(ring, &found.header, &wanted));
        ring->header = found.header;
        return SHR_OK;
    }
    return FAIL(SHR_IN_USE, 0, "others kept removing it while this process tried to open it 10,000 times");
}

int shr_open_or_create(const char *name, int kind, const struct shr_options *options, shr_ring **out) {
    struct shr_ring *ring = make_handle(name, kind, options);
    return ring ? finish(ring, open_or_create(ring), out) : no_memory(name);
}

static int create_anonymous(struct shr_ring *ring) {
    struct segment s;
    memset(&s, 0, sizeof s);
    if (ring->options.durable) return FAIL(SHR_INVALID_OPTION, 0, "an anonymous ring ends with its users, and can't outlive a restart");
    SHR_TRY(make_header(ring, &ring->header, &s));
    int fd = sr_memfd(ring->label);
    if (fd < 0) return FAIL(SHR_SYSTEM, -fd, "no anonymous memory");
    ring->fd = fd;
    ring->options.owners = SHR_ANY_USER; /* made here, whatever user this process is shown as */
    SHR_TRY(fill(ring, fd, &ring->header, &s));
    int sealed = sr_seal(fd);
    return sealed != 0 ? FAIL(SHR_SYSTEM, -sealed, "it can't be sealed") : SHR_OK;
}

int shr_create_anonymous(int kind, const struct shr_options *options, shr_ring **out) {
    struct shr_ring *ring = make_handle(NULL, kind, options);
    return ring ? finish(ring, create_anonymous(ring), out) : no_memory(NULL);
}

static int open_descriptor(struct shr_ring *ring, int descriptor) {
    char name[32];
    snprintf(name, sizeof name, "descriptor %d", descriptor);
    free(ring->label);
    ring->label = strdup(name);
    if (!ring->label) return no_memory(NULL);
    ring->fd = sr_duplicate(descriptor);
    if (ring->fd < 0) {
        int error = -ring->fd;
        ring->fd = -1;
        return FAIL(SHR_SYSTEM, error, "it is not open, and so leads to no ring");
    }
    struct segment s;
    SHR_TRY(open_anonymous(ring, &s));
    sr_close(s.fd);
    SHR_TRY(check_kind(ring, ring->kind, &s));
    ring->kind = (int)s.header.kind;
    ring->header = s.header;
    return SHR_OK;
}

int shr_open_descriptor(int descriptor, int kind, const struct shr_options *options, shr_ring **out) {
    struct shr_ring *ring = make_handle(NULL, kind, options);
    return ring ? finish(ring, open_descriptor(ring, descriptor), out) : no_memory(NULL);
}

int shr_ring_descriptor(const shr_ring *ring, int inheritable) {
    if (ring->name) return FAIL(SHR_INVALID_OPTION, 0, "a named ring is opened by its name, not handed over as a descriptor");
    if (ring->generation != sr_fork_generation()) return refuse_inherited(ring);
    int fd = sr_duplicate_for_user(ring->fd, inheritable);
    return fd < 0 ? FAIL(SHR_SYSTEM, -fd, "its descriptor can't be duplicated") : fd;
}

void shr_ring_facts(const shr_ring *ring, struct shr_facts *f) {
    const struct sr_header *h = &ring->header;
    memset(f, 0, sizeof *f);
    f->kind = ring->kind;
    f->total_order = (h->required_features & SR_FEATURE_TOTAL_ORDER) != 0;
    f->asymmetric = (h->required_features & SR_FEATURE_ASYMMETRIC_BARRIER) != 0;
    f->durable = (h->required_features & SR_FEATURE_FILE_BACKED) != 0;
    f->total_size = h->total_size;
    f->created_ns = h->created_ns;
    memcpy(f->label, h->label, sizeof f->label);
    f->label[sizeof f->label - 1] = 0;
    if (h->kind == SR_KIND_BOARD) {
        f->entries = h->board.entry_count;
        f->keeps_time = (int)h->board.keeps_time;
        f->capacity = h->board.data_size;
        return;
    }
    if (h->kind == SR_KIND_CALL) {
        f->clients = h->call.slot_count;
        f->servers = h->call.server_count;
        f->request_capacity = h->call.request_capacity;
        f->reply_capacity = h->call.reply_capacity;
        return;
    }
    bool is_broadcast = h->kind == SR_KIND_BROADCAST;
    f->lanes = is_broadcast ? 1 : h->lanes.lane_count;
    f->subscribers = is_broadcast ? h->broadcast.subscriber_count : 0;
    f->record_alignment = is_broadcast ? h->broadcast.record_alignment : h->lanes.record_alignment;
    f->capacity = is_broadcast ? h->broadcast.capacity : h->lanes.lane_capacity;
    uint64_t most = f->capacity - 8 - 2 * f->record_alignment, largest = SR_RECORD_END - 1;
    f->largest_message = (most < largest ? most : largest) - (f->total_order ? 8 : 0);
}

struct shape shr_shape(const struct segment *s) {
    struct shape shape;
    uint64_t most = s->lane_capacity - 8 - 2 * s->record_alignment, largest = SR_RECORD_END - 1;
    shape.capacity = s->lane_capacity;
    shape.alignment = s->record_alignment;
    shape.mask = s->lane_capacity - 1;
    shape.prefix = s->header.required_features & SR_FEATURE_TOTAL_ORDER ? 8 : 0;
    shape.offset = SR_RECORD_HEADER_SIZE + shape.prefix;
    shape.largest = (most < largest ? most : largest) - shape.prefix;
    shape.round_up = shape.offset + shape.alignment - 1;
    shape.round_down = 0 - shape.alignment;
    return shape;
}

/* --- roles: Swift Roles/Attachment ------------------------------------------------------------------------------------------------------ */

int shr_fail_forked(const struct attachment *a) {
    return shr_fail(SHR_FORKED, 0, what_of(a->ring->kind), ring_name(a), "this endpoint belongs to the parent of this forked process");
}

int shr_role_holder(const struct attachment *a, struct role role) { return sr_lock_query(a->lock, role_byte(role), 1); }

void shr_sign(struct sr_holder *place) {
    struct sr_holder holder;
    memset(&holder, 0, sizeof holder);
    holder.pid = sr_process_id();
    holder.start_time = sr_process_start_time();
    holder.attached_ns = sr_realtime_ns();
    sr_process_name(holder.name, sizeof holder.name);
    *place = holder;
}

void shr_holder_name(const struct sr_holder *place, char *text, size_t size) {
    struct sr_holder holder = *place;
    holder.name[sizeof holder.name - 1] = 0;
    if (holder.pid == 0)
        snprintf(text, size, "an unknown process");
    else if (holder.name[0])
        snprintf(text, size, "process %u (%s)", holder.pid, holder.name);
    else
        snprintf(text, size, "process %u", holder.pid);
}

/* `servers`: how many places for them a call service has. */
static uint64_t holder_offset(const struct shr_ring *ring, uint32_t servers, struct role role) {
    switch (ring->kind) {
    case SHR_BOARD:
        return role.kind == SR_ROLE_ENTRY ? sr_entry_offset(role.index) + offsetof(struct sr_entry_control, holder) : offsetof(struct sr_board_control, holder);
    case SHR_CALL:
        return role.kind == SR_ROLE_SERVER ? sr_server_offset(role.index) + offsetof(struct sr_server_control, holder)
                                           : sr_caller_offset(servers, role.index) + offsetof(struct sr_caller_control, holder);
    case SHR_BROADCAST:
        return role.kind == SR_ROLE_CONSUMER ? sr_subscriber_offset(role.index) + offsetof(struct sr_subscriber_control, holder)
                                             : sr_publisher_offset() + offsetof(struct sr_lane_control, producer_holder);
    default:
        return role.kind == SR_ROLE_CONSUMER ? sr_lanes_consumer_offset() + offsetof(struct sr_consumer_control, holder)
                                             : sr_lane_offset(role.index) + offsetof(struct sr_lane_control, producer_holder);
    }
}

struct sr_holder *shr_holder_of(const struct attachment *a, struct role role) {
    return (struct sr_holder *)(void *)(a->control + holder_offset(a->ring, a->segment.header.call.server_count, role));
}

static int fail_taken(const struct shr_ring *ring, const struct segment *s, struct role first, uint32_t count) {
    struct sr_holder holder;
    char text[128] = "an unknown process";
    if (sr_read_at(s->fd, &holder, sizeof holder, s->header.control_offset + holder_offset(ring, s->header.call.server_count, first)) == (int64_t)sizeof holder)
        shr_holder_name(&holder, text, sizeof text);
    static const char *const roles[] = {"consumer", "producer"};
    const char *role = ring->kind == SHR_BOARD ? "writer" : roles[first.kind & 1];
    if (ring->kind == SHR_BROADCAST) role = first.kind == SR_ROLE_CONSUMER ? "subscriber" : "publisher";
    if (ring->kind == SHR_CALL)
        return FAIL(SHR_ROLE_TAKEN, 0, "all its %u %s are taken; the first is %s", count,
                    first.kind == SR_ROLE_SERVER ? "places for servers" : "slots for clients", text);
    if (count == 1) return FAIL(SHR_ROLE_TAKEN, 0, "its %s is %s, and there can be only one", role, text);
    return FAIL(SHR_ROLE_TAKEN, 0, "all its %u %s are taken; the first is %s", count, first.kind == SR_ROLE_CONSUMER ? "places for subscribers" : "lanes",
                text);
}

/* The operations that endpoints wait and wake by, and the barrier that the other side relies on. */
static int require_system(const struct shr_ring *ring, const struct segment *s) {
    int result = sr_futex_try_wait();
    const char *operation = "FUTEX_WAIT_BITSET";
    if (result == 0) {
        result = sr_futex_try_clear_and_wake();
        operation = "FUTEX_WAKE_OP";
    }
    if (result != 0)
        return FAIL(SHR_INCOMPATIBLE, -result, "this process can't use the %s operation of futex(2); its kernel or sandbox has to allow it", operation);
    if (!(s->header.required_features & SR_FEATURE_ASYMMETRIC_BARRIER)) return SHR_OK;
    result = sr_membarrier_register(); /* at every attach, since exec undoes it */
    if (result == 0) result = sr_membarrier_global();
    if (result != 0)
        return FAIL(SHR_INCOMPATIBLE, -result,
                    "it was made for the asymmetric barrier, and this process can't use membarrier(2); create it with the symmetric one");
    return SHR_OK;
}

enum attempt { LOCKED, AGAIN, CREATED, TAKEN };

static bool is_still_named(const struct shr_ring *ring, int directory, const struct segment *s) {
    struct sr_file_facts facts;
    return !ring->name || (sr_facts_at(directory, ring->name, &facts) == 0 && is_same_file(&facts, &s->facts));
}

static void candidates(enum request request, struct role wanted, const struct segment *s, struct role *first, uint32_t *count) {
    *count = 1;
    *first = wanted;
    switch (request) {
    case REQUEST_CONSUMER: *first = (struct role){SR_ROLE_CONSUMER, 0}; break;
    case REQUEST_ANY_LANE:
        *first = (struct role){SR_ROLE_PRODUCER, 0};
        *count = s->lane_count;
        break;
    case REQUEST_ANY_SLOT:
        *first = (struct role){SR_ROLE_CONSUMER, 0};
        *count = s->slot_count;
        break;
    case REQUEST_ANY_SERVER:
        *first = (struct role){SR_ROLE_SERVER, 0};
        *count = s->header.call.server_count;
        break;
    case REQUEST_ANY_CALLER:
        *first = (struct role){SR_ROLE_CALLER, 0};
        *count = s->header.call.slot_count;
        break;
    case REQUEST_OBSERVER: *first = (struct role){-1, 0}; break;
    case REQUEST_EXACTLY: break;
    }
}

/* A named segment may be removed and made again at any moment. So the byte is locked first, and the name checked with the byte in hand. */
static int attempt_with(struct shr_ring *ring, int directory, enum request request, struct role wanted, struct attachment *a) {
    struct segment *s = &a->segment;
    int result = ring->name ? open_named(ring, directory, TO_WRITE, s) : open_anonymous(ring, s);
    if (result < 0) return result;
    if (result == SHR_EMPTY) {
        if (!ring->or_create) return FAIL(SHR_NOT_FOUND, 0, "it was removed since it was opened");
        result = create_again(ring, directory);
        return result < 0 ? result : CREATED;
    }
    result = SHR_OK;
    if (!ring->or_create && memcmp(s->header.instance_id, ring->header.instance_id, sizeof s->header.instance_id) != 0)
        result = FAIL(SHR_REPLACED, 0, "it was removed and made anew since it was opened");
    if (result == SHR_OK) result = check_kind(ring, ring->kind, s);
    if (result == SHR_OK) result = require_system(ring, s);
    if (result < 0) {
        sr_close(s->fd);
        return result;
    }
    int lock = ring->name ? sr_open_at(directory, ring->name, 1) : sr_reopen(s->fd);
    struct sr_file_facts facts;
    if (lock >= 0 && (sr_facts(lock, &facts) != 0 || !is_same_file(&facts, &s->facts))) {
        sr_close(lock);
        lock = -ENOENT;
    }
    if (lock < 0) {
        sr_close(s->fd);
        return lock == -ENOENT ? AGAIN : FAIL(SHR_SYSTEM, -lock, "its role byte can't be locked");
    }
    struct role first;
    uint32_t count;
    candidates(request, wanted, s, &first, &count);
    a->lock = lock;
    bool is_again = false;
    for (uint32_t i = 0; i < count; i++) {
        struct role role = {first.kind, first.index + i};
        result = role.kind < 0 ? 0 : sr_lock(lock, role_byte(role), 1);
        if (result == -EAGAIN) continue;
        if (result < 0) {
            sr_close(lock);
            sr_close(s->fd);
            return FAIL(SHR_SYSTEM, -result, "its role byte can't be locked");
        }
        a->role = role;
        if (is_still_named(ring, directory, s)) return LOCKED;
        is_again = true;
        break;
    }
    if (!is_again) is_again = !is_still_named(ring, directory, s);
    /* A remover at work is no holder, and neither is a process that has let go since. */
    for (uint32_t i = 0; i < count && !is_again; i++) is_again = sr_lock_query(lock, role_byte((struct role){first.kind, first.index + i}), 1) != 1;
    sr_close(lock);
    result = is_again ? AGAIN : TAKEN;
    if (result == TAKEN) fail_taken(ring, s, first, count);
    sr_close(s->fd);
    return result;
}

int shr_require_flushed_to_read(const struct shr_ring *ring, const struct sr_header *header, struct sr_segment_control *control) {
    if (!(header->required_features & SR_FEATURE_FILE_BACKED) || ring->options.accepts_unflushed) return SHR_OK;
    uint64_t boot[2];
    int result = sr_boot_id(boot);
    if (result != 0) return FAIL(SHR_SYSTEM, -result, "this boot of the machine can't be distinguished from others");
    /* SYNC: boot-seen (pairs with the stores of require_flushed). In this order: a writer stores the boot before it clears the mark. */
    bool is_clean = sr_load_acquire_u32(sr_clean(control)) == 1;
    uint64_t *words = sr_boot_words(control);
    if (is_clean || (sr_load_acquire_u64(words) == boot[0] && sr_load_acquire_u64(words + 1) == boot[1])) return SHR_OK;
    return FAIL(SHR_NOT_FLUSHED, 0, "the machine was restarted while it was in use, so what it holds may be incomplete");
}

/* For a ring that outlives restarts: refuses what was in use when the machine went down, and says that it is in use. */
static int require_flushed(struct attachment *a) {
    struct shr_ring *ring = a->ring;
    if (!(a->segment.header.required_features & SR_FEATURE_FILE_BACKED)) return SHR_OK;
    struct sr_segment_control *control = (struct sr_segment_control *)(void *)a->control;
    /* Without a byte in hand a store to the mark could undo a flush. */
    if (a->role.kind < 0) return shr_require_flushed_to_read(ring, &a->segment.header, control);
    uint64_t boot[2];
    int result = sr_boot_id(boot);
    if (result != 0) return FAIL(SHR_SYSTEM, -result, "this boot of the machine can't be distinguished from others");
    uint64_t *words = sr_boot_words(control);
    uint32_t *mark = sr_clean(control);
    /* SYNC: boot-seen (pairs with the stores below): 0 is stored behind a sync, and the mark behind the boot. */
    uint32_t state = sr_load_acquire_u32(mark);
    bool is_of_this_boot = sr_load_acquire_u64(words) == boot[0] && sr_load_acquire_u64(words + 1) == boot[1];
    if (!is_of_this_boot) {
        bool is_now = sr_load_acquire_u64(words) == boot[0] && sr_load_acquire_u64(words + 1) == boot[1];
        if (state != 1 && !ring->options.accepts_unflushed && !is_now)
            return FAIL(SHR_NOT_FLUSHED, 0, "the machine was restarted while it was in use, so what it holds may be incomplete");
        sr_store_release_u64(words, boot[0]);
        sr_store_release_u64(words + 1, boot[1]);
    } else if (state == 0) {
        return SHR_OK;
    }
    sr_store_release_u32(mark, 2);
    result = sr_sync(a->segment.fd); /* before anything is sent */
    if (result != 0) return FAIL(SHR_SYSTEM, -result, "it can't be brought to the disk");
    sr_store_release_u32(mark, 0);
    return SHR_OK;
}

static int finish_attaching(struct attachment *a) {
    a->generation = sr_fork_generation();
    a->is_asymmetric = a->segment.header.required_features & SR_FEATURE_ASYMMETRIC_BARRIER;
    int result = shr_map_control(&a->segment, ring_name(a), true, &a->control_mapping, &a->control);
    if (result == SHR_OK) result = require_flushed(a);
    if (result == SHR_OK && a->ring->or_create && a->ring->options.must_match && memcmp(a->segment.header.instance_id, a->ring->header.instance_id, 16) != 0) {
        struct segment made;
        struct sr_header wanted;
        memset(&made, 0, sizeof made);
        result = make_header(a->ring, &wanted, &made);
        if (result == SHR_OK) result = compare(a->ring, &a->segment.header, &wanted);
    }
    if (result < 0) shr_detach(a);
    return result;
}

int shr_attach(struct shr_ring *handle, enum request request, struct role role, struct attachment *a) {
    memset(a, 0, sizeof *a);
    SHR_TRY(shr_copy_ring(handle, &a->ring));
    struct shr_ring *ring = a->ring;
    int refusals = 0;
    /* Each turn means that another process made progress; the limit is against an untrusted peer. */
    for (int turn = 0; turn < 10000; turn++) {
        int directory = ring->name ? open_directory(ring) : -1;
        int result = ring->name && directory < 0 ? directory : attempt_with(ring, directory, request, role, a);
        if (directory >= 0) sr_close(directory);
        if (result == LOCKED) return finish_attaching(a);
        /* A merging consumer takes a dead producer's byte for a moment, to clean up after it; look again. */
        if (result == TAKEN && ++refusals == 3) result = shr_last_failure()->code;
        if (result < 0) {
            shr_ring_close(ring);
            return result;
        }
        if (result == TAKEN) sr_sleep_ns(1000000);
        if (result == AGAIN) sr_sleep_ns(turn < 100 ? 1000 : 1000000);
    }
    int result = FAIL(SHR_IN_USE, 0, "others kept its role bytes locked, or removed it, while this process tried 10,000 times to attach");
    shr_ring_close(ring);
    return result;
}

void shr_give_back(struct attachment *a) {
    if (!is_inherited(a) && a->lock >= 0) {
        unlock_and_close(a->lock);
        a->lock = -1;
    }
}

void shr_detach(struct attachment *a) {
    shr_give_back(a);
    if (!is_inherited(a)) sr_close(a->segment.fd);
    shr_unmap(&a->control_mapping);
    shr_ring_close(a->ring);
    a->ring = NULL;
}

bool shr_is_persistent(const struct attachment *a) {
    /* Relaxed: it orders nothing. */
    return sr_load_relaxed_u32(sr_persistent((struct sr_segment_control *)(void *)a->control)) != 0;
}

/* --- maps: Swift Segment/Mapping -------------------------------------------------------------------------------------------------------- */

void shr_unmap(struct mapping *m) {
    if (m->reservation && m->generation == sr_fork_generation()) sr_unmap(m->reservation, m->size);
    m->reservation = NULL;
}

static int reserve(const char *name, uint64_t count, uint64_t unit, struct mapping *m) {
    m->size = count + 2 * unit + (unit > sr_page_size() ? unit : 0);
    int64_t address = sr_reserve(m->size);
    if (address <= 0) {
        m->reservation = NULL;
        return shr_fail(SHR_SYSTEM, (int)-address, "ring", name, "no address space for %llu bytes", (unsigned long long)count);
    }
    m->generation = sr_fork_generation();
    m->reservation = (uint8_t *)(uintptr_t)address;
    m->base = (uint8_t *)(((uintptr_t)m->reservation + unit + unit - 1) / unit * unit);
    return SHR_OK;
}

static int map_part(const struct segment *s, const char *name, struct mapping *m, uint64_t place, uint64_t count, uint64_t offset, bool writable,
                    bool prefault) {
    int result = sr_map_over(m->base + place, count, s->fd, offset, writable, prefault);
    if (result == 0) return SHR_OK;
    shr_unmap(m);
    return shr_fail(SHR_SYSTEM, -result, "ring", name, "%llu bytes of it can't be mapped", (unsigned long long)count);
}

int shr_map_control(const struct segment *s, const char *name, bool writable, struct mapping *m, uint8_t **control) {
    uint64_t start = s->unit > sr_page_size() ? 0 : s->header.control_offset; /* a huge page can't be mapped in part */
    uint64_t count = (s->control_end - start + s->unit - 1) / s->unit * s->unit;
    SHR_TRY(reserve(name, count, s->unit, m));
    SHR_TRY(map_part(s, name, m, 0, count, start, writable, true));
    *control = m->base + (s->header.control_offset - start);
    return SHR_OK;
}

int shr_map_data(const struct segment *s, const char *name, bool writable, bool prefault, struct mapping *m) {
    uint64_t count = (s->data_size + s->unit - 1) / s->unit * s->unit;
    SHR_TRY(reserve(name, count, s->unit, m));
    SHR_TRY(map_part(s, name, m, 0, count, s->header.data_offset, writable, prefault));
    sr_leave_out_of_dumps(m->base, count);
    return SHR_OK;
}

/* Twice, back to back: a record that starts before the end goes on behind it, in one piece. */
int shr_map_lane(const struct attachment *a, uint32_t lane, bool writable, bool prefault, struct mapping *m) {
    const struct segment *s = &a->segment;
    uint64_t capacity = s->lane_capacity;
    SHR_TRY(reserve(ring_name(a), 2 * capacity, s->unit, m));
    for (uint64_t copy = 0; copy < 2; copy++)
        SHR_TRY(map_part(s, ring_name(a), m, copy * capacity, capacity, s->header.data_offset + lane * capacity, writable, prefault));
    sr_leave_out_of_dumps(m->base, 2 * capacity);
    return SHR_OK;
}

/* --- removing and flushing ------------------------------------------------------------------------------------------------------------------ */

static int unlink_if_still(const struct shr_ring *ring, int directory, const struct sr_file_facts *facts) {
    struct sr_file_facts now;
    int there = facts_at(ring, directory, &now);
    if (there < 0) return there;
    if (!there || !is_same_file(&now, facts)) return 0;
    int result = sr_unlink_at(directory, ring->name);
    return result != 0 ? FAIL(SHR_SYSTEM, -result, "it can't be removed") : 1;
}

/* Whether each other holder of a byte is a producer that has closed, and has not unlocked it yet. */
static bool is_held_only_by_closed_producers(const struct attachment *a) {
    for (uint32_t slot = 0; slot < a->segment.slot_count; slot++) {
        struct role role = {SR_ROLE_CONSUMER, slot};
        if (role_byte(role) != role_byte(a->role) && shr_role_holder(a, role) != 0) return false;
    }
    for (uint32_t lane = 0; lane < a->segment.lane_count; lane++) {
        if (shr_role_holder(a, (struct role){SR_ROLE_PRODUCER, lane}) == 0) continue;
        /* SYNC: epoch (pairs with shr_producer_close): even and not 0, it has closed. */
        uint32_t epoch = sr_load_acquire_u32(sr_producer_epoch(lane_control(a, lane)));
        if (epoch == 0 || epoch & 1) return false;
    }
    return true;
}

int shr_remove_attached(struct attachment *a, bool (*is_wanted)(void *), void *context) {
    struct shr_ring *ring = a->ring;
    if (!ring->name) return 0;
    /* Through the description that holds this role's byte: one's own locks do not conflict. */
    int result;
    for (int turns = 20; (result = sr_lock(a->lock, sr_lock_first(), 0)) == -EAGAIN; turns--) {
        /* A producer stores its end record, which this consumer may have seen, before it unlocks its byte. */
        if (turns == 0 || !is_held_only_by_closed_producers(a)) return 0;
        sr_sleep_ns(1000000);
    }
    if (result < 0) return FAIL(SHR_SYSTEM, -result, "its role bytes can't be locked");
    int removed = 0;
    if (is_wanted(context) && !shr_is_persistent(a)) {
        int directory = open_directory(ring);
        removed = directory < 0 ? directory : unlink_if_still(ring, directory, &a->segment.facts);
        if (directory >= 0) sr_close(directory);
    }
    if (removed == 1) return 1;
    int64_t byte = role_byte(a->role);
    if (byte > sr_lock_first()) sr_unlock(a->lock, sr_lock_first(), byte - sr_lock_first());
    sr_unlock(a->lock, byte + 1, 0);
    return removed;
}

static int flush_segment(const struct shr_ring *ring, struct segment *s) {
    if (!(s->header.required_features & SR_FEATURE_FILE_BACKED)) return FAIL(SHR_INVALID_OPTION, 0, "it was not made to outlive a restart");
    struct sr_segment_control control;
    uint64_t boot[2];
    if (sr_boot_id(boot) != 0) return FAIL(SHR_SYSTEM, ENOENT, "this boot of the machine can't be distinguished from others");
    if (sr_read_at(s->fd, &control, sizeof control, s->header.control_offset) != (int64_t)sizeof control) return FAIL(SHR_SYSTEM, EIO, "it can't be read");
    if (control.clean != 1 && memcmp(control.boot_id, boot, sizeof boot) != 0)
        return FAIL(SHR_NOT_FLUSHED, 0,
                    "the machine was restarted while it was in use, so what it holds may be incomplete; attach to it first, and accept that");
    uint32_t one = 1;
    int result = sr_sync(s->fd);
    if (result == 0) result = (int)sr_write_at(s->fd, &one, sizeof one, s->header.control_offset + offsetof(struct sr_segment_control, clean));
    if (result >= 0) result = sr_sync(s->fd);
    return result < 0 ? FAIL(SHR_SYSTEM, -result, "it can't be brought to the disk") : SHR_OK;
}

/* A segment that no process uses: layout 1 keeps its lock bytes where this version does, so such a one is removed, too. */
static int open_to_remove(const struct shr_ring *ring, int directory, struct segment *s) {
    int result = open_named(ring, directory, TO_WRITE, s);
    if (result != SHR_INCOMPATIBLE) return result;
    int fd = sr_open_at(directory, ring->name, 1);
    if (fd < 0) return result;
    struct sr_header *h = &s->header;
    bool is_known = sr_facts(fd, &s->facts) == 0 && s->facts.type == 0100000 && s->facts.links == 1 && admits_owner(ring, s->facts.owner) &&
                    sr_read_at(fd, h, sizeof *h, 0) >= 256 && h->magic == SR_MAGIC;
    if (is_known && h->major == 1) {
        uint64_t checksum;
        memcpy(&checksum, (const uint8_t *)h + 248, sizeof checksum);
        is_known = checksum == sr_hash_bytes(SR_HASH_START, h, 248);
    } else {
        is_known = is_known && h->major == SR_LAYOUT_MAJOR && h->checksum == sr_header_checksum(h);
    }
    s->fd = fd;
    if (is_known) return SHR_OK;
    sr_close(fd);
    return result;
}

static int remove_or_flush(struct shr_ring *ring, bool flushes) {
    SHR_TRY(check_name(ring));
    /* Each further turn means that another remover was at work; the limit is against an untrusted peer. */
    for (int turn = 0; turn < 1000; turn++) {
        struct segment s;
        int directory = open_directory(ring);
        if (directory < 0) return directory;
        int result = flushes ? open_named(ring, directory, TO_WRITE, &s) : open_to_remove(ring, directory, &s);
        if (result == SHR_EMPTY) result = FAIL(SHR_NOT_FOUND, 0, "there is none in '%s'", ring->directory);
        if (result < 0) {
            sr_close(directory);
            return result;
        }
        int lock = sr_open_at(directory, ring->name, 1), done = 0;
        struct sr_file_facts facts;
        bool is_same = lock >= 0 && sr_facts(lock, &facts) == 0 && is_same_file(&facts, &s.facts);
        if (lock < 0 && lock != -ENOENT) done = FAIL(SHR_SYSTEM, -lock, "its role bytes can't be locked");
        if (is_same) {
            result = sr_lock(lock, sr_lock_first(), 0);
            if (result == 0) {
                done = flushes ? flush_segment(ring, &s) : unlink_if_still(ring, directory, &s.facts);
                if (flushes && done == SHR_OK) done = 1;
            } else if (result != -EAGAIN) {
                done = FAIL(SHR_SYSTEM, -result, "its role bytes can't be locked");
            } else if (sr_lock_query(lock, sr_lock_first(), INT64_C(16) << SR_LOCK_ROLE_SHIFT) == 1) {
                done = FAIL(SHR_IN_USE, 0, "it is in use by another process");
            } else {
                sr_sleep_ns(turn < 100 ? 10000 : 1000000); /* it was another remover, or a holder that has let go since */
            }
        }
        if (lock >= 0) unlock_and_close(lock);
        sr_close(s.fd);
        sr_close(directory);
        if (done != 0) return done < 0 ? done : SHR_OK;
    }
    return FAIL(SHR_IN_USE, 0, "others kept its role bytes locked while this process tried 1,000 times to remove it");
}

static int remove_or_flush_named(const char *name, const struct shr_options *options, bool flushes) {
    struct shr_ring *ring = make_handle(name, 0, options);
    if (!ring) return no_memory(name);
    int result = remove_or_flush(ring, flushes);
    shr_ring_close(ring);
    return result;
}

int shr_remove(const char *name, const struct shr_options *options) { return remove_or_flush_named(name, options, false); }
int shr_flush(const char *name, const struct shr_options *options) { return remove_or_flush_named(name, options, true); }

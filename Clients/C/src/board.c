/* Boards: the latest value of each key. Swift: Board/. */
#include "internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define MOST_TRIES 1000

/* What an entry is for good: a checked, private copy of its immutable fields. */
struct entry {
    uint32_t number;
    uint32_t key_length;
    char key[SR_LARGEST_KEY + 1];
    uint64_t capacity, data_offset, stride, prefix;
};

struct blocks {
    struct sr_board_control *control;
    uint32_t entry_count, keeps_time;
    uint64_t data_size;
    const char *name;
};

static int fail(const char *name, int code, uint32_t number, const char *what, uint64_t found) {
    return shr_fail(code, 0, "board", name, what, number, (unsigned long long)found);
}

static struct blocks blocks_of(uint8_t *control, const struct sr_header *h, const char *name) {
    return (struct blocks){(struct sr_board_control *)(void *)control, h->board.entry_count, h->board.keeps_time, h->board.data_size, name};
}

/* SHR_OK; SHR_EMPTY: the entry is free, or there can be none of that number; poisoned. `end` is where the values of the entry before end: entries that lie
 * over each other could say that their values together have thousands of times the board's bytes. */
static int load_entry(const struct blocks *b, uint32_t number, uint64_t end, struct entry *e) {
    if (number >= b->entry_count) return SHR_EMPTY;
    struct sr_entry_control *block = sr_entry(b->control, number);
    /* SYNC: entry-made (pairs with shr_board_add): the state before, the fields after. */
    uint32_t state = sr_load_acquire_u32(sr_entry_state(block));
    if (state == 0) return SHR_EMPTY;
    /* One copy, which is checked and used: an untrusted peer may write the block meanwhile. */
    struct sr_entry_control copy = *block;
    if (copy.state != 1) return fail(b->name, SHR_POISONED, number, "entry %u has state %llu, not 0 or 1", copy.state);
    if (copy.key_length < 1 || copy.key_length > SR_LARGEST_KEY)
        return fail(b->name, SHR_POISONED, number, "entry %u has a key of %llu bytes, not 1 to 64", copy.key_length);
    if (copy.capacity < 1 || copy.capacity > SR_LARGEST_BOARD_VALUE)
        return fail(b->name, SHR_POISONED, number, "entry %u has a capacity of %llu bytes, not 1 to 2^30", copy.capacity);
    uint64_t size = sr_entry_size(copy.capacity, b->keeps_time);
    if (copy.data_offset % SR_ENTRY_ALIGNMENT || size > b->data_size || copy.data_offset > b->data_size - size)
        return fail(b->name, SHR_POISONED, number, "entry %u has its values at %llu, which do not fit the board", copy.data_offset);
    if (copy.data_offset < end)
        return fail(b->name, SHR_POISONED, number, "entry %u has its values at %llu, among those of the entry before", copy.data_offset);
    e->number = number;
    e->key_length = copy.key_length;
    memcpy(e->key, copy.key, copy.key_length);
    e->key[copy.key_length] = 0;
    e->capacity = copy.capacity;
    e->data_offset = copy.data_offset;
    e->stride = sr_slot_stride(copy.capacity, b->keeps_time);
    e->prefix = sr_slot_prefix(copy.capacity, b->keeps_time);
    return SHR_OK;
}

/* Where the values of the next entry may begin. */
static uint64_t end_of(const struct blocks *b, const struct entry *e) { return e->data_offset + sr_entry_size(e->capacity, b->keeps_time); }

static bool is_key(const struct entry *e, const char *key) { return strlen(key) == e->key_length && memcmp(key, e->key, e->key_length) == 0; }

static int find_entry(const struct blocks *b, const char *key, struct entry *e) {
    uint64_t end = 0;
    for (uint32_t number = 0;; number++) {
        int result = load_entry(b, number, end, e);
        if (result == SHR_EMPTY) return shr_fail(SHR_ENTRY_NOT_FOUND, 0, "board", b->name, "it has no entry '%s'", key);
        if (result < 0 || is_key(e, key)) return result;
        end = end_of(b, e);
    }
}

static int require_board(const shr_ring *ring) {
    return ring->kind == SHR_BOARD ? SHR_OK : shr_fail(SHR_INCOMPATIBLE, 0, "ring", ring->label, "it is not a board");
}

/* --- adding entries ------------------------------------------------------------------------------------------------------------------------ */

uint64_t shr_board_size(uint64_t capacity, int keeps_time) {
    return capacity > SR_LARGEST_BOARD_VALUE ? UINT64_MAX : sr_entry_size(capacity, keeps_time ? 1 : 0);
}

static int add(const struct blocks *b, const char *key, uint64_t capacity) {
    struct entry e;
    uint64_t start = 0;
    uint32_t number = 0;
    for (;; number++) {
        int result = load_entry(b, number, start, &e);
        if (result < 0) return result;
        if (result == SHR_EMPTY) break;
        if (is_key(&e, key)) {
            if (e.capacity >= capacity) return SHR_OK;
            return shr_fail(SHR_DIFFERENT_SHAPE, 0, "board", b->name, "entry '%s' is there already, and its capacity is %llu bytes, not %llu", key,
                            (unsigned long long)e.capacity, (unsigned long long)capacity);
        }
        start = end_of(b, &e);
    }
    if (number >= b->entry_count)
        return shr_fail(SHR_BOARD_FULL, 0, "board", b->name, "all its %u entries are in use, so '%s' can't be added", b->entry_count, key);
    uint64_t size = sr_entry_size(capacity, b->keeps_time);
    if (size > b->data_size - start)
        return shr_fail(SHR_BOARD_FULL, 0, "board", b->name, "entry '%s' needs %llu bytes, four times its capacity and a little more, and %llu are free", key,
                        (unsigned long long)size, (unsigned long long)(b->data_size - start));
    struct sr_entry_control *block = sr_entry(b->control, number);
    block->key_length = (uint32_t)strlen(key);
    block->capacity = capacity;
    block->data_offset = start;
    memset(block->key, 0, sizeof block->key);
    memcpy(block->key, key, strlen(key));
    /* SYNC: entry-made (pairs with load_entry): the fields before, the state after. */
    sr_store_release_u32(sr_entry_state(block), 1);
    return SHR_OK;
}

int shr_board_add(shr_ring *board, const char *key, uint64_t capacity) {
    SHR_TRY(require_board(board));
    size_t length = strlen(key);
    if (length < 1 || length > SR_LARGEST_KEY)
        return shr_fail(SHR_INVALID_NAME, 0, "board", board->label, "a key has 1 to 64 bytes, and '%s' has %zu", key, length);
    if (capacity < 1 || capacity > SR_LARGEST_BOARD_VALUE)
        return shr_fail(SHR_INVALID_OPTION, 0, "board", board->label, "the capacity of entry '%s' must be 1 to 2^30 bytes, not %llu", key,
                        (unsigned long long)capacity);
    struct attachment a;
    int result = SHR_ROLE_TAKEN;
    for (int turn = 0; turn < 200 && result == SHR_ROLE_TAKEN; turn++) /* another keeper is done soon */
        result = shr_attach(board, REQUEST_EXACTLY, (struct role){SR_ROLE_BOARD, 0}, &a);
    if (result < 0) return result;
    struct blocks b = blocks_of(a.control, &a.segment.header, ring_name(&a));
    shr_sign(sr_board_holder(b.control));
    result = add(&b, key, capacity);
    struct shr_failure kept = *shr_last_failure();
    shr_detach(&a);
    return result < 0 ? shr_fail_again(&kept) : SHR_OK;
}

/* --- writing: Swift Board/EntryWriter ------------------------------------------------------------------------------------------------------- */

struct shr_board_writer {
    struct attachment attachment;
    struct mapping data;
    struct entry entry;
    struct sr_entry_control *block;
    uint32_t *board_events;
    uint64_t turn;
    uint32_t keeps_time;
    uint8_t *slots;
};

static int open_writer(struct shr_board_writer *w, bool prefault) {
    struct attachment *a = &w->attachment;
    struct blocks b = blocks_of(a->control, &a->segment.header, ring_name(a));
    SHR_TRY(load_entry(&b, a->role.index, 0, &w->entry));
    SHR_TRY(shr_map_data(&a->segment, ring_name(a), true, prefault, &w->data));
    w->block = sr_entry(b.control, a->role.index);
    w->board_events = sr_board_event_word(b.control);
    w->keeps_time = b.keeps_time;
    w->slots = w->data.base + w->entry.data_offset;
    /* Relaxed: the byte orders this writer behind its predecessor. */
    w->turn = sr_load_relaxed_u64(sr_entry_turn(w->block));
    if (w->turn >> 63 != 0) return fail(b.name, SHR_POISONED, w->entry.number, "entry %u is in version %llu, and no writer comes to 2^63", w->turn);
    shr_sign(sr_entry_holder(w->block));
    uint32_t *epoch = sr_entry_epoch(w->block);
    sr_store_release_u32(epoch, sr_epoch_at_attach(sr_load_relaxed_u32(epoch))); /* SYNC: epoch; relaxed: the byte orders it */
    return SHR_OK;
}

/* The number of the entry, read without a role: an entry that was made stays as it is. */
static int number_of(shr_ring *board, const char *key, uint32_t *number) {
    struct segment s;
    struct mapping m = {NULL, NULL, 0, 0};
    uint8_t *control;
    struct entry e;
    int result = shr_open_segment(board, &s);
    if (result == SHR_EMPTY) return shr_fail(SHR_NOT_FOUND, 0, "board", board->label, "it was removed since it was opened");
    if (result < 0) return result;
    if (s.header.kind != SR_KIND_BOARD) {
        sr_close(s.fd);
        return shr_fail(SHR_INCOMPATIBLE, 0, "ring", board->label, "it is not a board");
    }
    result = shr_map_control(&s, board->label, false, &m, &control);
    if (result == SHR_OK) {
        struct blocks b = blocks_of(control, &s.header, board->label);
        result = find_entry(&b, key, &e);
        if (result == SHR_OK) *number = e.number;
    }
    shr_unmap(&m);
    sr_close(s.fd);
    return result;
}

int shr_board_writer_open(shr_ring *board, const char *key, const struct shr_endpoint *endpoint, shr_board_writer **out) {
    uint32_t number = 0;
    SHR_TRY(require_board(board));
    SHR_TRY(number_of(board, key, &number));
    struct shr_board_writer *w = (struct shr_board_writer *)calloc(1, sizeof *w);
    if (!w) return shr_fail(SHR_SYSTEM, ENOMEM, "board", board->label, "no memory for a writer");
    int result = shr_attach(board, REQUEST_EXACTLY, (struct role){SR_ROLE_ENTRY, number}, &w->attachment);
    if (result < 0) {
        free(w);
        return result;
    }
    result = open_writer(w, endpoint && endpoint->prefault);
    if (result == SHR_OK && !is_key(&w->entry, key))
        result = shr_fail(SHR_POISONED, 0, "board", board->label, "entry '%s' changed its key, which it keeps for good", key);
    if (result != SHR_OK) {
        struct shr_failure kept = *shr_last_failure();
        shr_unmap(&w->data);
        shr_detach(&w->attachment);
        free(w);
        return shr_fail_again(&kept);
    }
    *out = w;
    return SHR_OK;
}

void shr_board_writer_close(struct shr_board_writer *w) {
    if (!w) return;
    if (!is_inherited(&w->attachment)) {
        uint32_t *epoch = sr_entry_epoch(w->block), *events = sr_entry_event_word(w->block);
        sr_store_release_u32(epoch, sr_epoch_at_close(sr_load_relaxed_u32(epoch))); /* SYNC: epoch; relaxed: only this side writes it */
        shr_give_back(&w->attachment);
        if (sr_load_relaxed_u32(events) & 1) shr_wake_events(events);
    }
    shr_unmap(&w->data);
    shr_detach(&w->attachment);
    free(w);
}

/* 0 is left out: a turn of 0 says that there is no value. */
static uint64_t next_turn(const struct shr_board_writer *w) { return w->turn == UINT64_MAX ? SR_BOARD_SLOTS : w->turn + 1; }
static uint8_t *next_slot(const struct shr_board_writer *w) { return w->slots + (next_turn(w) & (SR_BOARD_SLOTS - 1)) * w->entry.stride; }

static int check_size(const struct shr_board_writer *w, size_t count) {
    if (is_inherited(&w->attachment)) return shr_fail_forked(&w->attachment);
    if (count <= w->entry.capacity) return SHR_OK;
    return shr_fail(SHR_MESSAGE_TOO_LARGE, 0, "board", ring_name(&w->attachment), "a value of %zu bytes does not fit entry '%s', whose capacity is %llu", count,
                    w->entry.key, (unsigned long long)w->entry.capacity);
}

int shr_board_begin(struct shr_board_writer *w, size_t count, void **place) {
    SHR_TRY(check_size(w, count));
    /* SYNC: board-slot (pairs with get_once): the last turn before, what is written into the slot after. */
    sr_fence_release();
    *place = next_slot(w) + w->entry.prefix;
    return SHR_OK;
}

int shr_board_commit(struct shr_board_writer *w, size_t count, uint32_t tag) {
    SHR_TRY(check_size(w, count));
    uint8_t *slot = next_slot(w);
    /* Relaxed: the turn's store brings them. */
    sr_store_relaxed_u64(slot, sr_slot_word((uint32_t)count, tag));
    if (w->keeps_time) sr_store_relaxed_u64(slot + 8, (uint64_t)sr_realtime_ns());
    w->turn = next_turn(w);
    sr_store_release_u64(sr_entry_turn(w->block), w->turn); /* SYNC: board-value (pairs with get_once) */
    /* SYNC: event-count (pairs with declare_asleep): the turn before, the looks at the event words after. */
    waker_barrier(w->attachment.is_asymmetric);
    uint32_t *words[] = {sr_entry_event_word(w->block), w->board_events};
    for (int i = 0; i < 2; i++) {
        if (!(sr_load_relaxed_u32(words[i]) & 1)) continue;
        sr_count(sr_entry_wakes(w->block), 1);
        shr_wake_events(words[i]);
    }
    return SHR_OK;
}

int shr_board_set(struct shr_board_writer *w, const void *bytes, size_t count, uint32_t tag) {
    void *place;
    SHR_TRY(shr_board_begin(w, count, &place));
    sr_copy(place, bytes, (int64_t)count);
    return shr_board_commit(w, count, tag);
}

/* --- reading: Swift Board/EntryReader, BoardReaderCore ------------------------------------------------------------------------------------------ */

struct entry_reader {
    struct entry entry;
    uint64_t *turn;
    const uint8_t *slots;
    uint64_t seen, known;
};

struct shr_board_reader {
    struct shr_ring *ring;
    struct segment segment;
    struct mapping control_mapping, data;
    struct blocks blocks;
    struct entry_reader *entries;
    uint32_t count; /* of entries; another process may add one at any moment */
    uint32_t reported_count; /* how many were reported to the caller last: its arrays have room for so many */
    bool is_whole;
    uint32_t generation;
    struct sleeper sleeper;
    struct event event;
    uint32_t own_word;
    uint64_t own_sleeps;
    struct shr_failure failure; /* what the waiter thread found; code 0: nothing */
};

static void add_reader(struct shr_board_reader *r, const struct entry *e) {
    struct entry_reader *one = &r->entries[r->count];
    memset(one, 0, sizeof *one);
    one->entry = *e;
    one->turn = sr_entry_turn(sr_entry(r->blocks.control, e->number));
    one->slots = r->data.base + e->data_offset;
    /* SYNC: reader-added (pairs with count_of): the row before, the count after. The waiter thread adds rows, too. */
    sr_store_release_u32(&r->count, r->count + 1);
}

/* How many rows there are, from whichever thread; a row keeps its key and its capacity for good. */
static uint32_t count_of(const struct shr_board_reader *r) { return sr_load_acquire_u32(&r->count); /* SYNC: reader-added (pairs with add_reader) */ }

static int find_new_entries(struct shr_board_reader *r) {
    struct entry e;
    if (!r->is_whole) return SHR_OK;
    while (true) {
        int result = load_entry(&r->blocks, r->count, r->count > 0 ? end_of(&r->blocks, &r->entries[r->count - 1].entry) : 0, &e);
        if (result == SHR_EMPTY) return SHR_OK;
        if (result < 0) return result;
        add_reader(r, &e);
    }
}

static uint64_t version_of(const struct entry_reader *e) { return sr_load_acquire_u64(e->turn); /* SYNC: board-value */ }

/* Whether a version is older than one that was seen, or 2^63 or more, which is the same. */
static bool is_back(const struct entry_reader *e, uint64_t version) { return (int64_t)(version - e->seen) < 0; }

static int find_change(void *self) {
    struct shr_board_reader *r = (struct shr_board_reader *)self;
    if (r->failure.code != 0) return SHR_OK;
    SHR_TRY(find_new_entries(r));
    for (uint32_t i = 0; i < r->count; i++) {
        uint64_t version = version_of(&r->entries[i]);
        if (version > r->entries[i].known || is_back(&r->entries[i], version)) return SHR_OK;
    }
    return SHR_EMPTY;
}

static int look_for_removal(void *self) {
    struct shr_board_reader *r = (struct shr_board_reader *)self;
    struct sr_file_facts facts;
    /* The removal first: a process that removes a board has every byte before it takes the name away, so no writer sets a value behind that. */
    bool is_removed = r->ring->name && sr_facts(r->segment.fd, &facts) == 0 && facts.links == 0;
    int found = find_change(r);
    if (found != SHR_EMPTY) return found;
    if (is_removed)
        return shr_fail(SHR_NOT_FOUND, 0, "board", r->ring->label, "it was removed, so no more changes are to be expected");
    return SHR_EMPTY;
}

static int look_for_event(void *self) {
    struct shr_board_reader *r = (struct shr_board_reader *)self;
    int found = look_for_removal(r);
    if (found < 0) r->failure = *shr_last_failure();
    return found;
}

static int requires_usable(const struct shr_board_reader *r) {
    if (r->generation == sr_fork_generation()) return SHR_OK;
    return shr_fail(SHR_FORKED, 0, "board", r->ring->label, "this reader belongs to the parent of this forked process");
}

static int open_reader(struct shr_board_reader *r, const char *key, struct shr_endpoint *endpoint) {
    struct shr_ring *ring = r->ring;
    int result = shr_open_segment(ring, &r->segment);
    if (result == SHR_EMPTY) return shr_fail(SHR_NOT_FOUND, 0, "board", ring->label, "it was removed since it was opened");
    if (result < 0) return result;
    if (r->segment.header.kind != SR_KIND_BOARD) return shr_fail(SHR_INCOMPATIBLE, 0, "ring", ring->label, "it is not a board");
    if (!ring->or_create && memcmp(r->segment.header.instance_id, ring->header.instance_id, 16) != 0)
        return shr_fail(SHR_REPLACED, 0, "board", ring->label, "it was removed and made anew since it was opened");
    uint8_t *control;
    bool can_wait = shr_map_control(&r->segment, ring->label, true, &r->control_mapping, &control) == SHR_OK;
    if (!can_wait) SHR_TRY(shr_map_control(&r->segment, ring->label, false, &r->control_mapping, &control));
    SHR_TRY(shr_map_data(&r->segment, ring->label, false, endpoint->prefault, &r->data));
    r->blocks = blocks_of(control, &r->segment.header, ring->label);
    SHR_TRY(shr_require_flushed_to_read(ring, &r->segment.header, &r->blocks.control->segment));
    r->entries = (struct entry_reader *)calloc(key ? 1 : r->blocks.entry_count, sizeof *r->entries);
    if (!r->entries) return shr_fail(SHR_SYSTEM, ENOMEM, "board", ring->label, "no memory for its %u entries", r->blocks.entry_count);
    uint32_t *word = can_wait ? sr_board_event_word(r->blocks.control) : &r->own_word;
    if (key) {
        struct entry e;
        SHR_TRY(find_entry(&r->blocks, key, &e));
        add_reader(r, &e);
        r->reported_count = 1;
        /* A reader of one entry sleeps on that entry's word, so that no other's writer has to wake it. */
        if (can_wait) word = sr_entry_event_word(sr_entry(r->blocks.control, e.number));
    } else {
        r->is_whole = true;
        SHR_TRY(find_new_entries(r));
    }
    if (!can_wait) endpoint->check_interval_ns = shr_interval(endpoint->polling_ns, 1000000);
    bool is_asymmetric = can_wait && (r->segment.header.required_features & SR_FEATURE_ASYMMETRIC_BARRIER);
    shr_sleeper_init(&r->sleeper, word, true, is_asymmetric, &r->own_sleeps, "board", ring->label, endpoint);
    shr_event_init(&r->event, &r->sleeper, find_change, look_for_event, r);
    return SHR_OK;
}

void shr_board_reader_close(struct shr_board_reader *r) {
    if (!r) return;
    shr_event_end(&r->event);
    if (r->generation == sr_fork_generation() && r->segment.fd >= 0) sr_close(r->segment.fd);
    shr_unmap(&r->control_mapping);
    shr_unmap(&r->data);
    shr_ring_close(r->ring);
    free(r->entries);
    free(r);
}

int shr_board_reader_open(shr_ring *board, const char *key, const struct shr_endpoint *given, shr_board_reader **out) {
    struct shr_endpoint endpoint;
    memset(&endpoint, 0, sizeof endpoint);
    if (given) endpoint = *given;
    endpoint.check_interval_ns = shr_interval(endpoint.check_interval_ns, 100000000);
    SHR_TRY(require_board(board));
    struct shr_board_reader *r = (struct shr_board_reader *)calloc(1, sizeof *r);
    if (!r) return shr_fail(SHR_SYSTEM, ENOMEM, "board", board->label, "no memory for a reader");
    r->generation = sr_fork_generation();
    r->segment.fd = r->event.fd = -1;
    int result = shr_copy_ring(board, &r->ring);
    if (result == SHR_OK) result = open_reader(r, key, &endpoint);
    if (result < 0) {
        struct shr_failure kept = *shr_last_failure();
        shr_board_reader_close(r);
        return shr_fail_again(&kept);
    }
    *out = r;
    return SHR_OK;
}

uint32_t shr_board_count(struct shr_board_reader *r) {
    if (r->generation == sr_fork_generation() && !shr_event_is_armed(&r->event)) {
        find_new_entries(r);
        r->reported_count = r->count;
    }
    return r->reported_count;
}

const char *shr_board_key(struct shr_board_reader *r, uint32_t index, size_t *length) {
    if (index >= count_of(r)) return NULL;
    if (length) *length = r->entries[index].entry.key_length;
    return r->entries[index].entry.key;
}

uint64_t shr_board_capacity(struct shr_board_reader *r, uint32_t index) { return index < count_of(r) ? r->entries[index].entry.capacity : 0; }

static int fail_armed(const struct shr_board_reader *r);

int shr_board_find(struct shr_board_reader *r, const char *key) {
    uint32_t count = shr_board_count(r);
    for (uint32_t i = 0; i < count; i++)
        if (is_key(&r->entries[i].entry, key)) return (int)i;
    /* It may have been added since. */
    if (r->generation == sr_fork_generation() && shr_event_is_armed(&r->event)) return fail_armed(r);
    return shr_fail(SHR_ENTRY_NOT_FOUND, 0, "board", r->ring->label, "it has no entry '%s'", key);
}

static int fail_went_back(const struct shr_board_reader *r, const struct entry_reader *e, uint64_t turn) {
    return shr_fail(SHR_POISONED, 0, "board", r->ring->label, "entry '%s' went back from version %llu to %llu, which no writer does", e->entry.key,
                    (unsigned long long)e->seen, (unsigned long long)turn);
}

/* The newest slot's header; nothing that was read of it counts before the turn is looked at again. */
static const uint8_t *look_at(const struct shr_board_reader *r, const struct entry_reader *e, uint64_t turn, struct shr_stamp *stamp) {
    const uint8_t *slot = e->slots + (turn & (SR_BOARD_SLOTS - 1)) * e->entry.stride;
    uint64_t word = sr_load_relaxed_u64(slot); /* relaxed: the fence behind the copy orders it */
    stamp->version = turn;
    stamp->count = sr_slot_byte_count(word);
    stamp->tag = sr_slot_tag(word);
    stamp->time_ns = r->blocks.keeps_time ? (int64_t)sr_load_relaxed_u64(slot + 8) : 0;
    return slot + e->entry.prefix;
}

/* The copy is whole: it is the newest that was seen. */
static int accept(const struct shr_board_reader *r, struct entry_reader *e, const struct shr_stamp *stamp) {
    if (stamp->count > e->entry.capacity)
        return shr_fail(SHR_POISONED, 0, "board", r->ring->label, "entry '%s' has a value of %u bytes in version %llu, and a capacity of %llu", e->entry.key,
                        stamp->count, (unsigned long long)stamp->version, (unsigned long long)e->entry.capacity);
    if (is_back(e, stamp->version)) return fail_went_back(r, e, stamp->version);
    e->seen = e->known = stamp->version;
    return SHR_OK;
}

static int fail_armed(const struct shr_board_reader *r) {
    return shr_fail(SHR_ALREADY_WAITING, 0, "board", r->ring->label, "its descriptor is armed, and a thread waits for it");
}

int shr_board_get(struct shr_board_reader *r, uint32_t index, void *bytes, size_t room, struct shr_stamp *stamp) {
    SHR_TRY(requires_usable(r));
    if (shr_event_is_armed(&r->event)) return fail_armed(r);
    if (index >= r->count) return shr_fail(SHR_ENTRY_NOT_FOUND, 0, "board", r->ring->label, "it has no entry of number %u", index);
    struct entry_reader *e = &r->entries[index];
    for (int turn = 0; turn < MOST_TRIES; turn++) {
        uint64_t now = version_of(e);
        if (now == 0) return e->seen != 0 ? fail_went_back(r, e, 0) : SHR_EMPTY;
        const uint8_t *value = look_at(r, e, now, stamp);
        if (stamp->count <= e->entry.capacity && stamp->count <= room) sr_copy(bytes, value, stamp->count);
        /* SYNC: board-slot (pairs with shr_board_begin): the copy before, the turn after. Relaxed: the fence orders it. */
        sr_fence_acquire();
        if (!sr_turn_is_whole(sr_load_relaxed_u64(e->turn), now)) continue;
        return accept(r, e, stamp);
    }
    return shr_fail(SHR_WRITER_TOO_FAST, 0, "board", r->ring->label, "entry '%s' was written anew while it was read, %d times in a row", e->entry.key,
                    MOST_TRIES);
}

static size_t round_to_8(size_t size) { return (size + 7) & ~(size_t)7; }

int shr_board_snapshot(struct shr_board_reader *r, void *bytes, size_t room, struct shr_stamp *stamps, size_t *offsets, size_t *needed) {
    SHR_TRY(requires_usable(r));
    if (shr_event_is_armed(&r->event)) return fail_armed(r);
    /* Not `count`: a wait may have found entries since that the caller's arrays have no room for. */
    const uint32_t count = r->reported_count;
    /* What all values may take: each has four places in the data area. Entries that an untrusted peer lays over each other could say they need terabytes. */
    const size_t most = (size_t)(r->blocks.data_size / SR_BOARD_SLOTS);
    for (int turn = 0; turn < MOST_TRIES; turn++) {
        size_t size = 0;
        for (uint32_t i = 0; i < count; i++) {
            struct entry_reader *e = &r->entries[i];
            uint64_t now = version_of(e);
            memset(&stamps[i], 0, sizeof stamps[i]);
            offsets[i] = size;
            if (now == 0) continue;
            const uint8_t *value = look_at(r, e, now, &stamps[i]);
            if (stamps[i].count > e->entry.capacity) continue;
            if (size + stamps[i].count <= room) sr_copy((uint8_t *)bytes + size, value, stamps[i].count);
            size = round_to_8(size + stamps[i].count);
        }
        /* SYNC: board-slot: all copies before, all turns after. Each turn as it was: that each value is whole would not be enough. */
        sr_fence_acquire();
        bool is_same = true;
        for (uint32_t i = 0; i < count && is_same; i++) is_same = version_of(&r->entries[i]) == stamps[i].version;
        if (!is_same) continue;
        for (uint32_t i = 0; i < count; i++) {
            if (stamps[i].version != 0)
                SHR_TRY(accept(r, &r->entries[i], &stamps[i]));
            else if (r->entries[i].seen != 0)
                return fail_went_back(r, &r->entries[i], 0);
        }
        if (size > most)
            return shr_fail(SHR_POISONED, 0, "board", r->ring->label, "the values of its %u entries have %llu bytes, and its data area has room for %llu",
                            count, (unsigned long long)size, (unsigned long long)most);
        *needed = size;
        return SHR_OK;
    }
    return shr_fail(SHR_WRITER_TOO_FAST, 0, "board", r->ring->label, "one of %u entries was written anew while they were read, %d times in a row", count,
                    MOST_TRIES);
}

int shr_board_wait(struct shr_board_reader *r, uint32_t *index, int64_t timeout_ns) {
    SHR_TRY(requires_usable(r));
    if (shr_event_is_armed(&r->event)) return timeout_ns == 0 ? SHR_EMPTY : fail_armed(r);
    if (r->failure.code != 0) {
        struct shr_failure failure = r->failure;
        r->failure.code = 0;
        return shr_fail_again(&failure);
    }
    int found = find_change(r);
    if (found == SHR_EMPTY && timeout_ns != 0) found = shr_sleep(&r->sleeper, shr_deadline(timeout_ns), "change", find_change, look_for_removal, r);
    if (found != SHR_OK) return found;
    for (uint32_t i = 0; i < r->count; i++) {
        uint64_t version = version_of(&r->entries[i]);
        if (is_back(&r->entries[i], version)) return fail_went_back(r, &r->entries[i], version);
        if (version <= r->entries[i].known) continue;
        r->entries[i].seen = r->entries[i].known = version;
        *index = i;
        return SHR_OK;
    }
    return SHR_EMPTY; /* an untrusted peer took the change back */
}

void shr_board_reader_cancel(struct shr_board_reader *r, int cancelled) { shr_cancel(&r->sleeper, cancelled); }

int shr_board_reader_descriptor(struct shr_board_reader *r) {
    SHR_TRY(requires_usable(r));
    return shr_event_descriptor(&r->event);
}

int shr_board_reader_arm(struct shr_board_reader *r) {
    SHR_TRY(requires_usable(r));
    SHR_TRY(shr_require_not_cancelled(&r->sleeper, "change"));
    return shr_event_arm(&r->event);
}

int shr_board_reader_disarm(struct shr_board_reader *r) {
    SHR_TRY(requires_usable(r));
    shr_event_disarm(&r->event);
    return SHR_OK;
}

uint64_t shr_board_version(const struct shr_board_reader *r, uint32_t index) {
    /* In a forked child the turn is not mapped. */
    return r->generation == sr_fork_generation() && index < count_of(r) ? version_of(&r->entries[index]) : 0;
}

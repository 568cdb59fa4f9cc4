/* An untrusted peer writes anything anywhere in a segment, between the calls of endpoints of every kind. Nothing may trap, leave the segment, or go on for
 * ever: the sanitizers and the alarm watch.
 *
 *     hostile [ROUNDS] [SEED] [KIND]      prints the seed; the same seed does the same again. KIND 1 to 5: segments of one kind only
 */
#define _GNU_SOURCE
#include <sharedring.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static uint64_t state;
static uint64_t random_word(void) { /* xorshift64* */
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * UINT64_C(2685821657736338717);
}
static uint64_t below(uint64_t limit) { return random_word() % limit; }

static uint8_t *memory;
static uint64_t size;
static uint64_t poisoned, handed_out;

static uint64_t interesting(void) {
    static const uint64_t words[] = {0,          1,          2,          8,          UINT64_MAX,  UINT64_MAX - 7, UINT64_C(1) << 63, 4096,       4088,
                                     0x80000000, 0x80000008, 0x80000001, 0xffffffff, 0x1ffffffff, 0x80000ff0,     0x80000fe8,        0x7fffffff, 64};
    switch (below(4)) {
    case 0: return random_word();
    case 1: return words[below(sizeof words / sizeof words[0])] + below(3) - 1;
    default: return words[below(sizeof words / sizeof words[0])];
    }
}

/* Of the words that matter, and of any. Page 0 is read once, so it is left to the segments of Tests/Conformance. */
static void write_something(void) {
    uint64_t offset;
    switch (below(4)) {
    case 0: offset = 4096 + below((size - 4096) / 8) * 8; break;
    case 1: offset = 4096 + below(512) * 8; break;
    case 2: offset = 4096 + 2048 + below(64) * 8; break;
    default: {
        /* A record's header: near a head. */
        uint64_t head;
        memcpy(&head, memory + 4096 + 2048 + 256, sizeof head);
        offset = size - 4096 + ((head + 8 * below(12)) & 4088);
        break;
    }
    }
    uint64_t word = interesting();
    if (below(3) == 0)
        memcpy(memory + offset + 4 * below(2), &word, 4);
    else
        memcpy(memory + offset, &word, 8);
}

static void count(int result) {
    if (result == SHR_POISONED) poisoned++;
}

static void use(const shr_msg *m) {
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < m->count; i += 13) sum = (uint8_t)(sum + ((const uint8_t *)m->bytes)[i]);
    if (m->count > 0) sum = (uint8_t)(sum + ((const uint8_t *)m->bytes)[m->count - 1]);
    handed_out++;
}

static void play_ring(shr_ring *ring) {
    static uint8_t bytes[4096];
    shr_producer *p = NULL;
    shr_consumer *c = NULL;
    struct shr_endpoint endpoint;
    memset(&endpoint, 0, sizeof endpoint);
    endpoint.check_interval_ns = 1;
    endpoint.waiting = SHR_SLEEP;
    endpoint.manual = below(4) == 0;
    endpoint.ends = (int)below(3);
    endpoint.lossy = below(3) == 0;
    endpoint.from = (int64_t)below(5) - 2;
    for (int step = 0; step < 300; step++) {
        if (below(3) == 0) write_something();
        shr_msg m;
        void *place;
        size_t size_of_message = below(20) == 0 ? below(4096) : below(100);
        switch (below(16)) {
        case 0:
            if (!p) count(shr_producer_open(ring, &endpoint, &p));
            break;
        case 1:
            if (!c) count(shr_consumer_open(ring, &endpoint, &c));
            break;
        case 2:
            if (p && below(4) == 0) count(shr_producer_close(p)), p = NULL;
            break;
        case 3:
            if (c && below(4) == 0) count(shr_consumer_close(c)), c = NULL;
            break;
        case 4:
            if (p && below(8) == 0) shr_producer_drop(p), p = NULL;
            break;
        case 5:
            if (p) count(shr_send(p, bytes, size_of_message, (uint32_t)random_word(), 1));
            break;
        case 6:
            if (p && shr_try_claim(p, size_of_message, &place) == SHR_OK) {
                memset(place, 7, size_of_message);
                if (below(2)) write_something();
                count(shr_commit(p, below(size_of_message + 1), 1));
            }
            break;
        case 7:
            if (p) {
                shr_batch batch;
                shr_batch_begin(p, &batch);
                for (uint64_t i = below(6); i > 0; i--) {
                    count(shr_batch_try_append(&batch, bytes, below(100), 1));
                    if (below(4) == 0) write_something();
                }
                if (below(5)) shr_batch_commit(&batch);
            }
            break;
        case 8:
            if (p) count(shr_wait_acknowledged(p, 1));
            break;
        case 9:
            if (p) shr_free_bytes(p);
            break;
        case 10:
            if (c) count(shr_acknowledge(c));
            break;
        case 11:
            if (c) count(shr_remove_if_unused(c));
            break;
        case 12:
            if (c) {
                int result = shr_receive(c, &m, 1);
                count(result);
                if (result == SHR_OK) use(&m);
            }
            break;
        default:
            if (c) {
                int result = shr_poll(c, &m);
                count(result);
                if (result == SHR_OK) {
                    use(&m);
                    if (below(4) == 0)
                        shr_put_back(c);
                    else if (below(3) == 0)
                        shr_release(c);
                }
            }
            if (p) count(shr_try_send(p, bytes, size_of_message, 1));
        }
    }
    shr_producer_drop(p);
    shr_consumer_drop(c);
}

static void play_board(shr_ring *board) {
    static uint8_t bytes[65536];
    shr_board_reader *r = NULL;
    shr_board_writer *w = NULL;
    struct shr_stamp stamps[64];
    size_t offsets[64], needed;
    uint32_t index;
    struct shr_endpoint endpoint;
    memset(&endpoint, 0, sizeof endpoint);
    endpoint.check_interval_ns = 1;
    endpoint.waiting = SHR_SLEEP;
    for (int step = 0; step < 200; step++) {
        if (below(3) == 0) write_something();
        switch (below(8)) {
        case 0: count(shr_board_add(board, below(2) ? "a" : "b", 1 + below(300))); break;
        case 1:
            if (!r) count(shr_board_reader_open(board, below(2) ? "a" : NULL, &endpoint, &r));
            break;
        case 2:
            if (!w) count(shr_board_writer_open(board, below(2) ? "a" : "b", &endpoint, &w));
            break;
        case 3:
            if (w) count(shr_board_set(w, bytes, below(400), 1));
            break;
        case 4:
            if (r) count(shr_board_snapshot(r, bytes, sizeof bytes, stamps, offsets, &needed));
            break;
        case 5:
            if (r) count(shr_board_wait(r, &index, 1));
            break;
        case 6:
            if (w && below(4) == 0) shr_board_writer_close(w), w = NULL;
            break;
        default:
            if (r && shr_board_count(r) > 0) count(shr_board_get(r, (uint32_t)below(shr_board_count(r)), bytes, sizeof bytes, stamps));
        }
    }
    shr_board_reader_close(r);
    shr_board_writer_close(w);
}

/* A call's three words, mostly of a number that could be the next or the last one. */
static void write_a_call(const struct shr_options *o) {
    struct sr_call_control *control = (struct sr_call_control *)(void *)(memory + 4096);
    uint32_t slot = (uint32_t)below(o->clients);
    struct sr_call_line *line = sr_call_line_of(control, o->servers, o->clients, slot);
    uint64_t *words[] = {sr_call_request(line), sr_call_reply(line), sr_caller_claim(sr_caller(control, o->servers, slot)), sr_call_slots_used(control)};
    uint64_t *word = words[below(20) == 0 ? 3 : below(3)];
    uint32_t n = sr_call_number(sr_load_relaxed_u64(words[below(3)])) + (uint32_t)below(3) - 1;
    uint64_t low = below(3) == 0 ? interesting() & UINT32_MAX : below(2) ? below(400) : below(8) << 28 | below(400);
    sr_store_release_u64(word, below(8) == 0 ? interesting() : (uint64_t)n << 32 | low);
}

static void use_bytes(const void *bytes, size_t size) {
    shr_msg m = {bytes, size, 0, 0};
    use(&m);
}

static void play_calls(shr_ring *service, const struct shr_options *o) {
    enum { ENDS = 2, HELD = 4 };
    static uint8_t bytes[512];
    shr_client *clients[ENDS] = {NULL, NULL};
    shr_server *servers[ENDS] = {NULL, NULL};
    static shr_request held[HELD];
    shr_server *of[HELD] = {NULL, NULL, NULL, NULL};
    shr_reply reply;
    void *place;
    struct shr_endpoint endpoint;
    memset(&endpoint, 0, sizeof endpoint);
    endpoint.check_interval_ns = 1;
    endpoint.waiting = SHR_SLEEP;
    for (int step = 0; step < 300; step++) {
        if (below(3) == 0) write_a_call(o);
        if (below(12) == 0) write_something();
        uint64_t i = below(ENDS), h = below(HELD);
        size_t count_of_bytes = below(6) == 0 ? below(sizeof bytes) : below(100);
        shr_client *c = clients[i];
        shr_server *s = servers[i];
        int result = SHR_EMPTY;
        switch (below(17)) {
        case 0:
        case 1:
            if (!c) count(shr_client_open(service, &endpoint, &clients[i]));
            break;
        case 2:
        case 3:
            if (!s) count(shr_server_open(service, &endpoint, &servers[i]));
            break;
        case 4:
            if (c && below(6) == 0) shr_client_close(c), clients[i] = NULL;
            break;
        case 5:
            if (s && below(6) == 0) {
                shr_server_close(s), servers[i] = NULL;
                for (int j = 0; j < HELD; j++)
                    if (of[j] == s) of[j] = NULL;
            }
            break;
        case 6:
            if (c) result = shr_call(c, bytes, count_of_bytes, below(4) == 0 ? &held[0].token : NULL, &reply, (int64_t)below(2));
            break;
        case 7:
        case 8:
            if (c && shr_call_begin(c, count_of_bytes, &place, (int64_t)below(2)) == SHR_OK) {
                memset(place, 7, count_of_bytes);
                if (below(4) == 0) write_a_call(o);
                count(shr_call_post(c, below(count_of_bytes + 1), NULL));
            }
            break;
        case 9:
            if (c) result = shr_call_wait(c, &reply, 1);
            break;
        case 10:
            if (c && below(3) == 0) result = shr_call_give_up(c, &reply);
            break;
        case 11:
            if (c) result = shr_call_poll(c, &reply);
            break;
        case 12:
        case 13:
            if (s && !of[h] && (below(3) ? shr_server_poll(s, &held[h]) : shr_server_next(s, &held[h], 1)) == SHR_OK) {
                of[h] = s;
                use_bytes(held[h].bytes, held[h].count);
            }
            break;
        case 14:
            if (of[h]) {
                use_bytes(held[h].bytes, held[h].count);
                shr_is_given_up(of[h], &held[h]);
                count(shr_answer(of[h], &held[h], below(2) ? bytes : held[h].bytes, below(held[h].count + 1)));
            }
            break;
        case 15:
            if (of[h] && shr_answer_begin(of[h], &held[h], count_of_bytes, &place) == SHR_OK) {
                memset(place, 9, count_of_bytes);
                if (below(4) == 0) write_a_call(o);
                if (below(4)) count(shr_answer_commit(of[h], &held[h], below(count_of_bytes + 1)));
            }
            break;
        default:
            if (of[h]) {
                count(below(2) ? shr_drop(of[h], &held[h]) : shr_refuse(of[h], &held[h], bytes, below(60)));
                of[h] = NULL;
            }
        }
        count(result);
        if (result == SHR_OK || result == SHR_CALL_FAILED) use_bytes(reply.bytes, reply.count);
    }
    for (int j = 0; j < ENDS; j++) shr_client_close(clients[j]), shr_server_close(servers[j]);
}

int main(int argument_count, char **arguments) {
    uint64_t rounds = argument_count > 1 ? strtoull(arguments[1], NULL, 10) : 2000;
    uint64_t seed = argument_count > 2 ? strtoull(arguments[2], NULL, 10) : (uint64_t)time(NULL) * 2654435761u + (uint64_t)getpid();
    int only = argument_count > 3 ? atoi(arguments[3]) : 0;
    printf("hostile %llu %llu\n", (unsigned long long)rounds, (unsigned long long)seed);
    fflush(stdout);
    alarm(600);
    for (uint64_t round = 0; round < rounds; round++) {
        state = seed + round * UINT64_C(0x9e3779b97f4a7c15);
        if (state == 0) state = 1;
        struct shr_options options;
        memset(&options, 0, sizeof options);
        int kind = only ? only : 1 + (int)below(5);
        options.capacity = kind == SHR_BOARD ? 16384 : 4096;
        options.lanes = 1 + (uint32_t)below(3);
        options.subscribers = options.entries = options.clients = options.servers = 1 + (uint32_t)below(3);
        options.request_capacity = options.reply_capacity = 48 + (uint32_t)below(2) * 300;
        options.total_order = kind == SHR_MPSC && below(2);
        options.barrier = below(2) ? SHR_BARRIER_SYMMETRIC : SHR_BARRIER_AUTOMATIC;
        options.record_alignment = 8u << below(3);
        options.first_position_ = below(2) ? 0 : UINT64_MAX - 4095;
        shr_ring *ring;
        if (shr_create_anonymous(kind, &options, &ring) < 0) return fprintf(stderr, "%s\n", shr_message()), 1;
        int fd = shr_ring_descriptor(ring, 0);
        struct stat facts;
        if (fd < 0 || fstat(fd, &facts) != 0) return 1;
        size = (uint64_t)facts.st_size;
        memory = (uint8_t *)mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
        if (memory == MAP_FAILED) return 1;
        if (kind == SHR_BOARD)
            play_board(ring);
        else if (kind == SHR_CALL)
            play_calls(ring, &options);
        else
            play_ring(ring);
        munmap(memory, size);
        shr_ring_close(ring);
    }
    printf("%llu messages were handed out, %llu calls found corruption\n", (unsigned long long)handed_out, (unsigned long long)poisoned);
    /* A fuzzer that finds nothing to refuse, or hands nothing out, tests nothing. */
    int is_vacuous = rounds >= 100 && (handed_out < rounds || poisoned < rounds / 10);
    printf("%d passed, %d failed\n", !is_vacuous, is_vacuous);
    return is_vacuous;
}

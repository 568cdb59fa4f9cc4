/* A process for the tests to start, stop and kill: an endpoint that does what it is asked, a line at a time, and answers each with a line. As `TestPeer` does
 * in Swift, with the same words.
 *
 *     peer producer|consumer|collector|subscriber NAME [option=value …]
 *     peer board-writer|board-reader NAME KEY [option=value …]
 *     peer call-server|call-client NAME [option=value …]
 *     peer exchange send|receive|ping|pong NAME SIZE COUNT WAITING     for figures: see Benchmarks/Clients
 *     peer verdicts      for each line `send|receive|write|read|serve|call FILE` the verdict of Tests/Conformance
 *     peer create NAME [option=value …]     makes the segment and ends; with key=KEY:CAPACITY a board, with clients=COUNT a call service
 *
 * Options: directory, capacity, lanes, subscribers, order (total), barrier (symmetric), check-interval (ms), waiting, acknowledgement (manual), first
 * (position), from, lossy, senders, alignment, clients, servers, request-capacity, reply-capacity.
 */
#define _GNU_SOURCE
#include <sharedring.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE (INT64_C(600) * 1000000000)

struct setup {
    const char *name;
    int kind;
    struct shr_options options;
    struct shr_endpoint endpoint;
};

static void say(const char *text) {
    puts(text);
    fflush(stdout);
}

static void say_failure(int code) {
    printf("error %s %s\n", shr_code_name(code), shr_message());
    fflush(stdout);
}

static int is(const char *text, const char *word) { return strcmp(text, word) == 0; }

static struct setup parse(int count, char **words, int first) {
    struct setup s;
    memset(&s, 0, sizeof s);
    s.kind = SHR_SPSC;
    s.name = words[0];
    s.options.capacity = 4096;
    s.endpoint.ends = 1;
    s.endpoint.check_interval_ns = 10000000;
    for (int i = first; i < count; i++) {
        char *value = strchr(words[i], '=');
        if (!value) continue;
        *value++ = 0;
        const char *key = words[i];
        long long number = atoll(value);
        if (is(key, "directory"))
            s.options.directory = value;
        else if (is(key, "capacity"))
            s.options.capacity = (uint64_t)number;
        else if (is(key, "lanes"))
            s.kind = SHR_MPSC, s.options.lanes = (uint32_t)number;
        else if (is(key, "subscribers"))
            s.kind = SHR_BROADCAST, s.options.subscribers = (uint32_t)number;
        else if (is(key, "order"))
            s.options.total_order = is(value, "total");
        else if (is(key, "barrier"))
            s.options.barrier = is(value, "symmetric") ? SHR_BARRIER_SYMMETRIC : SHR_BARRIER_AUTOMATIC;
        else if (is(key, "check-interval"))
            s.endpoint.check_interval_ns = number * 1000000;
        else if (is(key, "waiting"))
            s.endpoint.waiting = is(value, "sleep") ? SHR_SLEEP : is(value, "spin") ? SHR_SPIN : SHR_ADAPTIVE;
        else if (is(key, "acknowledgement"))
            s.endpoint.manual = is(value, "manual");
        else if (is(key, "first"))
            s.options.first_position_ = (uint64_t)strtoull(value, NULL, 10);
        else if (is(key, "from"))
            s.endpoint.from = is(value, "now") ? SHR_FROM_NOW : is(value, "oldest") ? SHR_FROM_OLDEST : number;
        else if (is(key, "lossy"))
            s.endpoint.lossy = is(value, "yes");
        else if (is(key, "senders"))
            s.endpoint.ends = (int)number;
        else if (is(key, "alignment"))
            s.options.record_alignment = (uint32_t)number;
        else if (is(key, "clients"))
            s.kind = SHR_CALL, s.options.clients = (uint32_t)number;
        else if (is(key, "servers"))
            s.options.servers = (uint32_t)number;
        else if (is(key, "request-capacity"))
            s.options.request_capacity = (uint32_t)number;
        else if (is(key, "reply-capacity"))
            s.options.reply_capacity = (uint32_t)number;
    }
    return s;
}

static char *read_line(char *line, size_t size) {
    if (!fgets(line, (int)size, stdin)) return NULL;
    line[strcspn(line, "\n")] = 0;
    return line;
}

/* "send abc": cuts the line, and gives "abc". */
static char *rest_of(char *line) {
    char *space = strchr(line, ' ');
    if (!space) return line + strlen(line);
    *space = 0;
    return space + 1;
}

static char line[1 << 20];

static int open_ring(const struct setup *s, shr_ring **ring) {
    int result = shr_open_or_create(s->name, s->kind, &s->options, ring);
    if (result < 0) say_failure(result);
    return result;
}

static int send_numbers(shr_producer *p, uint64_t count) {
    for (uint64_t number = 0; number < count; number++) {
        int result = shr_send(p, &number, sizeof number, 0, PATIENCE);
        if (result < 0) return result;
    }
    return SHR_OK;
}

static int send_batch(shr_producer *p, int count) {
    shr_batch batch;
    shr_batch_begin(p, &batch);
    for (int i = 0; i < count; i++) {
        char text[32];
        snprintf(text, sizeof text, "batched %d", i);
        int result = shr_batch_append(&batch, text, strlen(text), 0, PATIENCE);
        if (result < 0) return result;
    }
    printf("appended %d\n", count);
    fflush(stdout);
    char answer[64];
    if (read_line(answer, sizeof answer) && is(answer, "commit")) shr_batch_commit(&batch);
    say("done");
    return SHR_OK;
}

static int claim(shr_producer *p, size_t count) {
    void *place;
    int result = shr_claim(p, count, &place, PATIENCE);
    if (result < 0) return result;
    memset(place, 'A', count);
    say("claimed");
    char answer[64];
    if (read_line(answer, sizeof answer) && is(answer, "commit")) result = shr_commit(p, count, 0);
    if (result == SHR_OK) say("done");
    return result;
}

static int producer(const struct setup *s) {
    shr_ring *ring;
    shr_producer *p;
    if (open_ring(s, &ring) < 0) return 1;
    int result = shr_producer_open(ring, &s->endpoint, &p), closes = 0;
    if (result < 0) return say_failure(result), 1;
    say("attached");
    while (!closes && read_line(line, sizeof line)) {
        char *rest = rest_of(line);
        if (is(line, "send")) {
            result = shr_send(p, rest, strlen(rest), (uint32_t)strlen(rest), PATIENCE);
            if (result == SHR_OK) say("sent");
        } else if (is(line, "try")) {
            result = shr_try_send(p, rest, strlen(rest), 0);
            if (result >= 0) say(result == SHR_OK ? "sent" : "full");
        } else if (is(line, "fill")) {
            int count = 0;
            while ((result = shr_try_send(p, rest, strlen(rest), 0)) == SHR_OK) count++;
            printf("filled %d\n", count);
            fflush(stdout);
        } else if (is(line, "numbers")) {
            result = send_numbers(p, strtoull(rest, NULL, 10));
            if (result == SHR_OK) say("sent");
        } else if (is(line, "claim")) {
            result = claim(p, (size_t)atoi(rest));
        } else if (is(line, "batch")) {
            result = send_batch(p, atoi(rest));
        } else if (is(line, "subscribers")) {
            result = shr_wait_consumers(p, (uint32_t)atoi(rest), PATIENCE);
            if (result == SHR_OK) say("subscribed");
        } else if (is(line, "acknowledged")) {
            result = shr_wait_acknowledged(p, PATIENCE);
            if (result == SHR_OK) say("acknowledged");
        } else if (is(line, "close")) {
            closes = 1;
        } else if (is(line, "exit")) {
            _exit(0);
        }
        if (result < 0) say_failure(result);
        result = SHR_OK;
    }
    if (closes)
        shr_producer_close(p);
    else
        shr_producer_drop(p);
    say("closed");
    shr_ring_close(ring);
    return 0;
}

static void say_message(const char *word, const shr_msg *m) {
    printf("%s ", word);
    fwrite(m->bytes, 1, m->count, stdout);
    putchar('\n');
    fflush(stdout);
}

static int receive_numbers(shr_consumer *c, uint64_t count) {
    shr_msg m;
    for (uint64_t expected = 0; expected < count; expected++) {
        uint64_t number;
        int result = shr_receive(c, &m, PATIENCE);
        if (result != SHR_OK) return result;
        if (m.count != sizeof number) return SHR_POISONED;
        memcpy(&number, m.bytes, sizeof number);
        if (number != expected) return SHR_POISONED;
    }
    return SHR_OK;
}

static int consumer(struct setup *s) {
    shr_ring *ring;
    shr_consumer *c;
    shr_msg m;
    if (open_ring(s, &ring) < 0) return 1;
    int result = shr_consumer_open(ring, &s->endpoint, &c), closes = 0;
    if (result < 0) return say_failure(result), 1;
    say("attached");
    while (!closes && read_line(line, sizeof line)) {
        char *rest = rest_of(line);
        if (is(line, "next")) {
            result = shr_receive(c, &m, PATIENCE);
            if (result == SHR_OK) say_message("message", &m);
            if (result == SHR_ENDED) say("ended");
        } else if (is(line, "poll")) {
            result = shr_poll(c, &m);
            if (result == SHR_OK)
                say_message("message", &m);
            else if (result >= 0)
                say(result == SHR_ENDED ? "ended" : "empty");
        } else if (is(line, "numbers")) {
            result = receive_numbers(c, strtoull(rest, NULL, 10));
            if (result == SHR_OK) say("received");
        } else if (is(line, "tag")) {
            result = shr_receive(c, &m, PATIENCE);
            if (result == SHR_OK) printf("tag %u lane %u\n", m.tag, m.lane), fflush(stdout);
            if (result == SHR_ENDED) say("ended");
        } else if (is(line, "acknowledge")) {
            result = shr_acknowledge(c);
            if (result == SHR_OK) say("acknowledged");
        } else if (is(line, "remove")) {
            result = shr_remove_if_unused(c);
            if (result >= 0) say(result ? "removed true" : "removed false");
        } else if (is(line, "missed")) {
            uint64_t messages, bytes;
            shr_missed(c, &messages, &bytes);
            printf("missed %" PRIu64 " %" PRIu64 "\n", messages, bytes);
            fflush(stdout);
        } else if (is(line, "close")) {
            closes = 1;
        } else if (is(line, "exit")) {
            _exit(0);
        }
        if (result < 0) say_failure(result);
        result = SHR_OK;
    }
    if (closes)
        shr_consumer_close(c);
    else
        shr_consumer_drop(c);
    say("closed");
    shr_ring_close(ring);
    return 0;
}

/* --- boards ----------------------------------------------------------------------------------------------------------------------------- */

static int board_writer(const struct setup *s, const char *key) {
    shr_ring *ring = NULL;
    shr_board_writer *w;
    int result = shr_open(s->name, SHR_BOARD, &s->options, &ring);
    if (result == SHR_OK) result = shr_board_writer_open(ring, key, &s->endpoint, &w);
    if (result < 0) return say_failure(result), 1;
    say("attached");
    uint64_t version = 0;
    shr_board_reader *r;
    struct shr_stamp stamp = {0, 0, 0, 0};
    while (read_line(line, sizeof line)) {
        char *rest = rest_of(line);
        if (is(line, "set")) {
            result = shr_board_set(w, rest, strlen(rest), 0);
            if (result == SHR_OK) result = shr_board_reader_open(ring, key, NULL, &r);
            if (result == SHR_OK) {
                char none;
                result = shr_board_get(r, 0, &none, 0, &stamp);
                version = stamp.version;
                shr_board_reader_close(r);
            }
            if (result == SHR_OK) printf("version %" PRIu64 "\n", version), fflush(stdout);
        } else if (is(line, "close")) {
            break;
        }
        if (result < 0) say_failure(result);
        result = SHR_OK;
    }
    shr_board_writer_close(w);
    shr_ring_close(ring);
    say("closed");
    return 0;
}

static int board_reader(const struct setup *s, const char *key) {
    static char value[1 << 20];
    shr_ring *ring = NULL;
    shr_board_reader *r;
    struct shr_stamp stamp;
    int result = shr_open(s->name, SHR_BOARD, &s->options, &ring);
    if (result == SHR_OK) result = shr_board_reader_open(ring, key, &s->endpoint, &r);
    if (result < 0) return say_failure(result), 1;
    say("attached");
    say("woken");
    while (read_line(line, sizeof line)) {
        uint32_t index = 0;
        result = SHR_OK;
        if (is(line, "next")) result = shr_board_wait(r, &index, PATIENCE);
        if (result == SHR_OK) result = shr_board_get(r, index, value, sizeof value, &stamp);
        if (result == SHR_OK) printf("%" PRIu64 " %.*s\n", stamp.version, (int)stamp.count, value), fflush(stdout);
        if (result == SHR_EMPTY) say("nothing");
        if (result < 0) say_failure(result);
    }
    shr_board_reader_close(r);
    shr_ring_close(ring);
    return 0;
}

/* --- calls: as Tests/TestPeer/Call/CallSession ---------------------------------------------------------------------------------------------- */

static void say_text(const char *word, const void *bytes, size_t count, const char *end) {
    printf("%s ", word);
    fwrite(bytes, 1, count, stdout);
    say(end);
}

static int call_server(const struct setup *s) {
    enum { MOST = 64 };
    static shr_request held[MOST];
    size_t first = 0, count = 0;
    shr_ring *service = NULL;
    shr_server *server;
    shr_request request;
    int result = shr_open(s->name, SHR_CALL, &s->options, &service), closes = 0;
    if (result == SHR_OK) result = shr_server_open(service, &s->endpoint, &server);
    if (result < 0) return say_failure(result), 1;
    say("attached");
    while (!closes && read_line(line, sizeof line)) {
        char *rest = rest_of(line);
        shr_request *oldest = count > 0 ? &held[first % MOST] : NULL;
        if (is(line, "echo")) {
            say("echoing");
            while ((result = shr_server_next(server, &request, SHR_FOREVER)) == SHR_OK) shr_answer(server, &request, request.bytes, request.count);
        } else if (is(line, "next") && count < MOST) {
            shr_request *next = &held[(first + count) % MOST];
            result = shr_server_next(server, next, PATIENCE);
            if (result == SHR_OK) {
                say_text("call", next->bytes, next->count, next->is_retry ? " again" : "");
                count++;
            }
        } else if (is(line, "given-up")) {
            say(oldest && shr_is_given_up(server, oldest) ? "yes" : "no");
        } else if (is(line, "token")) {
            char text[SHR_TOKEN_TEXT] = "none";
            if (oldest) shr_token_text(&oldest->token, text);
            say(text);
        } else if (is(line, "close")) {
            closes = 1;
        } else if (oldest && (is(line, "answer") || is(line, "refuse") || is(line, "drop"))) {
            result = is(line, "answer")   ? shr_answer(server, oldest, rest, strlen(rest))
                     : is(line, "refuse") ? shr_refuse(server, oldest, rest, strlen(rest))
                                          : shr_drop(server, oldest);
            if (result == SHR_OK) say(is(line, "answer") ? "answered" : is(line, "refuse") ? "refused" : "dropped");
            first++;
            count--;
        } else {
            say("what?");
        }
        if (result < 0) say_failure(result);
        result = SHR_OK;
    }
    shr_server_close(server);
    shr_ring_close(service);
    say("closed");
    return 0;
}

static void say_outcome(int result, const shr_reply *reply) {
    if (result == SHR_OK) {
        say_text("replied", reply->bytes, reply->count, "");
        return;
    }
    printf("%s: %s", shr_outcome_name(reply->outcome), shr_code_name(result));
    if (reply->count > 0)
        say_text("", reply->bytes, reply->count, "");
    else
        say("");
}

static int call_client(const struct setup *s) {
    shr_ring *service = NULL;
    shr_client *client;
    shr_reply reply;
    shr_token token;
    int result = shr_open(s->name, SHR_CALL, &s->options, &service);
    if (result == SHR_OK) result = shr_client_open(service, &s->endpoint, &client);
    if (result < 0) return say_failure(result), 1;
    say("attached");
    while (read_line(line, sizeof line)) {
        char *rest = rest_of(line);
        if (is(line, "call")) {
            say_outcome(shr_call(client, rest, strlen(rest), NULL, &reply, PATIENCE), &reply);
        } else if (is(line, "try")) {
            char *text = rest_of(rest);
            int64_t milliseconds = atoll(rest);
            say_outcome(shr_call(client, text, strlen(text), NULL, &reply, milliseconds * 1000000), &reply);
        } else if (is(line, "again")) { /* of the call before */
            token = reply.token;
            say_outcome(shr_call(client, rest, strlen(rest), &token, &reply, PATIENCE), &reply);
        } else if (is(line, "calls")) {
            uint64_t count = strtoull(rest, NULL, 10);
            for (uint64_t number = 0; number < count; number++) {
                result = shr_call(client, &number, sizeof number, NULL, &reply, PATIENCE);
                if (result != SHR_OK || reply.count != sizeof number || memcmp(reply.bytes, &number, sizeof number) != 0) break;
            }
            if (result != SHR_OK)
                say_outcome(result, &reply);
            else
                say("called");
        } else if (is(line, "close")) {
            break;
        } else {
            say("what?");
        }
    }
    shr_client_close(client);
    shr_ring_close(service);
    say("closed");
    return 0;
}

static int create(struct setup *s, int count, char **words) {
    shr_ring *ring;
    for (int i = 0; i < count; i++)
        if (strncmp(words[i], "key", 3) == 0 && strlen(words[i]) == 3) s->kind = SHR_BOARD;
    if (s->kind == SHR_BOARD) s->options.capacity = 1 << 16;
    int result = shr_create(s->name, s->kind, &s->options, &ring);
    for (int i = 0; result == SHR_OK && s->kind == SHR_BOARD && i < count; i++) {
        if (!is(words[i], "key")) continue;
        char *key = words[i] + 4, *capacity = strchr(key, ':');
        *capacity++ = 0;
        result = shr_board_add(ring, key, (uint64_t)atoll(capacity));
    }
    if (result < 0) return say_failure(result), 1;
    shr_ring_close(ring);
    say("created");
    return 0;
}

/* --- the verdicts of Tests/Conformance: of a file, with no process attached ------------------------------------------------------------ */

static shr_ring *open_file(const char *path, int *code) {
    shr_ring *ring = NULL;
    char directory[4096];
    const char *slash = strrchr(path, '/');
    snprintf(directory, sizeof directory, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    struct shr_options options;
    memset(&options, 0, sizeof options);
    options.directory = directory;
    options.accepts_unflushed = 0;
    *code = shr_open(slash ? slash + 1 : path, 0, &options, &ring);
    return ring;
}

static int verdict_send(const char *path) {
    int code;
    shr_ring *ring = open_file(path, &code);
    struct shr_facts facts;
    static shr_producer *producers[1024];
    uint32_t lanes = 0;
    if (!ring) return code;
    shr_ring_facts(ring, &facts);
    /* A process attaches as producer of every lane, and sends one byte. */
    while (code >= 0 && lanes < facts.lanes) code = shr_producer_open(ring, NULL, &producers[lanes++]);
    if (code < 0) lanes--;
    for (uint32_t lane = 0; code >= 0 && lane < facts.lanes; lane++) code = shr_try_send(producers[lane], "x", 1, 0);
    while (lanes > 0) shr_producer_drop(producers[--lanes]);
    shr_ring_close(ring);
    return code;
}

static int verdict_receive(const char *path, int *count) {
    int code;
    shr_ring *ring = open_file(path, &code);
    shr_consumer *c;
    shr_msg m;
    struct shr_endpoint endpoint;
    memset(&endpoint, 0, sizeof endpoint);
    endpoint.from = SHR_FROM_OLDEST;
    *count = -1;
    if (!ring) return code;
    code = shr_consumer_open(ring, &endpoint, &c);
    if (code == SHR_OK) {
        *count = 0;
        for (int turn = 0; turn < 3000; turn++) {
            code = shr_poll(c, &m);
            if (code == SHR_OK)
                *count += 1;
            else if (code != SHR_EMPTY)
                break;
        }
        if (code == SHR_OK) code = SHR_EMPTY;
        shr_consumer_drop(c);
    }
    shr_ring_close(ring);
    return code;
}

/* As writer of each entry, sets one byte. */
static int verdict_write(const char *path) {
    int code;
    shr_ring *ring = open_file(path, &code);
    shr_board_reader *r;
    shr_board_writer *w;
    if (!ring) return code;
    code = shr_board_reader_open(ring, NULL, NULL, &r);
    if (code == SHR_OK) {
        for (uint32_t i = 0; code >= 0 && i < shr_board_count(r); i++) {
            code = shr_board_writer_open(ring, shr_board_key(r, i, NULL), NULL, &w);
            if (code == SHR_OK) {
                code = shr_board_set(w, "x", 1, 0);
                shr_board_writer_close(w);
            }
        }
        shr_board_reader_close(r);
    }
    shr_ring_close(ring);
    return code;
}

/* A server attaches, and answers what waits. */
static int verdict_serve(const char *path) {
    int code;
    shr_ring *ring = open_file(path, &code);
    shr_server *server;
    shr_request request;
    if (!ring) return code;
    code = shr_server_open(ring, NULL, &server);
    if (code == SHR_OK) {
        for (int turn = 0; (code = shr_server_poll(server, &request)) == SHR_OK; turn++) {
            printf("%s%.*s", turn ? " " : "", (int)request.count, (const char *)request.bytes);
            shr_answer(server, &request, "ok", 2);
        }
        shr_server_close(server);
    }
    if (code == SHR_EMPTY) say("");
    shr_ring_close(ring);
    return code == SHR_EMPTY ? SHR_OK : code;
}

/* A client attaches, and calls without waiting. */
static int verdict_call(const char *path) {
    int code;
    shr_ring *ring = open_file(path, &code);
    shr_client *client;
    shr_reply reply;
    if (!ring) return code;
    code = shr_client_open(ring, NULL, &client);
    if (code == SHR_OK) {
        shr_call(client, "x", 1, NULL, &reply, 0);
        say(reply.outcome != SHR_CALL_NOT_EXECUTED ? shr_outcome_name(reply.outcome) : reply.has_token ? "not executed" : "slot in use");
        shr_client_close(client);
    }
    shr_ring_close(ring);
    return code;
}

/* KEY=VERSION:TAG:BYTES, with @TIME if the board keeps it. */
static int print_board(shr_board_reader *r, int keeps_time) {
    static uint8_t value[1 << 20];
    struct shr_stamp stamp;
    char text[65536];
    size_t size = 0;
    for (uint32_t i = 0; i < shr_board_count(r); i++) {
        int code = shr_board_get(r, i, value, sizeof value, &stamp);
        if (code < 0) return code;
        size += (size_t)snprintf(text + size, sizeof text - size, "%s%s", i ? " " : "", shr_board_key(r, i, NULL));
        if (code == SHR_EMPTY) continue;
        size += (size_t)snprintf(text + size, sizeof text - size, "=%" PRIu64 ":%u:", stamp.version, stamp.tag);
        for (uint32_t j = 0; j < stamp.count && size < sizeof text - 64; j++) size += (size_t)snprintf(text + size, sizeof text - size, "%02x", value[j]);
        if (keeps_time) size += (size_t)snprintf(text + size, sizeof text - size, "@%" PRId64, stamp.time_ns);
    }
    text[size] = 0;
    say(text);
    return SHR_OK;
}

static int verdict_read(const char *path) {
    int code;
    shr_ring *ring = open_file(path, &code);
    shr_board_reader *r;
    struct shr_facts facts;
    if (!ring) return code;
    shr_ring_facts(ring, &facts);
    code = shr_board_reader_open(ring, NULL, NULL, &r);
    if (code == SHR_OK) {
        code = print_board(r, facts.keeps_time);
        shr_board_reader_close(r);
    }
    shr_ring_close(ring);
    return code;
}

/* A line "send PATH", and so on; each is answered with the verdict. */
static int verdicts(void) {
    while (read_line(line, sizeof line)) {
        char *path = rest_of(line);
        int code, count = -1;
        if (is(line, "receive"))
            code = verdict_receive(path, &count);
        else if (is(line, "write"))
            code = verdict_write(path);
        else if (is(line, "read"))
            code = verdict_read(path);
        else if (is(line, "serve"))
            code = verdict_serve(path);
        else if (is(line, "call"))
            code = verdict_call(path);
        else
            code = verdict_send(path);
        if ((is(line, "read") || is(line, "serve") || is(line, "call")) && code == SHR_OK) continue;
        if (count >= 0) printf("%d ", count);
        say(code >= 0 && !is(line, "receive") ? "ok" : shr_code_name(code));
    }
    return 0;
}

/* --- figures: Benchmarks/Clients runs this and its like in other languages in turns ------------------------------------------------------ */

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void require(int result) {
    if (result >= 0) return;
    say_failure(result);
    exit(1);
}

static shr_ring *exchange_ring(const char *name, const char *end) {
    char full[256];
    shr_ring *ring;
    struct shr_options options;
    memset(&options, 0, sizeof options);
    options.capacity = 1 << 20;
    snprintf(full, sizeof full, "%s-%s", name, end);
    require(shr_open_or_create(full, SHR_SPSC, &options, &ring));
    return ring;
}

/* exchange send|receive|ping|pong NAME SIZE COUNT WAITING: nanoseconds a message, or a round trip. */
static int exchange(char **words) {
    const char *what = words[0], *name = words[1];
    size_t size = (size_t)atoll(words[2]);
    uint64_t messages = strtoull(words[3], NULL, 10), sum = 0;
    struct shr_endpoint endpoint;
    memset(&endpoint, 0, sizeof endpoint);
    endpoint.waiting = is(words[4], "sleep") ? SHR_SLEEP : is(words[4], "spin") ? SHR_SPIN : SHR_ADAPTIVE;
    shr_producer *p = NULL;
    shr_consumer *c = NULL;
    shr_msg m;
    char *bytes = (char *)calloc(1, size + 1);
    if (!bytes) return 1;
    if (!is(what, "receive")) require(shr_producer_open(exchange_ring(name, is(what, "pong") ? "b" : "a"), &endpoint, &p));
    if (!is(what, "send")) require(shr_consumer_open(exchange_ring(name, is(what, "ping") ? "b" : "a"), &endpoint, &c));
    if (p) require(shr_wait_consumers(p, 1, PATIENCE));
    int64_t start = now_ns();
    if (is(what, "send")) {
        for (uint64_t i = 0; i < messages; i++) require(shr_send(p, bytes, size, 0, PATIENCE));
        require(shr_wait_acknowledged(p, PATIENCE));
    } else if (is(what, "receive")) {
        for (uint64_t i = 0; i < messages; i++) {
            require(shr_receive(c, &m, PATIENCE));
            if (i == 0) start = now_ns();
            sum += *(const uint8_t *)m.bytes;
        }
    } else {
        for (uint64_t i = 0; i < messages; i++) {
            if (is(what, "ping")) require(shr_send(p, bytes, size, 0, PATIENCE));
            require(shr_receive(c, &m, PATIENCE));
            sum += *(const uint8_t *)m.bytes;
            if (is(what, "pong")) require(shr_send(p, m.bytes, m.count, 0, PATIENCE));
        }
    }
    printf("ns %.2f %" PRIu64 "\n", (double)(now_ns() - start) / (double)messages, sum);
    fflush(stdout);
    if (c) shr_consumer_close(c);
    if (p) shr_producer_close(p);
    return 0;
}

int main(int count, char **words) {
    alarm(600); /* whatever happens to the tests, this process ends */
    if (count >= 3 && is(words[1], "producer")) {
        struct setup s = parse(count - 2, words + 2, 1);
        return producer(&s);
    }
    if (count >= 3 && (is(words[1], "consumer") || is(words[1], "collector") || is(words[1], "subscriber"))) {
        struct setup s = parse(count - 2, words + 2, 1);
        return consumer(&s);
    }
    if (count >= 4 && (is(words[1], "board-writer") || is(words[1], "board-reader"))) {
        struct setup s = parse(count - 2, words + 2, 2);
        s.kind = SHR_BOARD;
        return is(words[1], "board-writer") ? board_writer(&s, words[3]) : board_reader(&s, words[3]);
    }
    if (count >= 3 && (is(words[1], "call-server") || is(words[1], "call-client"))) {
        struct setup s = parse(count - 2, words + 2, 1);
        return is(words[1], "call-server") ? call_server(&s) : call_client(&s);
    }
    if (count >= 3 && is(words[1], "create")) {
        struct setup s = parse(count - 2, words + 2, 1);
        return create(&s, count - 3, words + 3);
    }
    if (count == 2 && is(words[1], "verdicts")) return verdicts();
    if (count == 7 && is(words[1], "exchange")) return exchange(words + 2);
    fprintf(stderr, "usage: see peer.c\n");
    return 2;
}

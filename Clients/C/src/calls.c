/* A call service's memory, and the names of calls. Swift: Call/CallMemory, Call/CallToken. */
#include "calls.h"

#include <stdio.h>
#include <stdlib.h>

struct shr_endpoint shr_calls_endpoint(const struct shr_endpoint *given) {
    struct shr_endpoint endpoint;
    memset(&endpoint, 0, sizeof endpoint);
    if (given) endpoint = *given;
    endpoint.check_interval_ns = shr_interval(endpoint.check_interval_ns, 100000000);
    return endpoint;
}

int shr_calls_open(struct shr_ring *service, enum request request, bool prefault, struct calls *c) {
    if (service->kind != SHR_CALL) return shr_fail(SHR_INCOMPATIBLE, 0, "ring", service->label, "it is not a call service");
    struct attachment *a = &c->attachment;
    SHR_TRY(shr_attach(service, request, (struct role){request == REQUEST_ANY_SERVER ? SR_ROLE_SERVER : SR_ROLE_CALLER, 0}, a));
    const struct sr_call_shape *shape = &a->segment.header.call;
    c->slot_count = shape->slot_count;
    c->server_count = shape->server_count;
    c->request_capacity = shape->request_capacity;
    c->reply_capacity = shape->reply_capacity;
    c->has_streams = shape->stream_capacity != 0;
    c->stride = a->segment.call_stride;
    c->reply_area = sr_call_area(shape->request_capacity);
    c->control = call_control(a);
    c->lines = sr_call_line_of(c->control, c->server_count, c->slot_count, 0);
    int result = shr_map_data(&a->segment, ring_name(a), true, prefault, &c->data);
    if (result == SHR_OK) return SHR_OK;
    struct shr_failure kept = *shr_last_failure();
    shr_detach(a);
    return shr_fail_again(&kept);
}

void shr_calls_close(struct calls *c) {
    shr_unmap(&c->data);
    shr_detach(&c->attachment);
}

bool shr_calls_is_gone(const struct calls *c, uint32_t who) {
    uint32_t number = sr_call_starter_server(who);
    if (number >= c->server_count) return true; /* there is no place for it: only an untrusted peer names it */
    /* SYNC: call-server (pairs with shr_server_open and shr_server_close): the claim before, the epoch and the byte after. */
    if (!sr_call_is_epoch_of(who, sr_load_acquire_u32(sr_server_epoch(sr_server(c->control, number))))) return true;
    return shr_role_holder(&c->attachment, (struct role){SR_ROLE_SERVER, number}) == 0; /* a failing query is no proof of death */
}

/* --- the names of calls ---------------------------------------------------------------------------------------------------------------------- */

void shr_token_text(const shr_token *token, char *text) {
    uint64_t words[2]; /* as Swift says them: as numbers */
    memcpy(words, token->instance, sizeof words);
    snprintf(text, SHR_TOKEN_TEXT, "%016llx%016llx:%u:%u", (unsigned long long)words[0], (unsigned long long)words[1], token->slot, token->number);
}

/* A number of at most so many digits up to `end`, and nothing else. */
static bool number_in(const char *text, size_t length, unsigned base, uint64_t most, uint64_t *number) {
    *number = 0;
    if (length == 0 || length > 16) return false;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
        if (digit >= base) return false;
        *number = *number * base + digit; /* 16 digits: no overflow */
    }
    return *number <= most;
}

int shr_token_parse(const char *text, shr_token *token) {
    uint64_t words[2], slot, number;
    const char *first = strchr(text, ':'), *second = first ? strchr(first + 1, ':') : NULL;
    if (!second || first - text != 32 || !number_in(text, 16, 16, UINT64_MAX, &words[0]) || !number_in(text + 16, 16, 16, UINT64_MAX, &words[1]) ||
        !number_in(first + 1, (size_t)(second - first - 1), 10, UINT32_MAX, &slot) || !number_in(second + 1, strlen(second + 1), 10, UINT32_MAX, &number))
        return shr_fail(SHR_INVALID_NAME, 0, "token", text, "a token is 32 hexadecimal digits, a slot and a number, with colons between them");
    memcpy(token->instance, words, sizeof words);
    token->slot = (uint32_t)slot;
    token->number = (uint32_t)number;
    return SHR_OK;
}

const char *shr_outcome_name(int outcome) {
    switch (outcome) {
    case SHR_CALL_REPLIED: return "replied";
    case SHR_CALL_REFUSED: return "failed (refused)";
    case SHR_CALL_DROPPED: return "failed (dropped)";
    case SHR_CALL_CLOSED: return "failed (closed)";
    case SHR_CALL_MALFORMED: return "failed (malformed)";
    case SHR_CALL_NOT_EXECUTED: return "was not executed";
    case SHR_CALL_UNKNOWN: return "may have been executed (unknown)";
    case SHR_CALL_STILL_OPEN: return "is still open";
    default: return "unknown outcome";
    }
}

/* Finds out whether the other side never came, is attached, closed, or died; and reports each end once. Swift: Roles/PeerWatch. */
#include "internal.h"

/* In the order of a counter that wraps. */
static bool is_newer(const struct peer_watch *w, uint32_t epoch) { return (int32_t)(epoch - w->reported) > 0; }

/* SYNC: epoch (pairs with the stores at attach and close): whatever the holder did before is visible. */
static uint32_t load(const struct peer_watch *w) { return sr_load_acquire_u32(w->epoch); }

void shr_watch_init(struct peer_watch *w, struct role role, uint32_t *epoch, uint32_t *reported_word) {
    w->role = role;
    w->epoch = epoch;
    w->reported_word = reported_word;
    uint32_t now = load(w);
    if (reported_word) {
        /* Relaxed: only consumers store it, and the role's byte orders them. No later than the truth, whatever an untrusted peer wrote. */
        w->reported = sr_load_relaxed_u32(reported_word);
        if ((int32_t)(now - w->reported) < 0) w->reported = now & ~1u;
    } else {
        w->reported = now & ~1u; /* a close before this watch began is not news, a death is */
    }
    w->kept = w->finished = w->acknowledged = w->reported_before = w->reported;
    /* Reported as closed, though its epoch may have been left odd, and marked as a death by its successor. */
    w->last_ended = reported_word && (w->reported & 1) == 0 ? w->reported - 1 : 0;
}

void shr_watch_keep_finished(struct peer_watch *w) {
    if (w->kept == w->finished || !w->reported_word) return;
    sr_store_relaxed_u32(w->reported_word, w->finished); /* relaxed: it is read with this side's role alone */
    w->kept = w->finished;
}

bool shr_watch_has_come(const struct peer_watch *w) { return load(w) & 1; }

bool shr_watch_is_last_end_newest(const struct peer_watch *w) {
    uint32_t now = load(w);
    return now == w->last_ended || now == w->last_ended + 1;
}

bool shr_watch_has_unreported(const struct peer_watch *w) { return is_newer(w, load(w)); }

bool shr_watch_attachments(const struct peer_watch *w, bool since_made, uint32_t *count) {
    uint32_t now = load(w);
    if (is_newer(w, now)) return false;
    *count = since_made ? sr_epoch_attachments(now) : sr_epoch_attachments_since(now, w->reported_before);
    return true;
}

static enum end note(struct peer_watch *w, uint32_t epoch) {
    if (is_newer(w, epoch)) w->reported = epoch;
    if ((epoch & 1) == 0) {
        w->last_ended = epoch - 1;
        return END_CLOSED;
    }
    w->last_ended = epoch;
    return END_DIED;
}

enum end shr_watch_end(struct peer_watch *w, const struct attachment *a, bool (*has_news)(void *), void *self) {
    uint32_t now = load(w);
    if (now == 0 || !is_newer(w, now)) return END_NONE;
    /* A failing query is no proof of death. */
    if ((now & 1) && shr_role_holder(a, w->role) != 0) return END_NONE;
    /* A sender that commits and dies between two looks would lose its message otherwise. */
    if (has_news(self) || load(w) != now) return END_NONE;
    return note(w, now);
}

enum end shr_watch_unrecorded_close(struct peer_watch *w, bool (*has_news)(void *), void *self) {
    uint32_t now = load(w);
    if ((now & 1) || !is_newer(w, now) || has_news(self) || load(w) != now) return END_NONE;
    return note(w, now);
}

enum end shr_watch_note_end_record(struct peer_watch *w, uint32_t epoch, bool is_first) {
    if ((epoch & 1) && (epoch == w->last_ended || (is_first && epoch == w->reported_before))) {
        w->last_ended = epoch; /* another successor may have marked it again */
        return END_NONE;
    }
    return note(w, epoch);
}

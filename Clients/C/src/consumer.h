/* What a consumer is made of. */
#ifndef SHR_CONSUMER_H
#define SHR_CONSUMER_H

#include "internal.h"

struct merge;

/* Hands nothing out: where the inlined path is closed. */
extern struct shr_lane_ shr_closed_lane;

struct consumer {
    struct shr_consumer fast; /* first: the inlined paths know this part */
    struct attachment attachment;
    struct mapping mapping;
    struct reader reader; /* of one lane */
    struct peer_watch producer;
    struct lossy *lossy;
    struct merge *merge; /* of many lanes; then there is no reader here */
    struct sleeper sleeper;
    struct event event;
    uint32_t *epoch;
    struct shr_end_counts ends;
    struct shr_end recent[64]; /* a ring of the newest ends that were not taken */
    uint32_t recent_first, recent_count;
    int first_polls;
    bool is_manual, is_end_due, is_removed, is_closed, has_joined;
};

/* Keeps an end for shr_next_end, and counts it. */
void shr_consumer_note(struct consumer *c, enum end end, const struct peer_watch *watch);
const char *shr_consumer_name(const struct consumer *c);

/* merge.c; Swift: Merge/ */
int shr_merge_make(struct consumer *c, const struct shr_endpoint *endpoint);
void shr_merge_begin(struct consumer *c);
void shr_merge_free(struct consumer *c);
int shr_merge_poll(struct consumer *c);
int shr_merge_check_peers(struct consumer *c);
int shr_merge_take(struct consumer *c, shr_msg *message);
int shr_merge_watch(struct consumer *c);
struct reader *shr_merge_last(struct consumer *c);
void shr_merge_acknowledge(struct consumer *c);
void shr_merge_keep_acknowledged(struct consumer *c);
void shr_merge_wake_all(struct consumer *c);
bool shr_merge_is_unused(struct consumer *c);
bool shr_merge_is_ready(struct consumer *c);
bool shr_merge_poll_event(struct consumer *c);

#endif

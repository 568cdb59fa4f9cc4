/* The inlined functions of sharedring.h, as functions that Rust can call. */
#include <sharedring.h>

int shr_rs_send(shr_producer *p, const void *bytes, size_t count, uint32_t tag, int64_t timeout_ns) { return shr_send(p, bytes, count, tag, timeout_ns); }
int shr_rs_claim(shr_producer *p, size_t count, void **place, int64_t timeout_ns) { return shr_claim(p, count, place, timeout_ns); }
int shr_rs_commit(shr_producer *p, size_t count, uint32_t tag) { return shr_commit(p, count, tag); }
void shr_rs_batch_begin(shr_producer *p, shr_batch *batch) { shr_batch_begin(p, batch); }
int shr_rs_receive(shr_consumer *c, shr_msg *message, int64_t timeout_ns) { return shr_receive(c, message, timeout_ns); }
/* A copy that a compiler cannot see through, with link-time optimisation neither: no later read of the copy becomes a read of the message. */
__attribute__((noinline)) void shr_rs_copy(void *to, const void *from, size_t count) {
    sr_copy(to, from, (int64_t)count);
    __asm__ volatile("" : : "r"(to) : "memory");
}
/* The sizes that Rust's declarations must have. */
size_t shr_rs_size(int which) {
    const size_t sizes[] = {sizeof(struct shr_options), sizeof(struct shr_endpoint), sizeof(shr_batch),     sizeof(shr_msg),
                            sizeof(struct shr_facts),   sizeof(struct shr_stamp),    sizeof(struct shr_end),
                            sizeof(shr_token),          sizeof(shr_reply),        sizeof(shr_request)};
    return sizes[which];
}

/* Copies of small payloads without a call: up to 64 bytes, as two or four overlapping blocks, so that no count needs a loop.
 * (The way of small copies in C libraries; there it stands behind a call, which costs more than the copy.)
 */
#ifndef SHAREDRING_COPY_H
#define SHAREDRING_COPY_H

#include <stdint.h>

#include "atomics.h"

SR_NONNULL_BEGIN

/* Two blocks of the type, at the start and at the end; all loads before all stores. */
#define SR_COPY_ENDS(type)                                                                      \
    do {                                                                                        \
        type head, tail;                                                                        \
        __builtin_memcpy(&head, s, sizeof(type));                                               \
        __builtin_memcpy(&tail, s + count - sizeof(type), sizeof(type));                        \
        __builtin_memcpy(d, &head, sizeof(type));                                               \
        __builtin_memcpy(d + count - sizeof(type), &tail, sizeof(type));                        \
    } while (0)

/* The regions do not overlap. */
SR_INLINE void sr_copy(void *to, const void *from, int64_t count) {
    typedef struct { uint64_t words[2]; } block16;
    typedef struct { uint64_t words[4]; } block32;
    char *d = (char *)to;
    const char *s = (const char *)from;
    if (count > 64) __builtin_memcpy(d, s, (unsigned long)count);
    else if (count >= 32) SR_COPY_ENDS(block32);
    else if (count >= 16) SR_COPY_ENDS(block16);
    else if (count >= 8) SR_COPY_ENDS(uint64_t);
    else if (count >= 4) SR_COPY_ENDS(uint32_t);
    else if (count >= 2) SR_COPY_ENDS(uint16_t);
    else if (count == 1) *d = *s;
}

#undef SR_COPY_ENDS

SR_NONNULL_END

#endif

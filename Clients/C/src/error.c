/* The failure of each thread, as a sentence. */
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>

static __thread struct shr_failure last;

const char *shr_message(void) { return last.text; }
int shr_errno(void) { return last.error; }
const struct shr_failure *shr_last_failure(void) { return &last; }

int shr_fail_again(const struct shr_failure *kept) {
    last = *kept;
    return kept->code;
}

/* What came out of a segment or from a user ends up on terminals: controls are left out. */
static void make_printable(char *text) {
    char *to = text;
    for (const char *from = text; *from; from++)
        if ((unsigned char)*from >= 0x20 && *from != 0x7f) *to++ = *from;
    *to = 0;
}

int shr_fail(int code, int error, const char *what, const char *name, const char *format, ...) {
    char detail[400];
    va_list list;
    va_start(list, format);
    vsnprintf(detail, sizeof detail, format, list);
    va_end(list);
    const char *system = error != 0 ? sr_error_text(error) : NULL;
    last.code = code;
    last.error = error;
    if (error == 0)
        snprintf(last.text, sizeof last.text, "%s '%.200s': %s", what, name, detail);
    else if (system)
        snprintf(last.text, sizeof last.text, "%s '%.200s': %s (%s)", what, name, detail, system);
    else
        snprintf(last.text, sizeof last.text, "%s '%.200s': %s (errno %d)", what, name, detail, error);
    make_printable(last.text);
    return code;
}

const char *shr_code_name(int code) {
    switch (code) {
    case SHR_OK: return "ok";
    case SHR_EMPTY: return "empty";
    case SHR_ENDED: return "ended";
    case SHR_INVALID_NAME: return "invalidName";
    case SHR_INVALID_OPTION: return "invalidOption";
    case SHR_NOT_FOUND: return "notFound";
    case SHR_ALREADY_EXISTS: return "alreadyExists";
    case SHR_NOT_A_RING: return "notARing";
    case SHR_DAMAGED: return "damaged";
    case SHR_INCOMPATIBLE: return "incompatible";
    case SHR_WRONG_OWNER: return "wrongOwner";
    case SHR_OUT_OF_SPACE: return "outOfSpace";
    case SHR_DIFFERENT_SHAPE: return "differentShape";
    case SHR_IN_USE: return "inUse";
    case SHR_REPLACED: return "replaced";
    case SHR_NOT_SEALED: return "notSealed";
    case SHR_NOT_FLUSHED: return "notFlushed";
    case SHR_ROLE_TAKEN: return "roleTaken";
    case SHR_ENTRY_NOT_FOUND: return "entryNotFound";
    case SHR_BOARD_FULL: return "boardFull";
    case SHR_WRITER_TOO_FAST: return "writerTooFast";
    case SHR_MESSAGE_TOO_LARGE: return "messageTooLarge";
    case SHR_TIMED_OUT: return "timedOut";
    case SHR_CANCELLED: return "cancelled";
    case SHR_ALREADY_WAITING: return "alreadyWaiting";
    case SHR_PEER_DIED: return "peerDied";
    case SHR_PEER_CLOSED: return "peerClosed";
    case SHR_POISONED: return "poisoned";
    case SHR_FORKED: return "forked";
    case SHR_CLOSED: return "ended";
    case SHR_MISUSE: return "misuse";
    case SHR_SYSTEM: return "system";
    case SHR_CALL_FAILED: return "callFailed";
    default: return "unknown";
    }
}

/* A canceller closes a fast path that never loads its flag.
 *
 * Code: CancelFlag.raise, LaneWriter.setWindowEnd, LaneReader.takes and .forgetSizeIfCancelled.
 * Edges: cancel-seen.
 *
 * The endpoint opens its fast path again and again: it stores the word that the fast path compares, and loads the flag after it. A canceller
 * stores the flag, has membarrier run a full barrier on the endpoint's core, and stores the word, closed. The endpoint's stores go through a
 * store buffer, as on x86: the canceller sees them later, and later stores of the endpoint stay behind earlier ones.
 *
 * Promise: when both have done their part and the buffer is empty, the fast path is closed.
 *
 * -DLOOKS_AGAIN: the endpoint loads the flag once more, when space is due: so the promise holds where membarrier fails.
 *
 * Mutants, each refuted:
 *   NO_MEMBARRIER     no barrier between the canceller's two stores
 *   WORD_BEFORE_FLAG  the canceller closes the fast path before it stores the flag
 *   LOADED_FIRST      the endpoint loads the flag before it stores the word: what the compiler may do without its barrier
 *   NO_LOAD           the endpoint does not load the flag
 *   NO_STORE          the canceller leaves the word alone
 */
#ifndef N
#define N 3
#endif
#define OPEN 1
#define CLOSED 2

bit flag;
byte word = OPEN;
chan buffer = [4] of { byte }; /* of the endpoint's core */
bit isCancelled, isSettled;

/* Only what the endpoint's core does by itself. */
active proctype Buffer() {
    byte value;
    do
    :: atomic { buffer?value -> word = value; value = 0 }
    :: isSettled && empty(buffer) -> break
    od
}

inline storeWord(value) { buffer!value }

active proctype Endpoint() {
    byte opened;
    bit seen;
    do
    :: opened < N ->
        opened++;
#ifdef LOADED_FIRST
        seen = flag;
        storeWord(OPEN);
#else
        storeWord(OPEN);
#ifndef NO_LOAD
        seen = flag;
#endif
#endif
        if :: seen -> storeWord(CLOSED) :: else -> skip fi
    :: break
    od;
#ifdef LOOKS_AGAIN
    isCancelled;
    if :: flag -> storeWord(CLOSED) :: else -> skip fi;
#endif
    isSettled = 1
}

active proctype Canceller() {
    byte value;
#ifdef WORD_BEFORE_FLAG
    word = CLOSED;
#endif
    flag = 1;
#ifndef NO_MEMBARRIER
    /* What is in the buffer when the barrier runs is stored before the call returns. */
    atomic { do :: buffer?value -> word = value :: empty(buffer) -> break od; value = 0 }
#endif
#if !defined(WORD_BEFORE_FLAG) && !defined(NO_STORE)
    word = CLOSED;
#endif
    isCancelled = 1
}

active proctype Judge() { isCancelled && isSettled && empty(buffer) -> assert(word == CLOSED) }

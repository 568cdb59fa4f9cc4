/* The checkpoint: what a producer publishes for observers and for its successor. Death at every step, weak orders.
 *
 * Code: sr_publish_checkpoint, sr_load_checkpoint, LaneWriter.openWindow and .init, Checkpoint.now and .countOn, TappedLane.copy and .judge, LossyReader.step.
 * Edges: checkpoint, record-visible, space-given.
 *
 * A checkpoint has two words here: a total (tail and messages before it) and a write limit. The code has four: tail and messages apart, and bytes, which are
 * counted as messages are. There are two slots; the lowest bit of a turn word names the published one. The producer:
 *   opens room   it loads the head, moves the write limit on, and publishes: the words into the other slot, the turn, a release fence
 *   sends        payload, terminator, header; no record and no terminator begins at or beyond the published write limit
 * A successor walks from the head to the first absent header, loads the checkpoint, walks on from its tail, and goes on counting. A tap copies records,
 * and then loads the head and the checkpoint, by which it decides whether its copy may have been overwritten. A counter loads a checkpoint,
 * counts the records behind its tail, and loads a checkpoint again.
 *
 * The producer's stores wait in a buffer. They become visible in any order that these rules leave: a release store waits for all stores before it; no
 * store behind a release fence passes one before it; two stores to one word keep their order. That is aarch64; with -DX86 they become visible in program
 * order. Loads happen in program order: each is an acquire, or an acquire fence stands before it. A killed producer's stores are visible before its
 * successor has the lock.
 *
 * The lane has CAP cells. A record takes 1 cell (a header alone, or an end record) or 3 (header, payload, a gap). A cell names the position and the producer that
 * it was written for, so another lap's cell, or an uncommitted one, is distinguished. Positions do not wrap.
 *
 * Promises:
 *   - what a tap shows is what was committed at that position, whole: it was not overwritten while it was copied. A tap reports no damage
 *   - a counter's and a successor's count is exactly the messages before the tail that goes with it; a counter misses none that was visible when it began
 *   - wherever a producer dies, also while it publishes, the published checkpoint was published whole, and the walk from its tail ends at the lane's tail
 *   - the write limit never goes back, and lies no further than the capacity from the tail
 *
 * One observer a check: a tap, or with -DCOUNTER a counter. NP producers, one after another, of which all but the last may be killed. N messages in all.
 *   -DRUN=2         the tap copies two records before it decides
 *   -DBATCH         a message may be a batch of two: room is opened behind one that is written and not committed; it may be dropped
 *   -DWORDS_RELAXED the words are stored relaxed. Passes: the fence of the publication before keeps them behind its turn
 *   -DX86 -DNO_FENCE   passes: there a release fence is no instruction
 * Mutants, each refuted:
 *   NO_FENCE        no release fence behind the turn
 *   TURN_RELAXED    the turn is stored relaxed
 *   TURN_FIRST      the turn before the words
 *   ONE_SLOT        one slot, whatever the turn
 *   LIMIT_BACK      the write limit is what is open now, though it was further before: there a killed predecessor may have written
 *   LIMIT_SHORT     (COUNTER) a terminator begins at the write limit
 *   WRITES_FIRST    something is written beyond the write limit before the next checkpoint is published
 *   LOOK_FIRST      the tap loads head and checkpoint before it copies
 *   UNCHECKED       the tap does not look at them at all
 *   TURN_ONCE       the turn is not loaded again behind the words
 *   COUNT_UNCHECKED (COUNTER) the write limit is not loaded again behind the count
 *   COUNT_FROM_HEAD a successor counts on from the head, not from the checkpoint's tail
 *   COUNT_FORGOTTEN ... or does not count what stands behind that
 */
#ifndef CAP
#define CAP 5
#endif
#ifndef NP
#define NP 2
#endif
#ifndef N
#define N 2
#endif
#ifndef Q
#define Q 3       /* stores that are not visible yet */
#endif
#define LAST 16   /* positions */

/* What stands in a cell. */
#define ABSENT 0
#define SHORT 0
#define LONG 1
#define END 2
#define PAYLOAD 3
#define CELL(p, kind) (1 + (p) * 8 + (kind) * 2 + (me & 1))
#define KIND(v) ((((v) - 1) >> 1) & 3)
#define POSITION(v) (((v) - 1) >> 3)
#define WRITER(v) (((v) - 1) & 1)
#define SIZE(kind) ((kind) == LONG -> 3 : 1)
/* A header that `admits` lets pass: a cell of another lap may look like one. */
#define IS_HEADER(v) ((v) != ABSENT && KIND(v) != PAYLOAD)

/* Memory: the cells, two slots of two words, the turn. Tail and messages are one word here. */
#define TOTAL(s) (CAP + (s) * 2)
#define LIMIT(s) (CAP + (s) * 2 + 1)
#define TURN (CAP + 4)
#define FENCE (CAP + 5)
byte memory[CAP + 5];
byte head;
#define PACKED(tail, messages) ((tail) * 8 + (messages))
#define TAIL_OF(total) ((total) >> 3)
#define MESSAGES_OF(total) ((total) & 7)
#ifdef ONE_SLOT
#define SLOT(turn) 0
#else
#define SLOT(turn) ((turn) & 1)
#endif

/* The buffer. */
byte word[Q], value[Q];
bit release[Q];
byte waiting;

bit lock;                 /* the lane's byte */
bit diedLast;
byte next = 1;
byte sent;

/* Ghosts. Those of positions that no process may look at any more, by the write limit that is visible, are forgotten. */
byte committed[LAST];     /* the header that was committed at a position */
byte before[LAST];        /* messages before a position where a record may begin */
byte weight[LAST];        /* messages that the header at a position commits */
byte visible;             /* messages whose commit is visible */
byte published[8];        /* by turn, the last four: total and write limit */
#define PUBLISHED(turn) published[((turn) & 3) * 2]
#define PUBLISHED_LIMIT(turn) published[((turn) & 3) * 2 + 1]
byte forgotten;

inline reveal(i) {
    memory[word[i]] = value[i];
    if
    :: word[i] < CAP && IS_HEADER(value[i]) -> visible = visible + weight[POSITION(value[i])]
    :: word[i] == TURN ->
        do
        :: forgotten + CAP < memory[LIMIT(SLOT(value[i]))] && forgotten < head ->
            committed[forgotten] = 0; before[forgotten] = 0; weight[forgotten] = 0; forgotten++
        :: else -> break
        od
    :: else -> skip
    fi
}
inline close2() {
#if Q > 3
    word[2] = word[3]; value[2] = value[3]; release[2] = release[3];
#endif
    word[Q - 1] = 0; value[Q - 1] = 0; release[Q - 1] = 0; waiting--
}
inline close1() {
#if Q > 2
    word[1] = word[2]; value[1] = value[2]; release[1] = release[2];
#endif
    close2()
}
inline close0() {
    word[0] = word[1]; value[0] = value[1]; release[0] = release[1];
    close1()
}

#define PASSES(i, j) (word[j] != FENCE && word[j] != word[i])
active proctype Drain() {
end:
    do
    :: d_step {
        waiting > 0 ->
        if :: word[0] != FENCE -> reveal(0) :: else -> skip fi;
        close0();
        if :: waiting > 0 && word[0] == FENCE -> close0() :: else -> skip fi
       }
#ifndef X86
    :: d_step { waiting > 1 && !release[1] && word[1] != FENCE && PASSES(1, 0) -> reveal(1); close1() }
#if Q > 2
    :: d_step { waiting > 2 && !release[2] && word[2] != FENCE && PASSES(2, 0) && PASSES(2, 1) -> reveal(2); close2() }
#endif
#endif
    od
}

/* MARK: Producer */

#define MAYBE_DIE if :: me < NP -> goto killed :: skip fi

/* Room in the buffer is part of the step, and so is a death behind it. */
inline put(w, v, isRelease) { word[waiting] = w; value[waiting] = v; release[waiting] = isRelease; waiting++ }
inline store(w, v, isRelease) { atomic { waiting < Q -> put(w, v, isRelease); MAYBE_DIE } }

#ifdef WORDS_RELAXED
#define WORD_RELEASE 0
#else
#define WORD_RELEASE 1
#endif
#ifdef TURN_RELAXED
#define TURN_RELEASE 0
#else
#define TURN_RELEASE 1
#endif

/* sr_publish_checkpoint */
inline publish() {
    d_step {
        turn++;
        assert(limit <= tail + CAP);
#ifndef LIMIT_BACK
        assert(limit >= PUBLISHED_LIMIT(turn - 1));
#endif
        PUBLISHED(turn) = PACKED(tail, n); PUBLISHED_LIMIT(turn) = limit
    }
#ifdef TURN_FIRST
    store(TURN, turn, TURN_RELEASE);
#endif
    store(TOTAL(SLOT(turn)), PACKED(tail, n), WORD_RELEASE);
    store(LIMIT(SLOT(turn)), limit, WORD_RELEASE);
#ifndef TURN_FIRST
    store(TURN, turn, TURN_RELEASE);
#endif
#ifndef NO_FENCE
    d_step { waiting < Q -> if :: waiting > 0 -> put(FENCE, 0, 0) :: else -> skip fi }
#else
    skip
#endif
}

/* LaneWriter.openWindow: the room for `need` cells at `at`, or all there is. */
inline open() {
    atomic {
        most = head + CAP;
        if :: most > at + need + 2 -> if :: most = at + need + 2 :: skip fi :: else -> skip fi;
#ifndef LIMIT_BACK
        if :: most < limit -> most = limit :: else -> skip fi;
#endif
        isNews = (most != limit || PUBLISHED(turn) != PACKED(tail, n));
        limit = most; most = 0
    }
    if :: isNews -> isNews = 0; publish() :: else -> skip fi
}

#ifdef LIMIT_SHORT
#define FITS (at + need <= limit)
#else
#define FITS (at + need + 2 <= limit)
#endif
#define WOULD_FIT (head + CAP >= at + need + 2)

inline payload(p) { store(((p) + 1) % CAP, CELL(p, PAYLOAD), 0) }
inline terminate(p) { store((p) % CAP, ABSENT, 0) }

/* From here on it is committed, whichever process dies. */
inline commit(header, size, count) {
    atomic {
        waiting < Q ->
        committed[tail] = header; weight[tail] = count;
        put(tail % CAP, header, 1);
        n = n + count; sent = sent + count;
        tail = tail + size;
        before[tail] = n;
        at = 0; need = 0; kind = 0;
        MAYBE_DIE
    }
}

proctype Producer(byte me) {
    byte tail, at, limit, n, need, most, turn, kind;
    bit afterEnd, isNews;
end:
    d_step {
        lock == 0 && next == me && waiting == 0 -> lock = 1; next++;
        /* LaneWriter.init. No producer writes, so it is one step. */
        turn = memory[TURN]; n = memory[TOTAL(SLOT(turn))]; limit = memory[LIMIT(SLOT(turn))];
        assert(n == PUBLISHED(turn) && limit == PUBLISHED_LIMIT(turn));
        at = TAIL_OF(n); n = MESSAGES_OF(n);
        assert(n == before[at]);
        tail = head;
        do
        :: memory[tail % CAP] == ABSENT -> break
        :: else ->
            assert(memory[tail % CAP] == committed[tail]);
            afterEnd = (KIND(memory[tail % CAP]) == END);
            tail = tail + SIZE(KIND(memory[tail % CAP]))
        od;
#ifdef COUNT_FROM_HEAD
        at = head;
#endif
#ifdef COUNT_FORGOTTEN
        at = tail;
#endif
        most = at;
        do
        :: at - most >= CAP || at >= limit || !IS_HEADER(memory[at % CAP]) -> break
        :: else ->
            if :: KIND(memory[at % CAP]) != END -> n++ :: else -> skip fi;
            at = at + SIZE(KIND(memory[at % CAP]))
        od;
        assert(at == tail && n == sent);
        most = 0
    }
    open();
    if
    :: diedLast && !afterEnd ->
        d_step { diedLast = 0; assert(tail + 2 <= limit) }
        terminate(tail + 1);
        commit(CELL(tail, END), 1, 0)
    :: else -> diedLast = 0
    fi;
    do
    :: sent < N ->
        atomic {
            if :: kind = SHORT :: kind = LONG
#ifdef BATCH
            :: sent + 1 < N -> kind = END /* a batch: a short one, and then a long one for which room may have to be opened */
#endif
            fi;
            at = tail; need = SIZE(kind)
        }
        do
        :: FITS -> break
        :: !FITS && WOULD_FIT ->
#ifdef WRITES_FIRST
            terminate(at + need);
#endif
            open()
        od;
#ifdef BATCH
        if
        :: kind == END ->
            d_step { at = tail + 1; need = 3 }
            do
            :: FITS -> break
            :: !FITS && WOULD_FIT -> open()
            :: !FITS -> need = 0; break /* no room: it is dropped */
            od;
            if
            :: need == 3 ->
                payload(at);
                store(at % CAP, CELL(at, LONG), 0);
                if
                :: d_step { at = 0; need = 0; kind = 0 } /* dropped */
                :: terminate(at + 3);
                   d_step { committed[at] = CELL(at, LONG); before[at] = n + 1 }
                   commit(CELL(tail, SHORT), 4, 2)
                fi
            :: else -> skip
            fi
        :: else ->
#endif
            if :: kind == LONG -> payload(tail) :: else -> skip fi;
            terminate(tail + need);
            commit(CELL(tail, kind), need, 1)
#ifdef BATCH
        fi
#endif
    :: atomic { sent == N -> goto over }
    od;
killed:
    diedLast = 1;
over:
    atomic { lock = 0; tail = 0; at = 0; limit = 0; n = 0; need = 0; most = 0; turn = 0; kind = 0; afterEnd = 0; isNews = 0 }
}

/* MARK: Consumer */

active proctype Consumer() {
end:
    do :: d_step { memory[head % CAP] != ABSENT -> head = head + SIZE(KIND(memory[head % CAP])) } od
}

/* MARK: Observers */

/* sr_load_checkpoint */
inline load() {
    do
    :: turn = memory[TURN];
       total = memory[TOTAL(SLOT(turn))];
       limit = memory[LIMIT(SLOT(turn))];
#ifndef TURN_ONCE
       if
       :: d_step { memory[TURN] == turn ->
#endif
              assert(total == PUBLISHED(turn) && limit == PUBLISHED_LIMIT(turn))
#ifndef TURN_ONCE
          }
#endif
          break
#ifndef TURN_ONCE
       :: else -> skip
       fi
#endif
    od;
    skip
}

#ifndef COUNTER

inline judge() {
    h = head;
    if
    :: h > at -> load(); d_step { overwritten = (limit > at + CAP); total = 0; limit = 0; turn = 0 }
    :: else -> overwritten = 0
    fi;
    h = 0
}

#ifndef RUN
#define RUN 1
#endif

active proctype Tap() {
    byte at, p, k, header, h, turn, total, limit;
    bit overwritten, wrong, damage;
    at = head; /* TappedLane.first */
end:
    do
    :: memory[at % CAP] != ABSENT || head > at ->
#ifdef LOOK_FIRST
        judge();
#endif
        p = at;
        do
        :: k < RUN ->
            d_step {
                header = memory[p % CAP];
                damage = (header != ABSENT && KIND(header) == PAYLOAD);
                if :: IS_HEADER(header) -> wrong = wrong || header != committed[p] :: else -> skip fi
            }
            if
            :: !IS_HEADER(header) -> break
            :: IS_HEADER(header) && KIND(header) == LONG ->
                d_step {
                    h = memory[(p + 1) % CAP];
                    wrong = wrong || h == ABSENT || KIND(h) != PAYLOAD || POSITION(h) != p || WRITER(h) != WRITER(header);
                    h = 0; p = p + 3; k++; header = 0
                }
            :: else -> d_step { p = p + 1; k++; header = 0 }
            fi
        :: else -> break
        od;
        header = 0;
#ifndef LOOK_FIRST
        judge();
#endif
#ifdef UNCHECKED
        overwritten = 0;
#endif
        if
        :: overwritten -> at = head
        :: else ->
            d_step { assert(!wrong); at = p; p = 0 }
            if
            :: damage -> d_step { assert(head > at); at = head } /* unless the head has passed it */
            :: !damage && k == 0 && head > at -> if :: memory[at % CAP] == ABSENT -> at = head :: else -> skip fi
            :: else -> skip
            fi
        fi;
        d_step { p = 0; k = 0; overwritten = 0; wrong = 0; damage = 0 }
    od
}

#else

active proctype Counter() {
    byte turn, total, limit, tail, n, start, v, least, lastLimit;
    bit wrong;
    least = visible;
    load();
    do
    :: atomic { tail = TAIL_OF(total); start = tail; n = MESSAGES_OF(total); lastLimit = limit; wrong = (n != before[tail]); total = 0; v = 1 }
       do
       :: v != ABSENT && tail - start < CAP && tail < lastLimit ->
          d_step {
              v = memory[tail % CAP];
              if
              :: IS_HEADER(v) ->
                 if :: KIND(v) != END -> n++ :: else -> skip fi;
                 tail = tail + SIZE(KIND(v));
                 wrong = wrong || n != before[tail];
                 v = 1
              :: v != ABSENT && KIND(v) == PAYLOAD -> wrong = 1; v = ABSENT
              :: else -> skip
              fi
          }
       :: else -> break
       od;
       v = 0;
       load();
       assert(limit >= lastLimit);
       if
#ifdef COUNT_UNCHECKED
       :: true ->
#else
       :: limit <= start + CAP ->
#endif
          assert(!wrong && n >= least);
          break
#ifndef COUNT_UNCHECKED
       :: else -> skip
#endif
       fi
    od;
    skip;
    atomic { turn = 0; total = 0; limit = 0; tail = 0; n = 0; start = 0; v = 0; least = 0; lastLimit = 0; wrong = 0 }
}

#endif

init {
    atomic {
        byte i = 1;
        do :: i < CAP -> memory[i] = 1 + (LAST - 1) * 8 + PAYLOAD * 2; i++ :: else -> break od; /* an earlier lap's */
        i = 1;
        do :: i <= NP -> run Producer(i); i++ :: else -> break od
    }
}

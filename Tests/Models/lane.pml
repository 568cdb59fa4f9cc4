/* The lane: single sends, claims and batches, with death at every step, take-over at both ends, and a consumer that
 * acknowledges late.
 *
 * Code: LaneWriter, Batch, Claim, LaneReader, ConsumerCore.look.
 * Edges: record-visible (the header's store; the poll, the walk), space-given (the head's store; makeRoom, the walk),
 * take-over (the head's store; the next consumer's load).
 *
 * Stores become visible in program order, as on x86 and as release and acquire make it elsewhere: what the edges order is
 * stepped through one by one here, and each mutant takes one order away.
 *
 * The lane has CAP cells; a record takes 1 cell (a header alone) or 2 (a header and a payload). Cells hold what earlier
 * laps left there. Positions are numbered from 0 and taken modulo CAP for the cell.
 *
 * Promises:
 *   - what the consumer polls is either nothing or the record that was committed at that very position: nothing
 *     uncommitted, stale, doubled, skipped or out of order
 *   - a payload does not change while it is read
 *   - what is committed is seen by the next poll
 *   - a new consumer begins at the acknowledged position, so only what was not acknowledged comes again
 *   - messages of two producers, of which the first died, never follow each other without an end record in between
 *   - there is always room for the mark and its terminator
 *
 * Mutants, each refuted:
 *   NO_TERMINATOR, HEADER_BEFORE_TERMINATOR, HEADER_BEFORE_PAYLOAD   the order inside a commit
 *   TERMINATOR_AT_CLAIM    written at the claimed length, not at the committed one
 *   FIRST_HEADER_FIRST     a batch that stores its first header first
 *   BATCH_TAIL_KEPT        a dropped batch does not reset the position
 *   ACK_BEFORE_READ        head is stored before the payload was read
 *   NO_RESERVE             room for the record alone, none for terminator and mark
 *   NO_END_MARK            a successor does not mark its predecessor's death
 *   MARK_WITHOUT_TERMINATOR
 *   WALK_FROM_START        a successor takes the acknowledged head for its tail and does not walk
 */
#ifndef CAP
#define CAP 6
#endif
#ifndef NP
#define NP 2      /* producers, one after another */
#endif
#ifndef OPS
#define OPS 2     /* operations of each */
#endif
#ifndef NC
#define NC 2      /* consumers, one after another; the last one lives */
#endif
#define LAST 30   /* positions */

/* Cells: 0 absent; a header says whose message it is and how long it is; a payload looks like a header that no producer wrote. */
#define ABSENT 0
#define SHORT(p) (10 + (p))
#define LONG(p) (20 + (p))
#define MARK 40
#define PAYLOAD(p) (50 + (p))
#define STALE 99

byte cell[CAP];
byte head;           /* as published */
bit producerByte;
bit diedLast;        /* the last producer died: in the code, its epoch is odd */
byte committed[LAST]; /* ghost: what was committed at each position */
byte live;           /* producers that are still to come or under way */
byte next = 1;       /* they come in this order: without it, the same runs under other names */

inline die() { d_step { producerByte = 0; diedLast = 1 } goto gone }
#define MAYBE_DIE if :: die() :: skip fi

#ifdef NO_RESERVE
#define FITS(need, at) ((at) + (need) <= limit)
#else
#define FITS(need, at) ((at) + (need) + 2 <= limit)
#endif

/* LaneWriter.terminate */
inline terminate(at) {
#ifdef NO_TERMINATOR
    skip
#else
    cell[(at) % CAP] = ABSENT; MAYBE_DIE
#endif
}

/* LaneWriter.commit: payload, terminator, header. */
inline sendOne(header, need, claimed) {
#ifdef HEADER_BEFORE_PAYLOAD
    terminate(tail + need);
    d_step { cell[tail % CAP] = header; committed[tail] = header }
    MAYBE_DIE;
    if :: claimed == 2 -> cell[(tail + 1) % CAP] = PAYLOAD(me) :: else -> skip fi;
#else
#ifdef TERMINATOR_AT_CLAIM
    terminate(tail + claimed);
#endif
    if :: claimed == 2 -> cell[(tail + 1) % CAP] = PAYLOAD(me); MAYBE_DIE :: else -> skip fi;
#ifdef HEADER_BEFORE_TERMINATOR
    d_step { cell[tail % CAP] = header; committed[tail] = header }
    MAYBE_DIE;
    terminate(tail + need);
#else
#ifndef TERMINATOR_AT_CLAIM
    terminate(tail + need);
#endif
    d_step { cell[tail % CAP] = header; committed[tail] = header }
#endif
#endif
    tail = tail + need;
    MAYBE_DIE
}

proctype Producer(byte me) {
    byte tail, limit, at, afterEnd, k;

    atomic { producerByte == 0 && next == me -> producerByte = 1; next++ }
    /* LaneWriter.init: head is loaded once; the records after it do not change, so the walk is one step. */
    d_step {
        tail = head; limit = head + CAP;
#ifndef WALK_FROM_START
        do
        :: cell[tail % CAP] == ABSENT -> break
        :: cell[tail % CAP] == MARK -> tail++; afterEnd = tail
        :: cell[tail % CAP] / 10 == 1 -> tail++
        :: cell[tail % CAP] / 10 == 2 -> tail = tail + 2
        :: else -> assert(false) /* the walk met what no producer commits */
        od
#endif
        assert(tail + 1 <= limit)
    }
#ifndef NO_END_MARK
    if
    :: diedLast ->
        /* LaneWriter.commitEnd; one directly after an unread mark is left out. */
        if
        :: afterEnd == tail && tail != 0 -> skip /* as the walk saw it; it may have been read since */
        :: else ->
            assert(tail + 2 <= limit);
#ifndef MARK_WITHOUT_TERMINATOR
            terminate(tail + 1);
#endif
            d_step { cell[tail % CAP] = MARK; committed[tail] = MARK; tail++ }
            MAYBE_DIE
        fi
    :: else -> skip
    fi;
#endif
    diedLast = 0;

    do
    :: k < OPS ->
        k++;
        limit = head + CAP; /* makeRoom */
        if
        :: FITS(2, tail) -> sendOne(LONG(me), 2, 2)
        :: FITS(1, tail) -> sendOne(SHORT(me), 1, 1)
        :: FITS(2, tail) -> sendOne(SHORT(me), 1, 2) /* a claim of 2 cells, committed at 1 */
        :: FITS(4, tail) ->                          /* a batch of two */
            at = tail;
            cell[(at + 1) % CAP] = PAYLOAD(me); MAYBE_DIE;
#ifdef FIRST_HEADER_FIRST
            d_step { cell[tail % CAP] = LONG(me); committed[tail] = LONG(me); committed[tail + 2] = LONG(me) }
            MAYBE_DIE;
#endif
            at = at + 2;
            cell[(at + 1) % CAP] = PAYLOAD(me); MAYBE_DIE;
            cell[at % CAP] = LONG(me); MAYBE_DIE;
            at = at + 2;
            if
            :: /* dropped: nothing happened */
#ifdef BATCH_TAIL_KEPT
               tail = at
#else
               skip
#endif
            :: terminate(at);
#ifndef FIRST_HEADER_FIRST
               d_step { cell[tail % CAP] = LONG(me); committed[tail] = LONG(me); committed[tail + 2] = LONG(me) }
#endif
               tail = at;
               MAYBE_DIE
            fi
        :: skip /* full, or nothing to send */
        fi
    :: break
    od;
    /* Killed here at the latest; that one closes in order is epoch.pml's matter. */
    die();
gone:
    live--
}

/* LaneReader.publish. What is acknowledged is never polled again, so the ghost forgets it. */
inline publish(to) {
    d_step {
        do :: head < to -> committed[head] = 0; head++ :: else -> break od
    }
}

proctype Consumer() {
    byte at, value, from, lives = NC;
    bit marked, over;

attach:
    skip;
    /* A new one knows of its predecessor only the published head. */
    d_step { at = head; value = 0; from = 0; marked = 0; lives-- }
    do
    :: d_step {
            over = (live == 0);
            value = cell[at % CAP];
            assert(value == committed[at]) /* the poll */
        }
        if
        :: value == ABSENT ->
            if :: head != at -> publish(at) :: else -> skip fi;
            if
            :: over ->
                d_step { /* nothing that was committed lies out of reach */
                    from = at;
                    do :: from < LAST -> assert(committed[from] == 0); from++ :: else -> break od
                }
                break
            :: else -> skip
            fi
        :: value == MARK -> d_step { at++; marked = 1 }
        :: else ->
            d_step {
                assert(from == 0 || from == value % 10 || marked);
                from = value % 10; marked = 0
            }
#ifdef ACK_BEFORE_READ
            publish(at + value / 10);
#endif
            if
            :: value / 10 == 2 -> assert(cell[(at + 1) % CAP] == PAYLOAD(value % 10))
            :: else -> skip
            fi;
            if :: lives > 0 -> goto attach :: skip fi; /* killed with the message in hand */
            at = at + value / 10;
            if :: publish(at) :: skip fi               /* a lag, or none */
        fi;
        value = 0;
        if :: lives > 0 -> goto attach :: skip fi
    od
}

init {
    atomic {
        byte i = 1;
        do :: i < CAP -> cell[i] = STALE; i++ :: else -> break od;
        live = NP;
        run Consumer();
        i = 1; do :: i <= NP -> run Producer(i); i++ :: else -> break od
    }
}

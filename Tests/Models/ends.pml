/* The end of all streams: what a merging consumer notes, keeps and leaves to its successor when it is killed.
 *
 * Code: LaneMerger (.header, .note, .endIfDone, .acknowledge, .close), PeerWatch (.noteEndRecord, .end, .attachmentsIfOver, .finish, .keepFinished).
 * How one stream's end is found by its epoch, its byte and its end record is epoch.pml's subject: here each of these looks is one step, and
 * so is a close. This model is about many ends that are reported at once.
 *
 * Two lanes. Lane 0 has producer 1 and then producer 2; lane 1 has producer 3 and then producer 4. Producer 1 may send one message. Each
 * closes, or dies at any step after it attached. Producer 4 comes only after an end of all streams was reported: it belongs to the next run.
 * The consumer reports the end of all streams: closed, or died if a producer did. It waits for three producers. Later ones wait for one.
 * The consumer may be killed at any step. Its successor begins with what the segment has: the heads, each lane's
 * newest end that was kept (reported_end), and whether a death is yet to be reported (unreported_death).
 *
 * An end of all streams is found in one step and reported in a later one: a drain that runs dry finds it, and the next look hands it out. In between
 * the caller may acknowledge, end in order, or be killed.
 *
 * Promises, across all consumers:
 *   - an end of all streams is reported only after every message of those streams was received
 *   - every stream's end is reported to a consumer that came back, or lives; it is never left waited for
 *   - a death among those streams, or among those of a consumer that ended in order before, makes it a death
 *   - no end is reported again by a later consumer, once the one that came back has acknowledged
 *   - a death is reported once a consumer
 *
 * Producers 1 and 4 may die. -DALL_DIE: each may.
 * -DIN_ORDER: the consumer is not killed, but ends in order at any step between two looks.
 *
 * Mutants, each refuted:
 *   KEEPS_AT_ONCE      an end is kept when it was noted, though the end of all streams was not reported
 *   KEEPS_NEWER        an end that is noted between the report and the acknowledgement is kept with it
 *   KEEPS_UNASKED      ends are kept when they are reported, not when the consumer comes back
 *   NEVER_KEEPS        ends are never kept
 *   KEPT_WHEN_FOUND    an end of all streams may be kept from when it was found, though it was not reported
 *   CLEARED_WHEN_FOUND a death is forgotten when the end of all streams was found, though it was not reported
 *   CLOSE_NOT_NOTED    a close that left no mark counts as an end though it was not noted
 *   DEATH_NOT_NOTED    a death is not noted in the segment
 *   NOTED_AFTER_HEAD   a death is noted after its end record was acknowledged
 *   DEATH_STAYS        a death that was reported is noted for good
 *   DEATH_CLEARED      an acknowledgement clears a death that was not reported yet
 *   CLEARED_BEFORE     the death is cleared before the ends are kept
 *   ENDS_CLEARED       a consumer that ends in order clears the death, too
 */
#define LEN 6
#define NONE 0
#define MESSAGE 1
#define END 2

#define LANE(stream) (stream > 2)
#define FIRST(stream) (stream % 2 == 1)
/* The stream of an odd epoch in a lane. */
#define STREAM(lane, epoch) (2 * (lane) + ((epoch) + 1) / 2)

byte kind[12];    /* two lanes of LEN records each */
byte value[12];   /* a message's stream, an end's epoch */
byte head[2];     /* as published */
byte epoch[2];
bit held[2];      /* the producers' bytes */
byte reportedEnd[2];
bit unreportedDeath;
byte finished;    /* producers */

/* What really happened, by stream. */
bit sent[5];
bit ended[5];
bit died[5];
/* What consumers did. */
bit got[5];
bit cameBack[5];  /* its end was reported, and the consumer came back */
bit settled[5];   /* and acknowledged */
bit left[5];      /* a consumer that ended in order had noted its end */
bit isReported;   /* an end of all streams, to any consumer */

#ifdef ALL_DIE
#define DIES(me) 1
#else
#define DIES(me) (me == 1 || me == 4)
#endif

/* LaneWriter.commitEnd */
inline commitEnd(tag) {
    if
    :: afterEnd == tail -> skip
    :: else -> kind[lane * LEN + tail] = END; value[lane * LEN + tail] = tag; tail++; afterEnd = tail
    fi
}

proctype Producer(byte me; bit lane) {
    byte tail, afterEnd;

    /* The second of a lane follows the first; producer 4 follows a report, too. The walk, and the mark of a dead predecessor. */
    d_step {
        (FIRST(me) || ended[me - 1]) && (me != 4 || isReported || left[3]) ->
        tail = head[lane]; afterEnd = 9;
        do
        :: kind[lane * LEN + tail] == NONE -> break
        :: kind[lane * LEN + tail] == MESSAGE -> tail++; afterEnd = 9
        :: kind[lane * LEN + tail] == END -> tail++; afterEnd = tail
        od;
        held[lane] = 1;
        if :: epoch[lane] % 2 == 1 -> commitEnd(epoch[lane]) :: else -> skip fi
    }
    epoch[lane] = (epoch[lane] % 2 == 1 -> epoch[lane] + 2 : epoch[lane] + 1);
    if
    :: me == 1 -> d_step { kind[lane * LEN + tail] = MESSAGE; value[lane * LEN + tail] = me; sent[me] = 1; tail++ }
    :: skip
    fi;
    if
    :: DIES(me) -> d_step { died[me] = 1; ended[me] = 1; held[lane] = 0; finished++; tail = 0; afterEnd = 0 }
    :: d_step { commitEnd(epoch[lane] + 1); epoch[lane] = epoch[lane] + 1; ended[me] = 1; held[lane] = 0; finished++; tail = 0; afterEnd = 0 }
    fi
}

#define QUIET(lane) (kind[lane * LEN + at[lane]] == NONE)

/* PeerWatch.note and LaneMerger.note, up to the segment's word. */
inline note(lane, tag) {
    d_step {
        if :: tag > reported[lane] -> reported[lane] = tag :: else -> skip fi;
        if
        :: tag % 2 == 1 -> lastEnded[lane] = tag; deathToReport = 1; isDeath = 1
        :: else -> lastEnded[lane] = tag - 1
        fi
    }
}

#ifdef IN_ORDER
#define KILL skip
#define ENDS_IN_ORDER if :: d_step { lives > 0 -> lives-- }; acknowledge(); endInOrder(); goto attach :: skip fi
#else
#define ENDS_IN_ORDER skip
#define KILL if :: d_step { lives > 0 -> lives--; isDeath = 0 }; goto attach :: skip fi
#endif

inline noteDeath() {
#ifndef DEATH_NOT_NOTED
    if :: isDeath && !unreportedDeath -> unreportedDeath = 1; KILL :: else -> skip fi;
#endif
    isDeath = 0
}

/* LaneMerger.header: a message, or an end record. */
inline take(lane) {
    if
    :: kind[lane * LEN + at[lane]] == MESSAGE -> d_step { got[value[lane * LEN + at[lane]]] = 1; at[lane]++ }
    :: else ->
        now = value[lane * LEN + at[lane]];
        if
        :: now % 2 == 1 && (now == lastEnded[lane] || (at[lane] == start[lane] && now == reportedBefore[lane])) -> lastEnded[lane] = now
        :: else -> note(lane, now)
        fi;
#ifdef NOTED_AFTER_HEAD
        at[lane]++;
        if :: head[lane] = at[lane]; KILL :: skip fi;
        noteDeath()
#else
        noteDeath();
        at[lane]++
#endif
    fi;
    now = 0;
    if :: head[lane] = at[lane]; KILL :: skip fi /* LaneReader.finish publishes when it lags, or nothing more is there */
}

/* PeerWatch.end, of a lane */
inline checkPeer(lane) {
    if
    :: atomic {
            epoch[lane] > reported[lane] && (epoch[lane] % 2 == 0 || !held[lane]) && QUIET(lane) ->
            note(lane, epoch[lane]);
            isIdle = 0
        }
        noteDeath()
    :: else -> skip
    fi
}

#ifdef CLOSE_NOT_NOTED
#define IS_OVER(lane) (epoch[lane] % 2 == 0 || epoch[lane] <= reported[lane])
#else
#define IS_OVER(lane) (epoch[lane] <= reported[lane])
#endif

/* LaneMerger.endIfDone, of a lane */
inline countIfOver(lane) {
#ifndef CLOSE_NOT_NOTED
    /* PeerWatch.unrecordedClose */
    if
    :: atomic { epoch[lane] > reported[lane] && epoch[lane] % 2 == 0 && QUIET(lane) -> note(lane, epoch[lane]) }
    :: else -> skip
    fi;
#endif
    if
    :: atomic {
            isOver && IS_OVER(lane) && QUIET(lane) ->
            count = count + (epoch[lane] + 1) / 2 - (reportedBefore[lane] + 1) / 2;
            upTo[lane] = epoch[lane]
        }
    :: else -> isOver = 0
    fi
}

#define COVERED(s) (STREAM(LANE(s), upTo[LANE(s)]) >= s && upTo[LANE(s)] > 0 && STREAM(LANE(s), reportedBefore[LANE(s)]) < s)
#define UNREPORTED(s) (!settled[s] && !reportedNow[s])

/* EndOfStreams.step: nothing is reported yet, and nothing more is noted until it is. */
inline find() {
    d_step {
        countAtEnd = count; isDeathFound = deathToReport;
#ifdef KEPT_WHEN_FOUND
        finishedEnd[0] = reported[0]; finishedEnd[1] = reported[1];
#endif
#ifdef CLEARED_WHEN_FOUND
        deathToReport = 0;
#endif
    }
}

/* LaneMerger.handOut, EndOfStreams.report */
inline report() {
    d_step {
        isReported = 1;
        finishedEnd[0] = reported[0]; finishedEnd[1] = reported[1];
        /* Is it right? */
        s = 1; mustDie = 0; mayDie = 0;
        do
        :: s > 4 -> break
        :: else ->
            if
            :: COVERED(s) -> assert(ended[s]); assert(got[s] == sent[s]); assert(!settled[s] || reportedNow[s])
            :: else -> skip
            fi;
            if
            :: died[s] && UNREPORTED(s) && (COVERED(s) || left[s]) -> mustDie = 1
            :: else -> skip
            fi;
            if
            :: died[s] && UNREPORTED(s) -> mayDie = 1
            :: else -> skip
            fi;
            s++
        od;
        assert(isDeathFound || !mustDie);
        assert(!isDeathFound || mayDie);
        s = 1;
        do
        :: s > 4 -> break
        :: else -> if :: COVERED(s) || left[s] || (cameBack[s] && isDeathFound) -> reportedNow[s] = 1 :: else -> skip fi; s++
        od;
        deathToReport = 0; isDeathFound = 0; s = 0; mustDie = 0; mayDie = 0
    }
}

inline keep(lane) {
    if :: reportedEnd[lane] != finishedEnd[lane] -> reportedEnd[lane] = finishedEnd[lane]; KILL :: else -> skip fi
}

inline clearDeath() {
#ifdef DEATH_CLEARED
    unreportedDeath = 0
#elif defined(DEATH_STAYS)
    skip
#else
    if :: !deathToReport && unreportedDeath -> unreportedDeath = 0 :: else -> skip fi
#endif
}

/* LaneMerger.acknowledge */
inline acknowledge() {
    d_step { s = 1; do :: s > 4 -> break :: else -> cameBack[s] = cameBack[s] || reportedNow[s]; s++ od; s = 0 }
    if :: head[0] != at[0] -> head[0] = at[0]; KILL :: else -> skip fi;
    if :: head[1] != at[1] -> head[1] = at[1]; KILL :: else -> skip fi;
#ifdef KEEPS_AT_ONCE
    d_step { finishedEnd[0] = reported[0]; finishedEnd[1] = reported[1] }
#endif
#ifdef KEEPS_NEWER
    d_step { if :: countAtEnd > 0 -> finishedEnd[0] = reported[0]; finishedEnd[1] = reported[1] :: else -> skip fi }
#endif
#ifdef CLEARED_BEFORE
    clearDeath();
    KILL;
#endif
#ifndef NEVER_KEEPS
    keep(0);
    keep(1);
#endif
#ifndef CLEARED_BEFORE
    clearDeath();
#endif
    d_step { s = 1; do :: s > 4 -> break :: else -> settled[s] = settled[s] || reportedNow[s]; s++ od; s = 0 }
}

/* LaneMerger.close, behind the acknowledgement */
inline endInOrder() {
    d_step {
        s = 1;
        do
        :: s > 4 -> break
        :: else ->
            if :: !settled[s] && reported[LANE(s)] > 0 && STREAM(LANE(s), reported[LANE(s)]) >= s -> left[s] = 1 :: else -> skip fi;
            s++
        od;
        s = 0;
        finishedEnd[0] = reported[0]; finishedEnd[1] = reported[1]
    }
    keep(0);
    keep(1);
#ifdef ENDS_CLEARED
    unreportedDeath = 0;
#endif
}

#ifndef LIVES
#define LIVES 2
#endif

active proctype Consumer() {
    byte at[2], start[2], reported[2], finishedEnd[2], reportedBefore[2], lastEnded[2], upTo[2];
    byte now, count, countAtEnd, wanted, s, lives = LIVES - 1;
    bit deathToReport, isDeathFound, isDeath, isOver, isIdle, mustDie, mayDie, wasQuiet;
    bit reportedNow[5];

attach:
    skip;
    d_step { /* LaneMerger.init, PeerWatch.init, LaneReader.init */
        s = 0;
        do
        :: s > 1 -> break
        :: else ->
            at[s] = head[s]; start[s] = head[s];
            reported[s] = reportedEnd[s]; finishedEnd[s] = reportedEnd[s]; reportedBefore[s] = reportedEnd[s];
            lastEnded[s] = (reportedEnd[s] % 2 == 0 && reportedEnd[s] > 0 -> reportedEnd[s] - 1 : 0);
            upTo[s] = 0;
            s++
        od;
        deathToReport = unreportedDeath;
        wanted = (isReported || left[1] || left[2] || left[3] -> 1 : 3);
        reportedNow[1] = 0; reportedNow[2] = 0; reportedNow[3] = 0; reportedNow[4] = 0;
        now = 0; count = 0; countAtEnd = 0; s = 0; isDeath = 0; isDeathFound = 0; isOver = 0; isIdle = 0; wasQuiet = 0
    }
    do
    :: !QUIET(0) -> take(0)
    :: !QUIET(1) -> take(1)
    :: QUIET(0) && QUIET(1) ->
        /* LaneMerger.wait: settle, unless acknowledgement is manual; then checkPeer; then endIfDone. */
        d_step { wasQuiet = (finished == 4 || (finished == 3 && !isReported && !left[3])); isIdle = wasQuiet }
        if :: acknowledge() :: skip fi;
        ENDS_IN_ORDER;
        checkPeer(0);
        checkPeer(1);
        d_step { isOver = 1; count = 0; upTo[0] = 0; upTo[1] = 0 }
        countIfOver(0);
        countIfOver(1);
        if
        :: isOver && count > countAtEnd && count >= wanted -> find(); isIdle = 0;
            if :: acknowledge(); KILL :: skip fi;
            ENDS_IN_ORDER;
            report();
#ifdef KEEPS_UNASKED
            keep(0);
            keep(1);
#endif
            KILL
        :: else -> skip
        fi;
        d_step { isOver = 0; count = 0; upTo[0] = 0; upTo[1] = 0 }
        if
        :: isIdle && QUIET(0) && QUIET(1) -> break
        :: else -> isIdle = 0; wasQuiet = 0
        fi
    od;
    skip;
    /* Every producer has gone, and this consumer would wait for ever: nothing is left to report. */
    d_step {
        s = 1;
        do
        :: s > 4 -> break
        :: else -> assert(cameBack[s] || reportedNow[s] || left[s] || !ended[s]); s++
        od
    }
}

init { atomic { run Producer(1, 0); run Producer(2, 0); run Producer(3, 1); run Producer(4, 1) } }

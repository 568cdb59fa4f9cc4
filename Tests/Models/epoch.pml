/* Never came, attached, closed, died: the epoch, the role byte and the end records in the lane.
 *
 * Code: ProducerCore.init and .close, LaneWriter.commitEnd, PeerWatch (.end, .unrecordedClose, .noteEndRecord,
 * .keep), ConsumerCore.look, .wait and .settle.
 * Edges: epoch, record-visible, take-over, space-given.
 *
 * Producers come one after another (each holds the role byte), send nothing or one message, and close or die, at any
 * step. A consumer reads along. An end record carries the epoch after the end: even, it closed; odd, it died, and its
 * successor wrote the mark. A mark directly after one that was unread when it was seen is left out.
 *
 * A stream is named by the odd epoch its producer had. Promises, for every stream:
 *   - its end is reported only after all its messages, and at most once, and not as both closed and died
 *   - a death is reported only of a producer that died; a close only of one that closed
 *   - a message of a later stream never follows one of an earlier stream without the earlier one's end in between
 *   - with no producer attached, a waiting consumer has got the last end: it does not wait for a producer that is gone
 * Streams without a message may pass unseen when they follow an unread end and a later stream follows them.
 *
 * -DLIVES=2: the consumer may be killed at any step, once, and another one takes over, who begins at the published head
 * and with what its predecessor reported and kept (reported_end). Then, across both:
 *   - the last end is reported at least once, so that no consumer waits for a producer that is gone
 *   - an end is not reported again if the caller that got it has come back to wait since. (With two producers. With three it can be,
 *     once: two successors mark the same death if the first is killed before its epoch, and only the first mark is left out.)
 *   - an end that was reported as a death is not reported as a close
 * What is not promised then, each refuted:
 *   EVERY_END   every end of a stream with messages is reported. A mark is acknowledged when it is read, and reported afterwards: a
 *               kill in between loses it if a successor has attached already. With KEEP_FIRST it would hold.
 *   ONE_KIND    what was reported as a close is not reported as a death. A producer killed between its end record and its epoch closed
 *               to who reads the mark, and died to who sees the epoch.
 * -DKEEP_FIRST: a mark is not acknowledged before its reader has come back, and what was reported is kept first. Not the code.
 *
 * -DMANUAL: the consumer never acknowledges, so that everything stays unread to who looks at its head.
 * -DPOLL_CLOSED: a consumer that never makes a system call: it looks at the lane and at the epoch (PeerWatch.unrecordedClose), but
 * not at the byte. It gets every close, though not a death for which there is no end record.
 *
 * Mutants, each refuted:
 *   NO_END_MARK      a successor does not mark its predecessor's death
 *   NO_REPOLL        the lane is not looked at again after the byte
 *   EPOCH_AFTER_BYTE the epoch is read after the byte only
 *   NO_EPOCH_RECHECK the epoch is not compared at the end
 *   UNLOCK_FIRST     close gives the byte back before the epoch is even
 *   NO_BYTE          an odd epoch alone counts as death
 *   MARK_AFTER_EPOCH close makes the epoch even before the end record
 *   REPEAT_MARK      a death mark is left out only if it is the death that was reported last, not if the same stream's end
 *                    was reported as a close: wrong for a producer killed between its end record and its epoch
 *   POLL_ONLY        the consumer looks at the lane only and never at the epoch: loses the ends that have no mark
 *   SKIP_ANY_END     a mark is left out after an unread end even if messages lie between
 *   NEVER_KEEPS      (LIVES=2) what was reported is not kept
 *   REPEAT_FIRST     (LIVES=2) a successor's mark of a death that an earlier consumer got is reported again
 */
#ifndef NP
#define NP 3
#endif
#define LEN 12

#ifdef NO_EPOCH_RECHECK
#define UNCHANGED(now) 1
#else
#define UNCHANGED(now) (epoch == now)
#endif

#define NONE 0
#define MESSAGE 1
#define END 2

byte kind[LEN];   /* the lane; positions do not wrap here, lane.pml sees to that */
byte value[LEN];  /* a message's stream, an end's epoch */
byte head;        /* as the consumer published it */
byte epoch;
byte holder;      /* of the producer's byte; 0: free */

/* What really happened, by odd epoch. */
byte sent[10];
bit closed[10];   /* its end record or its even epoch can be seen */
bit died[10];     /* its producer was killed before close returned */
/* What the consumer got. */
byte got[10];
bit reportedClosed[10];
bit reportedDied[10];
bit settled[10];   /* a caller got it, and has come back since */
byte finished;
byte reportedEnd;       /* what was reported, kept for the next consumer */
byte next = 1;     /* they come in this order: without it, the same runs under other names */

inline die(stream) {
    d_step { died[stream] = 1; holder = 0 }
    goto gone
}

/* LaneWriter.commitEnd */
inline commitEnd(tag) {
    if
    :: afterEnd == tail -> skip
#ifdef SKIP_ANY_END
    :: afterEnd != tail && afterEnd != 0 -> skip
    :: afterEnd == 0 ->
#else
    :: else ->
#endif
        d_step {
            kind[tail] = END; value[tail] = tag;
            if :: tag % 2 == 0 -> closed[tag - 1] = 1 :: else -> skip fi;
            tail++; afterEnd = tail
        }
    fi
}

proctype Producer(byte me) {
    byte tail, afterEnd, mine, before;

    atomic { holder == 0 && next == me -> holder = me; next++ }
    /* LaneWriter.init: no other producer writes records now, so the walk is one step. */
    d_step {
        tail = head; afterEnd = 0;
        do
        :: kind[tail] == NONE -> break
        :: kind[tail] == MESSAGE -> tail++;
#ifndef SKIP_ANY_END
            afterEnd = 0
#endif
        :: kind[tail] == END -> tail++; afterEnd = tail
        od;
        before = epoch
    }
    if :: d_step { holder == me -> holder = 0 }; goto gone :: skip fi; /* killed before a process could know of it */
#ifndef NO_END_MARK
    if
    :: before % 2 == 1 -> commitEnd(before)
    :: else -> skip
    fi;
    if :: d_step { holder == me -> holder = 0 }; goto gone :: skip fi;
#endif
    d_step { mine = (before % 2 == 1 -> before + 2 : before + 1); epoch = mine }
    if :: die(mine) :: skip fi;
    if
    :: skip
    :: d_step { kind[tail] = MESSAGE; value[tail] = mine; sent[mine]++; tail++ }
       if :: die(mine) :: skip fi
    fi;
    /* ProducerCore.close */
#ifdef MARK_AFTER_EPOCH
    d_step { epoch = mine + 1; closed[mine] = 1 }
    if :: die(mine) :: skip fi;
    commitEnd((mine + 1));
#else
    commitEnd((mine + 1));
    if :: die(mine) :: skip fi;
#ifdef UNLOCK_FIRST
    holder = 0;
#endif
    d_step { epoch = mine + 1; closed[mine] = 1 }
#endif
    if :: die(mine) :: skip fi;
#ifndef UNLOCK_FIRST
    holder = 0;
#endif
gone:
    finished++
}

/* PeerWatch.note and what the caller of the consumer sees. */
inline report(tag) {
    d_step {
        stream = (tag % 2 == 1 -> tag : tag - 1);
        if :: tag > reported -> reported = tag :: else -> skip fi;
        lastEnded = stream;
        if :: tag > newestReported -> newestReported = tag :: else -> skip fi;
        assert(got[stream] == sent[stream]);
        assert(!reportedNow[stream]); /* once a life */
#ifndef KEEP_FIRST
        assert(!settled[stream]); /* and not again what was kept */
#endif
        reportedNow[stream] = 1;
        if
        :: tag % 2 == 1 ->
            assert(died[stream]);
#if !defined(LIVES) || defined(ONE_KIND)
            assert(!reportedClosed[stream]);
#endif
            reportedDied[stream] = 1; reportedDeath = tag
        :: else -> assert(closed[stream]); assert(!reportedDied[stream]); reportedClosed[stream] = 1
        fi;
        stream = 0
    }
}

#ifdef LIVES
#define KILLED d_step { lives > 0 -> lives-- }; goto attach
#else
#define KILLED false
#endif

/* What settle does, when the caller has come back: ConsumerCore.acknowledgeAll. */
inline settle() {
    skip;
#ifndef MANUAL
#if defined(LIVES) && defined(KEEP_FIRST)
    if :: reportedEnd != reported -> reportedEnd = reported :: else -> skip fi;
    if :: KILLED :: skip fi;
#endif
    if :: head != at -> head = at :: else -> skip fi;
#if defined(LIVES) && !defined(KEEP_FIRST) && !defined(NEVER_KEEPS)
    if :: KILLED :: skip fi;
    if :: reportedEnd != reported -> reportedEnd = reported :: else -> skip fi;
#endif
#ifdef LIVES
    d_step { stream = 1; do :: stream > 2 * NP -> break :: else -> settled[stream] = settled[stream] || reportedNow[stream]; stream = stream + 2 od; stream = 0 }
#endif
#endif
}

active proctype Consumer() {
    byte at, start, last, stream, now, newestReported, reported, reportedDeath, lastEnded, reportedBefore;
    bit free, news, idle;
    bit reportedNow[10];
#ifdef LIVES
    byte lives = LIVES - 1;

attach:
    skip;
#endif
    d_step { /* PeerWatch.init, LaneReader.init */
        at = head; start = head; last = 0; now = 0; stream = 0; free = 0; news = 0; idle = 0;
        reported = reportedEnd; reportedBefore = reportedEnd;
        lastEnded = (reported % 2 == 0 && reported > 0 -> reported - 1 : 0);
        newestReported = 0; reportedDeath = 0;
        reportedNow[1] = 0; reportedNow[3] = 0; reportedNow[5] = 0; reportedNow[7] = 0
    }
    do
    :: kind[at] == MESSAGE ->
        d_step {
            stream = value[at];
            /* The stream before this one is known to be over. */
            assert(last == 0 || last == stream || reportedNow[last]);
            assert(!reportedNow[stream]);
            last = stream; got[stream] = 1; stream = 0;
            at++; idle = 0
        }
#ifdef LIVES
        if :: KILLED :: skip fi;
        if :: head = at :: skip fi /* finish: a lag, or nothing more there */
#endif
    :: kind[at] == END ->
        d_step { now = value[at]; news = (at == start); at++; idle = 0 }
#if defined(LIVES) && !defined(KEEP_FIRST)
        if :: kind[at] == NONE -> head = at :: head = at :: skip fi; /* finish acknowledges the mark before it is reported */
        if :: KILLED :: skip fi;
#endif
        /* PeerWatch.noteEndRecord */
        if
#ifdef REPEAT_MARK
        :: now % 2 == 1 && now == reportedDeath -> skip
#elif defined(REPEAT_FIRST)
        :: now % 2 == 1 && now == lastEnded -> skip
#else
        :: now % 2 == 1 && (now == lastEnded || (news && now == reportedBefore)) -> skip
#endif
        :: else -> report(now)
        fi;
        d_step { now = 0; news = 0 }
#ifdef LIVES
        if :: KILLED :: skip fi
#endif
    :: kind[at] == NONE ->
        settle();
#ifdef POLL_ONLY
        if :: finished == NP && kind[at] == NONE -> break :: else -> skip fi
#else
        /* PeerWatch.end, once a check interval */
        idle = (finished == NP);
#ifdef EPOCH_AFTER_BYTE
        free = (holder == 0);
        now = epoch;
#else
        now = epoch;
#if defined(NO_BYTE)
        free = 1;
#elif defined(POLL_CLOSED)
        free = 0;
#else
        free = (holder == 0);
#endif
#endif
#ifdef NO_REPOLL
        news = 0;
#else
        news = (kind[at] != NONE);
#endif
        if
        :: now != 0 && now > reported && (now % 2 == 0 || free) && !news && UNCHANGED(now) ->
#ifdef LIVES
            if :: KILLED :: skip fi;
#endif
            report(now); idle = 0
        :: else -> skip
        fi;
        d_step { now = 0; free = 0; news = 0 }
#ifdef LIVES
        if :: KILLED :: skip fi;
#endif
        if
        :: idle && kind[at] == NONE -> break
        :: else -> skip
        fi
#endif
    od;
    skip;
    /* All producers have gone, and this side would wait now: the last stream's end was reported, unless none ever attached. */
    d_step {
        stream = (epoch % 2 == 1 -> epoch : epoch - 1);
#ifdef POLL_CLOSED
        assert(epoch % 2 == 1 || epoch == 0 || reportedClosed[stream] || reportedDied[stream]);
#else
        assert(epoch == 0 || reportedClosed[stream] || reportedDied[stream]);
#endif
#ifdef EVERY_END
        stream = 1;
        do
        :: stream > 2 * NP -> break
        :: else -> assert(sent[stream] == 0 || reportedClosed[stream] || reportedDied[stream]); stream = stream + 2
        od;
#endif
        /* And nothing is left. */
        assert(kind[at] == NONE)
    }
}

init {
    atomic { byte i = 1; do :: i <= NP -> run Producer(i); i++ :: else -> break od }
}

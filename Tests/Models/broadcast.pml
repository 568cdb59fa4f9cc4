/* Broadcast: one publisher at a time, subscribers that read in place and hold the publisher back (reliable), and one that copies and is
 * overtaken (lossy). Death at every step, take-over at both ends, store buffers, positions that wrap.
 *
 * For: Lane/Broadcast. T, M, B are the checkpoint that is published (tail, messages before it, write limit); L is the publisher's private limit:
 * it writes nothing at or beyond L. A head is where a reliable subscriber stands; NONE holds nothing back.
 *
 * The lane has CAP cells; a record takes 1 (a header alone, or an end record) or 2 (header and payload; the payload may be 0, which reads like
 * "nothing here yet"). Positions are bytes and wrap at 256; they begin at START. What a header cell holds names the position for which it was written, so that
 * a reader that takes another lap's for this one's is caught.
 *
 * The publisher's stores pass through a store buffer, in order (x86): cells, and the checkpoint, whose turn is one word. A joiner's first store of its head has a
 * buffer of its own. membarrier empties the publisher's buffer. (How a checkpoint of several words is published and loaded is checkpoint.pml's matter.)
 *
 * Opening room:  1. limit = the least of T+CAP and h+CAP of all valid heads h     (so that a joiner whose head can be seen is not overtaken by the write limit)
 *                2. publish a checkpoint, with a write limit between what is needed and the limit
 *                3. barrier; look at the heads again; L = the least of B and h+CAP of all valid heads
 * A head is valid if it is no more than CAP before L, L being what is open already, and not beyond the tail.
 * Joining:       1. p = T of the checkpoint   2. head = p   3. membarrier   4. in, if B of the checkpoint that is published now is no more than CAP beyond p; else 1.
 *
 * Promises:
 *   - a joined reliable subscriber finds every record from p on, whole, in order, and none changes while it is in hand
 *   - a publisher that has something to send gets room, whatever is killed, as long as those that live go on
 *   - a lossy subscriber delivers only what was committed, whole; what it delivered and what it says it missed adds up exactly
 *   - both reach the end: nothing stale keeps them waiting
 *   - two end records never follow each other, and there is always room for one
 *
 * R reliable subscribers (the first may be killed once, and another one takes its slot); LOSSY: 0 or 1; NP publishers, one after another, of which all
 * but the last may be killed; M records.
 *   -DSYMMETRIC        the publisher has a full barrier of its own, the joiner a local one
 *   -DHISTORY          a joiner may begin at any older checkpoint's T (there the same test decides)
 *   -DNO_FIRST_LOOK    step 1 without heads: still safe (but a fast publisher's write limit overtakes a joiner again and again)
 *   -DRESUME           a subscriber goes on at the head of its killed predecessor, if that one had joined at it
 *   -DDURABLE          ... and its head holds the publisher back also while no subscriber is there (implies RESUME). A successor comes, or -DREMOVES: a remover
 *   -DSOFT             the lossy subscriber stores a head, which the publisher may ignore at any look
 *   -DCOUNTED, -DAHEAD what the code does not do: a counter of joins, joining ahead of T
 * Mutants, each refuted:
 *   VALID_BY_BOUND     a head is valid if it is no more than CAP before the *published* write limit
 *   NO_SECOND_LOOK     no step 3
 *   NO_JOIN_CHECK      no step 4
 *   NO_JOIN_BARRIER    no step 3 of joining; OWN_FENCE: a local fence only (asymmetric)
 *   SYMMETRIC NO_FENCE the publisher has no barrier
 *   COUNT_FIRST, COUNT_LATE (COUNTED)   a joiner counts before its head can be seen; the publisher loads the counter after its first look
 *   TRUSTS_BOUND       a new publisher takes the write limit that it finds for its private limit
 *   DEAD_GATES         a dead subscriber's head is never cleared
 *   CLEARS_UNLOCKED    ... or is cleared without its byte
 *   FORGETS_MARK       the checkpoint does not say that an end record stands before T
 *   TELLS_LATE         the checkpoint is published after the first write beyond the old write limit
 *   NO_COPY_CHECK, CHECK_FIRST      a lossy one does not check, or checks before it copies
 *   RESUMES_UNJOINED   a successor goes on at a head that was not joined at; RESUMES_BY_BOUND: if the published write limit leaves it whole
 *   CLEARS_DURABLE     (DURABLE) a publisher clears a durable head; ASKS_UNLOCKED: it asks whether a head is durable before it has the byte, and not again
 *   REMOVES_UNLOCKED   (DURABLE, REMOVES) a remover does not take the byte
 *   SOFT_TRUSTED       (SOFT) a subscriber that stores a head takes its copies for whole
 *   SOFT_GATES         (SOFT) a publisher never ignores a soft head, whose subscriber is stopped
 *   ZERO_UNCHECKED     a lossy one takes an absent header's word for it that nothing is there
 */
#ifndef CAP
#define CAP 4
#endif
#ifndef START
#define START 252
#endif
#ifndef R
#define R 1
#endif
#ifndef RLIVES
#define RLIVES 2
#endif
#ifndef LOSSY
#define LOSSY 0
#endif
#ifndef NP
#define NP 2
#endif
#ifndef M
#define M 4
#endif
#ifndef Q
#define Q 4 /* stores in the publisher's buffer */
#endif
#ifdef HISTORY
#define TURNS 12
#else
#define TURNS 8 /* published ones that no process can see any more are forgotten */
#endif
#define LAST 40
#if defined(DURABLE) || defined(RESUMES_BY_BOUND)
#define RESUME
#endif

#define NONE 256
#define EMPTY 257

#define D(a, b) (((a) + 256 - (b)) & 255) /* wraps, as the code's differences do */
#define REACHES(a, b) (D(a, b) < 128)
#define P(a, n) (((a) + (n)) & 255)

#define SHORT 1
#define LONG 2
#define ZEROS 3 /* a payload of 0 */
#define MARK 4
#define SIZE(k) ((k) == LONG || (k) == ZEROS -> 2 : 1)
#define CODE(p, k) (D(p, START) * 5 + (k))
#define IS(v, p) ((v) != 0 && (v) < 200 && (v) / 5 == D(p, START) && (v) % 5 != 0)
#define KIND(v) ((v) % 5)
#define PAY(q) (200 + D(q, START))

byte cell[CAP];
short head[R];
short hbuf[R];          /* a joiner's store buffer */
byte sbyte[R];          /* of the slot: 0 free, 1 its subscriber's, 2 the publisher's */
byte turn;
byte chkT[TURNS], chkB[TURNS], chkM[TURNS];
bit chkMark[TURNS];
chan pb = [Q] of { byte, byte, byte }; /* the publisher's store buffer: 0 cell value, or 1 _ turn */

#ifdef COUNTED
byte joins;             /* how often a subscriber has stored a first head */
#endif
bit pubByte;
bit joined[R];           /* RESUME: the slot's word that its head is a joined one's */
#ifdef DURABLE
bit durable[R];
bit leaves[R];           /* ghost: its subscriber has gone in order, for good */
byte acked[R];           /* ghost: where the subscriber of a durable slot stands */
#endif
#ifdef SOFT
short softHead = NONE;
#endif
bit diedLast;
byte next = 1;
byte sent;
bit pubDone;
byte finalTail;
bit kill[NP + 1];
bit rkill;

#if LOSSY
byte count[LAST];       /* ghost: messages before a position */
#endif

#define CELL(p) cell[(p) % CAP]

#if LOSSY
#define COUNT n++
#define NOTE(need) count[D(tail, START) + need] = n
#else
#define COUNT skip
#define NOTE(need) skip
#endif

#ifdef HISTORY
#define FORGET skip
#define NEXT(t) ((t) + 1)
#else
#define FORGET chkT[turn] = 0; chkB[turn] = 0; chkM[turn] = 0; chkMark[turn] = 0
#define NEXT(t) (((t) + 1) % TURNS)
#endif

inline apply() { if :: k == 0 -> cell[i] = v :: else -> FORGET; turn = v fi; k = 0; i = 0; v = 0 }

active proctype Drain() {
    byte k, i, v;
    end: do :: d_step { nempty(pb) -> pb?k,i,v; apply() } od
}

proctype HeadBuffer(byte s) {
    end: do :: d_step { hbuf[s] != EMPTY -> head[s] = hbuf[s]; hbuf[s] = EMPTY } od
}

inline flushPublisher() { d_step { do :: nempty(pb) -> pb?k,i,v; apply() :: empty(pb) -> break od } }

/* MARK: Publisher */

#ifdef VALID_BY_BOUND
#define BASE V
#else
#define BASE L
#endif
#define VALID(h) ((h) != NONE && REACHES(tail, h) && REACHES(P(h, CAP), BASE))

inline store(p, value) { pb!0,((p) % CAP),value }

inline load_heads(limit) {
    do
    :: i < R ->
        d_step {
            h = head[i];
            if :: VALID(h) && !REACHES(P(h, CAP), limit) -> limit = P(h, CAP) :: else -> skip fi;
            h = 0; i++
        }
    :: else -> break
    od;
    i = 0;
#ifdef SOFT
#ifndef SOFT_GATES
    if
    :: skip /* its patience is at an end */
    ::
#endif
    d_step {
        h = softHead;
        if :: VALID(h) && !REACHES(P(h, CAP), limit) -> limit = P(h, CAP) :: else -> skip fi;
        h = 0
    }
#ifndef SOFT_GATES
    fi
#endif
#endif
}

inline publish() {
    d_step {
        t = NEXT(t);
        assert(t != turn);
        chkT[t] = tail; chkM[t] = n; chkMark[t] = afterMark;
#ifdef TELLS_LATE
        chkB[t] = V;
#else
        chkB[t] = B;
#endif
        assert(REACHES(P(tail, CAP), B))
    }
    pb!1,0,t
}

#define FITS (REACHES(L, P(tail, need + 2)))
#define HOLDS(s) (head[s] != NONE && REACHES(tail, head[s]) && REACHES(P(head[s], CAP), L) && !REACHES(P(head[s], CAP), P(tail, need + 2)))
#if R > 1
#define ROOM (!HOLDS(0) && !HOLDS(1))
#elif defined(SOFT) && defined(SOFT_GATES)
#define ROOM (!HOLDS(0) && !(softHead != NONE && REACHES(tail, softHead) && REACHES(P(softHead, CAP), L) && !REACHES(P(softHead, CAP), P(tail, need + 2))))
#else
#define ROOM (!HOLDS(0))
#endif

#ifdef HISTORY
#define BOUNDED (t < TURNS - 1)
#else
#define BOUNDED 1
#endif

/* One try. */
inline open() {
    lim = P(tail, CAP);
#if defined(VALID_BY_BOUND) || defined(TELLS_LATE)
    V = B;
#endif
#if defined(COUNTED) && !defined(COUNT_LATE)
    j = joins;
#endif
#ifndef NO_FIRST_LOOK
    load_heads(lim);
#endif
#ifdef COUNT_LATE
    j = joins;
#endif
    if
    :: REACHES(lim, P(tail, need + 2)) && BOUNDED ->
#ifdef COUNTED
        lim1 = lim; /* B may have been published beyond a head that the first look found */
#endif
        if :: lim = P(tail, need + 2) :: skip fi;
        d_step { if :: REACHES(B, lim) -> skip :: else -> B = lim fi }
        publish();
#if defined(SYMMETRIC) && !defined(NO_FENCE)
        (empty(pb));
#endif
        lim = B;
#if defined(COUNTED)
        d_step { if :: REACHES(lim1, lim) -> skip :: else -> lim = lim1 fi }
        if :: joins != j -> load_heads(lim) :: else -> skip fi;
#elif !defined(NO_SECOND_LOOK)
        load_heads(lim);
#endif
        d_step { if :: REACHES(L, lim) -> skip :: else -> L = lim fi }
    :: REACHES(lim, P(tail, need + 2)) && !BOUNDED -> goto done /* the model's bound */
    :: else -> skip
    fi;
#ifdef COUNTED
    j = 0; lim1 = 0;
#endif
    lim = 0
}

inline clear(s) {
#ifdef CLEARS_UNLOCKED
    (sbyte[s] == 0 && head[s] != NONE);
    head[s] = NONE
#elif defined(ASKS_UNLOCKED)
    (!durable[s] && head[s] != NONE);
    if
    :: atomic { sbyte[s] == 0 && head[s] != NONE -> sbyte[s] = 2; holding = s + 1 }
        head[s] = NONE;
        d_step { sbyte[s] = 0; holding = 0 }
    :: skip
    fi
#elif defined(DURABLE) && !defined(CLEARS_DURABLE)
    atomic { sbyte[s] == 0 && head[s] != NONE && !durable[s] -> sbyte[s] = 2; holding = s + 1 }
    head[s] = NONE;
    d_step { sbyte[s] = 0; holding = 0 }
#else
    atomic { sbyte[s] == 0 && head[s] != NONE -> sbyte[s] = 2; holding = s + 1 }
    head[s] = NONE;
    d_step { sbyte[s] = 0; holding = 0 }
#endif
}

proctype Publisher(byte me) {
    byte tail, L, B, V, n, i, lim, need, k, t, holding;
    short h;
    bit afterMark;
#ifdef COUNTED
    byte j, lim1;
#endif
end:
    atomic { next == me && !pubByte && empty(pb) && !pubDone -> pubByte = 1; next++ }
    {
        d_step { /* no publisher writes, so taking over is one step */
            t = turn; tail = chkT[t]; B = chkB[t]; n = chkM[t];
#ifndef FORGETS_MARK
            afterMark = chkMark[t];
#endif
            do
            :: CELL(tail) == 0 -> break
            :: else ->
                assert(IS(CELL(tail), tail)); /* the walk meets only what was committed */
                k = KIND(CELL(tail));
                afterMark = (k == MARK);
                if :: k != MARK -> COUNT :: else -> skip fi;
                tail = P(tail, SIZE(k));
                k = 0
            od;
            assert(REACHES(B, tail));
#ifdef TRUSTS_BOUND
            L = B
#else
            L = P(tail, (afterMark -> 1 : 2)) /* so much its predecessor had open behind its last record */
#endif
        }
        if
        :: diedLast && !afterMark ->
            store(P(tail, 1), 0);
            atomic {
                nfull(pb) -> store(tail, CODE(tail, MARK));
                d_step { NOTE(1); tail = P(tail, 1); afterMark = 1; assert(REACHES(L, P(tail, 1))) }
            }
        :: else -> skip
        fi;
        diedLast = 0;
        if :: publish() :: skip fi; /* so that the next one need not walk so far */
        do
        :: sent < M ->
            if :: k = SHORT :: k = LONG
#if LOSSY
            :: k = ZEROS
#endif
            fi;
            need = SIZE(k);
            do
            :: FITS -> break
            :: !FITS ->
                open();
                if
                :: FITS -> break
                :: !FITS ->
                    if
                    :: ROOM -> skip /* a head has moved, or gone */
#ifndef DEAD_GATES
                    :: clear(0)
#if R > 1
                    :: clear(1)
#endif
#endif
                    fi
                fi
            od;
            if
            :: k == LONG -> store(P(tail, 1), PAY(P(tail, 1)))
            :: k == ZEROS -> store(P(tail, 1), 0)
            :: else -> skip
            fi;
            store(P(tail, need), 0);
            /* The header: from here on the record is committed, whichever process dies. */
            atomic {
                nfull(pb) -> store(tail, CODE(tail, k));
                d_step { COUNT; sent++; NOTE(need); tail = P(tail, need); afterMark = 0; k = 0; need = 0 }
            }
        :: sent == M -> break
        od;
done:   skip;
        d_step { finalTail = tail; pubDone = 1 }
    } unless { kill[me] && !pubDone };
    atomic {
        if :: holding > 0 -> sbyte[holding - 1] = 0 :: else -> skip fi;
        if :: pubDone -> skip :: else -> diedLast = 1 fi;
        pubByte = 0;
        d_step { tail = 0; L = 0; B = 0; V = 0; n = 0; i = 0; lim = 0; need = 0; k = 0; t = 0; holding = 0; h = 0; afterMark = 0 }
    }
}

/* MARK: Subscribers */

#define OVER(p) (pubDone && len(pb) == 0 && (p) == finalTail)

proctype Reliable(byte s) {
    byte at, i, k, v, lives = (s == 0 -> RLIVES : 1);
attach:
    atomic { sbyte[s] == 0 -> sbyte[s] = 1; lives-- }
    {
#if defined(RESUME) || defined(RESUMES_UNJOINED)
        if
#ifdef RESUMES_UNJOINED
        :: head[s] != NONE -> at = head[s]; goto in
#elif defined(RESUMES_BY_BOUND)
        :: head[s] != NONE && REACHES(P(head[s], CAP), chkB[turn]) -> at = head[s]; goto in
#else
        :: head[s] != NONE && joined[s] ->
            at = head[s];
#ifdef DURABLE
            assert(!durable[s] || at == acked[s]);
#endif
            goto in
#endif
#ifdef DURABLE
        :: head[s] == NONE && joined[s] && durable[s] -> assert(false) /* what it had not acknowledged was given up */
#endif
        :: else -> joined[s] = 0
        fi;
#else
        skip;
#endif
join:   skip;
#ifdef HISTORY
        d_step { i = turn; at = chkT[i] }
        do
        :: i > 0 && REACHES(P(chkT[i - 1], CAP), at) -> d_step { i--; at = chkT[i] }
        :: break
        od;
        i = 0;
#else
        at = chkT[turn];
#endif
#ifdef AHEAD
        do
        :: d_step { IS(CELL(at), at) -> at = P(at, SIZE(KIND(CELL(at)))) }
        :: break
        od;
#endif
#ifdef COUNT_FIRST
        joins++;
#endif
        hbuf[s] = at;
#if defined(COUNTED) && !defined(COUNT_FIRST)
        d_step { if :: hbuf[s] != EMPTY -> head[s] = hbuf[s]; hbuf[s] = EMPTY :: else -> skip fi; joins++ } /* a locked instruction */
#endif
#ifndef NO_JOIN_BARRIER
        d_step { if :: hbuf[s] != EMPTY -> head[s] = hbuf[s]; hbuf[s] = EMPTY :: else -> skip fi }
#if !defined(SYMMETRIC) && !defined(OWN_FENCE)
        flushPublisher();
#endif
#endif
#ifndef NO_JOIN_CHECK
        if
        :: REACHES(P(at, CAP), chkB[turn]) -> skip
        :: else -> goto join
        fi;
#endif
#if defined(RESUME) || defined(RESUMES_UNJOINED)
        joined[s] = 1;
in:     skip;
#endif
#ifdef DURABLE
        acked[s] = at;
        durable[s] = 1;
#endif
        do
        :: CELL(at) != 0 ->
            d_step { v = CELL(at); assert(IS(v, at)) }
            if
            :: SIZE(KIND(v)) == 2 -> assert(CELL(P(at, 1)) == (KIND(v) == LONG -> PAY(P(at, 1)) : 0)) /* in hand */
            :: else -> skip
            fi;
            d_step { at = P(at, SIZE(KIND(v))); v = 0; hbuf[s] = EMPTY; head[s] = at;
#ifdef DURABLE
            acked[s] = at;
#endif
            }
        :: CELL(at) == 0 && OVER(at) -> break
        od
    } unless { s == 0 && rkill && lives > 0 };
    if
    :: s == 0 && rkill && lives > 0 ->
        /* What it has stored arrives, and then its byte is free. */
        d_step {
            if :: hbuf[s] != EMPTY -> head[s] = hbuf[s]; hbuf[s] = EMPTY :: else -> skip fi;
            at = 0; v = 0; i = 0; k = 0; sbyte[s] = 0
        }
        if
        :: goto attach
#ifndef DURABLE
        :: skip /* none comes */
#elif defined(REMOVES)
        :: d_step { leaves[s] = 1 }
#endif
        fi
    :: else ->
        d_step { head[s] = NONE; hbuf[s] = EMPTY; sbyte[s] = 0 }
    fi
}

#ifdef REMOVES
/* Removes a durable subscriber whose like does not come back. */
proctype Remover(byte s) {
end:
#ifdef REMOVES_UNLOCKED
    (durable[s]);
    durable[s] = 0; head[s] = NONE
#else
    atomic { sbyte[s] == 0 && durable[s] && leaves[s] -> sbyte[s] = 3 }
    durable[s] = 0;
    joined[s] = 0;
    head[s] = NONE;
    sbyte[s] = 0
#endif
}
#endif

#ifdef SOFT
#define SOFT_HEAD softHead = at
#else
#define SOFT_HEAD skip
#endif

#if LOSSY
proctype Lossy() {
    byte at, got, v, w;
    bit intact;
    d_step { at = chkT[turn]; got = chkM[turn] }
    do
    :: true ->
        SOFT_HEAD;
#ifdef SOFT
        if :: skip -> (pubDone) :: skip fi; /* stopped, as long as it likes */
#endif
#ifdef CHECK_FIRST
        intact = REACHES(P(at, CAP), chkB[turn]);
#endif
        v = CELL(at);
        w = CELL(P(at, 1));
#if !defined(CHECK_FIRST)
        intact = REACHES(P(at, CAP), chkB[turn]);
#endif
#if defined(NO_COPY_CHECK) || defined(SOFT_TRUSTED)
        intact = 1;
#elif defined(ZERO_UNCHECKED)
        intact = intact || v == 0;
#endif
        if
        :: !intact ->
            /* Overtaken: on at the newest checkpoint. What was missed is what it counts more. */
            d_step {
                assert(REACHES(chkT[turn], at) && chkM[turn] >= got);
                at = chkT[turn]; got = chkM[turn];
                assert(got == count[D(at, START)])
            }
        :: intact && v == 0 ->
#ifdef ZERO_UNCHECKED
            (CELL(at) != 0 || OVER(at));
#else
            (CELL(at) != 0 || !REACHES(P(at, CAP), chkB[turn]) || OVER(at));
#endif
            if :: OVER(at) -> break :: else -> skip fi
        :: intact && v != 0 ->
            d_step {
                assert(IS(v, at));
                assert(got == count[D(at, START)]);
                assert(KIND(v) != LONG || w == PAY(P(at, 1)));
                assert(KIND(v) != ZEROS || w == 0);
                if :: KIND(v) != MARK -> got++ :: else -> skip fi;
                at = P(at, SIZE(KIND(v)))
            }
        fi;
        d_step { v = 0; w = 0; intact = 0 }
    od;
    assert(got == sent) /* delivered and missed, since the first checkpoint */
}
#endif

/* That no process is killed is what NP=1 and RLIVES=1 check. */
proctype Killer() {
#if NP > 1
end1:
    atomic { next == 2 -> kill[1] = 1 }
#endif
#if NP > 2
end2:
    atomic { next == 3 -> kill[2] = 1 }
#endif
    skip
}

#if RLIVES > 1
active proctype SubscriberKiller() { end: atomic { sbyte[0] == 1 -> rkill = 1 } }
#endif

init {
    atomic {
        byte i = 0;
        chkT[0] = START; chkB[0] = P(START, 2);
        do :: i < R -> head[i] = NONE; hbuf[i] = EMPTY; i++ :: else -> break od;
        i = 1; do :: i <= NP -> run Publisher(i); i++ :: else -> break od;
#ifndef NO_RELIABLE
        i = 0; do :: i < R -> run HeadBuffer(i); run Reliable(i); i++ :: else -> break od;
#endif
#ifdef REMOVES
        run Remover(0);
#endif
#if LOSSY
        run Lossy();
#endif
        run Killer()
    }
}

/* Board: one entry of K slots, its writers one after another with death at every step, and readers that copy. (A lane's checkpoint is a board with
 * K=2.) In the code: EntryWriter, EntryReader.
 *
 *   write: t = turn + 1; release fence; the value into slot t mod K; turn = t, release.
 *   read:  t = turn, acquire; copy slot t mod K; acquire fence; t2 = turn; valid if t2 - t <= K - 2, else again.
 * While turn is t2 the writer may be writing slot t2 + 1, and no other: so what t names is whole while t2 + 1 - t < K.
 *
 * Turns wrap (they are taken modulo 32 and start at 30, so K must be a power of two). A value is two cells, each with the turn and the writer.
 * The writer's stores pass through a buffer: in order, as on x86; or, with -DWEAK, as on aarch64: a release store waits for all before it, a release
 * fence keeps back all after it, and nothing else is in order.
 *
 * Promises: a value that is taken as valid is whole and is what was written in that turn; no reader sees an older one after a newer one; a new writer, wherever the last
 * one was killed, harms no reader.
 *
 * -DSNAPSHOT: two entries, read together: valid if neither turn has changed between the two looks at both. The second entry's writer writes what it reads of the
 * first: so at no moment the second is ahead, and no snapshot may show that.
 * Mutants, each refuted:
 *   TOLERANT          valid if t2 - t <= K - 1
 *   NO_RELEASE_FENCE  (WEAK) the draft: the next value's cells may be seen before the turn before
 *   NO_RELEASE        (WEAK) turn is stored relaxed
 *   NO_READER_FENCE   turn is looked at again before the copy is made
 *   TURN_FIRST        the turn before the value
 *   RESUMES           a new writer writes into the slot that turn names
 *   K=3               wraps badly
 *   SNAPSHOT_TOLERANT (SNAPSHOT) each value by itself is whole: that is not enough
 */
#ifndef K
#define K 4
#endif
#ifndef W
#define W 5          /* values */
#endif
#ifndef NW
#define NW 2         /* writers */
#endif
#define START 30
#define MOD 32
#define NEXT(t) (((t) + 1) % MOD)
#define D(a, b) (((a) + MOD - (b)) % MOD)

#ifdef TOLERANT
#define VALID(t2, t) (D(t2, t) <= K - 1)
#else
#define VALID(t2, t) (D(t2, t) <= K - 2)
#endif

#ifndef SNAPSHOT

byte cell[K * 2];
byte turn = START;
bit writerByte;
byte nextWriter = 1;
byte written;
bit kill[NW + 1];

/* The buffer: the cells of one value, and one turn. */
byte bv;             /* whose cells */
byte by_;            /* and by which writer */
bit bc[2];           /* which of them are on their way */
bit bt;              /* a turn is */
byte btv;

#define BUFFER_EMPTY (!bc[0] && !bc[1] && !bt)

#ifdef WEAK
#ifdef NO_RELEASE_FENCE
#define CELL_MAY 1
#else
#define CELL_MAY (!bt || btv == bv)
#endif
#ifdef NO_RELEASE
#define TURN_MAY 1
#else
#define TURN_MAY !(btv == bv && (bc[0] || bc[1]))
#endif
#define IN_ORDER 1
#else
#ifdef TURN_FIRST
#define CELL_MAY !bt
#define TURN_MAY 1
#else
#define CELL_MAY (!bt || btv == bv)
#define TURN_MAY !(btv == bv && (bc[0] || bc[1]))
#endif
#define IN_ORDER !bc[0]
#endif

active proctype Drain() {
    end: do
    :: d_step { bc[0] && CELL_MAY -> cell[(bv % K) * 2] = bv + MOD * by_; bc[0] = 0 }
    :: d_step { bc[1] && CELL_MAY && IN_ORDER -> cell[(bv % K) * 2 + 1] = bv + MOD * by_; bc[1] = 0 }
    :: d_step { bt && TURN_MAY -> turn = btv; bt = 0; btv = 0 }
    od
}

proctype Writer(byte me) {
    byte t;
#ifdef RESUMES
    bit first = 1;
#endif
end:
    atomic { !writerByte && nextWriter == me && BUFFER_EMPTY -> writerByte = 1; nextWriter++ }
    {
        t = turn;
        do
        :: written < W ->
#ifdef RESUMES
            if :: me > 1 && first -> first = 0 :: else -> t = NEXT(t) fi;
#else
            t = NEXT(t);
#endif
#ifdef TURN_FIRST
            atomic { !bt -> bt = 1; btv = t };
#endif
            atomic { !bc[0] && !bc[1] -> bv = t; by_ = me; bc[0] = 1 }
            bc[1] = 1;
#ifndef TURN_FIRST
            atomic { !bt -> bt = 1; btv = t };
#endif
            written++
        :: written == W -> break
        od
    } unless { kill[me] };
    atomic { writerByte = 0; t = 0 }
}

proctype Reader() {
    byte t, t2, a, b, last = START;
    do
    :: true ->
        t = turn;
#ifdef NO_READER_FENCE
        t2 = turn;
#endif
        a = cell[(t % K) * 2];
        b = cell[(t % K) * 2 + 1];
#ifndef NO_READER_FENCE
        t2 = turn;
#endif
        d_step {
            if
            :: VALID(t2, t) ->
                assert(a == b && a % MOD == t);
                assert(D(t, last) < MOD / 2);
                last = t
            :: else -> skip
            fi;
            t = 0; t2 = 0; a = 0; b = 0
        }
    :: break
    od
}

#if NW > 1
active proctype Killer() { end: atomic { nextWriter > 1 -> kill[1] = 1 } }
#endif

init {
    atomic {
        byte i;
        cell[(START % K) * 2] = START; cell[(START % K) * 2 + 1] = START;
        run Reader();
        i = 1; do :: i <= NW -> run Writer(i); i++ :: else -> break od
    }
}

#else /* SNAPSHOT */

byte turnA, turnB;
byte valueB[8];  /* by turn: what the first entry's turn was */

active proctype WriterA() { do :: turnA < 5 -> turnA++ :: else -> break od }

active proctype WriterB() {
    byte a;
    do
    :: turnB < 5 ->
        a = turnA;
        d_step { valueB[turnB + 1] = a; turnB++; a = 0 }
    :: else -> break
    od
}

active proctype Reader() {
    byte a, b, a2, b2;
    do
    :: true ->
        a = turnA;
        b = turnB;
        a2 = turnA;
        b2 = turnB;
        d_step {
            if
#ifdef SNAPSHOT_TOLERANT
            :: a2 - a <= K - 2 && b2 - b <= K - 2 -> assert(valueB[b] <= a)
#else
            :: a2 == a && b2 == b -> assert(valueB[b] <= a)
#endif
            :: else -> skip
            fi;
            a = 0; b = 0; a2 = 0; b2 = 0
        }
    :: break
    od
}
#endif

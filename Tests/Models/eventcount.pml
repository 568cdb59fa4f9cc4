/* The event count: many sleepers on one word, with both kinds of barrier, under store buffers.
 *
 * For: EventCount.swift. (A word with one sleeper keeps to doorbell.pml.)
 *
 * One word: bit 0 says that there may be a sleeper, the bits above count wakes.
 *   sleeper: e = fetch_or(word, 1) | 1; the full barrier (asymmetric: membarrier); check every condition again; FUTEX_WAIT while the word is e.
 *            It never stores to the word otherwise, whatever ended its sleep.
 *   waker:   after its commit a barrier (asymmetric: the compiler's); if the word is odd, one FUTEX_WAKE_OP that adds 1 to the word and wakes all.
 * To add 1 to an odd word clears the bit and counts, in one step. So while a sleeper is in the futex queue, the word is odd and has the value that it waits for.
 *
 * Two wakers (two lanes) send N and N1 messages; every sleeper is to receive all of them. Waker 0 may be killed at any step. Sleepers may
 * be stopped and continued (that takes them off the futex queue, and they load the word again), and with SLEEPER_DIES one may be killed at any step.
 * There is no check interval here: the promise must hold without it.
 *
 * Every processor has a store buffer, as on x86; see doorbell.pml. The fetch_or is a locked instruction.
 *
 * Promise: when nothing moves any more, every sleeper that lives has received every message whose send returned.
 *
 * Two kinds: the asymmetric one, and -DSYMMETRIC. -DSLEEPER_DIES: a sleeper may be killed, and no waker. -DNO_DEATH: nothing is killed.
 *   -DSPURIOUS        two wakers that both saw the bit: the second add leaves the word odd with no sleeper (one vain wake). Asserts that it never happens: refuted.
 *   -DSKIP_ODD        a sleeper that finds the word odd does not store to it. Passes: an optimisation.
 * Mutants, each refuted:
 *   TWO_WORDS              flag and sequence apart: a sleeper that read the new sequence before the waker's call cleared its flag sleeps on
 *   BOOLEAN                the flag alone, set to 0 by the wake: another sleeper's 1 is taken for one's own
 *   CLEARS                 a sleeper that wakes up clears the bit, as with a lane's doorbell
 *   ADD_THEN_WAKE          two steps instead of FUTEX_WAKE_OP
 *   WAKE_ONE               a wake that only one sleeper gets
 *   NO_RECHECK, NO_MEMBARRIER, UNREGISTERED, LOOK_BEFORE_COMMIT, NO_FENCE (with SYMMETRIC)
 */
#ifndef N
#define N 2 /* messages of waker 0 */
#endif
#ifndef N1
#define N1 1 /* of waker 1 */
#endif
#ifndef S
#define S 2
#endif
#ifndef STOPS
#define STOPS 0
#endif

byte header[2];   /* commits that all see */
byte buffered[2]; /* commits in the waker's store buffer */
byte returned[2]; /* sends that came back */
byte got[S * 2];

byte word;        /* the event word */
bit flag;         /* TWO_WORDS: the word is the sequence, this the flag */
bit queued[S];
bit gone[S];      /* killed */
bit killed;
bit sleeperKilled;
byte stops;

#define GOT(s, w) got[(s) * 2 + (w)]

active [2] proctype Buffer() {
    end: do :: d_step { buffered[_pid] > 0 -> header[_pid]++; buffered[_pid]-- } od
}

inline wakeAll() { queued[0] = 0; queued[1] = 0
#if S > 2
    ; queued[2] = 0
#endif
}

#ifdef TWO_WORDS
#define ASLEEP flag
#elif defined(BOOLEAN)
#define ASLEEP (word == 1)
#else
#define ASLEEP (word & 1)
#endif

/* A system call: the caller's buffer is empty. */
inline wake() {
#if defined(TWO_WORDS)
    atomic { buffered[me] == 0 -> word++ }
    d_step { flag = 0; wakeAll() }
#elif defined(BOOLEAN)
    d_step { buffered[me] == 0 -> word = 0; wakeAll() }
#elif defined(ADD_THEN_WAKE)
    atomic { buffered[me] == 0 -> word++ }
    d_step { wakeAll() }
#elif defined(WAKE_ONE)
    atomic { buffered[me] == 0 -> word++; if :: queued[0] -> queued[0] = 0 :: queued[1] -> queued[1] = 0 :: !queued[0] && !queued[1] -> skip fi }
#else
    d_step {
        buffered[me] == 0 ->
#ifdef SPURIOUS
        assert(word & 1);
#endif
        word++; wakeAll()
    }
#endif
}

proctype Waker(byte me) {
    byte k;
    bit seen;
    {
        do
        :: k < (me == 0 -> N : N1) ->
#ifdef LOOK_BEFORE_COMMIT
            seen = ASLEEP;
            buffered[me]++;
#else
            buffered[me]++;
#if defined(SYMMETRIC) && !defined(NO_FENCE)
            (buffered[me] == 0);
#endif
            seen = ASLEEP;
#endif
            if :: seen -> wake() :: else -> skip fi;
            d_step { returned[me]++; k++; seen = 0 }
        :: else -> break
        od
    } unless { me == 0 && killed }
}

#ifdef NO_DEATH
proctype Killer() { skip }
#elif defined(SLEEPER_DIES)
proctype Killer() { if :: sleeperKilled = 1 :: skip fi }
#else
proctype Killer() { if :: killed = 1 :: skip fi }
#endif

#define NEWS (header[0] > GOT(me, 0) || header[1] > GOT(me, 1))

inline take() { if :: header[0] > GOT(me, 0) -> GOT(me, 0)++ :: header[1] > GOT(me, 1) -> GOT(me, 1)++ fi }

inline membarrier() {
#if !defined(SYMMETRIC) && !defined(NO_MEMBARRIER)
    d_step { header[0] = header[0] + buffered[0]; buffered[0] = 0 } /* one processor after the other */
#ifndef UNREGISTERED
    d_step { header[1] = header[1] + buffered[1]; buffered[1] = 0 }
#endif
#else
    skip
#endif
}

proctype Sleeper(byte me) {
    byte e;
    {
        do
        :: NEWS -> take()
        :: else ->
#if defined(TWO_WORDS)
            e = word;
            flag = 1;
#elif defined(BOOLEAN)
            word = 1; e = 1;
#elif defined(SKIP_ODD)
            e = word;
            if
            :: e & 1 -> skip
            :: else -> d_step { e = word | 1; word = e }
            fi;
#else
            d_step { e = word | 1; word = e }
#endif
            membarrier();
#ifndef NO_RECHECK
            if
            :: NEWS -> skip
            :: else ->
#endif
again:          skip;
                d_step { if :: word == e -> queued[me] = 1 :: else -> queued[me] = 0 fi } /* FUTEX_WAIT_BITSET */
                if
                :: !queued[me] -> skip
                :: queued[me] && me == 1 && stops < STOPS -> d_step { queued[me] = 0; stops++ } goto again /* stopped and continued */
                :: timeout -> break /* nothing moves any more */
                fi
#ifndef NO_RECHECK
            fi
#endif
#ifdef CLEARS
            ; d_step { word = word - (word & 1) }
#endif
            ; e = 0
        od;
        assert(GOT(me, 0) >= returned[0] && GOT(me, 1) >= returned[1])
    } unless { me == 0 && sleeperKilled };
    if :: me == 0 && sleeperKilled -> d_step { queued[0] = 0; gone[0] = 1 } :: else -> skip fi
}

init {
    atomic {
        byte i = 0;
        run Waker(0); run Waker(1); run Killer();
        do :: i < S -> run Sleeper(i); i++ :: else -> break od
    }
}

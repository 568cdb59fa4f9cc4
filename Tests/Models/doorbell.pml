/* The doorbell: going to sleep and being woken, with both kinds of barrier, under store buffers.
 *
 * Code: LaneWriter.storeHeader and .ringDoorbell, Doorbell.wake, Sleeper.wait and .declareAsleep, CancelFlag.raise.
 * Edge: doorbell. Both sides store, pass a barrier, and look; so one of the two sees the other.
 * The other direction is the same with other names, so this stands for both: there the waker is the consumer (LaneReader.storeHead,
 * .barrier, .wakeProducerIfAsleep), what it stores is a head, and the sleeper is the producer. Edge: space-doorbell. Either side
 * registers with membarrier(2), and either uses it before it sleeps.
 *
 * Two producers (two lanes, one doorbell, as in an MPSC ring) send N messages each. Producer 0 may be killed at any step. The sleeper may be stopped
 * and continued (SIGSTOP): that takes it off the futex queue, and it looks at the word again. An untrusted peer sleeps on the
 * same word. There is no check interval here: the promise must hold without it.
 *
 * Every processor has a store buffer, as on x86: a store is seen by others some time later, in order. A fence or a system
 * call that locks waits until one's own is empty; membarrier empties those of all registered processes. A killed
 * process's stores still arrive.
 *
 * -DHANGUP: the other side of a link hangs up, too. Its role byte is free first. A thread of this process stores the flag, passes a barrier and
 * wakes (LinkSocket.wakeEndpoints, CancelFlag.noteHangUp). The sleeper looks at the flag behind its barrier, and at the role byte whenever it was woken or the
 * flag is set (Sleeper.wait, Watch.outcome). Edge: hang-up.
 *
 * Promises, when nothing moves any more: every message whose send returned has been received, and a hang-up, at whatever step it came, has ended the wait.
 *
 * Two kinds: the asymmetric one, and -DSYMMETRIC.
 * Mutants, each refuted:
 *   NO_FENCE (with SYMMETRIC)  the producer has no barrier of its own
 *   NO_SLEEPER_FENCE           the consumer has no barrier of its own
 *   NO_MEMBARRIER              the consumer has none that reaches the producers
 *   UNREGISTERED               one producer that the membarrier does not reach
 *   CLEAR_THEN_WAKE            two steps instead of FUTEX_WAKE_OP
 *   WAKE_KEEPS_WORD            a wake that leaves the word at 1: a stopped sleeper goes to sleep again
 *   WAKE_ONE                   a wake that the bystander may get
 *   NO_RECHECK                 the sleeper does not look again after its barrier
 *   LOOK_BEFORE_COMMIT         the producer looks at the doorbell before it commits
 * With HANGUP:
 *   FLAG_NOT_SEEN              the sleeper does not look at the flag behind its barrier: the wake comes before it is asleep
 *   FLAG_SEEN_EARLY            it looks at the flag before it stores its word
 *   FLAG_AFTER_WAKE            the flag is stored after the wake
 *   FLAG_ONLY                  no process wakes
 */
#ifndef N
#define N 2
#endif
#define STOPS 2

byte header[2];   /* commits that all see */
byte buffered[2]; /* commits in the producer's store buffer */
byte got[2];
byte returned[2]; /* sends that came back */

bit word;         /* the doorbell as all see it */
byte own;         /* the sleeper's store buffer: 0 empty, 1 a zero, 2 a one, 3 a zero and then a one */
bit queued;       /* the sleeper is on the futex queue */
bit bystander = 1; /* so is a bystander, which sleeps there too */

bit killed;
byte stops;

#ifdef HANGUP
bit isGone;       /* the other side's role byte is free */
bit isHungUp;     /* the flag */
bit isReported;   /* to the sleeper's caller */
bit flagSeen;     /* FLAG_SEEN_EARLY */
#endif

/* The store buffers. What is never forced out may arrive at any time. */
active [2] proctype Buffer() {
    end: do :: d_step { buffered[_pid] > 0 -> header[_pid]++; buffered[_pid]-- } od
}

inline drainOwn() { if :: own == 1 -> word = 0 :: own >= 2 -> word = 1 :: else -> skip fi; own = 0 }

active proctype OwnBuffer() {
    end: do
    :: d_step { own == 1 -> word = 0; own = 0 }
    :: d_step { own == 2 -> word = 1; own = 0 }
    :: d_step { own == 3 -> word = 0; own = 2 }
    od
}

/* FUTEX_WAKE_OP: the new value and the waking are one step. A system call: the caller's buffer is empty. */
#ifdef WAKE_KEEPS_WORD
#define CLEAR skip
#else
#define CLEAR word = 0
#endif
inline wake() {
#ifdef CLEAR_THEN_WAKE
    atomic { buffered[me] == 0 -> word = 0 }
    d_step { queued = 0; bystander = 0 }
#else
#ifdef WAKE_ONE
    atomic { buffered[me] == 0 -> word = 0; if :: queued -> queued = 0 :: bystander -> bystander = 0 :: !queued && !bystander -> skip fi }
#else
    d_step { buffered[me] == 0 -> CLEAR; queued = 0; bystander = 0 }
#endif
#endif
}

proctype Producer(byte me) {
    byte k;
    bit seen;
    {
        do
        :: k < N ->
#ifdef LOOK_BEFORE_COMMIT
            seen = word;
            buffered[me]++;
#else
            buffered[me]++;          /* LaneWriter.storeHeader: the header's release store */
#if defined(SYMMETRIC) && !defined(NO_FENCE)
            (buffered[me] == 0);     /* sr_fence_full */
#endif
            seen = word;             /* ringDoorbell; nothing of this word is in the own buffer */
#endif
            if :: seen -> wake() :: else -> skip fi;
            d_step { returned[me]++; k++; seen = 0 }
        :: else -> break
        od
    } unless { me == 0 && killed }
}

proctype Killer() { if :: killed = 1 :: skip fi }

#ifdef HANGUP
/* The flag's store and its barrier are one step: nothing else of this thread matters. */
active proctype HangUp() {
    isGone = 1;
#ifdef FLAG_AFTER_WAKE
    d_step { CLEAR; queued = 0; bystander = 0 }
    isHungUp = 1
#else
    isHungUp = 1;
#ifndef FLAG_ONLY
    d_step { CLEAR; queued = 0; bystander = 0 }
#endif
#endif
}

inline checkPeer() { if :: isGone -> isReported = 1 :: else -> skip fi }
#endif

#define NEWS (header[0] > got[0] || header[1] > got[1])

inline take() { if :: header[0] > got[0] -> got[0]++ :: header[1] > got[1] -> got[1]++ fi }

inline store(value) {
    d_step {
        if
        :: value == 1 -> if :: own == 0 -> own = 2 :: own == 1 -> own = 3 :: else -> skip fi
        :: else -> if :: own == 0 -> own = 1 :: else -> drainOwn(); own = 1 fi /* the older ones arrive by now */
        fi
    }
}

proctype Sleeper() {
    do
    :: NEWS -> take()
    :: else ->
#ifdef FLAG_SEEN_EARLY
        flagSeen = isHungUp;
#define FLAG flagSeen
#else
#define FLAG isHungUp
#endif
        store(1);
        /* declareAsleep's barrier: all of one's own stores have arrived; membarrier: those of the others too. */
#ifndef NO_SLEEPER_FENCE
        d_step { drainOwn() }
#endif
#if !defined(SYMMETRIC) && !defined(NO_MEMBARRIER)
        /* One processor after the other. */
        d_step { header[0] = header[0] + buffered[0]; buffered[0] = 0 }
#ifndef UNREGISTERED
        d_step { header[1] = header[1] + buffered[1]; buffered[1] = 0 }
#endif
#endif
#ifndef NO_RECHECK
        if
        :: NEWS -> store(0)
        :: else ->
#endif
#if defined(HANGUP) && !defined(FLAG_NOT_SEEN)
            if :: FLAG -> checkPeer() :: else -> skip fi;
#endif
again:      skip;
            d_step { drainOwn(); if :: word == 1 -> queued = 1 :: else -> queued = 0 fi } /* FUTEX_WAIT_BITSET */
            if
            :: !queued -> skip
            :: queued && stops < STOPS -> d_step { queued = 0; stops++ } goto again /* stopped and continued */
            :: timeout -> break /* nothing moves any more */
            fi;
            store(0)
#ifdef HANGUP
            ;
            checkPeer()
#endif
#ifndef NO_RECHECK
        fi
#endif
    od;
    assert(got[0] >= returned[0] && got[1] >= returned[1]);
#ifdef HANGUP
    assert(isReported)
#endif
}

init { atomic { run Producer(0); run Producer(1); run Killer(); run Sleeper() } }

/* Total order over several lanes: tickets, the pend words, the consumer's sweep, the doorbell, and a producer that dies.
 *
 * Code: LaneWriter.publishInTotalOrder, ProducerCore.init, LaneMerger.sweep, .makeReady, .wait and .clearDeadAnnouncements.
 * (The code leaves a sweep out where no lane has a record at its head: there is nothing that it could deliver.)
 * Edges: ticket, pend, record-visible, doorbell. G is the ring's ticket counter.
 *
 * Lanes with one producer each; producer 0 may be killed at every step, and has a successor then. A message is its ticket. Stores and loads
 * happen in program order: the orders that a weaker processor needs (pend released, the ticket acq_rel) are not this
 * model's matter; the trial models in C11 were.
 *
 * Sweep: G first, then every pend, W their minimum; only then the headers; everything below W is visible and final.
 * Before a sweep: a header with the ticket behind the last delivered one is delivered at once, whatever G and the pends are. All smaller tickets
 * were delivered or never will be, as they were when the last one was delivered, and none lies between.
 *
 * A lane whose producer is dead and whose pend holds the sweep up: the consumer takes its byte, stores no pend, gives the
 * byte back, and begins anew. That happens at the end of a slice; a slice passes here only when a producer was killed.
 *
 * Promises:
 *   - tickets are delivered in growing order, over all lanes
 *   - when nothing moves any more, every message that was committed is delivered, and so is every one behind a dead lane
 *
 * -DNO_DEATH: nobody is killed, which leaves room for a third lane.
 * Mutants, each refuted:
 *   PEND_AFTER_TICKET        pend is stored after the ticket was taken
 *   PEND_NEVER_BACK          pend is never taken back
 *   HEADERS_BEFORE_PEND      the sweep loads headers before pends
 *   PEND_LOADED_TWICE        a pend is compared and then loaded again
 *   G_AFTER_PEND             the sweep loads G after the pends
 *   DOORBELL_BEFORE_NO_PEND  the doorbell is rung before pend is taken back: with one message each, since others find the next ticket
 *   NEXT_BUT_ONE             the ticket next but one is delivered without a sweep, too
 *   NO_PROOF                 a pend that holds the sweep up is taken back without the lane's byte
 */
#ifndef LANES
#define LANES 2
#endif
#ifndef N
#define N 2        /* messages of each */
#endif
#define SLOTS (N + 2)
#define NO_PEND 100

byte G = 1;
byte pend[LANES];
byte header[LANES * SLOTS]; /* the ticket, 0 absent */
bit held[LANES];            /* the lane's byte */
bit killed;
bit word, queued;
byte delivered, committed;

#define HEADER(lane, k) header[(lane) * SLOTS + (k)]

/* Sends until the lane has `upTo` messages. */
inline send(upTo) {
    do
    :: k < upTo ->
#ifdef PEND_AFTER_TICKET
        d_step { t = G; G++ }
        pend[me] = t;
#else
        t = G;
        pend[me] = t;
        d_step { t = G; G++ }
#endif
        d_step { HEADER(me, k) = t; committed++ }
#ifdef DOORBELL_BEFORE_NO_PEND
        ring();
        pend[me] = NO_PEND;
#else
#ifndef PEND_NEVER_BACK
        pend[me] = NO_PEND;
#endif
        ring();
#endif
        k++
    :: else -> break
    od
}

inline ring() { if :: word -> d_step { word = 0; queued = 0 } :: else -> skip fi }

proctype Producer(byte me) {
    byte k, t;
    { send(N) } unless { me == 0 && killed }
    held[me] = 0
}

/* Takes the dead one's lane over and sends one more. */
proctype Successor() {
    byte me, k, t, last;
end:
    (killed);
    if :: d_step { !held[0] -> held[0] = 1 } :: goto none fi;
    d_step { do :: HEADER(0, k) != 0 -> k++ :: else -> break od } /* the walk */
    pend[0] = NO_PEND;
    last = k + 1;
    send(last);
    held[0] = 0;
none:
    skip
}

proctype Killer() { if :: killed = 1 :: skip fi }

/* One sweep: delivers what is below W. `came` says whether anything was. */
inline sweep() {
    d_step { came = 0; w = NO_PEND }
    i = 0;
    do
    :: i < LANES ->
        /* Each header is loaded by itself; behind one that is delivered all are looked at anew. */
        d_step {
            if
            :: last != 0 && (HEADER(i, at[i]) == last + 1
#ifdef NEXT_BUT_ONE
                || HEADER(i, at[i]) == last + 2
#endif
                ) ->
                assert(HEADER(i, at[i]) > last);
                last = HEADER(i, at[i]); at[i]++; delivered++; came = 1; i = 0
            :: else -> i++
            fi
        }
    :: else -> break
    od;
#ifndef G_AFTER_PEND
    w = G;
#endif
#ifdef HEADERS_BEFORE_PEND
    d_step { i = 0; do :: i < LANES -> seen[i] = HEADER(i, at[i]); i++ :: else -> break od }
#endif
    i = 0;
    do
    :: i < LANES ->
#ifdef PEND_LOADED_TWICE
        if :: pend[i] < w -> w = pend[i] :: else -> skip fi;
#else
        d_step { if :: pend[i] < w -> w = pend[i] :: else -> skip fi }
#endif
        i++
    :: else -> break
    od;
#ifdef G_AFTER_PEND
    skip;
    d_step { if :: G < w -> w = G :: else -> skip fi }
#endif
    /* Merge. Each header is loaded by itself. */
    do
    :: true ->
        d_step { i = 0; best = LANES; least = w }
        do
        :: i < LANES ->
#ifdef HEADERS_BEFORE_PEND
            d_step { t = seen[i]; if :: t != 0 && t < least -> least = t; best = i :: else -> skip fi; t = 0; i++ }
#else
            d_step { t = HEADER(i, at[i]); if :: t != 0 && t < least -> least = t; best = i :: else -> skip fi; t = 0; i++ }
#endif
        :: else -> break
        od;
        if
        :: best == LANES -> break
        :: else ->
            d_step {
                assert(least > last);
                last = least; at[best]++; delivered++; came = 1;
#ifdef HEADERS_BEFORE_PEND
                seen[best] = 0;
#endif
                least = 0
            }
        fi
    od;
    skip;
    d_step { i = 0; w = 0; best = 0; least = 0 }
}

/* Under the lane's byte, which is the proof of death. */
inline releaseDead() {
    if
    :: d_step { !held[0] && pend[0] != NO_PEND -> held[0] = 1 }
        pend[0] = NO_PEND;
        held[0] = 0
    :: else -> skip
    fi
}

proctype Consumer() {
    byte at[LANES], i, w, t, best, least, last;
#ifdef HEADERS_BEFORE_PEND
    byte seen[LANES];
#endif
    bit came, sliced;
    do
    :: true ->
        sweep();
#ifdef NO_PROOF
        if :: !came -> pend[0] = NO_PEND :: skip fi;
#endif
        if
        :: came -> skip
        :: else ->
            word = 1;
            sweep();
            if
            :: came -> word = 0
            :: else ->
                queued = word;
                if
                :: !queued -> word = 0
                :: timeout ->
                    if
                    :: killed && !sliced -> word = 0; sliced = 1; queued = 0; releaseDead() /* the slice ends */
                    :: else -> break
                    fi
                fi
            fi
        fi
    od;
    assert(delivered == committed)
}

init {
    atomic {
        byte i = 0;
        do :: i < LANES -> pend[i] = NO_PEND; held[i] = 1; i++ :: else -> break od;
        i = 0;
        do :: i < LANES -> run Producer(i); i++ :: else -> break od;
#ifndef NO_DEATH
        run Killer(); run Successor();
#endif
        run Consumer()
    }
}

/* Total order over several lanes: tickets, the ticket floors, the consumer's sweep, the doorbell, and a producer that dies.
 *
 * Code: LaneWriter.publishInTotalOrder, ProducerCore.init, LaneMerger.sweep, .makeReady, .wait and .clearDeadFloors.
 * (The code leaves a sweep out where no lane has a record at its head: there is nothing that it could deliver.)
 * Edges: ticket, ticket-floor, record-visible, doorbell. G is the ring's ticket counter.
 *
 * Lanes with one producer each; producer 0 may be killed at every step, and has a successor then. A message is its ticket. Stores and loads
 * happen in program order: the orders that a weaker processor needs (floor released, the ticket acq_rel) are not this
 * model's matter; the trial models in C11 were.
 *
 * Sweep: G first, then every floor, W their minimum; only then the headers; everything below W is visible and final.
 * Before a sweep: a header with the ticket behind the last delivered one is delivered at once, whatever G and the floors are. All smaller tickets
 * were delivered or never will be, as they were when the last one was delivered, and none lies between.
 * (The code finds several of those in one lane at once, a run, and delivers them one after the other. That is the same: nothing that a producer does
 * changes what was found, and a run that is broken off goes on before anything else is delivered.)
 *
 * A lane whose producer is dead and whose floor holds the sweep up: the consumer takes its byte, clears its floor, gives the
 * byte back, and begins anew. That happens at the end of a check interval; one passes here only when a producer was killed.
 *
 * Promises:
 *   - tickets are delivered in growing order, over all lanes
 *   - when nothing moves any more, every message that was committed is delivered, and so is every one behind a dead lane
 *
 * -DNO_DEATH: no process is killed, which leaves room for a third lane.
 * Mutants, each refuted:
 *   FLOOR_AFTER_TICKET        the floor is stored after the ticket was taken
 *   FLOOR_NEVER_CLEARED          the floor is never cleared
 *   HEADERS_BEFORE_FLOOR      the sweep loads headers before floors
 *   FLOOR_LOADED_TWICE        a floor is compared and then loaded again
 *   G_AFTER_FLOOR             the sweep loads G after the floors
 *   DOORBELL_BEFORE_NO_FLOOR  the doorbell is rung before the floor is cleared: with one message each, since others find the next ticket
 *   NEXT_BUT_ONE             the ticket next but one is delivered without a sweep, too
 *   NO_PROOF                 a floor that holds the sweep up is cleared without the lane's byte
 */
#ifndef LANES
#define LANES 2
#endif
#ifndef N
#define N 2        /* messages of each */
#endif
#define SLOTS (N + 2)
#define NO_FLOOR 100

byte G = 1;
byte floor[LANES];
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
#ifdef FLOOR_AFTER_TICKET
        d_step { t = G; G++ }
        floor[me] = t;
#else
        t = G;
        floor[me] = t;
        d_step { t = G; G++ }
#endif
        d_step { HEADER(me, k) = t; committed++ }
#ifdef DOORBELL_BEFORE_NO_FLOOR
        ring();
        floor[me] = NO_FLOOR;
#else
#ifndef FLOOR_NEVER_CLEARED
        floor[me] = NO_FLOOR;
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
    floor[0] = NO_FLOOR;
    last = k + 1;
    send(last);
    held[0] = 0;
none:
    skip
}

proctype Killer() { if :: killed = 1 :: skip fi }

/* One sweep: delivers what is below W. `came` says whether anything was. */
inline sweep() {
    d_step { came = 0; w = NO_FLOOR }
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
#ifndef G_AFTER_FLOOR
    w = G;
#endif
#ifdef HEADERS_BEFORE_FLOOR
    d_step { i = 0; do :: i < LANES -> seen[i] = HEADER(i, at[i]); i++ :: else -> break od }
#endif
    i = 0;
    do
    :: i < LANES ->
#ifdef FLOOR_LOADED_TWICE
        if :: floor[i] < w -> w = floor[i] :: else -> skip fi;
#else
        d_step { if :: floor[i] < w -> w = floor[i] :: else -> skip fi }
#endif
        i++
    :: else -> break
    od;
#ifdef G_AFTER_FLOOR
    skip;
    d_step { if :: G < w -> w = G :: else -> skip fi }
#endif
    /* Merge. Each header is loaded by itself. */
    do
    :: true ->
        d_step { i = 0; best = LANES; least = w }
        do
        :: i < LANES ->
#ifdef HEADERS_BEFORE_FLOOR
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
#ifdef HEADERS_BEFORE_FLOOR
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
    :: d_step { !held[0] && floor[0] != NO_FLOOR -> held[0] = 1 }
        floor[0] = NO_FLOOR;
        held[0] = 0
    :: else -> skip
    fi
}

proctype Consumer() {
    byte at[LANES], i, w, t, best, least, last;
#ifdef HEADERS_BEFORE_FLOOR
    byte seen[LANES];
#endif
    bit came, checked;
    do
    :: true ->
        sweep();
#ifdef NO_PROOF
        if :: !came -> floor[0] = NO_FLOOR :: skip fi;
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
                    :: killed && !checked -> word = 0; checked = 1; queued = 0; releaseDead() /* the check interval ends */
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
        do :: i < LANES -> floor[i] = NO_FLOOR; held[i] = 1; i++ :: else -> break od;
        i = 0;
        do :: i < LANES -> run Producer(i); i++ :: else -> break od;
#ifndef NO_DEATH
        run Killer(); run Successor();
#endif
        run Consumer()
    }
}

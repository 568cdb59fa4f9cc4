/* A lane that comes into use while the merging consumer works, sleeps, or sweeps for the smallest ticket.
 *
 * Code: ProducerCore.init, LaneMerger.findNewLanes, .isAnyLaneNew, .sweep, Sleeper.wait.
 * Edges: lane-in-use; doorbell, ticket and ticket-floor as single steps, since doorbell.pml and total.pml are about those.
 *
 * Each producer has a lane of its own, sets the lane's bit, and sends one message. The consumer polls only the lanes whose bits it has seen. It
 * loads the bitmap in each round, and again after it has stored its doorbell. Then it sleeps until it is woken.
 *
 * Promise: every message is received; the consumer does not sleep while one stands there.
 * -DTOTAL: messages carry tickets. The consumer loads the counter, then the bitmap, then the floors, then the headers, and receives what is below
 * the least of counter and floors. Promise: tickets come in order.
 *
 * Mutants, each refuted:
 *   BIT_AFTER_WAKE        the lane's bit is set after the message was committed and the consumer woken
 *   NO_BITMAP_RECHECK     the bitmap is not loaded again after the doorbell was stored
 *   BITMAP_BEFORE_COUNTER (TOTAL) the bitmap is loaded before the counter
 *   BIT_AFTER_FLOOR       (TOTAL) the lane's bit is set after its floor and its ticket
 */
#ifndef LANES
#define LANES 2
#endif
#define NO_FLOOR 99

bit isInUse[LANES];
bit isThere[LANES];  /* the header is visible */
byte ticket[LANES];
byte floor[LANES];
byte counter;
bit doorbell;
byte received;

proctype Producer(byte lane) {
    byte low;
#if !defined(BIT_AFTER_WAKE) && !defined(BIT_AFTER_FLOOR)
    isInUse[lane] = 1;
#endif
#ifdef TOTAL
    low = counter;
    floor[lane] = low;
    atomic { ticket[lane] = counter; counter++ }
#endif
#ifdef BIT_AFTER_FLOOR
    isInUse[lane] = 1;
#endif
    isThere[lane] = 1;
#ifdef TOTAL
    floor[lane] = NO_FLOOR;
#endif
    d_step { doorbell = 0; low = 0 } /* a wake, if it is asleep */
#ifdef BIT_AFTER_WAKE
    isInUse[lane] = 1
#endif
}

/* LaneMerger.findNewLanes: one load of the bitmap. */
inline findNewLanes() {
    d_step {
        lane = 0;
        do
        :: lane == LANES -> break
        :: else -> isKnown[lane] = isKnown[lane] || isInUse[lane]; lane++
        od;
        lane = 0
    }
}

/* Receives what may be received. */
inline round() {
    found = 0;
#ifdef TOTAL
#ifdef BITMAP_BEFORE_COUNTER
    findNewLanes();
    w = counter;
#else
    w = counter;
    findNewLanes();
#endif
    lane = 0;
    do
    :: lane == LANES -> break
    :: else -> d_step { if :: isKnown[lane] && floor[lane] < w -> w = floor[lane] :: else -> skip fi; lane++ } /* one load */
    od;
    lane = 0;
    do
    :: lane == LANES -> break
    :: else -> d_step { if :: isKnown[lane] -> sees[lane] = isThere[lane] && !got[lane] && ticket[lane] < w :: else -> skip fi; lane++ }
    od;
    skip;
    /* The smallest first. */
    d_step {
        lane = 0; first = LANES;
        do
        :: lane == LANES -> break
        :: else ->
            if
            :: sees[lane] && (first == LANES || ticket[lane] < ticket[first]) -> first = lane
            :: else -> skip
            fi;
            lane++
        od;
        if
        :: first < LANES -> assert(ticket[first] == received); got[first] = 1; received++; found = 1
        :: else -> skip
        fi;
        lane = 0;
        do :: lane == LANES -> break :: else -> sees[lane] = 0; lane++ od;
        lane = 0; first = 0; w = 0
    }
#else
    findNewLanes();
    poll()
#endif
}

inline poll() {
    lane = 0;
    do
    :: lane == LANES -> break
    :: else ->
        d_step {
            if :: isKnown[lane] && isThere[lane] && !got[lane] -> got[lane] = 1; received++; found = 1 :: else -> skip fi;
            lane++
        }
    od;
    lane = 0
}

active proctype Consumer() {
    bit isKnown[LANES], got[LANES], sees[LANES], found;
    byte lane, w, first;

    d_step { lane = 0; do :: lane == LANES -> break :: else -> floor[lane] = NO_FLOOR; lane++ od; lane = 0 }
    run Producer(0); run Producer(1);
#if LANES > 2
    run Producer(2);
#endif
    do
    :: received == LANES -> break
    :: else ->
        round();
        if
        :: found -> skip
        :: else ->
            doorbell = 1;
            /* After the barrier. In a total order, a record is enough to sweep again. */
#ifndef NO_BITMAP_RECHECK
            findNewLanes();
#endif
            d_step {
                lane = 0;
                do :: lane == LANES -> break :: else -> if :: isKnown[lane] && isThere[lane] && !got[lane] -> found = 1 :: else -> skip fi; lane++ od;
                lane = 0
            }
            if
            :: found -> doorbell = 0
            :: else -> doorbell == 0
            fi
        fi
    od
}

/* Streams of replies: the lane of one slot, through which a server sends the parts of its reply; clients one after another and servers one after another,
 * with death at every step, a stop at every moment, and the slot used again.
 *
 * For: Call/Streams/StreamSender.swift and Call/Streams/StreamReceiver.swift. The call itself (request, claim, reply) is call.pml's matter and steps here as there.
 * The lane's words:
 *   tail     how many parts were sent: the server that has started the call, release, after the part
 *   head     how many of them were acknowledged: the client, release, after it has read them
 *   stop     n of the call whose stream the client wants no more of
 * The client resets tail and head while the slot is quiet, before it stores the request. Then no server writes the lane: the one that had started the last call has
 * answered it, or is gone. So the lane's words need no number of their call, but for the stop.
 *
 * The end of a stream is the call's reply: the server stores it after the last tail. A client that finds the reply looks at the tail once more.
 * A server that waits for room looks at three things: head, stop, and whether the client's byte is free. A successor of the client may have
 * taken the byte: so it stores the stop first of all, if it finds the last call open.
 *
 * NC clients, CALLS calls each; all but the last may be killed at every step; each may stop at every moment. NS servers; all but the last may be killed at every step. Up to P
 * parts a call, room for CAP. A part is two cells, written and read one by one, and looked at again at the end of its use.
 *
 * Promises:
 *   - each part that a client takes is whole, of its call, the next one, and does not change while it is used
 *   - a client that was not stopped takes all parts that were sent: before a reply, and before "unknown"
 *   - a server that waits for room goes on, whatever happens to the client; with a server that lives, each slot gets quiet again
 *
 * Mutants, each refuted:
 *   NO_RESET           the lane is not reset
 *   RESET_LATE         ... or after the request was stored
 *   RESET_OPEN         ... or before the last call was settled
 *   TAIL_FIRST         the tail before the part
 *   END_FIRST          the reply before the last tail
 *   NO_REPOLL          the tail is not looked at again once the reply was found
 *   DEATH_DROPS        parts of a dead server are not taken
 *   NO_ROOM            the server does not look at the head
 *   HEAD_FIRST         the head before the part was read
 *   HEAD_LAZY          the head is not stored before the client waits
 *   NO_STOP            a client that gives the call up does not say so
 *   NO_DEATH_CHECK     a server that waits for room does not look whether its client lives
 *   SUCCESSOR_SILENT   a client that finds the last call open does not stop it
 *   STOP_KEPT          a stop without a number, that is never reset
 */
#ifndef NC
#define NC 2
#endif
#ifndef CALLS
#define CALLS 2
#endif
#ifndef NS
#define NS 2
#endif
#ifndef P
#define P 3
#endif
#ifndef CAP
#define CAP 2
#endif
#define WITHDRAWN 0
#define CALLS_AT_ALL (NC * CALLS + 1)

byte request, reply, claim, claimBy;
byte tail, head, stop;
byte low[CAP], high[CAP];
bit clientByte, serverByte;
byte epoch;
byte nextClient = 1, nextServer = 1;
bit kill[NC + 1], killServer[NS + 1];

/* Ghosts, by call. */
byte committed[CALLS_AT_ALL];
#ifdef NO_RESET
#define RESETS skip
#else
#define RESETS tail = 0; head = 0
#endif
#define VALUE(n, k) ((n) * 16 + (k))
#ifdef STOP_KEPT
#define STOPPED (stop != 0)
#else
#define STOPPED (stop == r)
#endif

/* MARK: Server */

#ifdef NO_DEATH_CHECK
#define CLIENT_GONE 0
#else
#define CLIENT_GONE (!clientByte)
#endif

#ifdef NO_ROOM
#define ROOM 1
#else
#define ROOM (t - head < CAP)
#endif

proctype Server(byte me) {
    byte r, t;
end1:
    atomic { !serverByte && nextServer == me -> serverByte = 1; nextServer++ }
    {
        epoch = me;
end2:
        do
        :: request == claim + 1 ->
            atomic {
                if
                :: request == claim + 1 -> claim = claim + 1; claimBy = me; r = claim
                :: else -> goto idle
                fi
            }
            t = 0;
            do
            :: t < P && !STOPPED ->
                (ROOM || STOPPED || CLIENT_GONE); /* asleep */
                if
                :: ROOM -> skip
                :: !ROOM -> break
                fi;
#ifdef TAIL_FIRST
                tail = t + 1;
#endif
                low[t % CAP] = VALUE(r, t);
                high[t % CAP] = VALUE(r, t);
#ifdef END_FIRST
                if
                :: t + 1 == P -> reply = r
                :: else -> skip
                fi;
#endif
#ifndef TAIL_FIRST
                d_step { tail = t + 1; committed[r] = t + 1; t++ }
#else
                d_step { committed[r] = t + 1; t++ }
#endif
            :: STOPPED -> assert(stop == r); break
            :: break
            od;
#ifdef END_FIRST
            if :: reply != r -> reply = r :: else -> skip fi;
#else
            reply = r;
#endif
idle:       skip;
            d_step { r = 0; t = 0 }
        :: me < NS -> break /* closes: nothing is under way */
        od
    } unless { me < NS && killServer[me] };
    atomic { serverByte = 0; r = 0; t = 0 }
}

/* MARK: Client */

#define GONE(e) (epoch != (e) || !serverByte)

/* The last call of the slot, a predecessor's or one that was given up, is settled before the next one. */
inline settle() {
    do
    :: reply == n -> break
    :: reply != n ->
        d_step { c = claim; by = claimBy }
        if
        :: c == n && by == WITHDRAWN -> reply = n; break
        :: c == n && by != WITHDRAWN ->
            gone = GONE(by);
            if
            :: gone ->
                if :: reply == n -> skip :: else -> reply = n fi;
                break
            :: !gone ->
#ifndef SUCCESSOR_SILENT
                if :: !given -> stop = n; given = 1 :: else -> skip fi;
#endif
                (reply == n || GONE(by))
            fi
        :: c != n ->
            atomic { if :: claim == c -> claim = n; claimBy = WITHDRAWN :: else -> skip fi }
        fi
    od;
    skip;
    d_step { gone = 0; c = 0; by = 0; given = 0 }
}

/* One part, if there is one. */
inline take() {
    assert(low[h % CAP] == VALUE(n, h));
#ifdef HEAD_FIRST
    head = h + 1;
#endif
    assert(high[h % CAP] == VALUE(n, h));
    assert(low[h % CAP] == VALUE(n, h)); /* the view ends */
    h++;
    if
    :: head = h
    :: skip /* later, with others */
    fi
}

proctype Client(byte me) {
    byte n, k, h, c, by;
    bit gone, given, over;
    if
    :: me > 1 -> goto absent /* no successor comes */
    :: true
    fi;
end1:
    atomic { !clientByte && nextClient == me -> clientByte = 1; nextClient++ }
    {
        n = request; /* where the one before left it */
        do
        :: k < CALLS ->
            k++;
#ifdef RESET_OPEN
            RESETS;
#endif
            settle();
            n = n + 1;
            h = 0;
#if !defined(RESET_LATE) && !defined(RESET_OPEN)
            RESETS;
#endif
            request = n;
#ifdef RESET_LATE
            RESETS;
#endif
            over = 0;
            do
            :: tail != h -> take()
            :: tail == h ->
#ifndef HEAD_LAZY
                if :: head != h -> head = h :: else -> skip fi;
#endif
                if
                :: reply == n ->
#ifndef NO_REPOLL
                    if
                    :: tail != h -> skip
                    :: tail == h -> break
                    fi
#else
                    break
#endif
                :: reply != n && over == 1 -> assert(false)
                :: reply != n && over == 0 ->
                    d_step { c = claim; by = claimBy }
                    if
                    :: c == n && by != WITHDRAWN ->
                        gone = GONE(by);
                        if
                        :: gone ->
                            if
                            :: reply == n -> skip
                            :: reply != n -> reply = n; over = 1 /* unknown, once the last parts were taken */
                            fi;
#ifdef DEATH_DROPS
                            break
#endif
                        :: !gone -> (reply == n || tail != h || GONE(by)) /* asleep */
                        fi
                    :: else -> (reply == n || claim != c)
                    fi
                fi
            :: /* given up: withdrawn, or stopped */
                given = 1;
                atomic { if :: claim == n - 1 -> claim = n; claimBy = WITHDRAWN; c = 1 :: else -> c = 0 fi }
                if
                :: c == 1 -> reply = n
                :: c == 0 ->
#ifndef NO_STOP
                    stop = n
#else
                    skip
#endif
                fi;
                break
            od;
            if
            :: given == 0 -> assert(h == committed[n])
            :: else -> skip
            fi;
            skip;
            d_step { given = 0; gone = 0; c = 0; by = 0; h = 0; over = 0 }
        :: k == CALLS -> break
        od;
        if
        :: settle() /* as another call would begin */
        :: true ->
end2:       false /* never calls again, and lives */
        fi
    } unless { me < NC && kill[me] };
    atomic { clientByte = 0; d_step { n = 0; k = 0; h = 0; c = 0; by = 0; gone = 0; given = 0; over = 0 } }
absent: skip
}

#if NC > 1
active proctype ClientKiller() { end: atomic { nextClient > 1 -> kill[1] = 1 } }
#endif
#if NS > 1
active proctype ServerKiller() { end: atomic { nextServer > 1 -> killServer[1] = 1 } }
#endif
#if NS > 2
active proctype ServerKiller2() { end: atomic { nextServer > 2 -> killServer[2] = 1 } }
#endif

init {
    atomic {
        byte i = 1;
        do :: i <= NC -> run Client(i); i++ :: else -> break od;
        i = 1; do :: i <= NS -> run Server(i); i++ :: else -> break od
    }
}

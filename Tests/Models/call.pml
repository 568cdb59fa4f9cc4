/* Call: one client slot, its clients one after another, and servers one after another (or several at once), with death at every step,
 * timeouts at every step, and the slot used again.
 *
 * For: Call/ClientSlot.swift and Call/ServerCore.swift. Words of the slot, each with one writer but for the claim:
 *   request  n           the client, release, after the request's payload
 *   claim    n and how   moved from n-1 to n exactly once, by compare-and-swap: by a server (started, and by whom) or by the client (withdrawn)
 *   reply    n           who settles n: the server that started it, release, after the reply's payload; or the client, after it withdrew n, or after it
 *                        found that the starter is gone (its byte free, or another epoch, looked at after the claim was loaded) and no reply there
 * Who moves the claim decides: a request that was withdrawn is never executed, one that was started is executed at most once, and the areas belong to
 * whom these words say. No full barrier is needed but what a compare-and-swap has; so this model steps through program order. (Who wakes whom is
 * eventcount.pml's and doorbell.pml's matter.)
 *
 * A slot is quiet when the reply has the request's number. Only then the client writes the request area, and n+1. So a reply is never more than one behind, and
 * no old one can be taken for a new one, however often the numbers have wrapped.
 *
 * NC clients take the slot one after another; each makes CALLS calls; each call may be given up at every moment; all but the last may be killed at every step.
 * NS servers; all but the last may be killed at every step, or close. Payloads are two cells, read and written one by one, and looked at again at the end of their use.
 * Sequences are taken modulo 8 (they start at 6, and wrap).
 *
 * Promises:
 *   - a request is executed at most once; never, if its client was told "withdrawn"
 *   - the payload that a server works on is whole, of that very request, and does not change until it has answered
 *   - the reply that a client takes is whole, of its very call, and does not change until its next call
 *   - "gone, outcome unknown" is told only if no reply is there nor ever comes
 *   - with a server that lives, a call that is not given up is answered, and a slot gets quiet again, whoever was killed before
 *
 * -DONE_AREA: request and reply use the same bytes in turn; the server copies the request first.
 * -DTOGETHER: the servers are there at the same time, and share the work; each has a byte of its own.
 * Mutants, each refuted:
 *   DRAFT              the draft: `started` is a plain store, "server dead" makes a slot quiet, nothing is withdrawn
 *   NO_CLAIM           a server relies on what it served itself, and on the reply
 *   CLAIM_LATE         ... or claims after it has executed
 *   CLAIM_STORED       the claim is loaded and stored, not compared and swapped
 *   CLAIM_ANY          a server claims whatever is not claimed already, not only what follows the last claim
 *   WITHDRAW_STORED    the client withdraws with a plain store
 *   NO_QUIET           the next call does not wait for the last one
 *   GONE_FIRST         whether the starter is gone is asked before the claim is loaded
 *   NO_REPOLL          ... and the reply is not looked at again
 *   RESETS             a new client begins with the sequence 1
 *   REQUEST_FIRST, REPLY_FIRST   the word before the payload
 *   UNLOCK_FIRST       a server that closes gives its byte back before it has answered
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
#define MOD 8
#define FIRST 6
#define NEXT(n) (((n) + 1) % MOD)

#define WITHDRAWN 0 /* instead of a server's number */

byte request = FIRST, reply = FIRST;
byte claim = FIRST, claimBy;
byte req[2], rep[2];
#ifdef ONE_AREA
#define REP req
#else
#define REP rep
#endif
bit clientByte;
bit serverByte[NS + 1];
bit busy;             /* the one server's byte */
byte epoch;           /* which server it is */
byte nextClient = 1, nextServer = 1;
bit kill[NC + 1], killServer[NS + 1];

/* Ghosts, by sequence. */
bit executed[MOD];
bit withdrawn[MOD];
bit unknown[MOD];
bit over[MOD];        /* this sequence was used up: the model must not wrap around fully */

/* MARK: Server */

#ifdef NO_CLAIM
#define PENDING (request != served)
#elif defined(DRAFT) || defined(CLAIM_ANY)
#define PENDING (request != claim && reply != request)
#else
#define PENDING (request == NEXT(claim))
#endif

#define DONE 100 /* what tells a reply's payload from a request's */

inline answer() {
    d_step {
        assert(!unknown[r] && !withdrawn[r]);
#if !defined(NO_QUIET) && !defined(RESETS) && !defined(NO_CLAIM) && !defined(CLAIM_LATE) && !defined(CLAIM_STORED)
        assert(NEXT(reply) == r);
#endif
        reply = r
    }
}

proctype Server(byte me) {
    byte r, c, by;
#ifdef NO_CLAIM
    byte served = FIRST;
#endif
end1:
#ifdef TOGETHER
    serverByte[me] = 1;
#else
    atomic { !busy && nextServer == me -> busy = 1; nextServer++; serverByte[me] = 1 }
#endif
    {
#ifndef TOGETHER
        epoch = me;
#endif
#ifdef NO_CLAIM
        served = reply;
#endif
end2:
        do
        :: PENDING ->
            r = request;
#ifdef NO_CLAIM
            if :: r == served -> goto idle :: else -> skip fi;
#else
            d_step { c = claim; by = claimBy }
#if defined(DRAFT) || defined(CLAIM_ANY)
            if :: r == c || reply == r -> goto idle :: else -> skip fi;
#else
            if :: r != NEXT(c) -> goto idle :: else -> skip fi;
#endif
#ifndef CLAIM_LATE
#if defined(DRAFT) || defined(CLAIM_STORED)
            d_step { claim = r; claimBy = me }
#else
            atomic {
                if
                :: claim == c && claimBy == by -> claim = r; claimBy = me
                :: else -> goto idle
                fi
            }
#endif
#endif
#endif
            /* In place, or a copy. */
            assert(req[0] == r);
            assert(req[1] == r);
            d_step { assert(!executed[r]); assert(!withdrawn[r]); executed[r] = 1 }
            assert(req[0] == r);
            assert(req[1] == r);
#ifdef REPLY_FIRST
            answer();
            REP[0] = r + DONE;
            REP[1] = r + DONE;
#else
            REP[0] = r + DONE;
            REP[1] = r + DONE;
            answer();
#endif
#ifdef CLAIM_LATE
            d_step { claim = r; claimBy = me }
#endif
#ifdef NO_CLAIM
            served = r;
#endif
idle:       skip;
            d_step { r = 0; c = 0; by = 0 }
        :: me < NS -> break /* closes: nothing is under way */
#ifdef UNLOCK_FIRST
        :: me < NS && request == NEXT(claim) ->
            atomic { claim = NEXT(claim); claimBy = me; r = claim }
            serverByte[me] = 0;
            assert(req[0] == r);
            REP[0] = r + DONE; REP[1] = r + DONE;
            answer();
            break
#endif
        od
    } unless { me < NS && killServer[me] };
    atomic {
        serverByte[me] = 0;
#ifndef TOGETHER
        busy = 0;
#endif
        r = 0; c = 0; by = 0
    }
}

/* MARK: Client */

#ifdef TOGETHER
#define GONE(e) (!serverByte[e])
#else
#define GONE(e) (epoch != (e) || !serverByte[e])
#endif

/* Waits until n is settled, or (if it may) gives up. `how`: 1 replied, 2 withdrawn, 3 unknown, 0 given up. */
inline settle(mayGiveUp) {
    how = 0;
    do
    :: reply == n -> how = 1; break
    :: reply != n ->
#ifdef GONE_FIRST
        gone = GONE(claimBy);
#endif
        d_step { c = claim; by = claimBy }
        if
#ifdef DRAFT
        :: mayGiveUp -> break
        :: !mayGiveUp -> (reply == n || !busy); if :: reply == n -> how = 1 :: else -> how = 3 fi; break
#else
        :: c == n && by == WITHDRAWN -> how = 2; break
        :: c == n && by != WITHDRAWN ->
#ifndef GONE_FIRST
            gone = GONE(by);
#endif
            if
            :: gone ->
#ifndef NO_REPOLL
                if :: reply == n -> how = 1 :: else -> how = 3 fi;
#else
                how = 3;
#endif
                break
            :: !gone && mayGiveUp -> break
            :: !gone -> (reply == n || GONE(by)) /* asleep */
            fi
        :: c != n ->
            if
            :: !mayGiveUp || given ->
                /* Withdraw it: to use the slot again, or because this call is given up. */
#ifdef WITHDRAW_STORED
                d_step { claim = n; claimBy = WITHDRAWN }
                how = 2; break
#else
                atomic { if :: claim == c && claimBy == by -> claim = n; claimBy = WITHDRAWN; how = 2 :: else -> skip fi }
                if :: how == 2 -> break :: else -> skip fi
#endif
            :: mayGiveUp && !given -> if :: given = 1 :: (reply == n || claim != c) fi
            fi
#endif
        fi
    od;
    skip;
    d_step {
        gone = 0; c = 0; by = 0; given = 0;
        if
        :: how == 2 -> assert(!executed[n]); withdrawn[n] = 1
#ifdef DRAFT
        :: how == 3 -> skip
#else
        :: how == 3 -> assert(reply != n); unknown[n] = 1
#endif
        :: else -> skip
        fi
    }
#ifndef DRAFT
    if :: how == 2 || how == 3 -> reply = n :: else -> skip fi /* settled: for one's next call, and for a successor */
#endif
}

inline post() {
    d_step {
#ifndef RESETS
        assert(!over[n]); over[n] = 1; /* the model's bound */
#endif
        request = n
    }
}

proctype Client(byte me) {
    byte n, k, how, c, by;
    bit gone, given;
end1:
    atomic { !clientByte && nextClient == me -> clientByte = 1; nextClient++ }
    {
        n = request; /* where the one before left it */
#ifdef RESETS
        if :: me > 1 -> n = FIRST :: else -> skip fi;
#endif
        do
        :: k < CALLS ->
            k++;
#ifdef NO_QUIET
            skip;
#elif defined(RESETS)
            if :: k > 1 -> settle(false) :: else -> skip fi;
#else
            settle(false);
#endif
            n = NEXT(n);
#ifdef REQUEST_FIRST
            post();
            req[0] = n;
            req[1] = n;
#else
            req[0] = n;
            req[1] = n;
            post();
#endif
            settle(true);
            if
            :: how == 1 ->
                assert(REP[0] == n + DONE);
                assert(REP[1] == n + DONE);
                assert(REP[0] == n + DONE) /* the view ends */
            :: else -> skip
            fi;
            how = 0
        :: k == CALLS -> break
        od
    } unless { me < NC && kill[me] };
    atomic { clientByte = 0; d_step { n = 0; k = 0; how = 0; c = 0; by = 0; gone = 0; given = 0 } }
}

#if NC > 1
active proctype ClientKiller() { end: atomic { nextClient > 1 -> kill[1] = 1 } }
#endif
#if NC > 2
active proctype ClientKiller2() { end: atomic { nextClient > 2 -> kill[2] = 1 } }
#endif
#if NS > 1
active proctype ServerKiller() { end: atomic { serverByte[1] == 1 -> killServer[1] = 1 } }
#endif
#if NS > 2
active proctype ServerKiller2() { end: atomic { serverByte[2] == 1 -> killServer[2] = 1 } }
#endif

init {
    atomic {
        byte i = 1;
        req[0] = FIRST; req[1] = FIRST; rep[0] = FIRST; rep[1] = FIRST;
        do :: i <= NC -> run Client(i); i++ :: else -> break od;
        i = 1; do :: i <= NS -> run Server(i); i++ :: else -> break od
    }
}

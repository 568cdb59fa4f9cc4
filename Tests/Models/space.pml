/* Waiting for room and waiting for messages at the same time, with batches and an acknowledgement that lags.
 *
 * Code: LaneWriter.makeRoom, Batch.waitForRoom, ProducerCore.waitForRoom, LaneReader.finish, .publish, .storeHead, ConsumerCore.settle,
 * ConsumerCore.wait, Sleeper.wait.
 * Edges: space-given, space-doorbell, record-visible, doorbell.
 *
 * The producer appends messages of different sizes to a batch, and flushes it when it likes. The consumer publishes its
 * head when the lane is empty and when it lags by LAG. Stores and looks happen in program order (doorbell.pml covers the
 * barriers); no check interval, no deadline.
 *
 * Promise: no deadlock: the producer sends everything, and the consumer receives and acknowledges it.
 *
 * -DMANUAL: the consumer acknowledges by itself after each message, not in finish.
 * Mutants, each refuted:
 *   BATCH_WAITS_UNCOMMITTED   a batch waits for room before its first header is stored
 *   KEEPS_HEAD                the consumer does not publish its head when nothing more is there
 *   DOORBELL_BEFORE_HEAD      it looks at the space doorbell before it stores the head
 *   NO_RECHECK                a sleeper does not look again after it stored its doorbell
 *   NEVER_ACKNOWLEDGES        (misuse of manual acknowledgement) waits for a message with all the space in hand
 */
#ifndef CAP
#define CAP 6
#endif
#ifndef M
#define M 6        /* messages */
#endif
#define LAG 2

byte head;         /* as published */
byte visible;      /* the position after the last committed record */
bit dataBell, spaceBell;
bit consumerQueued, producerQueued;
bit sentAll;

/* One cell is for the terminator and one for the end record. */
#define FITS(need) (position + (need) + 2 <= head + CAP)

inline wakeConsumer() { if :: dataBell -> d_step { dataBell = 0; consumerQueued = 0 } :: else -> skip fi }
inline wakeProducer() { if :: spaceBell -> d_step { spaceBell = 0; producerQueued = 0 } :: else -> skip fi }

inline flush() { if :: visible != position -> visible = position; wakeConsumer() :: else -> skip fi }

proctype Producer() {
    byte position, need, k;
    do
    :: k < M ->
        if :: need = 1 :: need = CAP - 2 fi; /* a small one, or one that fills the lane */
        if
        :: FITS(need) -> skip
        :: else ->
#ifndef BATCH_WAITS_UNCOMMITTED
            flush();
#endif
            do
            :: FITS(need) -> break
            :: else ->
                spaceBell = 1;
#ifndef NO_RECHECK
                if
                :: FITS(need) -> spaceBell = 0
                :: else ->
#endif
                    d_step { producerQueued = spaceBell }
                    (!producerQueued);
                    spaceBell = 0
#ifndef NO_RECHECK
                fi
#endif
            od
        fi;
        position = position + need; k++;
        if :: flush() :: skip fi
    :: else -> break
    od;
    flush();
    sentAll = 1
}

inline publish() {
#ifdef DOORBELL_BEFORE_HEAD
    bit seen = spaceBell;
    head = at;
    if :: seen -> d_step { spaceBell = 0; producerQueued = 0 } :: else -> skip fi
#else
    head = at;
    wakeProducer()
#endif
}

/* Records are stepped over cell by cell: where one begins makes no difference here. */
proctype Consumer() {
    byte at;
    do
    :: at < visible ->
        at++;
#if defined(NEVER_ACKNOWLEDGES)
        skip
#elif defined(MANUAL)
        publish()
#else
        /* LaneReader.finish */
        if
        :: at - head >= LAG -> publish()
        :: else ->
#ifndef KEEPS_HEAD
            if :: at == visible -> publish() :: else -> skip fi
#else
            skip
#endif
        fi
#endif
    :: at == visible ->
#if !defined(KEEPS_HEAD) && !defined(NEVER_ACKNOWLEDGES)
        if :: head != at -> publish() :: else -> skip fi; /* settle */
#endif
        dataBell = 1;
#ifndef NO_RECHECK
        if
        :: at < visible -> dataBell = 0
        :: else ->
#endif
            d_step { consumerQueued = dataBell }
end:        (!consumerQueued); /* asleep for good is right when the producer has sent everything */
            dataBell = 0
#ifndef NO_RECHECK
        fi
#endif
    od
}

proctype Watch() {
    timeout;
    assert(sentAll && head == visible) /* and the consumer sleeps, having received and acknowledged it all */
}

init { atomic { run Producer(); run Consumer(); run Watch() } }

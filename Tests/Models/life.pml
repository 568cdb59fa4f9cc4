/* One name: creating, attaching, removing, with death at every step.
 *
 * Code: RingHandle.openOrCreate, Attachment.take and .attempt, Segment.create, .open, .remove and .unlink, RoleLock,
 * ConsumerRole.removeRing (for ConsumerCore.removeIfUnused and LaneMerger.removeIfUnused).
 *
 * A sender attaches (making the ring if it is not there), sends, and goes. A receiver attaches in the same way, receives,
 * and when there is nothing left removes the ring if it can. A remover removes each file without an attached process. Each may
 * die at every step; its locks go with it.
 *
 * Files are numbered; `name` is the one that the name stands for, 0 none. Byte 0 of a file is the consumer's, byte 1 the
 * producer's; who locks "everything" locks both (and differs from a holder only by the length of the lock).
 *
 * Promises:
 *   - a process that attached is attached to the file of that name, and it stays so until it unlocks (a receiver: until it removed it)
 *   - hence never two files with an attached process
 *   - a receiver that removes has received every message
 *   - "taken" is said only when one of the same role is attached, and nothing else refuses an openOrCreate
 *
 * Mutants, each refuted:
 *   CREATOR_STAYS           a creator that takes its byte without checking the name again
 *   NO_RECHECK              an attacher that does not check the name with the byte in hand
 *   NO_REPOLL               a receiver that does not look again once all bytes are its own
 *   REMOVER_IS_HOLDER       the lock of a remover at work is taken for a holder's
 *   REMOVER_TRUSTS_NAME     a remover that unlinks without comparing the file
 *   KEEPS_ALL               a receiver that finds a message then and goes on with every byte locked
 *   UNLINKED_IS_NOT_FOUND   a file that lost its name between open and fstat refuses the attacher instead of sending it round again
 */
#ifndef FILES
#define FILES 5        /* one more than rings are made */
#endif
#define CONSUMER 0
#define PRODUCER 1

#define FREE 0
#define BYTE 1      /* a lock of one byte */
#define EVERYTHING 2

byte name;
byte next = 1;
byte lock[FILES * 2];
byte sent[FILES];
byte received[FILES];
byte attached[FILES]; /* endpoints that rely on this file */
bit linked[FILES];

#define LOCK(file, role) lock[(file) * 2 + (role)]

/* Attachment.take for one who opened with openOrCreate. Sets `file`; jumps to `gone` on death. */
inline attach(role) {
    skip;
again:
    skip; file = name;                                    /* open */
    if
    :: file == 0 ->
        /* O_TMPFILE, all in place, no name yet */
        if :: d_step { next < FILES -> file = next; next++ } :: next == FILES -> goto gone fi; /* the model's bound */
        if :: goto gone :: skip fi;
        if
        :: atomic { name == 0 -> name = file; linked[file] = 1 } /* linkat; where it can't be used, renameat2(RENAME_NOREPLACE) */
#ifdef CREATOR_STAYS
            atomic { LOCK(file, role) == FREE -> LOCK(file, role) = BYTE };
            goto held
#else
            goto again                               /* the creator attaches like every process */
#endif
        :: name != 0 -> goto again
        fi
    :: else -> skip
    fi;
    if                                               /* fstat: one link */
    :: linked[file] -> skip
    :: !linked[file] ->
#ifdef UNLINKED_IS_NOT_FOUND
        assert(false)
#else
        goto again
#endif
    fi;
    other = name;                                    /* the lock's own open */
    if
    :: other == 0 -> goto again
    :: other != 0 && other != file -> goto again
    :: other == file -> skip
    fi;
    if
    :: atomic { LOCK(other, role) == FREE -> LOCK(other, role) = BYTE }
    :: LOCK(other, role) != FREE ->
        if :: name != file -> goto again :: name == file -> skip fi;
        /* F_OFD_GETLK */
        if
        :: d_step { LOCK(other, role) == FREE -> skip } goto again
#ifdef REMOVER_IS_HOLDER
        :: d_step { LOCK(other, role) != FREE -> assert(LOCK(other, role) == BYTE) } goto gone
#else
        :: LOCK(other, role) == EVERYTHING -> goto again
        :: LOCK(other, role) == BYTE -> goto gone    /* refused: there is one */
#endif
        fi
    fi;
#ifndef NO_RECHECK
    if
    :: name != file -> LOCK(other, role) = FREE; goto again
    :: name == file -> skip
    fi;
#endif
held:
    skip;
    d_step {
        attached[file]++;
        assert(name == file);
        other = 1;
        do
        :: other < FILES -> assert(other == file || attached[other] == 0); other++
        :: else -> break
        od;
        other = 0
    }
}

proctype Sender() {
    byte file, other;
    attach(PRODUCER);
    if
    :: d_step { assert(name == file); sent[file]++ }
    :: skip
    fi;
    /* Closing and dying are the same to the name. */
    assert(name == file);
    d_step { attached[file]--; LOCK(file, PRODUCER) = FREE };
gone:
    skip
}

proctype Receiver() {
    byte file, other;
    bit news;
    attach(CONSUMER);
    do
    :: received[file] < sent[file] -> received[file]++
    :: received[file] == sent[file] -> /* ConsumerRole.removeRing */
        if
        :: d_step { LOCK(file, PRODUCER) == FREE -> LOCK(file, PRODUCER) = EVERYTHING; LOCK(file, CONSUMER) = EVERYTHING }
            if :: break :: skip fi; /* killed */
#ifdef NO_REPOLL
            news = 0;
#else
            news = (received[file] != sent[file]);
#endif
            if
            :: !news && name == file ->
                if :: break :: skip fi;
                d_step {
                    assert(received[file] == sent[file]);
                    name = 0; linked[file] = 0; attached[file]--
                }
                goto removed
            :: news || name != file ->
#ifdef KEEPS_ALL
                skip
#else
                d_step { LOCK(file, PRODUCER) = FREE; LOCK(file, CONSUMER) = BYTE }
#endif
            fi;
            assert(LOCK(file, PRODUCER) != EVERYTHING) /* or no sender could attach while this one goes on */
        :: LOCK(file, PRODUCER) != FREE -> skip /* a process is attached */
        fi
    :: break /* closed, or killed */
    od;
    attached[file]--;
removed:
    skip;
    d_step {
        if :: LOCK(file, PRODUCER) == EVERYTHING -> LOCK(file, PRODUCER) = FREE :: else -> skip fi;
        LOCK(file, CONSUMER) = FREE
    }
gone:
    skip
}

/* Segment.remove: for people that know that no process needs the ring. */
proctype Remover() {
    byte file;
    file = name;
    if :: file == 0 -> goto gone :: else -> skip fi;
    if :: name != file -> goto gone :: name == file -> skip fi; /* the lock's own open */
    if
    :: d_step { LOCK(file, PRODUCER) == FREE && LOCK(file, CONSUMER) == FREE ->
            LOCK(file, PRODUCER) = EVERYTHING; LOCK(file, CONSUMER) = EVERYTHING }
    :: LOCK(file, PRODUCER) != FREE || LOCK(file, CONSUMER) != FREE -> goto gone /* in use */
    fi;
#ifndef REMOVER_TRUSTS_NAME
    if
    :: name != file -> goto unlock
    :: name == file -> skip
    fi;
#endif
    if
    :: d_step { linked[name] = 0; name = 0 }
    :: skip /* killed */
    fi;
unlock:
    skip;
    d_step { LOCK(file, PRODUCER) = FREE; LOCK(file, CONSUMER) = FREE };
gone:
    skip
}

init {
    atomic {
        run Sender(); run Sender(); run Receiver();
#ifdef TWO_RECEIVERS
        run Receiver()
#else
        run Remover()
#endif
    }
}

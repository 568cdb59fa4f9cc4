/* A ring that outlives a restart of the machine: its boot id, its mark, and what the disk knows of both.
 *
 * Code: Attachment.requireFlushed, Segment.flush.
 * Edges: boot-seen.
 *
 * The mark is 1 since a flush; 2 while a process that attached waits for the disk; 0 when the disk knows that it is no longer 1. The machine has
 * memory, which all processes see, and a disk, which has an older state of it: the kernel may write the page back at any moment, a sync does it.
 * Two processes attach beside each other, send, and end or are killed at any step. A third flushes the ring when no process is attached. The
 * machine goes down at any moment, once. Two processes of the next boot attach to what the disk had.
 *
 * Promises:
 *   - no process sends in a ring that lost messages when the machine went down
 *   - no process is refused unless the machine went down while the ring was in use, as far as the disk knows
 *
 * Mutants, each refuted:
 *   ZERO_BEFORE_SYNC  the mark is 0 at once: another process sends before the disk knows
 *   TWO_IS_ENOUGH     a process that finds 2 sends at once: the process that stored 2 was killed before its sync
 *   NO_SYNC           the disk is not asked
 *   MARK_BEFORE_BOOT  the mark is stored before the boot id
 *   BOOT_LOADED_FIRST the boot id is loaded before the mark
 *   FLUSH_MARKS_FIRST a flush stores the mark before its data are on the disk
 */
byte mark = 1, boot = 0;         /* memory */
byte diskMark = 1, diskBoot = 0; /* the disk */
bit isUnsaved;                   /* messages were sent that the disk does not have */
bit isIncomplete;                /* the machine went down while that was so */
bit wasInUse;                    /* the disk did not have 1 then */
byte thisBoot = 1;
byte attached;                   /* role bytes that are held */
bit isLocked;                    /* by a flush: every byte */

inline sync() { d_step { diskMark = mark; diskBoot = boot } }

/* Of a process of an earlier boot, nothing happens any more. */
#define LIVES (thisBoot == mine)
#define KILLED if :: LIVES -> skip :: else -> goto gone fi

proctype Process(byte mine) {
    byte state;
    bit isOfThisBoot;

endWait: /* its boot may never come */
    atomic { thisBoot == mine && !isLocked -> attached++ }
#ifdef BOOT_LOADED_FIRST
    atomic { KILLED; isOfThisBoot = (boot == mine) }
#endif
    atomic { KILLED; state = mark }
#ifndef BOOT_LOADED_FIRST
    atomic { KILLED; isOfThisBoot = (boot == mine) }
#endif
    if
    :: !isOfThisBoot ->
        if
        :: state == 1 -> skip
        :: else -> atomic { KILLED; assert(wasInUse); goto done } /* notFlushed */
        fi;
#ifdef MARK_BEFORE_BOOT
        atomic { KILLED; mark = 2 }
#endif
        atomic { KILLED; boot = mine }
    :: isOfThisBoot && state == 0 -> goto send
#ifdef TWO_IS_ENOUGH
    :: isOfThisBoot && state == 2 -> goto send
    :: isOfThisBoot && state == 1 -> skip
#else
    :: isOfThisBoot && state != 0 -> skip
#endif
    fi;
    if :: goto done :: skip fi; /* killed */
#ifdef ZERO_BEFORE_SYNC
    atomic { KILLED; mark = 0 }
#else
    atomic { KILLED; mark = 2 }
#endif
    if :: goto done :: skip fi;
#ifndef NO_SYNC
    atomic { KILLED; sync() }
#endif
    if :: goto done :: skip fi;
    atomic { KILLED; mark = 0 }
send:
    atomic { KILLED; assert(!isIncomplete); isUnsaved = 1 }
done:
    atomic { if :: LIVES -> attached-- :: else -> skip fi }
gone:
    skip
}

proctype Flush(byte mine) {
endWait:
    atomic { thisBoot == mine && attached == 0 -> isLocked = 1 }
    if
    :: mark == 1 || boot == mine ->
#ifdef FLUSH_MARKS_FIRST
        atomic { KILLED; mark = 1 }
#endif
        atomic { KILLED; sync(); isUnsaved = 0 }
        if :: goto done :: skip fi;
        atomic { KILLED; mark = 1 }
        if :: goto done :: skip fi;
        atomic { KILLED; sync() }
    :: else -> skip
    fi;
done:
    atomic { if :: LIVES -> isLocked = 0 :: else -> skip fi }
gone:
    skip
}

/* The kernel's writing back, and the end of the machine. */
active proctype Machine() {
    byte pages;
    do
    :: pages < 3 -> sync(); pages++
    :: break
    od;
    skip;
    d_step {
        isIncomplete = isUnsaved;
        wasInUse = (diskMark != 1);
        isUnsaved = 0;
        mark = diskMark;
        boot = diskBoot;
        attached = 0;
        isLocked = 0;
        thisBoot = 2
    }
}

init { atomic { run Process(1); run Process(1); run Flush(1); run Process(2); run Process(2) } }

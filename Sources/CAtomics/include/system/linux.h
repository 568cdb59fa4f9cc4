/* System calls that Swift does not see, or whose constants it does not see.
 *
 * Every function returns a value of 0 or more, or the negative errno, so that no caller depends on the
 * thread-local errno surviving the way back into Swift. None of them retries on EINTR unless it says so.
 */
#ifndef SHAREDRING_LINUX_H
#define SHAREDRING_LINUX_H

#include <stdint.h>

#include "../abi/atomics.h"

SR_NONNULL_BEGIN

/* --- time ------------------------------------------------------------------------------------------- */

int64_t sr_now_ns(void);      /* CLOCK_MONOTONIC */
int64_t sr_realtime_ns(void); /* CLOCK_REALTIME */
void sr_sleep_ns(int64_t ns); /* at least 1; may return early on a signal */

/* --- futex: always the shared kind, because the word lies in memory of several processes -------------- */

/* Sleeps while *word is `expected`, until the absolute CLOCK_MONOTONIC `deadline_ns`.
 * 0 woken; -EAGAIN the word had another value; -ETIMEDOUT; -EINTR. */
int sr_futex_wait(uint32_t *word, uint32_t expected, int64_t deadline_ns);

/* FUTEX_WAKE_OP: sets *word to 0 and wakes all that sleep on it, as one step: a waker that is killed has done both
 * or neither. Returns how many it woke. */
int sr_futex_clear_and_wake(uint32_t *word);

/* Adds 1 to the word and wakes all its sleepers, in one step: for a word that many sleep on. */
int sr_futex_add_and_wake(uint32_t *word);

/* Whether FUTEX_WAIT_BITSET and FUTEX_WAKE_OP work in this process, tried on a word of its own: 0, or the negative errno of the first that does not. A
 * sandbox can allow futex(2) and not all of its operations. */
int sr_futex_try_wait(void);
int sr_futex_try_clear_and_wake(void);

/* Memory of this process, not initialised; NULL if there is none. */
void *SR_NULLABLE sr_memory(uint64_t count);
void sr_memory_free(void *memory);

/* --- membarrier ---------------------------------------------------------------------------------------- */

int sr_membarrier_offered(void);  /* 1 if the kernel has both calls below */
int sr_membarrier_register(void); /* this process's threads are hit by sr_membarrier_global; lost at exec */
int sr_membarrier_global(void);   /* a full barrier on every running thread of every registered process */

/* --- descriptors ------------------------------------------------------------------------------------------- */

/* Every descriptor that a function of this shim makes for the library: is at least 3, or a program that was started without a standard
 * output would print into a ring; is closed at exec; and is noted here, so that a forked child closes it before anything else runs there.
 * It ends by sr_close, and in no other way.
 *
 * sr_opening, one call that makes a descriptor, sr_opened: which gives that descriptor, or the negative errno. No fork comes in between. */
void sr_opening(void);
int sr_opened(int fd);
/* For a call that makes several, between sr_opening and sr_opening_over: what sr_opened does to each. */
int sr_adopt(int fd);
void sr_opening_over(void);
int sr_close(int fd);

/* --- files ----------------------------------------------------------------------------------------------- */

struct sr_file_facts {
    uint64_t device, inode, size, allocated; /* bytes */
    uint32_t type;                           /* S_IFMT part of the mode */
    uint32_t permissions;
    uint32_t owner, links;
    uint32_t on_tmpfs; /* 1 if the file lies on a tmpfs (a memfd does) */
    uint64_t huge_page; /* its page size if it is made of huge pages; else 0 */
};

int sr_open_directory(const char *path);
int sr_open_listing(const char *path); /* a directory, to read its entries with the next call */
/* Fills the buffer with entries, as getdents64(2) does: of each, its length (16 bits, at 16) and its name (at 19). How many bytes; 0 at the end. */
int64_t sr_read_listing(int listing, void *buffer, uint64_t count);
int sr_open_at(int directory, const char *name, int writable);            /* O_NOFOLLOW, O_NONBLOCK, O_CLOEXEC */
int sr_open_temporary(int directory);                                     /* O_TMPFILE */
int sr_open_exclusive(int directory, const char *name);                   /* O_CREAT | O_EXCL */
int sr_link_descriptor(int fd, int directory, const char *name);          /* a name for an O_TMPFILE file */
int sr_rename_exclusive(int directory, const char *from, const char *to); /* -EEXIST if the new name is taken */
int sr_unlink_at(int directory, const char *name);
int sr_reopen(int fd);                                                    /* a second open file description of the same file */
int sr_reopen_to_read(int fd);                                            /* the same, for reading only */
int sr_facts(int fd, struct sr_file_facts *facts);
int sr_facts_at(int directory, const char *name, struct sr_file_facts *facts); /* does not follow a link */
int sr_allocate(int fd, uint64_t size);                                   /* fallocate: all of it, now */
int sr_sync(int fd);                  /* fdatasync: what was written, by maps too, is on the disk when it returns */
int sr_boot_id(void *buffer);         /* 16 bytes that tell this boot of the machine from every other */
int sr_set_permissions(int fd, uint32_t permissions);
int64_t sr_read_at(int fd, void *buffer, uint64_t count, uint64_t offset); /* retries; short only at the end of the file */
int64_t sr_write_at(int fd, const void *buffer, uint64_t count, uint64_t offset);
int sr_random(void *buffer, uint64_t count);
uint32_t sr_effective_user(void);
/* 1 if the id is the one that stands for all users that this process's user namespace does not map, and is itself not mapped there.
 * 1 as well if it is that id and /proc does not tell. */
int sr_is_user_unmapped(uint32_t user);
uint64_t sr_page_size(void);
/* Of a core's second-level cache, in bytes; 0: not known. */
uint64_t sr_second_level_cache(void);

/* --- anonymous segments ------------------------------------------------------------------------------------ */

int sr_memfd(const char *name);       /* sealable */
int sr_memfd_huge(const char *name);  /* the same, of huge pages of the default size */
uint64_t sr_huge_page_size(void);     /* the default size; 0 if the kernel has none */
int sr_seal(int fd);                  /* no shrinking, no growing, no unsealing */
int sr_is_sealed(int fd);             /* 1 if neither shrinking nor growing is possible */
int sr_duplicate(int fd);
int sr_duplicate_for_user(int fd, int inheritable); /* not the library's: a forked child keeps it, and close(2) ends it */

/* --- role bytes: write locks of the open file description ---------------------------------------------------- */

/* length 0: to the end of everything. -EAGAIN: another description holds part of it. */
int sr_lock(int fd, int64_t start, int64_t length);
int sr_unlock(int fd, int64_t start, int64_t length);
/* 0 no other description holds any of it; 1 another holds a byte of it; 2 another holds everything from some byte on
 * (a remover at work). */
int sr_lock_query(int fd, int64_t start, int64_t length);

/* --- memory ----------------------------------------------------------------------------------------------------- */

/* Address space without memory. The address, or the negative errno. */
int64_t sr_reserve(uint64_t length);
/* Maps the file over a part of a reservation; not inherited by forked children. */
int sr_map_over(void *address, uint64_t length, int fd, uint64_t offset, int writable, int prefault);
int sr_unmap(void *address, uint64_t length);
int sr_leave_out_of_dumps(void *address, uint64_t length);

/* --- fork ----------------------------------------------------------------------------------------------------------- */

extern uint32_t sr_fork_count;
/* How many forks lie between this process and the one that loaded the library. An endpoint remembers its own: in a
 * forked child its mapping is gone and its lock descriptor closed, and it must not touch either. */
SR_INLINE uint32_t sr_fork_generation(void) { return __atomic_load_n(&sr_fork_count, __ATOMIC_RELAXED); }

/* A word that in a forked child is UINT64_MAX before any thread there can read it: what makes every fast path of an endpoint fail there,
 * without its asking each time. */
struct sr_fork_gate {
    struct sr_fork_gate *SR_NULLABLE previous, *SR_NULLABLE next;
    uint64_t *SR_NULLABLE word;
};
void sr_fork_gate_add(struct sr_fork_gate *gate, uint64_t *word);
void sr_fork_gate_remove(struct sr_fork_gate *gate);

/* The text for an errno, a constant; NULL if it is unknown. */
const char *SR_NULLABLE sr_error_text(int error);

/* --- this process, for holder information ---------------------------------------------------------------------------------- */

uint32_t sr_process_id(void);
uint64_t sr_process_start_time(void);                 /* field 22 of /proc/self/stat; 0 if there is no /proc */
void sr_process_name(char *buffer, uint64_t count);   /* from /proc/self/comm; empty if there is none */

/* A word of this process that is never 0. A global of C: a child may be forked while a lazy one of Swift's is under way. */
uint32_t *sr_always_set(void);

SR_NONNULL_END

#endif

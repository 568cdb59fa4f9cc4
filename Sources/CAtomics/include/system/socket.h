/* Unix sockets for links: sequenced packets, so that a message has a size, with descriptors passed along. */
#ifndef SHAREDRING_SOCKET_H
#define SHAREDRING_SOCKET_H

#include <stdint.h>

#include "../abi/atomics.h"

SR_NONNULL_BEGIN

/* What both sides of a link say before there are rings: packets of this size, nothing else. Little-endian, as the segment.
 *
 *     client                              listener
 *     HELLO, versions it speaks       ->
 *                                     <-  WELCOME, the version, with the descriptors of the ring to the listener and of the
 *                                         ring to the client, in both of which it holds its role; or REFUSAL, why
 *     ATTACHED: has taken its roles   ->
 *
 * A listener that hands out a call service answers a hello with SERVICE, and the descriptor of its segment; that is all.
 */
struct sr_link_packet {
    uint64_t magic;
    uint32_t kind;           /* SR_LINK_… */
    uint16_t oldest, newest; /* versions; in a welcome both are the chosen one */
    uint32_t reason;         /* of a refusal: SR_LINK_REFUSED_… */
    uint8_t reserved[44];    /* zero; ignored */
};
SR_STATIC_ASSERT(sizeof(struct sr_link_packet) == 64, "");

#define SR_LINK_DESCRIPTORS 2
#define SR_LINK_MAGIC 0x6b6e694c64726853ULL /* the bytes "ShrdLink" */
#define SR_LINK_VERSION 1
#define SR_LINK_HELLO 1
#define SR_LINK_WELCOME 2
#define SR_LINK_ATTACHED 3
#define SR_LINK_REFUSAL 4
#define SR_LINK_SERVICE 5
#define SR_LINK_REFUSED_USER 1    /* the listener does not serve this user */
#define SR_LINK_REFUSED_VERSION 2 /* no version in common; the packet names the listener's */
#define SR_LINK_REFUSED_PACKET 3  /* that was no hello */
#define SR_LINK_REFUSED_SYSTEM 4  /* it could not make the rings */

/* The lock file of that name: made if it is not there; not followed if it is a link. */
int sr_open_lock_file(int directory, const char *name);
/* What has the name, whatever it is, held so that its inode's number stays its own; not to be read. */
int sr_pin_at(int directory, const char *name);

/* A socket bound to the path and listening, of that file mode. -EADDRINUSE: something has the name. */
int sr_socket_listen(const char *path, uint32_t permissions);
/* The next client; waits until the absolute CLOCK_MONOTONIC deadline: -ETIMEDOUT; -EINVAL: it was shut down. */
int sr_socket_accept(int listener, int64_t deadline_ns);

struct sr_wait_entry {
    int fd;
    uint32_t is_ready; /* something can be read, or it hung up */
};
/* Waits until something can be read from one of them, at most 128, or until the deadline. How many; 0 also after a signal. */
int sr_wait_any(struct sr_wait_entry *entries, uint32_t count, int64_t deadline_ns);

/* Connected; -ECONNREFUSED: no process listens there. Waits for room in the listener's queue until the deadline. */
int sr_socket_connect(const char *path, int64_t deadline_ns);

struct sr_socket_peer {
    uint32_t process, user, group;
};
int sr_socket_peer_of(int fd, struct sr_socket_peer *peer); /* as the kernel noted them when it connected or listened */

/* One packet, with up to three descriptors (one more than a link has, for tests); waits until the deadline. 0, or -EPIPE, -ECONNRESET, -ETIMEDOUT, … */
int sr_socket_send(int fd, const void *bytes, uint32_t count, const int *descriptors, uint32_t descriptor_count, int64_t deadline_ns);
/* The size of the next packet, which may be larger than `count`; 0 at the end. Descriptors, which are the library's, go to `descriptors`,
 * which has room for two. More came: all are closed, and it is -EBADMSG. Some did not fit into this process: the same, -EMFILE. */
int sr_socket_receive(int fd, void *bytes, uint32_t count, int *descriptors, uint32_t *descriptor_count, int64_t deadline_ns);

int sr_socket_shut(int fd); /* the other side sees a hang-up, whichever process else holds the descriptor */
int sr_socket_is_hung_up(int fd);

/* --- watching for hang-ups --------------------------------------------------------------------------------- */

int sr_hangups(void);                                       /* an epoll descriptor */
int sr_hangups_add(int hangups, int fd, uint64_t token);    /* told once */
int sr_hangups_remove(int hangups, int fd);
/* How many; 0 after so many milliseconds; -1 of them: never. */
int sr_hangups_wait(int hangups, uint64_t *tokens, uint32_t room, int milliseconds);

SR_NONNULL_END

#endif

#define _GNU_SOURCE
#include "include/system/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "include/system/linux.h"

static int result(long value) { return value < 0 ? -errno : (int)value; }

int sr_open_lock_file(int directory, const char *name) {
    for (int turn = 0;; turn++) {
        int fd = sr_open_at(directory, name, 1);
        if (fd != -ENOENT || turn == 100) return fd;
        /* Not O_CREAT alone: in a sticky directory the kernel refuses it for a file that is there and another user's. */
        fd = sr_open_exclusive(directory, name);
        if (fd != -EEXIST) return fd;
    }
}

int sr_pin_at(int directory, const char *name) {
    sr_opening();
    return sr_opened(openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
}

static int address_of(const char *path, struct sockaddr_un *address, socklen_t *length) {
    size_t count = strlen(path);
    if (count == 0) return -EINVAL;
    if (count >= sizeof address->sun_path) return -ENAMETOOLONG;
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, path, count);
    *length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + count + 1);
    return 0;
}

/* A new socket, and the address of the path, for bind or connect. */
static int socket_for(const char *path, struct sockaddr_un *address, socklen_t *length) {
    int r = address_of(path, address, length);
    if (r < 0) return r;
    sr_opening();
    return sr_opened(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

int sr_socket_listen(const char *path, uint32_t permissions) {
    struct sockaddr_un address;
    socklen_t length;
    int r, fd = socket_for(path, &address, &length);
    if (fd < 0) return fd;
    /* The mode of the socket's inode becomes that of the file: no process can connect in between. The umask takes bits away, and
     * they are given back once no other thread could have used them. */
    if (fchmod(fd, permissions) != 0 || bind(fd, (struct sockaddr *)&address, length) != 0) goto failed;
    if (chmod(path, permissions) != 0 || listen(fd, 64) != 0) {
        int error = errno;
        unlink(path);
        errno = error;
        goto failed;
    }
    return fd;
failed:
    r = -errno;
    sr_close(fd);
    return r;
}

/* Waits for `events` on fd. 1, 2 if it hung up as well, or -ETIMEDOUT. */
static int wait_for(int fd, short events, int64_t deadline_ns) {
    for (;;) {
        struct pollfd entry = {fd, events, 0};
        int64_t left = deadline_ns - sr_now_ns();
        if (deadline_ns != INT64_MAX && left < 0) left = 0;
        struct timespec t = {left / 1000000000, left % 1000000000};
        int n = ppoll(&entry, 1, deadline_ns == INT64_MAX ? NULL : &t, NULL);
        if (n < 0 && errno != EINTR) return -errno;
        if (n > 0) return entry.revents & POLLHUP ? 2 : 1;
        if (n == 0) return -ETIMEDOUT;
    }
}

int sr_wait_any(struct sr_wait_entry *entries, uint32_t count, int64_t deadline_ns) {
    enum { most = 128 };
    struct pollfd polled[most];
    if (count > most) return -EINVAL;
    for (uint32_t i = 0; i < count; i++) {
        polled[i] = (struct pollfd){entries[i].fd, POLLIN, 0};
        entries[i].is_ready = 0;
    }
    int64_t left = deadline_ns - sr_now_ns();
    if (deadline_ns != INT64_MAX && left < 0) left = 0;
    struct timespec t = {left / 1000000000, left % 1000000000};
    int n = ppoll(polled, count, deadline_ns == INT64_MAX ? NULL : &t, NULL);
    if (n < 0) return errno == EINTR ? 0 : -errno;
    for (uint32_t i = 0; i < count; i++) entries[i].is_ready = polled[i].revents != 0;
    return n;
}

int sr_socket_accept(int listener, int64_t deadline_ns) {
    /* A socket that was shut down is readable for ever, and has nothing. */
    for (int is_shut = 0; !is_shut;) {
        sr_opening();
        int fd = sr_opened(accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (fd >= 0) return fd;
        if (fd != -EAGAIN && fd != -EINTR && fd != -ECONNABORTED) return fd;
        int r = wait_for(listener, POLLIN, deadline_ns);
        if (r < 0) return r;
        is_shut = r == 2;
    }
    return -EINVAL;
}

int sr_socket_connect(const char *path, int64_t deadline_ns) {
    struct sockaddr_un address;
    socklen_t length;
    int r, fd = socket_for(path, &address, &length);
    if (fd < 0) return fd;
    for (;;) {
        if (connect(fd, (struct sockaddr *)&address, length) == 0) return fd;
        r = -errno;
        /* A full queue of a Unix listener is no state to poll for. */
        if (r == -EAGAIN) r = -ETIMEDOUT;
        else if (r != -EINTR) break;
        if (sr_now_ns() >= deadline_ns) break;
        sr_sleep_ns(1000000);
    }
    sr_close(fd);
    return r;
}

int sr_socket_peer_of(int fd, struct sr_socket_peer *peer) {
    struct ucred credentials;
    socklen_t length = sizeof credentials;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) return -errno;
    *peer = (struct sr_socket_peer){(uint32_t)credentials.pid, credentials.uid, credentials.gid};
    return 0;
}

int sr_socket_send(int fd, const void *bytes, uint32_t count, const int *descriptors, uint32_t descriptor_count, int64_t deadline_ns) {
    if (descriptor_count > SR_LINK_DESCRIPTORS + 1) return -EINVAL;
    struct iovec piece = {(void *)bytes, count};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE((SR_LINK_DESCRIPTORS + 1) * sizeof(int))];
    } control;
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    if (descriptor_count > 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(descriptor_count * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(descriptor_count * sizeof(int));
        memcpy(CMSG_DATA(header), descriptors, descriptor_count * sizeof(int));
    }
    for (;;) {
        if (sendmsg(fd, &message, MSG_NOSIGNAL) >= 0) return 0;
        if (errno != EAGAIN && errno != EINTR) return -errno;
        int r = wait_for(fd, POLLOUT, deadline_ns);
        if (r < 0) return r;
    }
}

int sr_socket_receive(int fd, void *bytes, uint32_t count, int *descriptors, uint32_t *descriptor_count, int64_t deadline_ns) {
    enum { room_for = 2 * SR_LINK_DESCRIPTORS };
    *descriptor_count = 0;
    int resets = 0;
    for (;;) {
        struct iovec piece = {bytes, count};
        union {
            struct cmsghdr header;
            char room[CMSG_SPACE(room_for * sizeof(int))];
        } control;
        struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
        sr_opening();
        ssize_t size = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_TRUNC);
        if (size < 0) {
            int error = errno;
            sr_opening_over();
            errno = error;
            /* Told first, and once: the other side hung up before it had read everything. What it said before is still there. */
            if (errno == ECONNRESET && resets++ == 0) continue;
            if (errno != EAGAIN && errno != EINTR) return -errno;
            int r = wait_for(fd, POLLIN, deadline_ns);
            if (r < 0) return r;
            continue;
        }
        int found[room_for];
        unsigned n = 0;
        int failure = 0;
        for (struct cmsghdr *h = CMSG_FIRSTHDR(&message); h; h = CMSG_NXTHDR(&message, h)) {
            if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS) continue;
            unsigned here = (unsigned)((h->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            for (unsigned i = 0; i < here && n < room_for; i++) {
                int one;
                memcpy(&one, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
                one = sr_adopt(one);
                if (one >= 0) found[n++] = one;
                else failure = one;
            }
        }
        sr_opening_over();
        if (failure == 0 && n > SR_LINK_DESCRIPTORS) failure = -EBADMSG;
        /* There was room for more, and they did not come: this process may have no more descriptors. */
        if (failure == 0 && (message.msg_flags & MSG_CTRUNC)) failure = -EMFILE;
        if (failure != 0) {
            while (n > 0) sr_close(found[--n]);
            return failure;
        }
        memcpy(descriptors, found, n * sizeof(int));
        *descriptor_count = n;
        return (int)size;
    }
}

int sr_socket_shut(int fd) { return result(shutdown(fd, SHUT_RDWR)); }

int sr_socket_is_hung_up(int fd) {
    struct pollfd entry = {fd, POLLRDHUP, 0};
    return poll(&entry, 1, 0) == 1;
}

int sr_hangups(void) {
    sr_opening();
    return sr_opened(epoll_create1(EPOLL_CLOEXEC));
}

int sr_hangups_add(int hangups, int fd, uint64_t token) {
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLONESHOT, .data.u64 = token};
    return result(epoll_ctl(hangups, EPOLL_CTL_ADD, fd, &event));
}

int sr_hangups_remove(int hangups, int fd) { return result(epoll_ctl(hangups, EPOLL_CTL_DEL, fd, NULL)); }

int sr_hangups_wait(int hangups, uint64_t *tokens, uint32_t room, int milliseconds) {
    struct epoll_event events[16];
    int n;
    do n = epoll_wait(hangups, events, room < 16 ? (int)room : 16, milliseconds); while (n < 0 && errno == EINTR);
    for (int i = 0; i < n; i++) tokens[i] = events[i].data.u64;
    return n < 0 ? -errno : n;
}

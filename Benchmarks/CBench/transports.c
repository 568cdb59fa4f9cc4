#define _GNU_SOURCE
#include "cbench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

int cb_pipe(int ends[2], int capacity) {
    if (pipe2(ends, O_CLOEXEC) != 0) return -errno;
    /* As much as is asked for or as an ordinary user may have, whichever is less. */
    while (capacity > 65536 && fcntl(ends[0], F_SETPIPE_SZ, capacity) < 0) capacity /= 2;
    return fcntl(ends[0], F_GETPIPE_SZ);
}

int cb_unix_pair(int ends[2], int packets, int capacity) {
    if (socketpair(AF_UNIX, (packets ? SOCK_SEQPACKET : SOCK_STREAM) | SOCK_CLOEXEC, 0, ends) != 0) return -errno;
    for (int i = 0; i < 2; i++) /* the kernel cuts this down to net.core.wmem_max */
        setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &capacity, sizeof capacity);
    return 0;
}

int cb_tcp_pair(int ends[2]) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    int one = 1, error = 0;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0) return -errno;
    ends[0] = ends[1] = -1;
    if (bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 1) != 0
        || getsockname(listener, (struct sockaddr *)&address, &length) != 0
        || (ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0
        || connect(ends[0], (struct sockaddr *)&address, length) != 0
        || (ends[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) < 0)
        error = errno;
    close(listener);
    for (int i = 0; i < 2 && !error; i++)
        if (setsockopt(ends[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0) error = errno;
    return -error;
}

int cb_eventfd(void) {
    int fd = eventfd(0, EFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

enum { PACKETS = 64 };

static int lay_out(struct mmsghdr *headers, struct iovec *parts, void *buffer, uint64_t size, int count) {
    if (count > PACKETS) count = PACKETS;
    memset(headers, 0, sizeof *headers * (size_t)count);
    for (int i = 0; i < count; i++) {
        parts[i] = (struct iovec){(char *)buffer + (uint64_t)i * size, size};
        headers[i].msg_hdr.msg_iov = &parts[i];
        headers[i].msg_hdr.msg_iovlen = 1;
    }
    return count;
}

int cb_send_packets(int fd, void *buffer, uint64_t size, int count) {
    struct mmsghdr headers[PACKETS];
    struct iovec parts[PACKETS];
    int n = sendmmsg(fd, headers, (unsigned)lay_out(headers, parts, buffer, size, count), 0);
    return n < 0 ? -errno : n;
}

int cb_receive_packets(int fd, void *buffer, uint64_t size, int count) {
    struct mmsghdr headers[PACKETS];
    struct iovec parts[PACKETS];
    int n = recvmmsg(fd, headers, (unsigned)lay_out(headers, parts, buffer, size, count), MSG_WAITFORONE, NULL);
    if (n < 0) return -errno;
    for (int i = 0; i < n; i++)
        if (headers[i].msg_len != size) return -EPIPE;
    return n;
}

int cb_queue(uint64_t size) {
    char name[64];
    snprintf(name, sizeof name, "/ringbench-%d-%ld", getpid(), (long)time(NULL));
    /* As many messages as this user may have: the unprivileged limit is usually 10. */
    for (long messages = 1024; messages > 0; messages = messages > 16 ? messages / 4 : messages == 16 ? 10 : messages - 1) {
        struct mq_attr attributes = {.mq_maxmsg = messages, .mq_msgsize = (long)size};
        mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &attributes);
        if (queue >= 0) {
            mq_unlink(name); /* a queue is a descriptor on Linux, and the peer inherits it */
            return queue;
        }
        if (errno != EINVAL && errno != EMFILE && errno != ENOMEM) break;
    }
    return -errno;
}

int cb_queue_send(int queue, const void *buffer, uint64_t size) { return mq_send(queue, buffer, size, 0) == 0 ? 0 : -errno; }

int64_t cb_queue_receive(int queue, void *buffer, uint64_t size) {
    ssize_t n = mq_receive(queue, buffer, size, NULL);
    return n < 0 ? -errno : n;
}

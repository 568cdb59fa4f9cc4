#ifndef SHAREDRING_TEST_SERVICE_H
#define SHAREDRING_TEST_SERVICE_H

/* epoll, which Swift does not see. */
int ts_epoll(void);
int ts_epoll_add(int loop, int fd, int edge, int index);
int ts_epoll_next(int loop, int milliseconds); /* the index of one that is ready, or -1 */

/* From now on, and for good, this process's system call of that number fails with `error` (seccomp). */
int ts_forbid(int call, int error);

/* The processor time this process has used, in microseconds. */
long ts_cpu_us(void);

#endif

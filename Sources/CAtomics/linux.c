/* One file: all system calls of the library but those of sockets and of waiting, a few lines each. */
#define _GNU_SOURCE
#include "include/system/linux.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/magic.h>
#include <linux/membarrier.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

static int result(long value) { return value < 0 ? -errno : (int)value; }

static int64_t nanoseconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t sr_now_ns(void) { return nanoseconds(CLOCK_MONOTONIC); }
int64_t sr_realtime_ns(void) { return nanoseconds(CLOCK_REALTIME); }

void sr_sleep_ns(int64_t ns) {
    struct timespec t = {ns / 1000000000, ns % 1000000000};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

int sr_futex_wait(uint32_t *word, uint32_t expected, int64_t deadline_ns) {
    struct timespec t = {deadline_ns / 1000000000, deadline_ns % 1000000000};
    return result(syscall(SYS_futex, word, FUTEX_WAIT_BITSET, expected, &t, NULL, FUTEX_BITSET_MATCH_ANY));
}

int sr_futex_clear_and_wake(uint32_t *word) {
    /* The comparison decides about waking on the second address, which is the same word: no sleeper is left there. */
    unsigned op = FUTEX_OP(FUTEX_OP_SET, 0, FUTEX_OP_CMP_LT, 0);
    return result(syscall(SYS_futex, word, FUTEX_WAKE_OP, INT_MAX, (void *)0, word, op));
}

int sr_futex_add_and_wake(uint32_t *word) {
    unsigned op = FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_LT, 0);
    return result(syscall(SYS_futex, word, FUTEX_WAKE_OP, INT_MAX, (void *)0, word, op));
}

int sr_futex_try_wait(void) {
    uint32_t word = 0;
    int r = sr_futex_wait(&word, 1, 1); /* does not sleep: the word is another, and the deadline passed */
    return r == -EAGAIN || r == -ETIMEDOUT || r == -EINTR ? 0 : r;
}

int sr_futex_try_clear_and_wake(void) {
    uint32_t word = 1;
    int r = sr_futex_clear_and_wake(&word);
    /* One that says it has, and has not, is as bad as one that refuses. */
    return r < 0 ? r : word == 0 ? 0 : -ENOSYS;
}

void *sr_memory(uint64_t count) { return malloc(count); }
void sr_memory_free(void *memory) { free(memory); }

int sr_membarrier_offered(void) {
    const int both = MEMBARRIER_CMD_GLOBAL_EXPEDITED | MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED;
    long offered = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
    return offered >= 0 && (offered & both) == both;
}

int sr_membarrier_register(void) {
    return result(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0));
}

int sr_membarrier_global(void) {
    return result(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0));
}

int sr_open_directory(const char *path) {
    sr_opening();
    return sr_opened(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
}

int sr_open_listing(const char *path) {
    sr_opening();
    return sr_opened(open(path, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC));
}

int64_t sr_read_listing(int listing, void *buffer, uint64_t count) {
    long n = syscall(SYS_getdents64, listing, buffer, count);
    return n < 0 ? -errno : n;
}

int sr_open_at(int directory, const char *name, int writable) {
    sr_opening();
    return sr_opened(openat(directory, name, (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
}

int sr_open_temporary(int directory) {
    sr_opening();
    return sr_opened(openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
}

int sr_open_exclusive(int directory, const char *name) {
    sr_opening();
    return sr_opened(openat(directory, name, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600));
}

int sr_link_descriptor(int fd, int directory, const char *name) {
    /* AT_EMPTY_PATH wants CAP_DAC_READ_SEARCH before Linux 6.10; without it the kernel says ENOENT. */
    if (linkat(fd, "", directory, name, AT_EMPTY_PATH) == 0) return 0;
    if (errno == EEXIST) return -EEXIST;
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return result(linkat(AT_FDCWD, path, directory, name, AT_SYMLINK_FOLLOW));
}

int sr_rename_exclusive(int directory, const char *from, const char *to) {
    return result(renameat2(directory, from, directory, to, RENAME_NOREPLACE));
}

int sr_unlink_at(int directory, const char *name) { return result(unlinkat(directory, name, 0)); }

static int reopen(int fd, int access) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    sr_opening();
    return sr_opened(open(path, access | O_NONBLOCK | O_CLOEXEC));
}

int sr_reopen(int fd) { return reopen(fd, O_RDWR); }
int sr_reopen_to_read(int fd) { return reopen(fd, O_RDONLY); }

static void facts_of(const struct stat *s, struct sr_file_facts *facts) {
    facts->device = s->st_dev;
    facts->inode = s->st_ino;
    facts->size = (uint64_t)s->st_size;
    facts->allocated = (uint64_t)s->st_blocks * 512;
    facts->type = s->st_mode & S_IFMT;
    facts->permissions = s->st_mode & 07777;
    facts->owner = s->st_uid;
    facts->links = (uint32_t)s->st_nlink;
    facts->on_tmpfs = 0;
    facts->huge_page = 0;
}

int sr_facts(int fd, struct sr_file_facts *facts) {
    struct stat s;
    struct statfs fs;
    if (fstat(fd, &s) != 0 || fstatfs(fd, &fs) != 0) return -errno;
    facts_of(&s, facts);
    facts->on_tmpfs = fs.f_type == TMPFS_MAGIC;
    facts->huge_page = fs.f_type == HUGETLBFS_MAGIC ? (uint64_t)fs.f_bsize : 0;
    return 0;
}

int sr_facts_at(int directory, const char *name, struct sr_file_facts *facts) {
    struct stat s;
    if (fstatat(directory, name, &s, AT_SYMLINK_NOFOLLOW) != 0) return -errno;
    facts_of(&s, facts);
    return 0;
}

int sr_allocate(int fd, uint64_t size) {
    /* Beyond the limit the kernel does not only refuse: its SIGXFSZ would end this process. */
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && size > limit.rlim_cur) return -EFBIG;
    int r;
    do r = posix_fallocate(fd, 0, (off_t)size); while (r == EINTR);
    return -r; /* posix_fallocate returns the error number itself */
}

int sr_sync(int fd) {
    int r;
    do r = result(fdatasync(fd)); while (r == -EINTR);
    return r;
}

int sr_set_permissions(int fd, uint32_t permissions) { return result(fchmod(fd, permissions)); }

int64_t sr_read_at(int fd, void *buffer, uint64_t count, uint64_t offset) {
    uint64_t done = 0;
    while (done < count) {
        ssize_t n = pread(fd, (char *)buffer + done, count - done, (off_t)(offset + done));
        if (n == 0) break;
        if (n > 0) done += (uint64_t)n;
        else if (errno != EINTR) return -errno;
    }
    return (int64_t)done;
}

/* A file of huge pages can be read like any other, but written only through a map. */
static int64_t write_huge(int fd, const void *buffer, uint64_t count, uint64_t offset) {
    struct statfs fs;
    if (fstatfs(fd, &fs) != 0 || fs.f_type != HUGETLBFS_MAGIC) return -EINVAL;
    uint64_t page = (uint64_t)fs.f_bsize, start = offset / page * page;
    uint64_t length = (offset + count - start + page - 1) / page * page;
    char *map = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)start);
    if (map == MAP_FAILED) return -errno;
    memcpy(map + (offset - start), buffer, count);
    munmap(map, length);
    return (int64_t)count;
}

int64_t sr_write_at(int fd, const void *buffer, uint64_t count, uint64_t offset) {
    uint64_t done = 0;
    while (done < count) {
        ssize_t n = pwrite(fd, (const char *)buffer + done, count - done, (off_t)(offset + done));
        if (n >= 0) done += (uint64_t)n;
        else if (errno == EINVAL && done == 0) return write_huge(fd, buffer, count, offset);
        else if (errno != EINTR) return -errno;
    }
    return (int64_t)done;
}

int sr_random(void *buffer, uint64_t count) {
    return getentropy(buffer, count) == 0 ? 0 : -errno; /* at most 256 bytes */
}

uint32_t sr_effective_user(void) { return geteuid(); }
uint64_t sr_page_size(void) { return (uint64_t)sysconf(_SC_PAGESIZE); }

uint64_t sr_second_level_cache(void) {
#ifdef _SC_LEVEL2_CACHE_SIZE
    long known = sysconf(_SC_LEVEL2_CACHE_SIZE);
    if (known > 0) return (uint64_t)known;
#endif
    /* On arm64 the C library asks the processor, which says nothing of sizes; the kernel has them from the firmware. */
    sr_opening();
    int fd = sr_opened(open("/sys/devices/system/cpu/cpu0/cache/index2/size", O_RDONLY | O_CLOEXEC));
    if (fd < 0) return 0;
    char text[16] = {0};
    int64_t count = sr_read_at(fd, text, sizeof text - 1, 0);
    sr_close(fd);
    return count > 0 ? strtoull(text, NULL, 10) << 10 : 0; /* "512K" */
}

int sr_memfd(const char *name) {
    /* MFD_NOEXEC_SEAL (Linux 6.3) says what we mean and quiets the kernel's advice; older kernels refuse the flag. */
    sr_opening();
#ifdef MFD_NOEXEC_SEAL
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (fd >= 0 || errno != EINVAL) return sr_opened(fd);
#endif
    return sr_opened(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
}

int sr_memfd_huge(const char *name) {
    sr_opening();
    return sr_opened(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB));
}

uint64_t sr_huge_page_size(void) {
    int fd = sr_memfd_huge("sharedring-size");
    if (fd < 0) return 0;
    struct statfs fs;
    uint64_t size = fstatfs(fd, &fs) == 0 && fs.f_type == HUGETLBFS_MAGIC ? (uint64_t)fs.f_bsize : 0;
    sr_close(fd);
    return size;
}

int sr_seal(int fd) { return result(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)); }

int sr_is_sealed(int fd) {
    int seals = fcntl(fd, F_GET_SEALS);
    return seals >= 0 && (seals & (F_SEAL_SHRINK | F_SEAL_GROW)) == (F_SEAL_SHRINK | F_SEAL_GROW);
}

int sr_duplicate(int fd) {
    sr_opening();
    return sr_opened(fcntl(fd, F_DUPFD_CLOEXEC, 3));
}

int sr_duplicate_for_user(int fd, int inheritable) {
    return result(fcntl(fd, inheritable ? F_DUPFD : F_DUPFD_CLOEXEC, 3));
}

static int lock(int fd, int command, short type, int64_t start, int64_t length, struct flock *answer) {
    *answer = (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length, .l_pid = 0};
    int r;
    do r = result(fcntl(fd, command, answer)); while (r == -EINTR);
    return r == -EACCES ? -EAGAIN : r;
}

int sr_lock(int fd, int64_t start, int64_t length) {
    struct flock l;
    return lock(fd, F_OFD_SETLK, F_WRLCK, start, length, &l);
}

int sr_unlock(int fd, int64_t start, int64_t length) {
    struct flock l;
    return lock(fd, F_OFD_SETLK, F_UNLCK, start, length, &l);
}

int sr_lock_query(int fd, int64_t start, int64_t length) {
    struct flock l;
    int r = lock(fd, F_OFD_GETLK, F_WRLCK, start, length, &l);
    if (r < 0) return r;
    if (l.l_type == F_UNLCK) return 0;
    return l.l_len == 0 ? 2 : 1;
}

int64_t sr_reserve(uint64_t length) {
    void *p = mmap(NULL, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? -errno : (int64_t)(uintptr_t)p;
}

int sr_map_over(void *address, uint64_t length, int fd, uint64_t offset, int writable, int prefault) {
    int protection = PROT_READ | (writable ? PROT_WRITE : 0);
    int flags = MAP_SHARED | MAP_FIXED | (prefault ? MAP_POPULATE : 0);
    if (mmap(address, length, protection, flags, fd, (off_t)offset) == MAP_FAILED) return -errno;
    return result(madvise(address, length, MADV_DONTFORK));
}

int sr_leave_out_of_dumps(void *address, uint64_t length) { return result(madvise(address, length, MADV_DONTDUMP)); }

int sr_unmap(void *address, uint64_t length) { return result(munmap(address, length)); }

uint32_t sr_process_id(void) { return (uint32_t)getpid(); }

static long read_proc(const char *path, char *buffer, uint64_t count) {
    sr_opening();
    int fd = sr_opened(open(path, O_RDONLY | O_CLOEXEC));
    if (fd < 0) return 0;
    uint64_t size = 0;
    /* A read gives what it likes, at most a page of some files. */
    while (size < count - 1) {
        ssize_t n = read(fd, buffer + size, count - 1 - size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        size += (uint64_t)n;
    }
    sr_close(fd);
    buffer[size] = 0;
    return (long)size;
}

int sr_boot_id(void *buffer) {
    char text[64];
    if (read_proc("/proc/sys/kernel/random/boot_id", text, sizeof text) == 0) return -ENOENT;
    unsigned char *bytes = buffer;
    int digits = 0;
    for (const char *p = text; *p && digits < 32; p++) {
        int digit = *p >= '0' && *p <= '9' ? *p - '0' : *p >= 'a' && *p <= 'f' ? *p - 'a' + 10 : -1;
        if (digit < 0) continue; /* the hyphens */
        bytes[digits / 2] = (unsigned char)(digits % 2 == 0 ? digit << 4 : bytes[digits / 2] | digit);
        digits++;
    }
    return digits == 32 ? 0 : -EINVAL;
}

uint64_t sr_process_start_time(void) {
    char line[1024];
    if (read_proc("/proc/self/stat", line, sizeof line) == 0) return 0;
    /* The second field is the program's name in parentheses and may hold anything; count from its end. */
    char *p = strrchr(line, ')');
    for (int field = 2; p && field < 22; field++) p = strchr(p + 1, ' ');
    return p ? strtoull(p + 1, NULL, 10) : 0;
}

void sr_process_name(char *buffer, uint64_t count) {
    long n = read_proc("/proc/self/comm", buffer, count);
    buffer[n > 0 && buffer[n - 1] == '\n' ? n - 1 : n] = 0;
}

int sr_is_user_unmapped(uint32_t user) {
    char text[32];
    /* The kernel's own default, where /proc does not tell. */
    uint32_t overflow = read_proc("/proc/sys/kernel/overflowuid", text, sizeof text) ? (uint32_t)strtoul(text, NULL, 10) : 65534;
    if (user != overflow) return 0;
    /* Lines of "first here, first outside, count"; at most 340 of them, of at most 33 bytes. */
    char map[16384];
    if (read_proc("/proc/self/uid_map", map, sizeof map) == 0) return 1;
    unsigned long long first, outside, count;
    int is_mapped = 0, length;
    for (const char *line = map; !is_mapped && sscanf(line, "%llu %llu %llu%n", &first, &outside, &count, &length) == 3; line += length)
        is_mapped = user >= first && user - first < count;
    return !is_mapped;
}

const char *sr_error_text(int error) { return strerrordesc_np(error); }

uint32_t *sr_always_set(void) {
    static uint32_t word = 1;
    return &word;
}

// Refusals of the disk and deaths at exact moments, in the process that it is loaded into (LD_PRELOAD).
//
// LAB_CONTROL names a file. While it is there, it says what happens to calls on files below LAB_ROOT:
//     GENERATION MODE ERRNO FIRST OPERATIONS
// MODE: f fail with ERRNO; h write half, then fail; k die before the call; a die after it; t write half, then die.
// The FIRST matching calls of a process are left alone. OPERATIONS are letters, those of `is_meant`.
// Each act adds a byte to LAB_CONTROL.hits. Calls that do not go through libc are not seen.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

struct order { int generation; char mode; int error; int first; char operations[32]; };
static int seen_generation = -1, seen;

static int read_order(struct order *order) {
    const char *path = getenv("LAB_CONTROL");
    char text[128];
    if (!path) return 0;
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    long count = syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    if (count <= 0) return 0;
    text[count] = 0;
    return sscanf(text, "%d %c %d %d %31s", &order->generation, &order->mode, &order->error, &order->first,
                  order->operations) == 5;
}

static int is_below_root(const char *path) {
    const char *root = getenv("LAB_ROOT");
    return root && path && strncmp(path, root, strlen(root)) == 0;
}

static int is_below_root_fd(int fd) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long count = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    if (count <= 0) return 0;
    path[count] = 0;
    return is_below_root(path);
}

static void hit(void) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s.hits", getenv("LAB_CONTROL"));
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    syscall(SYS_write, fd, "x", 1);
    syscall(SYS_close, fd);
}

// What the control asks for a call of this kind; 0 for nothing.
static char is_meant(char operation, struct order *order) {
    if (!read_order(order) || !strchr(order->operations, operation)) return 0;
    if (__atomic_exchange_n(&seen_generation, order->generation, __ATOMIC_SEQ_CST) != order->generation)
        __atomic_store_n(&seen, 0, __ATOMIC_SEQ_CST);
    if (__atomic_fetch_add(&seen, 1, __ATOMIC_SEQ_CST) < order->first) return 0;
    hit();
    return order->mode;
}

static void die(void) {
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

#define REAL(name) static __typeof__(&name) real; if (!real) real = dlsym(RTLD_NEXT, #name)
#define CALL(operation, below, result, call) \
    struct order order; \
    int saved = errno; \
    char mode = (below) ? is_meant(operation, &order) : 0; \
    errno = saved; \
    if (mode == 'k' || mode == 't') die(); \
    if (mode == 'f' || mode == 'h') { errno = order.error; return -1; } \
    result done = call; \
    if (mode == 'a') die(); \
    return done

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); \
        va_list list; va_start(list, flags); mode_t bits = va_arg(list, int); va_end(list); \
        CALL(flags & (O_CREAT | O_WRONLY | O_RDWR) ? 'o' : 'p', is_below_root(path), int, real(path, flags, bits)); \
    }
OPEN(open)
OPEN(open64)
#define OPENAT(name) \
    int name(int at, const char *path, int flags, ...) { \
        REAL(name); \
        va_list list; va_start(list, flags); mode_t bits = va_arg(list, int); va_end(list); \
        CALL(flags & (O_CREAT | O_WRONLY | O_RDWR) ? 'o' : 'p', is_below_root(path), int, real(at, path, flags, bits)); \
    }
OPENAT(openat)
OPENAT(openat64)

ssize_t write(int fd, const void *bytes, size_t count) {
    REAL(write);
    struct order order;
    int saved = errno;
    char mode = is_below_root_fd(fd) ? is_meant('w', &order) : 0;
    errno = saved;
    if (mode == 'k') die();
    if (mode == 'h' || mode == 't') {
        // The first half of a write, and the next one is refused.
        if (count > 1) {
            ssize_t half = real(fd, bytes, count / 2);
            if (mode == 't') die();
            return half;
        }
        if (mode == 't') die();
    }
    if (mode == 'f' || mode == 'h') { errno = order.error; return -1; }
    ssize_t done = real(fd, bytes, count);
    if (mode == 'a') die();
    return done;
}
ssize_t writev(int fd, const struct iovec *parts, int count) { REAL(writev); CALL('w', is_below_root_fd(fd), ssize_t, real(fd, parts, count)); }
ssize_t read(int fd, void *bytes, size_t count) { REAL(read); CALL('d', is_below_root_fd(fd), ssize_t, real(fd, bytes, count)); }
ssize_t pread64(int fd, void *bytes, size_t count, off64_t at) { REAL(pread64); CALL('d', is_below_root_fd(fd), ssize_t, real(fd, bytes, count, at)); }
int fsync(int fd) { REAL(fsync); CALL('s', is_below_root_fd(fd), int, real(fd)); }
int fdatasync(int fd) { REAL(fdatasync); CALL('s', is_below_root_fd(fd), int, real(fd)); }
int rename(const char *from, const char *to) { REAL(rename); CALL('r', is_below_root(to), int, real(from, to)); }
int ftruncate64(int fd, off64_t length) { REAL(ftruncate64); CALL('t', is_below_root_fd(fd), int, real(fd, length)); }
int unlink(const char *path) { REAL(unlink); CALL('u', is_below_root(path), int, real(path)); }

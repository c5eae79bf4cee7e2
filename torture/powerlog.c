/* An LD_PRELOAD library: writes down, in order, everything a process does to the files below one folder.
 *
 * Environment: POWERLOG_FOLDER (absolute), POWERLOG_FILE (the log, outside of it; may be missing), POWERLOG_ACK (a file descriptor: what
 * is written to it goes into the same log), POWERLOG_CONTROL (a file of 4 bytes, mapped: 0 works, 1 no space, 2 read-only,
 * 3 input/output error, 4 no space after half of a write).
 *
 * A record: op (1 byte), fd (int32), number (int64), length (uint32), bytes. A call and its record are made under one
 * lock, except fsync: its beginning (B) and its end (S) are two records, so that what happens meanwhile stays in between.
 * What cannot be followed is written down as unsupported (X), and the reader of the log refuses it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS 65536
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static char folder[PATH_MAX];
static size_t folder_length;
static int log_fd = -1, ack_fd = -1;
static volatile int32_t *control;
static unsigned char tracked[FDS], appends[FDS];

#define REAL(name) real_##name
#define DECLARE(result, name, ...) static result (*REAL(name))(__VA_ARGS__);
DECLARE(int, open64, const char *, int, ...)
DECLARE(int, openat64, int, const char *, int, ...)
DECLARE(int, close, int)
DECLARE(int, dup, int)
DECLARE(int, dup2, int, int)
DECLARE(int, dup3, int, int, int)
DECLARE(int, fcntl64, int, int, ...)
DECLARE(ssize_t, write, int, const void *, size_t)
DECLARE(ssize_t, pwrite64, int, const void *, size_t, off_t)
DECLARE(int, ftruncate64, int, off_t)
DECLARE(int, truncate64, const char *, off_t)
DECLARE(int, fallocate64, int, int, off_t, off_t)
DECLARE(int, fsync, int)
DECLARE(int, fdatasync, int)
DECLARE(int, rename, const char *, const char *)
DECLARE(int, unlink, const char *)
DECLARE(int, unlinkat, int, const char *, int)
DECLARE(int, link, const char *, const char *)
DECLARE(int, mkdir, const char *, mode_t)
DECLARE(int, rmdir, const char *)
DECLARE(void *, mmap64, void *, size_t, int, int, int, off_t)
DECLARE(FILE *, fopen64, const char *, const char *)
DECLARE(int, sync_file_range, int, off_t, off_t, unsigned int)

static void find(void) {
#define FIND(name) *(void **)&REAL(name) = dlsym(RTLD_NEXT, #name)
    FIND(open64); FIND(openat64); FIND(close); FIND(dup); FIND(dup2); FIND(dup3); FIND(write); FIND(pwrite64);
    FIND(ftruncate64); FIND(truncate64); FIND(fallocate64); FIND(fsync); FIND(fdatasync); FIND(rename); FIND(unlink);
    FIND(unlinkat); FIND(link); FIND(mkdir); FIND(rmdir); FIND(mmap64); FIND(fopen64); FIND(sync_file_range);
    FIND(fcntl64);
    if (!REAL(fcntl64)) *(void **)&REAL(fcntl64) = dlsym(RTLD_NEXT, "fcntl");
    const char *place = getenv("POWERLOG_FOLDER"), *file = getenv("POWERLOG_FILE"), *ack = getenv("POWERLOG_ACK");
    const char *mode = getenv("POWERLOG_CONTROL");
    if (mode) {
        int fd = REAL(open64)(mode, O_RDWR | O_CLOEXEC);
        if (fd >= 0) {
            void *map = REAL(mmap64)(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
            if (map != MAP_FAILED) control = map;
            REAL(close)(fd);
        }
    }
    if (!place || !realpath(place, folder)) return;
    folder_length = strlen(folder);
    log_fd = REAL(open64)(file ? file : "/dev/null", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd >= 0) { /* far from the numbers that the program counts on */
        int far = REAL(fcntl64)(log_fd, F_DUPFD_CLOEXEC, 900);
        if (far >= 0) { REAL(close)(log_fd); log_fd = far; }
    }
    if (ack) ack_fd = atoi(ack);
    unsetenv("LD_PRELOAD"); /* not in its children */
}

__attribute__((constructor)) static void start(void) { pthread_once(&once, find); }
#define READY pthread_once(&once, find)
#define TRACKED(fd) (log_fd >= 0 && (fd) >= 0 && (fd) < FDS && tracked[fd])

static void put(const void *bytes, size_t length) {
    const char *at = bytes;
    while (length) {
        ssize_t n = REAL(write)(log_fd, at, length);
        if (n < 0) { if (errno == EINTR) continue; abort(); } /* a log with holes proves nothing */
        at += n; length -= n;
    }
}

static void record(char op, int fd, int64_t number, const void *bytes, size_t length) {
    int kept = errno;
    char head[17];
    int32_t f = fd; uint32_t n = length;
    head[0] = op; memcpy(head + 1, &f, 4); memcpy(head + 5, &number, 8); memcpy(head + 13, &n, 4);
    put(head, sizeof head);
    if (length) put(bytes, length);
    errno = kept;
}

static int below(int base, const char *path, char *out) { /* the real path of a name in our folder, or 0 */
    char joined[PATH_MAX], parent[PATH_MAX];
    if (log_fd < 0 || !path) return 0;
    if (path[0] == '/' ) snprintf(joined, sizeof joined, "%s", path);
    else {
        char at[PATH_MAX];
        if (base == AT_FDCWD) { if (!getcwd(at, sizeof at)) return 0; }
        else {
            char link_[64]; snprintf(link_, sizeof link_, "/proc/self/fd/%d", base);
            ssize_t n = readlink(link_, at, sizeof at - 1);
            if (n < 0) return 0;
            at[n] = 0;
        }
        if (snprintf(joined, sizeof joined, "%s/%s", at, path) >= (int)sizeof joined) return 0;
    }
    size_t n = strlen(joined);
    while (n > 1 && joined[n - 1] == '/') joined[--n] = 0;
    char *slash = strrchr(joined, '/');
    if (!slash) return 0;
    char name[PATH_MAX]; snprintf(name, sizeof name, "%s", slash + 1);
    *slash = 0;
    if (!realpath(joined[0] ? joined : "/", parent)) return 0;
    if (snprintf(out, PATH_MAX, "%s/%s", parent, name) >= PATH_MAX) return 0;
    return strncmp(out, folder, folder_length) == 0 && (out[folder_length] == '/' || !out[folder_length]);
}

static int refusal(int extends) { /* the errno that the control asks for, or 0 */
    int mode = control ? *control : 0;
    if (mode == 2) return EROFS;
    if (mode == 3) return EIO;
    return (mode == 1 || mode == 4) && extends ? ENOSPC : 0;
}

static off_t size_of(int fd) { struct stat s; return fstat(fd, &s) ? 0 : s.st_size; }

static int opened(int base, const char *path, int flags, mode_t mode) {
    char where[PATH_MAX];
    READY;
    if (!below(base, path, where)) return REAL(openat64)(base, path, flags, mode);
    pthread_mutex_lock(&lock);
    int writes = (flags & O_ACCMODE) != O_RDONLY, there = access(where, F_OK) == 0, why = 0, fd = -1;
    if (writes || (flags & O_CREAT && !there)) why = refusal(!there);
    if (why) errno = why;
    else fd = REAL(openat64)(base, path, flags, mode);
    if (fd >= 0 && fd < FDS) {
        struct stat s;
        int is_folder = fstat(fd, &s) == 0 && S_ISDIR(s.st_mode);
        tracked[fd] = 1; appends[fd] = (flags & O_APPEND) != 0;
        record('O', fd, (there ? 0 : 1) | (flags & O_TRUNC ? 2 : 0) | (is_folder ? 4 : 0), where, strlen(where));
        if (flags & __O_TMPFILE && (flags & O_TMPFILE) == O_TMPFILE) record('X', fd, 0, "O_TMPFILE", 9);
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

#define MODE(flags) mode_t mode = 0; if ((flags) & (O_CREAT | __O_TMPFILE)) { va_list l; va_start(l, flags); mode = va_arg(l, int); va_end(l); }
int open(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags, mode); }
int openat(int base, const char *path, int flags, ...) { MODE(flags) return opened(base, path, flags, mode); }
int openat64(int base, const char *path, int flags, ...) { MODE(flags) return opened(base, path, flags, mode); }
int __open_2(const char *path, int flags) { return opened(AT_FDCWD, path, flags, 0); }
int __open64_2(const char *path, int flags) { return opened(AT_FDCWD, path, flags, 0); }
int __openat_2(int base, const char *path, int flags) { return opened(base, path, flags, 0); }
int __openat64_2(int base, const char *path, int flags) { return opened(base, path, flags, 0); }
int creat(const char *path, mode_t mode) { return opened(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return opened(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

static FILE *streamed(const char *path, const char *mode) {
    char where[PATH_MAX];
    READY;
    if (strpbrk(mode, "wa+") && below(AT_FDCWD, path, where)) record('X', -1, 0, where, strlen(where));
    return REAL(fopen64)(path, mode);
}
FILE *fopen(const char *path, const char *mode) { return streamed(path, mode); }
FILE *fopen64(const char *path, const char *mode) { return streamed(path, mode); }

int close(int fd) {
    READY;
    if (!TRACKED(fd)) return REAL(close)(fd);
    pthread_mutex_lock(&lock);
    tracked[fd] = 0;
    record('C', fd, 0, NULL, 0);
    int done = REAL(close)(fd);
    pthread_mutex_unlock(&lock);
    return done;
}

static int copied(int fd, int made) {
    if (made >= 0 && made < FDS && log_fd >= 0) {
        pthread_mutex_lock(&lock);
        if (tracked[made] && !TRACKED(fd)) { tracked[made] = 0; record('C', made, 0, NULL, 0); }
        if (TRACKED(fd)) { tracked[made] = 1; appends[made] = appends[fd]; record('P', fd, made, NULL, 0); }
        pthread_mutex_unlock(&lock);
    }
    return made;
}
int dup(int fd) { READY; return copied(fd, REAL(dup)(fd)); }
int dup2(int fd, int to) { READY; return copied(fd, REAL(dup2)(fd, to)); }
int dup3(int fd, int to, int flags) { READY; return copied(fd, REAL(dup3)(fd, to, flags)); }
static int controlled(int fd, int command, void *argument) {
    READY;
    int done = REAL(fcntl64)(fd, command, argument);
    return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? copied(fd, done) : done;
}
int fcntl(int fd, int command, ...) { va_list l; va_start(l, command); void *a = va_arg(l, void *); va_end(l); return controlled(fd, command, a); }
int fcntl64(int fd, int command, ...) { va_list l; va_start(l, command); void *a = va_arg(l, void *); va_end(l); return controlled(fd, command, a); }

static ssize_t placed(int fd, const void *bytes, size_t length, off_t at, int positioned) {
    pthread_mutex_lock(&lock);
    off_t size = size_of(fd);
    if (!positioned) at = appends[fd] ? size : lseek(fd, 0, SEEK_CUR);
    int extends = at + (off_t)length > size, why = refusal(extends);
    ssize_t done = -1;
    if (why && !(control && *control == 4 && length >= 1024)) errno = why;
    else {
        size_t much = why ? length / 1024 * 512 : length;
        done = positioned ? REAL(pwrite64)(fd, bytes, much, at) : REAL(write)(fd, bytes, much);
        if (done > 0) record('W', fd, at, bytes, done);
    }
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t write(int fd, const void *bytes, size_t length) {
    READY;
    if (log_fd >= 0 && fd == ack_fd) {
        pthread_mutex_lock(&lock);
        ssize_t done = REAL(write)(fd, bytes, length);
        if (done > 0) record('A', fd, 0, bytes, done);
        pthread_mutex_unlock(&lock);
        return done;
    }
    return TRACKED(fd) ? placed(fd, bytes, length, 0, 0) : REAL(write)(fd, bytes, length);
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) {
    READY; return TRACKED(fd) ? placed(fd, bytes, length, at, 1) : REAL(pwrite64)(fd, bytes, length, at);
}
ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t at) {
    READY; return TRACKED(fd) ? placed(fd, bytes, length, at, 1) : REAL(pwrite64)(fd, bytes, length, at);
}
static ssize_t gathered(int fd, const struct iovec *parts, int count, off_t at, int positioned) {
    ssize_t sum = 0;
    for (int i = 0; i < count; i++) {
        if (!parts[i].iov_len) continue;
        ssize_t n = positioned ? pwrite64(fd, parts[i].iov_base, parts[i].iov_len, at + sum)
                               : write(fd, parts[i].iov_base, parts[i].iov_len);
        if (n < 0) return sum ? sum : -1;
        sum += n;
        if ((size_t)n < parts[i].iov_len) break;
    }
    return sum;
}
#define GATHER(real, at, positioned, call) { \
    READY; static ssize_t (*next)(); \
    if (TRACKED(fd)) return gathered(fd, parts, count, at, positioned); \
    if (!next) { *(void **)&next = dlsym(RTLD_NEXT, real); } \
    return call; }
ssize_t writev(int fd, const struct iovec *parts, int count)
    GATHER("writev", 0, 0, next(fd, parts, count))
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
    GATHER("pwritev", at, 1, next(fd, parts, count, at))
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t at)
    GATHER("pwritev64", at, 1, next(fd, parts, count, at))

static int cut(int fd, off_t length) {
    pthread_mutex_lock(&lock);
    int why = refusal(length > size_of(fd)), done = -1;
    if (why) errno = why;
    else if ((done = REAL(ftruncate64)(fd, length)) == 0) record('T', fd, length, NULL, 0);
    pthread_mutex_unlock(&lock);
    return done;
}
int ftruncate(int fd, off_t length) { READY; return TRACKED(fd) ? cut(fd, length) : REAL(ftruncate64)(fd, length); }
int ftruncate64(int fd, off_t length) { READY; return TRACKED(fd) ? cut(fd, length) : REAL(ftruncate64)(fd, length); }
int truncate(const char *path, off_t length) {
    char where[PATH_MAX];
    READY;
    if (below(AT_FDCWD, path, where)) record('X', -1, 0, "truncate", 8);
    return REAL(truncate64)(path, length);
}
int truncate64(const char *path, off_t length) { return truncate(path, length); }

static int reserved(int fd, int mode, off_t at, off_t length) {
    pthread_mutex_lock(&lock);
    int why = refusal(1), done = -1;
    if (why) errno = why;
    else if ((done = REAL(fallocate64)(fd, mode, at, length)) == 0) {
        if (mode & ~FALLOC_FL_KEEP_SIZE) record('X', fd, 0, "fallocate", 9);
        else if (!(mode & FALLOC_FL_KEEP_SIZE) && at + length > 0) record('F', fd, at + length, NULL, 0);
    }
    pthread_mutex_unlock(&lock);
    return done;
}
int fallocate(int fd, int mode, off_t at, off_t n) { READY; return TRACKED(fd) ? reserved(fd, mode, at, n) : REAL(fallocate64)(fd, mode, at, n); }
int fallocate64(int fd, int mode, off_t at, off_t n) { READY; return TRACKED(fd) ? reserved(fd, mode, at, n) : REAL(fallocate64)(fd, mode, at, n); }
int posix_fallocate(int fd, off_t at, off_t n) { return fallocate(fd, 0, at, n) ? errno : 0; }
int posix_fallocate64(int fd, off_t at, off_t n) { return fallocate(fd, 0, at, n) ? errno : 0; }

static int synced(int fd, int (*call)(int)) {
    static int64_t numbers;
    pthread_mutex_lock(&lock);
    int64_t number = ++numbers;
    int why = control && *control == 3 ? EIO : 0;
    record('B', fd, number, NULL, 0);
    pthread_mutex_unlock(&lock);
    if (why) { errno = why; return -1; }
    int done = call(fd);
    pthread_mutex_lock(&lock);
    if (done == 0) record('S', fd, number, NULL, 0);
    pthread_mutex_unlock(&lock);
    return done;
}
int fsync(int fd) { READY; return TRACKED(fd) ? synced(fd, REAL(fsync)) : REAL(fsync)(fd); }
int fdatasync(int fd) { READY; return TRACKED(fd) ? synced(fd, REAL(fdatasync)) : REAL(fdatasync)(fd); }
int sync_file_range(int fd, off_t at, off_t n, unsigned int flags) { /* promises nothing about a power loss: no record */
    READY; return REAL(sync_file_range)(fd, at, n, flags);
}

static int named(char op, int base, const char *path, int (*call)(int, const char *)) {
    char where[PATH_MAX];
    if (!below(base, path, where)) return call(base, path);
    pthread_mutex_lock(&lock);
    int why = refusal(op == 'M'), done = -1;
    if (why) errno = why;
    else if ((done = call(base, path)) == 0) record(op, -1, 0, where, strlen(where));
    pthread_mutex_unlock(&lock);
    return done;
}
static int do_unlink(int base, const char *path) { return REAL(unlinkat)(base, path, 0); }
static int do_rmdir(int base, const char *path) { return REAL(unlinkat)(base, path, AT_REMOVEDIR); }
static mode_t folder_mode;
static int do_mkdir(int base, const char *path) { return mkdirat(base, path, folder_mode); }
int unlink(const char *path) { READY; return named('U', AT_FDCWD, path, do_unlink); }
int unlinkat(int base, const char *path, int flags) {
    READY; return flags & AT_REMOVEDIR ? named('D', base, path, do_rmdir) : named('U', base, path, do_unlink);
}
int rmdir(const char *path) { READY; return named('D', AT_FDCWD, path, do_rmdir); }
int remove(const char *path) {
    struct stat s;
    READY; return lstat(path, &s) == 0 && S_ISDIR(s.st_mode) ? rmdir(path) : unlink(path);
}
int mkdir(const char *path, mode_t mode) {
    READY;
    folder_mode = mode;
    return named('M', AT_FDCWD, path, do_mkdir);
}

static int moved(char op, const char *from, const char *to, int (*call)(const char *, const char *)) {
    char a[PATH_MAX], b[PATH_MAX], both[2 * PATH_MAX];
    int ours = below(AT_FDCWD, from, a), theirs = below(AT_FDCWD, to, b);
    if (!ours && !theirs) return call(from, to);
    pthread_mutex_lock(&lock);
    int why = refusal(0), done = -1;
    if (why) errno = why;
    else if ((done = call(from, to)) == 0) {
        size_t n = strlen(a) + 1 + strlen(b);
        snprintf(both, sizeof both, "%s%c%s", a, 1, b);
        if (ours && theirs) record(op, -1, 0, both, n);
        else record('X', -1, 0, "rename across the folder's edge", 31);
    }
    pthread_mutex_unlock(&lock);
    return done;
}
int rename(const char *from, const char *to) { READY; return moved('R', from, to, REAL(rename)); }
int renameat(int a, const char *from, int b, const char *to) {
    if (a == AT_FDCWD && b == AT_FDCWD) return rename(from, to);
    char one[PATH_MAX], two[PATH_MAX];
    READY;
    if (below(a, from, one) && below(b, to, two)) return moved('R', one, two, REAL(rename));
    static int (*next)(int, const char *, int, const char *);
    if (!next) *(void **)&next = dlsym(RTLD_NEXT, "renameat");
    return next(a, from, b, to);
}
int link(const char *from, const char *to) { READY; return moved('L', from, to, REAL(link)); }

static void *mapped(void *at, size_t n, int protection, int flags, int fd, off_t offset) {
    if (TRACKED(fd) && (protection & PROT_WRITE) && (flags & MAP_TYPE) == MAP_SHARED) {
        pthread_mutex_lock(&lock);
        record('V', fd, offset, NULL, 0); /* shared memory in a file: the reader says which names may */
        pthread_mutex_unlock(&lock);
    }
    return REAL(mmap64)(at, n, protection, flags, fd, offset);
}
void *mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset) { READY; return mapped(at, n, protection, flags, fd, offset); }
void *mmap64(void *at, size_t n, int protection, int flags, int fd, off_t offset) { READY; return mapped(at, n, protection, flags, fd, offset); }

/* Files, sockets and streams. */
#define _GNU_SOURCE /* fopencookie */
#include "torture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

TORTURE_WRAP(int, open, const char *path, int flags, ...)
{
    switch (torture_fails(TORTURE_IO, "open", 2)) { /* src/ creates no file: there is no mode */
    case 1:
        errno = EIO;
        return -1;
    case 2:
        errno = EMFILE;
        return -1;
    default:
        return __real_open(path, flags);
    }
}

TORTURE_WRAP(int, fstat, int fd, struct stat *info)
{
    if (torture_fails(TORTURE_IO, "fstat", 1) != 0) {
        errno = EIO;
        return -1;
    }
    return __real_fstat(fd, info);
}

TORTURE_WRAP(int, stat, const char *path, struct stat *info)
{
    if (torture_fails(TORTURE_IO, "stat", 1) != 0) {
        errno = EIO;
        return -1;
    }
    return __real_stat(path, info);
}

TORTURE_WRAP(int, access, const char *path, int mode)
{
    if (torture_fails(TORTURE_IO, "access", 1) != 0) {
        errno = EIO;
        return -1;
    }
    return __real_access(path, mode);
}

TORTURE_WRAP(ssize_t, read, int fd, void *data, size_t size)
{
    switch (torture_fails(TORTURE_IO, "read", 3)) {
    case 1:
        errno = EIO;
        return -1;
    case 2:
        errno = EINTR;
        return -1;
    case 3: /* less than was asked for, which is no failure */
        return __real_read(fd, data, size < 3 ? size : 3);
    default:
        return __real_read(fd, data, size);
    }
}

TORTURE_WRAP(DIR *, opendir, const char *path)
{
    if (torture_fails(TORTURE_IO, "opendir", 1) != 0) {
        errno = EMFILE;
        return NULL;
    }
    return __real_opendir(path);
}

TORTURE_WRAP(struct dirent *, readdir, DIR *dir)
{
    if (torture_fails(TORTURE_IO, "readdir", 1) != 0) {
        errno = EIO;
        return NULL;
    }
    return __real_readdir(dir);
}

/* The file is closed all the same, as Linux does it. */
TORTURE_WRAP(int, close, int fd)
{
    int code = __real_close(fd);

    if (torture_fails(TORTURE_IO, "close", 1) != 0) {
        errno = EIO;
        return -1;
    }
    return code;
}

/*
 * libpq that has no memory for the end of an exchange never tells of it, and the program waits half
 * a minute until it gives it up. After such a failure waits are shorter, and the clock goes faster;
 * not so much faster that a server on a loaded machine seems to stand still.
 */
#define IO_HURRY 5

static int64_t io_skipped_ms;

TORTURE_WRAP(int, clock_gettime, clockid_t which, struct timespec *now)
{
    int code = __real_clock_gettime(which, now);

    if (which == CLOCK_BOOTTIME) {
        now->tv_sec += io_skipped_ms / 1000;
        now->tv_nsec += io_skipped_ms % 1000 * 1000000;
        now->tv_sec += now->tv_nsec / 1000000000;
        now->tv_nsec %= 1000000000;
    }
    return code;
}

TORTURE_WRAP(int, poll, struct pollfd *fds, nfds_t count, int timeout_ms)
{
    int wait_ms = timeout_ms / IO_HURRY;
    int way = torture_fails(TORTURE_IO, "poll", 2);
    int ready;

    if (way != 0) {
        errno = way == 1 ? EINTR : ENOMEM;
        return -1;
    }
    if (!torture_has_failed(TORTURE_LIBRARY) || timeout_ms <= 0) {
        return __real_poll(fds, count, timeout_ms);
    }
    ready = __real_poll(fds, count, wait_ms);
    io_skipped_ms += ready == 0 ? timeout_ms - wait_ms : 0;
    return ready;
}

TORTURE_WRAP(int, gethostname, char *name, size_t size)
{
    if (torture_fails(TORTURE_IO, "gethostname", 1) != 0) {
        errno = EFAULT;
        return -1;
    }
    return __real_gethostname(name, size);
}

/* Streams that are read. The one that failed says so when it is asked. */
static FILE *io_broken;

TORTURE_WRAP(FILE *, fopen, const char *path, const char *mode)
{
    switch (torture_fails(TORTURE_IO, "fopen", 2)) {
    case 1:
        errno = EIO;
        return NULL;
    case 2:
        errno = EMFILE;
        return NULL;
    default:
        return __real_fopen(path, mode);
    }
}

TORTURE_WRAP(size_t, fread, void *data, size_t size, size_t count, FILE *file)
{
    if (torture_fails(TORTURE_IO, "fread", 1) != 0) {
        io_broken = file;
        errno = EIO;
        return 0;
    }
    return __real_fread(data, size, count, file);
}

TORTURE_WRAP(char *, fgets, char *line, int size, FILE *file)
{
    if (torture_fails(TORTURE_IO, "fgets", 1) != 0) {
        io_broken = file;
        errno = EIO;
        return NULL;
    }
    return __real_fgets(line, size, file);
}

TORTURE_WRAP(int, ferror, FILE *file)
{
    return file == io_broken || __real_ferror(file) != 0;
}

TORTURE_WRAP(int, fclose, FILE *file)
{
    int code = __real_fclose(file);

    if (torture_fails(TORTURE_IO, "fclose", 1) != 0) {
        errno = EIO;
        return EOF;
    }
    return code;
}

/*
 * What is written goes through stdio, which calls write() from inside libc: so stdout and stderr
 * are streams of our own, each of whose writes counts. stdout's buffer is small, for many of them.
 */
#define IO_BUFFER_SIZE 256

static ssize_t
io_write(void *cookie, const char *data, size_t size)
{
    int fd = cookie == NULL ? STDOUT_FILENO : STDERR_FILENO;
    size_t done = 0;

    switch (torture_fails(TORTURE_IO, fd == STDOUT_FILENO ? "write-stdout" : "write-stderr", 2)) {
    case 1:
        errno = EIO;
        return 0;
    case 2:
        errno = ENOSPC;
        return 0;
    default:
        break;
    }
    while (done < size) {
        ssize_t count = write(fd, data + done, size - done);

        if (count <= 0) {
            return 0;
        }
        done += (size_t)count;
    }
    return (ssize_t)size;
}

/* After torture_begin(). */
static void __attribute__((constructor(201))) io_begin(void)
{
    static const cookie_io_functions_t functions = {.write = io_write};
    static char buffer[IO_BUFFER_SIZE];
    static int any;

    if (torture_counts(TORTURE_IO)) {
        stdout = fopencookie(NULL, "w", functions);
        stderr = fopencookie(&any, "w", functions);
        (void)setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
        (void)setvbuf(stderr, NULL, _IONBF, 0);
    }
}

#include "fdio.h"

#include "mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

ssize_t
fdio_read(int fd, char *data, size_t size)
{
    size_t length = 0;

    while (length < size) {
        ssize_t got = read(fd, data + length, size - length);

        if (got == 0) {
            break;
        }
        if (got < 0 && errno != EINTR) {
            return -1;
        }
        length += got > 0 ? (size_t)got : 0;
    }
    return (ssize_t)length;
}

bool
fdio_write(int fd, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, data, length);

        if (written < 0 && errno != EINTR) {
            return false;
        }
        if (written > 0) {
            data += written;
            length -= (size_t)written;
        }
    }
    return true;
}

/* False with errno set. */
static bool
fdio_fill(int fd, mode_t mode, void (*write)(void *context, FILE *out), void *context)
{
    FILE *file = fdopen(fd, "w");
    bool written;

    if (file == NULL) {
        (void)close(fd);
        return false;
    }
    write(context, file);
    /* mkstemp() made it for its owner alone. */
    written = fchmod(fd, mode) == 0 && fflush(file) == 0 && ferror(file) == 0;
    return fclose(file) == 0 && written;
}

bool
fdio_replace(const char *path, mode_t mode, void (*write)(void *context, FILE *out), void *context,
             struct err *err)
{
    char *temporary = mem_printf("%s.XXXXXX", path);
    int fd = mkstemp(temporary);
    bool done = false;

    if (fd < 0) {
        (void)err_set(err, ERR_INTERNAL,
                      "%s could not be written: no file can be made beside it: %s", path,
                      strerror(errno));
    } else if (!fdio_fill(fd, mode, write, context) || rename(temporary, path) != 0) {
        (void)err_set(err, ERR_INTERNAL, "%s could not be written: %s", path, strerror(errno));
        (void)unlink(temporary);
    } else {
        done = true;
    }
    mem_free(temporary);
    return done;
}

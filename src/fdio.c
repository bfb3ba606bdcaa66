#include "fdio.h"

#include <errno.h>
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

/*
 * Files in memory, under paths that stay the same, so that an input can name them. Linux only.
 * _GNU_SOURCE comes first.
 */
#ifndef HARPSWEEP_FUZZ_FILES_H
#define HARPSWEEP_FUZZ_FILES_H

#include "fuzz.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FUZZ_KEY_FD 200
#define FUZZ_FILE_FD 201
#define FUZZ_AGAIN_FD 202
#define FUZZ_KEY_PATH "/proc/self/fd/200"
#define FUZZ_FILE_PATH "/proc/self/fd/201"
#define FUZZ_AGAIN_PATH "/proc/self/fd/202"

#define FUZZ_KEY "fuzz-shared-key-9f2c"

FUZZ_BLIND void
fuzz_make_file(int fd, mode_t mode)
{
    int made = memfd_create("fuzz", 0);

    FUZZ_CHECK(made >= 0 && dup2(made, fd) == fd && close(made) == 0 && fchmod(fd, mode) == 0,
               "no file");
}

FUZZ_BLIND void
fuzz_write_file(int fd, const void *data, size_t size)
{
    FUZZ_CHECK(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size, "no file");
}

/* Once: a key file as it must be, and two empty ones as settings should be. */
FUZZ_BLIND void
fuzz_make_files(void)
{
    static bool made;

    if (!made) {
        made = true;
        fuzz_make_file(FUZZ_KEY_FD, 0600);
        fuzz_make_file(FUZZ_FILE_FD, 0640);
        fuzz_make_file(FUZZ_AGAIN_FD, 0640);
        fuzz_write_file(FUZZ_KEY_FD, FUZZ_KEY "\n", sizeof FUZZ_KEY);
    }
}

#endif

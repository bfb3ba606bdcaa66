/*
 * Files and pipes as a whole: read() and write() may do a part of what they were asked for, or be
 * interrupted by a signal.
 */
#ifndef HARPSWEEP_FDIO_H
#define HARPSWEEP_FDIO_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

/* All that there is, up to size bytes. Returns how many; -1 with errno set. */
ssize_t fdio_read(int fd, char *data, size_t size);

/* All of length bytes. False with errno set. */
bool fdio_write(int fd, const char *data, size_t length) __attribute__((warn_unused_result));

/* Makes the file at path anew, with these permissions: into a temporary one beside it, which takes
 * its place once all is written. Whoever reads it meets the old one or the new one whole; where it
 * fails, the old one stays, and err says which file could not be written. */
bool fdio_replace(const char *path, mode_t mode, void (*write)(void *context, FILE *out),
                  void *context, struct err *err) MUST_CHECK;

#endif

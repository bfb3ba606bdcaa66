/*
 * A growing string with a limit, so that nothing that strangers send can take
 * all memory.
 */
#ifndef HARPSWEEP_BUF_H
#define HARPSWEEP_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *data; /* NUL-terminated once anything was added; NULL before */
    size_t length;
    size_t size;
    size_t max;    /* most bytes it may hold */
    bool overflow; /* something did not fit and was left out */
};

/* An empty buffer that holds at most max bytes. */
void buf_init(struct buf *buf, size_t max);

/* Appends; false (and overflow set, nothing appended) where it does not fit. */
bool buf_add(struct buf *buf, const void *data, size_t length);
bool buf_add_text(struct buf *buf, const char *text);
bool buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Makes it empty, keeping its memory. */
void buf_clear(struct buf *buf);

/* The text, "" for an empty buffer. Owned by the buffer. */
const char *buf_text(const struct buf *buf);

/* Frees its memory; the buffer is empty afterwards. */
void buf_free(struct buf *buf);

/* Overwrites a secret first. What it outgrew while it was filled is not reached. */
void buf_wipe_free(struct buf *buf);

#endif

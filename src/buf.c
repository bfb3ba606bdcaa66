#define _DEFAULT_SOURCE /* explicit_bzero */
#include "buf.h"

#include "mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void
buf_init(struct buf *buf, size_t max)
{
    memset(buf, 0, sizeof *buf);
    buf->max = max;
}

bool
buf_add(struct buf *buf, const void *data, size_t length)
{
    size_t needed;

    if (length > buf->max - buf->length) {
        buf->overflow = true;
        return false;
    }
    needed = buf->length + length + 1;
    if (needed > buf->size) {
        size_t size = buf->size == 0 ? 64 : buf->size;

        while (size < needed) {
            size *= 2;
        }
        buf->data = mem_grow(buf->data, size, 1);
        buf->size = size;
    }
    if (length > 0) {
        memcpy(buf->data + buf->length, data, length);
    }
    buf->length += length;
    buf->data[buf->length] = '\0';
    return true;
}

bool
buf_add_text(struct buf *buf, const char *text)
{
    return buf_add(buf, text, strlen(text));
}

bool
buf_printf(struct buf *buf, const char *format, ...)
{
    char fixed[512];
    va_list args;
    va_list again;
    int length;
    bool added;

    va_start(args, format);
    va_copy(again, args);
    length = vsnprintf(fixed, sizeof fixed, format, args);
    va_end(args);
    if (length < 0) {
        added = false;
    } else if ((size_t)length < sizeof fixed) {
        added = buf_add(buf, fixed, (size_t)length);
    } else {
        char *text = mem_alloc((size_t)length + 1, 1);

        (void)vsnprintf(text, (size_t)length + 1, format, again);
        added = buf_add(buf, text, (size_t)length);
        mem_free(text);
    }
    va_end(again);
    return added;
}

void
buf_clear(struct buf *buf)
{
    buf->length = 0;
    buf->overflow = false;
    if (buf->data != NULL) {
        buf->data[0] = '\0';
    }
}

const char *
buf_text(const struct buf *buf)
{
    return buf->data == NULL ? "" : buf->data;
}

void
buf_free(struct buf *buf)
{
    mem_free(buf->data);
    buf_init(buf, buf->max);
}

void
buf_wipe_free(struct buf *buf)
{
    if (buf->data != NULL) {
        explicit_bzero(buf->data, buf->size);
    }
    buf_free(buf);
}

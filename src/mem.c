#define _DEFAULT_SOURCE /* explicit_bzero */
#include "mem.h"

#include "err.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Noreturn void
mem_exhausted(void)
{
    static const char message[] = "harpsweep: error: out of memory\n";

    /* Nothing can be done if even this can't be said. */
    if (write(STDERR_FILENO, message, sizeof message - 1) < 0) {
        _exit(EXIT_CODE_INTERNAL);
    }
    _exit(EXIT_CODE_INTERNAL);
}

void *
mem_alloc(size_t count, size_t size)
{
    void *memory = calloc(count == 0 ? 1 : count, size == 0 ? 1 : size);

    if (memory == NULL) {
        mem_exhausted();
    }
    return memory;
}

void *
mem_grow(void *old, size_t count, size_t size)
{
    void *memory;

    if (size != 0 && count > SIZE_MAX / size) {
        mem_exhausted();
    }
    memory = realloc(old, count * size == 0 ? 1 : count * size);
    if (memory == NULL) {
        mem_exhausted();
    }
    return memory;
}

char *
mem_strdup(const char *text)
{
    return text == NULL ? NULL : mem_strndup(text, strlen(text));
}

char *
mem_strndup(const char *text, size_t length)
{
    char *copy = mem_alloc(length + 1, 1);

    memcpy(copy, text, length);
    return copy;
}

char *
mem_vprintf(const char *format, va_list args)
{
    va_list again;
    int length;
    char *text;

    va_copy(again, args);
    length = vsnprintf(NULL, 0, format, args);
    text = mem_alloc(length < 0 ? 1 : (size_t)length + 1, 1);
    if (length > 0) {
        (void)vsnprintf(text, (size_t)length + 1, format, again);
    }
    va_end(again);
    return text;
}

char *
mem_printf(const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    text = mem_vprintf(format, args);
    va_end(args);
    return text;
}

void
mem_free(void *memory)
{
    free(memory);
}

void
mem_wipe_free(char *secret)
{
    if (secret != NULL) {
        explicit_bzero(secret, strlen(secret));
        free(secret);
    }
}

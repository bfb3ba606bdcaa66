/*
 * Memory. Running out of it ends the process (exit 70): every claimed job comes
 * back when its lease ends, so there is nothing to save by limping on.
 */
#ifndef HARPSWEEP_MEM_H
#define HARPSWEEP_MEM_H

#include <stdarg.h>
#include <stddef.h>

/* Zeroed memory for count things of size bytes; never NULL. mem_free() it. */
void *mem_alloc(size_t count, size_t size);

/* Room for count things of size bytes, keeping what was there; never NULL. */
void *mem_grow(void *old, size_t count, size_t size);

/* A copy of text, or NULL for NULL. mem_free() it. */
char *mem_strdup(const char *text);

/* The first length bytes of text as a string. mem_free() it. */
char *mem_strndup(const char *text, size_t length);

/* A string made by a printf format. mem_free() it. */
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *mem_vprintf(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

/* Frees; NULL is fine. */
void mem_free(void *memory);

/* Overwrites a secret string, then frees it; NULL is fine. */
void mem_wipe_free(char *secret);

#endif

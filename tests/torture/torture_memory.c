/*
 * Memory that runs out, for mem.c and, as a class of its own, inside libpq, libcurl and jansson.
 *
 * The program ends at once where mem.c gets none, with _exit(): it leaks then by design, and the
 * leak sanitizer, which looks at the end of main(), does not come to it.
 */
#define _GNU_SOURCE /* RTLD_NEXT, dladdr */
#include "torture.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

TORTURE_WRAP(void *, calloc, size_t count, size_t size)
{
    if (torture_fails(TORTURE_ALLOC, "calloc", 1) != 0) {
        errno = ENOMEM;
        return NULL;
    }
    return __real_calloc(count, size);
}

TORTURE_WRAP(void *, realloc, void *old, size_t size)
{
    if (torture_fails(TORTURE_ALLOC, "realloc", 1) != 0) {
        errno = ENOMEM;
        return NULL;
    }
    return __real_realloc(old, size);
}

/*
 * The program's own malloc() and its relatives come before the sanitizer's, which stand behind
 * them: so they see the calls of all libraries, and tell by the return address whose a call is.
 * strdup() is here because libcurl uses it, and libc's would hide who called it.
 */
void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *old, size_t size);

/* Whether an address is in one of the libraries. Remembers what it found: they stay where they are.
 */
static bool
memory_is_library(const void *caller)
{
    static const char *const libraries[] = {"/libpq.so", "/libcurl.so", "/libjansson.so"};
    static struct {
        const void *caller;
        bool is_library;
    } known[4096];
    size_t at = ((uintptr_t)caller >> 1) % (sizeof known / sizeof *known);
    Dl_info info;

    if (known[at].caller != caller) {
        known[at].caller = caller;
        known[at].is_library = false;
        for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
            if (dladdr(caller, &info) != 0 && strstr(info.dli_fname, libraries[i]) != NULL) {
                known[at].is_library = true;
            }
        }
    }
    return known[at].is_library;
}

static bool memory_armed;

/* After torture_begin(). */
static void __attribute__((constructor(201))) memory_begin(void)
{
    memory_armed = torture_counts(TORTURE_LIBRARY);
}

static bool
memory_fails(const char *function, const void *caller)
{
    if (!memory_armed || !memory_is_library(caller) ||
        torture_fails(TORTURE_LIBRARY, function, 1) == 0) {
        return false;
    }
    errno = ENOMEM;
    return true;
}

/* This file's dlsym() is nobody's call. */
void *__real_dlsym(void *library, const char *name);

/* The next one of that name, looked up once. ISO C has no cast from an object to a function. */
#define MEMORY_NEXT(pointer, name)                        \
    do {                                                  \
        if ((pointer) == NULL) {                          \
            void *symbol = __real_dlsym(RTLD_NEXT, name); \
                                                          \
            memcpy(&(pointer), &symbol, sizeof symbol);   \
        }                                                 \
    } while (0)

void *
malloc(size_t size)
{
    static void *(*next)(size_t);

    MEMORY_NEXT(next, "malloc");
    return memory_fails("malloc", __builtin_return_address(0)) ? NULL : next(size);
}

void *
calloc(size_t count, size_t size)
{
    static void *(*next)(size_t, size_t);

    MEMORY_NEXT(next, "calloc");
    return memory_fails("calloc", __builtin_return_address(0)) ? NULL : next(count, size);
}

void *
realloc(void *old, size_t size)
{
    static void *(*next)(void *, size_t);

    MEMORY_NEXT(next, "realloc");
    return memory_fails("realloc", __builtin_return_address(0)) ? NULL : next(old, size);
}

char *
strdup(const char *text)
{
    static char *(*next)(const char *);

    MEMORY_NEXT(next, "strdup");
    return memory_fails("strdup", __builtin_return_address(0)) ? NULL : next(text);
}

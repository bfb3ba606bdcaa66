/*
 * Calls that fail when they are told to. The program is linked with `--wrap` for each function that
 * stands in a TORTURE_WRAP below src/'s calls of it come here first, nobody else's do: what libpq
 * does inside is libpq's own affair.
 *
 * $HARPSWEEP_TORTURE says what happens:
 *   (not set)        everything passes
 *   CLASS            everything passes, and each call of the class is written down
 *   CLASS:N:WAY      the N-th call of the class fails, in the WAY-th of its ways; all others pass
 * $HARPSWEEP_TORTURE_LOG is the file for "N FUNCTION WAYS" of each call counted, or "N FUNCTION
 * WAY" of the one that failed. With $HARPSWEEP_TORTURE_TRACE the failing call shows its stack on
 * stderr.
 */
#ifndef HARPSWEEP_TORTURE_H
#define HARPSWEEP_TORTURE_H

enum torture_class {
    TORTURE_ALLOC,   /* memory that mem.c asks for */
    TORTURE_LIBRARY, /* memory that libpq, libcurl and jansson ask for */
    TORTURE_LIBPQ,
    TORTURE_CURL,
    TORTURE_IO,
};

/* Counts a call that can fail in so many ways. The way (1…ways) in which it has to; 0: it passes.
 */
int torture_fails(enum torture_class class, const char *function, int ways);

/* Whether that class is the one that is counted, and whether a call of it has failed already. */
int torture_counts(enum torture_class class);
int torture_has_failed(enum torture_class class);

/* The linker's names for what is called and for what stands behind it. The Makefile reads the names
 * of the functions here, so each stands behind "TORTURE_WRAP(TYPE, " in one line. */
#define TORTURE_WRAP(type, name, ...) \
    type __real_##name(__VA_ARGS__);  \
    type __wrap_##name(__VA_ARGS__);  \
    type __wrap_##name(__VA_ARGS__)

#endif

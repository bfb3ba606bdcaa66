/*
 * Errors that travel upwards.
 *
 * A function that can fail takes a `struct err *` and returns false after it
 * filled it in. Messages are lower case, without a full stop, and name the
 * thing; a hint says what to do about it. The lower layers fill an error, only
 * the top one prints it.
 */
#ifndef HARPSWEEP_ERR_H
#define HARPSWEEP_ERR_H

#include <stdbool.h>

#if defined(__GNUC__)
#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt_index, first) __attribute__((format(printf, fmt_index, first)))
#else
#define MUST_CHECK
#define PRINTF_LIKE(fmt_index, first)
#endif

enum err_kind {
    ERR_NONE,
    ERR_USAGE,    /* the command line */
    ERR_CONFIG,   /* the settings file, a key file */
    ERR_SCHEMA,   /* the database's schema or privileges */
    ERR_DB_LOST,  /* no connection, or it broke, or the server can't write: reconnect */
    ERR_DB_AGAIN, /* a deadlock or a serialization failure: the same statement again */
    ERR_DB,       /* the database refused a statement, or its answer can't be true */
    ERR_INTERNAL,
};

/* Exit codes of sysexits.h, as far as the program uses them. */
enum exit_code {
    EXIT_CODE_OK = 0,
    EXIT_CODE_ATTENTION = 1,
    EXIT_CODE_USAGE = 64,
    EXIT_CODE_UNAVAILABLE = 69,
    EXIT_CODE_INTERNAL = 70,
    EXIT_CODE_LEFT_WORK = 75,
    EXIT_CODE_CONFIG = 78,
};

struct err {
    enum err_kind kind;
    char text[1024];
    char hint[512];
};

/* Fills err (which may be NULL) and returns false, so that a caller can
 * `return err_set(…)`. A hint that was there before is dropped. */
bool err_set(struct err *err, enum err_kind kind, const char *format, ...) PRINTF_LIKE(3, 4);

/* Adds what to do about it to an error that is set already. Returns false. */
bool err_hint(struct err *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* The exit code that an error of this kind ends the program with. */
int err_exit_code(enum err_kind kind);

#endif

#include "err.h"

#include <stdarg.h>
#include <stdio.h>

bool
err_set(struct err *err, enum err_kind kind, const char *format, ...)
{
    va_list args;

    if (err == NULL) {
        return false;
    }
    err->kind = kind;
    err->hint[0] = '\0';
    va_start(args, format);
    (void)vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return false;
}

bool
err_hint(struct err *err, const char *format, ...)
{
    va_list args;

    if (err == NULL) {
        return false;
    }
    va_start(args, format);
    (void)vsnprintf(err->hint, sizeof err->hint, format, args);
    va_end(args);
    return false;
}

int
err_exit_code(enum err_kind kind)
{
    switch (kind) {
    case ERR_NONE:
        return EXIT_CODE_OK;
    case ERR_USAGE:
        return EXIT_CODE_USAGE;
    case ERR_CONFIG:
    case ERR_SCHEMA:
        return EXIT_CODE_CONFIG;
    case ERR_DB_LOST:
    case ERR_DB_AGAIN:
    case ERR_DB:
        return EXIT_CODE_UNAVAILABLE;
    case ERR_INTERNAL:
        break;
    }
    return EXIT_CODE_INTERNAL;
}

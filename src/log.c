#include "log.h"

#include "printable.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static enum log_level log_threshold = LOG_LEVEL_WARNING;
static _Thread_local const char *log_subject;
static const struct log_guard *log_guard;

void
log_set_subject(const char *subject)
{
    log_subject = subject;
}

void
log_set_guard(const struct log_guard *guard)
{
    log_guard = guard;
}

void
log_set_level(enum log_level level)
{
    log_threshold = level;
}

/* Writes a line, with a space for whatever in it could play with a terminal. One call, so that
 * lines of several threads, and of several runs, stay whole. */
static void
log_write(const char *label, char *line)
{
    const char *from = line;
    char *to = line;

    while (*from != '\0') {
        uint32_t code = 0;
        size_t length = printable_decode(from, &code);

        if (length == 0 || printable_is_control(code)) {
            *to++ = length == 0 ? '?' : ' ';
        } else {
            memmove(to, from, length);
            to += length;
        }
        from += length == 0 ? 1 : length;
    }
    *to = '\0';
    if (log_guard != NULL) {
        log_guard->before(log_guard->context);
    }
    (void)fprintf(stderr, "harpsweep: %s%s%s%s\n", log_subject == NULL ? "" : log_subject,
                  log_subject == NULL ? "" : ": ", label, line);
    if (log_guard != NULL) {
        log_guard->after(log_guard->context);
    }
}

static void PRINTF_LIKE(3, 0)
    log_line(enum log_level level, const char *label, const char *format, va_list args)
{
    char line[2048];

    if (level <= log_threshold) {
        (void)vsnprintf(line, sizeof line, format, args);
        log_write(label, line);
    }
}

#define LOG_FUNCTION(name, level, label)      \
    void name(const char *format, ...)        \
    {                                         \
        va_list args;                         \
                                              \
        va_start(args, format);               \
        log_line(level, label, format, args); \
        va_end(args);                         \
    }

LOG_FUNCTION(log_error, LOG_LEVEL_ERROR, "error: ")
LOG_FUNCTION(log_warning, LOG_LEVEL_WARNING, "warning: ")
LOG_FUNCTION(log_info, LOG_LEVEL_INFO, "")
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG, "debug: ")

static void PRINTF_LIKE(1, 2) log_hint(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_line(LOG_LEVEL_ERROR, "hint: ", format, args);
    va_end(args);
}

void
log_err(const struct err *err)
{
    log_error("%s", err->text);
    if (err->hint[0] != '\0') {
        log_hint("%s", err->hint);
    }
}

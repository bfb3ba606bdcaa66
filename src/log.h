/*
 * What the program says about its work, on standard error. Under cron, standard
 * error becomes mail: warnings and errors always appear, information only with
 * -v, details with -vv.
 *
 * A message is one line: words first, then key=value pairs. Control characters
 * in it are replaced, so that no name from a database can play with a terminal.
 */
#ifndef HARPSWEEP_LOG_H
#define HARPSWEEP_LOG_H

#include "err.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* What the messages of this thread are about; stands before each of them. NULL: nothing. The text
 * is not copied. */
void log_set_subject(const char *subject);

/* What is called before and after each message is written, by the thread that writes it. */
struct log_guard {
    void (*before)(void *context);
    void (*after)(void *context);
    void *context;
};

/* For whoever else writes to standard error, so that lines stay whole. NULL: nobody. Not copied;
 * while one thread alone runs. */
void log_set_guard(const struct log_guard *guard);

/* Messages above this level are left out. Starts as LOG_LEVEL_WARNING. */
void log_set_level(enum log_level level);

void log_error(const char *format, ...) PRINTF_LIKE(1, 2);
void log_warning(const char *format, ...) PRINTF_LIKE(1, 2);
void log_info(const char *format, ...) PRINTF_LIKE(1, 2);
void log_debug(const char *format, ...) PRINTF_LIKE(1, 2);

/* An error and, on a second line, its hint. */
void log_err(const struct err *err);

#endif

/*
 * The findings of the command check: one line each, or one object each in JSON.
 */
#ifndef HARPSWEEP_CMD_CHECK_REPORT_H
#define HARPSWEEP_CMD_CHECK_REPORT_H

#include "cli.h"
#include "err.h"
#include "json_out.h"

#include <stdbool.h>

struct check_report {
    enum cli_format format;
    struct json_out json;
    int code; /* what check ends with, by the findings so far */
};

void check_report_open(struct check_report *report, enum cli_format format);

/* A finding about subject ("settings", "database", "daemon X"). */
void check_ok(struct check_report *report, const char *subject, const char *format, ...)
    PRINTF_LIKE(3, 4);
void check_warning(struct check_report *report, const char *subject, const char *hint,
                   const char *format, ...) PRINTF_LIKE(4, 5);
/* code: the exit code that it stands for; the gravest wins (78, 69, 1). */
void check_error(struct check_report *report, const char *subject, int code, const char *hint,
                 const char *format, ...) PRINTF_LIKE(5, 6);
/* An error that came from below, with the exit code of its kind. */
void check_error_of(struct check_report *report, const char *subject, const struct err *err);

/* Ends the output. */
void check_report_close(struct check_report *report);

#endif

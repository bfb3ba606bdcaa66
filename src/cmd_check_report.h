/*
 * The findings of the command check: one line each, or one object each in JSON.
 */
#ifndef HARPSWEEP_CMD_CHECK_REPORT_H
#define HARPSWEEP_CMD_CHECK_REPORT_H

#include "buf.h"
#include "cli.h"
#include "err.h"
#include "json_out.h"

#include <stdbool.h>

struct check_report {
    enum cli_format format;
    struct json_out json;
    int code;         /* what check ends with, by the findings so far */
    bool fix_hints;   /* the commands are shown behind the findings */
    char *fix;        /* of the finding that comes next; NULL: none is known */
    struct buf fixes; /* lines that are shown at the end */
    const char *conninfo;
};

void check_report_open(struct check_report *report, const struct cli *cli);

/* The next command to type about the next finding, should that be an error or a warning. */
void check_fix(struct check_report *report, const char *format, ...) PRINTF_LIKE(2, 3);

/* The same: an SQL statement, or (ending in .sql) a file of sql/, for psql as one who may do it. */
void check_fix_sql(struct check_report *report, const char *sql);

/* The same: to edit a file. */
void check_fix_edit(struct check_report *report, const char *path);

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

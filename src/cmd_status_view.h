/*
 * How the command status shows what it found.
 */
#ifndef HARPSWEEP_CMD_STATUS_VIEW_H
#define HARPSWEEP_CMD_STATUS_VIEW_H

#include "cli.h"
#include "cmd_session.h"
#include "json_out.h"
#include "ledger.h"

#include <stdbool.h>
#include <stdint.h>

struct status_summary {
    int64_t due;          /* open jobs that somebody may act on now */
    int64_t oldest_due_s; /* for how long the oldest of them has been */
    int64_t lag_s;        /* the same of those that nothing but a run is missing for */
    int64_t late;         /* of those: due for too long */
    int64_t next_s;       /* until the first of the others is due; -1: no other */
    int64_t unknown;      /* due jobs of daemons that nobody knows */
    int64_t failed;
    int64_t stopped;   /* daemons */
    int64_t stopped_s; /* for how long the first of them has been */
    int64_t intake;    /* kinds of failures of the triggers on Nextcloud's tables */
    bool attention;    /* somebody has to look */
};

/* Everything status tells: what was asked, and what that comes to. */
struct status_view {
    const struct cmd_session *session;
    struct ledger_status status;
    struct status_summary summary;
};

/* Asks. cmd_status_close() it, also after a failure. */
bool cmd_status_open(const struct cmd_session *session, struct status_view *ret_view,
                     struct err *err) MUST_CHECK;
void cmd_status_close(struct status_view *view);

/* Calls say once per daemon that has due jobs and is unknown. */
void cmd_status_each_unknown(const struct status_view *view,
                             void (*say)(void *context, const char *name, int64_t due),
                             void *context);

/* Jobs that became final in the last 24 hours or 7 days (LEDGER_FINISHED_24H, …), or bytes. */
int64_t cmd_status_finished(const struct status_view *view, int column);

/* What a run told cron, in words. */
const char *cmd_status_exit_words(int64_t code);

void cmd_status_print(const struct status_view *view);
void cmd_status_write_json(const struct status_view *view);

/* A row as an object, the columns by their names; columns first…last are whole numbers. And an
 * array of such rows. */
void cmd_status_write_row(struct json_out *json, const char *key, const struct db_result *result,
                          int row, int first, int last);
void cmd_status_write_rows(struct json_out *json, const char *key, const struct db_result *result,
                           int first, int last);

/* The members "last_run" and "unknown_daemons". */
void cmd_status_write_run(struct json_out *json, const struct status_view *view);
void cmd_status_write_unknown(struct json_out *json, const struct status_view *view);

/* A plugin's line, with perfdata, and its long text; returns its exit code. */
int cmd_status_print_nagios(const struct cli *cli, const struct status_view *view);

#endif

#include "cmd_status_view.h"

#include "json_out.h"
#include "mem.h"
#include "printable.h"
#include "table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Texts of the database, printable. */
static void
cmd_status_line(const char *before, const char *text, const char *after)
{
    char *printable = printable_dup(text);

    (void)printf("%s%s%s", before, printable, after);
    mem_free(printable);
}

static void
cmd_status_print_run(const struct db_result *run)
{
    char size[TABLE_SIZE_SIZE];

    if (db_rows(run) == 0) {
        (void)printf("last run      none did work so far\n");
        return;
    }
    cmd_status_line("last run      ", db_text(run, 0, LEDGER_RUN_AGO), "");
    cmd_status_line(" on ", db_text(run, 0, LEDGER_RUN_HOST), "");
    (void)printf(": %s jobs, %s removed, up to %s freed, exit %s\n",
                 db_text(run, 0, LEDGER_RUN_CLAIMED), db_text(run, 0, LEDGER_RUN_REMOVED),
                 table_size(db_int(run, 0, LEDGER_RUN_BYTES_FREED), size),
                 db_text(run, 0, LEDGER_RUN_EXIT_CODE));
    if (!db_is_null(run, 0, LEDGER_RUN_NOTE)) {
        cmd_status_line("              ", db_text(run, 0, LEDGER_RUN_NOTE), "\n");
    }
}

static void
cmd_status_print_due(const struct cmd_session *session, const struct status_summary *summary)
{
    char span[TABLE_SPAN_SIZE];

    if (summary->due == 0) {
        (void)printf("due           nothing\n");
    } else {
        (void)printf("due           %" PRId64 " jobs, the oldest for %s%s\n", summary->due,
                     table_span(summary->oldest_due_s, span),
                     summary->late > 0 ? ": does cron run harpsweep?" : "");
    }
    if (!session->enabled) {
        (void)printf(
            "              cleanup is disabled in %s: only jobs with choice now are worked "
            "on\n",
            session->conf->follow_nextcloud ? "Nextcloud" : "the settings (enabled = no)");
    }
}

static void
cmd_status_print_open(const struct db_result *open)
{
    static const char *const states[] = {"new", "pending", "claimed"};

    (void)printf("open         ");
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        int64_t jobs = 0;

        for (int row = 0; row < db_rows(open); row++) {
            if (strcmp(db_text(open, row, LEDGER_OPEN_STATE), states[i]) == 0) {
                jobs += db_int(open, row, LEDGER_OPEN_JOBS);
            }
        }
        (void)printf("%s %" PRId64 " %s", i == 0 ? "" : ",", jobs, states[i]);
    }
    (void)printf("\n");
}

static void
cmd_status_print_finished(const struct db_result *finished, const char *label, int jobs, int bytes)
{
    int64_t freed = 0;
    bool any = false;
    char size[TABLE_SIZE_SIZE];

    (void)printf("%-13s", label);
    for (int row = 0; row < db_rows(finished); row++) {
        int64_t count = db_int(finished, row, jobs);

        freed += db_int(finished, row, bytes);
        if (count > 0) {
            (void)printf("%s %" PRId64 " %s", any ? "," : "", count,
                         db_text(finished, row, LEDGER_FINISHED_STATE));
            any = true;
        }
    }
    (void)printf("%s; up to %s freed\n", any ? "" : " nothing finished", table_size(freed, size));
}

static void
cmd_status_print_waiting(const struct db_result *waiting)
{
    for (int row = 0; row < db_rows(waiting); row++) {
        (void)printf("%-13s %" PRId64, row == 0 ? "waiting" : "",
                     db_int(waiting, row, LEDGER_WAITING_JOBS));
        cmd_status_line(" because: ", db_text(waiting, row, LEDGER_WAITING_REASON), "\n");
    }
}

static void
cmd_status_print_failed(const struct db_result *failed, const struct status_summary *summary)
{
    static const struct table_column columns[] = {
        {"ID", TABLE_RIGHT},   {"APP", TABLE_LEFT},   {"DAEMON", TABLE_LEFT},
        {"IMAGE", TABLE_NAME}, {"ENDED", TABLE_LEFT}, {"WHY", TABLE_LEFT},
    };
    struct table *table;

    if (summary->failed == 0) {
        return;
    }
    (void)printf("\n%" PRId64 " failed jobs need a person; 'harpsweep retry ID' opens one again, "
                 "'harpsweep show ID' tells all\n",
                 summary->failed);
    table = table_new(columns, sizeof columns / sizeof *columns);
    for (int row = 0; row < db_rows(failed); row++) {
        for (int column = LEDGER_FAILED_ID; column <= LEDGER_FAILED_REASON; column++) {
            table_add(table, db_text(failed, row, column));
        }
    }
    table_print(table, stdout, table_terminal_width(stdout));
    table_free(table);
}

static void
cmd_status_print_daemons(const struct db_result *daemons)
{
    static const struct table_column columns[] = {
        {"DAEMON", TABLE_LEFT}, {"HEALTH", TABLE_LEFT},  {"OPEN", TABLE_RIGHT},
        {"DUE", TABLE_RIGHT},   {"FAILED", TABLE_RIGHT}, {"REMOVED 24H", TABLE_RIGHT},
        {"HARP", TABLE_LEFT},   {"WHY", TABLE_LEFT},
    };
    static const int shown[] = {LEDGER_DAEMON_NAME,    LEDGER_DAEMON_HEALTH,
                                LEDGER_DAEMON_OPEN,    LEDGER_DAEMON_DUE,
                                LEDGER_DAEMON_FAILED,  LEDGER_DAEMON_REMOVED_24H,
                                LEDGER_DAEMON_VERSION, LEDGER_DAEMON_REASON};
    struct table *table;

    if (db_rows(daemons) == 0) {
        return;
    }
    table = table_new(columns, sizeof columns / sizeof *columns);
    for (int row = 0; row < db_rows(daemons); row++) {
        for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
            table_add(table, db_text(daemons, row, shown[i]));
        }
    }
    (void)printf("\n");
    table_print(table, stdout, table_terminal_width(stdout));
    table_free(table);
    for (int row = 0; row < db_rows(daemons); row++) {
        if (!db_is_null(daemons, row, LEDGER_DAEMON_HINT)) {
            cmd_status_line("", db_text(daemons, row, LEDGER_DAEMON_NAME), ": ");
            cmd_status_line("", db_text(daemons, row, LEDGER_DAEMON_HINT), "\n");
        }
    }
}

static void
cmd_status_print_intake(const struct db_result *intake)
{
    for (int row = 0; row < db_rows(intake); row++) {
        (void)printf("%-13s %s times, last %s, in the trigger on", row == 0 ? "intake" : "",
                     db_text(intake, row, LEDGER_INTAKE_TIMES),
                     db_text(intake, row, LEDGER_INTAKE_AGO));
        cmd_status_line(" ", db_text(intake, row, LEDGER_INTAKE_SOURCE), "");
        cmd_status_line(": ", db_text(intake, row, LEDGER_INTAKE_MESSAGE), "\n");
    }
}

/* Calls say once per daemon that has due jobs and is unknown; the rows are sorted by daemon. */
static void
cmd_status_each_unknown(const struct cmd_session *session, const struct db_result *open,
                        void (*say)(void *context, const char *name, int64_t due), void *context)
{
    int row = 0;

    while (row < db_rows(open)) {
        const char *name = db_text(open, row, LEDGER_OPEN_DAEMON);
        int64_t due = 0;

        while (row < db_rows(open) && strcmp(db_text(open, row, LEDGER_OPEN_DAEMON), name) == 0) {
            due += db_int(open, row++, LEDGER_OPEN_NOWHERE);
        }
        if (due > 0 && roster_find(session->roster, name) == NULL) {
            say(context, name, due);
        }
    }
}

static void
cmd_status_say_unknown(void *context, const char *name, int64_t due)
{
    (void)context;
    (void)printf("unknown       %" PRId64, due);
    cmd_status_line(" due jobs of daemon ", name,
                    ", which neither the settings nor Nextcloud know: add a section, or cancel "
                    "them\n");
}

void
cmd_status_print(const struct cmd_session *session, const struct ledger_status *status,
                 const struct status_summary *summary)
{
    const struct db_result *finished = status->parts[LEDGER_STATUS_FINISHED];

    (void)printf("state         %s\n", summary->attention ? "somebody has to look" : "all is well");
    cmd_status_print_run(status->parts[LEDGER_STATUS_RUN]);
    cmd_status_print_due(session, summary);
    cmd_status_print_open(status->parts[LEDGER_STATUS_OPEN]);
    cmd_status_print_finished(finished, "last 24 h", LEDGER_FINISHED_24H,
                              LEDGER_FINISHED_BYTES_24H);
    cmd_status_print_finished(finished, "last 7 days", LEDGER_FINISHED_7D,
                              LEDGER_FINISHED_BYTES_7D);
    cmd_status_print_waiting(status->parts[LEDGER_STATUS_WAITING]);
    cmd_status_each_unknown(session, status->parts[LEDGER_STATUS_OPEN], cmd_status_say_unknown,
                            NULL);
    cmd_status_print_intake(status->parts[LEDGER_STATUS_INTAKE]);
    cmd_status_print_failed(status->parts[LEDGER_STATUS_FAILED], summary);
    cmd_status_print_daemons(status->parts[LEDGER_STATUS_DAEMONS]);
}

/* A row as an object, the columns by their names; columns first…last are whole numbers. */
static void
cmd_status_write_row(struct json_out *json, const char *key, const struct db_result *result,
                     int row, int first, int last)
{
    json_out_open_object(json, key);
    for (int column = 0; column < db_columns(result); column++) {
        const char *name = db_column_name(result, column);

        if (db_is_null(result, row, column)) {
            json_out_null(json, name);
        } else if (column >= first && column <= last) {
            json_out_int(json, name, db_int(result, row, column));
        } else {
            json_out_text(json, name, db_text(result, row, column));
        }
    }
    json_out_close_object(json);
}

static void
cmd_status_write_rows(struct json_out *json, const char *key, const struct db_result *result,
                      int first, int last)
{
    json_out_open_array(json, key);
    for (int row = 0; row < db_rows(result); row++) {
        cmd_status_write_row(json, NULL, result, row, first, last);
    }
    json_out_close_array(json);
}

static void
cmd_status_write_unknown(void *context, const char *name, int64_t due)
{
    struct json_out *json = context;

    json_out_open_object(json, NULL);
    json_out_text(json, "daemon", name);
    json_out_int(json, "due", due);
    json_out_close_object(json);
}

void
cmd_status_write_json(const struct cmd_session *session, const struct ledger_status *status,
                      const struct status_summary *summary)
{
    const struct db_result *run = status->parts[LEDGER_STATUS_RUN];
    struct json_out json;

    json_out_init(&json, stdout);
    json_out_open_object(&json, NULL);
    json_out_bool(&json, "attention", summary->attention);
    json_out_bool(&json, "enabled", session->enabled);
    json_out_int(&json, "due", summary->due);
    json_out_int(&json, "oldest_due_s", summary->oldest_due_s);
    json_out_int(&json, "late", summary->late);
    json_out_int(&json, "failed", summary->failed);
    json_out_int(&json, "daemons_stopped", summary->stopped);
    if (db_rows(run) == 0) {
        json_out_null(&json, "last_run");
    } else {
        cmd_status_write_row(&json, "last_run", run, 0, LEDGER_RUN_PID, LEDGER_RUN_BYTES_FREED);
    }
    cmd_status_write_rows(&json, "open", status->parts[LEDGER_STATUS_OPEN], LEDGER_OPEN_JOBS,
                          LEDGER_OPEN_OLDEST_S);
    cmd_status_write_rows(&json, "finished", status->parts[LEDGER_STATUS_FINISHED],
                          LEDGER_FINISHED_24H, LEDGER_FINISHED_BYTES_7D);
    cmd_status_write_rows(&json, "waiting", status->parts[LEDGER_STATUS_WAITING],
                          LEDGER_WAITING_JOBS, LEDGER_WAITING_JOBS);
    cmd_status_write_rows(&json, "failed_jobs", status->parts[LEDGER_STATUS_FAILED],
                          LEDGER_FAILED_ALL, LEDGER_FAILED_ID);
    cmd_status_write_rows(&json, "daemons", status->parts[LEDGER_STATUS_DAEMONS],
                          LEDGER_DAEMON_OPEN, LEDGER_DAEMON_BYTES_24H);
    cmd_status_write_rows(&json, "intake_errors", status->parts[LEDGER_STATUS_INTAKE],
                          LEDGER_INTAKE_TIMES, LEDGER_INTAKE_TIMES);
    json_out_open_array(&json, "unknown_daemons");
    cmd_status_each_unknown(session, status->parts[LEDGER_STATUS_OPEN], cmd_status_write_unknown,
                            &json);
    json_out_close_array(&json);
    json_out_close_object(&json);
}

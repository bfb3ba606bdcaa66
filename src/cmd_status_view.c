#include "cmd_status_view.h"

#include "cmd_job.h"
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

/* Why somebody has to look, in a few words. */
static void
cmd_status_print_state(const struct status_summary *summary)
{
    bool colored = color_is_wanted(stdout);
    enum color color = summary->attention ? COLOR_BAD : COLOR_GOOD;
    const struct {
        int64_t count;
        const char *words;
    } parts[] = {
        {summary->failed, "failed job(s)"},
        {summary->stopped, "daemon(s) stopped"},
        {summary->late, "job(s) overdue for more than an hour"},
        {summary->unknown, "job(s) of unknown daemons"},
        {summary->intake, "kind(s) of errors in the triggers"},
    };
    const char *separator = ": ";

    (void)printf("state         %s%s%s", color_begin(color, colored),
                 summary->attention ? "somebody has to look" : "all is well",
                 color_end(color, colored));
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i].count > 0) {
            (void)printf("%s%" PRId64 " %s", separator, parts[i].count, parts[i].words);
            separator = ", ";
        }
    }
    (void)printf("\n");
}

const char *
cmd_status_exit_words(int64_t code)
{
    switch (code) {
    case EXIT_CODE_OK:
        return "all went well";
    case EXIT_CODE_ATTENTION:
        return "something needed attention";
    case EXIT_CODE_UNAVAILABLE:
        return "it lost the database";
    case EXIT_CODE_LEFT_WORK:
        return "a limit or a signal ended it, work was left";
    case EXIT_CODE_CONFIG:
        return "settings, schema or privileges were wrong";
    default:
        return "it failed";
    }
}

static void
cmd_status_print_run(const struct db_result *run)
{
    char size[TABLE_SIZE_SIZE];
    char moment[CLOCK_LOCAL_SIZE];

    if (db_rows(run) == 0) {
        (void)printf("last run      none did work so far\n");
        return;
    }
    (void)printf("last run      %s, ",
                 cmd_job_moment(db_text(run, 0, LEDGER_RUN_FINISHED_AT), moment));
    cmd_status_line("", db_text(run, 0, LEDGER_RUN_AGO), "");
    cmd_status_line(" on ", db_text(run, 0, LEDGER_RUN_HOST), "");
    (void)printf(": %s jobs, %s removed, up to %s freed, exit %s (%s)\n",
                 db_text(run, 0, LEDGER_RUN_CLAIMED), db_text(run, 0, LEDGER_RUN_REMOVED),
                 table_size(db_int(run, 0, LEDGER_RUN_BYTES_FREED), size),
                 db_text(run, 0, LEDGER_RUN_EXIT_CODE),
                 cmd_status_exit_words(db_int(run, 0, LEDGER_RUN_EXIT_CODE)));
    if (!db_is_null(run, 0, LEDGER_RUN_NOTE)) {
        cmd_status_line("              ", db_text(run, 0, LEDGER_RUN_NOTE), "\n");
    }
}

static void
cmd_status_print_due(const struct cmd_session *session, const struct status_summary *summary)
{
    char span[TABLE_SPAN_SIZE];

    if (summary->due == 0) {
        (void)printf("due           nothing");
    } else {
        (void)printf("due           %" PRId64 " jobs, the oldest for %s%s", summary->due,
                     table_span(summary->oldest_due_s, span),
                     summary->late > 0 ? ": does cron run harpsweep?" : "");
    }
    if (summary->next_s >= 0) {
        (void)printf("; the next one in %s", table_span(summary->next_s, span));
    }
    (void)printf("\n");
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

/* Since when a daemon is unwell, why, and what to do about it. */
static void
cmd_status_print_unwell(const struct db_result *daemons, int row)
{
    char moment[CLOCK_LOCAL_SIZE];

    if (db_is_null(daemons, row, LEDGER_DAEMON_STOP)) {
        return;
    }
    cmd_status_line("\ndaemon ", db_text(daemons, row, LEDGER_DAEMON_NAME), " does not work");
    (void)printf(" since %s",
                 cmd_job_moment(db_text(daemons, row, LEDGER_DAEMON_STOPPED_SINCE), moment));
    cmd_status_line(": ", db_text(daemons, row, LEDGER_DAEMON_REASON), "\n");
    if (!db_is_null(daemons, row, LEDGER_DAEMON_HINT)) {
        cmd_status_line("  what to do: ", db_text(daemons, row, LEDGER_DAEMON_HINT), "\n");
    }
    if (strcmp(db_text(daemons, row, LEDGER_DAEMON_HEALTH), "paused") == 0) {
        (void)printf("  runs leave it alone until %s",
                     cmd_job_moment(db_text(daemons, row, LEDGER_DAEMON_PAUSED_UNTIL), moment));
        cmd_status_line("; 'harpsweep run --daemon ", db_text(daemons, row, LEDGER_DAEMON_NAME),
                        "' tries at once\n");
    }
}

static void
cmd_status_print_daemons(const struct db_result *daemons)
{
    static const struct table_column columns[] = {
        {"DAEMON", TABLE_LEFT},     {"HEALTH", TABLE_LEFT},   {"OPEN", TABLE_RIGHT},
        {"DUE", TABLE_RIGHT},       {"OVERDUE", TABLE_RIGHT}, {"FAILED", TABLE_RIGHT},
        {"FREED 24H", TABLE_RIGHT}, {"HARP", TABLE_LEFT},     {"ANSWERED", TABLE_LEFT},
    };
    struct table *table;

    if (db_rows(daemons) == 0) {
        return;
    }
    table = table_new(columns, sizeof columns / sizeof *columns);
    for (int row = 0; row < db_rows(daemons); row++) {
        const char *health = db_text(daemons, row, LEDGER_DAEMON_HEALTH);
        char size[TABLE_SIZE_SIZE];
        char moment[CLOCK_LOCAL_SIZE];

        table_add(table, db_text(daemons, row, LEDGER_DAEMON_NAME));
        table_add(table, health);
        table_tint(table, strcmp(health, "ok") == 0             ? COLOR_GOOD
                          : strcmp(health, "not seen yet") == 0 ? COLOR_NONE
                                                                : COLOR_BAD);
        table_add(table, db_text(daemons, row, LEDGER_DAEMON_OPEN));
        table_add(table, db_text(daemons, row, LEDGER_DAEMON_DUE));
        table_add(table, db_text(daemons, row, LEDGER_DAEMON_OVERDUE));
        table_add(table, db_text(daemons, row, LEDGER_DAEMON_FAILED));
        table_add(table, table_size(db_int(daemons, row, LEDGER_DAEMON_BYTES_24H), size));
        table_add(table, db_text(daemons, row, LEDGER_DAEMON_VERSION));
        table_add(table,
                  db_is_null(daemons, row, LEDGER_DAEMON_ANSWERED_AT)
                      ? "never"
                      : cmd_job_moment(db_text(daemons, row, LEDGER_DAEMON_ANSWERED_AT), moment));
    }
    (void)printf("\n");
    table_print(table, stdout, table_terminal_width(stdout));
    table_free(table);
    for (int row = 0; row < db_rows(daemons); row++) {
        cmd_status_print_unwell(daemons, row);
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
cmd_status_print(const struct status_view *view)
{
    const struct ledger_status *status = &view->status;
    const struct db_result *finished = status->parts[LEDGER_STATUS_FINISHED];

    cmd_status_print_state(&view->summary);
    cmd_status_print_run(status->parts[LEDGER_STATUS_RUN]);
    cmd_status_print_due(view->session, &view->summary);
    cmd_status_print_open(status->parts[LEDGER_STATUS_OPEN]);
    cmd_status_print_finished(finished, "last 24 h", LEDGER_FINISHED_24H,
                              LEDGER_FINISHED_BYTES_24H);
    cmd_status_print_finished(finished, "last 7 days", LEDGER_FINISHED_7D,
                              LEDGER_FINISHED_BYTES_7D);
    cmd_status_print_waiting(status->parts[LEDGER_STATUS_WAITING]);
    cmd_status_each_unknown(view, cmd_status_say_unknown, NULL);
    cmd_status_print_intake(status->parts[LEDGER_STATUS_INTAKE]);
    cmd_status_print_failed(status->parts[LEDGER_STATUS_FAILED], &view->summary);
    cmd_status_print_daemons(status->parts[LEDGER_STATUS_DAEMONS]);
}

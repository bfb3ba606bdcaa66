#include "cmd_status_view.h"

#include "clock.h"
#include "cmd_metrics.h"
#include "log.h"

#include <stdio.h>
#include <string.h>

/* Due jobs that nobody has worked on for so long need a look (seconds). */
#define CMD_STATUS_LATE_S 3600

/* What the jobs of daemon that are due wait for; sets the totals of the summary. */
static void
cmd_status_add_open(struct status_summary *summary, const struct cmd_session *session,
                    const struct db_result *open, int row)
{
    int64_t due = db_int(open, row, LEDGER_OPEN_DUE);
    int64_t oldest = db_int(open, row, LEDGER_OPEN_OLDEST_S);
    int64_t awaited = session->enabled ? due : db_int(open, row, LEDGER_OPEN_NOW);
    int64_t next = db_int(open, row, LEDGER_OPEN_NEXT_S);

    summary->due += due;
    if (due > 0 && oldest > summary->oldest_due_s) {
        summary->oldest_due_s = oldest;
    }
    /* While cleanup is disabled, jobs with a grace wait because somebody wants that. */
    if (awaited > 0 && oldest > summary->lag_s) {
        summary->lag_s = oldest;
    }
    if (awaited > 0 && oldest > CMD_STATUS_LATE_S) {
        summary->late += awaited;
    }
    /* A claimed job's next moment is the end of its lease. */
    if (!db_is_null(open, row, LEDGER_OPEN_NEXT_S) &&
        strcmp(db_text(open, row, LEDGER_OPEN_STATE), "claimed") != 0 &&
        (summary->next_s < 0 || next < summary->next_s)) {
        summary->next_s = next;
    }
    if (roster_find(session->roster, db_text(open, row, LEDGER_OPEN_DAEMON)) == NULL) {
        summary->unknown += db_int(open, row, LEDGER_OPEN_NOWHERE);
    }
}

static void
cmd_status_add_daemon(struct status_summary *summary, const struct db_result *daemons, int row)
{
    int64_t since = 0;

    if (db_is_null(daemons, row, LEDGER_DAEMON_STOP)) {
        return;
    }
    summary->stopped++;
    if (clock_parse_utc(db_text(daemons, row, LEDGER_DAEMON_STOPPED_SINCE), &since)) {
        int64_t span = clock_wall_ms() / 1000 - since;

        summary->stopped_s = span > summary->stopped_s ? span : summary->stopped_s;
    }
}

static void
cmd_status_summarize(struct status_view *view)
{
    const struct db_result *open = view->status.parts[LEDGER_STATUS_OPEN];
    const struct db_result *failed = view->status.parts[LEDGER_STATUS_FAILED];
    const struct db_result *daemons = view->status.parts[LEDGER_STATUS_DAEMONS];
    struct status_summary *summary = &view->summary;

    memset(summary, 0, sizeof *summary);
    summary->next_s = -1;
    for (int row = 0; row < db_rows(open); row++) {
        cmd_status_add_open(summary, view->session, open, row);
    }
    if (db_rows(failed) > 0) {
        summary->failed = db_int(failed, 0, LEDGER_FAILED_ALL);
    }
    for (int row = 0; row < db_rows(daemons); row++) {
        cmd_status_add_daemon(summary, daemons, row);
    }
    summary->intake = db_rows(view->status.parts[LEDGER_STATUS_INTAKE]);
    summary->attention = summary->failed > 0 || summary->intake > 0 || summary->stopped > 0 ||
                         summary->late > 0 || summary->unknown > 0;
}

bool
cmd_status_open(const struct cmd_session *session, struct status_view *ret_view, struct err *err)
{
    memset(ret_view, 0, sizeof *ret_view);
    ret_view->session = session;
    if (!ledger_status(session->db, &ret_view->status, err)) {
        return false;
    }
    cmd_status_summarize(ret_view);
    return true;
}

void
cmd_status_close(struct status_view *view)
{
    ledger_status_free(&view->status);
}

void
cmd_status_each_unknown(const struct status_view *view,
                        void (*say)(void *context, const char *name, int64_t due), void *context)
{
    const struct db_result *open = view->status.parts[LEDGER_STATUS_OPEN];
    int row = 0;

    /* The rows are sorted by daemon. */
    while (row < db_rows(open)) {
        const char *name = db_text(open, row, LEDGER_OPEN_DAEMON);
        int64_t due = 0;

        while (row < db_rows(open) && strcmp(db_text(open, row, LEDGER_OPEN_DAEMON), name) == 0) {
            due += db_int(open, row++, LEDGER_OPEN_NOWHERE);
        }
        if (due > 0 && roster_find(view->session->roster, name) == NULL) {
            say(context, name, due);
        }
    }
}

int64_t
cmd_status_finished(const struct status_view *view, int column)
{
    const struct db_result *finished = view->status.parts[LEDGER_STATUS_FINISHED];
    int64_t sum = 0;

    for (int row = 0; row < db_rows(finished); row++) {
        sum += db_int(finished, row, column);
    }
    return sum;
}

/* Returns the exit code. */
static int
cmd_status_tell(const struct cli *cli, const struct status_view *view)
{
    switch (cli->format) {
    case CLI_FORMAT_NAGIOS:
        return cmd_status_print_nagios(cli, view);
    case CLI_FORMAT_PROMETHEUS:
        /* A scrape that worked is no failure, whatever it says. */
        cmd_metrics_write(stdout, view->session->conf, view, NULL);
        return EXIT_CODE_OK;
    case CLI_FORMAT_JSON:
        cmd_status_write_json(view);
        break;
    case CLI_FORMAT_TEXT:
    case CLI_FORMAT_CSV:
    case CLI_FORMAT_HTML:
        cmd_status_print(view);
        break;
    }
    return view->summary.attention ? EXIT_CODE_ATTENTION : EXIT_CODE_OK;
}

int
cmd_status(const struct cli *cli, const struct conf *conf)
{
    struct status_view view;
    struct cmd_session session;
    struct err err;
    int code;

    memset(&view, 0, sizeof view);
    if (cmd_session_open(conf, &session, &err) && cmd_status_open(&session, &view, &err)) {
        code = cmd_status_tell(cli, &view);
    } else if (cli->format == CLI_FORMAT_NAGIOS) {
        code = cmd_status_unknown(&err);
    } else {
        log_err(&err);
        code = err_exit_code(err.kind);
    }
    cmd_status_close(&view);
    cmd_session_close(&session);
    return code;
}

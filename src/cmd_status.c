#include "cli.h"
#include "cmd_status_view.h"
#include "ledger.h"
#include "log.h"

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

    summary->due += due;
    if (due > 0 && oldest > summary->oldest_due_s) {
        summary->oldest_due_s = oldest;
    }
    /* While cleanup is disabled, jobs with a grace wait because somebody wants that. */
    if (awaited > 0 && oldest > CMD_STATUS_LATE_S) {
        summary->late += awaited;
    }
    if (roster_find(session->roster, db_text(open, row, LEDGER_OPEN_DAEMON)) == NULL) {
        summary->unknown += db_int(open, row, LEDGER_OPEN_NOWHERE);
    }
}

static void
cmd_status_summarize(const struct cmd_session *session, const struct ledger_status *status,
                     struct status_summary *ret_summary)
{
    const struct db_result *open = status->parts[LEDGER_STATUS_OPEN];
    const struct db_result *failed = status->parts[LEDGER_STATUS_FAILED];
    const struct db_result *daemons = status->parts[LEDGER_STATUS_DAEMONS];

    memset(ret_summary, 0, sizeof *ret_summary);
    for (int row = 0; row < db_rows(open); row++) {
        cmd_status_add_open(ret_summary, session, open, row);
    }
    if (db_rows(failed) > 0) {
        ret_summary->failed = db_int(failed, 0, LEDGER_FAILED_ALL);
    }
    for (int row = 0; row < db_rows(daemons); row++) {
        if (!db_is_null(daemons, row, LEDGER_DAEMON_STOP)) {
            ret_summary->stopped++;
        }
    }
    ret_summary->intake = db_rows(status->parts[LEDGER_STATUS_INTAKE]);
    ret_summary->attention = ret_summary->failed > 0 || ret_summary->intake > 0 ||
                             ret_summary->stopped > 0 || ret_summary->late > 0 ||
                             ret_summary->unknown > 0;
}

int
cmd_status(const struct cli *cli, const struct conf *conf)
{
    struct status_summary summary;
    struct ledger_status status;
    struct cmd_session session;
    struct err err;

    if (!cmd_session_open(conf, &session, &err) || !ledger_status(session.db, &status, &err)) {
        log_err(&err);
        cmd_session_close(&session);
        return err_exit_code(err.kind);
    }
    cmd_status_summarize(&session, &status, &summary);
    if (cli->format == CLI_FORMAT_JSON) {
        cmd_status_write_json(&session, &status, &summary);
    } else {
        cmd_status_print(&session, &status, &summary);
    }
    ledger_status_free(&status);
    cmd_session_close(&session);
    return summary.attention ? EXIT_CODE_ATTENTION : EXIT_CODE_OK;
}

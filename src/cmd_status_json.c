/* status for other programs: what the queries say, exactly. */
#include "cmd_status_view.h"
#include "json_out.h"

#include <stdio.h>

void
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

void
cmd_status_write_rows(struct json_out *json, const char *key, const struct db_result *result,
                      int first, int last)
{
    json_out_open_array(json, key);
    for (int row = 0; row < db_rows(result); row++) {
        cmd_status_write_row(json, NULL, result, row, first, last);
    }
    json_out_close_array(json);
}

void
cmd_status_write_run(struct json_out *json, const struct status_view *view)
{
    const struct db_result *run = view->status.parts[LEDGER_STATUS_RUN];

    if (db_rows(run) == 0) {
        json_out_null(json, "last_run");
    } else {
        cmd_status_write_row(json, "last_run", run, 0, LEDGER_RUN_PID, LEDGER_RUN_BYTES_FREED);
    }
}

static void
cmd_status_write_unknown_one(void *context, const char *name, int64_t due)
{
    struct json_out *json = context;

    json_out_open_object(json, NULL);
    json_out_text(json, "daemon", name);
    json_out_int(json, "due", due);
    json_out_close_object(json);
}

void
cmd_status_write_unknown(struct json_out *json, const struct status_view *view)
{
    json_out_open_array(json, "unknown_daemons");
    cmd_status_each_unknown(view, cmd_status_write_unknown_one, json);
    json_out_close_array(json);
}

void
cmd_status_write_json(const struct status_view *view)
{
    const struct ledger_status *status = &view->status;
    const struct status_summary *summary = &view->summary;
    struct json_out json;

    json_out_init(&json, stdout);
    json_out_open_object(&json, NULL);
    json_out_bool(&json, "attention", summary->attention);
    json_out_bool(&json, "enabled", view->session->enabled);
    json_out_int(&json, "due", summary->due);
    json_out_int(&json, "oldest_due_s", summary->oldest_due_s);
    if (summary->next_s < 0) {
        json_out_null(&json, "next_due_s");
    } else {
        json_out_int(&json, "next_due_s", summary->next_s);
    }
    json_out_int(&json, "late", summary->late);
    json_out_int(&json, "failed", summary->failed);
    json_out_int(&json, "daemons_stopped", summary->stopped);
    cmd_status_write_run(&json, view);
    cmd_status_write_rows(&json, "open", status->parts[LEDGER_STATUS_OPEN], LEDGER_OPEN_JOBS,
                          LEDGER_OPEN_NEXT_S);
    cmd_status_write_rows(&json, "finished", status->parts[LEDGER_STATUS_FINISHED],
                          LEDGER_FINISHED_24H, LEDGER_FINISHED_BYTES_7D);
    cmd_status_write_rows(&json, "waiting", status->parts[LEDGER_STATUS_WAITING],
                          LEDGER_WAITING_JOBS, LEDGER_WAITING_JOBS);
    cmd_status_write_rows(&json, "failed_jobs", status->parts[LEDGER_STATUS_FAILED],
                          LEDGER_FAILED_ALL, LEDGER_FAILED_ID);
    cmd_status_write_rows(&json, "daemons", status->parts[LEDGER_STATUS_DAEMONS],
                          LEDGER_DAEMON_OPEN, LEDGER_DAEMON_OVERDUE_S);
    cmd_status_write_rows(&json, "intake_errors", status->parts[LEDGER_STATUS_INTAKE],
                          LEDGER_INTAKE_TIMES, LEDGER_INTAKE_TIMES);
    cmd_status_write_unknown(&json, view);
    json_out_close_object(&json);
}

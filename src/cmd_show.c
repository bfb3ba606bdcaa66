#include "cli.h"
#include "cmd_job.h"
#include "ledger.h"
#include "log.h"
#include "mem.h"
#include "printable.h"
#include "table.h"

#include <inttypes.h>
#include <stdio.h>

static void
cmd_show_line(const char *label, const char *value)
{
    if (*value != '\0') {
        char *text = printable_dup(value);

        (void)printf("  %-12s %s\n", label, text);
        mem_free(text);
    }
}

static void
cmd_show_number(const char *label, int64_t value, const char *unit)
{
    if (value > 0) {
        (void)printf("  %-12s %" PRId64 "%s\n", label, value, unit);
    }
}

static void
cmd_show_text(const struct ledger_job *job, const struct cmd_session *session)
{
    char size[TABLE_SIZE_SIZE];

    (void)printf("job %" PRId64 " is %s%s%s\n", job->id, job->state, *job->due == '\0' ? "" : ", ",
                 job->due);
    (void)printf("  %-12s ", "next");
    cmd_job_print_next(job, session);
    (void)printf("\n");
    cmd_show_line("app", job->appid);
    cmd_show_line("daemon", job->daemon);
    cmd_show_line("image", job->image_ref);
    cmd_show_line("image ID", job->image_id);
    cmd_show_line("event", job->event);
    cmd_show_line("orphaned at", job->orphaned_at);
    cmd_show_line("choice", job->choice);
    cmd_show_number("grace", job->grace_hours, " hours");
    cmd_show_line("not before", job->not_before);
    cmd_show_line("next at", job->next_at);
    cmd_show_line("finished at", job->finished_at);
    cmd_show_line("held because", job->hold_reason);
    cmd_show_line("last error", job->last_error);
    cmd_show_number("HTTP status", job->http_status, "");
    if (job->bytes_freed >= 0) {
        (void)printf("  %-12s up to %s (%" PRId64 " bytes)\n", "freed",
                     table_size(job->bytes_freed, size), job->bytes_freed);
    }
    cmd_show_number("duration", job->duration_ms, " ms");
    cmd_show_number("attempts", job->attempts, "");
    cmd_show_number("failures", job->failures, "");
    cmd_show_number("seen in use", job->rechecks, " times");
    cmd_show_number("lost claims", job->lost_claims, "");
    cmd_show_line("claimed by", job->claimed_by);
    cmd_show_line("claimed at", job->claimed_at);
    cmd_show_line("address then", job->host);
    cmd_show_line("daemon is", job->stop_reason);
    cmd_show_line("what to do", job->stop_hint);
}

/* The row of that job, or -1. */
static int
cmd_show_find(const struct db_result *result, int64_t id)
{
    for (int row = 0; row < db_rows(result); row++) {
        if (db_int(result, row, 0) == id) {
            return row;
        }
    }
    return -1;
}

static int
cmd_show_print(const struct cli *cli, const struct cmd_session *session,
               const struct db_result *result)
{
    int code = EXIT_CODE_OK;
    struct json_out json;

    json_out_init(&json, stdout);
    if (cli->format == CLI_FORMAT_JSON) {
        json_out_open_array(&json, NULL);
    }
    for (size_t i = 0; i < cli->id_count; i++) {
        int row = cmd_show_find(result, cli->ids[i]);
        struct ledger_job job;

        if (row < 0) {
            log_error("there is no job %" PRId64, cli->ids[i]);
            code = EXIT_CODE_ATTENTION;
            continue;
        }
        ledger_job_at(result, row, &job);
        if (cli->format == CLI_FORMAT_JSON) {
            cmd_job_write_json(&json, &job);
        } else {
            cmd_show_text(&job, session);
        }
    }
    if (cli->format == CLI_FORMAT_JSON) {
        json_out_close_array(&json);
    }
    return code;
}

int
cmd_show(const struct cli *cli, const struct conf *conf)
{
    const struct ledger_filter filter = {
        .ids = cli->ids, .id_count = cli->id_count, .limit = (int64_t)cli->id_count};
    struct cmd_session session;
    struct db_result *result;
    struct err err;
    int code;

    if (cmd_session_open(conf, &session, &err) && ledger_list(session.db, &filter, &result, &err)) {
        code = cmd_show_print(cli, &session, result);
        db_result_free(result);
    } else {
        log_err(&err);
        code = err_exit_code(err.kind);
    }
    cmd_session_close(&session);
    return code;
}

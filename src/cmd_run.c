#include "cmd_run.h"

#include "cmd_job.h"
#include "cmd_metrics.h"
#include "cmd_session.h"
#include "cmd_watch.h"
#include "db.h"
#include "jobs.h"
#include "log.h"
#include "sig.h"
#include "table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Most rows that a dry run shows. */
#define CMD_RUN_DRY_ROWS 1000

void
cmd_run_write_report(struct json_out *json, const struct sweep_report *report)
{
    const struct jobs_totals *totals = &report->totals;
    const struct {
        const char *key;
        int64_t count;
    } numbers[] = {
        {"claimed", totals->claimed},
        {"removed", totals->removed},
        {"untagged", totals->untagged},
        {"absent", totals->absent},
        {"in_use", totals->in_use},
        {"held", totals->held},
        {"retried", totals->retried},
        {"failed", totals->failed},
        {"given_back", totals->given_back},
        {"late", totals->late},
        {"unrecorded", report->unrecorded},
        {"planned", report->planned},
        {"observed", report->observed},
        {"deploys_beside", report->beside},
        {"daemons_stopped", report->daemons_stopped},
        {"daemons_unknown", report->daemons_unknown},
        {"bytes_freed", totals->bytes_freed},
        {"duration_ms", report->duration_ms},
    };

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        json_out_int(json, numbers[i].key, numbers[i].count);
    }
    json_out_bool(json, "left_work", report->left_work);
}

static void
cmd_run_print_json(const struct sweep_report *report)
{
    struct json_out json;

    json_out_init(&json, stdout);
    json_out_open_object(&json, NULL);
    json_out_text(&json, "run", report->token);
    cmd_run_write_report(&json, report);
    json_out_int(&json, "exit_code", report->exit_code);
    json_out_close_object(&json);
    (void)printf("\n");
}

void
cmd_run_print_summary(const struct sweep_report *report)
{
    const struct {
        int64_t count;
        const char *words;
    } parts[] = {
        {report->totals.removed, "removed"},
        {report->totals.untagged, "untagged"},
        {report->totals.absent, "gone already"},
        {report->totals.in_use, "in use"},
        {report->totals.held, "held"},
        {report->totals.retried, "to be tried again"},
        {report->totals.failed, "failed"},
        {report->totals.given_back, "given back"},
        {report->totals.late, "too late"},
        {report->unrecorded, "not recorded"},
        {report->planned, "new with a due time now"},
        {report->daemons_stopped, "daemon(s) stopped"},
    };
    char size[TABLE_SIZE_SIZE];
    const char *separator = ":";

    (void)printf("%" PRId64 " job%s", report->totals.claimed,
                 report->totals.claimed == 1 ? "" : "s");
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i].count > 0) {
            (void)printf("%s %" PRId64 " %s", separator, parts[i].count, parts[i].words);
            separator = ",";
        }
    }
    (void)printf("; up to %s freed in %" PRId64 ".%" PRId64 " s%s\n",
                 table_size(report->totals.bytes_freed, size), report->duration_ms / 1000,
                 report->duration_ms % 1000 / 100, report->left_work ? "; work is left" : "");
}

static void
cmd_run_print(const struct cli *cli, const struct sweep_report *report)
{
    bool asked = cli->verbosity > 0 || isatty(STDOUT_FILENO) == 1;

    if (cli->format == CLI_FORMAT_JSON) {
        cmd_run_print_json(report);
    } else if (asked && !report->worked) {
        (void)printf("nothing is due\n");
    } else if (asked || report->exit_code == EXIT_CODE_ATTENTION) {
        cmd_run_print_summary(report);
    }
}

int
cmd_run_sweep(const struct cli *cli, const struct conf *conf, const struct sweep_watcher *watcher,
              struct sweep_report *ret_report)
{
    const struct sweep_options options = {
        .daemon = cli->daemon,
        .app = cli->app,
        .max_jobs = cli->max_jobs >= 0 ? cli->max_jobs : conf->max_jobs,
        .watcher = watcher,
    };
    struct db *db;
    struct err err;

    memset(ret_report, 0, sizeof *ret_report);
    if (!db_open(conf->conninfo, &db, &err)) {
        log_err(&err);
        ret_report->exit_code = err_exit_code(err.kind);
        cmd_metrics_save(conf, NULL, ret_report);
        return ret_report->exit_code;
    }
    if (!sweep_run(db, conf, &options, ret_report, &err)) {
        log_err(&err);
    }
    cmd_metrics_save(conf, db, ret_report);
    db_close(db);
    return ret_report->exit_code;
}

static void
cmd_run_print_due_json(const struct db_result *result)
{
    struct json_out json;

    json_out_init(&json, stdout);
    json_out_open_array(&json, NULL);
    for (int i = 0; i < db_rows(result); i++) {
        json_out_open_object(&json, NULL);
        json_out_int(&json, db_column_name(result, 0), db_int(result, i, 0));
        for (int column = 1; column < db_columns(result); column++) {
            json_out_text_or_null(&json, db_column_name(result, column),
                                  db_text(result, i, column));
        }
        json_out_close_object(&json);
    }
    json_out_close_array(&json);
    (void)printf("\n");
}

static void
cmd_run_print_due(const struct db_result *result)
{
    static const struct table_column columns[] = {
        {"JOB", TABLE_RIGHT},       {"DAEMON", TABLE_LEFT}, {"APP", TABLE_LEFT},
        {"DUE SINCE", TABLE_WHOLE}, {"IMAGE", TABLE_NAME},
    };
    struct table *table;

    if (db_rows(result) == 0) {
        (void)printf("nothing is due\n");
        return;
    }
    table = table_new(columns, sizeof columns / sizeof *columns);
    for (int i = 0; i < db_rows(result); i++) {
        char moment[CLOCK_LOCAL_SIZE];

        table_add(table, db_text(result, i, 0));
        table_add(table, db_text(result, i, 1));
        table_add(table, db_text(result, i, 2));
        table_add(table, cmd_job_moment(db_text(result, i, 7), moment));
        table_add(table, db_text(result, i, 3));
    }
    table_print(table, stdout, table_terminal_width(stdout));
    table_free(table);
    (void)printf("a run would ask for these now; nothing was changed, nobody was asked\n");
}

static int
cmd_run_dry(const struct cli *cli, const struct conf *conf)
{
    struct db_args args = {.count = 0};
    struct cmd_session session;
    struct db_result *result;
    struct err err;
    bool done;

    if (!cmd_session_open(conf, &session, &err)) {
        log_err(&err);
        return err_exit_code(err.kind);
    }
    done = db_query(session.db,
                    jobs_peek(&args, cli->daemon, cli->app, session.enabled, session.grace_hours,
                              CMD_RUN_DRY_ROWS),
                    &args, &result, &err);
    db_args_clear(&args);
    /* A name that neither a daemon nor a job has is a typing error, as it is to a run. */
    if (done && cli->daemon != NULL && db_rows(result) == 0) {
        done = cmd_session_check_daemon(&session, cli->daemon, &err);
        if (!done) {
            db_result_free(result);
        }
    }
    cmd_session_close(&session);
    if (!done) {
        log_err(&err);
        return err_exit_code(err.kind);
    }
    if (cli->format == CLI_FORMAT_JSON) {
        cmd_run_print_due_json(result);
    } else {
        cmd_run_print_due(result);
    }
    if (db_rows(result) == CMD_RUN_DRY_ROWS) {
        log_warning("these are the first %d; there may be more", CMD_RUN_DRY_ROWS);
    }
    db_result_free(result);
    return EXIT_CODE_OK;
}

int
cmd_run(const struct cli *cli, const struct conf *conf)
{
    struct sweep_report report;
    struct cmd_watch *watch;
    struct cmd_watch_run run;

    sig_install();
    if (cli->dry_run) {
        return cmd_run_dry(cli, conf);
    }
    watch = cmd_watch_open(cli, 0);
    (void)cmd_run_sweep(cli, conf, cmd_watch_begin(watch, &run), &report);
    cmd_watch_close(watch);
    cmd_run_print(cli, &report);
    return report.exit_code;
}

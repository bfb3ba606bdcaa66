#include "cli.h"
#include "cmd_job.h"
#include "ledger.h"
#include "log.h"
#include "table.h"

#include <inttypes.h>
#include <stdio.h>

#define CMD_LIST_LIMIT 50

static void
cmd_list_print_json(const struct db_result *result)
{
    struct json_out json;

    json_out_init(&json, stdout);
    json_out_open_array(&json, NULL);
    for (int row = 0; row < db_rows(result); row++) {
        struct ledger_job job;

        ledger_job_at(result, row, &job);
        cmd_job_open_json(&json, &job);
        json_out_close_object(&json);
    }
    json_out_close_array(&json);
}

static void
cmd_list_print_csv(const struct db_result *result)
{
    struct csv_out csv;

    csv_out_init(&csv, stdout);
    cmd_job_write_csv_names(&csv);
    for (int row = 0; row < db_rows(result); row++) {
        struct ledger_job job;

        ledger_job_at(result, row, &job);
        cmd_job_write_csv(&csv, &job);
    }
}

static void
cmd_list_print_table(const struct db_result *result)
{
    static const struct table_column columns[] = {
        {"ID", TABLE_RIGHT},    {"STATE", TABLE_LEFT}, {"APP", TABLE_LEFT},
        {"DAEMON", TABLE_LEFT}, {"IMAGE", TABLE_NAME}, {"WHEN", TABLE_WHOLE},
        {"FREED", TABLE_RIGHT}, {"WHY", TABLE_LEFT},
    };
    struct table *table = table_new(columns, sizeof columns / sizeof *columns);

    for (int row = 0; row < db_rows(result); row++) {
        struct ledger_job job;
        char size[TABLE_SIZE_SIZE];

        ledger_job_at(result, row, &job);
        table_addf(table, "%" PRId64, job.id);
        table_add(table, job.state);
        table_tint(table, cmd_job_color(&job));
        table_add(table, job.appid);
        table_add(table, job.daemon);
        table_add(table, job.image_ref);
        table_add(table, job.due);
        table_add(table, job.bytes_freed < 0 ? "" : table_size(job.bytes_freed, size));
        table_add(table, job.reason);
    }
    table_print(table, stdout, table_terminal_width(stdout));
    table_free(table);
}

static void
cmd_list_print(const struct cli *cli, const struct ledger_filter *filter,
               const struct db_result *result)
{
    if (cli->format == CLI_FORMAT_JSON) {
        cmd_list_print_json(result);
    } else if (cli->format == CLI_FORMAT_CSV) {
        cmd_list_print_csv(result);
    } else if (db_rows(result) == 0) {
        (void)printf("no jobs\n");
    } else {
        cmd_list_print_table(result);
    }
    if (db_rows(result) == filter->limit && cli->limit > 0) {
        log_info("there may be more: --limit %" PRId64 " shows so many", filter->limit * 2);
    } else if (db_rows(result) == filter->limit) {
        /* Nobody asked for a part, and whoever takes it for the whole decides on it. */
        log_warning("these are the first %" PRId64 "; there may be more: --limit N shows N of them",
                    filter->limit);
    }
}

int
cmd_list(const struct cli *cli, const struct conf *conf)
{
    const struct ledger_filter filter = {.state = cli->state,
                                         .daemon = cli->daemon,
                                         .app = cli->app,
                                         .since_s = cli->since_s,
                                         .sort = cli->sort,
                                         .limit = cli->limit > 0 ? cli->limit : CMD_LIST_LIMIT};
    struct db_result *result;
    struct db *db;
    struct err err;

    if (!ledger_open(conf->conninfo, &db, &err)) {
        log_err(&err);
        return err_exit_code(err.kind);
    }
    if (!ledger_list(db, &filter, &result, &err)) {
        log_err(&err);
        db_close(db);
        return err_exit_code(err.kind);
    }
    cmd_list_print(cli, &filter, result);
    db_result_free(result);
    db_close(db);
    return EXIT_CODE_OK;
}

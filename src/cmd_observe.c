#include "cli.h"
#include "json_out.h"
#include "ledger.h"
#include "log.h"
#include "sig.h"
#include "sweep.h"
#include "table.h"

#include <inttypes.h>
#include <stdio.h>

static void
cmd_observe_write_json(const struct sweep_report *report, const struct db_result *images)
{
    struct json_out json;

    json_out_init(&json, stdout);
    json_out_open_object(&json, NULL);
    json_out_int(&json, "observed", report->observed);
    json_out_int(&json, "daemons_stopped", report->daemons_stopped);
    json_out_open_array(&json, "apps");
    for (int row = 0; row < db_rows(images); row++) {
        json_out_open_object(&json, NULL);
        for (int column = 0; column < LEDGER_IMAGES_AGO; column++) {
            if (column == LEDGER_IMAGES_BYTES && !db_is_null(images, row, column)) {
                json_out_int(&json, db_column_name(images, column), db_int(images, row, column));
            } else {
                json_out_text(&json, db_column_name(images, column),
                              db_text_or_null(images, row, column));
            }
        }
        json_out_close_object(&json);
    }
    json_out_close_array(&json);
    json_out_close_object(&json);
}

static void
cmd_observe_print(const struct sweep_report *report, const struct db_result *images)
{
    static const struct table_column columns[] = {
        {"APP", TABLE_LEFT},   {"DAEMON", TABLE_LEFT}, {"VERSION", TABLE_LEFT},
        {"SIZE", TABLE_RIGHT}, {"SEEN", TABLE_LEFT},   {"CONTAINER", TABLE_LEFT},
        {"IMAGE", TABLE_NAME},
    };
    struct table *table = table_new(columns, sizeof columns / sizeof *columns);
    char size[TABLE_SIZE_SIZE];

    for (int row = 0; row < db_rows(images); row++) {
        table_add(table, db_text(images, row, LEDGER_IMAGES_APP));
        table_add(table, db_text(images, row, LEDGER_IMAGES_DAEMON));
        table_add(table, db_text(images, row, LEDGER_IMAGES_VERSION));
        table_add(table, db_is_null(images, row, LEDGER_IMAGES_BYTES)
                             ? ""
                             : table_size(db_int(images, row, LEDGER_IMAGES_BYTES), size));
        table_add(table, db_text(images, row, LEDGER_IMAGES_AGO));
        table_add(table, db_is_null(images, row, LEDGER_IMAGES_CONTAINER)
                             ? "none"
                             : db_text(images, row, LEDGER_IMAGES_CONTAINER));
        table_add(table, db_text(images, row, LEDGER_IMAGES_REF));
    }
    if (db_rows(images) > 0) {
        table_print(table, stdout, table_terminal_width(stdout));
    }
    table_free(table);
    (void)printf("%d app%s known, %" PRId64 " looked at just now\n", db_rows(images),
                 db_rows(images) == 1 ? "" : "s", report->observed);
}

int
cmd_observe(const struct cli *cli, const struct conf *conf)
{
    const struct sweep_options options = {.daemon = cli->daemon, .observe_only = true};
    struct sweep_report report;
    struct db_result *images;
    struct db *db;
    struct err err;

    sig_install();
    if (!ledger_open(conf->conninfo, &db, &err)) {
        log_err(&err);
        return err_exit_code(err.kind);
    }
    if (!sweep_run(db, conf, &options, &report, &err) || !ledger_images(db, &images, &err)) {
        log_err(&err);
        db_close(db);
        return err_exit_code(err.kind);
    }
    if (cli->format == CLI_FORMAT_JSON) {
        cmd_observe_write_json(&report, images);
    } else {
        cmd_observe_print(&report, images);
    }
    db_result_free(images);
    db_close(db);
    return report.exit_code;
}

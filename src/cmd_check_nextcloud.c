#include "cmd_check_nextcloud.h"

#include "cmd_psql.h"
#include "ledger.h"
#include "mem.h"

#include <inttypes.h>
#include <string.h>

static const char cmd_check_subject[] = "nextcloud";

/* The triggers of intake_appapi.sql: on apps and on daemons. */
#define CMD_CHECK_TRIGGERS 2

static void
cmd_check_intake_errors(struct check_report *report, struct db *db)
{
    struct db_result *errors;
    struct err err;

    if (!ledger_ask_intake(db, &errors, &err)) {
        check_error_of(report, cmd_check_subject, &err);
        return;
    }
    for (int row = 0; row < db_rows(errors); row++) {
        check_fix_sql(report, "select * from harpsweep.intake_error order by last_at desc");
        check_warning(
            report, cmd_check_subject, "see to it, then: delete from harpsweep.intake_error",
            "a trigger failed %s times, last %s: %s of %s: %s (SQLSTATE %s)",
            db_text(errors, row, LEDGER_INTAKE_TIMES), db_text(errors, row, LEDGER_INTAKE_AGO),
            db_text(errors, row, LEDGER_INTAKE_SOURCE), db_text(errors, row, LEDGER_INTAKE_SUBJECT),
            db_text(errors, row, LEDGER_INTAKE_MESSAGE), db_text(errors, row, LEDGER_INTAKE_CODE));
    }
    db_result_free(errors);
}

static void
cmd_check_watched(struct check_report *report, const struct conf *conf,
                  const struct db_result *state)
{
    const char *schema = db_text(state, 0, LEDGER_NEXTCLOUD_SCHEMA);
    const char *prefix = db_text(state, 0, LEDGER_NEXTCLOUD_PREFIX);
    int64_t triggers = db_int(state, 0, LEDGER_NEXTCLOUD_TRIGGERS);
    bool notes_jobs = db_bool(state, 0, LEDGER_NEXTCLOUD_NOTES_JOBS);

    check_ok(
        report, cmd_check_subject,
        "%s.%sex_apps is watched: %s apps on daemons with HaRP, %s of them still to be looked at",
        schema, prefix, db_text(state, 0, LEDGER_NEXTCLOUD_APPS),
        db_text(state, 0, LEDGER_NEXTCLOUD_UNSEEN));
    if (strcmp(schema, conf->nextcloud_schema) != 0 || strcmp(prefix, conf->table_prefix) != 0) {
        check_fix_edit(report, conf->path);
        check_warning(report, cmd_check_subject,
                      "correct the settings, or install with -v prefix and -v nextcloud_schema",
                      "the settings say %s.%sex_apps, which is another table",
                      conf->nextcloud_schema, conf->table_prefix);
    }
    if (triggers < CMD_CHECK_TRIGGERS) {
        check_fix_sql(report, "intake_appapi.sql");
        check_warning(report, cmd_check_subject, "psql -f sql/intake_appapi.sql",
                      "only %" PRId64
                      " of %d triggers are active: what they miss is noticed by runs, but "
                      "later",
                      triggers, CMD_CHECK_TRIGGERS);
    }
    if (db_bool(state, 0, LEDGER_NEXTCLOUD_CLEANS_UP) && !notes_jobs) {
        check_fix_sql(report, "intake_appapi_jobs.sql");
        check_warning(report, cmd_check_subject, "psql -f sql/intake_appapi_jobs.sql",
                      "this AppAPI cleans up images by itself, and harpsweep is not told: an image "
                      "that somebody chose to keep would be deleted");
    } else if (notes_jobs) {
        check_ok(report, cmd_check_subject,
                 "AppAPI cleans up by itself, and harpsweep verifies what it queues");
    }
}

void
cmd_check_fix_watch(struct check_report *report, const struct conf *conf)
{
    char *prefix = mem_printf("prefix=%s", conf->table_prefix);
    char *schema = mem_printf("nextcloud_schema=%s", conf->nextcloud_schema);
    struct psql psql;
    char *text;

    psql_open(&psql, conf->conninfo);
    psql_add(&psql, "-v");
    psql_add(&psql, "nextcloud=on");
    psql_add(&psql, "-v");
    psql_add(&psql, prefix);
    psql_add(&psql, "-v");
    psql_add(&psql, schema);
    psql_add_file(&psql, "install.sql");
    text = psql_text(&psql);
    check_fix(report, "%s", text);
    mem_free(text);
    psql_close(&psql);
    mem_free(prefix);
    mem_free(schema);
}

static void
cmd_check_unwatched(struct check_report *report, const struct conf *conf,
                    const struct db_result *state)
{
    char *command = mem_printf("psql -v nextcloud=on -v prefix=%s -v nextcloud_schema=%s -f "
                               "sql/install.sql",
                               conf->table_prefix, conf->nextcloud_schema);

    cmd_check_fix_watch(report, conf);
    if (conf->follow_nextcloud) {
        check_error(report, cmd_check_subject, EXIT_CODE_CONFIG, command,
                    "follow_nextcloud = yes, but Nextcloud's tables are not watched");
    } else if (db_bool(state, 0, LEDGER_NEXTCLOUD_THERE)) {
        check_warning(
            report, cmd_check_subject, command,
            "its tables are here, and nobody watches them: only jobs that somebody schedules "
            "are worked on");
    } else {
        check_ok(report, cmd_check_subject,
                 "no tables of Nextcloud's in this database: jobs are what somebody schedules");
    }
    mem_free(command);
}

bool
cmd_check_nextcloud(struct check_report *report, struct db *db, const struct conf *conf,
                    struct roster *roster)
{
    struct db_result *state;
    bool nextcloud = false;
    bool done;
    struct err err;

    if (!ledger_ask_nextcloud(db, conf->nextcloud_schema, conf->table_prefix, &state, &err)) {
        (void)err_hint(&err,
                       "did an upgrade change Nextcloud's tables? psql -f sql/intake_appapi.sql "
                       "with a harpsweep that knows it");
        check_fix_sql(report, "intake_appapi.sql");
        check_error_of(report, cmd_check_subject, &err);
        return false;
    }
    if (db_bool(state, 0, LEDGER_NEXTCLOUD_WATCHED)) {
        cmd_check_watched(report, conf, state);
        cmd_check_intake_errors(report, db);
    } else {
        cmd_check_unwatched(report, conf, state);
    }
    db_result_free(state);
    done = roster_load(roster, db, &nextcloud, &err);
    if (!done) {
        check_error_of(report, cmd_check_subject, &err);
    }
    return done;
}

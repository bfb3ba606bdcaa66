#include "cmd_check_db.h"

#include "clock.h"
#include "cmd_check_nextcloud.h"
#include "cmd_psql.h"
#include "ledger.h"
#include "mem.h"

#include <inttypes.h>
#include <string.h>

#define CMD_CHECK_VERSION_MIN 130000

/* Clocks that differ by more than the second end a run; see sweep. */
#define CMD_CHECK_CLOCK_WARNING_MS 5000
#define CMD_CHECK_CLOCK_ERROR_MS 60000

static const char cmd_check_subject[] = "database";

static void
cmd_check_clock(struct check_report *report, int64_t difference_ms)
{
    static const char hint[] = "synchronise this host and the database's with NTP";
    int64_t size = difference_ms < 0 ? -difference_ms : difference_ms;
    const char *relation = difference_ms < 0 ? "behind" : "ahead of";

    if (size > CMD_CHECK_CLOCK_WARNING_MS) {
        check_fix(report, "timedatectl status");
    }
    if (size > CMD_CHECK_CLOCK_ERROR_MS) {
        check_error(report, cmd_check_subject, EXIT_CODE_CONFIG, hint,
                    "its clock is %" PRId64 " s %s this host's: runs refuse to delete", size / 1000,
                    relation);
    } else if (size > CMD_CHECK_CLOCK_WARNING_MS) {
        check_warning(report, cmd_check_subject, hint, "its clock is %" PRId64 " s %s this host's",
                      size / 1000, relation);
    } else {
        check_ok(report, cmd_check_subject, "its clock and this host's agree to %" PRId64 " ms",
                 size);
    }
}

static void
cmd_check_fix_grant(struct check_report *report, const struct db_result *server)
{
    char *sql =
        mem_printf("grant harpsweep_worker to \"%s\"", db_text(server, 0, LEDGER_SERVER_USER));

    check_fix_sql(report, sql);
    mem_free(sql);
}

static void
cmd_check_privileges(struct check_report *report, struct db *db, const struct db_result *server)
{
    struct db_result *missing;
    struct err err;
    int errors = 0;

    if (!ledger_ask_missing(db, &missing, &err)) {
        check_error_of(report, cmd_check_subject, &err);
        return;
    }
    for (int row = 0; row < db_rows(missing); row++) {
        const char *purpose = db_text(missing, row, LEDGER_MISSING_FOR);
        const char *text = db_text(missing, row, LEDGER_MISSING_TEXT);
        const char *remedy = db_text(missing, row, LEDGER_MISSING_REMEDY);
        bool exists = db_bool(missing, row, LEDGER_MISSING_EXISTS);

        check_fix_sql(report, exists ? remedy : "install.sql");
        if (!exists) {
            check_error(report, cmd_check_subject, EXIT_CODE_CONFIG, "psql -f sql/install.sql",
                        "the schema is damaged: nothing is there to grant %s", text);
        } else if (strcmp(purpose, "run") == 0) {
            check_error(report, cmd_check_subject, EXIT_CODE_CONFIG, remedy,
                        "runs lack the privilege %s", text);
        } else {
            check_warning(report, cmd_check_subject, remedy,
                          "the other commands lack the privilege %s", text);
        }
        errors++;
    }
    if (errors == 0) {
        check_ok(report, cmd_check_subject,
                 "user %s has all privileges that runs and commands need",
                 db_text(server, 0, LEDGER_SERVER_USER));
    } else if (!db_bool(server, 0, LEDGER_SERVER_MAY_BE_WORKER)) {
        (void)err_set(&err, ERR_SCHEMA, "user %s is not a member of harpsweep_worker",
                      db_text(server, 0, LEDGER_SERVER_USER));
        (void)err_hint(&err, "grant harpsweep_worker to \"%s\"; gives all of that at once",
                       db_text(server, 0, LEDGER_SERVER_USER));
        cmd_check_fix_grant(report, server);
        check_warning(report, cmd_check_subject, err.hint, "%s", err.text);
    }
    db_result_free(missing);
}

/* True where the schema can be worked with. */
static bool
cmd_check_schema(struct check_report *report, const struct conf *conf, struct db *db,
                 const struct db_result *server)
{
    const char *user = db_text(server, 0, LEDGER_SERVER_USER);
    int64_t version = 0;
    struct err err;

    if (!db_bool(server, 0, LEDGER_SERVER_SCHEMA_EXISTS)) {
        cmd_check_fix_watch(report, conf);
        check_error(report, cmd_check_subject, EXIT_CODE_CONFIG,
                    "psql -v nextcloud=on -f sql/install.sql in Nextcloud's database, or correct "
                    "dbname in conninfo",
                    "database %s has no schema harpsweep",
                    db_text(server, 0, LEDGER_SERVER_DATABASE));
    } else if (!db_bool(server, 0, LEDGER_SERVER_SCHEMA_USABLE)) {
        (void)err_set(&err, ERR_SCHEMA, "user %s may not use the schema harpsweep", user);
        (void)err_hint(&err, "grant harpsweep_worker to \"%s\";", user);
        cmd_check_fix_grant(report, server);
        check_error_of(report, cmd_check_subject, &err);
    } else if (!db_bool(server, 0, LEDGER_SERVER_SCHEMA_OURS)) {
        (void)err_set(&err, ERR_SCHEMA, "user %s cannot ask schema harpsweep for its version",
                      user);
        (void)err_hint(&err, "psql -f sql/install.sql, then: grant harpsweep_worker to \"%s\";",
                       user);
        check_fix_sql(report, "install.sql");
        check_error_of(report, cmd_check_subject, &err);
    } else if (!ledger_ask_version(db, &version, &err) || !ledger_check_version(version, &err)) {
        if (version < HARPSWEEP_SCHEMA_VERSION) {
            check_fix_sql(report, "install.sql");
        } else {
            check_fix(report, "harpsweep --version");
        }
        check_error_of(report, cmd_check_subject, &err);
    } else {
        check_ok(report, cmd_check_subject, "schema harpsweep has version %" PRId64, version);
        cmd_check_privileges(report, db, server);
        return true;
    }
    return false;
}

static bool
cmd_check_server(struct check_report *report, const struct conf *conf, struct db *db,
                 const struct db_result *server)
{
    const char *version = db_text(server, 0, LEDGER_SERVER_VERSION);

    if (db_int(server, 0, LEDGER_SERVER_VERSION_NUM) < CMD_CHECK_VERSION_MIN) {
        check_error(report, cmd_check_subject, EXIT_CODE_CONFIG, "upgrade the server",
                    "PostgreSQL %s is too old: 13 is the oldest that works", version);
        return false;
    }
    check_ok(report, cmd_check_subject, "PostgreSQL %s answers at %s, database %s, user %s",
             version, db_text(server, 0, LEDGER_SERVER_ADDRESS),
             db_text(server, 0, LEDGER_SERVER_DATABASE), db_text(server, 0, LEDGER_SERVER_USER));
    if (db_bool(server, 0, LEDGER_SERVER_READ_ONLY)) {
        check_fix_edit(report, conf->path);
        check_error(report, cmd_check_subject, EXIT_CODE_UNAVAILABLE,
                    "list all servers in conninfo, with target_session_attrs=read-write",
                    "the server can only be read: it is a standby, or set so");
    } else {
        check_ok(report, cmd_check_subject, "it can be written to");
    }
    return cmd_check_schema(report, conf, db, server);
}

/* What to type about a server that answers and refuses. False where it is none of that, or speaks
 * another language: libpq tells no code of a refused connection. */
static bool
cmd_check_fix_refusal(struct check_report *report, const struct conf *conf, const struct err *err)
{
    const char *role = strstr(err->text, "role \"");
    int length = role == NULL ? 0 : (int)strcspn(role + 6, "\"");
    char *sql = NULL;

    if (role != NULL && strstr(role, "does not exist") != NULL) {
        sql = mem_printf("create role \"%.*s\" login in role harpsweep_worker", length, role + 6);
    } else if (role != NULL && strstr(role, "not permitted to log in") != NULL) {
        sql = mem_printf("alter role \"%.*s\" login", length, role + 6);
    } else if (strstr(err->text, "authentication failed") != NULL ||
               strstr(err->text, "pg_hba.conf") != NULL) {
        sql = mem_strdup("table pg_hba_file_rules");
    } else if (strstr(err->text, "database \"") != NULL &&
               strstr(err->text, "does not exist") != NULL) {
        check_fix_edit(report, conf->path);
        return true;
    }
    if (sql == NULL) {
        return false;
    }
    check_fix_sql(report, sql);
    mem_free(sql);
    return true;
}

/* What to type where there is no connection: does anybody answer there? */
static void
cmd_check_fix_connection(struct check_report *report, const struct conf *conf)
{
    static const struct {
        const char *keyword;
        const char *option;
    } parts[] = {{"host", "-h"}, {"port", "-p"}, {"dbname", "-d"}};
    char *command = mem_strdup("pg_isready");

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char *value = db_conninfo_part(conf->conninfo, parts[i].keyword);

        if (value != NULL && *value != '\0') {
            char *word = psql_shell_word(value);
            char *longer = mem_printf("%s %s %s", command, parts[i].option, word);

            mem_free(word);
            mem_free(command);
            command = longer;
        }
        mem_free(value);
    }
    check_fix(report, "%s", command);
    mem_free(command);
}

bool
cmd_check_database(struct check_report *report, const struct conf *conf, struct roster *roster)
{
    struct db_result *server;
    struct db *db;
    struct err err;
    int64_t before;
    bool asked = false;

    if (!db_open(conf->conninfo, &db, &err)) {
        if (!cmd_check_fix_refusal(report, conf, &err)) {
            cmd_check_fix_connection(report, conf);
        }
        check_error_of(report, cmd_check_subject, &err);
        return false;
    }
    before = clock_wall_ms();
    if (ledger_ask_server(db, &server, &err)) {
        /* The database looked at its clock somewhere between. */
        int64_t here = before + (clock_wall_ms() - before) / 2;

        bool usable = cmd_check_server(report, conf, db, server);

        cmd_check_clock(report, db_int(server, 0, LEDGER_SERVER_CLOCK_MS) - here);
        if (usable) {
            asked = cmd_check_nextcloud(report, db, conf, roster);
        }
        db_result_free(server);
    } else {
        check_error_of(report, cmd_check_subject, &err);
    }
    db_close(db);
    return asked;
}

#define _DEFAULT_SOURCE /* getentropy */

#include "cmd_setup.h"

#include "db.h"
#include "ledger.h"
#include "log.h"
#include "mem.h"
#include "phpconf.h"
#include "printable.h"
#include "table.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SETUP_NEXTCLOUD "/var/www/nextcloud"
#define SETUP_PASSWORD_BYTES 24

/* A password that nobody needs to know. */
static bool
setup_make_password(char **ret_password, struct err *err)
{
    unsigned char bytes[SETUP_PASSWORD_BYTES];
    char *text;

    if (getentropy(bytes, sizeof bytes) != 0) {
        return err_set(err, ERR_INTERNAL, "no random numbers for a password: %s", strerror(errno));
    }
    text = mem_alloc(sizeof bytes * 2 + 1, 1);
    for (size_t i = 0; i < sizeof bytes; i++) {
        (void)snprintf(text + i * 2, 3, "%02x", bytes[i]);
    }
    *ret_password = text;
    return true;
}

/* The connection string of runs: over a socket PostgreSQL asks the system who they are, over TCP it
 * wants a password. */
static bool
setup_make_conninfo(struct setup *setup, struct err *err)
{
    char *host = db_conninfo_part(setup->place, "host");
    bool socket = host == NULL || host[0] == '\0' || host[0] == '/';

    mem_free(host);
    if (socket) {
        setup->conninfo = mem_printf("%s user='%s'", setup->place, setup->user);
        return true;
    }
    if (!setup_make_password(&setup->password, err)) {
        return false;
    }
    setup->conninfo =
        mem_printf("%s user='%s' password='%s'", setup->place, setup->user, setup->password);
    return true;
}

static void
setup_warn_of_others(const struct phpconf *php)
{
    char *other = phpconf_other(php->path);

    if (other != NULL) {
        log_warning("Nextcloud also reads %s, which mentions its database and was not read here: "
                    "compare what is shown below, or tell the database with --conninfo",
                    other);
    }
    mem_free(other);
}

static bool
setup_take_php(struct setup *setup, const char *path, struct err *err)
{
    struct phpconf php;
    bool done = phpconf_open(path, &php, err);

    if (!done) {
        return false;
    }
    done = phpconf_conninfo(&php, &setup->place, err);
    setup_warn_of_others(&php);
    if (done) {
        setup->prefix = mem_strdup(php.dbtableprefix == NULL ? "oc_" : php.dbtableprefix);
        if (php.dbuser != NULL) {
            char *user = db_conninfo_quote(php.dbuser);
            char *password = db_conninfo_quote(php.dbpassword == NULL ? "" : php.dbpassword);

            setup->nextcloud = mem_printf(
                "%s user=%s%s%s connect_timeout=5", setup->place, user,
                php.dbpassword == NULL ? "" : " password=", php.dbpassword == NULL ? "" : password);
            mem_free(user);
            mem_wipe_free(password);
        }
        done = setup_make_conninfo(setup, err);
    }
    phpconf_close(&php);
    return done;
}

/* One that names no user gets that of runs: else libpq would take whoever calls. */
static bool
setup_take_conninfo(struct setup *setup, const char *conninfo, struct err *err)
{
    bool is_uri =
        strncmp(conninfo, "postgres://", 11) == 0 || strncmp(conninfo, "postgresql://", 13) == 0;
    struct err cause;
    char *user;

    if (!db_conninfo_check(conninfo, &cause)) {
        (void)err_set(err, ERR_USAGE, "option --conninfo is not a PostgreSQL connection string");
        return err_hint(err, "for example: --conninfo 'host=/run/postgresql dbname=nextcloud'");
    }
    user = db_conninfo_given(conninfo, "user");
    setup->place = mem_strdup(conninfo);
    setup->prefix = mem_strdup("oc_");
    if (user == NULL && is_uri) {
        setup->conninfo = mem_printf("%s%suser=%s", conninfo,
                                     strchr(conninfo, '?') == NULL ? "?" : "&", setup->user);
    } else if (user == NULL) {
        setup->conninfo = mem_printf("%s user='%s'", conninfo, setup->user);
    } else {
        setup->conninfo = mem_strdup(conninfo);
    }
    if (setup->cli->user == NULL && user != NULL) {
        mem_free(setup->user);
        setup->user = mem_strdup(user);
    }
    mem_free(user);
    return true;
}

/* Where the database is, from what the command line or a person says. */
static bool
setup_find_database(struct setup *setup, struct err *err)
{
    const char *path = setup->cli->nextcloud;
    char *answer = NULL;
    bool done = true;

    if (setup->cli->conninfo != NULL) {
        return setup_take_conninfo(setup, setup->cli->conninfo, err);
    }
    if (path == NULL && setup->asks) {
        done = setup_ask("Nextcloud's folder, or its config.php", SETUP_NEXTCLOUD, &answer, err);
        path = answer;
    } else if (path == NULL) {
        (void)err_set(err, ERR_USAGE,
                      "setup needs --nextcloud or --conninfo: nobody is here to ask");
        return err_hint(err, "harpsweep setup --nextcloud " SETUP_NEXTCLOUD);
    }
    done = done && setup_take_php(setup, path, err);
    mem_free(answer);
    return done;
}

/* Takes the path. A run starts in any folder; one that was deleted has no name to put before it. */
static char *
setup_absolute(char *path)
{
    char folder[PATH_MAX];
    char *absolute;

    if (path[0] == '/' || getcwd(folder, sizeof folder) == NULL) {
        return path;
    }
    absolute = mem_printf("%s/%s", folder, path);
    mem_free(path);
    return absolute;
}

static bool
setup_find_key(struct setup *setup, struct err *err)
{
    const char *path = setup->cli->config_path;
    const char *slash = strrchr(path, '/');
    char *standard = slash == NULL ? mem_strdup("harp.key")
                                   : mem_printf("%.*s/harp.key", (int)(slash - path), path);
    bool done = true;

    if (setup->cli->key_file != NULL) {
        setup->key_file = mem_strdup(setup->cli->key_file);
    } else if (setup->asks && !setup->cli->yes) {
        done = setup_ask("The file with HaRP's shared key", standard, &setup->key_file, err);
    } else {
        setup->key_file = mem_strdup(standard);
    }
    mem_free(standard);
    if (done) {
        setup->key_file = setup_absolute(setup->key_file);
    }
    return done;
}

static void
setup_print_daemons(const struct db_result *daemons)
{
    static const struct table_column columns[] = {
        {"DAEMON", TABLE_LEFT}, {"DEPLOYS", TABLE_LEFT}, {"ADDRESS", TABLE_NAME}, {"", TABLE_LEFT}};
    struct table *table = table_new(columns, sizeof columns / sizeof *columns);

    for (int row = 0; row < db_rows(daemons); row++) {
        bool harp = !db_is_null(daemons, row, LEDGER_SETUP_PORT) &&
                    strcmp(db_text(daemons, row, LEDGER_SETUP_DEPLOY_ID), "docker-install") == 0;
        char *address = mem_printf("%s://%s", db_text(daemons, row, LEDGER_SETUP_PROTOCOL),
                                   db_text(daemons, row, LEDGER_SETUP_HOST));

        if (!db_is_null(daemons, row, LEDGER_SETUP_NAME)) {
            table_add(table, db_text(daemons, row, LEDGER_SETUP_NAME));
            table_add(table, db_text(daemons, row, LEDGER_SETUP_DEPLOY_ID));
            table_add(table, address);
            table_add(table,
                      harp ? "its images will be cleaned up" : "not through HaRP: is left alone");
        }
        mem_free(address);
    }
    if (table_rows(table) == 0) {
        (void)printf("AppAPI has no deploy daemon yet; one that comes is found by itself.\n");
    } else {
        (void)printf("Deploy daemons that AppAPI knows:\n\n");
        table_print(table, stdout, table_terminal_width(stdout));
    }
    table_free(table);
}

/* Looks at AppAPI's tables over one of the connections that there are. */
static bool
setup_look(struct setup *setup, const char *conninfo, struct err *err)
{
    struct db_result *daemons;
    struct db *db;
    bool done;

    if (!db_open(conninfo, &db, err)) {
        return false;
    }
    done = ledger_setup_daemons(db, setup->prefix, &daemons, err);
    if (done) {
        setup->watches = db_rows(daemons) > 0;
        if (setup->watches) {
            mem_free(setup->schema);
            setup->schema = mem_strdup(db_text(daemons, 0, LEDGER_SETUP_SCHEMA));
            setup_print_daemons(daemons);
        } else {
            (void)printf("There is no table %sex_apps_daemons: AppAPI is not installed, or "
                         "dbtableprefix is another.\n",
                         setup->prefix);
        }
        db_result_free(daemons);
    }
    db_close(db);
    return done;
}

static void
setup_look_anywhere(struct setup *setup)
{
    const char *const ways[] = {setup->nextcloud, setup->cli->admin, setup->cli->conninfo};
    struct err err;
    bool done = false;

    for (size_t i = 0; i < sizeof ways / sizeof *ways && !done; i++) {
        if (ways[i] != NULL) {
            done = setup_look(setup, ways[i], &err);
            if (!done) {
                log_warning("AppAPI's tables could not be looked at: %s", err.text);
            }
        }
    }
}

/* Text of several lines, each further to the right. */
static void
setup_print_indented(const char *text)
{
    char *printable;

    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        char *line = mem_strndup(text, length);

        printable = printable_dup(line);
        (void)printf("    %s\n", printable);
        mem_free(printable);
        mem_free(line);
        text += length + (text[length] == '\n');
    }
}

static void
setup_print_plan(const struct setup *setup)
{
    char *settings = setup_settings_text(setup, true);
    char *role = setup_role_sql(setup, true);
    struct psql psql;
    char *command;

    setup_psql(setup, &psql);
    command = psql_text(&psql);
    (void)printf("\nThe schema harpsweep, to be installed in that database by\n\n");
    setup_print_indented(command);
    (void)printf("\nwith these statements behind it ('harpsweep setup --print-sql' shows "
                 "install.sql):\n\n");
    setup_print_indented(role);
    (void)printf("\nThe settings, to be written to %s (%s):\n\n", setup->cli->config_path,
                 setup_mode_words());
    setup_print_indented(settings);
    (void)printf("\n");
    mem_free(command);
    psql_close(&psql);
    mem_free(role);
    mem_free(settings);
}

static bool
setup_do(const struct setup *setup, struct err *err)
{
    struct psql psql;
    char *role;
    bool done;

    /* A folder that cannot be made is told before there is a role whose password nobody kept. */
    if (!setup_make_folder(setup->cli->config_path, err)) {
        return false;
    }
    (void)fflush(stdout); /* psql writes to the same place */
    role = setup_role_sql(setup, false);
    setup_psql(setup, &psql);
    done = psql_run(&psql, role, err);
    psql_close(&psql);
    mem_wipe_free(role);
    if (!done) {
        return err->hint[0] != '\0'
                   ? false
                   : err_hint(err, "no settings were written. Where the role is there already: "
                                   "--conninfo with its password; another user for psql: --admin");
    }
    return setup_write(setup, err);
}

static bool
setup_run(struct setup *setup, struct err *err)
{
    const struct cli *cli = setup->cli;

    setup->replaces = cli->force || setup_is_sample(cli->config_path);
    if (access(cli->config_path, F_OK) == 0 && !setup->replaces) {
        (void)err_set(err, ERR_CONFIG, "%s is there already", cli->config_path);
        return err_hint(err, "'harpsweep check' tells whether it is right; --force replaces it");
    }
    if (!setup_find_database(setup, err) || !setup_find_key(setup, err)) {
        return false;
    }
    (void)printf("Nextcloud's database: %s\n", cli->conninfo != NULL ? "as given" : setup->place);
    setup_look_anywhere(setup);
    setup_print_plan(setup);
    if (!cli->yes && !(setup->asks && setup_confirm("Do all of that now?"))) {
        (void)printf("Nothing was changed%s.\n", setup->asks ? "" : "; --yes does all of it");
        return true;
    }
    if (!setup_do(setup, err)) {
        return false;
    }
    setup_print_next(setup);
    return true;
}

int
cmd_setup(const struct cli *cli)
{
    struct setup setup = {.cli = cli,
                          .asks = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1,
                          .user = mem_strdup(cli->user == NULL ? "harpsweep" : cli->user),
                          .schema = mem_strdup("public"),
                          .watches = true};
    struct err err;
    bool done = cli->print_sql ? setup_print_sql(&err) : setup_run(&setup, &err);

    if (!done) {
        log_err(&err);
    }
    mem_free(setup.place);
    mem_wipe_free(setup.nextcloud);
    mem_wipe_free(setup.conninfo);
    mem_wipe_free(setup.password);
    mem_free(setup.user);
    mem_free(setup.prefix);
    mem_free(setup.schema);
    mem_free(setup.key_file);
    return done ? EXIT_CODE_OK : err_exit_code(err.kind);
}

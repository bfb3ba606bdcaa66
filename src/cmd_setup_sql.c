#include "cmd_setup.h"

#include "buf.h"
#include "mem.h"
#include "share.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Files of files that include files. */
#define SETUP_DEPTH_MAX 8
#define SETUP_LINE_MAX 8192

static void
setup_add_variable(struct psql *psql, const char *name, const char *value)
{
    char *word = mem_printf("%s=%s", name, value);

    psql_add(psql, "-v");
    psql_add(psql, word);
    mem_free(word);
}

void
setup_psql(const struct setup *setup, struct psql *ret_psql)
{
    if (setup->cli->admin != NULL) {
        psql_open_as(ret_psql, setup->cli->admin);
    } else {
        psql_open(ret_psql, setup->place);
    }
    psql_add(ret_psql, "-X");
    setup_add_variable(ret_psql, "ON_ERROR_STOP", "1");
    if (setup->watches) {
        setup_add_variable(ret_psql, "nextcloud", "on");
        setup_add_variable(ret_psql, "prefix", setup->prefix);
        setup_add_variable(ret_psql, "nextcloud_schema", setup->schema);
    }
    psql_add_file(ret_psql, "install.sql");
    psql_add(ret_psql, "-f");
    psql_add(ret_psql, "-");
}

char *
setup_role_sql(const struct setup *setup, bool shown)
{
    const char *user = setup->user;

    /* The command line took letters, digits and _ . - only: nothing to escape. */
    if (setup->password != NULL) {
        return mem_printf("create role \"%s\" login password '%s' in role harpsweep_worker;\n",
                          user, shown ? "***" : setup->password);
    }
    return mem_printf(
        "do $$ begin\n"
        "    if not exists (select from pg_catalog.pg_roles where rolname = '%s') then\n"
        "        create role \"%s\" login;\n"
        "    end if;\n"
        "end $$;\n"
        "grant harpsweep_worker to \"%s\";\n",
        user, user, user);
}

/* The file beside another one, as psql's \ir takes it. */
static char *
setup_beside(const char *path, const char *file)
{
    const char *slash = strrchr(path, '/');

    return mem_printf("%.*s%s", slash == NULL ? 0 : (int)(slash - path) + 1, path, file);
}

static bool
setup_print_file(const char *path, int depth, struct err *err)
{
    char line[SETUP_LINE_MAX];
    FILE *file = fopen(path, "re");
    bool done = file != NULL;

    if (file == NULL) {
        (void)err_set(err, ERR_CONFIG, "%s: %s", path, strerror(errno));
        return err_hint(err, "'make install' puts it beside the program");
    }
    while (done && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "\\ir ", 4) == 0 && depth < SETUP_DEPTH_MAX) {
            char *included;

            line[strcspn(line, "\r\n")] = '\0';
            included = setup_beside(path, line + 4);
            done = setup_print_file(included, depth + 1, err);
            mem_free(included);
        } else {
            (void)fputs(line, stdout);
        }
    }
    (void)fclose(file);
    return done;
}

bool
setup_print_sql(struct err *err)
{
    char *path = share_path("sql/install.sql");
    bool done = setup_print_file(path, 0, err);

    mem_free(path);
    return done;
}

/*
 * The command setup: from Nextcloud's config.php to a schema that is installed and a settings file.
 */
#ifndef HARPSWEEP_CMD_SETUP_H
#define HARPSWEEP_CMD_SETUP_H

#include "cli.h"
#include "cmd_psql.h"
#include "err.h"

#include <stdbool.h>

struct setup {
    const struct cli *cli;
    bool asks;       /* somebody sits at a terminal */
    char *place;     /* the database, as a connection string without user and password */
    char *nextcloud; /* the same as Nextcloud's own user; NULL: not known. A secret */
    char *conninfo;  /* the same for runs, as it stands in the settings. A secret */
    char *user;      /* the role of runs */
    char *password;  /* of a role that is made; NULL: it has none. A secret */
    char *prefix;
    char *schema; /* of Nextcloud's tables */
    char *key_file;
    bool watches;  /* AppAPI's tables are there, as far as is known */
    bool replaces; /* settings that are there: as --force says, or because they are the sample */
};

/* A line from the terminal, or standard where that is empty. mem_free() it. False at its end. */
bool setup_ask(const char *question, const char *standard, char **ret_answer, struct err *err)
    MUST_CHECK;

/* Whether somebody answers with yes. */
bool setup_confirm(const char *question);

/* What is written; secrets as *** where shown is set. mem_free() it. */
char *setup_settings_text(const struct setup *setup, bool shown);

/* The folder of a path, made where it is missing; one step only: a path that is quite wrong is
 * told. */
bool setup_make_folder(const char *path, struct err *err) MUST_CHECK;

/* Whether the settings there are the sample as a package brings it, which nobody has changed. */
bool setup_is_sample(const char *path);

/* Writes it. Over a file that is there only where it replaces that. */
bool setup_write(const struct setup *setup, struct err *err) MUST_CHECK;

/* How the file will be kept: "mode 640, root:harpsweep". */
const char *setup_mode_words(void);

/* The user and group that README.md has runs start as. */
#define SETUP_ACCOUNT "harpsweep"

/* What is left to be done, command by command. */
void setup_print_next(const struct setup *setup);

/* The command that installs, and the statements that it is given on its standard input. */
void setup_psql(const struct setup *setup, struct psql *ret_psql);
char *setup_role_sql(const struct setup *setup, bool shown); /* mem_free() it */

/* install.sql with the files that it includes, on standard output. */
bool setup_print_sql(struct err *err) MUST_CHECK;

#endif

/*
 * A command for psql: put together word by word, then shown as a person would type it, or run.
 */
#ifndef HARPSWEEP_CMD_PSQL_H
#define HARPSWEEP_CMD_PSQL_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>

#define CMD_PSQL_WORDS 32

struct psql {
    char *words[CMD_PSQL_WORDS + 1]; /* ends with NULL */
    size_t count;
};

/* psql as somebody who may change the schema of the database that conninfo leads to: as the
 * system's user postgres where that is on this host, else as the database's. psql_close() it. */
void psql_open(struct psql *psql, const char *conninfo);

/* psql with a connection string of its own. */
void psql_open_as(struct psql *psql, const char *conninfo);

void psql_add(struct psql *psql, const char *word);

/* -f and a file of sql/, which must be installed. */
void psql_add_file(struct psql *psql, const char *name);
void psql_close(struct psql *psql);

/* As it is typed into a shell. mem_free() it. */
char *psql_text(const struct psql *psql);

/* Runs it with input as its standard input, its output to where ours goes. */
bool psql_run(const struct psql *psql, const char *input, struct err *err) MUST_CHECK;

/* A word for a shell: in quotes where it needs them. mem_free() it. */
char *psql_shell_word(const char *word);

#endif

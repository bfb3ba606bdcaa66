#include "sqlstate.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum err_kind
sqlstate_kind(const char *state)
{
    static const struct {
        const char *prefix;
        enum err_kind kind;
    } kinds[] = {
        {"08", ERR_DB_LOST},     {"57P0", ERR_DB_LOST},   {"25006", ERR_DB_LOST},
        {"40001", ERR_DB_AGAIN}, {"40P01", ERR_DB_AGAIN}, {"55P03", ERR_DB_AGAIN},
        {"57014", ERR_DB_AGAIN}, {"3F000", ERR_SCHEMA},   {"42P01", ERR_SCHEMA},
        {"42703", ERR_SCHEMA},   {"42704", ERR_SCHEMA},   {"42883", ERR_SCHEMA},
        {"42501", ERR_SCHEMA},   {"22023", ERR_USAGE}, /* harpsweep's own functions say so */
    };

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strncmp(state, kinds[i].prefix, strlen(kinds[i].prefix)) == 0) {
            return kinds[i].kind;
        }
    }
    return ERR_DB;
}

void
sqlstate_hint(struct err *err, const char *state)
{
    if (strcmp(state, "42501") == 0) {
        (void)err_hint(
            err,
            "grant harpsweep_worker to this database user; 'harpsweep check --fix-hints' prints "
            "the command");
    } else if (sqlstate_kind(state) == ERR_SCHEMA) {
        (void)err_hint(err,
                       "install or upgrade the schema: psql -f sql/install.sql; 'harpsweep check "
                       "--fix-hints' prints the whole command");
    }
}

/* A failed connection has no SQLSTATE in libpq. These words are the server's in English; where
 * it speaks another language the failure counts as "unavailable", which cron repeats. */
enum err_kind
sqlstate_refusal_kind(const char *message)
{
    static const char *const refusals[] = {"authentication failed",
                                           "no password supplied",
                                           "does not exist",
                                           "pg_hba.conf",
                                           "is not permitted to log in",
                                           "does not support SSL",
                                           "invalid port number",
                                           "permission denied for database",
                                           "invalid sslmode value",
                                           "certificate verify failed"};

    if (strstr(message, "No such file or directory") != NULL) {
        return ERR_DB_LOST;
    }
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        if (strstr(message, refusals[i]) != NULL) {
            return ERR_CONFIG;
        }
    }
    return ERR_DB_LOST;
}

void
sqlstate_line(const char *message, char *line, size_t size)
{
    size_t length;

    (void)snprintf(line, size, "%s", message);
    length = strlen(line);
    while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == ' ')) {
        line[--length] = '\0';
    }
    for (char *at = line; *at != '\0'; at++) {
        if (*at == '\n' || *at == '\t') {
            *at = ' ';
        }
    }
}

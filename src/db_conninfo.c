/* Connection strings: what they say, and how their values are written. */
#define _DEFAULT_SOURCE /* explicit_bzero */
#include "db.h"
#include "mem.h"

#include <libpq-fe.h>
#include <string.h>

/* The value of a keyword; NULL where it has none. */
static char *
db_conninfo_find(const PQconninfoOption *options, const char *keyword)
{
    for (const PQconninfoOption *at = options; at != NULL && at->keyword != NULL; at++) {
        if (strcmp(at->keyword, keyword) == 0) {
            return mem_strdup(at->val);
        }
    }
    return NULL;
}

char *
db_conninfo_given(const char *conninfo, const char *keyword)
{
    PQconninfoOption *given = PQconninfoParse(conninfo, NULL);
    char *value = db_conninfo_find(given, keyword);

    PQconninfoFree(given);
    return value;
}

char *
db_conninfo_part(const char *conninfo, const char *keyword)
{
    PQconninfoOption *given = PQconninfoParse(conninfo, NULL);
    PQconninfoOption *defaults = given == NULL ? NULL : PQconndefaults();
    char *value = db_conninfo_find(given, keyword);

    if (value == NULL) {
        value = db_conninfo_find(defaults, keyword);
    }
    PQconninfoFree(given);
    PQconninfoFree(defaults);
    return value;
}

bool
db_conninfo_check(const char *conninfo, struct err *err)
{
    char *message = NULL;
    PQconninfoOption *parsed = PQconninfoParse(conninfo, &message);
    /* No message, or libpq's constant "": there was no memory for one. */
    bool has_message = message != NULL && message[0] != '\0';
    bool exhausted = parsed == NULL && (!has_message || strncmp(message, "out of memory", 13) == 0);

    PQconninfoFree(parsed);
    if (has_message) {
        /* It quotes the text, which may hold a password: not for anybody's eyes. */
        explicit_bzero(message, strlen(message));
        PQfreemem(message);
    }
    if (exhausted) {
        return err_set(err, ERR_INTERNAL, "libpq has no memory to read [database] conninfo");
    }
    if (parsed == NULL) {
        (void)err_set(err, ERR_CONFIG, "[database] conninfo is not a PostgreSQL connection string");
        return err_hint(err, "for example: conninfo = host=/run/postgresql dbname=nextcloud");
    }
    return true;
}

char *
db_conninfo_quote(const char *value)
{
    struct buf quoted;
    char *text;

    buf_init(&quoted, SIZE_MAX / 4);
    (void)buf_add_text(&quoted, "'");
    for (; *value != '\0'; value++) {
        if (*value == '\'' || *value == '\\') {
            (void)buf_add_text(&quoted, "\\");
        }
        (void)buf_add(&quoted, value, 1);
    }
    (void)buf_add_text(&quoted, "'");
    text = mem_strdup(buf_text(&quoted));
    buf_free(&quoted);
    return text;
}

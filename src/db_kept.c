#include "db_kept.h"

#include <stdio.h>
#include <string.h>

void
db_kept_forget(struct db_kept *kept)
{
    kept->allowed = false;
    kept->count = 0;
}

void
db_kept_begin(struct db_kept *kept)
{
    kept->before = kept->count;
}

void
db_kept_take_back(struct db_kept *kept)
{
    kept->count = kept->before;
    kept->allowed = kept->allowed && !kept->never;
}

bool
db_kept_find(struct db_kept *kept, const char *sql, char ret_name[DB_KEPT_NAME_SIZE],
             bool *ret_is_new)
{
    size_t at = 0;

    while (at < kept->count && kept->statements[at].sql != sql) {
        at++;
    }
    if (!kept->allowed || at == DB_KEPT_MAX) {
        return false;
    }
    *ret_is_new = at == kept->count;
    if (*ret_is_new) {
        kept->statements[at].sql = sql;
        kept->statements[at].id =
            kept->ids++; /* not one of an exchange that failed: it may be there */
        kept->count++;
    }
    (void)snprintf(ret_name, DB_KEPT_NAME_SIZE, "%s_%u", kept->name, kept->statements[at].id);
    return true;
}

bool
db_kept_is_to_blame(const struct db_kept *kept, const char *sqlstate)
{
    return kept->allowed && (strcmp(sqlstate, "26000") == 0 || strcmp(sqlstate, "42P05") == 0 ||
                             strcmp(sqlstate, "0A000") == 0);
}

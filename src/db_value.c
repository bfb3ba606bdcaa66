/* What a result holds, and what its cells mean. */
#include "db.h"

#include <errno.h>
#include <libpq-fe.h>
#include <stdlib.h>

/* A db_result is a PGresult that the rest of the program can't look into. */
static const PGresult *
db_pg(const struct db_result *result)
{
    return (const PGresult *)result;
}

void
db_result_free(struct db_result *result)
{
    PQclear((PGresult *)result);
}

int
db_rows(const struct db_result *result)
{
    return PQntuples(db_pg(result));
}

int
db_columns(const struct db_result *result)
{
    return PQnfields(db_pg(result));
}

const char *
db_column_name(const struct db_result *result, int column)
{
    return PQfname(db_pg(result), column);
}

bool
db_is_null(const struct db_result *result, int row, int column)
{
    return PQgetisnull(db_pg(result), row, column) != 0;
}

const char *
db_text(const struct db_result *result, int row, int column)
{
    return PQgetvalue(db_pg(result), row, column);
}

const char *
db_text_or_null(const struct db_result *result, int row, int column)
{
    return db_is_null(result, row, column) ? NULL : db_text(result, row, column);
}

int64_t
db_int(const struct db_result *result, int row, int column)
{
    return strtoll(db_text(result, row, column), NULL, 10);
}

bool
db_parse_int(const struct db_result *result, int row, int column, int64_t *ret_number)
{
    const char *text = db_text(result, row, column);
    const char *digits = text + (text[0] == '-');
    char *end;
    long long number;

    /* strtoll() would take spaces and a '+', too. */
    if (digits[0] < '0' || digits[0] > '9') {
        return false;
    }
    errno = 0;
    number = strtoll(text, &end, 10);
    if (*end != '\0' || errno != 0) {
        return false;
    }
    *ret_number = number;
    return true;
}

bool
db_bool(const struct db_result *result, int row, int column)
{
    return db_text(result, row, column)[0] == 't';
}

/* What the cells of a result mean. */
#include "db.h"

#include <errno.h>
#include <stdlib.h>

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

/* What the cells of a result mean. */
#include "db.h"

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
db_bool(const struct db_result *result, int row, int column)
{
    return db_text(result, row, column)[0] == 't';
}

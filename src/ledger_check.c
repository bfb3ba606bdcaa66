#include "ledger_check.h"

#include <inttypes.h>
#include <string.h>

/* More of a wrong value than this tells nobody anything. */
#define LEDGER_CHECK_SHOWN 60

/* A column on its way through the rows. */
struct ledger_column {
    const struct ledger_shape *shape;
    const struct db_result *result;
    int at;
    char letter;
    int64_t before; /* the value of the row before */
};

static bool
ledger_check_null(const struct ledger_column *column, int row, struct err *err)
{
    if (strchr("ou", column->letter) != NULL ||
        (column->letter == 'q' && row == db_rows(column->result) - 1)) {
        return true;
    }
    return err_set(err, ERR_DB, "database: %s, row %d: %s is null", column->shape->query, row + 1,
                   db_column_name(column->result, column->at));
}

static bool
ledger_check_number(const struct ledger_column *column, int row, int64_t *ret_number,
                    struct err *err)
{
    bool is_place = column->letter == 'p' || column->letter == 'q';
    int64_t least = is_place ? column->shape->least : 0;
    int64_t most = is_place ? column->shape->most : INT64_MAX;

    if (!db_parse_int(column->result, row, column->at, ret_number) || *ret_number < least ||
        *ret_number > most) {
        return err_set(err, ERR_DB,
                       "database: %s, row %d: %s is '%.*s', not a whole number from %" PRId64
                       " to %" PRId64,
                       column->shape->query, row + 1, db_column_name(column->result, column->at),
                       LEDGER_CHECK_SHOWN, db_text(column->result, row, column->at), least, most);
    }
    if (row > 0 && (is_place ? *ret_number <= column->before
                             : column->letter == 'l' && *ret_number > column->before)) {
        return err_set(err, ERR_DB,
                       "database: %s, row %d: %s is %" PRId64 " after %" PRId64
                       ", which is out of order",
                       column->shape->query, row + 1, db_column_name(column->result, column->at),
                       *ret_number, column->before);
    }
    return true;
}

static bool
ledger_check_sum(const struct ledger_column *column, int row, int64_t number, int64_t *sum,
                 struct err *err)
{
    if (number > INT64_MAX - *sum) {
        return err_set(err, ERR_DB,
                       "database: %s, row %d: with %s %" PRId64
                       " the sum is more than a number of 64 bits holds",
                       column->shape->query, row + 1, db_column_name(column->result, column->at),
                       number);
    }
    *sum += number;
    return true;
}

static bool
ledger_check_column(struct ledger_column *column, int64_t *counts, int64_t *bytes, struct err *err)
{
    for (int row = 0; row < db_rows(column->result); row++) {
        int64_t number = 0;

        if (db_is_null(column->result, row, column->at)) {
            if (!ledger_check_null(column, row, err)) {
                return false;
            }
            continue;
        }
        if (strchr("tu", column->letter) != NULL) {
            continue;
        }
        if (!ledger_check_number(column, row, &number, err) ||
            (column->letter == 'c' && !ledger_check_sum(column, row, number, counts, err)) ||
            (strchr("bl", column->letter) != NULL &&
             !ledger_check_sum(column, row, number, bytes, err))) {
            return false;
        }
        column->before = number;
    }
    return true;
}

bool
ledger_check(const struct db_result *result, const struct ledger_shape *shape, struct err *err)
{
    int64_t counts = 0;
    int64_t bytes = 0;

    for (int at = 0; shape->columns[at] != '\0'; at++) {
        struct ledger_column column = {shape, result, at, shape->columns[at], 0};

        if (!ledger_check_column(&column, &counts, &bytes, err)) {
            return false;
        }
    }
    return true;
}

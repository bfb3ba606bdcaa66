/*
 * Whether the answer of a query is one that can be counted on: a view that somebody changed must
 * not become a wrong sum, nor a place beyond an array. Who reads the rows afterwards trusts them.
 */
#ifndef HARPSWEEP_LEDGER_CHECK_H
#define HARPSWEEP_LEDGER_CHECK_H

#include "db.h"
#include "err.h"

#include <stdbool.h>
#include <stdint.h>

/* What the columns of a query hold, a letter for each:
 *
 *   p  a place: a whole number from least to most, rows in its order and none twice
 *   q  the same, and null in the last row
 *   c  a count from 0 on; the sum over all rows and all such columns is an int64_t, too
 *   b  a number of bytes, with the same promise
 *   l  the same, rows with the largest first
 *   n  another whole number from 0 on
 *   o  the same, or null
 *   t  a text
 *   u  the same, or null
 */
struct ledger_shape {
    const char *query; /* its file in sql/queries/, without .sql: for messages */
    const char *columns;
    int64_t least; /* of a place */
    int64_t most;
};

/* ERR_DB names the first value that is not so. */
bool ledger_check(const struct db_result *result, const struct ledger_shape *shape, struct err *err)
    MUST_CHECK;

#endif

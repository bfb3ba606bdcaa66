/* An answer of the database's as libpq gives it, without a database. */
#ifndef HARPSWEEP_TESTS_DB_ANSWER_H
#define HARPSWEEP_TESTS_DB_ANSWER_H

#include "between.h"
#include "db.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

#define DB_ANSWER_COLUMNS 20

/* cells: row after row; NULL for null. db_result_free() it. */
static inline struct db_result *
db_answer(int columns, int rows, const char *const *cells)
{
    char names[DB_ANSWER_COLUMNS][4];
    PGresAttDesc descriptions[DB_ANSWER_COLUMNS];
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);

    assert_between(columns, 1, DB_ANSWER_COLUMNS);
    memset(descriptions, 0, sizeof descriptions);
    for (int i = 0; i < columns; i++) {
        (void)snprintf(names[i], sizeof names[i], "c%d", i);
        descriptions[i].name = names[i];
    }
    assert_int_equal(PQsetResultAttrs(result, columns, descriptions), 1);
    for (int i = 0; i < rows * columns; i++) {
        char text[200];
        int length = cells[i] == NULL ? -1 : snprintf(text, sizeof text, "%s", cells[i]);

        assert_int_equal(
            PQsetvalue(result, i / columns, i % columns, cells[i] == NULL ? NULL : text, length),
            1);
    }
    return (struct db_result *)result;
}

#endif

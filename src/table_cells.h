/*
 * What a table is made of, for the two files that know.
 */
#ifndef HARPSWEEP_TABLE_CELLS_H
#define HARPSWEEP_TABLE_CELLS_H

#include "table.h"

struct table_cell {
    char *text; /* printable */
    size_t width;
    enum color color;
};

struct table {
    struct table_column *columns;
    size_t column_count;
    struct table_cell *cells;
    size_t cell_count;
    size_t cell_size;
};

#endif

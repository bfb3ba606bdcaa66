/*
 * Tables of text for people: columns as wide as their widest cell, two spaces between them.
 */
#ifndef HARPSWEEP_TABLE_H
#define HARPSWEEP_TABLE_H

#include "color.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct table;

/* TABLE_NAME stands to the left as well; where it must be cut, it keeps its end, which tells more
 * than its middle: the tag of an image, the number of a host. TABLE_WHOLE stands to the left and is
 * not cut, as nothing to the right is: short texts, of which a part would say something else. */
enum table_align { TABLE_LEFT, TABLE_RIGHT, TABLE_NAME, TABLE_WHOLE };

struct table_column {
    const char *title;
    enum table_align align;
};

/* A table of count columns (copied). table_free() it. */
struct table *table_new(const struct table_column *columns, size_t count);
void table_free(struct table *table); /* NULL is fine */

/* Adds the next cell, row by row, left to right. The text (NULL: empty) is copied and made
 * printable; see printable.h. */
void table_add(struct table *table, const char *text);
void table_addf(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Colours the cell that was added last, where table_print() writes to a terminal. */
void table_tint(struct table *table, enum color color);

/* Whole rows that it has. */
size_t table_rows(const struct table *table);

/* Writes title line and rows, none of them wider than width columns: what is too wide is cut, the
 * widest columns of text first, and shows "..." there. width 0: nothing is cut. */
void table_print(const struct table *table, FILE *out, size_t width);

/* Columns of the terminal that out is, 0 where it is none: for table_print(). */
size_t table_terminal_width(FILE *out);

/* A span of time in at most two units ("45s", "3h 20m", "12d"), seconds >= 0. */
#define TABLE_SPAN_SIZE 32
const char *table_span(int64_t seconds, char ret_text[TABLE_SPAN_SIZE]);

/* A size in bytes with one digit after the point ("512 B", "1.5 GB"), units of 1000 as Docker's. */
#define TABLE_SIZE_SIZE 32
const char *table_size(int64_t bytes, char ret_text[TABLE_SIZE_SIZE]);

#endif

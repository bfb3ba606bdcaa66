/*
 * Writes CSV (RFC 4180) to a stream: fields between commas, lines that end in CR LF.
 */
#ifndef HARPSWEEP_CSV_OUT_H
#define HARPSWEEP_CSV_OUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct csv_out {
    FILE *file;
    bool filled; /* the line has a field already */
};

void csv_out_init(struct csv_out *csv, FILE *file);

/* The next field. "" for an empty one; quoted where it must be; control characters as \n, \xHH. */
void csv_out_text(struct csv_out *csv, const char *text);

/* The same for a text that anybody may have chosen: a spreadsheet takes one that begins with one of
 * =+-@ for a formula and runs it, so an apostrophe goes before it, as such programs do themselves
 * with what is text (OWASP, "CSV Injection"). */
void csv_out_foreign(struct csv_out *csv, const char *text);

void csv_out_int(struct csv_out *csv, int64_t number);
void csv_out_end_line(struct csv_out *csv);

#endif

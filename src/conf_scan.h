/*
 * Looks at the raw settings file before inih does: inih cuts long lines and
 * names, takes " ;" for a comment inside a value, and joins indented lines,
 * all without a word. A file in which any of that would happen is refused.
 */
#ifndef HARPSWEEP_CONF_SCAN_H
#define HARPSWEEP_CONF_SCAN_H

#include "err.h"

#include <stddef.h>

/* Where something stands. */
struct conf_section {
    char *name;
    int line;
};

struct conf_scan {
    const char *path;
    char *text; /* the whole file */
    struct conf_section *sections;
    size_t section_count;
    int *key_lines; /* line numbers of the lines with a value, in the order in which inih reads them
                     */
    size_t key_count;
};

/* Reads and checks the file. conf_scan_free() it in either case. */
bool conf_scan_file(const char *path, struct conf_scan *ret_scan, struct err *err) MUST_CHECK;
void conf_scan_free(struct conf_scan *scan);

#endif

/*
 * The options of a command line, read in one pass wherever they stand; other words are gathered.
 * Not getopt: that one keeps its place in globals, takes "--no" for "--now", and with
 * POSIXLY_CORRECT stops at the command.
 */
#ifndef HARPSWEEP_CLI_READER_H
#define HARPSWEEP_CLI_READER_H

#include "cli.h"
#include "cli_spec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cli_reader {
    struct cli *cli;
    struct err *err;
    int argc;
    char **argv;
    int at;
    uint64_t seen;      /* CLI_SEEN() of each option that was given */
    const char **words; /* command and arguments; room for argc of them */
    size_t word_count;
};

/* Puts an option and its value ("" for one that takes none) into reader->cli. */
bool cli_apply(const struct cli_reader *reader, enum cli_option_id id, const char *value)
    MUST_CHECK;

/* Reads all of argv into cli, seen and words. */
bool cli_read_all(struct cli_reader *reader) MUST_CHECK;

/* Whole decimal numbers only: no sign, no space, nothing behind. */
bool cli_parse_number(const char *text, int64_t min, int64_t max, int64_t *ret_number) MUST_CHECK;

#endif

/*
 * What a writer of the program prints into a stream, compared with what it should. For tests.
 */
#ifndef HARPSWEEP_TEST_PRINTED_H
#define HARPSWEEP_TEST_PRINTED_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

static char *printed;
static size_t printed_size;

/* printed_end() closes it. */
static FILE *
printed_begin(void)
{
    FILE *file = open_memstream(&printed, &printed_size);

    assert_non_null(file);
    return file;
}

static void
printed_end(FILE *file, const char *expected)
{
    (void)fclose(file);
    assert_string_equal(printed, expected);
    free(printed);
}

#endif

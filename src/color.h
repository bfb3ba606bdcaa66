/*
 * Colours on a terminal, and only there: NO_COLOR (https://no-color.org), TERM=dumb and output into
 * a file or a pipe turn them off. Whatever is coloured also says it in words.
 */
#ifndef HARPSWEEP_COLOR_H
#define HARPSWEEP_COLOR_H

#include <stdbool.h>
#include <stdio.h>

enum color { COLOR_NONE, COLOR_GOOD, COLOR_WARNING, COLOR_BAD, COLOR_STRONG };

/* Whether out is a terminal that knows more than lines of text. */
bool color_is_terminal(FILE *out);

/* Whether what is written to out may be coloured. */
bool color_is_wanted(FILE *out);

/* What stands before and behind a coloured text; "" where colours are not wanted, and for
 * COLOR_NONE. */
const char *color_begin(enum color color, bool wanted);
const char *color_end(enum color color, bool wanted);

#endif

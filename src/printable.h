/*
 * Text of strangers (names in a database, answers of a server) made safe for a terminal.
 */
#ifndef HARPSWEEP_PRINTABLE_H
#define HARPSWEEP_PRINTABLE_H

#include "buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads one character of UTF-8 from text (NUL-terminated, not at its end). Returns how many
 * bytes it has; 0 where they are not UTF-8 (surrogates, overlong forms and values beyond
 * U+10FFFF included). */
size_t printable_decode(const char *text, uint32_t *ret_code);

/* Whether a character must not reach a terminal as it is: control characters (C0, DEL, C1), line
 * and paragraph separators, marks that change the direction of writing. */
bool printable_is_control(uint32_t code);

/* Appends text with such characters written as \n, \t, \xHH or \u{HHHH}, and bytes that are not
 * UTF-8 as \xHH. Returns the number of columns that it takes on a terminal. NULL adds nothing. */
size_t printable_add(struct buf *out, const char *text);

/* How many bytes of text, which is printable already, take at most room columns: whole characters,
 * with the marks that stand on them. *ret_width: the columns that they take. */
size_t printable_fit(const char *text, size_t room, size_t *ret_width);

/* What printable_add() appends, as a string; mem_free() it. */
char *printable_dup(const char *text);

#endif

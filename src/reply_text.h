/*
 * The parts of strangers' answers that are read without a JSON library.
 */
#ifndef HARPSWEEP_REPLY_TEXT_H
#define HARPSWEEP_REPLY_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether no more than max_depth brackets of JSON are open at once anywhere in body. */
bool reply_text_is_shallow(const char *body, size_t length, int max_depth);

/* Whether text contains part, upper and lower case being one; part is lower case. */
bool reply_text_contains(const char *text, const char *part);

/* Reads MAJOR.MINOR or MAJOR.MINOR.PATCH, perhaps with a suffix ("0.5.0-rc1"); returns the suffix,
 * NULL where text is no version. */
const char *reply_text_parse_version(const char *text, int ret_parts[3]);

/* Reads a time of RFC 3339, with fractions of a second and `Z` or an offset, as milliseconds since
 * 1970 in UTC. The year 1 is Go's way to say "never": INT64_MIN. */
bool reply_text_parse_time(const char *text, int64_t *ret_ms);

#endif

/*
 * Writes JSON (RFC 8259) to a stream, piece by piece, indented. Only the order of calls makes it
 * valid: open, members or elements, close; keys inside objects, NULL keys inside arrays.
 */
#ifndef HARPSWEEP_JSON_OUT_H
#define HARPSWEEP_JSON_OUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define JSON_OUT_DEPTH 8

struct json_out {
    FILE *file;
    int depth;
    bool filled[JSON_OUT_DEPTH + 1]; /* something was written at that depth already */
};

void json_out_init(struct json_out *json, FILE *file);

void json_out_open_object(struct json_out *json, const char *key);
void json_out_close_object(struct json_out *json);
void json_out_open_array(struct json_out *json, const char *key);
void json_out_close_array(struct json_out *json);

/* NULL: null. Bytes that are not UTF-8 become U+FFFD, what could play with a terminal is written
 * as \uXXXX. */
void json_out_text(struct json_out *json, const char *key, const char *value);
/* The same, but "" is null too: for texts of a database result that stand for "none". */
void json_out_text_or_null(struct json_out *json, const char *key, const char *value);
void json_out_int(struct json_out *json, const char *key, int64_t value);
void json_out_bool(struct json_out *json, const char *key, bool value);
void json_out_null(struct json_out *json, const char *key);

#endif

#include "json_out.h"

#include "printable.h"

#include <inttypes.h>
#include <string.h>

void
json_out_init(struct json_out *json, FILE *file)
{
    memset(json, 0, sizeof *json);
    json->file = file;
}

static void
json_out_newline(const struct json_out *json)
{
    (void)fputc('\n', json->file);
    for (int i = 0; i < json->depth; i++) {
        (void)fputs("  ", json->file);
    }
}

static void
json_out_string(const struct json_out *json, const char *text)
{
    (void)fputc('"', json->file);
    while (*text != '\0') {
        uint32_t code = 0;
        size_t length = printable_decode(text, &code);

        if (length == 0) {
            (void)fputs("\\ufffd", json->file);
            length = 1;
        } else if (code == '"' || code == '\\') {
            (void)fprintf(json->file, "\\%c", (int)code);
        } else if (code == '\n') {
            (void)fputs("\\n", json->file);
        } else if (printable_is_control(code)) {
            /* All of them are below U+10000: no surrogate pairs. */
            (void)fprintf(json->file, "\\u%04x", (unsigned)code);
        } else {
            (void)fwrite(text, 1, length, json->file);
        }
        text += length;
    }
    (void)fputc('"', json->file);
}

/* What stands before a value: comma, line, key. */
static void
json_out_begin(struct json_out *json, const char *key)
{
    if (json->filled[json->depth]) {
        (void)fputc(',', json->file);
    }
    json->filled[json->depth] = true;
    if (json->depth > 0) {
        json_out_newline(json);
    }
    if (key != NULL) {
        json_out_string(json, key);
        (void)fputs(": ", json->file);
    }
}

static void
json_out_open(struct json_out *json, const char *key, char bracket)
{
    json_out_begin(json, key);
    (void)fputc(bracket, json->file);
    if (json->depth < JSON_OUT_DEPTH) {
        json->depth++;
    }
    json->filled[json->depth] = false;
}

static void
json_out_close(struct json_out *json, char bracket)
{
    bool filled = json->filled[json->depth];

    if (json->depth > 0) {
        json->depth--;
    }
    if (filled) {
        json_out_newline(json);
    }
    (void)fputc(bracket, json->file);
    if (json->depth == 0) {
        (void)fputc('\n', json->file);
    }
}

void
json_out_open_object(struct json_out *json, const char *key)
{
    json_out_open(json, key, '{');
}

void
json_out_close_object(struct json_out *json)
{
    json_out_close(json, '}');
}

void
json_out_open_array(struct json_out *json, const char *key)
{
    json_out_open(json, key, '[');
}

void
json_out_close_array(struct json_out *json)
{
    json_out_close(json, ']');
}

void
json_out_text(struct json_out *json, const char *key, const char *value)
{
    json_out_begin(json, key);
    if (value == NULL) {
        (void)fputs("null", json->file);
    } else {
        json_out_string(json, value);
    }
}

void
json_out_text_or_null(struct json_out *json, const char *key, const char *value)
{
    json_out_text(json, key, value == NULL || *value == '\0' ? NULL : value);
}

void
json_out_int(struct json_out *json, const char *key, int64_t value)
{
    json_out_begin(json, key);
    (void)fprintf(json->file, "%" PRId64, value);
}

void
json_out_bool(struct json_out *json, const char *key, bool value)
{
    json_out_begin(json, key);
    (void)fputs(value ? "true" : "false", json->file);
}

void
json_out_null(struct json_out *json, const char *key)
{
    json_out_begin(json, key);
    (void)fputs("null", json->file);
}

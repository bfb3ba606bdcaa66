/*
 * A second reader of JSON (RFC 8259), for what the verdicts are compared with: none of jansson's
 * code and none of reply.c's. As strict as reply.h promises: one object and nothing behind it, no
 * key twice, no U+0000, numbers that fit.
 */
#ifndef HARPSWEEP_FUZZ_JSON_ORACLE_H
#define HARPSWEEP_FUZZ_JSON_ORACLE_H

#include "fuzz.h"

#include <errno.h>
#include <math.h>

#define JSON_ORACLE_NODES 70000
#define JSON_ORACLE_DEPTH 24

enum json_oracle_type {
    ORACLE_OBJECT,
    ORACLE_ARRAY,
    ORACLE_STRING,
    ORACLE_INTEGER,
    ORACLE_REAL,
    ORACLE_TRUE,
    ORACLE_FALSE,
    ORACLE_NULL
};

/* Nodes are numbered from 1; 0 is none. */
struct json_oracle_node {
    enum json_oracle_type type;
    size_t key;    /* of a member: node of its key, a string */
    size_t first;  /* of an object or array */
    size_t next;   /* beside it */
    size_t text;   /* of a string: where it begins in texts, NUL-terminated */
    size_t length; /* of it */
    int64_t integer;
    double real; /* of both kinds of numbers */
};

struct json_oracle {
    const char *body;
    size_t length;
    size_t at;
    int depth;
    size_t count;
    size_t text_length;
    struct json_oracle_node nodes[JSON_ORACLE_NODES];
    char texts[2 * JSON_ORACLE_NODES];
};

static inline void
json_oracle_space(struct json_oracle *json)
{
    while (json->at < json->length && json->body[json->at] != '\0' &&
           strchr(" \t\r\n", json->body[json->at]) != NULL) {
        json->at++;
    }
}

static inline bool
json_oracle_take(struct json_oracle *json, const char *token)
{
    size_t size = strlen(token);

    if (json->length - json->at < size || memcmp(json->body + json->at, token, size) != 0) {
        return false;
    }
    json->at += size;
    return true;
}

static inline size_t
json_oracle_node(struct json_oracle *json, enum json_oracle_type type)
{
    FUZZ_CHECK(json->count + 1 < JSON_ORACLE_NODES, "too much JSON for the oracle");
    json->nodes[++json->count] = (struct json_oracle_node){.type = type};
    return json->count;
}

static inline void
json_oracle_put(struct json_oracle *json, uint32_t code)
{
    char *to = &json->texts[json->text_length];

    FUZZ_CHECK(json->text_length + 8 < sizeof json->texts, "too much text for the oracle");
    if (code < 0x80) {
        to[0] = (char)code;
        json->text_length += 1;
    } else if (code < 0x800) {
        to[0] = (char)(0xc0 | code >> 6);
        to[1] = (char)(0x80 | (code & 0x3f));
        json->text_length += 2;
    } else if (code < 0x10000) {
        to[0] = (char)(0xe0 | code >> 12);
        to[1] = (char)(0x80 | (code >> 6 & 0x3f));
        to[2] = (char)(0x80 | (code & 0x3f));
        json->text_length += 3;
    } else {
        to[0] = (char)(0xf0 | code >> 18);
        to[1] = (char)(0x80 | (code >> 12 & 0x3f));
        to[2] = (char)(0x80 | (code >> 6 & 0x3f));
        to[3] = (char)(0x80 | (code & 0x3f));
        json->text_length += 4;
    }
}

/* Four hex digits. */
static inline bool
json_oracle_hex(struct json_oracle *json, uint32_t *ret_code)
{
    *ret_code = 0;
    for (int i = 0; i < 4; i++) {
        char c = json->at < json->length ? json->body[json->at] : '\0';
        const char *digit = c == '\0' ? NULL : strchr("0123456789abcdef", c | 0x20);

        /* | 0x20 also makes digits of some control characters. */
        if (digit == NULL || (unsigned char)c < '0') {
            return false;
        }
        *ret_code =
            *ret_code << 4 | (uint32_t)(strchr("0123456789abcdef", c | 0x20) - "0123456789abcdef");
        json->at++;
    }
    return true;
}

static inline bool
json_oracle_escape(struct json_oracle *json)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char meant[] = "\"\\/\b\f\n\r\t";
    char c = json->at < json->length ? json->body[json->at] : '\0';
    const char *letter = c == '\0' ? NULL : strchr(letters, c);
    uint32_t code = 0;
    uint32_t low = 0;

    json->at++;
    if (letter != NULL) {
        json_oracle_put(json, (unsigned char)meant[letter - letters]);
        return true;
    }
    if (c != 'u' || !json_oracle_hex(json, &code) || code == 0) {
        return false;
    }
    if (code >= 0xd800 && code <= 0xdbff) {
        if (!json_oracle_take(json, "\\u") || !json_oracle_hex(json, &low) || low < 0xdc00 ||
            low > 0xdfff) {
            return false;
        }
        code = 0x10000 + ((code & 0x3ff) << 10) + (low & 0x3ff);
    } else if (code >= 0xdc00 && code <= 0xdfff) {
        return false;
    }
    json_oracle_put(json, code);
    return true;
}

static inline size_t
json_oracle_string(struct json_oracle *json)
{
    size_t node = json_oracle_node(json, ORACLE_STRING);

    if (!json_oracle_take(json, "\"")) {
        return 0;
    }
    json->nodes[node].text = json->text_length;
    while (json->at < json->length && json->body[json->at] != '"') {
        uint32_t code = 0;
        size_t size =
            fuzz_utf8((const uint8_t *)json->body + json->at, json->length - json->at, &code);

        if (size == 0 || code < 0x20) {
            return 0;
        }
        json->at += size;
        if (code != '\\') {
            json_oracle_put(json, code);
        } else if (!json_oracle_escape(json)) {
            return 0;
        }
    }
    json->nodes[node].length = json->text_length - json->nodes[node].text;
    json_oracle_put(json, 0);
    return json_oracle_take(json, "\"") ? node : 0;
}

static inline size_t
json_oracle_digits(struct json_oracle *json)
{
    size_t from = json->at;

    while (json->at < json->length && json->body[json->at] >= '0' && json->body[json->at] <= '9') {
        json->at++;
    }
    return json->at - from;
}

static inline size_t
json_oracle_number(struct json_oracle *json)
{
    size_t from = json->at;
    bool real = false;
    size_t digits;
    size_t node;
    char text[512];

    (void)json_oracle_take(json, "-");
    digits = json_oracle_digits(json);
    if (digits == 0 || (digits > 1 && json->body[json->at - digits] == '0')) {
        return 0;
    }
    if (json_oracle_take(json, ".")) {
        real = true;
        if (json_oracle_digits(json) == 0) {
            return 0;
        }
    }
    if (json_oracle_take(json, "e") || json_oracle_take(json, "E")) {
        real = true;
        if (!json_oracle_take(json, "+")) {
            (void)json_oracle_take(json, "-");
        }
        if (json_oracle_digits(json) == 0) {
            return 0;
        }
    }
    if (json->at - from >= sizeof text) {
        /* Nothing that is compared needs it; jansson takes reals of any length. */
        node = json_oracle_node(json, ORACLE_REAL);
        json->nodes[node].real = (double)NAN;
        return real ? node : 0;
    }
    memcpy(text, json->body + from, json->at - from);
    text[json->at - from] = '\0';
    node = json_oracle_node(json, real ? ORACLE_REAL : ORACLE_INTEGER);
    errno = 0;
    json->nodes[node].real = strtod(text, NULL);
    if (real) {
        return isinf(json->nodes[node].real) ? 0 : node;
    }
    errno = 0;
    json->nodes[node].integer = strtoll(text, NULL, 10);
    return errno == ERANGE ? 0 : node;
}

static inline const char *
json_oracle_text(const struct json_oracle *json, size_t node)
{
    return &json->texts[json->nodes[node].text];
}

/* The member of that name; 0: none. */
static inline size_t
json_oracle_member(const struct json_oracle *json, size_t object, const char *name)
{
    size_t member = json->nodes[object].first;

    if (json->nodes[object].type != ORACLE_OBJECT) {
        return 0;
    }
    while (member != 0 && strcmp(json_oracle_text(json, json->nodes[member].key), name) != 0) {
        member = json->nodes[member].next;
    }
    return member;
}

static size_t json_oracle_value(struct json_oracle *json);

static inline size_t
json_oracle_list(struct json_oracle *json, enum json_oracle_type type)
{
    const char *end = type == ORACLE_OBJECT ? "}" : "]";
    size_t list = json_oracle_node(json, type);
    size_t last = 0;

    json_oracle_space(json);
    if (json_oracle_take(json, end)) {
        return list;
    }
    for (;;) {
        size_t key = 0;
        size_t value;

        json_oracle_space(json);
        if (type == ORACLE_OBJECT) {
            key = json_oracle_string(json);
            json_oracle_space(json);
            if (key == 0 || json_oracle_member(json, list, json_oracle_text(json, key)) != 0 ||
                !json_oracle_take(json, ":")) {
                return 0;
            }
        }
        value = json_oracle_value(json);
        if (value == 0) {
            return 0;
        }
        json->nodes[value].key = key;
        *(last == 0 ? &json->nodes[list].first : &json->nodes[last].next) = value;
        last = value;
        json_oracle_space(json);
        if (!json_oracle_take(json, ",")) {
            return json_oracle_take(json, end) ? list : 0;
        }
    }
}

static size_t
json_oracle_value(struct json_oracle *json)
{
    size_t node = 0;

    json_oracle_space(json);
    if (json->at == json->length) {
        return 0;
    }
    switch (json->body[json->at]) {
    case '{':
    case '[':
        if (++json->depth > JSON_ORACLE_DEPTH) {
            return 0;
        }
        node = json_oracle_list(json, json->body[json->at++] == '{' ? ORACLE_OBJECT : ORACLE_ARRAY);
        json->depth--;
        return node;
    case '"':
        return json_oracle_string(json);
    case 't':
        return json_oracle_take(json, "true") ? json_oracle_node(json, ORACLE_TRUE) : 0;
    case 'f':
        return json_oracle_take(json, "false") ? json_oracle_node(json, ORACLE_FALSE) : 0;
    case 'n':
        return json_oracle_take(json, "null") ? json_oracle_node(json, ORACLE_NULL) : 0;
    default:
        return json_oracle_number(json);
    }
}

/* The one object that body is, as a node; 0 where it is not exactly that. Good until the next. */
static inline size_t
json_oracle_read(struct json_oracle *json, const char *body, size_t length)
{
    size_t root;

    json->body = body;
    json->length = length;
    json->at = 0;
    json->depth = 0;
    json->count = 0;
    json->text_length = 0;
    root = json_oracle_value(json);
    json_oracle_space(json);
    return root != 0 && json->at == length && json->nodes[root].type == ORACLE_OBJECT ? root : 0;
}

/* Whether a member is there, and of that type. */
static inline bool
json_oracle_is(const struct json_oracle *json, size_t node, enum json_oracle_type type)
{
    return node != 0 && json->nodes[node].type == type;
}

#endif

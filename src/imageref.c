#include "imageref.h"

#include <stddef.h>
#include <string.h>

#define IMAGEREF_NAME_MAX 255
#define IMAGEREF_TAG_MAX 128
#define IMAGEREF_ID_HEX 64

/* Own predicates: the ones of ctype.h depend on the locale and accept more than ASCII. */

static bool
is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool
is_letter(char c)
{
    return is_lower(c) || (c >= 'A' && c <= 'Z');
}

static bool
is_lower_hex(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (!is_digit(text[i]) && !(text[i] >= 'a' && text[i] <= 'f')) {
            return false;
        }
    }
    return true;
}

/* Letters, digits and, not first or last, hyphens, in parts joined by dots. */
static bool
is_domain(const char *text, size_t length)
{
    char before = '.';

    for (size_t i = 0; i < length; i++) {
        if (text[i] == '.' || text[i] == '-') {
            if (before == '.' || (before == '-' && text[i] == '.')) {
                return false;
            }
        } else if (!is_letter(text[i]) && !is_digit(text[i])) {
            return false;
        }
        before = text[i];
    }
    return before != '.' && before != '-';
}

static bool
is_port(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (!is_digit(text[i])) {
            return false;
        }
    }
    return length > 0;
}

/* A domain and perhaps a port. A host in brackets (IPv6) would need escapes in a URL, which HaRP
 * does not make: it is refused. */
static bool
is_host(const char *text, size_t length)
{
    const char *colon = memchr(text, ':', length);
    size_t domain = colon == NULL ? length : (size_t)(colon - text);

    return is_domain(text, domain) && (colon == NULL || is_port(colon + 1, length - domain - 1));
}

/* Runs of lower-case letters and digits, joined by one dot, one or two underscores, or hyphens. */
static bool
is_path_component(const char *text, size_t length)
{
    size_t joint = 0; /* characters of the joint before this one */
    bool inside = false;

    for (size_t i = 0; i < length; i++) {
        char c = text[i];

        if (is_lower(c) || is_digit(c)) {
            inside = true;
            joint = 0;
        } else if (!inside || (joint > 0 && c != text[i - 1]) ||
                   !(c == '-' || (c == '_' && joint < 2) || (c == '.' && joint < 1))) {
            return false;
        } else {
            joint++;
        }
    }
    return inside && joint == 0;
}

static bool
is_name(const char *text, size_t length)
{
    const char *slash = memchr(text, '/', length);
    size_t start = 0;

    if (length == 0 || length > IMAGEREF_NAME_MAX) {
        return false;
    }
    /* Only what a slash follows can be a host; most hosts would be path components as well. */
    if (slash != NULL && is_host(text, (size_t)(slash - text))) {
        start = (size_t)(slash - text) + 1;
    }
    for (;;) {
        const char *end = memchr(text + start, '/', length - start);
        size_t size = end == NULL ? length - start : (size_t)(end - text) - start;

        if (!is_path_component(text + start, size)) {
            return false;
        }
        if (end == NULL) {
            return true;
        }
        start += size + 1;
    }
}

static bool
is_tag(const char *text, size_t length)
{
    if (length == 0 || length > IMAGEREF_TAG_MAX || text[0] == '.' || text[0] == '-') {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (!is_letter(text[i]) && !is_digit(text[i]) && strchr("_.-", text[i]) == NULL) {
            return false;
        }
    }
    return true;
}

static bool
is_digest(const char *text)
{
    static const struct {
        const char *prefix;
        size_t hex;
    } algorithms[] = {{"sha256:", 64}, {"sha384:", 96}, {"sha512:", 128}};

    for (size_t i = 0; i < sizeof algorithms / sizeof algorithms[0]; i++) {
        size_t skip = strlen(algorithms[i].prefix);

        if (strncmp(text, algorithms[i].prefix, skip) == 0) {
            return strlen(text + skip) == algorithms[i].hex &&
                   is_lower_hex(text + skip, algorithms[i].hex);
        }
    }
    return false;
}

bool
imageref_is_id(const char *text)
{
    return strncmp(text, "sha256:", 7) == 0 && is_digest(text);
}

/* A name, and perhaps a tag behind the first colon of its last component. */
static bool
is_tagged_name(const char *text, size_t length)
{
    size_t name = length;

    for (size_t i = length; i > 0 && text[i - 1] != '/'; i--) {
        if (text[i - 1] == ':') {
            name = i - 1;
        }
    }
    return is_name(text, name) && (name == length || is_tag(text + name + 1, length - name - 1));
}

enum imageref_kind
imageref_kind(const char *text)
{
    size_t length = strnlen(text, IMAGEREF_MAX + 1);
    const char *at = strchr(text, '@');

    if (length == 0 || length > IMAGEREF_MAX) {
        return IMAGEREF_INVALID;
    }
    if (imageref_is_id(text) || (length == IMAGEREF_ID_HEX && is_lower_hex(text, length))) {
        return IMAGEREF_ID;
    }
    /* By the grammar "sha256:abc" is a name with a tag, but Docker also takes it for the beginning
     * of an ID, and might delete whatever image begins like that. */
    if (strncmp(text, "sha256:", 7) == 0) {
        return IMAGEREF_INVALID;
    }
    if (at != NULL && !is_digest(at + 1)) {
        return IMAGEREF_INVALID;
    }
    if (!is_tagged_name(text, at == NULL ? length : (size_t)(at - text))) {
        return IMAGEREF_INVALID;
    }
    return at == NULL ? IMAGEREF_NAME : IMAGEREF_DIGEST;
}

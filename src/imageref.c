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

/* Letters, digits and, not first or last, hyphens, in parts joined by dots; then perhaps a port.
 * A host in brackets (IPv6) would need escapes in a URL, which HaRP does not make: it is refused.
 */
static bool
is_host(const char *text, size_t length)
{
    size_t i = 0;
    char before = '.';

    for (; i < length && text[i] != ':'; i++) {
        bool joint = text[i] == '.' || text[i] == '-';

        if (!joint && !is_letter(text[i]) && !is_digit(text[i])) {
            return false;
        }
        if ((text[i] == '.' && (before == '.' || before == '-')) ||
            (text[i] == '-' && before == '.')) {
            return false;
        }
        before = text[i];
    }
    if (before == '.' || before == '-') {
        return false;
    }
    if (i == length) {
        return true;
    }
    for (size_t k = i + 1; k < length; k++) {
        if (!is_digit(text[k])) {
            return false;
        }
    }
    return i + 1 < length;
}

/* Runs of lower-case letters and digits, joined by one dot, one or two underscores, or hyphens. */
static bool
is_path_component(const char *text, size_t length)
{
    size_t i = 0;

    while (i < length && (is_lower(text[i]) || is_digit(text[i]))) {
        size_t joint;

        while (i < length && (is_lower(text[i]) || is_digit(text[i]))) {
            i++;
        }
        if (i == length) {
            return true;
        }
        joint = i;
        while (i < length && text[i] == text[joint] && strchr("._-", text[i]) != NULL) {
            i++;
        }
        if ((text[joint] == '.' && i - joint > 1) || (text[joint] == '_' && i - joint > 2)) {
            return false;
        }
    }
    return false;
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

enum imageref_kind
imageref_kind(const char *text)
{
    size_t length = strnlen(text, IMAGEREF_MAX + 1);
    const char *at = strchr(text, '@');
    const char *colon = NULL;
    size_t name;

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
    name = at == NULL ? length : (size_t)(at - text);
    for (size_t i = name; i > 0 && text[i - 1] != '/'; i--) {
        if (text[i - 1] == ':') {
            colon = text + i - 1;
        }
    }
    if (colon != NULL) {
        if (!is_tag(colon + 1, (size_t)(text + name - colon) - 1)) {
            return IMAGEREF_INVALID;
        }
        name = (size_t)(colon - text);
    }
    if (!is_name(text, name)) {
        return IMAGEREF_INVALID;
    }
    return at == NULL ? IMAGEREF_NAME : IMAGEREF_DIGEST;
}

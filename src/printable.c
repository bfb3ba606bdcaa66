#define _XOPEN_SOURCE 700 /* wcwidth */

#include "printable.h"

#include "mem.h"

#include <locale.h>
#include <string.h>
#include <wchar.h>

struct printable_range {
    uint32_t first;
    uint32_t last;
};

/* What must be escaped beside the control characters below U+00A0. */
static const struct printable_range printable_dangerous[] = {
    {0x061c, 0x061c}, {0x200e, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f}, {0xfff9, 0xfffb},
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static bool
printable_in(uint32_t code, const struct printable_range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (code >= ranges[i].first && code <= ranges[i].last) {
            return true;
        }
    }
    return false;
}

/* Bytes of the form that begins with first; 0: nothing begins with it. */
static size_t
printable_length(unsigned char first)
{
    if (first < 0x80) {
        return 1;
    }
    if ((first & 0xe0) == 0xc0) {
        return 2;
    }
    if ((first & 0xf0) == 0xe0) {
        return 3;
    }
    return (first & 0xf8) == 0xf0 ? 4 : 0;
}

size_t
printable_decode(const char *text, uint32_t *ret_code)
{
    /* The least value that needs so many bytes: anything below is an overlong form. */
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = (unsigned char)text[0];
    size_t length = printable_length(first);
    uint32_t code;

    if (length == 0) {
        return 0;
    }
    code = length == 1 ? first : first & (0x7fU >> length);
    for (size_t i = 1; i < length; i++) {
        unsigned char next = (unsigned char)text[i];

        /* The NUL at the end is no continuation byte, so this never reads past it. */
        if ((next & 0xc0) != 0x80) {
            return 0;
        }
        code = code << 6 | (next & 0x3fU);
    }
    if (code < least[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
        return 0;
    }
    *ret_code = code;
    return length;
}

bool
printable_is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) ||
           printable_in(code, printable_dangerous, COUNT(printable_dangerous));
}

/* A thread's locale, for the time of one text: the widths of characters are the C library's, and it
 * knows them in a locale of UTF-8 only. The process's own locale is "C", where no name of a
 * pattern or a number of a log can change its meaning. */
struct printable_locale {
    locale_t utf8;
    locale_t before;
};

static void
printable_locale_enter(struct printable_locale *locale)
{
    if (locale->utf8 == (locale_t)0) {
        locale->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
        locale->before = locale->utf8 == (locale_t)0 ? (locale_t)0 : uselocale(locale->utf8);
    }
}

static void
printable_locale_leave(const struct printable_locale *locale)
{
    if (locale->utf8 != (locale_t)0) {
        (void)uselocale(locale->before);
        freelocale(locale->utf8);
    }
}

static size_t
printable_width(struct printable_locale *locale, uint32_t code)
{
    int width;

    if (code < 0x300) {
        return 1;
    }
    printable_locale_enter(locale);
    width = wcwidth((wchar_t)code);
    /* One that the library does not know, or a system without that locale: most take one. */
    return width < 0 ? 1 : (size_t)width;
}

/* Returns the columns taken; all of it is ASCII. */
static size_t
printable_escape(struct buf *out, uint32_t code)
{
    size_t before = out->length;

    if (code == '\n') {
        (void)buf_add_text(out, "\\n");
    } else if (code == '\t') {
        (void)buf_add_text(out, "\\t");
    } else if (code == '\r') {
        (void)buf_add_text(out, "\\r");
    } else if (code < 0x100) {
        (void)buf_printf(out, "\\x%02x", (unsigned)code);
    } else {
        (void)buf_printf(out, "\\u{%04x}", (unsigned)code);
    }
    return out->length - before;
}

size_t
printable_add(struct buf *out, const char *text)
{
    struct printable_locale locale = {(locale_t)0, (locale_t)0};
    size_t width = 0;

    while (text != NULL && *text != '\0') {
        uint32_t code = 0;
        size_t length = printable_decode(text, &code);

        if (length == 0) {
            width += printable_escape(out, (unsigned char)*text);
            length = 1;
        } else if (printable_is_control(code)) {
            width += printable_escape(out, code);
        } else if (buf_add(out, text, length)) {
            width += printable_width(&locale, code);
        }
        text += length;
    }
    printable_locale_leave(&locale);
    return width;
}

size_t
printable_fit(const char *text, size_t room, size_t *ret_width)
{
    struct printable_locale locale = {(locale_t)0, (locale_t)0};
    size_t length = 0;
    size_t width = 0;

    while (text[length] != '\0') {
        uint32_t code = 0;
        size_t step = printable_decode(text + length, &code);
        size_t more = step == 0 ? 1 : printable_width(&locale, code);

        if (width + more > room) {
            break;
        }
        width += more;
        length += step == 0 ? 1 : step;
    }
    printable_locale_leave(&locale);
    *ret_width = width;
    return length;
}

char *
printable_dup(const char *text)
{
    struct buf out;
    char *copy;

    buf_init(&out, SIZE_MAX / 4);
    (void)printable_add(&out, text);
    copy = mem_strdup(buf_text(&out));
    buf_free(&out);
    return copy;
}

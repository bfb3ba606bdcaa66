#include "printable.h"

#include "mem.h"

#include <string.h>

struct printable_range {
    uint32_t first;
    uint32_t last;
};

/* Characters that take no column: combining marks, joiners, variation selectors. Only the common
 * blocks: an odd name makes a column of a table a little ragged, nothing worse. */
static const struct printable_range printable_narrow[] = {
    {0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd}, {0x0610, 0x061a},
    {0x064b, 0x065f}, {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x200b, 0x200d},
    {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xfeff, 0xfeff},
};

/* Characters that take two columns (Unicode's East Asian Width W and F, and emoji). */
static const struct printable_range printable_wide[] = {
    {0x1100, 0x115f}, {0x2e80, 0x303e},   {0x3041, 0x33ff},   {0x3400, 0x4dbf},   {0x4e00, 0x9fff},
    {0xa000, 0xa4cf}, {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},
    {0xffe0, 0xffe6}, {0x1f300, 0x1f64f}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd},
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

static size_t
printable_width(uint32_t code)
{
    if (code < 0x300) {
        return 1;
    }
    if (printable_in(code, printable_narrow, COUNT(printable_narrow))) {
        return 0;
    }
    return printable_in(code, printable_wide, COUNT(printable_wide)) ? 2 : 1;
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
            width += printable_width(code);
        }
        text += length;
    }
    return width;
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

/*
 * What the fuzz targets share: how an input is taken apart, how a broken promise ends the process,
 * and what may stand in an output.
 *
 * An input is text wherever that is possible, so that a file of the corpus can be read and written
 * by a person: some letters that choose, up to the end of the line, then the material itself.
 */
#ifndef HARPSWEEP_FUZZ_H
#define HARPSWEEP_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process, which libFuzzer reports as a crash and keeps the input of. The words go past
 * stderr, which may be a capture. */
#define FUZZ_CHECK(condition, ...)                                           \
    do {                                                                     \
        if (!(condition)) {                                                  \
            (void)dprintf(2, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            (void)dprintf(2, __VA_ARGS__);                                   \
            (void)dprintf(2, "\n");                                          \
            abort();                                                         \
        }                                                                    \
    } while (0)

/* A function that takes the input apart or looks at what came out: its branches are no news. */
#define FUZZ_BLIND __attribute__((no_sanitize("coverage"), noinline, unused)) static

/* The same without the sanitizers: for what goes through long outputs letter by letter, and never
 * beyond their NUL. */
#define FUZZ_PLAIN \
    __attribute__((no_sanitize("coverage", "address", "undefined"), noinline, unused)) static

struct fuzz_input {
    const uint8_t *data;
    size_t size;
};

/* The next byte, 0 behind the end. */
static inline uint8_t
fuzz_byte(struct fuzz_input *input)
{
    if (input->size == 0) {
        return 0;
    }
    input->size--;
    return *input->data++;
}

/* The next byte as a choice of count; digits and letters choose as people would count them. */
static inline unsigned
fuzz_choice(struct fuzz_input *input, unsigned count)
{
    uint8_t byte = fuzz_byte(input);

    if (byte >= '0' && byte <= '9') {
        return (unsigned)(byte - '0') % count;
    }
    if (byte >= 'a' && byte <= 'z') {
        return (unsigned)(byte - 'a' + 10) % count;
    }
    return byte % count;
}

/* A copy of length bytes and a NUL: an overrun by one byte is one that the sanitizer sees. */
FUZZ_BLIND char *
fuzz_copy(const uint8_t *data, size_t length)
{
    char *copy = malloc(length + 1);

    FUZZ_CHECK(copy != NULL, "no memory");
    if (length > 0) {
        memcpy(copy, data, length);
    }
    copy[length] = '\0';
    return copy;
}

/* What stands before the next byte that is `end`, or before the end of the input, as a string,
 * NULs in it being its end. free() it. */
FUZZ_BLIND char *
fuzz_field(struct fuzz_input *input, uint8_t end)
{
    const uint8_t *found = input->size == 0 ? NULL : memchr(input->data, end, input->size);
    size_t length = found == NULL ? input->size : (size_t)(found - input->data);
    char *field = fuzz_copy(input->data, length);

    length += found == NULL ? 0 : 1;
    input->data += length;
    input->size -= length;
    return field;
}

/* Length of the character of UTF-8 at text, which has so many bytes left; 0 where it is none.
 * Written from RFC 3629's table, not from printable.c. */
__attribute__((always_inline)) static inline size_t
fuzz_utf8(const uint8_t *text, size_t left, uint32_t *ret_code)
{
    uint8_t a = text[0];
    uint8_t low = 0x80;
    uint8_t high = 0xbf;
    size_t length = a < 0x80 ? 1 : a < 0xc2 ? 0 : a < 0xe0 ? 2 : a < 0xf0 ? 3 : a < 0xf5 ? 4 : 0;

    if (length == 0 || length > left) {
        return 0;
    }
    *ret_code = length == 1 ? a : length == 2 ? a & 0x1fU : length == 3 ? a & 0x0fU : a & 0x07U;
    low = a == 0xe0 ? 0xa0 : a == 0xf0 ? 0x90 : low;
    high = a == 0xed ? 0x9f : a == 0xf4 ? 0x8f : high;
    for (size_t i = 1; i < length; i++) {
        if (text[i] < low || text[i] > high) {
            return 0;
        }
        low = 0x80;
        high = 0xbf;
        *ret_code = *ret_code << 6 | (text[i] & 0x3fU);
    }
    return length;
}

static inline bool
fuzz_is_utf8(const char *text)
{
    const uint8_t *at = (const uint8_t *)text;
    uint32_t code;

    for (size_t left = strlen(text); left > 0;) {
        size_t length = fuzz_utf8(at, left, &code);

        if (length == 0) {
            return false;
        }
        at += length;
        left -= length;
    }
    return true;
}

/* A character that a terminal would act upon, or that would turn the line around. */
__attribute__((always_inline)) static inline bool
fuzz_is_dangerous(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x61c || code == 0x200e ||
           code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}

/* What is shown to people is UTF-8 without anything dangerous but line feeds; returns how many. */
FUZZ_BLIND size_t
fuzz_check_shown(const char *what, const char *text, size_t length)
{
    size_t lines = 0;

    for (size_t at = 0; at < length;) {
        uint32_t code = 0;
        size_t size;

        if (text[at] >= ' ' && text[at] <= '~') {
            at++; /* most are */
            continue;
        }
        size = fuzz_utf8((const uint8_t *)text + at, length - at, &code);

        FUZZ_CHECK(size > 0, "%s: byte 0x%02x at %zu is not UTF-8", what,
                   (unsigned)(unsigned char)text[at], at);
        FUZZ_CHECK(code == '\n' || !fuzz_is_dangerous(code), "%s: U+%04X at %zu", what,
                   (unsigned)code, at);
        lines += code == '\n';
        at += size;
    }
    return lines;
}

/* Collects what is written to a standard stream; glibc's stdout and stderr can be exchanged. */
struct fuzz_capture {
    FILE **stream;
    FILE *before;
    FILE *memory; /* used again and again */
    char *text;   /* between an end and the next begin: what was written, NUL-terminated */
    size_t length;
};

static inline void
fuzz_capture_begin(struct fuzz_capture *capture, FILE **stream)
{
    if (capture->memory == NULL) {
        capture->memory = open_memstream(&capture->text, &capture->length);
        FUZZ_CHECK(capture->memory != NULL, "no memory");
    }
    rewind(capture->memory);
    capture->stream = stream;
    capture->before = *stream;
    *stream = capture->memory;
}

static inline void
fuzz_capture_end(struct fuzz_capture *capture)
{
    *capture->stream = capture->before;
    FUZZ_CHECK(fflush(capture->memory) == 0, "no memory");
    capture->text[capture->length] = '\0'; /* behind it there may be more, of the time before */
}

#endif
